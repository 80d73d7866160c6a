import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

import fraudkit as fk
from fraudkit.domain.money import rate_table
from fraudkit.errors import BundleError, InputError, ModelNotSupported
from fraudkit.features.catalog import default_features
from fraudkit.scoring.bundle import BundleContent, load_bundle, write_bundle
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.trees.lightgbm_scorer import LightgbmScorer

FEATURES = default_features().keep(["amount", "local_hour", "card_attempts_1h"])
KINDS: dict[str, dict[str, Any]] = {
    "linear trees": {"linear_tree": True},
    "random forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    "sigmoid": {"sigmoid": 2.0},
    "cross entropy": {"objective": "cross_entropy"},
}
RNG = np.random.default_rng(4)
ROWS = RNG.normal(size=(300, 3)).round(2)


def booster_of(**settings: Any) -> lightgbm.Booster:
    labels = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] + RNG.normal(size=300) > 0).astype(float)
    if settings.get("objective") == "multiclass":
        labels += RNG.integers(0, 2, 300)
    held = {"objective": "binary", "num_leaves": 5, "verbosity": -1, "num_threads": 1, **settings}
    data = lightgbm.Dataset(ROWS, labels, feature_name=list(FEATURES.names), params=held)
    return lightgbm.train(held, data, 5)


def written(folder: Path, model_text: str) -> Path:
    write_bundle(
        folder,
        BundleContent(
            model_text=model_text,
            features=FEATURES,
            calibration=Calibration(method="identity", raw_score=(-1, 1), log_odds=(-1, 1)),
            reference=np.zeros(3),
            rates=rate_table("EUR", {}),
            policy_text="",
            training={},
            card="",
            libraries={},
        ),
    )
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_kernel_does_not_score_is_refused_or_left_to_lightgbm(
    kind: str, tmp_path: Path
) -> None:
    booster = booster_of(**KINDS[kind])
    folder = written(tmp_path / "bundle", booster.model_to_string())
    with pytest.raises(ModelNotSupported, match=r"model\.txt: .* got .*"):
        load_bundle(folder)
    scorer = load_bundle(folder, unsupported="lightgbm").scorer
    expected = np.asarray(booster.predict(ROWS, raw_score=True)).tolist()
    assert scorer.score_many(ROWS, n_threads=2).tolist() == expected
    assert [scorer.score(row) for row in ROWS[:9]] == expected[:9]
    n_leaves = sum(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])
    assert (scorer.n_features, scorer.n_trees, scorer.n_leaves) == (3, 5, n_leaves)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "linear trees"])
def test_reasons_are_lightgbms_and_sum_to_the_score_less_the_average(kind: str) -> None:
    booster = booster_of(**KINDS[kind])
    scorer = LightgbmScorer(booster.model_to_string())
    values = scorer.explain_many(ROWS)
    score, alone = scorer.explain(ROWS[3])
    assert alone.tolist() == values[3].tolist()
    assert score == scorer.score(ROWS[3])
    sums = values.sum(axis=1) + scorer.reference_score
    np.testing.assert_allclose(sums, scorer.score_many(ROWS), rtol=0, atol=1e-9)


def test_reasons_of_linear_trees_are_not_known() -> None:
    scorer = LightgbmScorer(booster_of(linear_tree=True).model_to_string())
    score, values = scorer.explain(ROWS[0])
    assert score == scorer.score(ROWS[0])
    assert np.isnan(values).all()
    assert np.isnan(scorer.reference_score)
    assert scorer.explain_many(ROWS).shape == ROWS.shape


def test_a_model_that_the_kernel_scores_is_scored_by_it(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", booster_of().model_to_string())
    assert isinstance(load_bundle(folder, unsupported="lightgbm").scorer, TreeScorer)


def test_a_model_of_several_classes_is_refused_by_both(tmp_path: Path) -> None:
    text = booster_of(objective="multiclass", num_class=3).model_to_string()
    folder = written(tmp_path / "bundle", text)
    with pytest.raises(ModelNotSupported, match="num_class must be '1'"):
        load_bundle(folder)
    with pytest.raises(ModelNotSupported, match="must give one score a row, got 3"):
        load_bundle(folder, unsupported="lightgbm")


def test_an_engine_decides_with_such_a_model_when_asked(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", booster_of(linear_tree=True).model_to_string())
    with pytest.raises(ModelNotSupported):
        fk.Engine.open(folder)
    transaction = fk.decode_transaction(b"""{"transaction_id": "t1",
        "event_time": "2026-03-01T12:00:00+01:00",
        "order": {"amount_minor": 4999, "currency": "EUR"}}""")
    with fk.Engine.open(folder, unsupported="lightgbm") as engine:
        decision = engine.score(transaction)
    row = np.array([4999.0, 12.0, 0.0])
    raw = load_bundle(folder, unsupported="lightgbm").scorer.score(row)
    assert decision.fraud_probability == pytest.approx(1 / (1 + np.exp(-raw)))


def test_a_damaged_model_never_reaches_lightgbm(tmp_path: Path) -> None:
    text = booster_of().model_to_string().replace("split_feature=", "split_feature=9 ", 1)
    with pytest.raises(BundleError, match="one entry a node") as caught:
        load_bundle(written(tmp_path / "bundle", text), unsupported="lightgbm")
    assert not isinstance(caught.value, ModelNotSupported)


def test_an_altered_file_is_refused_before_lightgbm_sees_it(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", booster_of(linear_tree=True).model_to_string())
    (folder / "model.txt").write_text("num_class=2\n")
    with pytest.raises(BundleError, match="is not the file that the manifest was made for"):
        load_bundle(folder, unsupported="lightgbm")


def test_other_columns_are_refused(tmp_path: Path) -> None:
    text = booster_of(linear_tree=True).model_to_string().replace("amount", "amounts")
    with pytest.raises(BundleError, match=r"must have the columns of features\.json"):
        load_bundle(written(tmp_path / "bundle", text), unsupported="lightgbm")


def test_text_that_lightgbm_refuses_is_named() -> None:
    with pytest.raises(ModelNotSupported, match="LightGBM refuses it"):
        LightgbmScorer("not a model")


def test_rows_are_checked_as_the_kernel_does() -> None:
    scorer = LightgbmScorer(booster_of().model_to_string())
    with pytest.raises(InputError, match=r"got \(4,\)"):
        scorer.score(np.zeros(4))
    with pytest.raises(InputError, match=r"got \(1, 2\)"):
        scorer.explain_many(np.zeros((1, 2)))
    assert scorer.score_many(np.zeros((0, 3))).shape == (0,)
    assert scorer.explain_many(np.zeros((0, 3))).shape == (0, 3)


def test_lightgbm_is_loaded_only_when_asked_for(tmp_path: Path) -> None:
    folder = written(tmp_path / "bundle", booster_of(linear_tree=True).model_to_string())
    program = """
import sys
from pathlib import Path
from fraudkit.errors import ModelNotSupported
from fraudkit.scoring.bundle import load_bundle
try:
    load_bundle(Path(sys.argv[1]))
except ModelNotSupported:
    print("lightgbm" in sys.modules)
load_bundle(Path(sys.argv[1]), unsupported="lightgbm")
print("lightgbm" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]
