"""What a policy does day by day, with its limits held order by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy

__all__ = ["days_table"]

_MS_PER_DAY: Final = 86_400_000
_COUNTED: Final = {
    "approve": "approvals", "challenge": "challenges", "review": "reviews", "decline": "declines",
}  # fmt: skip


def days_table(
    policy: Policy,
    label: NDArray[np.float64],
    probability: NDArray[np.float64],
    amount_minor: NDArray[np.float64],
    time_ms: NDArray[np.int64],
    columns: Mapping[str, Sequence[object]],
    came: NDArray[np.bool_],
) -> pl.DataFrame:
    """Return what the checkout would have done on each UTC day that holds orders.

    All orders are decided in the order of their times, also those without a known outcome and
    those that are always reviewed: they take their part of a day's reviews. Nothing is explored.

    Columns ``day_start_ms``, ascending; ``n_orders``; ``approvals``, ``challenges``, ``reviews``
    and ``declines``, which add up to it; ``reviews_max``, the constraint, null for none;
    ``n_known``, orders with a known outcome and amount, and ``cost_minor``, the sum of what
    these cost.

    Parameters
    ----------
    label : ndarray of float64, shape (n_orders,)
        1 is fraud, NaN not known.
    amount_minor : ndarray of float64, shape (n_orders,)
        NaN where it is not known.
    came : ndarray of bool, shape (n_orders,)
        Whether an order is counted at all.
    """
    held = np.flatnonzero(came)
    order = held[np.argsort(time_ms[held], kind="stable")]
    amount, is_fraud = amount_minor[order], label[order] == 1.0
    taken = {path: [values[place] for place in order] for path, values in columns.items()}
    decider = Decider(policy)
    rulings = decider.of_many(probability[order], amount, taken, time_ms=time_ms[order])
    at_honest, at_fraud = decider.cost_lines_of_many(amount, taken)
    action, places = rulings.action.astype(np.int64), np.arange(len(order))
    cost = np.where(is_fraud, at_fraud[action, places], at_honest[action, places])
    is_known = ~np.isnan(label[order]) & ~np.isnan(amount)
    days, day = np.unique(time_ms[order] // _MS_PER_DAY, return_inverse=True)
    counts = np.bincount(day * len(ACTIONS) + action, minlength=len(days) * len(ACTIONS))
    by_action = counts.reshape(len(days), len(ACTIONS))
    found: dict[str, Any] = {"day_start_ms": days * _MS_PER_DAY, "n_orders": by_action.sum(axis=1)}
    found |= {_COUNTED[name]: by_action[:, place] for place, name in enumerate(ACTIONS)}
    found["reviews_max"] = [policy.constraints.reviews_per_day] * len(days)
    found["n_known"] = np.bincount(day, is_known).astype(np.int64)
    found["cost_minor"] = np.bincount(day, np.where(is_known, cost, 0.0))
    whole = dict.fromkeys(found, pl.Int64)
    return pl.DataFrame(found, schema=whole | {"cost_minor": pl.Float64})
