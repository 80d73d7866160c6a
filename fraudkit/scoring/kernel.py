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
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.errors import BundleError
from fraudkit.scoring.model_text import CATEGORICAL, DEFAULT_LEFT, NEAR_ZERO, Trees

__all__ = ["TreeScorer"]

_ZERO_AS_MISSING: Final = 1
_NAN_AS_MISSING: Final = 2
_CATEGORY_MAX: Final = 2**31 - 1
_PATH_MAX: Final = 512
_OURS: Final = 1
_THEIRS: Final = 2


class TreeScorer:
    """Scores orders with an ensemble and explains them against a reference order.

    Parameters
    ----------
    trees : Trees
        The ensemble.
    reference : ndarray of float64, shape (n_features,)
        A typical approved order.

    Raises
    ------
    BundleError
        If more features than any honest model has could meet on one way through a tree.

    Notes
    -----
    Not thread-safe: `explain` uses working memory of the scorer.
    """

    __slots__ = ("_factors", "_memory", "_reference_left", "reference_score", "trees")

    def __init__(self, trees: Trees, reference: NDArray[np.float64]) -> None:
        longest = min(_deepest(trees), len(reference))
        if longest > _PATH_MAX:
            raise BundleError(
                f"model.txt: at most {_PATH_MAX} features may meet on one way through a tree, "
                f"got a tree where {longest} could"
            )
        self.trees = trees
        self._reference_left = _directions(trees, reference)
        self._factors = _shapley_factors(longest + 1)
        self._memory = _memory(longest + 1, len(reference))
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
            memory = _memory(len(self._factors), rows.shape[1])
            _explain_many(
                self.trees, rows[span], self._reference_left, self._factors, memory, out[span]
            )

        _in_threads(part, len(rows), n_threads)
        return out

    def explain(self, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the raw score of one row and its Shapley values, shape (n_features,)."""
        values = np.zeros(len(row))
        score = _explain(self.trees, row, self._reference_left, self._factors, self._memory, values)
        return float(score), values


class _Memory(NamedTuple):
    """Working memory of `_explain`: the splits on the way to a leaf where the two orders part.

    Attributes
    ----------
    path : ndarray of int32, shape (n_longest, 2)
        The feature of each such split, and the child that is still to be visited.
    starts : ndarray of float64, shape (n_longest,)
        What was gained or lost before the child that is being visited.
    side : ndarray of int8, shape (n_features,)
        Whose value a feature takes on the way: 0 undecided, else `_OURS` or `_THEIRS`.
    """

    path: NDArray[np.int32]
    starts: NDArray[np.float64]
    side: NDArray[np.int8]


def _memory(n_longest: int, n_features: int) -> _Memory:
    return _Memory(
        path=np.zeros((n_longest, 2), np.int32),
        starts=np.zeros(n_longest),
        side=np.zeros(n_features, np.int8),
    )


def _in_threads(part: Callable[[slice], None], n_rows: int, n_threads: int) -> None:
    """Call ``part`` on ``n_threads`` slices of the rows at once; an error in one is raised."""
    bounds = np.linspace(0, n_rows, n_threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(n_threads) as pool:
        for done in [pool.submit(part, slice(*span)) for span in pairwise(bounds)]:
            done.result()


@compiled
def _goes_left(trees: Trees, node: int, value: float) -> bool:
    decision = trees.decision[node]
    if decision & CATEGORICAL:
        return _is_in_category(trees, int(trees.threshold[node]), value)
    missing = (decision >> 2) & 3
    if np.isnan(value) and missing != _NAN_AS_MISSING:
        value = 0.0
    if (missing == _ZERO_AS_MISSING and abs(value) <= NEAR_ZERO) or (
        missing == _NAN_AS_MISSING and np.isnan(value)
    ):
        return (decision & DEFAULT_LEFT) != 0
    return value <= trees.threshold[node]


@compiled
def _is_in_category(trees: Trees, category_set: int, value: float) -> bool:
    # LightGBM cuts the fraction off, so -0.5 is category 0.
    if not -1.0 < value <= _CATEGORY_MAX:
        return False
    code = int(value)
    word = trees.category_bounds[category_set] + code // 32
    if word >= trees.category_bounds[category_set + 1]:
        return False
    return (trees.category_bits[word] >> np.uint32(code % 32)) & np.uint32(1) != 0


@compiled
def _score(trees: Trees, row: NDArray[np.float64]) -> float:
    total = 0.0
    for root in trees.roots:
        node = root
        while node >= 0:
            value = row[trees.feature[node]]
            node = trees.left[node] if _goes_left(trees, node, value) else trees.right[node]
        total += trees.value[~node]
    return total


@compiled
def _score_many(trees: Trees, rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for index in range(len(rows)):
        out[index] = _score(trees, rows[index])


@compiled
def _directions(trees: Trees, row: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for every node whether the row goes left there."""
    left = np.empty(len(trees.feature), np.bool_)
    for node in range(len(left)):
        left[node] = _goes_left(trees, node, row[trees.feature[node]])
    return left


@compiled
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
    """Return ``(a - 1)! b! / (a + b)!``, and 0 where ``a`` is 0; shape (size, size).

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
    factors[0] = 0.0
    return np.asarray(factors, np.float64)


@compiled
def _explain(
    trees: Trees,
    row: NDArray[np.float64],
    reference_left: NDArray[np.bool_],
    factors: NDArray[np.float64],
    memory: _Memory,
    out: NDArray[np.float64],
) -> float:
    """Add Shapley values to ``out`` and return the raw score.

    Where the two orders part on an undecided feature, first the child on this order's side is
    visited with all below it, then the other. A leaf adds its share for one feature on this
    order's side to ``gained``, and for one on the reference's side to ``lost``; so what a split
    gives its feature is what was gained during the first visit less what was lost during the
    second.
    """
    path, starts, side = memory
    total = 0.0
    for root in trees.roots:
        node = root
        length = theirs = 0
        gained = lost = 0.0
        while True:
            while node >= 0:
                feature = trees.feature[node]
                goes_left = _goes_left(trees, node, row[feature])
                if goes_left != reference_left[node]:
                    if side[feature] == _THEIRS:
                        goes_left = not goes_left
                    elif side[feature] != _OURS:
                        path[length, 0] = feature
                        path[length, 1] = trees.right[node] if goes_left else trees.left[node]
                        starts[length] = gained
                        side[feature] = _OURS
                        length += 1
                node = trees.left[node] if goes_left else trees.right[node]
            value = trees.value[~node]
            ours = length - theirs
            if theirs == 0:
                total += value
            gained += value * factors[ours, theirs]
            lost += value * factors[theirs, ours]
            while length > 0 and side[path[length - 1, 0]] == _THEIRS:
                length -= 1
                theirs -= 1
                feature = path[length, 0]
                out[feature] -= lost - starts[length]
                side[feature] = 0
            if length == 0:
                break
            feature, node = path[length - 1, 0], path[length - 1, 1]
            out[feature] += gained - starts[length - 1]
            starts[length - 1] = lost
            side[feature] = _THEIRS
            theirs += 1
    return total


@compiled
def _explain_many(
    trees: Trees,
    rows: NDArray[np.float64],
    reference_left: NDArray[np.bool_],
    factors: NDArray[np.float64],
    memory: _Memory,
    out: NDArray[np.float64],
) -> None:
    for index in range(len(rows)):
        _explain(trees, rows[index], reference_left, factors, memory, out[index])
