"""The curves that a report draws: few enough points to be stored, enough to be looked at."""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.scoring.measures.ranking import ranked
from fraudkit.scoring.measures.reliability import clipped_log_odds

__all__ = ["Curves", "score_curves"]

_POINTS_MAX: Final = 300
_HISTOGRAM_BINS: Final = 40


class Curves(Struct, frozen=True, kw_only=True):
    """What a score gives at each cut, by count; each tuple of a curve is equally long.

    Attributes
    ----------
    n_orders, n_frauds : int
        Orders with a known label; the curves are over these.
    false_positive_rate, recall, precision : tuple of float
        Stopped honest over all honest orders, caught over all frauds, caught over stopped
        orders; at most 300 cuts, from the highest to the lowest.
    log_odds_edges : tuple of float
        Edges of the histogram, ascending, in natural log-odds of the probability.
    fraud_shares, honest_shares : tuple of float
        Share of all frauds, and of all honest orders, between two edges; one fewer than edges.
    """

    n_orders: int
    n_frauds: int
    false_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    log_odds_edges: tuple[float, ...]
    fraud_shares: tuple[float, ...]
    honest_shares: tuple[float, ...]


def score_curves(
    is_fraud: NDArray[np.bool_],
    probability: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> Curves:
    """Return the curves of a probability against labels of both kinds.

    Parameters
    ----------
    is_fraud, probability : ndarray, shape (n_orders,)
    weight : ndarray of float64, shape (n_orders,), optional
        What an order counts for; 1 if not given.

    Examples
    --------
    >>> curves = score_curves(np.array([True, False, True]), np.array([0.9, 0.5, 0.1]))
    >>> curves.recall, curves.precision
    ((0.5, 0.5, 1.0), (1.0, 0.5, 0.6666666666666666))
    """
    weight = np.ones(len(is_fraud)) if weight is None else weight
    order, ends_tie = ranked(probability)
    caught = np.cumsum((weight * is_fraud)[order])[ends_tie]
    stopped = np.cumsum((weight * ~is_fraud)[order])[ends_tie]
    has_weight = caught + stopped > 0
    caught, stopped = caught[has_weight], stopped[has_weight]
    recall, rate = caught / caught[-1], stopped / stopped[-1]
    kept = _spread(recall, rate)
    log_odds = clipped_log_odds(probability)
    edges = np.histogram_bin_edges(log_odds, _HISTOGRAM_BINS)
    frauds, honest = (
        np.histogram(log_odds[chosen], edges, weights=weight[chosen])[0]
        for chosen in (is_fraud, ~is_fraud)
    )
    return Curves(
        n_orders=len(is_fraud),
        n_frauds=int(is_fraud.sum()),
        false_positive_rate=tuple(rate[kept].tolist()),
        recall=tuple(recall[kept].tolist()),
        precision=tuple((caught / (caught + stopped))[kept].tolist()),
        log_odds_edges=tuple(edges.tolist()),
        fraud_shares=tuple((frauds / frauds.sum()).tolist()),
        honest_shares=tuple((honest / honest.sum()).tolist()),
    )


def _spread(recall: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most 300 cuts, the first and the last among them.

    They lie evenly in the recall, and in the logarithm of the rate, where the small rates are.
    """
    if len(recall) <= _POINTS_MAX:
        return np.arange(len(recall))
    half = _POINTS_MAX // 2 - 1
    smallest = rate[rate > 0][0]
    wanted = [
        np.searchsorted(recall, np.linspace(0.0, 1.0, half)),
        np.searchsorted(rate, np.geomspace(smallest, 1.0, half)),
        np.array([0, len(recall) - 1]),
    ]
    return np.unique(np.minimum(np.concatenate(wanted), len(recall) - 1))
