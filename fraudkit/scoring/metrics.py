"""Metrics of a score against known labels; each says what it is divided by.

Every figure comes twice: by count, where each order weighs the same, and by amount, where each
weighs what it was worth. Ties in the score are one step of the curve: no order among equal
scores is ever assumed.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.scoring.measures.array_checks import check_kinds, check_range
from fraudkit.scoring.measures.card_precision import daily_card_precision
from fraudkit.scoring.measures.intervals import (
    CONFIDENCE,
    DAYS_MIN,
    Days,
    Estimate,
    draw_days,
    estimate,
)
from fraudkit.scoring.measures.ranking import ranked
from fraudkit.scoring.measures.reliability import clipped_log_odds
from fraudkit.scoring.measures.weighted_metrics import (
    Orders,
    WeightedMetrics,
    ratio,
    weighted_metrics,
)

__all__ = ["ScoreMetrics", "score_metrics"]

_TOP_K: Final = (100,)


class ScoreMetrics(Struct, frozen=True, kw_only=True):
    """How well a score told fraud from honest orders.

    Attributes
    ----------
    n_orders, n_frauds : int
        Orders with a known label; every figure here is over these, or over fewer where it says.
    n_days : int or None
        UTC days with an order: the blocks that intervals are drawn from.
    resamples, seed : int
        How often the days were redrawn, and by which seed; 0 where intervals are withheld.
    by_count : WeightedMetrics
        Each order weighs 1, or the weight that was given.
    by_amount : WeightedMetrics or None
        Each order weighs its amount as well; over the orders with an amount.
    card_precision : dict[str, Estimate]
        k → mean over the days of Card Precision@k, the compromised among the k most suspected
        customers over k, see `fraudkit.scoring.measures.card_precision`. Its interval redraws the
        days' precisions; who was detected on an earlier day stays as it was. Without weights.
    n_orders_with_cost : int
        Orders with a cost.
    mean_cost_minor : Estimate or None
        Cost over the weight of the orders with a cost; negative is a gain.
    notes : tuple of str
        What is withheld and why, as sentences.
    """

    n_orders: int
    n_frauds: int
    n_days: int | None
    resamples: int
    seed: int
    by_count: WeightedMetrics
    by_amount: WeightedMetrics | None = None
    card_precision: dict[str, Estimate] = {}
    n_orders_with_cost: int = 0
    mean_cost_minor: Estimate | None = None
    notes: tuple[str, ...] = ()

    @property
    def auc(self) -> float:
        """The AUC by count."""
        return self.by_count.auc.value

    @property
    def average_precision(self) -> float:
        """The average precision by count."""
        return self.by_count.average_precision.value

    @property
    def recall_at_false_positive_rate(self) -> dict[str, float]:
        """The recalls by count."""
        found = self.by_count.recall_at_false_positive_rate
        return {rate: recall.value for rate, recall in found.items()}

    def plain(self) -> dict[str, Any]:
        """Return all that is known as plain data: the values by count, then everything."""
        found = self.by_count
        slope, intercept = found.calibration_slope, found.calibration_intercept
        values: dict[str, Any] = {
            "auc": self.auc,
            "average_precision": self.average_precision,
            "recall_at_false_positive_rate": self.recall_at_false_positive_rate,
            "brier_score": found.brier_score.value,
            "log_loss": found.log_loss.value,
            "calibration_slope": None if slope is None else slope.value,
            "calibration_intercept": None if intercept is None else intercept.value,
            "calibration": [
                {
                    "n_orders": held.n_orders,
                    "mean_probability": held.mean_probability,
                    "fraud_share": held.fraud_share.value,
                }
                for held in found.reliability
            ],
        }
        everything: dict[str, Any] = msgspec.to_builtins(self)
        return values | everything


def score_metrics(  # noqa: PLR0913 - all that may be known of orders
    is_fraud: NDArray[np.bool_],
    probability: NDArray[np.float64],
    *,
    event_time_ms: NDArray[np.int64] | None = None,
    amount_minor: NDArray[np.float64] | NDArray[np.int64] | None = None,
    entity: NDArray[np.int64] | None = None,
    is_approved: NDArray[np.bool_] | None = None,
    cost_minor: NDArray[np.float64] | None = None,
    weight: NDArray[np.float64] | None = None,
    top_k: tuple[int, ...] = _TOP_K,
    resamples: int = 200,
    seed: int = 0,
) -> ScoreMetrics:
    """Return the metrics of a probability against labels, with 95 % intervals.

    Every array has shape (n_orders,), in the same order.

    Parameters
    ----------
    is_fraud, probability : ndarray
        The label; the calibrated probability, in [0, 1].
    event_time_ms : ndarray of int64, optional
        When the order happened; whole UTC days are redrawn for the intervals. Without times
        there are none, and no Card Precision.
    amount_minor : ndarray, optional
        At least 0, all in one currency; NaN where it is not known.
    entity : ndarray of int64, optional
        Who the customer or the card is, as a code, for Card Precision; negative where it is not
        known.
    is_approved : ndarray of bool, optional
        Whether the order was or would be let through, for the fraud basis points.
    cost_minor : ndarray, optional
        What deciding so costs, for instance the least of
        `fraudkit.decisions.costs.expected_costs`; NaN where it is not known.
    weight : ndarray, optional
        What an order counts for, at least 0, for instance the inverse of the probability that
        its label could be seen.
    top_k : tuple of int
        The k of Card Precision@k.
    resamples : int
        How often the days are redrawn.
    seed : int
        The same arrays and seed give the same intervals.

    Raises
    ------
    InputError
        If an array has another length or a value that cannot be.
    TrainingError
        If there is not at least one fraud and one honest order.

    Examples
    --------
    >>> metrics = score_metrics(np.array([False, False, True]), np.array([0.1, 0.2, 0.2]))
    >>> metrics.auc, metrics.average_precision
    (0.75, 0.5)
    """
    check_kinds({"is_fraud": is_fraud, "is_approved": is_approved}, "b", is_fraud.shape)
    check_kinds({"event_time_ms": event_time_ms, "entity": entity}, "iu", is_fraud.shape)
    check_range("probability", probability, is_fraud.shape, 0.0, 1.0)
    check_range("weight", weight, is_fraud.shape, 0.0)
    check_range("amount_minor", amount_minor, is_fraud.shape, 0.0, may_be_unknown=True)
    check_range("cost_minor", cost_minor, is_fraud.shape, -np.inf, may_be_unknown=True)
    frauds = int(is_fraud.sum())
    if frauds in (0, len(is_fraud)):
        raise TrainingError(
            "metrics need at least one fraud and one honest order with a known label, "
            f"got {frauds} frauds among {len(is_fraud)} orders"
        )
    days = draw_days(event_time_ms, len(is_fraud), resamples, seed)
    orders = Orders(
        is_fraud, probability, clipped_log_odds(probability), ranked(probability), days, is_approved
    )
    counts = np.ones(len(is_fraud)) if weight is None else weight.astype(np.float64)
    amounts = None if amount_minor is None else counts * np.nan_to_num(amount_minor)
    n_days = None if event_time_ms is None else days.multiplicity.shape[1]
    by_count = weighted_metrics(orders, counts)
    if by_count is None:
        raise TrainingError(
            "weight must be above 0 for at least one fraud and one honest order; "
            "inverse probabilities are at least 1"
        )
    by_amount = None if amounts is None else weighted_metrics(orders, amounts)
    notes = _notes(n_days, days, by_amount, is_asked=amounts is not None)
    n_with_cost, mean_cost = _mean_cost(cost_minor, counts, days)
    return ScoreMetrics(
        n_orders=len(is_fraud),
        n_frauds=frauds,
        n_days=n_days,
        resamples=len(days.multiplicity) - 1,
        seed=seed,
        by_count=by_count,
        by_amount=by_amount,
        card_precision=(
            {} if entity is None or n_days is None else _card_precision(orders, entity, top_k)
        ),
        n_orders_with_cost=n_with_cost,
        mean_cost_minor=mean_cost,
        notes=notes,
    )


def _card_precision(
    orders: Orders, entity: NDArray[np.int64], top_k: tuple[int, ...]
) -> dict[str, Estimate]:
    days = orders.days
    n_days = days.multiplicity.shape[1]
    return {
        str(k): estimate(
            np.einsum(
                "d,rd->r",
                daily_card_precision(orders.is_fraud, orders.probability, entity, days.place, k),
                days.multiplicity,
            )
            / n_days
        )
        for k in top_k
    }


def _mean_cost(
    cost_minor: NDArray[np.float64] | None, weight: NDArray[np.float64], days: Days
) -> tuple[int, Estimate | None]:
    if cost_minor is None:
        return 0, None
    held = np.where(np.isnan(cost_minor), 0.0, weight)
    cost, total = days.totals(held * np.nan_to_num(cost_minor), held)
    n_orders = int((held > 0).sum())
    return n_orders, estimate(ratio(cost, total)) if n_orders else None


def _notes(
    n_days: int | None, days: Days, by_amount: WeightedMetrics | None, *, is_asked: bool
) -> tuple[str, ...]:
    notes = []
    if n_days is None:
        notes.append("No intervals: event times were not given.")
    elif n_days < DAYS_MIN:
        notes.append(f"No intervals: they need at least {DAYS_MIN} days, got {n_days}.")
    elif len(days.multiplicity) > 1:
        notes.append(f"{CONFIDENCE:.0%} intervals by redrawing {n_days} whole days.")
    if is_asked and by_amount is None:
        notes.append("No figures by amount: no fraud or no honest order has an amount above 0.")
    return tuple(notes)
