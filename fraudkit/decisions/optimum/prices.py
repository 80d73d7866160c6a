"""Prices on one scarce action, so that no more of it is wanted than there is.

The benefit of an action for an order is the least cost of the other possible actions minus its
own. With a price added to its cost, the action is strictly the cheapest where the benefit is
above the price. So the price settles who gets what is scarce: the orders that gain most by it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.array_checks import check_benefits, check_kind, checked_weights
from fraudkit.errors import InputError

__all__ = [
    "DailyReviewPrice",
    "daily_review_price",
    "decline_price",
    "review_price",
    "smallest_price",
]


class DailyReviewPrice(NamedTuple):
    """One price for every day, and how unevenly it spreads the reviews.

    Attributes
    ----------
    price : float
        At least 0, in the unit of the benefits.
    n_days_over : int
        Days with more reviews than the capacity of a day.
    """

    price: float
    n_days_over: int


def review_price(
    benefits: NDArray[np.float64], capacity: float, weights: NDArray[np.float64] | None = None
) -> float:
    """Return the smallest price at which at most ``capacity`` orders gain by a review.

    Parameters
    ----------
    benefits : ndarray of float64, shape (n_orders,)
        Of a review, before the price; NaN where none is possible.
    capacity : float
        How many orders can be reviewed, at least 0.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for.

    Returns
    -------
    float
        At least 0. An order gains where its benefit is above the price, not where it is equal.

    Raises
    ------
    InputError
        If an argument does not hold what is said here.

    References
    ----------
    The price is the Lagrange multiplier of the capacity: Everett, "Generalized Lagrange
    multiplier method for solving problems of optimum allocation of resources", Operations
    Research 11(3), 1963.

    Examples
    --------
    >>> review_price(np.array([5.0, -1.0, 3.0, np.nan, 8.0]), 2)
    3.0
    """
    counted = _checked(benefits, capacity, weights)
    return smallest_price(benefits, counted, capacity)


def decline_price(
    benefits: NDArray[np.float64], capacity: float, weights: NDArray[np.float64] | None = None
) -> float:
    """Return the smallest price at which at most ``capacity`` orders gain by a decline.

    As `review_price`, with the benefits of a decline. Where at most a share of the orders may be
    declined, the capacity is this share of their number.

    Examples
    --------
    >>> decline_price(np.array([5.0, -1.0, 3.0, 8.0]), 0.5 * 4)
    3.0
    """
    counted = _checked(benefits, capacity, weights)
    return smallest_price(benefits, counted, capacity)


def daily_review_price(
    benefits: NDArray[np.float64],
    days: NDArray[np.integer],
    capacity_per_day: float,
    weights: NDArray[np.float64] | None = None,
) -> DailyReviewPrice:
    """Return the smallest price at which a mean day has at most so many reviews.

    Parameters
    ----------
    benefits : ndarray of float64, shape (n_orders,)
        Of a review, before the price; NaN where none is possible.
    days : ndarray of integers, shape (n_orders,)
        Each order's day. The mean is over the days that hold an order, reviewed or not.
    capacity_per_day : float
        At least 0.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for. One of weight 0 is as if it were not there.

    Raises
    ------
    InputError
        If an argument does not hold what is said here.

    Examples
    --------
    >>> benefits, days = np.array([9.0, 8.0, 7.0, 6.0, 1.0]), np.array([0, 0, 0, 1, 1])
    >>> daily_review_price(benefits, days, 1.5)
    DailyReviewPrice(price=6.0, n_days_over=1)
    """
    counted = _checked(benefits, capacity_per_day, weights)
    check_kind("days", days, len(benefits), "iu")
    is_there = counted > 0.0
    found, place = np.unique(days[is_there], return_inverse=True)
    price = smallest_price(benefits, counted, capacity_per_day, max(len(found), 1))
    is_reviewed = (benefits > price)[is_there]
    reviews = np.bincount(place[is_reviewed], counted[is_there][is_reviewed], len(found))
    return DailyReviewPrice(price, int((reviews > capacity_per_day).sum()))


def smallest_price(
    benefits: NDArray[np.float64], weights: NDArray[np.float64], most: float, divisor: float = 1.0
) -> float:
    """Return the smallest price of at least 0 at which the wanted, divided, is at most ``most``.

    The wanted is the sum of the weights of the orders whose benefit is above the price. Nothing
    is checked.
    """
    if most == np.inf:
        return 0.0
    is_wanting = (benefits > 0.0) & (weights > 0.0)
    wanting, counted = benefits[is_wanting], weights[is_wanting]
    # Sorting is what takes time, and no more orders than these can be served.
    n_served_max = most * divisor / counted.min(initial=np.inf) + 1.0
    if n_served_max < len(wanting):
        n_rest = len(wanting) - int(n_served_max) - 1
        is_near = wanting >= np.partition(wanting, n_rest)[n_rest]
        wanting, counted = wanting[is_near], counted[is_near]
    order = np.argsort(-wanting)
    n_served = np.searchsorted(np.cumsum(counted[order]) / divisor, most, side="right")
    return float(wanting[order[n_served]]) if n_served < len(order) else 0.0


def _checked(
    benefits: NDArray[np.float64], capacity: float, weights: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    check_benefits(benefits)
    if not capacity >= 0.0:
        raise InputError(f"the capacity must be at least 0, got {capacity}")
    return checked_weights(weights, len(benefits))
