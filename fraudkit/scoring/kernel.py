"""The tree kernel: raw score of an order, and its exact Shapley values against one reference.

The score follows LightGBM's own decisions and adds leaf values in its order, so it is the same
float64. The Shapley values are of the interventional game with a single reference order: a
coalition's players take the order's values, the others the reference's. They sum to
``raw_score(order) - raw_score(reference)``.

`fraudkit.scoring.trees.layout` says how trees are held, `fraudkit.scoring.trees.walk` how they are
scored and `fraudkit.scoring.trees.shapley` how they are explained.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import InputError
from fraudkit.scoring.scorer import as_row, as_rows, checked_rows, in_threads
from fraudkit.scoring.trees.layout import lay_out
from fraudkit.scoring.trees.model_text import Trees
from fraudkit.scoring.trees.shapley import explain_block, explain_row, game_against
from fraudkit.scoring.trees.walk import score_block, score_row

__all__ = ["TreeScorer"]


class TreeScorer:
    """Scores orders with an ensemble and explains them against a reference order.

    Safe to use from several threads at once: working memory belongs to the call.

    Parameters
    ----------
    trees : Trees
        The ensemble.
    reference : ndarray of float64, shape (n_features,)
        A typical approved order.

    Raises
    ------
    InputError
        If the reference is too short for the trees.
    ModelNotSupported
        If more features than any honest model has meet on one way through a tree.

    Notes
    -----
    The first call of a process loads the machine code, or compiles it where no folder can be
    written; call each method once before the first order comes.
    """

    __slots__ = ("_ensemble", "_game", "n_features", "reference_score", "trees")

    def __init__(self, trees: Trees, reference: NDArray[np.float64]) -> None:
        n_needed = int(trees.feature.max(initial=-1)) + 1
        if reference.ndim != 1 or len(reference) < n_needed:
            raise InputError(
                f"the reference must be one row of at least {n_needed} features, which the trees "
                f"split on, got the shape {reference.shape}"
            )
        self.trees = trees
        self.n_features = len(reference)
        self._ensemble = lay_out(trees)
        reference = as_row(reference, self.n_features)
        self._game = game_against(self._ensemble, len(trees.roots), reference)
        self.reference_score = self.score(reference)

    @property
    def n_trees(self) -> int:
        """How many trees are added up."""
        return len(self.trees.roots)

    @property
    def n_leaves(self) -> int:
        """How many leaves all trees have."""
        return len(self.trees.value)

    def score(self, row: NDArray[np.float64]) -> float:
        """Return the raw score of one row, shape (n_features,): the log-odds of fraud."""
        return float(score_row(self._ensemble, as_row(row, self.n_features)))

    def score_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return the raw scores of many rows, shape (n_rows, n_features).

        Rows that are C-contiguous float64 are not copied; others a few thousand at a time.
        """
        checked_rows(rows, self.n_features)
        out = np.empty(len(rows))

        def part(span: slice) -> None:
            score_block(self._ensemble, as_rows(rows, span), out[span])

        in_threads(part, len(rows), n_threads)
        return out

    def explain_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return the Shapley values of many rows, shape (n_rows, n_features)."""
        checked_rows(rows, self.n_features)
        out = np.zeros(rows.shape)

        def part(span: slice) -> None:
            explain_block(self._game, as_rows(rows, span), out[span])

        in_threads(part, len(rows), n_threads)
        return out

    def explain(self, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the raw score of one row and its Shapley values, shape (n_features,)."""
        values = np.zeros(self.n_features)
        score = explain_row(self._game, as_row(row, self.n_features), values)
        return float(score), values
