"""Which payment methods to show, in which order, and why.

Invariant: every method of the catalogue is in exactly one of ``methods`` and ``why_not``; the
shares of the shown methods add up to 1; the order does not depend on the order in which the shop
lists its methods.
"""

from __future__ import annotations

import difflib
import math

from msgspec import Struct

from fraudkit.domain.decision import InputWarning
from fraudkit.domain.explaining import shown
from fraudkit.domain.payment_choice import (
    Demographic,
    LeftOut,
    PaymentContext,
    RankedMethod,
    Recommendation,
)
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.eligibility import refuse
from fraudkit.payments.law import lawful_order, ordering_rule
from fraudkit.payments.market import Market, Offer

__all__ = ["recommend"]

_SUGGESTIONS_MAX = 5


class _Candidate(Struct, frozen=True):
    """An offer that can be shown, with what decides its place."""

    offer: Offer
    share: float
    cost_minor: float | None


def recommend(context: PaymentContext, catalog: PaymentCatalog, *, now_ms: int) -> Recommendation:
    """Return the methods to show, most likely choice first, and why the others are left out.

    The share of a method is its pool's published percentage (`fraudkit.payments.shares` says
    how pools are made), divided over the methods of the pool that can be shown, divided by the
    sum over all that can be shown. Equal shares are ordered by lower cost, then by name. The
    law of the customer's country is applied last.

    Parameters
    ----------
    context : PaymentContext
        The order. A pair of country and currency that no method serves gives an empty list and
        a warning, never an error.
    catalog : PaymentCatalog
        What is known.
    now_ms : int
        Milliseconds since the epoch; markets open and close, laws come into force.

    Examples
    --------
    >>> context = PaymentContext(country="NL", currency="EUR", amount_minor=5000)
    >>> answer = recommend(context, PaymentCatalog.default(), now_ms=1_760_000_000_000)
    >>> answer.methods[0].method_type, round(answer.methods[0].share, 1)
    ('ideal', 0.7)
    """
    market = catalog.market(context.country, context.currency)
    enabled = None if context.enabled_methods is None else frozenset(context.enabled_methods)
    offers: list[Offer] = []
    why_not: list[LeftOut] = []
    for offer in market.offers:
        refusal = refuse(offer, context, enabled, now_ms)
        if refusal is None:
            offers.append(offer)
        else:
            why_not.append(refusal)
    candidates = _by_share(offers, market, context.amount_minor)
    return Recommendation(
        methods=_lawful(candidates, context.country, now_ms),
        why_not=tuple(why_not),
        catalog_version=catalog.version,
        warnings=_warnings(context, catalog, is_empty=not offers),
    )


def _by_share(offers: list[Offer], market: Market, amount_minor: int) -> list[_Candidate]:
    """Return the candidates, largest share first; the shares add up to 1."""
    pool_weights = [0.0] * len(market.pool_percents)
    for offer in offers:
        pool_weights[offer.pool] += offer.weight
    parts = [
        market.pool_percents[offer.pool] * offer.weight / pool_weights[offer.pool]
        for offer in offers
    ]
    total = math.fsum(parts)
    candidates = [
        _Candidate(offer, part / total, None if offer.cost is None else offer.cost.of(amount_minor))
        for offer, part in zip(offers, parts, strict=True)
    ]
    candidates.sort(key=_place)
    return candidates


def _place(candidate: _Candidate) -> tuple[float, float, str, str]:
    cost = math.inf if candidate.cost_minor is None else candidate.cost_minor
    method = candidate.offer.method
    return -candidate.share, cost, method.name, method.method_type


def _lawful(candidates: list[_Candidate], country: str, now_ms: int) -> tuple[RankedMethod, ...]:
    rule = ordering_rule(country, now_ms=now_ms)
    if rule is None:
        return tuple(_ranked(held, rank, "") for rank, held in enumerate(candidates, start=1))
    order = lawful_order(rule, [held.offer.method.credit for held in candidates])
    moved = f" Its place follows the law of {country}: {rule.text} ({rule.citation}, {rule.url})"
    return tuple(
        _ranked(candidates[place], rank, "" if place == rank - 1 else moved)
        for rank, place in enumerate(order, start=1)
    )


def _ranked(candidate: _Candidate, rank: int, law: str) -> RankedMethod:
    method = candidate.offer.method
    return RankedMethod(
        method_type=method.method_type,
        method=method.family,
        name=method.name,
        rank=rank,
        share=candidate.share,
        cost_minor=candidate.cost_minor,
        why=candidate.offer.why + law,
    )


def _warnings(
    context: PaymentContext, catalog: PaymentCatalog, *, is_empty: bool
) -> tuple[InputWarning, ...]:
    warnings = _unknown_methods(context.enabled_methods or (), catalog)
    if context.demographic != Demographic():
        warnings.append(
            InputWarning(
                code="demographic_not_used",
                pointer="/demographic",
                text="This catalogue has no shares by demographic: the order is the country's.",
            )
        )
    if is_empty:
        warnings.append(
            InputWarning(
                code="no_eligible_method",
                pointer="",
                text=(
                    f"No method can be shown to a customer from {context.country} for an order "
                    f"in {context.currency}; why_not says what would change that."
                ),
            )
        )
    return tuple(warnings)


def _unknown_methods(enabled: tuple[str, ...], catalog: PaymentCatalog) -> list[InputWarning]:
    """Return a warning for each unknown name; a guess only for the first few, it costs time."""
    warnings: list[InputWarning] = []
    for index, name in enumerate(enabled):
        if name in catalog:
            continue
        hint = ""
        if len(warnings) < _SUGGESTIONS_MAX:
            known = [method.method_type for method in catalog.methods]
            near = difflib.get_close_matches(name[:41].lower(), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
        warnings.append(
            InputWarning(
                code="unknown_method",
                pointer=f"/enabled_methods/{index}",
                text=f"{shown(name)} is not in the catalogue and is not shown.{hint}",
            )
        )
    return warnings
