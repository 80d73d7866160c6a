"""Windows in words: the name, unit, meaning, reason code and sentences of any window."""

from __future__ import annotations

from typing import Final, NamedTuple

from fraudkit.features.spec import Aggregation, Entity, OperationName, Where

__all__ = ["worded_window"]


class _Earlier(NamedTuple):
    """How earlier orders are called: in names of features, in sentences, in reason codes."""

    names: str
    prefix: str
    one: str
    many: str
    code: str


_EARLIER: Final[dict[Where, _Earlier]] = {
    "attempted": _Earlier("attempts", "", "attempt", "attempts", ""),
    "authorized": _Earlier(
        "authorized", "authorized_", "authorized payment", "authorized payments", "HISTORY"
    ),
    "declined_soft": _Earlier(
        "soft_declines", "soft_decline_", "soft decline", "soft declines", "SOFT_DECLINES"
    ),
    "declined_hard": _Earlier(
        "hard_declines", "hard_decline_", "hard decline", "hard declines", "HARD_DECLINES"
    ),
    "approved": _Earlier("approved", "approved_", "approved order", "approved orders", "HISTORY"),
    "declined": _Earlier(
        "declined", "declined_", "order declined by us", "orders declined by us", "DECLINED_ORDERS"
    ),
    "refunded": _Earlier("refunds", "refund_", "refunded order", "refunded orders", "REFUNDS"),
    "good": _Earlier(
        "known_good", "known_good_", "order known to be good", "orders known to be good", "HISTORY"
    ),
    "fraud": _Earlier("frauds", "fraud_", "known fraud", "known frauds", "FRAUD_HISTORY"),
}  # fmt: skip


class _Saying(NamedTuple):
    """How an operation is said; ``code`` is of every attempt, `_Earlier` has those of the rest."""

    name: str
    unit: str
    code: str
    meaning: str
    text: str
    unknown_text: str
    zero_text: str = ""
    one_text: str = ""


_EVER: Final = ", as far back as is kept"
_ABSENT: Final = "{label} did not come with the order"
_UNSEEN: Final = "{label} did not come with the order, or had no {one} {when}"
_NO_AMOUNT: Final = "{label} did not come with the order, or had no {one} of a known amount {when}"
_NO_RATIO: Final = f"{_NO_AMOUNT}, or the order's own amount is not known"
_APART: Final = "{label} or {other} did not come with the order"

_SAYINGS: Final[dict[OperationName, _Saying]] = {
    "count": _Saying(
        "{names}", "events", "VELOCITY",
        "{many} {at}{before}",
        "{{value:.0f}} {many} {at} {when}", _ABSENT,
        "no {many} {at} {when}", "1 {one} {at} {when}",
    ),
    "sum": _Saying(
        "{prefix}amount", "minor units", "VELOCITY",
        "amount of {many} {at}{before}",
        "amount of {many} {at} {when}: {{value:,.0f}} minor units", _ABSENT,
    ),
    "mean": _Saying(
        "{prefix}mean_amount", "minor units", "UNUSUAL_AMOUNT",
        "mean amount of {many} {at}{before}",
        "mean amount of {many} {at} {when}: {{value:,.0f}} minor units", _NO_AMOUNT,
    ),
    "min": _Saying(
        "{prefix}min_amount", "minor units", "UNUSUAL_AMOUNT",
        "smallest amount of {many} {at}{before}",
        "smallest amount of {many} {at} {when}: {{value:,.0f}} minor units", _NO_AMOUNT,
    ),
    "max": _Saying(
        "{prefix}max_amount", "minor units", "UNUSUAL_AMOUNT",
        "largest amount of {many} {at}{before}",
        "largest amount of {many} {at} {when}: {{value:,.0f}} minor units", _NO_AMOUNT,
    ),
    "std": _Saying(
        "{prefix}std_amount", "minor units", "UNUSUAL_AMOUNT",
        "standard deviation of the amounts of {many} {at}{before}",
        "spread of the amounts of {many} {at} {when}: {{value:,.0f}} minor units",
        _NO_AMOUNT,
    ),
    "distinct": _Saying(
        "{prefix}{others_name}", "{others}", "LINKS",
        "different {others}{among} {at}{before}",
        "{{value:.0f}} {others}{among} {at} {when}", _ABSENT,
        "no {others}{among} {at} {when}", "1 {other_one}{among} {at} {when}",
    ),
    "seconds_since_last": _Saying(
        "{prefix}gap", "seconds", "VELOCITY",
        "time since the last {one} {at}{before}",
        "the last {one} {at} was {{duration}} ago", _UNSEEN,
    ),
    "seconds_since_first": _Saying(
        "{prefix}first_seen", "seconds", "HISTORY",
        "time since the first {one} {at}{before}",
        "the first {one} {at} was {{duration}} ago", _UNSEEN,
    ),
    "share": _Saying(
        "{prefix}share", "share", "VELOCITY",
        "share of {many} among the attempts {at}{before}",
        "share of {many} among the attempts {at} {when}: {{value:.0%}}",
        "{label} did not come with the order, or had no attempt {when}",
    ),
    "amount_over_mean": _Saying(
        "amount_over_{prefix}mean", "ratio", "UNUSUAL_AMOUNT",
        "the order's amount over the mean amount of {many} {at}{before}",
        "the amount is {{value:.1f}} times the mean amount of {many} {at} {when}",
        _NO_RATIO,
    ),
    "amount_over_max": _Saying(
        "amount_over_{prefix}max", "ratio", "UNUSUAL_AMOUNT",
        "the order's amount over the largest amount of {many} {at}{before}",
        "the amount is {{value:.1f}} times the largest amount of {many} {at} {when}",
        _NO_RATIO,
    ),
    "count_same_amount": _Saying(
        "{prefix}same_amount", "events", "SAME_AMOUNT",
        "{many} of the very same amount {at}{before}",
        "{{value:.0f}} {many} of the very same amount {at} {when}",
        "{label} did not come with the order, or its amount is not known",
        "no {many} of the very same amount {at} {when}",
        "1 {one} of the very same amount {at} {when}",
    ),
    "count_same": _Saying(
        "{prefix}same_{other_name}", "events", "{other_code}_PAIR",
        "{many} with both {label} and {other}{before}",
        "{{value:.0f}} {many} with both {label} and {other} {when}", _APART,
        "no {many} with both {label} and {other} {when}",
        "1 {one} with both {label} and {other} {when}",
    ),
    "is_new": _Saying(
        "{prefix}new_{other_name}", "0 or 1", "{other_code}_PAIR",
        "whether {other} is new for {label}{among}{before}",
        "{other} was not seen with {label}{among} {lately}", _APART,
        "{other} was seen with {label}{among} {lately}",
    ),
    "seconds_since_same": _Saying(
        "{prefix}{other_name}_gap", "seconds", "{other_code}_PAIR",
        "time since the last {one} with both {label} and {other}{before}",
        "the last {one} with both {label} and {other} was {{duration}} ago",
        "{label} or {other} did not come with the order, or had no {one} together {when}",
    ),
}  # fmt: skip

_PLURALS: Final = {
    "billing_address": ("billing_addresses", "billing addresses"),
    "card_country": ("card_countries", "issuing countries"),
    "currency": ("currencies", "currencies"),
    "email": ("emails", "e-mail addresses"),
    "email_domain": ("email_domains", "e-mail domains"),
    "ip": ("ips", "IP addresses"),
    "ip_country": ("ip_countries", "IP countries"),
    "ip_network": ("ip_networks", "IP networks"),
    "phone": ("phones", "telephone numbers"),
    "shipping_address": ("shipping_addresses", "delivery addresses"),
}
"""Entities and fields whose plural is not their name and an s: in names, in sentences."""

_PREPOSITIONS: Final = {"account": "on", "device": "on", "ip": "from", "ip_network": "from"}
"""How an order stands to an entity; with any other it is "with"."""

_SPANS: Final = (
    (86_400_000, "d", "day"),
    (3_600_000, "h", "hour"),
    (60_000, "m", "minute"),
    (1_000, "s", "second"),
    (1, "ms", "millisecond"),
)
"""Milliseconds in a unit, as a window's name and its sentences call it."""


def worded_window(
    entity: Entity,
    operation: OperationName,
    window_ms: int | None,
    *,
    where: Where = "attempted",
    of: Entity | None = None,
) -> Aggregation:
    """Return a window with its name, unit, meaning, reason code and sentences.

    Parameters
    ----------
    entity : Entity
        Whose past.
    operation, window_ms, where
        As in `fraudkit.features.spec.Aggregation`.
    of : Entity, optional
        What `fraudkit.features.spec.OPERATIONS_OF` count or compare.

    Examples
    --------
    >>> card = Entity(name="card", inputs=("payment.card.fingerprint",), label="this card")
    >>> window = worded_window(card, "count", 3_600_000, where="declined_hard")
    >>> window.name, window.reason_code
    ('card_hard_declines_1h', 'CARD_HARD_DECLINES')
    >>> window.text.format(value=3.0)
    '3 hard declines with this card in the last hour'
    >>> window.one_text
    '1 hard decline with this card in the last hour'
    """
    said, earlier = _SAYINGS[operation], _EARLIER[where]
    name, words = _span(window_ms)
    values = _values(entity, of, earlier)
    values["when"] = f"in the last {words}" if words else "so far"
    values["lately"] = f"in the last {words}" if words else "before"
    values["before"] = f" in the {words} before the order" if words else _EVER
    meaning = said.meaning.format(**values)
    code = earlier.code or said.code.format(**values)
    return Aggregation(
        name=f"{entity.name}_{said.name.format(**values)}{name}",
        entity=entity.name,
        operation=operation,
        window_ms=window_ms,
        where=where,
        of=None if of is None else of.name,
        unit=said.unit.format(**values),
        meaning=meaning[0].upper() + meaning[1:],
        reason_code=f"{entity.name.upper()}_{code}",
        text=said.text.format(**values),
        zero_text=said.zero_text.format(**values),
        one_text=said.one_text.format(**values),
        unknown_text=said.unknown_text.format(**values),
    )


def _values(entity: Entity, of: Entity | None, earlier: _Earlier) -> dict[str, str]:
    """Return what the tables of this module leave open, without the window's width."""
    values = earlier._asdict() | {"label": entity.label}
    values["at"] = f"{_PREPOSITIONS.get(entity.name, 'with')} {entity.label}"
    values["among"] = f" in {earlier.many}" if earlier.code else ""
    if of is not None:
        others = (f"{of.name}s", f"{of.name.replace('_', ' ')}s")
        values["other"] = of.label
        values["other_one"] = of.label.removeprefix("this ") or of.name.replace("_", " ")
        values["other_name"], values["other_code"] = of.name, of.name.upper()
        values["others_name"], values["others"] = _PLURALS.get(of.name, others)
    return values


def _span(window_ms: int | None) -> tuple[str, str]:
    """Return a width as a name ends with it and as a sentence says it; empty for no width."""
    if window_ms is None:
        return "", ""
    unit_ms, short, long = next(span for span in _SPANS if window_ms % span[0] == 0)
    number = window_ms // unit_ms
    return f"_{number}{short}", long if number == 1 else f"{number} {long}s"
