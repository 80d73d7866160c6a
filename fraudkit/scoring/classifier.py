"""`FraudClassifier`: LightGBM as a scikit-learn estimator, with what fraud asks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from fraudkit.errors import ParameterError, TableError, TrainingError
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import Columns, ModelSettings, boost
from fraudkit.scoring.learning.categories import column_places, encoded_rows, learnt_levels
from fraudkit.scoring.learning.classifier_parameters import check_parameters
from fraudkit.scoring.learning.table_columns import column_names, is_frame
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = ["FraudClassifier"]

_PLAIN_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class FraudClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gradient-boosted trees of LightGBM that score as the service does.

    Tables are polars or pandas frames, or arrays. Columns of text are categories, truth values
    are 0 and 1, null is NaN. The same order gets the same score from each, to the bit.

    Parameters
    ----------
    boosting : {"gbdt", "dart"}
    n_trees : int
        How many trees of each model; there is no early stopping inside.
    n_models : int
        So many models of different seeds are averaged.
    learning_rate, num_leaves, min_data_in_leaf, feature_fraction, bagging_fraction, lambda_l2, \
cat_smooth
        See `fraudkit.scoring.learning.boosting.ModelSettings`.
    max_bin : int
        Many, because frauds gather at sharp amounts that few bins would blur. A feature with
        more values than that has bin edges where frauds begin or end, `sharp_edges`.
    negative_share : float
        Share of the honest orders to learn from, in (0, 1]; every fraud is kept. Scores are
        corrected for it, so that they are of all orders; see
        `fraudkit.scoring.learning.boosting.boost`.
    monotone_constraints : mapping, optional
        Column (name or place) → 1 if a higher value may never lower the score, -1 if it may
        never raise it, 0. `fraudkit.features.spec.FeatureSet.monotone_constraints` has those
        that are known by meaning. Nothing is said of NaN.
    categorical_features : sequence of str or int
        Columns that are categories though they hold numbers; an array's by place.
    levels_max, level_orders_min : int
        Of a category the ``levels_max`` most frequent values with at least ``level_orders_min``
        orders have a code. All others are NaN, as what is absent and what was never seen.
    random_state : int
        The seed; the same seed, data and platform give the same model, on any number of threads.
    n_threads : int
        Threads to learn and to score with.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
        Ascending; the second is fraud: ``[False, True]``, ``[0, 1]``, ``["a_fine", "b_fraud"]``.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, shape (n_features,)
        Where the table had names.
    levels_ : tuple
        For each column its levels in code order, or ``None`` for a number.
    model_text_ : str
        LightGBM's text without its parameters; it gives the corrected scores. Features have
        their columns' names if every name is of letters, digits and ``_.-`` alone, else
        ``column_0``, ``column_1``, …
    feature_importances_ : ndarray of float64, shape (n_features,)
        What the splits of each feature gained in all, in LightGBM's objective.

    Examples
    --------
    >>> import polars as pl
    >>> rng = np.random.default_rng(0)
    >>> orders = pl.DataFrame({"amount": rng.uniform(1, 1000, 2000)})
    >>> model = FraudClassifier(n_trees=20).fit(orders, orders["amount"] > 900)
    >>> model.predict(pl.DataFrame({"amount": [20.0, 950.0, None]})).tolist()
    [False, True, False]
    """

    def __init__(  # noqa: PLR0913 - an estimator's parameters, by name
        self,
        *,
        boosting: str = "gbdt",
        n_trees: int = 300,
        n_models: int = 1,
        learning_rate: float = 0.05,
        num_leaves: int = 31,
        min_data_in_leaf: int = 40,
        max_bin: int = 1023,
        feature_fraction: float = 0.5,
        bagging_fraction: float = 0.8,
        lambda_l2: float = 5.0,
        cat_smooth: float = 20.0,
        negative_share: float = 1.0,
        monotone_constraints: Mapping[Any, int] | None = None,
        categorical_features: Sequence[str | int] = (),
        levels_max: int = 100,
        level_orders_min: int = 20,
        random_state: int = 0,
        n_threads: int = 1,
    ) -> None:
        self.boosting = boosting
        self.n_trees = n_trees
        self.n_models = n_models
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.max_bin = max_bin
        self.feature_fraction = feature_fraction
        self.bagging_fraction = bagging_fraction
        self.lambda_l2 = lambda_l2
        self.cat_smooth = cat_smooth
        self.negative_share = negative_share
        self.monotone_constraints = monotone_constraints
        self.categorical_features = categorical_features
        self.levels_max = levels_max
        self.level_orders_min = level_orders_min
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from labelled orders.

        Parameters
        ----------
        X : polars or pandas DataFrame, or array, shape (n_orders, n_features)
        y : array, shape (n_orders,)
            Two classes; the greater one is fraud.
        sample_weight : array of float, shape (n_orders,), optional
            At least 0; an order of weight 0 is left out. For inverse propensities.

        Raises
        ------
        ParameterError
            If a parameter does not hold.
        TableError
            If a column holds neither numbers, truth values nor text.
        TrainingError
            If there are not two classes.
        """
        check_parameters(self.get_params())
        table = self._table(X, reset=True)
        labels = _labels(y)
        check_consistent_length(table, labels)
        weights = _weights(sample_weight, len(labels))
        used = np.flatnonzero(weights > 0)
        self.classes_ = np.unique(labels[used])
        if len(self.classes_) != 2:
            raise TrainingError(
                "y must hold two classes, frauds and honest orders, got "
                f"{len(self.classes_)} class{'es' * (len(self.classes_) != 1)} among the "
                f"{len(used)} orders with a weight"
            )
        names = column_names(table)
        places = column_places(self.categorical_features, names, "categorical_features")
        self.levels_ = learnt_levels(
            table, places, levels_max=self.levels_max, level_orders_min=self.level_orders_min
        )
        rows, is_fraud = encoded_rows(table, self.levels_), labels == self.classes_[1]
        is_number = [levels is None for levels in self.levels_]
        columns = Columns(
            _text_names(names), np.flatnonzero(~np.array(is_number)).tolist(), self._signs(names)
        )
        learnt = boost(
            rows[used],
            is_fraud[used],
            columns,
            self._settings(),
            weights=weights[used],
            n_threads=self.n_threads,
        )
        self.feature_importances_, self.model_text_ = learnt.gain, learnt.text
        self._scorer = _scorer(self.model_text_)
        return self

    def raw_score(self, X: Any) -> NDArray[np.float64]:
        """Return the log-odds of fraud, shape (n_orders,)."""
        check_is_fitted(self)
        rows = encoded_rows(self._table(X, reset=False), self.levels_)
        scores: NDArray[np.float64] = self._scorer.score_many(rows, n_threads=self.n_threads)
        return scores

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return `raw_score`, by the name that scikit-learn looks for."""
        return self.raw_score(X)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the uncalibrated probabilities of `classes_`, shape (n_orders, 2)."""
        odds = np.exp(-np.abs(scores := self.raw_score(X)))
        likely, unlikely = 1.0 / (1.0 + odds), odds / (1.0 + odds)
        is_above = scores > 0
        return np.column_stack(
            [np.where(is_above, unlikely, likely), np.where(is_above, likely, unlikely)]
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likelier class, shape (n_orders,); what to do is for a policy to say."""
        is_likely = self.raw_score(X) > 0
        return np.asarray(self.classes_[is_likely.astype(int)])

    def _table(self, X: Any, *, reset: bool) -> Any:
        if is_frame(X):
            if not min(X.shape):
                raise TableError(
                    f"a table must have at least one row and one column, got shape {X.shape}"
                )
            return validate_data(self, X, skip_check_array=True, reset=reset)
        if isinstance(X, list) and np.asarray(X).dtype.kind in "US":
            X = np.asarray(X, object)
        return validate_data(self, X, dtype=None, ensure_all_finite=False, reset=reset)

    def _settings(self) -> ModelSettings:
        given = self.get_params()
        ours = {name: given[name] for name in ModelSettings.__struct_fields__ if name in given}
        return ModelSettings(**ours, uses_directions=True, seed=self.random_state)

    def _signs(self, names: list[str]) -> list[int]:
        """Return the constraint of each column."""
        signs = [0] * len(names)
        for name, sign in (self.monotone_constraints or {}).items():
            (place,) = column_places([name], names, "monotone_constraints")
            if sign not in (-1, 0, 1) or (sign and self.levels_[place] is not None):
                raise ParameterError(
                    f"monotone_constraints of {name!r} must be -1, 0 or 1, and 0 for a category, "
                    f"got {sign!r}"
                )
            signs[place] = int(sign)
        return signs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {name: held for name, held in super().__getstate__().items() if name != "_scorer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "model_text_"):
            self._scorer = _scorer(self.model_text_)


def _labels(y: Any) -> NDArray[Any]:
    if y is None:
        raise TableError("FraudClassifier requires y to be passed, but the target y is None")
    labels = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"), warn=True)
    check_classification_targets(labels)
    kind = type_of_target(labels, input_name="y")
    if kind != "binary":
        raise TrainingError(
            f"Only binary classification is supported. The type of the target is {kind}."
        )
    return np.asarray(labels)


def _weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    if sample_weight is None:
        return np.ones(n_rows)
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_rows,) or np.any(weights < 0) or not np.any(weights > 0):
        raise TableError(
            f"sample_weight must hold a weight of at least 0 for each of the {n_rows} orders, not "
            f"zero for all, got shape {weights.shape} and a least weight of {weights.min():g}"
        )
    return np.asarray(weights, np.float64)


def _text_names(names: list[str]) -> list[str]:
    if all(name and set(name) <= _PLAIN_NAME for name in names) and len(set(names)) == len(names):
        return names
    return [f"column_{place}" for place in range(len(names))]


def _scorer(model_text: str) -> TreeScorer:
    trees, names = parse_model_text(model_text)
    return TreeScorer(trees, np.zeros(len(names)))
