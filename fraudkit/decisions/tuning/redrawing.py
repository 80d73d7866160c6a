"""Tuning again on redrawn days: how sure a tuning is, and what it costs on days it did not see."""

from __future__ import annotations

from typing import NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning.fitting import Form, TunedSegment, actions_of, fitted_policy
from fraudkit.decisions.tuning.orders import TuningOrders
from fraudkit.errors import PolicyError

__all__ = ["Redrawn", "redrawn"]


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
    found = joblib.Parallel(n_jobs)(
        joblib.delayed(_one)(bare, form, weights, np.bincount(draw, minlength=n_days))
        for draw in draws
    )
    return tuple(held for held in found if held is not None)


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
