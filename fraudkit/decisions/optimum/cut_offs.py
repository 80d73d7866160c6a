"""The cut-offs on a score that cost the least: exact, from one sort."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.array_checks import check_costs, check_numbers, checked_weights
from fraudkit.errors import InputError

__all__ = ["CutOffs", "optimal_cut_offs"]

_Sums = NDArray[np.float64]


class CutOffs(NamedTuple):
    """From which score on each action is taken, and what that costs.

    Attributes
    ----------
    from_probability : tuple of float
        One for each action, ascending. An order gets the action of the highest cut-off that is
        not above its score; of equal cut-offs, that of the last. The first is 0; an action that
        is taken from no score on has the cut-off of the next one, or inf where none comes after.
    cost : float
        Of all orders together, in the unit of the costs.
    """

    from_probability: tuple[float, ...]
    cost: float


def optimal_cut_offs(
    scores: NDArray[np.float64],
    costs: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    *,
    actions: Sequence[int] = (0, 1, 2, 3),
) -> CutOffs:
    """Return the ascending cut-offs with the least total cost.

    An order whose action is not possible gets the next action before it, among those of the
    rule, that is possible; approve always is. Orders of equal score get one action.

    Among rules of equal cost the one of the fewest actions is returned, then the one of the
    earliest actions, then the one of the highest cut-offs: an earlier action is kept as long as
    it costs no more. A cut-off lies in the middle between the two neighbouring scores.

    The least is exact but for the rounding of float64 sums. Time is that of sorting the scores.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_orders,)
        In [0, 1].
    costs : ndarray of float64, shape (4, n_orders)
        Of approve, challenge, review and decline; NaN where an action is not possible.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for. One of weight 0 is as if it were not there.
    actions : sequence of int
        The actions of the rule as places in `fraudkit.decisions.policy.ACTIONS`, ascending from
        0, which is approve.

    Raises
    ------
    InputError
        If an array or the actions do not hold what is said here.

    References
    ----------
    The cost of a rule is a sum over its cut-offs of differences of prefix sums, so the least is
    found by dynamic programming over the actions: Bellman, "On the approximation of curves by
    line segments using dynamic programming", Communications of the ACM 4(6), 1961. Where several
    cut-offs are best, the highest of each are best together, as the sum is modular on the lattice
    of ascending cut-offs: Topkis, "Supermodularity and Complementarity", 1998, theorem 2.7.1.

    Examples
    --------
    Three honest orders and a fraud, where a review costs 1, an insult 5 and a fraud 9:

    >>> scores = np.array([0.1, 0.2, 0.6, 0.8])
    >>> approve, decline = np.array([0.0, 0, 0, 9]), np.array([5.0, 5, 5, 0])
    >>> costs = np.array([approve, np.full(4, np.nan), np.ones(4), decline])
    >>> optimal_cut_offs(scores, costs)
    CutOffs(from_probability=(0.0, 0.7, 0.7, 0.7), cost=0.0)
    """
    check_numbers("scores", scores, len(scores), 0.0, 1.0)
    check_costs("costs", costs, len(scores))
    if not actions or actions[0] != 0 or actions[-1] > 3 or np.any(np.diff(actions) <= 0):
        raise InputError(
            f"actions must be ascending places in (0, 1, 2, 3) that begin with 0, which is "
            f"approve, got {tuple(actions)}"
        )
    counted = checked_weights(weights, len(scores))
    order = np.argsort(scores, kind="stable")
    order = order[counted[order] > 0.0]
    ascending = scores[order]
    first = np.flatnonzero(np.diff(ascending, prepend=-np.inf))
    sums = _sums_before(costs, counted, order, first, actions)
    places, cuts, cost = _cheapest(sums)
    between = [_between(ascending[first[cut] - 1], ascending[first[cut]]) for cut in cuts]
    starts = dict(zip(places, [0.0, *between], strict=True))
    from_probability = [
        min((start for used, start in starts.items() if used >= place), default=np.inf)
        for place in range(len(actions))
    ]
    return CutOffs(tuple(float(start) for start in from_probability), cost)


def _sums_before(
    costs: NDArray[np.float64],
    weights: NDArray[np.float64],
    order: NDArray[np.intp],
    first: NDArray[np.intp],
    actions: Sequence[int],
) -> list[_Sums]:
    """Return what each action costs up to each group of equal scores, and up to the end."""
    bounds = np.append(first, len(order))
    sums, taken = [], costs[0]
    for action in actions:
        taken = np.where(np.isnan(costs[action]), taken, costs[action])
        sums.append(np.append(0.0, np.cumsum((taken * weights)[order]))[bounds])
    return sums


def _cheapest(sums: list[_Sums]) -> tuple[tuple[int, ...], list[int], float]:
    """Return the actions that are used, the group each but the first starts at, and the cost."""
    best: tuple[tuple[int, ...], list[int], float] = ((), [], np.inf)
    for n_used in range(1, len(sums) + 1):
        for places in combinations(range(len(sums)), n_used):
            cuts, cost = _cheapest_cuts([sums[place] for place in places])
            bounds = [0, *cuts, len(sums[0]) - 1]
            # Where an action has no group, fewer actions are the same rule, with less rounding.
            is_used = n_used == 1 or all(start < end for start, end in pairwise(bounds))
            if is_used and cost < best[2]:
                best = (places, cuts, cost)
    return best


def _cheapest_cuts(sums: list[_Sums]) -> tuple[list[int], float]:
    """Return where each action after the first starts, the highest of the best, and the cost."""
    least, changes = np.zeros(len(sums[0])), []
    for left, right in pairwise(sums):
        changes.append(least + (left - right))
        least = np.minimum.accumulate(changes[-1])
    cuts: list[int] = []
    for change in reversed(changes):
        reachable = change[: cuts[0] + 1] if cuts else change
        cuts.insert(0, len(reachable) - 1 - int(np.argmin(reachable[::-1])))
    return cuts, float(least[-1] + sums[-1][-1])


def _between(low: float, high: float) -> float:
    middle = low + (high - low) / 2.0
    return middle if middle > low else high
