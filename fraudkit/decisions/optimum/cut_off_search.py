"""The cheapest places of three ascending cut-offs within limits, from sums over sorted orders.

A place is the number of groups of equal score below the cut-off. What a rule costs, uses and lets
through is a sum over its cut-offs, so two of the three limits only say where a cut-off may be. The
fraud rate ties all three together: it gets a price, and what a price cannot settle is enumerated.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Places", "Sums", "cheapest_places", "least_excess"]

_PRICES_MAX: Final = 60
_TRIED_MAX: Final = 2**20
_TABLE_MAX: Final = 2**12
_ROUNDING: Final = 1e-12

_Floats = NDArray[np.float64]


class Sums(NamedTuple):
    """What each cut-off adds, and where it may be.

    Attributes
    ----------
    cost, excess : ndarray of float64, shape (3, n_places)
        Of the challenge, review and decline cut-off at each place: the cost, and the fraud value
        beyond the limit's share of the value let through.
    cost_end, excess_end : float
        What is to be added to those of the three.
    review_lowest : ndarray of integers, shape (n_places,)
        The lowest place of the review cut-off by that of decline.
    is_allowed : ndarray of bool, shape (n_places,)
        Where the decline cut-off may be.
    can_challenge : bool
        Whether the challenge cut-off may be below that of review.
    """

    cost: _Floats
    excess: _Floats
    cost_end: float
    excess_end: float
    review_lowest: NDArray[np.intp]
    is_allowed: NDArray[np.bool_]
    can_challenge: bool

    @property
    def rounding(self) -> float:
        """How far an excess may be above 0 for no reason but rounding."""
        return _ROUNDING * (abs(self.excess_end) + float(np.abs(self.excess).max()))

    def at(self, places: tuple[int, int, int]) -> Places:
        """Return what cut-offs at these places come to."""
        cut_offs = np.arange(3)
        return Places(
            places,
            float(self.cost[cut_offs, places].sum()) + self.cost_end,
            float(self.excess[cut_offs, places].sum()) + self.excess_end,
        )

    def holds(self, found: Places) -> bool:
        """Return whether the fraud rate is within its limit."""
        return found.excess <= self.rounding


class Places(NamedTuple):
    """Three cut-offs, what they cost, and their excess of fraud; ``gap`` as in `CutOffs`."""

    places: tuple[int, int, int]
    cost: float
    excess: float
    gap: float = 0.0


class _Priced(NamedTuple):
    """Sums at a price of fraud, shape (n_places,) each.

    Attributes
    ----------
    first, second, third : ndarray
        What the challenge, review and decline cut-off add.
    before : ndarray
        The least of a review cut-off there and a challenge cut-off that goes with it.
    least : ndarray
        The least of a decline cut-off there and those that go with it; inf where none may be.
    """

    first: _Floats
    second: _Floats
    third: _Floats
    before: _Floats
    least: _Floats


def cheapest_places(sums: Sums) -> Places | None:
    """Return the cheapest cut-offs within the limits; ``None`` if the fraud rate cannot hold.

    Of equally cheap ones, where the fraud rate needs no price, the one with the highest decline
    cut-off is returned, then with the highest of review, then of challenge.

    References
    ----------
    Bellman, "On the approximation of curves by line segments using dynamic programming",
    Communications of the ACM 4(6), 1961, for the sums. Everett, "Generalized Lagrange multiplier
    method for solving problems of optimum allocation of resources", Operations Research 11(3),
    1963, for the price. Handler and Zang, "A dual algorithm for the constrained shortest path
    problem", Networks 10(4), 1980: the best price is where two solutions cost the same, and what
    is left between the two bounds is enumerated.
    """
    dearest = _at_price(sums, 0.0)
    if sums.holds(dearest):
        return dearest
    within = least_excess(sums)
    if not sums.holds(within):
        return None
    beyond, price = dearest, 0.0
    best = within
    for _ in range(_PRICES_MAX):
        price = (within.cost - beyond.cost) / (beyond.excess - within.excess)
        found = _at_price(sums, price)
        bound = found.cost + price * found.excess
        crossing = within.cost + price * within.excess
        if bound >= crossing - _ROUNDING * abs(crossing):
            break
        if sums.holds(found):
            within = found
            best = min(best, found, key=lambda held: held.cost)
        else:
            beyond = found
    return _enumerated(sums, price, best)


def least_excess(sums: Sums) -> Places:
    """Return the cut-offs with the least excess of fraud within the other limits."""
    return _least(sums, _priced(sums.excess, sums.excess_end, sums))


def _at_price(sums: Sums, price: float) -> Places:
    priced = _priced(sums.cost + price * sums.excess, sums.cost_end + price * sums.excess_end, sums)
    return _least(sums, priced)


def _priced(added: _Floats, end: float, sums: Sums) -> _Priced:
    first, second, third = added
    before = second + (np.minimum.accumulate(first) if sums.can_challenge else first)
    least = _least_since(before, sums.review_lowest) + third + end
    return _Priced(first, second, third + end, before, np.where(sums.is_allowed, least, np.inf))


def _least(sums: Sums, priced: _Priced) -> Places:
    """Return the cheapest cut-offs at the price, the highest of equals."""
    decline = _last_least(priced.least)
    lowest = int(sums.review_lowest[decline])
    review = lowest + _last_least(priced.before[lowest : decline + 1])
    challenge = _last_least(priced.first[: review + 1]) if sums.can_challenge else review
    return sums.at((challenge, review, decline))


def _last_least(values: _Floats) -> int:
    return len(values) - 1 - int(np.argmin(values[::-1]))


def _least_since(values: _Floats, lowest: NDArray[np.intp]) -> _Floats:
    """Return for each place the least value from its lowest place on; inf where that is above."""
    if not lowest.any():
        return np.minimum.accumulate(values)
    places = np.arange(len(values))
    length = places - lowest + 1
    level = np.frexp(np.maximum(length, 1))[1] - 1
    least = np.full(len(values), np.inf)
    # At each step a value is the least of so many places from its own on: 1, 2, 4, ...
    span, spans = 1, values
    for step in range(int(level.max()) + 1):
        held = np.flatnonzero((level == step) & (length > 0))
        least[held] = np.minimum(spans[lowest[held]], spans[held - span + 1])
        spans = np.minimum(spans[:-span], spans[span:])
        span *= 2
    return least


def _enumerated(sums: Sums, price: float, best: Places) -> Places:
    """Return the best of all cut-offs that cost less with the price than the best so far costs.

    No others can be better. Where they are too many, some are left out, and the gap is stated.
    """
    priced = _priced(sums.cost + price * sums.excess, sums.cost_end + price * sums.excess_end, sums)
    n_tried = 0
    for decline in np.argsort(priced.least, kind="stable").tolist():
        if priced.least[decline] >= best.cost:
            break
        lowest = int(sums.review_lowest[decline])
        room = best.cost - priced.third[decline]
        reviews = lowest + np.flatnonzero(priced.before[lowest : decline + 1] < room)
        challenges = reviews
        if sums.can_challenge:
            room -= float(priced.second[reviews].min(initial=np.inf))
            challenges = np.flatnonzero(priced.first[: decline + 1] < room)
        n_tried += len(reviews) + len(challenges)
        if n_tried > _TRIED_MAX:
            return best._replace(gap=best.cost - float(priced.least[decline]))
        best = _best_of(sums, challenges, reviews, decline, best)
    return best


def _best_of(
    sums: Sums,
    challenges: NDArray[np.intp],
    reviews: NDArray[np.intp],
    decline: int,
    best: Places,
) -> Places:
    """Return the cheapest within the fraud rate, of these places and the best so far."""
    most = sums.rounding - sums.excess_end - float(sums.excess[2][decline])
    if sums.can_challenge:
        challenge, review = _cheapest_pair(sums, challenges, reviews, most)
    else:
        fits = reviews[sums.excess[0][reviews] + sums.excess[1][reviews] <= most]
        cost = sums.cost[0][fits] + sums.cost[1][fits]
        challenge = review = int(fits[np.argmin(cost)]) if len(fits) else -1
    if review < 0:
        return best
    found = sums.at((challenge, review, decline))
    return found if found.cost < best.cost and sums.holds(found) else best


def _cheapest_pair(
    sums: Sums, challenges: NDArray[np.intp], reviews: NDArray[np.intp], most: float
) -> tuple[int, int]:
    """Return the cheapest places with no more excess, the first not above the second, or (-1, -1).

    The places are halved until all of the one are below all of the other, or few are left.
    """
    if not len(challenges) or not len(reviews) or challenges[0] > reviews[-1]:
        return -1, -1
    if challenges[-1] <= reviews[0]:
        return _cheapest_apart(sums, challenges, reviews, most)
    if len(challenges) * len(reviews) <= _TABLE_MAX:
        return _cheapest_of_table(sums, challenges, reviews, most)
    middle = np.median(np.concatenate([challenges, reviews]))
    low, high = challenges <= middle, reviews > middle
    pairs = (
        _cheapest_pair(sums, challenges[low], reviews[~high], most),
        _cheapest_pair(sums, challenges[~low], reviews[high], most),
        _cheapest_apart(sums, challenges[low], reviews[high], most),
    )
    return min(pairs, key=lambda pair: _cost_of_pair(sums, pair))


def _cost_of_pair(sums: Sums, pair: tuple[int, int]) -> float:
    return float(sums.cost[0][pair[0]] + sums.cost[1][pair[1]]) if pair[1] >= 0 else np.inf


def _cheapest_apart(
    sums: Sums, challenges: NDArray[np.intp], reviews: NDArray[np.intp], most: float
) -> tuple[int, int]:
    """Return the same where any of the one goes with any of the other."""
    if not len(challenges) or not len(reviews):
        return -1, -1
    ascending = challenges[np.argsort(sums.excess[0][challenges], kind="stable")]
    cost = sums.cost[0][ascending]
    n_fitting = np.searchsorted(
        sums.excess[0][ascending], most - sums.excess[1][reviews], side="right"
    )
    least = np.append(np.inf, np.minimum.accumulate(cost))[n_fitting]
    total = least + sums.cost[1][reviews]
    chosen = int(np.argmin(total))
    if total[chosen] == np.inf:
        return -1, -1
    return int(ascending[np.argmin(cost[: n_fitting[chosen]])]), int(reviews[chosen])


def _cheapest_of_table(
    sums: Sums, challenges: NDArray[np.intp], reviews: NDArray[np.intp], most: float
) -> tuple[int, int]:
    """Return the same from all pairs."""
    first, second = challenges[:, None], reviews[None, :]
    fits = (first <= second) & (sums.excess[0][first] + sums.excess[1][second] <= most)
    cost = np.where(fits, sums.cost[0][first] + sums.cost[1][second], np.inf)
    challenge, review = np.unravel_index(int(np.argmin(cost)), cost.shape)
    if cost[challenge, review] == np.inf:
        return -1, -1
    return int(challenges[challenge]), int(reviews[review])
