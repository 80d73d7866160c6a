"""Boosting: the same trees again, and each setting does what its name says."""

import json
from math import log
from pathlib import Path
from typing import Literal

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import (
    Columns,
    ModelSettings,
    binned,
    boost,
    grown,
    honest_sample,
    lightgbm_parameters,
)
from fraudkit.scoring.trees.model_text import parse_model_text

COLUMNS = Columns(names=["velocity", "amount", "kind"], categorical=[2], directions=[1, 0, 0])
SETTINGS = ModelSettings(n_trees=8, num_leaves=8, min_data_in_leaf=10)
BOOSTINGS = pytest.mark.parametrize("boosting", ["gbdt", "dart"])


def history(seed: int = 0, n_rows: int = 2_000) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    rows = np.column_stack(
        [rng.poisson(2.0, n_rows), rng.gamma(2.0, 40.0, n_rows), rng.integers(0, 6, n_rows)]
    ).astype(float)
    risk = rows[:, 0] / 2 + 2.0 * (rows[:, 2] == 3) + rng.normal(size=n_rows)
    return rows, risk > 2.5


def scores(text: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    trees, _ = parse_model_text(text)
    return TreeScorer(trees, np.zeros(rows.shape[1])).score_many(rows)


@BOOSTINGS
def test_the_same_seed_gives_the_same_text_on_any_number_of_threads(boosting: str) -> None:
    rows, is_fraud = history(n_rows=6_000)
    weights = np.random.default_rng(1).uniform(1.0, 5.0, 6_000)
    asked = replace(SETTINGS, boosting=boosting, n_models=3, negative_share=0.7)
    first, *others = (
        boost(rows, is_fraud, COLUMNS, asked, weights=weights, n_threads=n_threads)
        for n_threads in (1, 2, 3, 1)
    )
    for other in others:
        assert other.text == first.text
        np.testing.assert_array_equal(other.gain, first.gain)
    another = boost(rows, is_fraud, COLUMNS, replace(asked, seed=5), weights=weights)
    assert another.text != first.text


@BOOSTINGS
def test_many_models_are_the_mean_of_those_of_the_next_seeds(boosting: str) -> None:
    rows, is_fraud = history()
    asked = replace(SETTINGS, boosting=boosting, seed=4)
    many = boost(rows, is_fraud, COLUMNS, replace(asked, n_models=3))
    each = [boost(rows, is_fraud, COLUMNS, replace(asked, seed=seed)) for seed in (4, 5, 6)]
    assert len({model.text for model in each}) == 3
    mean = np.mean([scores(model.text, rows) for model in each], axis=0)
    np.testing.assert_allclose(scores(many.text, rows), mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(many.gain, sum(model.gain for model in each))


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16))
def test_a_weight_of_2_is_an_order_twice(seed: int) -> None:
    rows, is_fraud = history(seed, n_rows=500)
    # Only where rows are neither drawn nor counted, in bins and leaves too, can two rows be one.
    rows[:, :2] = np.minimum(rows[:, :2] // [1.0, 30.0], 3.0)
    asked = ModelSettings(
        n_trees=5, num_leaves=6, min_data_in_leaf=0, feature_fraction=1.0, bagging_fraction=1.0,
        uses_categories=False,
    )  # fmt: skip
    twice = is_fraud | (np.arange(500) % 3 == 0)
    weighted = boost(rows, is_fraud, COLUMNS, asked, weights=1.0 + twice)
    places = np.sort(np.concatenate([np.arange(500), np.flatnonzero(twice)]))
    doubled = boost(rows[places], is_fraud[places], COLUMNS, asked)
    np.testing.assert_allclose(
        scores(weighted.text, rows), scores(doubled.text, rows), rtol=0, atol=1e-5
    )
    alike = boost(rows, is_fraud, COLUMNS, asked, weights=np.ones(500))
    assert alike.text == boost(rows, is_fraud, COLUMNS, asked).text


@BOOSTINGS
def test_a_share_of_the_honest_orders_gives_their_model_with_its_odds_corrected(
    boosting: str,
) -> None:
    rows, is_fraud = history()
    asked = replace(SETTINGS, boosting=boosting)
    thinned = boost(rows, is_fraud, COLUMNS, replace(asked, negative_share=0.25, n_models=2))
    kept, share = honest_sample(is_fraud, 0.25, asked.seed)
    alone = boost(rows[kept], is_fraud[kept], COLUMNS, replace(asked, n_models=2))
    assert share == pytest.approx(0.25, abs=0.001)
    np.testing.assert_allclose(
        scores(thinned.text, rows), scores(alone.text, rows) + log(share), rtol=0, atol=1e-12
    )


def test_with_a_share_of_the_honest_orders_the_mean_probability_is_the_fraud_share() -> None:
    rows, is_fraud = history(n_rows=20_000)
    asked = replace(SETTINGS, boosting="gbdt", n_trees=60, learning_rate=0.1)
    shares = [
        np.mean(1.0 / (1.0 + np.exp(-scores(boost(rows, is_fraud, COLUMNS, s).text, rows))))
        for s in (asked, replace(asked, negative_share=0.2))
    ]
    assert shares == pytest.approx([is_fraud.mean()] * 2, rel=0.05)


@settings(max_examples=50)
@given(
    labels=st.lists(st.booleans(), min_size=1, max_size=60),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 99),
)
def test_a_sample_holds_all_frauds_and_the_share_it_tells(
    labels: list[bool], share: float, seed: int
) -> None:
    is_fraud = np.array(labels)
    kept, told = honest_sample(is_fraud, share, seed)
    assert np.all(np.diff(kept) > 0)
    assert set(np.flatnonzero(is_fraud)) <= set(kept.tolist())
    n_honest = int((~is_fraud).sum())
    assert int((~is_fraud[kept]).sum()) == round(told * n_honest)
    if n_honest:
        assert abs(told - share) <= 0.5 / n_honest + 1e-12 or round(told * n_honest) == 1


@pytest.mark.parametrize("n_models", [1, 2])
def test_categories_are_split_on_only_where_they_are_used(n_models: int) -> None:
    rows, is_fraud = history()
    asked = replace(SETTINGS, n_models=n_models)
    with_them, _ = parse_model_text(boost(rows, is_fraud, COLUMNS, asked).text)
    assert 2 in with_them.feature
    model = boost(rows, is_fraud, COLUMNS, replace(asked, uses_categories=False))
    without, _ = parse_model_text(model.text)
    assert set(without.feature.tolist()) == {0, 1}
    assert not np.any(without.decision & 1)
    assert model.gain[2] == 0.0


@BOOSTINGS
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_a_known_direction_is_held_where_it_is_used(
    boosting: Literal["gbdt", "dart"], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.uniform(0.0, 1.0, 3_000), rng.normal(size=(3_000, 2))])
    rows[:, 2] = rng.integers(0, 4, 3_000)
    is_fraud = rng.random(3_000) < np.where(rows[:, 0] < 0.5, rows[:, 0], 1.0 - rows[:, 0])
    line = np.zeros((101, 3))
    line[:, 0] = np.linspace(0.0, 1.0, 101)
    asked = replace(
        SETTINGS, boosting=boosting, n_trees=40, learning_rate=0.2, feature_fraction=1.0, seed=seed
    )
    free, held = (
        scores(boost(rows, is_fraud, COLUMNS, replace(asked, uses_directions=held)).text, line)
        for held in (False, True)
    )
    assert np.diff(free).min() < -0.1
    assert np.diff(held).min() >= 0.0
    assert held[-1] > held[0] + 0.5


def test_a_sharp_edge_is_split_at_though_bins_are_few() -> None:
    rng = np.random.default_rng(2)
    rows = np.column_stack([rng.gamma(2.0, 40.0, (5_000, 2)), np.zeros(5_000)])
    is_fraud = (rows[:, 1] > 49.0) & (rows[:, 1] < 49.99)
    text = boost(rows, is_fraud, COLUMNS, replace(SETTINGS, max_bin=16, feature_fraction=1.0)).text
    trees, _ = parse_model_text(text)
    amount = rows[:, 1]
    edges = [
        (amount[amount <= 49.0].max(), amount[amount > 49.0].min()),
        (amount[amount < 49.99].max(), amount[amount >= 49.99].min()),
    ]
    split_at = trees.threshold[trees.feature == 1]
    assert all(any(low <= value <= high for value in split_at) for low, high in edges)


def test_settings_of_the_same_bins_learn_from_the_same_data() -> None:
    rows, is_fraud = history()
    shared = binned(rows, is_fraud, COLUMNS, SETTINGS.max_bin)
    for asked in (SETTINGS, replace(SETTINGS, min_data_in_leaf=100, uses_directions=True)):
        booster = lightgbm.Booster(lightgbm_parameters(asked, COLUMNS, 1), shared)
        for _tree in range(asked.n_trees):
            booster.update()
        expected = scores(boost(rows, is_fraud, COLUMNS, asked).text, rows)
        np.testing.assert_allclose(booster.predict(rows, raw_score=True), expected, atol=1e-12)


def test_the_file_of_edges_is_gone_once_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows, is_fraud = history()
    data = binned(rows, is_fraud, COLUMNS, 16)
    assert list(tmp_path.iterdir()) == []
    assert data.num_data() == 2_000
    assert str(tmp_path) not in json.dumps(boost(rows, is_fraud, COLUMNS, SETTINGS).text)


def test_dart_stops_where_nothing_is_split_and_leaves_no_tree_turned_around() -> None:
    rows, is_fraud = history(n_rows=200)
    # The first tree takes most of the gain; soon no split gains enough.
    asked = lightgbm_parameters(
        replace(SETTINGS, boosting="dart", n_trees=50, learning_rate=0.9, seed=1), COLUMNS, 1
    ) | {"min_gain_to_split": 12.0, "drop_rate": 0.5, "bagging_freq": 0}
    data = binned(rows, is_fraud, COLUMNS, 63)
    as_it_comes = lightgbm.Booster(asked, data)
    was_stuck = [as_it_comes.update() for _ in range(50)]
    assert any(was_stuck[1:])
    booster = grown(data, asked, 50)
    assert booster.current_iteration() == was_stuck.index(True, 1)
    alone = lightgbm.Booster(asked, data)
    for _ in range(booster.current_iteration()):
        alone.update()
    assert booster.model_to_string() == alone.model_to_string()
