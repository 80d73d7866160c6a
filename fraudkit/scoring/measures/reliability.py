"""Whether a probability means what it says: a table of bins, and slope and intercept.

Equal probabilities are never told apart: they stand in one bin.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.scoring.learning.logistic import logistic_regression
from fraudkit.scoring.measures.intervals import Days, Estimate, estimate
from fraudkit.scoring.measures.ranking import Ranked

__all__ = ["ReliabilityBin", "calibration_line", "clipped_log_odds", "reliability_table"]

_SMALLEST_PROBABILITY: Final = 1e-15
_BINS: Final = 10


class ReliabilityBin(Struct, frozen=True, kw_only=True):
    """Orders of similar predicted probability: what was predicted and what came true.

    Attributes
    ----------
    n_orders, n_frauds : int
        In the bin.
    mean_probability : float
        Weighted mean of the predicted probability.
    fraud_share : Estimate
        Weight of the frauds over weight of the orders.
    """

    n_orders: int
    n_frauds: int
    mean_probability: float
    fraud_share: Estimate


class _Line(NamedTuple):
    intercept: NDArray[np.float64]
    slope: NDArray[np.float64]


def reliability_table(
    ranks: Ranked,
    is_fraud: NDArray[np.bool_],
    probability: NDArray[np.float64],
    weight: NDArray[np.float64],
    days: Days,
) -> tuple[ReliabilityBin, ...]:
    """Return about ten bins of equally many orders, by ascending probability.

    Equal probabilities share the bin of their middle rank, so bins differ in size where there
    are ties, and a bin that all ties left empty is not there. A bin without weight is left out.
    """
    bin_of = _bins(ranks)
    bins = []
    for number in range(bin_of.max(initial=-1) + 1):
        is_in = bin_of == number
        held = weight * is_in
        total, predicted, frauds = days.totals(held, held * probability, held * is_fraud)
        if total[0] <= 0:
            continue
        with np.errstate(invalid="ignore"):
            share = frauds / total
        bins.append(
            ReliabilityBin(
                n_orders=int((is_in & (weight > 0)).sum()),
                n_frauds=int((is_in & is_fraud & (weight > 0)).sum()),
                mean_probability=float(predicted[0] / total[0]),
                fraud_share=estimate(share),
            )
        )
    return tuple(bins)


def _bins(ranks: Ranked) -> NDArray[np.int64]:
    """Return each order's bin: that of the middle of its tie, by ascending probability."""
    n_orders = len(ranks.order)
    ends = np.flatnonzero(ranks.ends_tie)
    sizes = np.diff(ends, prepend=-1)
    twice_middle = 2 * (n_orders - 1) - (2 * ends - sizes + 1)
    bin_of = np.empty(n_orders, np.int64)
    n_bins = min(_BINS, n_orders)
    bin_of[ranks.order] = np.repeat(n_bins * (twice_middle + 1) // (2 * n_orders), sizes)
    return bin_of


def clipped_log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log-odds, of probabilities kept 1e-15 away from 0 and 1."""
    clipped = np.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    log_odds: NDArray[np.float64] = np.log(clipped) - np.log1p(-clipped)
    return log_odds


def calibration_line(
    is_fraud: NDArray[np.bool_],
    log_odds: NDArray[np.float64],
    weight: NDArray[np.float64],
    days: Days,
) -> tuple[Estimate, Estimate] | None:
    """Return intercept and slope of the logistic regression of the label on the log-odds.

    A calibrated probability has intercept 0 and slope 1; a slope below 1 says that it is too
    sure of itself. Redrawn days take one Newton step from the fit over all days, which needs
    sums by day alone; an end of the interval differs from that of full fits by less than a tenth
    of the interval's width where days are many.

    Returns
    -------
    (Estimate, Estimate) or None
        ``None`` where no line fits best: the log-odds are all the same, or a cut in them tells
        frauds from honest orders without a mistake.

    References
    ----------
    Cox, "Two further applications of a model for binary regression", Biometrika 45, 1958, for
    slope and intercept. Moulton and Zeger, "Bootstrapping generalized linear models",
    Computational Statistics & Data Analysis 11, 1991, for the one-step bootstrap.
    """
    has_weight = weight > 0
    frauds, honest = log_odds[is_fraud & has_weight], log_odds[~is_fraud & has_weight]
    if not (
        len(frauds) and len(honest) and honest.max() > frauds.min() and frauds.max() > honest.min()
    ):
        return None
    scaled = weight / weight.sum()
    mean = float(np.sum(scaled * log_odds))
    deviation = float(np.sqrt(np.sum(scaled * (log_odds - mean) ** 2)))
    standard = (log_odds - mean) / deviation
    slopes, intercept = logistic_regression(
        standard[has_weight, None], is_fraud[has_weight], scaled[has_weight]
    )
    fitted = intercept, float(slopes[0])
    step = _newton_step(is_fraud, standard, scaled, fitted, days)
    step.intercept[0] = step.slope[0] = 0.0
    slope = (fitted[1] + step.slope) / deviation
    return estimate(fitted[0] + step.intercept - slope * mean), estimate(slope)


def _newton_step(
    is_fraud: NDArray[np.bool_],
    log_odds: NDArray[np.float64],
    weight: NDArray[np.float64],
    line: tuple[float, float],
    days: Days,
) -> _Line:
    """Return the Newton step from a line, for the days as they were and each redrawing."""
    fitted = 1 / (1 + np.exp(-np.clip(line[0] + line[1] * log_odds, -700.0, 700.0)))
    error = weight * (is_fraud - fitted)
    curvature = weight * fitted * (1 - fitted)
    g0, g1, h00, h01, h11 = days.totals(
        error, error * log_odds, curvature, curvature * log_odds, curvature * log_odds**2
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = h00 * h11 - h01**2
        return _Line((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
