"""Figures of a score over orders that each have a weight: 1, or the amount."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.scoring.measures.intervals import Days, Estimate, estimate
from fraudkit.scoring.measures.ranking import FALSE_POSITIVE_RATES, Ranked, ranked_figures
from fraudkit.scoring.measures.reliability import (
    ReliabilityBin,
    calibration_line,
    reliability_table,
)

__all__ = ["Orders", "WeightedMetrics", "ratio", "weighted_metrics"]


class WeightedMetrics(Struct, frozen=True, kw_only=True):
    """Figures over orders that each have a weight: 1, or the amount.

    Attributes
    ----------
    n_orders, n_frauds : int
        Orders with a weight above 0; every figure here is over these alone.
    weight, fraud_weight : float
        Their summed weight, and that of the frauds: numbers of orders, or minor units.
    auc : Estimate
        Share of the weight of (fraud, honest) pairs, the product of the two, in which the fraud
        scores higher; a tie counts half.
    average_precision : Estimate
        Mean precision over the fraud weight, by descending score.
    recall_at_false_positive_rate : dict[str, Estimate]
        Rate (stopped honest weight over all honest weight) → share of all fraud weight at or
        above the lowest cut that keeps the rate.
    brier_score, log_loss : Estimate
        Weighted mean of the squared error and of the negative log-likelihood (natural
        logarithm; probabilities kept 1e-15 away from 0 and 1), over the weight of all orders.
    calibration_intercept, calibration_slope : Estimate or None
        Of `fraudkit.scoring.measures.reliability.calibration_line`: 0 and 1 are calibrated.
    reliability : tuple of ReliabilityBin
        About ten bins of equally many orders, by ascending probability.
    fraud_basis_points : Estimate or None
        Fraud weight approved per 10,000 of weight approved; ``None`` where it was not said which
        orders are approved, or none is.
    """

    n_orders: int
    n_frauds: int
    weight: float
    fraud_weight: float
    auc: Estimate
    average_precision: Estimate
    recall_at_false_positive_rate: dict[str, Estimate]
    brier_score: Estimate
    log_loss: Estimate
    calibration_intercept: Estimate | None
    calibration_slope: Estimate | None
    reliability: tuple[ReliabilityBin, ...]
    fraud_basis_points: Estimate | None = None


class Orders(NamedTuple):
    """Orders with a known label, sorted once; every array has shape (n_orders,).

    Attributes
    ----------
    is_approved : ndarray of bool or None
        Whether the order was or would be let through, where that is known.
    """

    is_fraud: NDArray[np.bool_]
    probability: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    ranks: Ranked
    days: Days
    is_approved: NDArray[np.bool_] | None


def weighted_metrics(orders: Orders, weight: NDArray[np.float64]) -> WeightedMetrics | None:
    """Return the figures under a weight; ``None`` where no fraud or no honest order has any."""
    is_fraud, probability, days = orders.is_fraud, orders.probability, orders.days
    has_weight = weight > 0
    if not (has_weight & is_fraud).any() or not (has_weight & ~is_fraud).any():
        return None
    likelihood = np.where(is_fraud, orders.log_odds, -orders.log_odds)
    total, frauds, squared, unlikely = days.totals(
        weight,
        weight * is_fraud,
        weight * (probability - is_fraud) ** 2,
        weight * np.logaddexp(0.0, -likelihood),
    )
    curve = ranked_figures(orders.ranks, is_fraud, weight, days)
    line = calibration_line(is_fraud, orders.log_odds, weight, days)
    return WeightedMetrics(
        n_orders=int(has_weight.sum()),
        n_frauds=int((has_weight & is_fraud).sum()),
        weight=float(total[0]),
        fraud_weight=float(frauds[0]),
        auc=estimate(curve.auc),
        average_precision=estimate(curve.average_precision),
        recall_at_false_positive_rate={
            f"{rate:g}": estimate(recall)
            for rate, recall in zip(FALSE_POSITIVE_RATES, curve.recall, strict=True)
        },
        brier_score=estimate(ratio(squared, total)),
        log_loss=estimate(ratio(unlikely, total)),
        calibration_intercept=None if line is None else line[0],
        calibration_slope=None if line is None else line[1],
        reliability=reliability_table(orders.ranks, is_fraud, probability, weight, days),
        fraud_basis_points=_fraud_basis_points(orders, weight),
    )


def _fraud_basis_points(orders: Orders, weight: NDArray[np.float64]) -> Estimate | None:
    if orders.is_approved is None:
        return None
    approved = weight * orders.is_approved
    total, frauds = orders.days.totals(approved, approved * orders.is_fraud)
    return estimate(1e4 * ratio(frauds, total)) if total[0] > 0 else None


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part over whole; NaN or infinite, without a warning, where the whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return part / whole
