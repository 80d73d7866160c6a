import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.features.catalog import default_features
from fraudkit.scoring.fit import ModelSettings, best_tree_count, fit_model, reference_row
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.metrics import score_metrics
from fraudkit.scoring.model_text import parse_model_text

FEATURES = default_features(levels={"card_brand": ["amex", "jcb", "visa"]}).keep(
    ["amount", "item_count", "card_brand", "card_attempts_1h"]
)
CATEGORY = FEATURES.names.index("card_brand")
SETTINGS = ModelSettings(num_leaves=7, min_data_in_leaf=10)
Labelled = tuple[NDArray[np.float64], NDArray[np.bool_]]


def history(seed: int = 0, n_rows: int = 600) -> Labelled:
    rng = np.random.default_rng(seed)
    rows = rng.poisson(2, (n_rows, 4)).astype(float)
    rows[:, CATEGORY] = rng.integers(0, 3, n_rows)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    risk = rows[:, 0] + 2 * (rows[:, CATEGORY] == 1) + rng.normal(size=n_rows)
    return rows, np.nan_to_num(risk) > 4


def test_the_same_history_and_seed_give_the_same_model() -> None:
    rows, is_fraud = history()
    text = fit_model(rows, is_fraud, FEATURES, SETTINGS, 10)
    assert fit_model(rows, is_fraud, FEATURES, SETTINGS, 10) == text
    other = ModelSettings(num_leaves=7, min_data_in_leaf=10, seed=1)
    assert fit_model(rows, is_fraud, FEATURES, other, 10) != text


def test_the_number_of_threads_does_not_change_the_model() -> None:
    program = (
        "from tests.scoring.test_fit import FEATURES, SETTINGS, fit_model, history\n"
        "print(fit_model(*history(n_rows=5000), FEATURES, SETTINGS, 10), end='')\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OMP_NUM_THREADS": str((os.cpu_count() or 1) + 1)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert fit_model(*history(n_rows=5000), FEATURES, SETTINGS, 10) == other


def test_a_model_is_what_a_bundle_reads_and_tells_fraud_from_honest() -> None:
    rows, is_fraud = history()
    text = fit_model(rows, is_fraud, FEATURES, SETTINGS, 30)
    trees, names = parse_model_text(text)
    assert names == FEATURES.names
    assert len(trees.roots) == 30
    assert "parameters" not in text
    assert text.endswith("\n")
    later, later_is_fraud = history(seed=1)
    scores = TreeScorer(trees, rows[0]).score_many(later)
    assert score_metrics(later_is_fraud, 1 / (1 + np.exp(-scores))).auc > 0.8


def test_categories_are_split_as_categories() -> None:
    rows, is_fraud = history()
    trees, _ = parse_model_text(fit_model(rows, is_fraud, FEATURES, SETTINGS, 10))
    is_category = (trees.decision & 1) != 0
    assert is_category.any()
    assert set(trees.feature[is_category]) == {CATEGORY}
    assert CATEGORY not in trees.feature[~is_category]


@pytest.mark.parametrize("n_frauds", [0, 4])
def test_too_few_frauds_are_refused(n_frauds: int) -> None:
    rows, _ = history()
    with pytest.raises(TrainingError, match=f"at least 5 frauds .*, got {n_frauds} among 600"):
        fit_model(rows, np.arange(600) < n_frauds, FEATURES, SETTINGS, 5)


def test_frauds_alone_are_refused() -> None:
    rows, _ = history()
    frauds = np.full(600, fill_value=True)
    with pytest.raises(TrainingError, match=r"honest orders .* all 600 are frauds"):
        fit_model(rows, frauds, FEATURES, SETTINGS, 5)
    with pytest.raises(TrainingError, match="at least one honest order"):
        reference_row(rows, frauds, FEATURES)


def test_the_number_of_trees_is_where_a_later_period_is_best() -> None:
    rows, is_fraud = history(n_rows=1500)
    train, later = np.arange(1000), np.arange(1000, 1500)
    quick = ModelSettings(
        num_leaves=31, min_data_in_leaf=3, learning_rate=0.3, n_trees_max=120, stop_after_trees=120
    )
    n_trees = best_tree_count(rows, is_fraud, train, later, FEATURES, quick)
    text = fit_model(rows[train], is_fraud[train], FEATURES, quick, 120)
    trees, _ = parse_model_text(text)
    losses = [
        np.mean(np.logaddexp(0.0, np.where(is_fraud[later], -scores, scores)))
        for count in range(1, 121)
        for scores in (TreeScorer(trees._replace(roots=trees.roots[:count]), rows[0])
                       .score_many(rows[later]),)
    ]  # fmt: skip
    assert n_trees == int(np.argmin(losses)) + 1
    assert 1 < n_trees < 120


def test_labels_without_a_rule_still_give_a_tree() -> None:
    rows, is_fraud = history()
    noise = np.random.default_rng(9).permutation(is_fraud)
    places = np.arange(600)
    quick = ModelSettings(num_leaves=7, min_data_in_leaf=10, stop_after_trees=2)
    assert best_tree_count(rows, noise, places[:400], places[400:], FEATURES, quick) >= 1


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_the_reference_is_made_of_values_that_honest_orders_have(seed: int) -> None:
    rows, is_fraud = history(seed, n_rows=40)
    reference = reference_row(rows, is_fraud, FEATURES)
    for column, value in enumerate(reference):
        honest = rows[~is_fraud, column]
        present = honest[~np.isnan(honest)]
        if column == CATEGORY:
            assert (present == value).sum() == max((present == code).sum() for code in range(3))
        else:
            assert value in present
            assert (present < value).sum() <= len(present) / 2
            assert (present > value).sum() <= len(present) / 2


def test_a_feature_that_most_honest_orders_lack_is_unknown_in_the_reference() -> None:
    rows = np.array([[np.nan, 1.0, 0.0, np.inf]] * 3 + [[5.0, np.nan, np.nan, 2.0]] * 2)
    rows = np.vstack([rows, [[9.0, 9.0, 1.0, 9.0]] * 20])
    reference = reference_row(rows, np.arange(25) >= 5, FEATURES)
    np.testing.assert_array_equal(reference, [np.nan, 1.0, 0.0, np.inf])
