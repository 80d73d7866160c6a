"""The mean of models is one model, to our reader and to LightGBM itself."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.averaging import averaged_text
from fraudkit.scoring.learning.boosting import Columns, ModelSettings, boost
from fraudkit.scoring.trees.model_text import parse_model_text

COLUMNS = Columns(names=["a", "b", "kind"], categorical=[2], directions=[0, 1, 0])
SETTINGS = ModelSettings(n_trees=6, num_leaves=6, min_data_in_leaf=5, feature_fraction=0.7)


def history(seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    rows = np.column_stack(
        [rng.normal(size=300), rng.gamma(2.0, 30.0, 300), rng.integers(0, 5, 300)]
    )
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows, np.nan_to_num(rows[:, 0]) + (rows[:, 2] == 3) + rng.normal(size=300) > 1.0


def texts(seed: int, n_models: int, settings: ModelSettings) -> list[str]:
    rows, is_fraud = history(seed)
    return [
        boost(rows, is_fraud, COLUMNS, replace(settings, seed=seed + model)).text
        for model in range(n_models)
    ]


def scores(text: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    trees, names = parse_model_text(text)
    assert list(names) == COLUMNS.names
    return TreeScorer(trees, np.zeros(3)).score_many(rows)


@pytest.mark.parametrize("boosting", ["gbdt", "dart"])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**16), n_models=st.integers(2, 4))
def test_the_score_is_the_mean_of_the_models_scores(
    boosting: str, seed: int, n_models: int
) -> None:
    models = texts(seed, n_models, replace(SETTINGS, boosting=boosting))
    assert len(set(models)) == n_models
    rows, _ = history(seed + 1)
    mean = np.mean([scores(model, rows) for model in models], axis=0)
    text = averaged_text(models)
    np.testing.assert_allclose(scores(text, rows), mean, rtol=0, atol=1e-12)
    booster = lightgbm.Booster(model_str=text)
    theirs = booster.predict(rows, raw_score=True)
    np.testing.assert_allclose(theirs, mean, rtol=0, atol=1e-12)
    assert booster.num_trees() == sum(len(parse_model_text(m)[0].roots) for m in models)


def test_models_with_different_numbers_of_trees_weigh_the_same() -> None:
    rows, is_fraud = history(3)
    models = [
        boost(rows, is_fraud, COLUMNS, replace(SETTINGS, n_trees=n, min_data_in_leaf=least)).text
        for n, least in ((1, 400), (3, 5), (9, 5))
    ]
    assert len(parse_model_text(models[0])[0].roots) == 1
    mean = np.mean([scores(model, rows) for model in models], axis=0)
    text = averaged_text(models)
    np.testing.assert_allclose(scores(text, rows), mean, rtol=0, atol=1e-12)
    theirs = lightgbm.Booster(model_str=text).predict(rows, raw_score=True)
    np.testing.assert_allclose(theirs, mean, rtol=0, atol=1e-12)


def test_one_model_is_left_as_it_is() -> None:
    (model,) = texts(0, 1, SETTINGS)
    assert averaged_text([model]) == model


def test_lightgbm_writes_the_text_as_it_reads_it() -> None:
    text = averaged_text(texts(1, 3, SETTINGS))
    again = lightgbm.Booster(model_str=text).model_to_string()
    assert (
        again.partition("\nend of trees\n")[0].split("\nTree=")[0].splitlines()[1:9]
        == (text.split("\nTree=")[0].splitlines()[1:9])
    )
    rows, _ = history(2)
    np.testing.assert_array_equal(
        scores(again.partition("\nparameters:")[0] + "\n", rows), scores(text, rows)
    )


def test_the_text_claims_nothing_of_one_model_alone() -> None:
    assert "feature_importances" not in averaged_text(texts(1, 2, SETTINGS))
