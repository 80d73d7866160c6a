from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.errors import InputError, ModelNotSupported
from fraudkit.scoring import scorer as port
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.trees.model_text import NEAR_ZERO, parse_model_text
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


def chain_text(n_splits: int, n_features: int | None = None) -> str:
    """Return one tree that is 1 where every split's feature is above its threshold, else 0.

    Without ``n_features`` each split has a feature of its own and the threshold 0.5; else they
    take turns and thresholds rise by one each turn.
    """
    right = [*range(1, n_splits), -n_splits - 1]
    turns = n_features or n_splits
    return written_text(
        turns,
        {
            "num_leaves": str(n_splits + 1),
            "split_feature": " ".join(str(index % turns) for index in range(n_splits)),
            "threshold": " ".join(str(index // turns + 0.5) for index in range(n_splits)),
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
    with pytest.raises(ModelNotSupported, match="at most 512 features"):
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


LAYOUTS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "as it is": lambda rows: rows,
    "by column": np.asfortranarray,
    "every other column": lambda rows: np.repeat(rows, 2, axis=1)[:, ::2],
    "every other row": lambda rows: np.repeat(rows, 2, axis=0)[::2],
    "backwards": lambda rows: np.ascontiguousarray(rows[::-1])[::-1],
    "another byte order": lambda rows: rows.astype(">f8"),
    "float32": lambda rows: rows.astype(np.float32),
    "whole numbers": lambda rows: np.nan_to_num(rows, posinf=9, neginf=-9).astype(np.int64),
}
SMALL = train(("normal", "counts", "category", "mostly_zero"), n_trees=7, max_cat_to_onehot=1)


def random_rows(n_rows: int, n_features: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(scale=3, size=(n_rows, n_features)).round(1)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows


@settings(max_examples=60)
@given(
    n_rows=st.integers(0, 70),
    n_threads=st.integers(1, 5),
    chunk=st.integers(1, 80),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_many_rows_are_scored_as_each_alone_however_they_lie_in_memory(
    n_rows: int, n_threads: int, chunk: int, layout: str
) -> None:
    rows = LAYOUTS[layout](random_rows(n_rows, SMALL.n_features))
    scorer = TreeScorer(SMALL.trees, np.zeros(SMALL.n_features))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(port, "_CHUNK_ROWS", chunk)
        many = scorer.score_many(rows, n_threads=n_threads)
        explained = scorer.explain_many(rows, n_threads=n_threads)
    assert many.tolist() == [scorer.score(row) for row in rows]
    assert many.tolist() == (SMALL.expected(rows.astype(np.float64)).tolist() if n_rows else [])
    assert explained.shape == rows.shape
    assert explained.tolist() == [scorer.explain(row)[1].tolist() for row in rows]


def test_rows_that_cannot_be_written_are_scored_and_left_alone() -> None:
    rows = random_rows(40, SMALL.n_features)
    held = rows.copy()
    rows.flags.writeable = False
    scorer = TreeScorer(SMALL.trees, rows[0])
    assert scorer.score_many(rows).tolist() == SMALL.expected(held).tolist()
    assert scorer.explain(rows[1])[0] == scorer.score(rows[1]) == SMALL.expected(held)[1]
    np.testing.assert_array_equal(rows, held)


def test_contiguous_rows_are_not_copied() -> None:
    rows = random_rows(40, SMALL.n_features)
    assert np.shares_memory(port.as_rows(rows, slice(3, 20)), rows)
    assert port.as_row(rows[5], SMALL.n_features) is not None
    assert np.shares_memory(port.as_row(rows[5], SMALL.n_features), rows)


@pytest.mark.parametrize("n_columns", [0, 1, 3, 5, 60])
def test_rows_of_another_width_are_refused(n_columns: int) -> None:
    scorer = TreeScorer(SMALL.trees, np.zeros(4))
    rows = np.zeros((2, n_columns))
    for call in (scorer.score_many, scorer.explain_many):
        with pytest.raises(InputError, match=rf"\(n_rows, 4\), .* got \(2, {n_columns}\)"):
            call(rows)
    for one in (scorer.score, scorer.explain):
        with pytest.raises(InputError, match=rf"\(4,\), .* got \({n_columns},\)"):
            one(rows[0])


def test_a_row_is_not_taken_for_rows_nor_rows_for_a_row() -> None:
    scorer = TreeScorer(SMALL.trees, np.zeros(4))
    with pytest.raises(InputError, match=r"got \(1, 4\)"):
        scorer.score(np.zeros((1, 4)))
    with pytest.raises(InputError, match=r"got \(4,\)"):
        scorer.score_many(np.zeros(4))


def test_rows_of_words_and_no_threads_are_refused() -> None:
    scorer = TreeScorer(SMALL.trees, np.zeros(4))
    with pytest.raises(InputError, match="must hold numbers"):
        scorer.score_many(np.array([["a", "b", "c", "d"]]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n_threads must be at least 1, got 0"):
        scorer.score_many(np.zeros((1, 4)), n_threads=0)


@pytest.mark.parametrize("reference", [np.zeros(3), np.zeros((1, 4)), np.zeros(0)])
def test_a_reference_that_is_no_row_is_refused(reference: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="the reference must be one row of at least 4 features"):
        TreeScorer(SMALL.trees, reference)


def test_several_threads_may_explain_with_one_scorer() -> None:
    rows = random_rows(400, SMALL.n_features)
    scorer = TreeScorer(SMALL.trees, rows[0])
    alone = [scorer.explain(row)[1].tolist() for row in rows]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda row: scorer.explain(row)[1].tolist(), rows))
    assert together == alone


def test_trees_of_thousands_of_leaves_are_scored_and_explained() -> None:
    model = train(("normal", "counts", "category"), n_rows=20_000, n_trees=2, num_leaves=4000)
    assert len(model.trees.value) > 2 * 2000
    rows = random_rows(200, model.n_features)
    scorer = TreeScorer(model.trees, rows[0])
    assert scorer.score_many(rows, n_threads=2).tolist() == model.expected(rows).tolist()
    for row in rows[:20]:
        score, values = scorer.explain(row)
        assert score == model.expected(row[None])[0]
        np.testing.assert_allclose(
            values, coalition_values(scorer, row, rows[0]), rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("n_splits", [4, 5, 3000])
def test_a_chain_of_splits_on_few_features_is_scored_and_explained(n_splits: int) -> None:
    trees, names = parse_model_text(chain_text(n_splits, n_features=4))
    n_turns = -(-n_splits // 4)
    assert len(names) == 4
    won = np.full(4, float(n_turns))
    scorer = TreeScorer(trees, np.zeros(4))
    score, values = scorer.explain(won)
    assert score == scorer.score_many(np.stack([won] * 5))[4] == 1.0
    np.testing.assert_allclose(values, 0.25, rtol=1e-12)
    almost = won - np.array([1.0, 0.0, 0.0, 0.0])
    score, values = scorer.explain(almost)
    assert (score, values.tolist()) == (0.0, [0.0] * 4)
    half = TreeScorer(trees, almost).explain(won)[1]
    np.testing.assert_allclose(half, [1.0, 0.0, 0.0, 0.0], rtol=1e-12)


def test_any_number_of_trees_is_walked() -> None:
    for n_trees in range(1, 10):
        model = train(("normal", "counts"), n_trees=n_trees)
        rows = random_rows(30, 2)
        scorer = TreeScorer(model.trees, rows[0])
        assert (scorer.n_trees, scorer.n_leaves) == (n_trees, len(model.trees.value))
        assert scorer.score_many(rows).tolist() == model.expected(rows).tolist()
        assert [scorer.explain(row)[0] for row in rows] == model.expected(rows).tolist()
