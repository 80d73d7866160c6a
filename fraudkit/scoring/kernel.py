"""The tree kernel: raw score of an order, and its exact Shapley values against one reference.

The score follows LightGBM's own decisions and adds leaf values in its order, so it is the same
float64. The Shapley values are of the interventional game with a single reference order: a
coalition's players take the order's values, the others the reference's. They sum to
``raw_score(order) - raw_score(reference)``.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for
trees", Nature Machine Intelligence 2 (2020), supplement, algorithm for interventional values.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fraudkit.scoring.model_text import CATEGORICAL, DEFAULT_LEFT, Trees

__all__ = ["TreeScorer"]

_ZERO_AS_MISSING: Final = 1
_NAN_AS_MISSING: Final = 2
_ZERO_THRESHOLD: Final = 1e-35
_CATEGORY_MAX: Final = 2**31 - 1
_PATH_MAX: Final = 512


class TreeScorer:
    """Scores orders with an ensemble and explains them against a reference order.

    Parameters
    ----------
    trees : Trees
        The ensemble.
    reference : ndarray of float64, shape (n_features,)
        A typical approved order.

    Notes
    -----
    Not thread-safe: `explain` uses working memory of the scorer.
    """

    __slots__ = ("_factors", "_path", "_reference_left", "_stack", "reference_score", "trees")

    def __init__(self, trees: Trees, reference: NDArray[np.float64]) -> None:
        self.trees = trees
        self._reference_left = _directions(trees, reference)
        self._factors = _shapley_factors(_PATH_MAX)
        self._path = np.zeros((2, max(len(reference), 1)), np.int64)
        self._stack = np.zeros((_deepest(trees) + 2, 6), np.int64)
        self.reference_score = self.score(reference)

    def score(self, row: NDArray[np.float64]) -> float:
        """Return the raw score of one row, shape (n_features,): the log-odds of fraud."""
        return float(_score(self.trees, row))

    def score_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return the raw scores of many rows, shape (n_rows, n_features)."""
        out = np.empty(len(rows))
        _in_threads(
            lambda span: _score_many(self.trees, rows[span], out[span]), len(rows), n_threads
        )
        return out

    def explain_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return the Shapley values of many rows, shape (n_rows, n_features)."""
        out = np.zeros(rows.shape)

        def part(span: slice) -> None:
            path, stack = np.zeros_like(self._path), np.zeros_like(self._stack)
            _explain_many(
                self.trees,
                rows[span],
                self._reference_left,
                self._factors,
                path,
                stack,
                out[span],
            )

        _in_threads(part, len(rows), n_threads)
        return out

    def explain(self, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the raw score of one row and its Shapley values, shape (n_features,)."""
        values = np.zeros(len(row))
        score = _explain(
            self.trees,
            row,
            self._reference_left,
            self._factors,
            self._path,
            self._stack,
            values,
        )
        return float(score), values


def _in_threads(part: Callable[[slice], None], n_rows: int, n_threads: int) -> None:
    """Call ``part`` on ``n_threads`` slices of the rows at once; an error in one is raised."""
    bounds = np.linspace(0, n_rows, n_threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(part, slice(*span)) for span in pairwise(bounds)]:
            done.result()


@njit(cache=True, nogil=True)
def _goes_left(trees: Trees, node: int, value: float) -> bool:
    decision = trees.decision[node]
    if decision & CATEGORICAL:
        return _is_in_category(trees, int(trees.threshold[node]), value)
    missing = (decision >> 2) & 3
    if np.isnan(value) and missing != _NAN_AS_MISSING:
        value = 0.0
    if (missing == _ZERO_AS_MISSING and abs(value) <= _ZERO_THRESHOLD) or (
        missing == _NAN_AS_MISSING and np.isnan(value)
    ):
        return (decision & DEFAULT_LEFT) != 0
    return value <= trees.threshold[node]


@njit(cache=True, nogil=True)
def _is_in_category(trees: Trees, category_set: int, value: float) -> bool:
    if not 0.0 <= value <= _CATEGORY_MAX:
        return False
    code = int(value)
    word = trees.category_bounds[category_set] + code // 32
    if word >= trees.category_bounds[category_set + 1]:
        return False
    return (trees.category_bits[word] >> np.uint32(code % 32)) & np.uint32(1) != 0


@njit(cache=True, nogil=True)
def _score(trees: Trees, row: NDArray[np.float64]) -> float:
    total = 0.0
    for root in trees.roots:
        node = root
        while node >= 0:
            value = row[trees.feature[node]]
            node = trees.left[node] if _goes_left(trees, node, value) else trees.right[node]
        total += trees.value[~node]
    return total


@njit(cache=True, nogil=True)
def _score_many(trees: Trees, rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for index in range(len(rows)):
        out[index] = _score(trees, rows[index])


@njit(cache=True, nogil=True)
def _directions(trees: Trees, row: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for every node whether the row goes left there."""
    left = np.empty(len(trees.feature), np.bool_)
    for node in range(len(left)):
        left[node] = _goes_left(trees, node, row[trees.feature[node]])
    return left


@njit(cache=True, nogil=True)
def _deepest(trees: Trees) -> int:
    """Return the most splits on any way from a root to a leaf."""
    depth = np.zeros(len(trees.feature) + 1, np.int64)
    deepest = 0
    for node in range(len(trees.feature)):
        deepest = max(deepest, depth[node] + 1)
        for child in (trees.left[node], trees.right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    return deepest


def _shapley_factors(size: int) -> NDArray[np.float64]:
    """Return ``(a - 1)! b! / (a + b)!`` for ``a`` from 1, ``b`` from 0; shape (size, size).

    With ``a`` players on one side of a path and ``b`` on the other it is the share of orders in
    which one given player of the first side comes last among them and before the second side.
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 2 * size)))])
    first = np.arange(size)[:, None]
    second = np.arange(size)[None, :]
    factors = np.exp(logs[np.maximum(first - 1, 0)] + logs[second] - logs[first + second])
    exact = min(size, 12)
    products = np.cumprod(np.concatenate([[1.0], np.arange(1.0, 2 * exact)]))
    for ours in range(1, exact):
        for theirs in range(exact):
            factors[ours, theirs] = products[ours - 1] * products[theirs] / products[ours + theirs]
    return np.asarray(factors, np.float64)


@njit(cache=True, nogil=True)
def _explain(
    trees: Trees,
    row: NDArray[np.float64],
    reference_left: NDArray[np.bool_],
    factors: NDArray[np.float64],
    path: NDArray[np.int64],
    stack: NDArray[np.int64],
    out: NDArray[np.float64],
) -> float:
    """Add Shapley values to ``out`` and return the raw score.

    ``path[0]`` lists the features on which the two orders parted, ``path[1][f]`` says which
    order feature ``f`` follows: 0 undecided, 1 this order, 2 the reference. A stack entry is the
    other way at such a split: node, length of the path there, features following this order and
    the reference, the feature, and whether only this order's values have led there.
    """
    total = 0.0
    for root in trees.roots:
        stack[0, 0] = root
        stack[0, 1:5] = 0
        stack[0, 4] = -1
        stack[0, 5] = 1
        height = 1
        length = 0
        while height > 0:
            height -= 1
            node, kept, ours, theirs, feature, is_own = stack[height]
            while length > kept:
                length -= 1
                path[1, path[0, length]] = 0
            if feature >= 0:
                path[0, length] = feature
                path[1, feature] = 2
                length += 1
            while node >= 0:
                feature = trees.feature[node]
                own_left = _goes_left(trees, node, row[feature])
                goes_left = own_left
                if own_left != reference_left[node]:
                    if path[1, feature] == 2:
                        goes_left = not own_left
                    elif path[1, feature] == 0:
                        other = trees.right[node] if own_left else trees.left[node]
                        stack[height, 0] = other
                        stack[height, 1] = length
                        stack[height, 2] = ours
                        stack[height, 3] = theirs + 1
                        stack[height, 4] = feature
                        stack[height, 5] = 0
                        height += 1
                        path[0, length] = feature
                        path[1, feature] = 1
                        length += 1
                        ours += 1
                node = trees.left[node] if goes_left else trees.right[node]
            if is_own:
                total += trees.value[~node]
            _share_leaf(trees.value[~node], ours, theirs, factors, path, length, out)
        while length > 0:
            length -= 1
            path[1, path[0, length]] = 0
    return total


@njit(cache=True, nogil=True)
def _explain_many(
    trees: Trees,
    rows: NDArray[np.float64],
    reference_left: NDArray[np.bool_],
    factors: NDArray[np.float64],
    path: NDArray[np.int64],
    stack: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    for index in range(len(rows)):
        _explain(trees, rows[index], reference_left, factors, path, stack, out[index])


@njit(cache=True, nogil=True)
def _share_leaf(
    value: float,
    ours: int,
    theirs: int,
    factors: NDArray[np.float64],
    path: NDArray[np.int64],
    length: int,
    out: NDArray[np.float64],
) -> None:
    for place in range(length):
        feature = path[0, place]
        if path[1, feature] == 1:
            out[feature] += value * factors[ours, theirs]
        else:
            out[feature] -= value * factors[theirs, ours]
