"""Whether a method can be shown for an order and, if not, what would have to change.

Invariant: the answer depends on the context, the catalogue and the date only; never on who the
customer is.

The stable codes, in the order in which they are tested: ``not_enabled`` (the shop's list does not
name the method), ``country_not_supported``, ``currency_not_supported_in_country``,
``not_yet_valid`` and ``no_longer_valid`` (the market opens later, or has closed),
``amount_below_minimum``, ``amount_above_maximum``.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from fraudkit.domain.payment_choice import LeftOut, PaymentContext
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.entries import AmountLimit
from fraudkit.payments.market import Offer, money_text

__all__ = ["check_eligibility", "refuse"]


def check_eligibility(
    context: PaymentContext, method_type: str, catalog: PaymentCatalog, *, now_ms: int
) -> LeftOut | None:
    """Return why a method cannot be shown, or ``None`` where it can.

    Parameters
    ----------
    context : PaymentContext
        The order.
    method_type : str
        A method of the catalogue; ``KeyError`` if it is none.
    catalog : PaymentCatalog
        What is known.
    now_ms : int
        Milliseconds since the epoch; markets open and close.

    Examples
    --------
    >>> context = PaymentContext(country="NL", currency="EUR", amount_minor=5000)
    >>> catalog = PaymentCatalog.default()
    >>> check_eligibility(context, "ideal", catalog, now_ms=1_760_000_000_000) is None
    True
    >>> check_eligibility(context, "sofort", catalog, now_ms=1_760_000_000_000).code
    'no_longer_valid'
    """
    method = catalog.method(method_type)
    market = catalog.market(context.country, context.currency)
    offer = next(held for held in market.offers if held.method is method)
    enabled = None if context.enabled_methods is None else frozenset(context.enabled_methods)
    return refuse(offer, context, enabled, now_ms)


def refuse(
    offer: Offer, context: PaymentContext, enabled: AbstractSet[str] | None, now_ms: int
) -> LeftOut | None:
    """Return why an offer of the context's market cannot be shown, or ``None``.

    ``enabled`` is ``context.enabled_methods`` as a set: made once an order, not once a method.
    """
    refusal = offer.refusal
    if enabled is not None and offer.method.method_type not in enabled:
        return _not_enabled(offer)
    if refusal is not None:
        return refusal
    if not any(first <= now_ms < end for first, end in offer.windows):
        return _outside_dates(offer, context, now_ms)
    return None if offer.limit is None else _outside_limits(offer, offer.limit, context)


def _not_enabled(offer: Offer) -> LeftOut:
    name = offer.method.name
    if offer.refusal is None:
        why = f"{name} is not in enabled_methods; with a contract for it, add it there."
    else:
        why = f"{name} is not in enabled_methods, and adding it would not help: {offer.refusal.why}"
    return LeftOut(method_type=offer.method.method_type, code="not_enabled", why=why)


def _outside_dates(offer: Offer, context: PaymentContext, now_ms: int) -> LeftOut:
    is_early = any(now_ms < first for first, _ in offer.windows)
    return LeftOut(
        method_type=offer.method.method_type,
        code="not_yet_valid" if is_early else "no_longer_valid",
        why=(
            f"{offer.markets_text} This order is in {context.currency} and comes too "
            f"{'early' if is_early else 'late'}."
        ),
    )


def _outside_limits(offer: Offer, limit: AmountLimit, context: PaymentContext) -> LeftOut | None:
    if limit.min_minor is not None and context.amount_minor < limit.min_minor:
        code, bound, least = "amount_below_minimum", limit.min_minor, "at least"
    elif limit.max_minor is not None and context.amount_minor > limit.max_minor:
        code, bound, least = "amount_above_maximum", limit.max_minor, "at most"
    else:
        return None
    return LeftOut(
        method_type=offer.method.method_type,
        code=code,
        why=(
            f"{offer.method.name} takes {least} {money_text(bound, context.currency)}; this order "
            f"is {money_text(context.amount_minor, context.currency)}. Source: {limit.url}"
        ),
    )
