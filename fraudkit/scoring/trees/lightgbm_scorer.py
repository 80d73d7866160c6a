"""Scores with LightGBM itself, for models that the kernel does not support.

Nothing here is on the request path unless a bundle was loaded with ``unsupported="lightgbm"``.
"""

from __future__ import annotations

import re
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import ModelNotSupported
from fraudkit.scoring.scorer import as_row, checked_rows

__all__ = ["LightgbmScorer"]

_LEAVES: Final = re.compile(r"(?m)^num_leaves=(\d+)$")


class LightgbmScorer:
    """Scores with LightGBM's own predictor, some ten times slower than the kernel.

    Explanations are LightGBM's ``pred_contrib``: another game than the kernel's. It has no
    reference order; a feature that is not in a coalition is averaged out over the training rows
    below each split ("path-dependent" TreeSHAP). The values sum to the raw score less
    `reference_score`, the average over training. Where LightGBM has none (linear trees) they
    are NaN: not known.

    Parameters
    ----------
    model_text : str
        LightGBM's text model. LightGBM's parser trusts it: text made to harm can crash the
        process or worse, so give it only what your own training wrote or a signature vouches for.

    Raises
    ------
    ModelNotSupported
        If the model gives more than one score a row, or LightGBM refuses it.

    References
    ----------
    Lundberg et al., "From local explanations to global understanding with explainable AI for
    trees", Nature Machine Intelligence 2 (2020), algorithm 2.
    """

    __slots__ = (
        *("_booster", "_is_explained"),
        *("feature_names", "n_features", "n_leaves", "reference_score"),
    )

    def __init__(self, model_text: str) -> None:
        try:
            booster = lightgbm.Booster(model_str=model_text)
        except lightgbm.basic.LightGBMError as error:
            raise ModelNotSupported(f"model.txt: LightGBM refuses it: {error}") from error
        n_scores = booster.num_model_per_iteration()
        if n_scores != 1:
            raise ModelNotSupported(
                f"model.txt: a model must give one score a row, got {n_scores}; "
                "train with objective=binary"
            )
        self._booster = booster
        self.feature_names = tuple(booster.feature_name())
        self.n_features = len(self.feature_names)
        self.n_leaves = sum(map(int, _LEAVES.findall(model_text)))
        self._is_explained = "\nis_linear=1\n" not in model_text
        self.reference_score = float("nan")
        if self._is_explained:
            self.reference_score = float(self._contributions(np.zeros((1, self.n_features)))[0, -1])

    @property
    def n_trees(self) -> int:
        """How many trees the model has."""
        return int(self._booster.num_trees())

    def score(self, row: NDArray[np.float64]) -> float:
        """Return the raw score of one row, shape (n_features,)."""
        return float(self.score_many(as_row(row, self.n_features)[None])[0])

    def score_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return the raw scores of many rows, shape (n_rows, n_features)."""
        checked_rows(rows, self.n_features)
        if not len(rows):
            return np.empty(0)
        scores = self._booster.predict(rows, raw_score=True, num_threads=n_threads)
        return np.asarray(scores, np.float64)

    def explain(self, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the raw score of one row and what each feature adds, shape (n_features,)."""
        return self.score(row), self.explain_many(row[None])[0]

    def explain_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return what each feature of many rows adds, shape (n_rows, n_features)."""
        checked_rows(rows, self.n_features)
        if not self._is_explained or not len(rows):
            return np.full(rows.shape, np.nan)
        return self._contributions(rows, n_threads)[:, :-1]

    def _contributions(self, rows: NDArray[np.float64], n_threads: int = 1) -> NDArray[np.float64]:
        values = self._booster.predict(rows, pred_contrib=True, num_threads=n_threads)
        return np.asarray(values, np.float64)
