"""Metrics of a score against known labels; each says what it is divided by.

Ties in the score are one step of the curve: no order among equal scores is ever assumed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.errors import TrainingError

__all__ = ["FALSE_POSITIVE_RATES", "CalibrationBin", "ScoreMetrics", "score_metrics"]

FALSE_POSITIVE_RATES: Final = (0.001, 0.01, 0.05)
_SMALLEST_PROBABILITY: Final = 1e-15


class CalibrationBin(Struct, frozen=True, kw_only=True):
    """Orders of similar predicted probability: what was predicted and what came true."""

    n_orders: int
    mean_probability: float
    fraud_share: float


class ScoreMetrics(Struct, frozen=True, kw_only=True):
    """How well a score told fraud from honest orders.

    Attributes
    ----------
    n_orders, n_frauds : int
        Orders with a known label; every figure here is over these alone.
    auc : float
        Share of (fraud, honest) pairs in which the fraud scores higher; a tie counts half.
    average_precision : float
        Mean precision over the frauds, by descending score.
    recall_at_false_positive_rate : dict[str, float]
        Rate (stopped honest orders over all honest orders) → share of all frauds scored
        above the highest cut that keeps the rate.
    brier_score, log_loss : float
        Mean squared error and mean negative log-likelihood of the probability, over orders.
    calibration : tuple of CalibrationBin
        Ten bins of equally many orders, by ascending probability.
    """

    n_orders: int
    n_frauds: int
    auc: float
    average_precision: float
    recall_at_false_positive_rate: dict[str, float]
    brier_score: float
    log_loss: float
    calibration: tuple[CalibrationBin, ...]


def score_metrics(is_fraud: NDArray[np.bool_], probability: NDArray[np.float64]) -> ScoreMetrics:
    """Return the metrics of a probability against labels.

    Parameters
    ----------
    is_fraud, probability : ndarray, shape (n_orders,)
        In the same order.

    Raises
    ------
    TrainingError
        If there is not at least one fraud and one honest order.

    Examples
    --------
    >>> metrics = score_metrics(np.array([False, False, True]), np.array([0.1, 0.2, 0.2]))
    >>> metrics.auc, metrics.average_precision
    (0.75, 0.5)
    """
    frauds = int(is_fraud.sum())
    if frauds in (0, len(is_fraud)):
        raise TrainingError(
            "metrics need at least one fraud and one honest order with a known label, "
            f"got {frauds} frauds among {len(is_fraud)} orders"
        )
    caught, stopped = _curve(is_fraud, probability)
    recall, false_positive_rate = caught / frauds, stopped / (len(is_fraud) - frauds)
    precision = caught[1:] / (caught[1:] + stopped[1:])
    clipped = np.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    return ScoreMetrics(
        n_orders=len(is_fraud),
        n_frauds=frauds,
        auc=float(np.trapezoid(recall, false_positive_rate)),
        average_precision=float(np.sum(np.diff(recall) * precision)),
        recall_at_false_positive_rate={
            f"{rate:g}": float(recall[false_positive_rate <= rate].max())
            for rate in FALSE_POSITIVE_RATES
        },
        brier_score=float(np.mean((probability - is_fraud) ** 2)),
        log_loss=float(-np.mean(np.where(is_fraud, np.log(clipped), np.log1p(-clipped)))),
        calibration=_calibration(is_fraud, probability),
    )


def _curve(
    is_fraud: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frauds and honest orders at or above each distinct score, from none to all."""
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    caught = np.cumsum(is_fraud[order])[last_of_tie].astype(float)
    return np.append(0.0, caught), np.append(0.0, last_of_tie + 1 - caught)


def _calibration(
    is_fraud: NDArray[np.bool_], probability: NDArray[np.float64]
) -> tuple[CalibrationBin, ...]:
    order = np.argsort(probability, kind="stable")
    return tuple(
        CalibrationBin(
            n_orders=len(part),
            mean_probability=float(probability[part].mean()),
            fraud_share=float(is_fraud[part].mean()),
        )
        for part in np.array_split(order, min(10, len(order)))
    )
