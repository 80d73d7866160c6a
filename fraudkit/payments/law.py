"""What the law says about the order in which payment methods are shown.

Invariant: a rule only reorders, it never adds or removes a method, and it keeps the given order
wherever the law leaves it free. The law is applied after ranking and is never traded against
expected value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Literal

from msgspec import Struct

from fraudkit.payments.entries import CreditInvolvement

__all__ = ["ORDERING_RULES", "OrderingRule", "lawful_order", "ordering_rule"]

_TIER = {"never": 0, "may": 1, "always": 2}


class OrderingRule(Struct, frozen=True, kw_only=True):
    """One country's law on the order.

    Attributes
    ----------
    kind : {"credit_not_first", "credit_tiers"}
        Credit must not be shown first if there is anything else; or: no credit before what may
        involve credit before what always does.
    in_force_from : date
        The first day of force (UTC).
    citation : str
        The statute.
    text : str
        What it asks for, in a sentence.
    """

    country: str
    kind: Literal["credit_not_first", "credit_tiers"]
    in_force_from: date
    citation: str
    text: str
    url: str


ORDERING_RULES: tuple[OrderingRule, ...] = (
    OrderingRule(
        country="SE",
        kind="credit_not_first",
        in_force_from=date(2020, 7, 1),
        citation="Payment Services Act (2010:751), chapter 7a",
        text=(
            "If there is a payment option without credit, one such must be shown first, and no "
            "option with credit may be selected beforehand; what may involve credit is not first."
        ),
        url=(
            "https://www.konsumentverket.se/for-foretag/regler-per-omradebransch/"
            "finansiella-tjanster/krediter/andringar-i-betaltjanstlagen/"
        ),
    ),
    OrderingRule(
        country="FI",
        kind="credit_tiers",
        in_force_from=date(2023, 10, 1),
        citation="Consumer Protection Act (38/1978), amendment in force from 2023-10-01",
        text=(
            "Methods without credit are shown before those that may involve credit, and these "
            "before those that always do; credit cards are last. None is selected beforehand."
        ),
        url="https://cm.twobirds.com/en/insights/2023/finland/finnish-consumer-law-changes",
    ),
)
"""The rules in force or once in force, one a country."""

_IN_FORCE = tuple(
    (
        rule.country,
        int(datetime.combine(rule.in_force_from, datetime.min.time(), UTC).timestamp()) * 1000,
        rule,
    )
    for rule in ORDERING_RULES
)


def ordering_rule(country: str, *, now_ms: int) -> OrderingRule | None:
    """Return the rule that is in force for a customer's country, or ``None``."""
    for place, from_ms, rule in _IN_FORCE:
        if place == country and now_ms >= from_ms:
            return rule
    return None


def lawful_order(rule: OrderingRule, credit: Sequence[CreditInvolvement]) -> tuple[int, ...]:
    """Return the places of the methods in the order to show, given how each involves credit.

    Parameters
    ----------
    rule : OrderingRule
        The rule to keep.
    credit : sequence of {"never", "may", "always"}
        For each method, in the order that was wanted.

    Examples
    --------
    >>> sweden, finland = ORDERING_RULES
    >>> lawful_order(sweden, ["always", "may", "never", "always"])
    (2, 0, 1, 3)
    >>> lawful_order(finland, ["always", "may", "never", "always"])
    (2, 1, 0, 3)
    """
    places = range(len(credit))
    if rule.kind == "credit_tiers":
        return tuple(sorted(places, key=lambda place: _TIER[credit[place]]))
    if not credit:
        return ()
    first = min(places, key=lambda place: _TIER[credit[place]])
    return (first, *(place for place in places if place != first))
