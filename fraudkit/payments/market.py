"""What the catalogue holds for one market: a customer's country with the currency of the order.

Invariant: a market has exactly one offer for every method of the catalogue, in the order of
``method_type``; all that can be told without the amount, the date and the shop's own list is told
here, once, when the catalogue is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from fraudkit.domain.money import minor_unit_digits
from fraudkit.domain.payment_choice import LeftOut
from fraudkit.payments.entries import AmountLimit, Cost, EditionEntry, MethodEntry, PairEntry
from fraudkit.payments.shares import Pool

__all__ = ["FOREVER_MS", "Market", "Offer", "build_market", "money_text"]

FOREVER_MS = 2**62
_COUNTRIES_SHOWN_MAX = 8


class Offer(Struct, frozen=True, kw_only=True):
    """One method in one market.

    Attributes
    ----------
    method : MethodEntry
        The method.
    refusal : LeftOut or None
        Why it has no place in this market at all; the other fields are then empty.
    windows : tuple of (int, int)
        When the market is open, as half-open spans of milliseconds since the epoch.
    limit : AmountLimit or None
        The amounts it takes in this currency.
    cost : Cost or None
        What taking an order in this currency costs; ``None`` is unknown.
    pool : int
        Index into the market's pools.
    weight : float
        Its part of the pool, against the other methods that are shown.
    why : str
        Where its share and its cost come from.
    markets_text : str
        Which currencies it takes in this country and when, with the source: for a refusal by
        date.
    """

    method: MethodEntry
    refusal: LeftOut | None = None
    windows: tuple[tuple[int, int], ...] = ()
    limit: AmountLimit | None = None
    cost: Cost | None = None
    pool: int = -1
    weight: float = 0.0
    why: str = ""
    markets_text: str = ""


class Market(Struct, frozen=True, kw_only=True):
    """All offers of one market, and what each pool has of the country's payments."""

    country: str
    currency: str
    offers: tuple[Offer, ...]
    pool_percents: tuple[float, ...]


def build_market(
    country: str,
    currency: str,
    *,
    methods: Sequence[MethodEntry],
    pairs: Mapping[str, Mapping[str, Sequence[PairEntry]]],
    pools: Sequence[Pool],
    costs: Mapping[str, Sequence[tuple[frozenset[str], Cost]]],
    reasons: Mapping[str, str],
) -> Market:
    """Return one market.

    Parameters
    ----------
    country, currency : str
        The customer's country and the order's currency.
    methods : sequence of MethodEntry
        All methods, in the order of ``method_type``.
    pairs : mapping
        Method → country → its pairs there.
    pools : sequence of Pool
        Of the country.
    costs : mapping
        Method → costs in the order of preference, each with the countries where it holds.
    reasons : mapping of str to str
        Method → the reason of the country's delta.
    """
    pool_of = {name: index for index, pool in enumerate(pools) for name in pool.weights}
    offers = []
    for method in methods:
        by_country = pairs[method.method_type]
        refusal = _refusal(method, country, currency, by_country)
        if refusal is not None:
            offers.append(Offer(method=method, refusal=refusal))
            continue
        here = by_country[country]
        index = pool_of[method.method_type]
        cost = _cost(costs[method.method_type], country, currency)
        current = [name for name in pools[index].weights if _is_open_ended(pairs[name][country])]
        share_text = _share_text(
            method, country, pools[index], current, reasons.get(method.method_type)
        )
        offers.append(
            Offer(
                method=method,
                windows=tuple(_window(pair) for pair in here if pair.currency == currency),
                limit=next((held for held in method.limits if held.currency == currency), None),
                cost=cost,
                pool=index,
                weight=pools[index].weights[method.method_type],
                why=f"{share_text} {_cost_text(method, cost, country, currency)}",
                markets_text=(
                    f"In {country}, {method.name} takes {_pairs_text(here)} "
                    f"({_pair_url(here, currency, method)})."
                ),
            )
        )
    return Market(
        country=country,
        currency=currency,
        offers=tuple(offers),
        pool_percents=tuple(pool.percent for pool in pools),
    )


def money_text(amount_minor: int, currency: str) -> str:
    """Return an amount as people write it.

    Examples
    --------
    >>> money_text(2905, "EUR"), money_text(500, "JPY")
    ('29.05 EUR', '500 JPY')
    """
    digits = minor_unit_digits(currency)
    return f"{amount_minor / 10**digits:.{digits}f} {currency}"


def _window(pair: PairEntry) -> tuple[int, int]:
    first = 0 if pair.valid_from is None else _midnight_ms(pair.valid_from)
    if pair.valid_to is None:
        return first, FOREVER_MS
    return first, _midnight_ms(pair.valid_to + timedelta(days=1))


def _is_open_ended(pairs: Sequence[PairEntry]) -> bool:
    return any(pair.valid_to is None for pair in pairs)


def _pair_url(pairs: Sequence[PairEntry], currency: str, method: MethodEntry) -> str:
    own = (pair.url for pair in pairs if pair.currency == currency and pair.url is not None)
    return next(own, method.sources[0].url)


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _refusal(
    method: MethodEntry,
    country: str,
    currency: str,
    by_country: Mapping[str, Sequence[PairEntry]],
) -> LeftOut | None:
    here = by_country.get(country)
    if here is None:
        return LeftOut(
            method_type=method.method_type,
            code="country_not_supported",
            why=(
                f"{method.name} is for customers in {_countries_text(by_country)}; this one pays "
                f"from {country}. Source: {method.sources[0].url}"
            ),
        )
    if all(pair.currency != currency for pair in here):
        return LeftOut(
            method_type=method.method_type,
            code="currency_not_supported_in_country",
            why=(
                f"In {country}, {method.name} takes {_pairs_text(here)}; this order is in "
                f"{currency}. Source: {method.sources[0].url}"
            ),
        )
    return None


def _countries_text(countries: Iterable[str]) -> str:
    names = sorted(countries)
    if len(names) <= _COUNTRIES_SHOWN_MAX:
        return ", ".join(names)
    shown = ", ".join(names[:_COUNTRIES_SHOWN_MAX])
    return f"{shown} and {len(names) - _COUNTRIES_SHOWN_MAX} more countries"


def _pairs_text(pairs: Sequence[PairEntry]) -> str:
    return ", ".join(
        pair.currency
        + ("" if pair.valid_from is None else f" from {pair.valid_from}")
        + ("" if pair.valid_to is None else f" until {pair.valid_to}")
        for pair in pairs
    )


def _cost(costs: Sequence[tuple[frozenset[str], Cost]], country: str, currency: str) -> Cost | None:
    """Return the first cost for the country that can be told in the currency."""
    return next(
        (cost for held, cost in costs if country in held and cost.currency == currency), None
    )


def _cost_text(method: MethodEntry, cost: Cost | None, country: str, currency: str) -> str:
    if cost is None:
        reason = method.no_cost_published or f"no cost is known for {country} in {currency}"
        return f"Cost unknown: {reason.rstrip('.')}."
    parts = []
    if cost.fee_bps or not cost.fixed_minor:
        parts.append(f"{cost.fee_bps / 100:g} %")
    if cost.fixed_minor:
        parts.append(money_text(cost.fixed_minor, currency))
    most = "" if cost.max_minor is None else f", at most {money_text(cost.max_minor, currency)}"
    kind = cost.kind.replace("_", " ")
    return f"Cost {' plus '.join(parts)}{most}: {kind} of {cost.as_of} ({cost.source}, {cost.url})."


def _share_text(
    method: MethodEntry,
    country: str,
    pool: Pool,
    current: Sequence[str],
    delta_reason: str | None,
) -> str:
    edition = pool.edition
    if edition is None:
        return (
            f"No source names a share for {method.name} or its kind in {country}; its share is "
            f"nominal."
        )
    what = " and ".join(
        f"{_named(figure.published_as, figure.bucket, method)} {figure.percent:g} %"
        for figure in pool.figures
    )
    figure = f"{what} ({edition.metric}; {edition.year_text}; {edition.source}, {edition.url})"
    split = _split_text(method, pool, current, delta_reason)
    if edition.geo != country:
        return (
            f"Weak: no figure for {country} covers {method.name}, so what others leave open is "
            f"filled in proportion to the {_place(edition)} figures: {figure}.{split}"
        )
    scaled = "" if pool.is_as_published else ", used for what stronger figures leave open"
    return f"Published for {country}: {figure}{scaled}.{split}"


def _named(published_as: str | None, bucket: str | None, method: MethodEntry) -> str:
    kind = method.name if bucket is None else bucket.replace("_", " ")
    if bucket == "other":
        kind = "all that is not itemised"
    return kind if published_as is None else f"{kind} (as {published_as!r})"


def _split_text(
    method: MethodEntry, pool: Pool, current: Sequence[str], delta_reason: str | None
) -> str:
    if pool.figures[0].method is not None:
        return ""
    if list(current) == [method.method_type]:
        return f" {method.name} is the only such method of the catalogue here and takes all of it."
    names = {*current, method.method_type}
    part = pool.weights[method.method_type] / sum(pool.weights[name] for name in names)
    basis = "".join(f" {text}" for text in (method.split_basis, delta_reason) if text is not None)
    division = ""
    if pool.division is not None:
        source = f"{pool.division.source}, {pool.division.year_text}, {pool.division.url}"
        division = f", kinds as for {_place(pool.division)} ({source})"
    return (
        f" By assumption {part:.0%} of it is {method.name}'s if all {len(names)} such methods are "
        f"shown{division}.{basis}"
    )


def _place(edition: EditionEntry) -> str:
    return edition.geo.removeprefix("region:").replace("_", " ")
