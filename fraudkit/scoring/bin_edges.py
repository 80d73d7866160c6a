"""Histogram edges where frauds begin or end.

LightGBM splits at the edges of histogram bins that hold equally many orders. Fraud that begins at
a sharp amount falls into the midst of a bin, however many there are, and the honest orders of the
bin with it. So the values that part frauds from honest orders best are made edges.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["forced_bins", "sharp_edges"]

_DEPTH: Final = 3
_GAIN_MIN: Final = 4.0


def sharp_edges(values: NDArray[np.float64], is_fraud: NDArray[np.bool_]) -> list[float]:
    """Return the cuts of a small decision tree on one feature, ascending; at most seven.

    A cut lies midway between two neighbouring values and takes the most from the binomial
    deviance ``-sum(log p)`` of its part, at least 4.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows,)
        NaN and infinities are left out.
    is_fraud : ndarray of bool, shape (n_rows,)

    References
    ----------
    Breiman et al., "Classification and Regression Trees", 1984, section 4.

    Examples
    --------
    >>> amounts = np.arange(1.0, 101.0)
    >>> sharp_edges(amounts, amounts > 90)
    [90.5]
    """
    present = np.isfinite(values)
    order = np.argsort(values[present], kind="stable")
    ascending = values[present][order]
    frauds = np.append(0, np.cumsum(is_fraud[present][order]))
    parts, edges = [(0, len(ascending))], list[float]()
    for _level in range(_DEPTH):
        below = []
        for start, end in parts:
            cut = _best_cut(ascending, frauds, start, end)
            if cut:
                edges.append(float(ascending[cut - 1] / 2 + ascending[cut] / 2))
                below += [(start, cut), (cut, end)]
        parts = below
    return sorted(edges)


def _best_cut(
    ascending: NDArray[np.float64], frauds: NDArray[np.int64], start: int, end: int
) -> int:
    """Return where the second part of the best cut begins, or 0 for none."""
    places = start + 1 + np.flatnonzero(np.diff(ascending[start:end]) > 0)
    if not len(places):
        return 0
    left = _deviance(frauds[places] - frauds[start], places - start)
    right = _deviance(frauds[end] - frauds[places], end - places)
    whole = _deviance(frauds[[end]] - frauds[start], np.array([end - start]))
    gain = whole - left - right
    best = int(np.argmax(gain))
    return int(places[best]) if gain[best] >= _GAIN_MIN else 0


def _deviance(frauds: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    def part(count: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(count * np.log(rows / np.maximum(count, 1)), np.float64)

    return part(frauds) + part(rows - frauds)


def forced_bins(
    rows: NDArray[np.float64], is_fraud: NDArray[np.bool_], places: list[int], max_bin: int
) -> list[dict[str, Any]]:
    """Return LightGBM's forced bins: the edges of the features that have more values than bins.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
    places : list of int
        The features that are numbers.
    """
    forced = []
    for place in places:
        if len(np.unique(rows[:, place])) > max_bin:
            edges = sharp_edges(rows[:, place], is_fraud)
            forced.append({"feature": place, "bin_upper_bound": edges[: max_bin - 1]})
    return [held for held in forced if held["bin_upper_bound"]]
