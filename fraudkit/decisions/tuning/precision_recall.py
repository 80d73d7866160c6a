"""How many frauds are stopped and how many of the stopped are fraud: by cut, and by the policy."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.policy import ACTIONS
from fraudkit.decisions.tuning.orders import TuningOrders

__all__ = ["precision_recall_table"]

_CUTS_MAX: Final = 500


def precision_recall_table(orders: TuningOrders, actions: NDArray[np.int64]) -> pl.DataFrame:
    """Return precision and recall of cuts on the probability, and of a policy's actions.

    Precision is fraud stopped over all stopped, recall is fraud stopped over all fraud; both by
    count and, as ``value_precision`` and ``value_recall``, by amount. A figure without a
    denominator is null.

    Columns ``point`` and ``threshold`` say what stops. ``point`` is ``"cut"`` for a cut at the
    probability ``threshold``, at most 500 of them from the highest to the lowest; and
    ``"challenge"``, ``"review"`` or ``"decline"``, without a threshold, where the policy's
    action is that or a stricter one.

    Parameters
    ----------
    actions : ndarray of int64, shape (n_orders,)
        Places in `fraudkit.decisions.policy.ACTIONS`.
    """
    order = np.argsort(-orders.probability, kind="stable")
    descending = orders.probability[order]
    ends_tie = np.append(np.diff(descending) != 0.0, [True])
    sums = np.cumsum(_counted(orders)[:, order], axis=1)[:, ends_tie]
    thresholds = descending[ends_tie]
    kept = _spread(sums[0] / sums[0, -1])
    of_policy = np.array([
        _counted(orders)[:, actions >= place].sum(axis=1) for place in (3, 2, 1)
    ]).T  # fmt: skip
    stopped = np.concatenate([sums[:, kept], of_policy], axis=1)
    caught, held, caught_value, held_value = stopped
    frauds, _orders, fraud_value, _value = sums[:, -1]
    n_policy = of_policy.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = pl.DataFrame({
            "point": ["cut"] * len(kept) + [ACTIONS[place] for place in (3, 2, 1)],
            "threshold": np.append(thresholds[kept], np.full(n_policy, np.nan)),
            "precision": caught / held,
            "recall": caught / frauds,
            "value_precision": caught_value / held_value,
            "value_recall": caught_value / fraud_value,
        })  # fmt: skip
    return found.fill_nan(None)


def _counted(orders: TuningOrders) -> NDArray[np.float64]:
    """Return what is summed: frauds and orders, by count and by value, shape (4, n_orders)."""
    weight, value = orders.weights, orders.weights * orders.amount_minor
    return np.array([weight * orders.is_fraud, weight, value * orders.is_fraud, value])


def _spread(recall: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most 500 cuts, evenly spread in the recall, the first and the last among them."""
    if len(recall) <= _CUTS_MAX:
        return np.arange(len(recall))
    wanted = np.searchsorted(recall, np.linspace(0.0, 1.0, _CUTS_MAX - 1))
    return np.unique(np.append(np.minimum(wanted, len(recall) - 1), len(recall) - 1))
