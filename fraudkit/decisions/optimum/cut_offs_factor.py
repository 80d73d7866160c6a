"""The factor on the odds of fraud at which given cut-offs cost the least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.array_checks import check_costs, check_numbers, checked_weights
from fraudkit.decisions.optimum.odds_factor import (
    FACTOR_LEAST,
    FACTOR_MOST,
    Changes,
    OddsFactor,
    cheapest_factor,
)

__all__ = ["optimal_cut_offs_factor"]


def optimal_cut_offs_factor(
    probability: NDArray[np.float64],
    costs: NDArray[np.float64],
    from_probability: tuple[float | None, float | None, float | None],
    weights: NDArray[np.float64] | None = None,
    *,
    least: float = FACTOR_LEAST,
    most: float = FACTOR_MOST,
) -> OddsFactor:
    """Return the factor on the odds of fraud with which the cut-offs cost the least.

    With the factor c, an order of probability p gets the action that the cut-offs give to the
    probability whose odds are c times those of p; so each cut-off is as if its odds were divided
    by c. An order changes its action where it meets a cut-off, and nowhere else. How the factor is
    chosen among equals, and how exact it is: as `optimal_odds_factor`.

    Parameters
    ----------
    probability : ndarray of float64, shape (n_orders,)
        In [0, 1]; 0 and 1 stay what they are.
    costs : ndarray of float64, shape (4, n_orders)
        Of approve, challenge, review and decline at the known label; NaN where an action is not
        possible, which approve must be.
    from_probability : tuple of three float or None
        See `fraudkit.decisions.optimum.cut_offs.CutOffs`.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for.
    least, most : float
        The factor is sought between these, 0 < least < most.

    Raises
    ------
    InputError
        If an array does not hold what is said here.

    Examples
    --------
    A fraud at odds of 0.25 meets the cut-off at odds of 1 with a factor of 4; up to 20 it stays
    declined, and the middle is returned:

    >>> costs = np.array([[9.0], [np.nan], [np.nan], [0.0]])
    >>> found = optimal_cut_offs_factor(np.array([0.2]), costs, (None, None, 0.5))
    >>> round(found.factor, 3), found.cost
    (8.944, 0.0)
    """
    n_orders = len(probability)
    check_numbers("probability", probability, n_orders, 0.0, 1.0)
    check_costs("costs", costs, n_orders, (0,))
    counted = checked_weights(weights, n_orders)
    taken, moved = costs[0] * counted, [Changes(np.empty(0), np.empty(0))]
    with np.errstate(divide="ignore", over="ignore"):
        odds = probability / (1.0 - probability)
    for action, begin in enumerate(from_probability, 1):
        if begin is None:
            continue
        after = np.where(np.isnan(costs[action]), taken, costs[action] * counted)
        factor = _met_at(odds, begin)
        moved.append(Changes(factor, after - taken))
        taken = after
    at_first = float((costs[0] * counted).sum())
    together = Changes(*(np.concatenate(parts) for parts in zip(*moved, strict=True)))
    is_moved = together.cost != 0.0
    return cheapest_factor(
        at_first, Changes(together.factor[is_moved], together.cost[is_moved]), least, most
    )


def _met_at(odds: NDArray[np.float64], begin: float) -> NDArray[np.float64]:
    """Return at which factor each order meets a cut-off: 0 if always, inf if never."""
    if begin == 0.0:
        return np.zeros(len(odds))
    begin_odds = begin / (1.0 - begin) if begin < 1.0 else np.inf
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = begin_odds / odds
    factor[np.isinf(odds)] = 0.0
    factor[odds == 0.0] = np.inf
    return np.asarray(factor)
