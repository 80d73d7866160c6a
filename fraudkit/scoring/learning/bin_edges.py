"""Histogram edges where frauds begin or end.

LightGBM splits at the edges of histogram bins that hold equally many orders. Fraud that begins at
a sharp amount falls into the midst of a bin, however many there are, and the honest orders of the
bin with it. So the values that part frauds from honest orders best are made edges.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["forced_bins", "sharp_edges"]

_DEPTH: Final = 3
_GAIN_MIN: Final = 4.0


def sharp_edges(values: NDArray[np.float64], is_fraud: NDArray[np.bool_]) -> list[float]:
    """Return the cuts of a small decision tree on one feature, ascending; at most seven.

    A cut lies midway between two neighbouring values, of which one is a fraud's, and takes the
    most from the binomial deviance ``-sum(log p)`` of its part, at least 4. No cut between two
    honest orders, or two frauds, takes more.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows,)
        NaN and infinities are left out.
    is_fraud : ndarray of bool, shape (n_rows,)

    References
    ----------
    Breiman et al., "Classification and Regression Trees", 1984, section 4.
    Fayyad and Irani, "On the handling of continuous-valued attributes in decision tree
    generation", Machine Learning 8 (1992), theorem 1: where the best cuts lie.

    Examples
    --------
    >>> amounts = np.arange(1.0, 101.0)
    >>> sharp_edges(amounts, amounts > 90)
    [90.5]
    """
    present = np.isfinite(values)
    return _edges(np.sort(values[present]), np.sort(values[present & is_fraud]))


class _Part(NamedTuple):
    """Rows and frauds from one place to another, in ascending order of the feature."""

    first_row: int
    last_row: int
    first_fraud: int
    last_fraud: int


def _edges(ascending: NDArray[np.float64], frauds: NDArray[np.float64]) -> list[float]:
    sides = [np.searchsorted(ascending, frauds, side) for side in ("left", "right")]
    cuts = np.unique(np.concatenate(sides))
    cuts = cuts[(cuts > 0) & (cuts < len(ascending))]
    before = np.searchsorted(frauds, ascending[cuts])
    parts, edges = [_Part(0, len(ascending), 0, len(frauds))], list[float]()
    for _level in range(_DEPTH):
        below = []
        for part in parts:
            best = _best_cut(part, cuts, before)
            if best is not None:
                cut, fraud = int(cuts[best]), int(before[best])
                edges.append(_between(float(ascending[cut - 1]), float(ascending[cut])))
                below.append(part._replace(last_row=cut, last_fraud=fraud))
                below.append(part._replace(first_row=cut, first_fraud=fraud))
        parts = below
    return sorted(edges)


def _best_cut(part: _Part, cuts: NDArray[np.int64], before: NDArray[np.int64]) -> int | None:
    """Return the place of a part's best cut, or ``None`` where none takes enough."""
    first, last = np.searchsorted(cuts, [part.first_row + 1, part.last_row]).tolist()
    if first == last:
        return None
    rows, frauds = cuts[first:last] - part.first_row, before[first:last] - part.first_fraud
    n_rows, n_frauds = part.last_row - part.first_row, part.last_fraud - part.first_fraud
    whole = _deviance(np.array([n_frauds]), np.array([n_rows]))
    gain = whole - _deviance(frauds, rows) - _deviance(n_frauds - frauds, n_rows - rows)
    best = int(np.argmax(gain))
    return first + best if gain[best] >= _GAIN_MIN else None


def _deviance(frauds: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    def of(count: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(count * np.log(rows / np.maximum(count, 1)), np.float64)

    return of(frauds) + of(rows - frauds)


def _between(low: float, high: float) -> float:
    """Return the middle of two numbers; below the higher, as LightGBM asks of an edge."""
    return float(max(low, min(low / 2 + high / 2, np.nextafter(high, -np.inf))))


def forced_bins(
    rows: NDArray[np.float64], is_fraud: NDArray[np.bool_], places: list[int], max_bin: int
) -> list[dict[str, Any]]:
    """Return LightGBM's forced bins: the edges of the features that have more values than bins.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
    places : list of int
        The features that are numbers.
    max_bin : int
        More edges than bins are not returned.
    """
    forced = []
    for place in places:
        values = rows[:, place]
        ascending = np.sort(values[np.isfinite(values)])
        if np.count_nonzero(np.diff(ascending)) >= max_bin:
            frauds = values[is_fraud]
            edges = _edges(ascending, np.sort(frauds[np.isfinite(frauds)]))[: max_bin - 1]
            forced += [{"feature": place, "bin_upper_bound": edges}] * bool(edges)
    return forced
