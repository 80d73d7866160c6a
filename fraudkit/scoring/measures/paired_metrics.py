"""Paired differences: how much better one score is than another on the same orders.

Two figures with intervals that overlap may still differ for sure, as both rise and fall with the
same days. So each redrawing of the days measures both scores, and the interval is that of the
difference.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.scoring.measures.array_checks import check_kinds, check_range
from fraudkit.scoring.measures.intervals import Days, Estimate, draw_days, estimate
from fraudkit.scoring.measures.ranking import ranked, ranked_figures
from fraudkit.scoring.measures.reliability import clipped_log_odds
from fraudkit.scoring.measures.weighted_metrics import ratio

__all__ = ["PairedDifferences", "paired_differences"]


class PairedDifferences(Struct, frozen=True, kw_only=True):
    """Figures of one score less those of the baseline, each order weighing the same.

    Every figure is that of `fraudkit.scoring.metrics.ScoreMetrics`, by count, and is over the
    same orders.

    Attributes
    ----------
    auc, average_precision : Estimate
        Above 0 the score ranks better than the baseline.
    log_loss : Estimate
        Below 0 its probabilities are better.
    mean_cost_minor : Estimate or None
        Below 0 its decisions cost less, per order with both costs; ``None`` where none has.
    n_orders_with_cost : int
        Orders with both costs.
    """

    auc: Estimate
    average_precision: Estimate
    log_loss: Estimate
    mean_cost_minor: Estimate | None = None
    n_orders_with_cost: int = 0


def paired_differences(
    is_fraud: NDArray[np.bool_],
    probability: NDArray[np.float64],
    baseline: NDArray[np.float64],
    *,
    event_time_ms: NDArray[np.int64] | None = None,
    cost_minor: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> PairedDifferences:
    """Return the figures of a probability less those of a baseline, with 95 % intervals.

    Every array has shape (n_orders,), in the same order.

    Parameters
    ----------
    is_fraud, probability, baseline : ndarray
        The label; the two probabilities, in [0, 1].
    event_time_ms : ndarray of int64, optional
        When the order happened; whole UTC days are redrawn for the intervals, the same days for
        both. Without times there are none.
    cost_minor : tuple of two ndarrays, optional
        What deciding by the probability and by the baseline costs; NaN where it is not known.
    resamples, seed : int
        How often the days are redrawn, and by what. With those of `score_metrics` the days are
        the same.

    Raises
    ------
    InputError
        If an array has another length or a value that cannot be.
    TrainingError
        If there is not at least one fraud and one honest order.

    Examples
    --------
    >>> is_fraud = np.array([False, False, True])
    >>> better, worse = np.array([0.1, 0.2, 0.9]), np.array([0.1, 0.2, 0.2])
    >>> paired_differences(is_fraud, better, worse).auc.value
    0.25
    """
    check_kinds({"is_fraud": is_fraud}, "b", is_fraud.shape)
    check_kinds({"event_time_ms": event_time_ms}, "iu", is_fraud.shape)
    check_range("probability", probability, is_fraud.shape, 0.0, 1.0)
    check_range("baseline", baseline, is_fraud.shape, 0.0, 1.0)
    if is_fraud.all() or not is_fraud.any():
        raise TrainingError(
            "a comparison needs at least one fraud and one honest order with a known label, "
            f"got {int(is_fraud.sum())} frauds among {len(is_fraud)} orders"
        )
    days = draw_days(event_time_ms, len(is_fraud), resamples, seed)
    ours, theirs = (_figures(is_fraud, held, days) for held in (probability, baseline))
    n_with_cost, mean_cost = _mean_cost(cost_minor, days, is_fraud.shape)
    return PairedDifferences(
        auc=estimate(ours[0] - theirs[0]),
        average_precision=estimate(ours[1] - theirs[1]),
        log_loss=estimate(ours[2] - theirs[2]),
        mean_cost_minor=mean_cost,
        n_orders_with_cost=n_with_cost,
    )


def _figures(
    is_fraud: NDArray[np.bool_], probability: NDArray[np.float64], days: Days
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return AUC, average precision and log loss of the days as they were and each redrawing."""
    each = np.ones(len(is_fraud))
    curve = ranked_figures(ranked(probability), is_fraud, each, days, rates=())
    log_odds = clipped_log_odds(probability)
    total, unlikely = days.totals(each, np.logaddexp(0.0, -np.where(is_fraud, log_odds, -log_odds)))
    return curve.auc, curve.average_precision, ratio(unlikely, total)


def _mean_cost(
    cost_minor: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    days: Days,
    shape: tuple[int, ...],
) -> tuple[int, Estimate | None]:
    if cost_minor is None:
        return 0, None
    for name, held in zip(("cost_minor[0]", "cost_minor[1]"), cost_minor, strict=True):
        check_range(name, held, shape, -np.inf, may_be_unknown=True)
    is_known = ~np.isnan(cost_minor[0]) & ~np.isnan(cost_minor[1])
    ours, theirs = (np.where(is_known, held, 0.0) for held in cost_minor)
    ours_total, theirs_total, total = days.totals(ours, theirs, is_known.astype(np.float64))
    if not is_known.any():
        return 0, None
    difference = ratio(ours_total, total) - ratio(theirs_total, total)
    return int(is_known.sum()), estimate(difference)
