"""The factor on the odds of fraud at which the cheapest expected actions cost the least."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.array_checks import (
    check_costs,
    check_kind,
    check_numbers,
    checked_weights,
)
from fraudkit.errors import InputError

__all__ = [
    "FACTOR_LEAST",
    "FACTOR_MOST",
    "Changes",
    "OddsFactor",
    "cheapest_factor",
    "optimal_odds_factor",
]

FACTOR_LEAST: Final = 0.05
FACTOR_MOST: Final = 20.0
"""Between these a factor is sought where nothing else is said."""

_RESOLUTION: Final = 1e-9
_CHANGES_MAX: Final = 3

_Floats = NDArray[np.float64]
_Places = NDArray[np.intp]


class OddsFactor(NamedTuple):
    """A factor on the odds of fraud, and what deciding with it costs.

    Attributes
    ----------
    factor : float
        Above 1 decides as if fraud were likelier than the probability says.
    cost : float
        Of all orders together, at their known labels, in the unit of the costs.
    """

    factor: float
    cost: float


class Changes(NamedTuple):
    """Where the factor, as it grows from 0, changes an order's action.

    Attributes
    ----------
    factor : ndarray of float64, shape (n_changes,)
        In no order; inf where it is beyond float64.
    cost : ndarray of float64, shape (n_changes,)
        What the new action costs more than the one before, at the known labels.
    """

    factor: _Floats
    cost: _Floats


def optimal_odds_factor(
    probability: NDArray[np.float64],
    at_honest: NDArray[np.float64],
    at_fraud: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
    *,
    least: float = FACTOR_LEAST,
    most: float = FACTOR_MOST,
) -> OddsFactor:
    """Return the factor on the odds of fraud with the least realised cost.

    With the factor c, an order of probability p gets the action of the least expected cost
    ``(1 - q) at_honest + q at_fraud`` at the probability q whose odds are c times those of p. A
    probability of 0 or 1 stays, and of equal costs the earlier action is taken. The realised
    cost is that of the action at the order's label.

    As c grows, an order changes its action where two of its costs cross, and nowhere else. So
    the realised cost is level between two neighbouring changes of any order, and the least of
    these levels is found. Of equally cheap intervals the one nearest to 1 in the logarithm is
    chosen, of two equally near the lower. The factor is 1 if it is inside the interval, else the
    middle in the logarithm, where rounding changes no action.

    The least is exact but for the rounding of float64 sums, and but for intervals narrower than
    1e-9 in the logarithm: rounding would decide whether a factor is inside. Time is that of
    sorting at most three changes an order.

    Parameters
    ----------
    probability : ndarray of float64, shape (n_orders,)
        In [0, 1].
    at_honest, at_fraud : ndarray of float64, shape (4, n_orders)
        What approve, challenge, review and decline cost if the order is honest and if it is
        fraud; NaN in both where an action is not possible.
    is_fraud : ndarray of bool, shape (n_orders,)
        The labels.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for. One of weight 0 is as if it were not there.
    least, most : float
        The factor is sought between these, 0 < least < most.

    Raises
    ------
    InputError
        If an argument does not hold what is said here.

    References
    ----------
    A factor on the odds is a shift of the log-odds, as a change of the share of fraud makes:
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, theorem 2.

    Examples
    --------
    A fraud and an honest order look alike. Approving costs ``10 q`` and declining ``1 - q``, so
    from a factor of 1.9 on both are declined; between 1.9 and 20 the middle is returned:

    >>> at_honest = np.array([[0.0, 0.0], [np.nan] * 2, [np.nan] * 2, [1.0, 1.0]])
    >>> at_fraud = np.array([[10.0, 10.0], [np.nan] * 2, [np.nan] * 2, [0.0, 0.0]])
    >>> p = np.array([0.05, 0.05])
    >>> found = optimal_odds_factor(p, at_honest, at_fraud, np.array([True, False]))
    >>> round(found.factor, 3), round(0.1 * 0.95 / 0.05, 3), found.cost
    (6.164, 1.9, 1.0)
    """
    _check(probability, at_honest, at_fraud, is_fraud)
    if not 0.0 < least < most < np.inf:
        raise InputError(
            f"least and most must hold 0 < least < most and be finite, got {least} and {most}"
        )
    counted = checked_weights(weights, len(probability))
    realised = np.where(is_fraud, at_fraud, at_honest) * counted
    # At a probability of 0 an order of weight 0 changes nothing, nor does it part two intervals.
    counting = np.where(counted > 0.0, probability, 0.0)
    cost, moved = _changes(counting, at_honest, at_fraud, realised)
    return cheapest_factor(cost, moved, least, most)


def cheapest_factor(cost: float, moved: Changes, least: float, most: float) -> OddsFactor:
    """Return the factor with the least cost, chosen as `optimal_odds_factor` says.

    Parameters
    ----------
    cost : float
        At a factor just above 0.
    moved : Changes
        What the factor changes as it grows.
    least, most : float
        The factor is sought between these.
    """
    cost += float(moved.cost[moved.factor <= least].sum())
    is_inside = (moved.factor > least) & (moved.factor < most)
    order = np.argsort(moved.factor[is_inside], kind="stable")
    edges = np.concatenate([[least], moved.factor[is_inside][order], [most]])
    levels = cost + np.append(0.0, np.cumsum(moved.cost[is_inside][order]))
    place, exponent = _nearest_cheapest(np.log(edges), levels)
    factor = min(max(float(np.exp(exponent)), least), most)
    return OddsFactor(factor, float(levels[place]))


def _check(
    probability: _Floats, at_honest: _Floats, at_fraud: _Floats, is_fraud: NDArray[np.bool_]
) -> None:
    n_orders = len(probability)
    check_numbers("probability", probability, n_orders, 0.0, 1.0)
    check_costs("at_honest", at_honest, n_orders)
    check_costs("at_fraud", at_fraud, n_orders)
    check_kind("is_fraud", is_fraud, n_orders, "b")
    differs = (np.isnan(at_honest) != np.isnan(at_fraud)).any(axis=0)
    if differs.any():
        raise InputError(
            "at_honest and at_fraud must be NaN for the same actions, "
            f"got one NaN without the other at order {int(np.argmax(differs))}"
        )


def _changes(
    probability: _Floats, at_honest: _Floats, at_fraud: _Floats, realised: _Floats
) -> tuple[float, Changes]:
    """Return the cost at a factor just above 0, and what changes it."""
    honest, fraud = (np.where(np.isnan(held), np.inf, held) for held in (at_honest, at_fraud))
    is_sure = probability == 1.0
    expected = np.where(is_sure, fraud, honest)
    least = expected.min(axis=0, initial=np.inf)
    is_moved = (probability > 0.0) & ~is_sure
    # Just above 0, of the actions that cost an honest order least, the one cheapest for a fraud.
    settled = np.where(expected == least, np.where(is_moved, fraud, 0.0), np.inf)
    action = np.argmin(settled, axis=0)
    cost = float(realised[action, np.arange(len(action))].sum())

    moving = np.flatnonzero(is_moved)
    odds = probability / np.where(is_sure, 1.0, 1.0 - probability)
    found = [Changes(np.empty(0), np.empty(0))]
    for _ in range(_CHANGES_MAX):
        at_odds, after = _next_change(honest[:, moving], fraud[:, moving], action[moving])
        is_change = at_odds < np.inf
        moving, at_odds, after = moving[is_change], at_odds[is_change], after[is_change]
        with np.errstate(over="ignore"):
            factor = at_odds / odds[moving]
        found.append(Changes(factor, realised[after, moving] - realised[action[moving], moving]))
        action[moving] = after
    return cost, Changes(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _next_change(honest: _Floats, fraud: _Floats, action: _Places) -> tuple[_Floats, _Places]:
    """Return from which odds on another action is cheaper, inf if never, and that action.

    Only an action that costs less for a fraud can become the cheapest; its costs and those of
    the action that is taken are equal at the odds that are returned.
    """
    rows = np.arange(honest.shape[1])
    saved = fraud[action, rows] - fraud
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds = np.where(saved > 0.0, (honest - honest[action, rows]) / saved, np.inf)
    after = np.argmin(odds, axis=0)
    return odds[after, rows], after


def _nearest_cheapest(edges: _Floats, levels: _Floats) -> tuple[int, float]:
    """Return which interval is chosen, and the logarithm of the factor in it.

    Parameters
    ----------
    edges : ndarray of float64, shape (n_intervals + 1,)
        Logarithms, ascending.
    levels : ndarray of float64, shape (n_intervals,)
        The cost in each interval.
    """
    low, high = edges[:-1], edges[1:]
    width = high - low
    can_hold = width >= min(_RESOLUTION, float(width.max()))
    is_cheapest = can_hold & (levels == levels[can_hold].min())
    distance = np.maximum(low, -high)
    distance[distance <= _RESOLUTION] = 0.0
    place = int(np.argmin(np.where(is_cheapest, distance, np.inf)))
    has_one_inside = low[place] < -_RESOLUTION and high[place] > _RESOLUTION
    return place, 0.0 if has_one_inside else float((low[place] + high[place]) / 2.0)
