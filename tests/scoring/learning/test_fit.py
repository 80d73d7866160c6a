import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.features.catalog import default_features
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.scoring.learning.fit import columns_of, fit_model, reference_row
from fraudkit.scoring.metrics import score_metrics
from fraudkit.scoring.trees.model_text import parse_model_text

FEATURES = default_features(levels={"card_brand": ["amex", "jcb", "visa"]}).keep(
    ["amount", "item_count", "card_brand", "card_attempts_1h"]
)
CATEGORY = FEATURES.names.index("card_brand")
SETTINGS = ModelSettings(num_leaves=7, min_data_in_leaf=10, n_trees=10)
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
    text = fit_model(rows, is_fraud, FEATURES, SETTINGS).text
    assert fit_model(rows, is_fraud, FEATURES, SETTINGS).text == text
    assert fit_model(rows, is_fraud, FEATURES, replace(SETTINGS, seed=1)).text != text


def test_the_number_of_threads_does_not_change_the_model() -> None:
    rows, is_fraud = history(n_rows=5000)
    text = fit_model(rows, is_fraud, FEATURES, SETTINGS, n_threads=1).text
    for n_threads in (2, 3):
        assert fit_model(rows, is_fraud, FEATURES, SETTINGS, n_threads=n_threads).text == text


def test_a_model_is_what_a_bundle_reads_and_tells_fraud_from_honest() -> None:
    rows, is_fraud = history()
    text = fit_model(rows, is_fraud, FEATURES, replace(SETTINGS, n_trees=30)).text
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
    trees, _ = parse_model_text(fit_model(rows, is_fraud, FEATURES, SETTINGS).text)
    is_category = (trees.decision & 1) != 0
    assert is_category.any()
    assert set(trees.feature[is_category]) == {CATEGORY}
    assert CATEGORY not in trees.feature[~is_category]


def test_columns_are_named_and_directed_as_the_features() -> None:
    columns = columns_of(FEATURES)
    assert list(columns.names) == list(FEATURES.names)
    assert list(columns.categorical) == [CATEGORY]
    known = FEATURES.monotone_constraints
    assert dict(zip(columns.names, columns.directions, strict=True)) == {
        name: known.get(name, 0) for name in FEATURES.names
    }


@pytest.mark.parametrize("n_frauds", [0, 4])
def test_too_few_frauds_are_refused(n_frauds: int) -> None:
    rows, _ = history()
    with pytest.raises(TrainingError, match=f"at least 5 frauds .*, got {n_frauds} among 600"):
        fit_model(rows, np.arange(600) < n_frauds, FEATURES, SETTINGS)


def test_frauds_alone_are_refused() -> None:
    rows, is_fraud = history()
    text = fit_model(rows, is_fraud, FEATURES, SETTINGS).text
    frauds = np.full(600, fill_value=True)
    with pytest.raises(TrainingError, match=r"honest orders .* all 600 are frauds"):
        fit_model(rows, frauds, FEATURES, SETTINGS)
    with pytest.raises(TrainingError, match="at least one honest order"):
        reference_row(rows, frauds, text)


MODEL = fit_model(*history(), FEATURES, SETTINGS).text


def apart(one: float, other: float, column: list[float]) -> float:
    """Return how far two values are apart in rank among what is known of their column."""
    if np.isnan(one) or np.isnan(other):
        return float(np.isnan(one) != np.isnan(other))
    known = [value for value in column if not np.isnan(value)]
    ranks = [sum(v < x for v in known) + sum(v <= x for v in known) for x in (one, other)]
    return abs(ranks[0] - ranks[1]) / (2 * len(known))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_the_reference_is_the_honest_order_that_is_least_far_from_the_others(seed: int) -> None:
    rows, is_fraud = history(seed, n_rows=40)
    reference = reference_row(rows, is_fraud, MODEL)
    honest = rows[~is_fraud]
    trees, _ = parse_model_text(MODEL)
    columns = [(c, honest[:, c].tolist()) for c in sorted(set(trees.feature.tolist()))]
    distances = [
        sum(apart(row[c], other[c], column) for c, column in columns for other in honest)
        for row in honest
    ]
    place = next(
        i for i, row in enumerate(honest) if np.array_equal(row, reference, equal_nan=True)
    )
    assert distances[place] == pytest.approx(min(distances), rel=1e-12)


def test_of_many_honest_orders_the_reference_has_a_score_near_the_median() -> None:
    rows, is_fraud = history(n_rows=5000)
    reference = reference_row(rows, is_fraud, MODEL)
    honest = rows[~is_fraud]
    assert any(np.array_equal(row, reference, equal_nan=True) for row in honest)
    trees, _ = parse_model_text(MODEL)
    scorer = TreeScorer(trees, reference)
    below = np.mean(scorer.score_many(honest) < scorer.score_many(reference[None, :])[0])
    not_above = np.mean(scorer.score_many(honest) <= scorer.score_many(reference[None, :])[0])
    assert below < 0.6
    assert not_above > 0.4


def test_the_seed_says_which_of_many_honest_orders_are_compared() -> None:
    rows, is_fraud = history(n_rows=5000)
    rows[:, 1] = np.arange(5000)
    first, again, other = (reference_row(rows, is_fraud, MODEL, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first[1] != other[1]


def test_a_feature_that_most_honest_orders_lack_is_unknown_in_the_reference() -> None:
    rows = np.array([[np.nan, 1.0, 0.0, np.inf]] * 3 + [[5.0, np.nan, np.nan, 2.0]] * 2)
    rows = np.vstack([rows, [[9.0, 9.0, 1.0, 9.0]] * 20])
    reference = reference_row(rows, np.arange(25) >= 5, MODEL)
    np.testing.assert_array_equal(reference, [np.nan, 1.0, 0.0, np.inf])
