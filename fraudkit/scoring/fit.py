"""Learning: LightGBM on feature rows, and the calibration of what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fraudkit.errors import TrainingError
from fraudkit.features.spec import FeatureSet
from fraudkit.scoring.calibration import Calibration

try:
    import lightgbm
except OSError as error:  # the package is there, its OpenMP runtime is not
    raise TrainingError(
        "LightGBM needs the OpenMP runtime libgomp.so.1: install it (Debian: apt-get install "
        "libgomp1), or run through make"
    ) from error

__all__ = ["ModelSettings", "best_tree_count", "fit_calibration", "fit_model", "reference_row"]

_FRAUDS_TO_FIT_MIN: Final = 5
_FRAUDS_TO_CALIBRATE_MIN: Final = 20


class ModelSettings(Struct, frozen=True, kw_only=True):
    """Settings of the model; LightGBM's names.

    Attributes
    ----------
    max_bin : int
        Many, because frauds gather at sharp amounts that few bins would blur.
    n_trees_max : int
        Early stopping on a later period chooses the number below it.
    """

    learning_rate: float = 0.05
    num_leaves: int = 31
    min_data_in_leaf: int = 40
    max_bin: int = 1023
    feature_fraction: float = 0.5
    bagging_fraction: float = 0.8
    lambda_l2: float = 5.0
    cat_smooth: float = 20.0
    n_trees_max: int = 600
    stop_after_trees: int = 50
    seed: int = 0

    def parameters(self) -> dict[str, Any]:
        """Return LightGBM's parameters: deterministic whatever the number of threads."""
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf,
            "max_bin": self.max_bin,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": self.lambda_l2,
            "cat_smooth": self.cat_smooth,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


def best_tree_count(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    train: NDArray[np.int64],
    later: NDArray[np.int64],
    features: FeatureSet,
    settings: ModelSettings,
) -> int:
    """Return the number of trees with the least log loss on a later period.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
    is_fraud : ndarray of bool, shape (n_rows,)
    train, later : ndarray of int64
        Places of rows to learn from, and of later rows to stop on.
    """
    data = _dataset(rows[train], is_fraud[train], features, settings)
    booster = lightgbm.train(
        settings.parameters(),
        data,
        settings.n_trees_max,
        valid_sets=[data.create_valid(rows[later], is_fraud[later])],
        callbacks=[lightgbm.early_stopping(settings.stop_after_trees, verbose=False)],
    )
    return max(int(booster.best_iteration), 1)


def fit_model(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    features: FeatureSet,
    settings: ModelSettings,
    n_trees: int,
) -> str:
    """Return a model as LightGBM's text.

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
    data = _dataset(rows, is_fraud, features, settings)
    booster = lightgbm.train(settings.parameters(), data, n_trees)
    text = booster.model_to_string(num_iteration=n_trees)
    return text.partition("\nparameters:")[0].rstrip("\n") + "\n"


def fit_calibration(raw_score: NDArray[np.float64], is_fraud: NDArray[np.bool_]) -> Calibration:
    """Return the logistic calibration of raw scores that the model was not trained on.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    frauds = int(is_fraud.sum())
    low, high = float(raw_score.min()), float(raw_score.max())
    if frauds < _FRAUDS_TO_CALIBRATE_MIN or frauds == len(is_fraud) or low == high:
        return Calibration(method="identity", raw_score=(-1.0, 1.0), log_odds=(-1.0, 1.0))
    model = LogisticRegression(C=1e6).fit(raw_score[:, None], is_fraud)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise TrainingError(
            "the model ranks later orders the wrong way round; is the label column right?"
        )
    knots = (low, high)
    return Calibration(
        method="logistic",
        raw_score=knots,
        log_odds=tuple(intercept + slope * knot for knot in knots),
    )


def reference_row(
    rows: NDArray[np.float64], is_fraud: NDArray[np.bool_], features: FeatureSet
) -> NDArray[np.float64]:
    """Return a typical honest order: each feature's median, or its commonest category.

    A feature that most honest orders lack is NaN.

    Raises
    ------
    TrainingError
        If there is no honest order.
    """
    honest = rows[~is_fraud]
    if not len(honest):
        raise TrainingError("a typical order needs at least one honest order, got none")
    return np.array(
        [
            _typical(honest[:, column], feature.is_categorical)
            for column, feature in enumerate(features.features)
        ]
    )


def _typical(values: NDArray[np.float64], is_categorical: bool) -> float:  # noqa: FBT001
    present = values[~np.isnan(values)]
    if 2 * len(present) < len(values):
        return float("nan")
    if is_categorical:
        codes, counts = np.unique(present, return_counts=True)
        return float(codes[np.argmax(counts)])
    return float(np.quantile(present, 0.5, method="lower"))


def _dataset(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    features: FeatureSet,
    settings: ModelSettings,
) -> lightgbm.Dataset:
    categories: Sequence[int] = [
        index for index, feature in enumerate(features.features) if feature.is_categorical
    ]
    return lightgbm.Dataset(
        rows,
        is_fraud.astype(np.float64),
        feature_name=list(features.names),
        categorical_feature=list(categories),
        params=settings.parameters(),
        free_raw_data=False,
    )
