"""Prices on reviews and declines together: each scarce, and each what the other's orders turn to.

A price on reviews drives orders to declines and the other way round. What matters is only by how
much the one price is above the other, which parts the orders between review and decline, and how
high both are, which parts them from approve and challenge. The first is bisected; for each of its
values the second is read off the sorted benefits.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.prices import smallest_price

__all__ = ["Capacity", "capacity_prices"]

_HALVINGS_MAX: Final = 60
_RESOLUTION: Final = 1e-10
_ROUNDS_MAX: Final = 20

_Floats = NDArray[np.float64]
_Pair = tuple[float, float]


class Capacity(NamedTuple):
    """How much of an action there is: the used, divided, is at most ``most``."""

    most: float
    divisor: float

    def holds(self, used: float) -> bool:
        """Return whether so much may be used."""
        return used / self.divisor <= self.most


class _Wanting(NamedTuple):
    """The orders for which a review or a decline is cheaper than what is not scarce.

    Attributes
    ----------
    free : ndarray of float64, shape (n_orders,)
        The least cost of approve and challenge.
    review, decline : ndarray of float64, shape (n_orders,)
        Their costs without a price; inf where no review is possible.
    """

    free: _Floats
    review: _Floats
    decline: _Floats
    weights: _Floats
    reviews: Capacity
    declines: Capacity

    def taken(self, pair: _Pair) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which orders are reviewed and which declined; of equal costs the earlier."""
        review, decline = self.review + pair[0], self.decline + pair[1]
        is_declined = (decline < self.free) & (decline < review)
        return (review < self.free) & ~is_declined, is_declined

    def hold(self, pair: _Pair) -> bool:
        """Return whether both capacities hold at these prices."""
        is_reviewed, is_declined = self.taken(pair)
        return self.reviews.holds(self.weights[is_reviewed].sum()) and self.declines.holds(
            self.weights[is_declined].sum()
        )

    def review_price(self, decline_price: float) -> float:
        """Return the least price of reviews for their capacity, given that of declines."""
        # Of equal costs the review is taken, so a decline counts as a trifle dearer.
        decline = np.nextafter(self.decline + decline_price, np.inf)
        return self._price(np.minimum(self.free, decline) - self.review, self.reviews)

    def decline_price(self, review_price: float) -> float:
        """Return the least price of declines for their capacity, given that of reviews."""
        other = np.minimum(self.free, self.review + review_price)
        return self._price(other - self.decline, self.declines)

    def prices_apart(self, apart: float) -> _Pair:
        """Return the least decline prices for reviews and for declines, ``apart`` below reviews'.

        The first falls and the second rises with ``apart``.
        """
        review = self.review + apart
        is_review = review <= self.decline
        lowest = max(-apart, 0.0)
        for_reviews = self._price(np.where(is_review, self.free - review, 0.0), self.reviews)
        for_declines = self._price(
            np.where(is_review, 0.0, self.free - self.decline), self.declines
        )
        return max(for_reviews, lowest), max(for_declines, lowest)

    def _price(self, benefits: _Floats, capacity: Capacity) -> float:
        """Return a price for the capacity in the middle between two orders: no order is at it."""
        price = smallest_price(benefits, self.weights, capacity.most, capacity.divisor)
        if price == 0.0:
            return 0.0
        above = benefits[benefits > price]
        return float((price + above.min()) / 2.0 if len(above) else price * (1.0 + 2.0**-20))


def capacity_prices(
    costs: _Floats, weights: _Floats, reviews: Capacity, declines: Capacity
) -> _Pair:
    """Return prices of a review and of a decline at which both capacities hold.

    Each order gets the action of the least cost and price, the earlier of equals. Where one price
    is enough, it cannot be lowered to where more orders take its action without breaking its
    capacity; a price at which two costs of an order are just equal does not count. Where both are
    needed, little is left of either, but of orders that are alike all or none take an action.

    Parameters
    ----------
    costs : ndarray of float64, shape (4, n_orders)
        Of approve, challenge, review and decline; inf where an action is not possible.
    weights : ndarray of float64, shape (n_orders,)
        How many orders each stands for.

    Examples
    --------
    Three orders that are dear to approve; one can be reviewed and one declined:

    >>> costs = np.array([[9.0, 8.0, 3.0], [np.inf] * 3, [2.0, 1.0, 2.0], [3.0, 4.0, 1.0]])
    >>> review, decline = capacity_prices(costs, np.ones(3), Capacity(1, 1), Capacity(1, 1))
    >>> np.argmin(costs + np.array([[0.0], [0.0], [review], [decline]]), axis=0).tolist()
    [3, 2, 0]
    """
    free = np.minimum(costs[0], costs[1])
    is_wanting = np.minimum(costs[2], costs[3]) < free
    wanting = _Wanting(
        free[is_wanting], costs[2][is_wanting], costs[3][is_wanting], weights[is_wanting],
        reviews, declines,
    )  # fmt: skip
    for alone in ((wanting.review_price(0.0), 0.0), (0.0, wanting.decline_price(0.0))):
        if wanting.hold(alone):
            return alone
    return _settled(wanting, _lifted(wanting, _balanced(wanting)))


def _balanced(wanting: _Wanting) -> _Pair:
    """Return the prices at which both capacities ask for the same, by bisection.

    What is bisected is how far the price of reviews is above that of declines.
    """
    low = -wanting._replace(review=wanting.free).decline_price(0.0)
    high = wanting._replace(decline=wanting.free).review_price(0.0)
    for _ in range(_HALVINGS_MAX):
        if high - low <= _RESOLUTION * max(abs(low), abs(high)):
            break
        middle = (low + high) / 2.0
        for_reviews, for_declines = wanting.prices_apart(middle)
        if for_reviews <= for_declines:
            high = middle
        else:
            low = middle
    decline_price = max(wanting.prices_apart(low))
    return decline_price + low, decline_price


def _lifted(wanting: _Wanting, pair: _Pair) -> _Pair:
    """Return the prices, raised by as little as rounding asks for until both capacities hold."""
    lift = 2.0**-40 * max(*pair, 1.0)
    while not wanting.hold(pair):
        is_reviewed, _is_declined = wanting.taken(pair)
        if not wanting.reviews.holds(wanting.weights[is_reviewed].sum()):
            pair = (pair[0] + lift, pair[1])
        else:
            pair = (pair[0], pair[1] + lift)
        lift *= 2.0
    return pair


def _settled(wanting: _Wanting, pair: _Pair) -> _Pair:
    """Return the prices, each lowered in turn as far as its capacity holds.

    A lower price of one leaves more of the other, so both capacities hold throughout.
    """
    for _ in range(_ROUNDS_MAX):
        review_price = min(pair[0], wanting.review_price(pair[1]))
        lower = (review_price, min(pair[1], wanting.decline_price(review_price)))
        if lower == pair or not wanting.hold(lower):
            break
        pair = lower
    return pair
