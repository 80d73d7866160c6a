from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.errors import BundleError
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.model_text import NEAR_ZERO, parse_model_text
from tests.scoring.models import KINDS, Model, models, rows_of, train, written_text


def coalition_values(
    scorer: TreeScorer, row: NDArray[np.float64], reference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Shapley values by their definition, over all coalitions of features."""
    n_features = len(row)
    values = np.zeros(n_features)
    for feature in range(n_features):
        others = [other for other in range(n_features) if other != feature]
        for size in range(n_features):
            share = factorial(size) * factorial(n_features - size - 1) / factorial(n_features)
            for coalition in combinations(others, size):
                without = reference.copy()
                without[list(coalition)] = row[list(coalition)]
                joined = without.copy()
                joined[feature] = row[feature]
                values[feature] += share * (scorer.score(joined) - scorer.score(without))
    return values


def chain_text(n_splits: int) -> str:
    """Return one tree that is 1 where every feature is above 0, else 0."""
    right = [*range(1, n_splits), -n_splits - 1]
    return written_text(
        n_splits,
        {
            "num_leaves": str(n_splits + 1),
            "split_feature": " ".join(map(str, range(n_splits))),
            "threshold": " ".join("0.5" for _ in right),
            "decision_type": " ".join("2" for _ in right),
            "left_child": " ".join(str(-index - 1) for index in range(n_splits)),
            "right_child": " ".join(map(str, right)),
            "leaf_value": " ".join(["0"] * n_splits + ["1"]),
        },
    )


@settings(max_examples=150)
@given(data=st.data(), model=models())
def test_the_score_is_lightgbms_own_to_the_bit(data: st.DataObject, model: Model) -> None:
    rows = data.draw(rows_of(model))
    scorer = TreeScorer(model.trees, rows[0])
    expected = model.expected(rows).tolist()
    assert [scorer.score(row) for row in rows] == expected
    assert scorer.score_many(rows).tolist() == expected
    assert scorer.score_many(rows, n_threads=3).tolist() == expected
    assert [scorer.explain(row)[0] for row in rows] == expected
    assert scorer.reference_score == expected[0]


@settings(max_examples=60)
@given(data=st.data(), model=models())
def test_shapley_values_sum_to_what_the_order_adds_to_the_reference(
    data: st.DataObject, model: Model
) -> None:
    reference, *rows = data.draw(rows_of(model, min_size=2))
    scorer = TreeScorer(model.trees, reference)
    for row in rows:
        score, values = scorer.explain(row)
        assert values.sum() == pytest.approx(score - scorer.reference_score, abs=1e-9)


@settings(max_examples=60)
@given(data=st.data(), model=models(n_features_max=7))
def test_shapley_values_are_those_of_the_definition(data: st.DataObject, model: Model) -> None:
    reference, row = data.draw(rows_of(model, min_size=2, max_size=2))
    scorer = TreeScorer(model.trees, reference)
    expected = coalition_values(scorer, row, reference)
    np.testing.assert_allclose(scorer.explain(row)[1], expected, rtol=0, atol=1e-9)


@settings(max_examples=40)
@given(data=st.data(), model=models())
def test_a_feature_that_is_never_split_on_gets_exactly_nothing(
    data: st.DataObject, model: Model
) -> None:
    reference, row = data.draw(rows_of(model, min_size=2, max_size=2))
    values = TreeScorer(model.trees, reference).explain(row)[1]
    unused = np.setdiff1d(np.arange(model.n_features), model.trees.feature)
    assert not values[unused].any()


@settings(max_examples=40)
@given(data=st.data(), model=models())
def test_features_on_which_both_orders_agree_get_exactly_nothing(
    data: st.DataObject, model: Model
) -> None:
    reference, row = data.draw(rows_of(model, min_size=2, max_size=2))
    same = np.array(data.draw(st.lists(st.booleans(), min_size=len(row), max_size=len(row))))
    row[same] = reference[same]
    scorer = TreeScorer(model.trees, reference)
    assert not scorer.explain(row)[1][same].any()
    assert not scorer.explain(reference)[1].any()


@settings(max_examples=40)
@given(data=st.data(), model=models(), n_threads=st.integers(1, 4))
def test_many_explanations_are_those_of_each_order_alone(
    data: st.DataObject, model: Model, n_threads: int
) -> None:
    rows = data.draw(rows_of(model))
    scorer = TreeScorer(model.trees, rows[0])
    alone = [scorer.explain(row)[1].tolist() for row in rows]
    assert scorer.explain_many(rows, n_threads=n_threads).tolist() == alone
    assert [scorer.explain(row)[1].tolist() for row in rows] == alone


def test_large_trees_are_scored_and_explained() -> None:
    model = train(KINDS * 8, n_rows=3000, n_trees=5, num_leaves=255, feature_fraction=0.5)
    rng = np.random.default_rng(1)
    rows = rng.normal(scale=2, size=(50, model.n_features)).round(1)
    scorer = TreeScorer(model.trees, np.zeros(model.n_features))
    assert scorer.score_many(rows).tolist() == model.expected(rows).tolist()
    sums = scorer.explain_many(rows).sum(axis=1)
    expected = model.expected(rows) - scorer.reference_score
    np.testing.assert_allclose(sums, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_splits", [1, 2, 11, 12, 13, 200])
def test_players_who_win_only_together_share_alike(n_splits: int) -> None:
    trees, _ = parse_model_text(chain_text(n_splits))
    low, high = np.zeros(n_splits), np.ones(n_splits)
    won = TreeScorer(trees, low).explain(high)[1]
    lost = TreeScorer(trees, high).explain(low)[1]
    np.testing.assert_allclose(won, 1 / n_splits, rtol=1e-9)
    np.testing.assert_allclose(lost, -1 / n_splits, rtol=1e-9)


def test_a_tree_too_deep_to_be_explained_is_refused() -> None:
    trees, names = parse_model_text(chain_text(513))
    with pytest.raises(BundleError, match="at most 512 features"):
        TreeScorer(trees, np.zeros(len(names)))


@pytest.mark.parametrize(
    ("decision", "value", "leaf"),
    [
        (0, np.nan, "left"),  # no missing values: NaN is 0
        (4, np.nan, "right"),  # zero is missing, default right
        (6, np.nan, "left"),  # zero is missing, default left
        (4, NEAR_ZERO, "right"),
        (4, -NEAR_ZERO, "right"),
        (4, np.nextafter(NEAR_ZERO, 1), "left"),
        (8, np.nan, "right"),  # NaN is missing, default right
        (8, 0.0, "left"),
        (10, np.nan, "left"),  # NaN is missing, default left
        (10, 2.0, "right"),
    ],
)
def test_a_missing_value_goes_where_the_split_says(decision: int, value: float, leaf: str) -> None:
    split = {
        "num_leaves": "2",
        "split_feature": "0",
        "threshold": "1",
        "decision_type": str(decision),
        "left_child": "-1",
        "right_child": "-2",
        "leaf_value": "10 20",
    }
    trees, _ = parse_model_text(written_text(1, split))
    assert (
        TreeScorer(trees, np.zeros(1)).score(np.array([value])) == {"left": 10, "right": 20}[leaf]
    )


def test_trees_of_one_leaf_score_and_explain_nothing() -> None:
    leaf = {"num_leaves": "1", "leaf_value": "-1.25"}
    trees, _ = parse_model_text(written_text(2, leaf, leaf))
    scorer = TreeScorer(trees, np.zeros(2))
    score, values = scorer.explain(np.ones(2))
    assert (score, values.tolist()) == (-2.5, [0.0, 0.0])
