"""`FraudClassifier`: what scikit-learn asks of an estimator, and what fraud asks of it."""

from __future__ import annotations

from math import inf, log
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from fraudkit.errors import FraudkitError, ParameterError, TableError, TrainingError
from fraudkit.scoring.classifier import FraudClassifier
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import Columns, honest_sample, lightgbm_parameters
from fraudkit.scoring.splits import DelayedTimeSplit
from fraudkit.scoring.trees.model_text import parse_model_text

QUICK: dict[str, Any] = {"n_trees": 12, "learning_rate": 0.3, "min_data_in_leaf": 5}
EXCEPTIONS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "an order of weight 2 is not two orders: bins, leaves and bagging count orders"
    ),
}
"""Of scikit-learn's estimator checks those that are not passed, with the reason."""


def exceptions(estimator: FraudClassifier) -> dict[str, str]:
    # With its defaults no tree splits the few orders of these checks, and all of them hold.
    return EXCEPTIONS if estimator.min_data_in_leaf == 1 else {}


@parametrize_with_checks(
    [FraudClassifier(), FraudClassifier(n_trees=30, min_data_in_leaf=1, learning_rate=0.2)],
    expected_failed_checks=exceptions,
)
def test_it_is_an_estimator_of_scikit_learns(estimator: Any, check: Any) -> None:
    check(estimator)


def orders(seed: int = 0, n_orders: int = 600) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "brand": rng.choice(
                ["visa", "amex", "jcb", "rare"], n_orders, p=[0.6, 0.2, 0.18, 0.02]
            ),
            "amount": rng.uniform(1, 1000, n_orders),
            "frauds": rng.poisson(0.3, n_orders),
            "is_new": rng.random(n_orders) < 0.5,
        }
    ).with_columns(pl.when(pl.lit(rng.random(n_orders)) < 0.9).then(pl.col("brand")))
    risk = frame["amount"].to_numpy() / 400 + frame["frauds"].to_numpy()
    risk += 2 * (frame["brand"] == "jcb").fill_null(value=False).to_numpy()
    risk += rng.normal(size=n_orders)
    return frame, risk > 3


def test_an_order_has_the_same_score_in_every_table() -> None:
    frame, is_fraud = orders()
    objects = np.array([list(row) for row in frame.rows()], dtype=object)
    tables = {
        "polars": frame,
        "pandas": frame.to_pandas(),
        "pandas objects": pd.DataFrame(frame.to_dict(as_series=False), dtype=object),
        "array": objects,
        "lists": objects.tolist(),
    }
    first = FraudClassifier(**QUICK).fit(frame, is_fraud)
    expected = first.raw_score(frame)
    assert len(set(expected.tolist())) > 50
    for name, table in tables.items():
        model = FraudClassifier(**QUICK).fit(table, is_fraud.tolist())
        assert model.levels_ == (("visa", "amex", "jcb"), None, None, None), name
        assert np.array_equal(model.raw_score(table), expected), name
        for place in (0, 1, 2):
            one = table[place : place + 1]
            assert np.array_equal(model.raw_score(one), expected[place : place + 1]), name
    assert np.array_equal(first.raw_score(tables["pandas"]), expected)


def test_rare_unseen_and_absent_values_are_scored_alike() -> None:
    frame, is_fraud = orders()
    model = FraudClassifier(**QUICK).fit(frame, is_fraud)
    scores = [
        model.raw_score(frame.with_columns(brand=pl.lit(brand, pl.String))).tolist()
        for brand in ("rare", "diners", "VISA", None, "jcb")
    ]
    assert scores[0] == scores[1] == scores[2] == scores[3]
    assert scores[0] != scores[4]


@pytest.mark.parametrize("max_bin", [255, 1023])
def test_a_sharp_amount_is_found_sharply(max_bin: int) -> None:
    rng = np.random.default_rng(1)
    amount = rng.uniform(1, 1000, 20_000)
    is_fraud = rng.random(20_000) < np.where(amount > 220, 0.3, 0.01)
    model = FraudClassifier(n_trees=100, max_bin=max_bin).fit(amount[:, None], is_fraud)
    below, above = model.predict_proba([[219.9], [220.1]])[:, 1]
    assert below < 0.03
    assert above > 0.2


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), sign=st.sampled_from([-1, 1]))
def test_a_constraint_holds_for_every_order_and_value(seed: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400, 3)).round(1)
    is_fraud = rng.random(400) < 1 / (1 + np.exp(-3 * np.sin(3 * rows[:, 0]) - rows[:, 1]))
    values = np.sort(np.append(np.unique(rows[:, 0]), [-9.0, 9.0]))

    def steps(constraints: dict[Any, int] | None) -> NDArray[np.float64]:
        model = FraudClassifier(**QUICK, monotone_constraints=constraints).fit(rows, is_fraud)
        moved = np.repeat(rows[:50], len(values), axis=0)
        moved[:, 0] = np.tile(values, 50)
        return np.diff(model.raw_score(moved).reshape(50, -1), axis=1)

    assert np.all(sign * steps({0: sign, 1: 0}) >= 0)
    free = steps(None)
    assert np.any(free > 0)
    assert np.any(free < 0)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16), share=st.floats(0.05, 1.0))
def test_a_model_of_fewer_honest_orders_is_corrected_for_all_of_them(
    seed: int, share: float
) -> None:
    frame, is_fraud = orders(seed)
    model = FraudClassifier(**QUICK, level_orders_min=1, negative_share=share, random_state=seed)
    model.fit(frame, is_fraud)
    kept, kept_share = honest_sample(is_fraud, share, seed)
    assert set(np.flatnonzero(is_fraud)) <= set(kept)
    n_honest = int((~is_fraud).sum())
    assert kept_share == (~is_fraud[kept]).sum() / n_honest
    assert abs(kept_share - share) <= 0.5 / n_honest + 1e-12
    codes = {level: float(code) for code, level in enumerate(model.levels_[0])}
    rows = frame.with_columns(pl.col("brand").replace_strict(codes, default=None)).cast(pl.Float64)
    uncorrected = lightgbm.train(
        lightgbm_parameters(model._settings(), Columns(frame.columns, [0], [0] * frame.width), 1),
        lightgbm.Dataset(
            rows.to_numpy()[kept],
            is_fraud[kept],
            categorical_feature=[0],
            params={"max_bin": 1023, "feature_pre_filter": False},
        ),
        QUICK["n_trees"],
    ).predict(rows.to_numpy(), raw_score=True)
    np.testing.assert_allclose(model.raw_score(frame), uncorrected + log(kept_share), atol=1e-12)
    sampled = 1 / (1 + np.exp(-np.asarray(uncorrected)))
    np.testing.assert_allclose(
        model.predict_proba(frame)[:, 1],
        kept_share * sampled / (kept_share * sampled - sampled + 1),
        atol=1e-12,
    )


def test_a_tenth_of_the_honest_orders_gives_the_fraud_share_of_all() -> None:
    frame, is_fraud = orders(n_orders=20_000)
    model = FraudClassifier(negative_share=0.1).fit(frame, is_fraud)
    later, later_is_fraud = orders(seed=1, n_orders=20_000)
    share = later_is_fraud.mean()
    assert abs(model.predict_proba(later)[:, 1].mean() - share) < 0.1 * share
    # Uncorrected the odds would be ten times as high.
    odds = np.exp(model.raw_score(later) - log(0.1))
    assert (odds / (1 + odds)).mean() > 2 * share


def test_the_text_is_the_whole_model_with_its_correction() -> None:
    frame, is_fraud = orders()
    model = FraudClassifier(**QUICK, negative_share=0.3).fit(frame, is_fraud)
    assert "parameters" not in model.model_text_
    assert model.model_text_.endswith("\n")
    trees, names = parse_model_text(model.model_text_)
    assert names == tuple(frame.columns) == tuple(model.feature_names_in_)
    codes = {level: float(code) for code, level in enumerate(model.levels_[0])}
    rows = (
        frame.with_columns(pl.col("brand").replace_strict(codes, default=None))
        .cast(pl.Float64)
        .to_numpy()
    )
    scores = model.raw_score(frame)
    booster = lightgbm.Booster(model_str=model.model_text_)
    assert np.array_equal(np.asarray(booster.predict(rows, raw_score=True)), scores)
    served = TreeScorer(trees, np.zeros(4))
    assert [served.score(row) for row in np.ascontiguousarray(rows)] == scores.tolist()


def test_names_that_the_text_cannot_hold_are_numbered() -> None:
    frame, is_fraud = orders()
    odd = frame.rename({"amount": "amount, EUR"})
    model = FraudClassifier(**QUICK).fit(odd, is_fraud)
    names = ("column_0", "column_1", "column_2", "column_3")
    assert parse_model_text(model.model_text_)[1] == names
    assert model.feature_names_in_.tolist() == odd.columns


def test_the_seed_alone_makes_the_model() -> None:
    frame, is_fraud = orders(n_orders=5_000)
    made = {
        (seed, n_threads): FraudClassifier(
            **QUICK, negative_share=0.5, random_state=seed, n_threads=n_threads
        ).fit(frame, is_fraud)
        for seed in (0, 1)
        for n_threads in (1, 2, 3)
    }
    texts = {place: model.model_text_ for place, model in made.items()}
    assert texts[0, 1] == texts[0, 2] == texts[0, 3]
    assert texts[1, 1] == texts[1, 2] == texts[1, 3]
    assert texts[0, 1] != texts[1, 1]
    assert np.array_equal(made[0, 1].raw_score(frame), made[0, 3].raw_score(frame))


def test_a_weight_of_zero_is_no_order_and_more_weight_on_frauds_is_more_risk() -> None:
    frame, is_fraud = orders()
    weights = np.random.default_rng(2).integers(0, 2, 600).astype(float)
    used = weights > 0
    model = FraudClassifier(**QUICK).fit(frame, is_fraud, sample_weight=weights)
    apart = FraudClassifier(**QUICK, levels_max=2).fit(frame, is_fraud, weights)
    alone = FraudClassifier(**QUICK, levels_max=2).fit(frame.filter(used), is_fraud[used])
    assert apart.model_text_ == alone.model_text_
    heavy = FraudClassifier(**QUICK).fit(frame, is_fraud, np.where(is_fraud, 5.0, 1.0) * weights)
    assert heavy.raw_score(frame).mean() > model.raw_score(frame).mean() + 0.5


@pytest.mark.parametrize(
    "classes", [[False, True], [0, 1], [-1, 1], ["legit", "suspect"], [2.0, 3.0]]
)
def test_the_greater_class_is_fraud(classes: list[Any]) -> None:
    frame, is_fraud = orders()
    model = FraudClassifier(**QUICK).fit(frame, np.array(classes)[is_fraud.astype(int)])
    assert model.classes_.tolist() == classes
    probability = model.predict_proba(frame)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    assert probability[is_fraud, 1].mean() > 0.4
    assert probability[~is_fraud, 1].mean() < 0.3
    assert model.predict(frame).tolist() == [classes[int(p > 0.5)] for p in probability[:, 1]]
    assert np.array_equal(model.decision_function(frame), model.raw_score(frame))


def test_infinite_numbers_are_as_the_greatest_and_absent_ones_are_apart() -> None:
    rng = np.random.default_rng(3)
    rows = rng.choice([np.nan, -inf, inf, 0.0, 1.0], (500, 2))
    model = FraudClassifier(**QUICK).fit(rows, np.isnan(rows[:, 0]) | (rows[:, 0] == -inf))
    asked = [[inf, 0.0], [1e300, 0.0], [1.0, 0.0], [-inf, 0.0], [np.nan, 0.0]]
    assert model.raw_score(asked)[0] == model.raw_score(asked)[1]
    assert model.predict(asked).tolist() == [False, False, False, True, True]


def test_what_a_feature_gained_is_told() -> None:
    frame, is_fraud = orders()
    model = FraudClassifier(**QUICK).fit(frame.with_columns(nothing=pl.lit(1.0)), is_fraud)
    gains = dict(zip(model.feature_names_in_, model.feature_importances_, strict=True))
    assert gains["nothing"] == 0.0
    assert min(gains["amount"], gains["brand"], gains["frauds"]) > gains["is_new"]


def test_settings_are_searched_over_frames_and_folds_in_time() -> None:
    frame, is_fraud = orders(n_orders=2_000)
    groups = pl.DataFrame({"event_time_ms": np.arange(2_000) * 2_000_000})
    split = DelayedTimeSplit(train_days=15, gap_days=3, test_days=7, n_splits=3)
    grid = {"n_trees": [1, 30], "monotone_constraints": [{"frauds": 1}]}
    search = GridSearchCV(FraudClassifier(**QUICK), grid, cv=split, scoring="neg_log_loss")
    search.fit(frame, is_fraud, groups=groups)
    assert search.best_params_["n_trees"] == 30
    assert search.best_score_ > search.cv_results_["mean_test_score"].min()
    again = clone(search.best_estimator_).fit(frame, is_fraud)
    assert np.array_equal(search.predict_proba(frame), again.predict_proba(frame))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no trees": ({"n_trees": 0}, "n_trees of .* whole number, at least 1 and at most"),
    "half a leaf": ({"num_leaves": 2.5}, r"num_leaves of .* got 2\.5"),
    "a stump of nothing": ({"num_leaves": 1}, "num_leaves of .* at least 2"),
    "too many bins": ({"max_bin": 70_000}, "max_bin of .* at most 65535, got 70000"),
    "a truth value": ({"levels_max": True}, "levels_max of .* got True"),
    "no seed": ({"random_state": None}, "random_state of .* got None"),
    "no thread": ({"n_threads": 0}, "n_threads of .* got 0"),
    "no learning": ({"learning_rate": 0}, "learning_rate of .* a number above 0, got 0"),
    "a share above all": ({"negative_share": 1.1}, "negative_share of .* above 0 and at most 1"),
    "a share of none": ({"negative_share": 0.0}, r"negative_share of .* got 0\.0"),
    "no number": ({"feature_fraction": float("nan")}, "feature_fraction of .* got nan"),
    "without end": ({"lambda_l2": inf}, "lambda_l2 of .* a number at least 0, got inf"),
    "text": ({"cat_smooth": "10"}, "cat_smooth of .* got '10'"),
    "a column that is not there": (
        {"monotone_constraints": {"fruads": 1}}, "monotone_constraints must name .* got 'fruads'"
    ),
    "a slope": ({"monotone_constraints": {"frauds": 2}}, "'frauds' must be -1, 0 or 1, .* got 2"),
    "an ordered category": ({"monotone_constraints": {"brand": 1}}, "and 0 for a category, got 1"),
    "constraints without columns": (
        {"monotone_constraints": [1, 0]}, r"must map columns to -1, 0 or 1, got \[1, 0\]"
    ),
    "one category as text": (
        {"categorical_features": "brand"}, r"a sequence of columns, .*write \['brand'\]"
    ),
    "a category that is not there": ({"categorical_features": ["shop"]}, "got 'shop'"),
}  # fmt: skip


@pytest.mark.parametrize(("parameters", "told"), WRONG.values(), ids=WRONG)
def test_a_parameter_that_does_not_hold_is_refused(parameters: Any, told: str) -> None:
    frame, is_fraud = orders()
    with pytest.raises(ParameterError, match=told):
        FraudClassifier(**parameters).fit(frame, is_fraud)


def test_nothing_is_added_to_a_category_by_a_constraint_of_zero() -> None:
    frame, is_fraud = orders()
    plain = FraudClassifier(**QUICK).fit(frame, is_fraud)
    constraints = {"brand": 0, "amount": 0}
    held = FraudClassifier(**QUICK, monotone_constraints=constraints).fit(frame, is_fraud)
    assert held.model_text_ == plain.model_text_


NO_DATA: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "a lazy frame": (orders()[0].lazy(), orders()[1], {}, r"polars LazyFrame; call \.collect"),
    "no rows": (orders()[0][:0], [], {}, r"at least one row and one column, got shape \(0, 4\)"),
    "no columns": (pd.DataFrame(index=[1, 2]), [0, 1], {}, r"got shape \(2, 0\)"),
    "no labels": (orders()[0], None, {}, "requires y to be passed"),
    "one class": (orders()[0], np.zeros(600), {}, "must hold two classes, .* got 1 class among"),
    "three classes": (orders()[0], np.arange(600) % 3, {}, "Only binary .* is multiclass"),
    "a weight below zero": (
        orders()[0], orders()[1], {"sample_weight": np.arange(600) - 1.0}, "least weight of -1"
    ),
    "weights of zero": (
        orders()[0], orders()[1], {"sample_weight": np.zeros(600)}, "not zero for all"
    ),
    "too few weights": (orders()[0], orders()[1], {"sample_weight": [1.0]}, r"got shape \(1,\)"),
    "frauds without a weight": (
        orders()[0], orders()[1], {"sample_weight": 1.0 - orders()[1]}, "got 1 class among"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("table", "y", "more", "told"), NO_DATA.values(), ids=NO_DATA)
def test_what_cannot_be_learnt_from_is_refused(table: Any, y: Any, more: Any, told: str) -> None:
    with pytest.raises(FraudkitError, match=told) as caught:
        FraudClassifier(**QUICK).fit(table, y, **more)
    assert isinstance(caught.value, TableError | TrainingError)
    assert isinstance(caught.value, ValueError)


def test_columns_in_another_order_are_refused() -> None:
    frame, is_fraud = orders()
    model = FraudClassifier(**QUICK).fit(frame, is_fraud)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.raw_score(frame.select("amount", "brand", "frauds", "is_new"))
