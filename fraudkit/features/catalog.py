"""The default features: what every shop starts from, and what its own columns add.

`default_features` builds the set for a shop: the order features, the windows of each entity,
the windows of the shop's own entities, and one feature for each of its own columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec

from fraudkit.errors import FeatureError
from fraudkit.features import order_features as compute
from fraudkit.features.fields import REFERENCE_AMOUNT, last_part
from fraudkit.features.spec import (
    Aggregation,
    Entity,
    Feature,
    FeatureSet,
    OperationName,
    OrderFeature,
    Where,
    category_code,
)

__all__ = [
    "CATEGORIES",
    "DAY_MS",
    "ENTITIES",
    "HOUR_MS",
    "category",
    "default_features",
    "feature_set",
    "numeric_column",
]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

ENTITIES: Final = (
    Entity(name="card", inputs=("payment.card.fingerprint",), label="this card"),
    Entity(name="account", inputs=("account.user_id",), label="this account"),
    Entity(name="email", inputs=("email.address",), is_caseless=True, label="this e-mail address"),
    Entity(name="device", inputs=("device.fingerprint",), label="this device"),
    Entity(name="ip", inputs=("device.ip_address",), is_caseless=True, label="this IP address"),
    Entity(
        name="shipping_address",
        inputs=("shipping.address", "shipping.postal", "shipping.country"),
        is_caseless=True,
        label="this delivery address",
    ),
    Entity(
        name="billing_address",
        inputs=("billing.address", "billing.postal", "billing.country"),
        is_caseless=True,
        label="this billing address",
    ),
    Entity(
        name="phone",
        inputs=("billing.phone_number", "billing.phone_country_code"),
        label="this telephone number",
    ),
)
"""The entities that every transaction may have."""

CATEGORIES: Final = {
    "billing_country": ("billing.country", "COUNTRY"),
    "shipping_country": ("shipping.country", "COUNTRY"),
    "card_country": ("payment.card.country", "COUNTRY"),
    "card_brand": ("payment.card.brand", "PAYMENT_METHOD"),
    "card_funding": ("payment.card.funding", "PAYMENT_METHOD"),
    "payment_method_type": ("payment.method_type", "PAYMENT_METHOD"),
    "currency": ("order.currency", "CURRENCY"),
    "channel": ("channel", "CHANNEL"),
    "delivery_speed": ("shipping.delivery_speed", "DELIVERY"),
    "delivery_kind": ("shipping.delivery_kind", "DELIVERY"),
    "cvv_check": ("payment.card.cvv_check", "CARD_CHECKS"),
    "address_check": ("payment.card.address_check", "CARD_CHECKS"),
}
"""Categorical order features: name → field and reason code."""


def _order_features() -> list[OrderFeature]:
    def feature(  # noqa: PLR0913, PLR0917 - a row of the table below
        name: str,
        inputs: Sequence[str],
        function: object,
        unit: str,
        meaning: str,
        reason_code: str,
        text: str,
        low: float = 0.0,
        high: float = inf,
    ) -> OrderFeature:
        return OrderFeature(
            name=name,
            inputs=tuple(inputs),
            compute=function,  # type: ignore[arg-type]
            unit=unit,
            meaning=meaning,
            reason_code=reason_code,
            low=low,
            high=high,
            text=text,
        )

    both = ("shipping.address", "shipping.postal", "billing.address", "billing.postal")
    return [
        feature("amount", (REFERENCE_AMOUNT,), compute.amount, "minor units",
                "Order total in minor units of the reference currency", "AMOUNT",
                "the amount"),
        feature("is_round_amount", ("order.amount_minor",), compute.is_round_amount, "0 or 1",
                "Whether the total ends in two zeros of its minor unit", "AMOUNT",
                "a round amount", high=1.0),
        feature("item_count", ("order.item_count",), compute.number, "lines",
                "Lines of the basket", "BASKET", "{value:.0f} lines in the basket"),
        feature("local_hour", ("event_time_ms", "utc_offset_minutes"), compute.local_hour,
                "hour", "Hour of the day where the order was made", "TIME_OF_DAY",
                "ordered at {value:.0f} o'clock local time", high=23.0),
        feature("local_weekday", ("event_time_ms", "utc_offset_minutes"), compute.local_weekday,
                "weekday", "Day of the week where the order was made, Monday is 0",
                "TIME_OF_DAY", "the day of the week", high=6.0),
        feature("account_age", ("event_time_ms", "account.created_at_ms"),
                compute.account_age_days, "days",
                "Days between the account's making and the order", "ACCOUNT_AGE",
                "the account is {value:.1f} days old", low=-inf),
        feature("is_guest", ("account.is_guest",), compute.is_true, "0 or 1",
                "Whether the order is made without an account", "ACCOUNT_AGE",
                "ordered as a guest", high=1.0),
        feature("session_age", ("device.session_age_s",), compute.number, "seconds",
                "Seconds from the session's start to the order", "SESSION",
                "{value:.0f} seconds in the shop before ordering"),
        feature("email_length", ("email.address",), compute.local_part_length, "characters",
                "Length of the e-mail address before the @", "EMAIL_SHAPE",
                "the shape of the e-mail address", high=254.0),
        feature("email_digit_share", ("email.address",), compute.digit_share, "share",
                "Share of digits in the e-mail address before the @", "EMAIL_SHAPE",
                "the shape of the e-mail address", high=1.0),
        feature("email_has_name", ("email.address", "billing.last_name"), compute.name_in_email,
                "0 or 1", "Whether the last name stands in the e-mail address", "EMAIL_NAME",
                "the e-mail address does not go with the name", high=1.0),
        feature("address_differs", both, compute.street_differs, "0 or 1",
                "Whether delivery and billing address differ", "ADDRESS_MISMATCH",
                "delivery and billing address differ", high=1.0),
        feature("name_differs",
                ("shipping.first_name", "shipping.last_name",
                 "billing.first_name", "billing.last_name"),
                compute.name_differs, "0 or 1", "Whether delivery and billing name differ",
                "NAME_MISMATCH", "delivery and billing name differ", high=1.0),
        feature("shipping_billing_country_differs", ("shipping.country", "billing.country"),
                compute.differs, "0 or 1", "Whether delivery and billing country differ",
                "COUNTRY_MISMATCH", "delivery and billing country differ", high=1.0),
        feature("card_billing_country_differs", ("payment.card.country", "billing.country"),
                compute.differs, "0 or 1", "Whether the card's and the billing country differ",
                "CARD_COUNTRY_MISMATCH", "the card was issued in another country", high=1.0),
    ]  # fmt: skip


_WINDOWS: Final[dict[str, tuple[tuple[OperationName, int, Where, str | None], ...]]] = {
    "card": (
        ("count", HOUR_MS, "attempted", None),
        ("count", DAY_MS, "attempted", None),
        ("sum", DAY_MS, "attempted", None),
        ("distinct", 7 * DAY_MS, "attempted", "account"),
        ("seconds_since_last", 30 * DAY_MS, "attempted", None),
        ("count", 180 * DAY_MS, "fraud", None),
    ),
    "account": (
        ("count", DAY_MS, "attempted", None),
        ("amount_over_mean", 90 * DAY_MS, "attempted", None),
        ("seconds_since_last", 90 * DAY_MS, "attempted", None),
        ("distinct", 30 * DAY_MS, "attempted", "device"),
        ("count", 180 * DAY_MS, "fraud", None),
    ),
    "email": (
        ("count", DAY_MS, "attempted", None),
        ("count", 30 * DAY_MS, "attempted", None),
        ("distinct", 7 * DAY_MS, "attempted", "card"),
        ("seconds_since_last", 90 * DAY_MS, "attempted", None),
        ("count", 180 * DAY_MS, "fraud", None),
        ("share", 180 * DAY_MS, "fraud", None),
    ),
    "device": (
        ("count", HOUR_MS, "attempted", None),
        ("distinct", DAY_MS, "attempted", "card"),
        ("count", HOUR_MS, "declined_hard", None),
        ("count", 180 * DAY_MS, "fraud", None),
    ),
    "ip": (
        ("count", HOUR_MS, "attempted", None),
        ("distinct", DAY_MS, "attempted", "card"),
    ),
    "shipping_address": (
        ("distinct", 30 * DAY_MS, "attempted", "account"),
        ("count", 180 * DAY_MS, "fraud", None),
    ),
}

_OWN_WINDOWS: Final[tuple[tuple[OperationName, int, Where, str | None], ...]] = (
    ("count", DAY_MS, "attempted", None),
    ("count", 7 * DAY_MS, "attempted", None),
    ("count", 30 * DAY_MS, "attempted", None),
    ("mean", 30 * DAY_MS, "attempted", None),
    ("seconds_since_last", 30 * DAY_MS, "attempted", None),
    ("count", 7 * DAY_MS, "fraud", None),
    ("share", 30 * DAY_MS, "fraud", None),
    ("count", 180 * DAY_MS, "fraud", None),
)
"""The windows of an entity of the shop's own."""


def default_features(
    *,
    own_entities: Iterable[str] = (),
    own_numbers: Iterable[str] = (),
    own_categories: Iterable[str] = (),
    levels: Mapping[str, Sequence[str]] | None = None,
) -> FeatureSet:
    """Return the default features, widened by a shop's own entities and columns.

    Parameters
    ----------
    own_entities, own_numbers, own_categories : iterable of str
        Names in ``entities`` and ``custom_inputs``.
    levels : mapping of str to sequence of str, optional
        Values of each categorical feature that get a code; learnt in training. A category
        without levels is left out.

    Examples
    --------
    >>> features = default_features(own_entities=["terminal"])
    >>> "terminal_attempts_7d" in features.names, len(features.order_features)
    (True, 15)
    """
    learnt = levels or {}
    own = [
        Entity(name=name, inputs=(f"entities.{name}",), label=f"this {name.replace('_', ' ')}")
        for name in own_entities
    ]
    categories = CATEGORIES | {
        f"custom_{name}": (f"custom_inputs.{name}", f"CUSTOM_{name.upper()}")
        for name in own_categories
    }
    entities = [*ENTITIES, *own]
    features: list[Feature] = [
        *_order_features(),
        *(numeric_column(name) for name in own_numbers),
        *(
            category(name, field, code, learnt[name])
            for name, (field, code) in categories.items()
            if learnt.get(name)
        ),
    ]
    for entity in entities:
        windows = _OWN_WINDOWS if entity in own else _WINDOWS.get(entity.name, ())
        features.extend(_aggregation(entity, *window) for window in windows)
    return FeatureSet(entities, features)


def feature_set(description: Mapping[str, Any]) -> FeatureSet:
    """Return the feature set that `FeatureSet.describe` described.

    Raises
    ------
    FeatureError
        If this version of fraudkit has no such feature, or computes it differently.
    """
    known = {feature.name: feature for feature in _order_features()}
    features: list[Feature] = []
    for plain in description["features"]:
        if plain["kind"] == "window":
            fields = {name: value for name, value in plain.items() if name != "kind"}
            features.append(msgspec.convert(fields, Aggregation))
        else:
            features.append(_order_feature(plain, known))
    entities = msgspec.convert(description["entities"], list[Entity])
    return FeatureSet(entities, features, max_events=description["max_events"])


def _order_feature(plain: Mapping[str, Any], known: Mapping[str, OrderFeature]) -> OrderFeature:
    name = str(plain["name"])
    if "levels" in plain:
        code = CATEGORIES.get(name, ("", name.upper()))[1]
        feature = category(name, plain["inputs"][0], code, plain["levels"])
    elif name in known:
        feature = known[name]
    elif name.startswith("custom_"):
        feature = numeric_column(name.removeprefix("custom_"))
    else:
        raise FeatureError(f"this version of fraudkit has no feature {name!r}; retrain the bundle")
    if feature.describe() != dict(plain):
        raise FeatureError(
            f"feature {name!r} is computed differently in this version of fraudkit; "
            "retrain the bundle"
        )
    return feature


def numeric_column(name: str) -> OrderFeature:
    """Return the feature that takes a number of the shop's own as it is."""
    return OrderFeature(
        name=f"custom_{name}",
        inputs=(f"custom_inputs.{name}",),
        compute=compute.number,
        unit="as given",
        meaning=f"The shop's own number {name!r}",
        reason_code=f"CUSTOM_{name.upper()}",
        low=-inf,
        high=inf,
        text=f"the shop's own number {name!r} is {{value:g}}",
    )


def category(name: str, field: str, reason_code: str, levels: Sequence[str]) -> OrderFeature:
    """Return the feature that codes a field's value; unseen values are NaN."""
    return OrderFeature(
        name=name,
        inputs=(field,),
        compute=category_code(levels),
        unit="category",
        meaning=f"Code of {field} among {len(levels)} known values",
        reason_code=reason_code,
        low=0.0,
        high=float(max(len(levels) - 1, 0)),
        text=f"{last_part(field).replace('_', ' ')} is {{level}}",
        levels=tuple(levels),
    )


_NOUNS: Final[dict[Where, str]] = {
    "attempted": "attempts",
    "authorized": "authorized payments",
    "declined_soft": "soft declines",
    "declined_hard": "hard declines",
    "approved": "approved orders",
    "declined": "declined orders",
    "refunded": "refunds",
    "good": "orders known to be good",
    "fraud": "frauds known by then",
}


def _aggregation(
    entity: Entity,
    operation: OperationName,
    window_ms: int,
    where: Where,
    of: str | None,
) -> Aggregation:
    span = f"{window_ms // DAY_MS}d" if window_ms >= DAY_MS else f"{window_ms // HOUR_MS}h"
    noun = _NOUNS[where]
    words = {
        "count": (f"{noun}_{span}", "events", f"{noun.capitalize()} of {entity.label}"),
        "sum": (f"amount_{span}", "minor units", f"Amount of {noun} of {entity.label}"),
        "mean": (f"mean_amount_{span}", "minor units", f"Mean amount of {entity.label}"),
        "distinct": (f"{of}s_{span}", "keys", f"Different {of}s with {entity.label}"),
        "share": (f"{where}_share_{span}", "share", f"Share of {noun} of {entity.label}"),
        "seconds_since_last": (f"gap_{span}", "seconds", f"Time since {entity.label} was seen"),
        "amount_over_mean": (f"amount_over_mean_{span}", "ratio",
                             f"Amount over the mean amount of {entity.label}"),
    }  # fmt: skip
    suffix, unit, meaning = words[operation]
    name = f"{entity.name}_{suffix.replace(' known by then', '').replace(' ', '_')}"
    kind = (
        "FRAUD_HISTORY"
        if where == "fraud"
        else (
            {"distinct": "LINKS", "amount_over_mean": "UNUSUAL_AMOUNT"}.get(operation, "VELOCITY")
        )
    )
    return Aggregation(
        name=name,
        entity=entity.name,
        operation=operation,
        window_ms=window_ms,
        where=where,
        of=of,
        unit=unit,
        meaning=f"{meaning} in the {_span_words(window_ms)} before the order",
        reason_code=f"{entity.name.upper()}_{kind}",
        text=_text(entity, operation, window_ms, noun, of),
    )


def _span_words(window_ms: int) -> str:
    if window_ms % DAY_MS:
        hours = window_ms // HOUR_MS
        return "hour" if hours == 1 else f"{hours} hours"
    days = window_ms // DAY_MS
    return "day" if days == 1 else f"{days} days"


def _text(
    entity: Entity, operation: OperationName, window_ms: int, noun: str, of: str | None
) -> str:
    span = f"in the last {_span_words(window_ms)}"
    return {
        "count": f"{{value:.0f}} {noun} with {entity.label} {span}",
        "sum": f"{{value:.0f}} minor units tried with {entity.label} {span}",
        "mean": f"a mean amount of {{value:.0f}} minor units with {entity.label} {span}",
        "distinct": f"{{value:.0f}} {of}s with {entity.label} {span}",
        "share": f"{{value:.0%}} {noun} among the orders of {entity.label} {span}",
        "seconds_since_last": f"{entity.label} was last seen {{value:.0f}} seconds ago",
        "amount_over_mean": f"{{value:.1f}} times the usual amount of {entity.label}",
    }.get(operation, f"{operation} of {entity.label} {span}")
