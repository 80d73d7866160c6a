"""A classifier of the user's own: what it says is taken as it is, or refused by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from math import exp
from typing import Any, NoReturn

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fraudkit.errors import ClassifierError, ParameterError
from fraudkit.scoring import any_classifier
from fraudkit.scoring.any_classifier import classifier_scores, raw_scores
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.classifier import FraudClassifier
from tests.architecture.files import source_files

NAMES = ("amount", "attempts_1d", "age_days")
CURVE = Calibration(method="beta", raw_score=(-2.0, 0.0, 3.0), log_odds=(-5.0, -1.0, 0.5))


def orders(count: int = 400, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return feature rows, some values absent, and labels."""
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(count, len(NAMES)))
    is_fraud = rows[:, 0] + generator.normal(size=count) > 0.8
    rows[generator.random(rows.shape) < 0.05] = np.nan
    return rows, is_fraud


ROWS, IS_FRAUD = orders()
CLASSIFIERS = {
    "forest": lambda: RandomForestClassifier(20, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=10),
    "bayes": lambda: make_pipeline(SimpleImputer(), GaussianNB()),
    "logistic": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    "ours": lambda: FraudClassifier(n_trees=10),
}


class Said:
    """A classifier that returns what it was given."""

    def __init__(self, found: Any, classes: Any = (0, 1), method: str = "predict_proba") -> None:
        self.classes_ = classes
        setattr(self, method, lambda _rows: found)


def said(found: Any, n_rows: int = 2, **given: Any) -> any_classifier.ClassifierScores:
    classifier = found if hasattr(found, "classes_") else Said(found)
    return classifier_scores(classifier, np.zeros((n_rows, len(NAMES))), NAMES, **given)


@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
@pytest.mark.parametrize("as_frame", [None, "polars", "pandas"])
def test_the_probability_is_the_classifiers_own(make: Callable[[], Any], as_frame: Any) -> None:
    table = any_classifier._table(ROWS, NAMES, as_frame)
    classifier = make().fit(table, IS_FRAUD)
    found = classifier_scores(classifier, ROWS, NAMES, as_frame=as_frame)
    expected = classifier.predict_proba(table)[:, 1]
    assert found.fraud_probability.tolist() == expected.tolist()
    inside = (expected > 1e-9) & (expected < 1 - 1e-9)
    np.testing.assert_allclose(
        found.raw_score[inside], logit(expected[inside]), rtol=1e-6, atol=1e-9
    )
    assert np.isfinite(found.raw_score).all()
    assert raw_scores(classifier, table).tolist() == found.raw_score.tolist()


def test_a_sure_probability_has_a_finite_raw_score() -> None:
    found = said([[1.0, 0.0], [0.0, 1.0]])
    assert found.fraud_probability.tolist() == [0.0, 1.0]
    assert found.raw_score.tolist() == pytest.approx([-34.539, 34.539], abs=1e-3)


def test_a_calibration_maps_the_raw_score() -> None:
    found = said([[0.9, 0.1], [0.2, 0.8]], calibration=CURVE)
    by_hand = [1 / (1 + exp(-CURVE.log_odds_of(raw))) for raw in found.raw_score]
    assert found.fraud_probability.tolist() == by_hand
    assert found.raw_score.tolist() == said([[0.9, 0.1], [0.2, 0.8]]).raw_score.tolist()


def test_decision_values_need_a_calibration() -> None:
    rows = np.nan_to_num(ROWS)
    classifier = LinearSVC().fit(rows, IS_FRAUD)
    with pytest.raises(ClassifierError, match="its values are no probabilities: pass calibration="):
        classifier_scores(classifier, rows, NAMES)
    found = classifier_scores(classifier, rows, NAMES, calibration=CURVE)
    assert found.raw_score.tolist() == classifier.decision_function(rows).tolist()
    by_hand = [1 / (1 + exp(-CURVE.log_odds_of(raw))) for raw in found.raw_score]
    assert found.fraud_probability.tolist() == by_hand
    swapped = LinearSVC().fit(rows, np.where(IS_FRAUD, "a fraud", "honest"))
    other = raw_scores(swapped, rows, pos_label="a fraud")
    np.testing.assert_allclose(other, -swapped.decision_function(rows), rtol=0)
    assert np.corrcoef(other, found.raw_score)[0, 1] > 0.999


def test_the_class_that_is_fraud_is_found_by_its_name() -> None:
    labels = np.where(IS_FRAUD, "fraud", "honest")
    classifier = HistGradientBoostingClassifier(max_iter=5).fit(ROWS, labels)
    found = classifier_scores(classifier, ROWS, NAMES, pos_label="fraud")
    assert found.fraud_probability.tolist() == classifier.predict_proba(ROWS)[:, 0].tolist()
    with pytest.raises(ClassifierError, match=r"\['fraud', 'honest'\]: say pos_label="):
        classifier_scores(classifier, ROWS, NAMES)
    with pytest.raises(ParameterError, match=r"must be one of the classes .*, got 'theft'"):
        classifier_scores(classifier, ROWS, NAMES, pos_label="theft")


def test_one_of_several_classes_is_fraud() -> None:
    found = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    several = Said(found, ["honest", "friendly", "stolen card"])
    assert said(several, pos_label="friendly").fraud_probability.tolist() == [0.3, 0.1]
    margins = Said(found, [0, 1, 2], "decision_function")
    with pytest.raises(ClassifierError, match="as it has 3 classes"):
        said(margins, pos_label=1, calibration=CURVE)


@pytest.mark.parametrize(
    ("classes", "place"),
    [([0, 1], 1), ([-1, 1], 1), (np.array([False, True]), 1), ([0.0, 1.0], 1)],
)
def test_one_and_true_are_fraud_if_nothing_is_said(classes: Any, place: int) -> None:
    found = np.array([[0.75, 0.25], [0.5, 0.5]])
    assert said(Said(found, classes)).fraud_probability.tolist() == found[:, place].tolist()


@pytest.mark.parametrize(
    "classes",
    [None, [1], [], "01", 2, [0, 1, 1], [1, 0], ["no", "yes"], [[0, 1], [0, 1]],
     [np.array([0, 1]), np.array([0, 1, 2])], np.array([[0, 1]])],
)  # fmt: skip
def test_classes_that_do_not_tell_what_is_fraud_are_refused(classes: Any) -> None:
    with pytest.raises(ClassifierError, match=r"must have classes_|that is fraud must be known"):
        said(Said([[0.5, 0.5]] * 2, classes))


GARBAGE = [
    (None, "numbers of shape (2, 2)"),
    ([0.5, 0.5], "shape (2,)"),
    ([[0.5, 0.5]], "shape (1, 2)"),
    ([[0.5, 0.5]] * 3, "shape (3, 2)"),
    ([[0.5], [0.5]], "shape (2, 1)"),
    ([[0.2, 0.3, 0.5]] * 2, "shape (2, 3)"),
    ([[0.5, 0.5], [0.5]], "got builtins.list of object"),
    ([["a", "b"]] * 2, "<U1"),
    ([[0.5, None]] * 2, "object"),
    (np.full((2, 2), 0.5 + 0j), "complex128"),
    ({"fraud": [0.5, 0.5]}, "got builtins.dict"),
    ([[0.5, 0.5], [0.5, np.nan]], "finite numbers, got [0.5, nan] at row 1"),
    ([[-np.inf, 0.5], [0.5, 0.5]], "finite numbers, got [-inf, 0.5] at row 0"),
    ([[0.5, 0.5], [-0.1, 1.1]], "values in [0, 1], got [-0.1, 1.1] at row 1"),
    ([[0.5, 0.5], [1.0, 1.0]], "rows that add up to 1, got [1.0, 1.0] at row 1"),
    ([[0.0, 0.0], [0.5, 0.5]], "rows that add up to 1, got [0.0, 0.0] at row 0"),
]


@pytest.mark.parametrize(("found", "told"), GARBAGE)
def test_garbage_is_refused_by_name(found: Any, told: str) -> None:
    with pytest.raises(ClassifierError, match=re.escape(told)):
        said(found)


@pytest.mark.parametrize(
    "found", [None, [1.0], [[0.1], [0.2]], ["a", "b"], [0.1, np.nan], [0.1, np.inf]]
)
def test_decision_values_that_are_none_are_refused(found: Any) -> None:
    with pytest.raises(ClassifierError, match="decision_function must return"):
        said(Said(found, method="decision_function"), calibration=CURVE)


@given(
    arrays.arrays(
        dtype=st.sampled_from([np.float64, np.float32, np.int64]),
        shape=st.tuples(st.integers(0, 3), st.integers(0, 3)) | st.tuples(st.integers(0, 3)),
        elements={"min_value": -1, "max_value": 2},
    )
    | arrays.arrays(np.float64, (2, 2), elements=st.floats())
)
def test_what_is_taken_is_a_probability_for_each_row(found: NDArray[Any]) -> None:
    is_fine = (
        found.shape == (2, 2)
        and bool(np.isfinite(found).all() and (found >= -1e-6).all() and (found <= 1 + 1e-6).all())
        and bool((np.abs(found.sum(axis=1, dtype=np.float64) - 1) <= 2e-6).all())
    )
    if not is_fine:
        with pytest.raises(ClassifierError):
            said(found)
        return
    taken = said(found)
    assert taken.fraud_probability.tolist() == np.clip(found[:, 1], 0, 1).tolist()
    assert np.isfinite(taken.raw_score).all()


def test_the_order_and_the_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = HistGradientBoostingClassifier(max_iter=10).fit(ROWS, IS_FRAUD)
    whole = classifier_scores(classifier, ROWS, NAMES)
    order = np.random.default_rng(1).permutation(len(ROWS))
    shuffled = classifier_scores(classifier, ROWS[order], NAMES)
    assert shuffled.fraud_probability.tolist() == whole.fraud_probability[order].tolist()
    monkeypatch.setattr(any_classifier, "_BLOCK_ROWS", 7)
    in_blocks = classifier_scores(classifier, ROWS, NAMES)
    assert in_blocks.raw_score.tolist() == whole.raw_score.tolist()
    none = classifier_scores(classifier, ROWS[:0], NAMES, calibration=CURVE)
    assert none.raw_score.shape == none.fraud_probability.shape == (0,)


def test_a_refused_row_is_counted_from_the_first_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_classifier, "_BLOCK_ROWS", 2)
    found = iter([[[0.5, 0.5]] * 2, [[0.5, 0.5], [0.5, np.nan]]])
    classifier = Said(None)
    classifier.predict_proba = lambda _rows: next(found)  # type: ignore[attr-defined]
    with pytest.raises(ClassifierError, match="at row 3"):
        said(classifier, n_rows=4)


def test_a_classifier_of_other_features_is_refused() -> None:
    frame = pl.DataFrame(ROWS, schema=[*NAMES])
    fitted = HistGradientBoostingClassifier(max_iter=2).fit(frame.select(reversed(NAMES)), IS_FRAUD)
    with pytest.raises(ClassifierError, match="column 0 is 'age_days', not 'amount'"):
        classifier_scores(fitted, ROWS, NAMES, as_frame="polars")
    fewer = HistGradientBoostingClassifier(max_iter=2).fit(frame.drop("amount"), IS_FRAUD)
    with pytest.raises(ClassifierError, match=r"missing: \['amount'\], not of the bundle: \[\]"):
        classifier_scores(fewer, ROWS, NAMES, as_frame="polars")
    unnamed = HistGradientBoostingClassifier(max_iter=2).fit(ROWS[:, :2], IS_FRAUD)
    with pytest.raises(ClassifierError, match="3 features, and was fitted to 2"):
        classifier_scores(unnamed, ROWS, NAMES)
    named = HistGradientBoostingClassifier(max_iter=2).fit(frame, IS_FRAUD)
    with pytest.raises(ClassifierError, match="say as_frame='polars' or 'pandas'"):
        classifier_scores(named, ROWS, NAMES)


@pytest.mark.parametrize(
    "model", ["model.pkl", b"\x80\x04", RandomForestClassifier, None, lambda rows: rows]
)
def test_what_is_no_classifier_in_memory_is_refused(model: Any) -> None:
    with pytest.raises(ClassifierError, match="no model is read from a pickle"):
        classifier_scores(model, ROWS, NAMES)


def test_an_unfitted_classifier_is_refused() -> None:
    with pytest.raises(ClassifierError, match="fit it to frauds and honest orders first"):
        classifier_scores(RandomForestClassifier(), ROWS, NAMES)


def test_an_error_of_the_classifiers_own_says_where_it_came_from() -> None:
    classifier = LogisticRegression().fit(np.nan_to_num(ROWS), IS_FRAUD)
    with pytest.raises(ValueError, match="contains NaN") as raised:
        classifier_scores(classifier, ROWS, NAMES)
    (note,) = raised.value.__notes__
    assert "LogisticRegression.predict_proba, given 400 feature rows as numpy.ndarray" in note
    assert "need an imputer" in note


def test_a_kind_of_frame_that_is_not_known_is_refused() -> None:
    with pytest.raises(ParameterError, match="must be one of polars, pandas or None, got 'arrow'"):
        said([[0.5, 0.5]] * 2, as_frame="arrow")


def test_a_classifier_is_never_pickled_or_copied() -> None:
    class Held(Said):
        def __reduce_ex__(self, _protocol: object) -> NoReturn:
            raise AssertionError

        __copy__ = __deepcopy__ = __reduce_ex__

    assert said(Held([[0.5, 0.5]] * 2)).fraud_probability.tolist() == [0.5, 0.5]


def test_no_module_loads_a_pickle() -> None:
    loaders = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "skops"}
    found = set()
    for path in source_files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = [f"{node.value.id}.{node.attr}"]
            found |= {n for n in names if n.split(".")[0] in loaders or n == "joblib.load"}
    assert found == set()
