import re
from typing import Any

import numpy as np
import pytest

from benchmarks.floor import FastPath, Floor
from benchmarks.hotpath import check_same_scores
from benchmarks.model import bundle_folder
from benchmarks.stages import STAGES
from benchmarks.workload import make_workload
from fraudkit.errors import ArtifactError
from fraudkit.scoring.bundle import load_bundle
from tests.benchmarks.running import ran


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return ran("hotpath", "--orders", "30", "--seed", "3")


def test_it_prints_the_promised_figures(report: dict[str, Any]) -> None:
    ways = ("score", "score_with_journal", "floor", "first_written")
    expected = {f"{way}_us_{part}" for way in ways for part in ("p50", "p90", "p99", "p99_9")}
    expected |= {"score_over_floor", "first_written_over_score"}
    expected |= {f"stage_{stage}_{part}" for stage in STAGES for part in ("us_p50", "share")}
    assert set(report["figures"]) == expected
    assert (report["context"]["n"], report["context"]["seed"]) == (30, 3)


def test_ratios_are_of_the_medians(report: dict[str, Any]) -> None:
    figures = report["figures"]
    score = figures["score_us_p50"]
    assert figures["score_over_floor"] == score / figures["floor_us_p50"]
    assert figures["first_written_over_score"] == figures["first_written_us_p50"] / score


def test_stages_share_the_whole(report: dict[str, Any]) -> None:
    shares = [report["figures"][f"stage_{stage}_share"] for stage in STAGES]
    assert sum(shares) == pytest.approx(1.0)


def test_the_fast_path_gives_the_kernels_score() -> None:
    """On any rows, also those with missing, infinite and unknown values."""
    with bundle_folder() as folder:
        bundle = load_bundle(folder)
        model_text = (folder / "model.txt").read_text("utf-8")
    n_features = len(bundle.features.names)
    generator = np.random.default_rng(5)
    rows = generator.lognormal(1.0, 4.0, (500, n_features)) * generator.choice(
        [-1.0, 1.0, 0.0, np.nan, np.inf], (500, n_features), p=[0.1, 0.6, 0.1, 0.15, 0.05]
    )
    path = FastPath(model_text, n_features)
    try:
        scores = Floor(path, (), rows).raw_scores()
    finally:
        path.close()
    assert scores == bundle.scorer.score_many(rows).tolist()


def test_a_model_that_lightgbm_refuses_is_named() -> None:
    with pytest.raises(ArtifactError, match="LightGBM: "):
        FastPath("not a model", 3)


def test_two_models_that_disagree_are_not_timed() -> None:
    check_same_scores("a way", [0.5, -1.0], [0.5, -1.0])
    almost = float(np.nextafter(-1.0, 0.0))
    expected = f"Got {almost!r} instead of -1.0 for order 1"
    with pytest.raises(ArtifactError, match=re.escape(expected)):
        check_same_scores("a way", [0.5, almost], [0.5, -1.0])


def test_the_workload_is_the_same_for_the_same_seed() -> None:
    first, second = make_workload(20, 9), make_workload(20, 9)
    assert first == second
    assert first != make_workload(20, 10)


def test_outcomes_come_once_and_before_the_order_that_may_know_them() -> None:
    workload = make_workload(50, 4)
    seen = [outcome for place in range(50) for outcome in workload.known_before(place)]
    assert tuple(seen) == workload.outcomes[: len(seen)]
    assert len(seen) == workload.n_known[-1]
