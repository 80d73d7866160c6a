"""What a policy says of orders: an action, what it would cost, and from which probability on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.policy import ACTIONS
from fraudkit.decisions.rule.layout import (
    ASKED_REVIEW,
    BUDGET_USED,
    CEILING_REACHED,
    EXPLORED,
    FALLBACK,
    MISSING,
    REVIEWS_USED,
    UNKNOWN_AMOUNT,
)
from fraudkit.domain.decision import Action, ActionRange, ExpectedCost

__all__ = ["SHAPED_BY", "SHAPES", "Ruling", "Rulings", "limits_reached", "ranges_of"]

SHAPED_BY: Final = {
    FALLBACK: "fallback",
    ASKED_REVIEW: "always_review",
    UNKNOWN_AMOUNT: "unknown_amount",
    MISSING: "missing_source",
    REVIEWS_USED: "review_capacity_used",
    CEILING_REACHED: "decline_ceiling_reached",
    BUDGET_USED: "exploration_budget_used",
    EXPLORED: "explored",
}
"""What `Decision.shaped_by` says of each flag of the rule."""

SHAPES: Final = tuple(
    tuple(name for flag, name in SHAPED_BY.items() if flags & flag)
    for flags in range(2 * max(SHAPED_BY))
)
"""`Decision.shaped_by` of all flags together, by their sum."""


_LIMITS: Final = (REVIEWS_USED, CEILING_REACHED, BUDGET_USED)


def limits_reached(shaped_by: Sequence[str]) -> int:
    """Return the flags of the limits among what shaped a decision, added up."""
    return sum(flag for flag in _LIMITS if SHAPED_BY[flag] in shaped_by)


class Ruling(Struct, frozen=True):
    """What a policy says of one order; see the attributes of `fraudkit.domain.decision.Decision`.

    Attributes
    ----------
    action : {"approve", "challenge", "review", "decline"}
    cost : ExpectedCost or None
        ``None`` where the amount is not known, and of a fallback.
    ranges : tuple of ActionRange
    segment : str or None
    shaped_by : tuple of str
    approve_propensity : float or None
    own_costs : dict[str, float]
    """

    action: Action
    cost: ExpectedCost | None
    ranges: tuple[ActionRange, ...]
    segment: str | None
    shaped_by: tuple[str, ...]
    approve_propensity: float | None
    own_costs: dict[str, float]


class Rulings(NamedTuple):
    """What a policy says of many orders, in their order.

    Attributes
    ----------
    action : ndarray of int8, shape (n_orders,)
        Places in `ACTIONS`.
    cost_minor : ndarray of float64, shape (n_orders, 4)
        Expected; NaN where the amount is not known or a challenge is not possible.
    begins_at : ndarray of float64, shape (n_orders, 4)
        The probability from which each action holds; NaN for one that holds nowhere.
    segment : ndarray of int64, shape (n_orders,)
        Places in the policy's segments; their number for an order of none.
    shaped_by : ndarray of int64, shape (n_orders,)
        The flags of `SHAPED_BY`.
    approve_propensity : ndarray of float64, shape (n_orders,)
        NaN where nothing was left to chance.
    """

    action: NDArray[np.int8]
    cost_minor: NDArray[np.float64]
    begins_at: NDArray[np.float64]
    segment: NDArray[np.int64]
    shaped_by: NDArray[np.int64]
    approve_propensity: NDArray[np.float64]


def ranges_of(begins: Sequence[float]) -> tuple[ActionRange, ...]:
    """Return the ranges of probability that begin where stated; NaN is an action that has none."""
    # NaN is unequal to itself: the quickest way to tell it.
    begun = [(begin, place) for place, begin in enumerate(begins) if begin == begin]  # noqa: PLR0124
    begun.sort()
    found, end = [], 1.0
    for begin, place in reversed(begun):
        found.append(ActionRange(action=ACTIONS[place], from_probability=begin, to_probability=end))
        end = begin
    return tuple(reversed(found))
