"""Learning from feature rows: the model of a feature set, and the order that is typical."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.features.spec import FeatureSet
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import Boosted, Columns, ModelSettings, boost
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = ["columns_of", "fit_model", "reference_row"]

_FRAUDS_TO_FIT_MIN: Final = 5
_CANDIDATES_MAX: Final = 256
_COMPARED_MAX: Final = 2_000


def columns_of(features: FeatureSet) -> Columns:
    """Return what the columns of a feature set's rows are to LightGBM."""
    directions = features.monotone_constraints
    return Columns(
        names=features.names,
        categorical=[
            place for place, feature in enumerate(features.features) if feature.is_categorical
        ],
        directions=[directions.get(name, 0) for name in features.names],
    )


def fit_model(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    features: FeatureSet,
    settings: ModelSettings,
    *,
    weights: NDArray[np.float64] | None = None,
    n_threads: int = 1,
) -> Boosted:
    """Return a model of feature rows.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
    is_fraud : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,), optional
        How many orders each stands for: inverse propensities.

    Raises
    ------
    TrainingError
        If there are too few frauds to learn from, or no honest order.
    """
    frauds = int(is_fraud.sum())
    if frauds < _FRAUDS_TO_FIT_MIN:
        raise TrainingError(
            f"a model needs at least {_FRAUDS_TO_FIT_MIN} frauds with a known label, "
            f"got {frauds} among {len(is_fraud)} orders; "
            "give more history, or a shorter label delay"
        )
    if frauds == len(is_fraud):
        raise TrainingError(
            f"a model needs honest orders to tell frauds from, all {frauds} are frauds; "
            "is the label column right?"
        )
    return boost(
        rows, is_fraud, columns_of(features), settings, weights=weights, n_threads=n_threads
    )


def reference_row(
    rows: NDArray[np.float64], is_fraud: NDArray[np.bool_], model_text: str, seed: int = 0
) -> NDArray[np.float64]:
    """Return the feature row of a typical honest order: one that was made, not an average.

    A row of medians may hold what no order can: a card never seen that has a history. So it is
    the honest order that is least far from others, among those whose score is near the median.
    How far two orders are apart is the mean over the features that the model splits on of the
    distance in rank, in [0, 1]; unknown is 1 from known. Ties go to the earlier order.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
    seed : int
        Which honest orders are compared, where there are more than 2,000.

    Raises
    ------
    TrainingError
        If there is no honest order.
    """
    honest = rows[~is_fraud]
    if not len(honest):
        raise TrainingError("a typical order needs at least one honest order, got none")
    rng = np.random.default_rng(seed)
    if len(honest) > _COMPARED_MAX:
        honest = honest[np.sort(rng.choice(len(honest), _COMPARED_MAX, replace=False))]
    trees, _names = parse_model_text(model_text)
    scores = TreeScorer(trees, np.zeros(rows.shape[1])).score_many(honest)
    from_median = np.abs(scores - np.quantile(scores, 0.5, method="lower"))
    candidates = np.sort(np.argsort(from_median, kind="stable")[:_CANDIDATES_MAX])
    ranks = _ranks(honest[:, np.unique(trees.feature)])
    apart = np.zeros(len(candidates))
    for column in ranks.T:
        between = np.abs(column[candidates, None] - column[None, :])
        is_unknown = np.isnan(column)
        one_sided = is_unknown[candidates, None] != is_unknown[None, :]
        apart += np.where(one_sided, 1.0, np.nan_to_num(between, nan=0.0)).mean(axis=1)
    chosen: NDArray[np.float64] = honest[candidates[np.argmin(apart)]].copy()
    return chosen


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middle ranks of each column as shares of what is known; NaN stays NaN."""
    ranks = np.full(values.shape, np.nan)
    for place in range(values.shape[1]):
        column = values[:, place]
        known = column[~np.isnan(column)]
        if len(known):
            ascending = np.sort(known)
            low = np.searchsorted(ascending, known, "left")
            high = np.searchsorted(ascending, known, "right")
            ranks[~np.isnan(column), place] = (low + high) / (2.0 * len(known))
    return ranks
