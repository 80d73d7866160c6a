"""Tuning again on redrawn days: how sure a tuning is, and what it costs on days it did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning.fitting import Form, TunedSegment, actions_of, fitted_policy
from fraudkit.decisions.tuning.orders import TuningOrders
from fraudkit.errors import PolicyError

__all__ = ["OnProgress", "Redrawn", "interval", "redrawn", "redrawn_means"]

OnProgress = Callable[[int, int], None]
"""Is told how many redrawn tunings are done, and of how many."""


class Redrawn(NamedTuple):
    """One tuning on redrawn days.

    Attributes
    ----------
    policy : Policy
    day_count : ndarray of int64, shape (n_days,)
        How often each day was drawn.
    unseen_cost_minor, unseen_orders : float
        What the policy cost on the days that were not drawn, and how many orders they hold.
    """

    policy: Policy
    day_count: NDArray[np.int64]
    unseen_cost_minor: float
    unseen_orders: float


def redrawn(
    orders: TuningOrders,
    form: Form,
    segments: tuple[TunedSegment, ...],
    *,
    n_resamples: int,
    seed: int,
    n_jobs: int,
    on_progress: OnProgress | None = None,
) -> tuple[Redrawn, ...]:
    """Tune on redrawn days; one whose draw holds no fraud, or no way within, is left out.

    References
    ----------
    Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapters 8 (blocks) and 17
    (what was not drawn).
    """
    n_days = int(orders.day.max()) + 1
    draws = np.random.default_rng(seed).integers(0, n_days, (n_resamples, n_days))
    weights = {held.name: held.weight for held in segments}
    bare = orders._replace(columns={})
    # A generator, so that progress can be told; its order is that of the draws.
    tuned = joblib.Parallel(n_jobs, return_as="generator")(
        joblib.delayed(_one)(bare, form, weights, np.bincount(draw, minlength=n_days))
        for draw in draws
    )
    found = []
    for done, held in enumerate(tuned, 1):
        found.append(held)
        if on_progress is not None:
            on_progress(done, n_resamples)
    return tuple(held for held in found if held is not None)


def interval(values: NDArray[np.float64], confidence: float) -> tuple[float | None, float | None]:
    """Return the interval that holds the middle of the values; none of fewer than two.

    Parameters
    ----------
    values : ndarray of float64, shape (n_draws,)
        NaN where a draw has no value; those are left out.

    Examples
    --------
    >>> interval(np.array([1.0, 2.0, 3.0, np.nan]), 0.5)
    (1.5, 2.5)
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return None, None
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(known, [tail, 1.0 - tail])
    return float(low), float(high)


def redrawn_means(
    day_cost: NDArray[np.float64], day_weight: NDArray[np.float64], drawn: Sequence[Redrawn]
) -> NDArray[np.float64]:
    """Return the mean cost an order on each redrawing of the days, of policies that stay.

    Parameters
    ----------
    day_cost : ndarray of float64, shape (n_policies, n_days)
        Weighted sums over each day's orders.
    day_weight : ndarray of float64, shape (n_days,)

    Returns
    -------
    ndarray of float64, shape (n_policies, n_draws)
    """
    if not drawn:
        return np.empty((len(day_cost), 0))
    counts = np.array([held.day_count for held in drawn], np.float64)
    # Not a matrix product: its rounding may depend on the number of threads.
    means: NDArray[np.float64] = np.einsum("pd,rd->pr", day_cost, counts) / np.einsum(
        "d,rd->r", day_weight, counts
    )
    return means


def _one(
    orders: TuningOrders, form: Form, weights: dict[str, float], day_count: NDArray[np.int64]
) -> Redrawn | None:
    drawn = orders.weighted(orders.weights * day_count[orders.day])
    if not drawn.is_fraud.any() or drawn.is_fraud.all():
        return None
    try:
        policy, _segments = fitted_policy(drawn, form, weights)
    except PolicyError:
        return None
    unseen = orders.taken(np.flatnonzero(day_count[orders.day] == 0))
    actions = actions_of(unseen, policy)
    cost = unseen.realised[actions, np.arange(len(actions))] * unseen.weights
    return Redrawn(policy, day_count, float(cost.sum()), float(unseen.weights.sum()))
