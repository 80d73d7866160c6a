from typing import Any

import numpy as np
import pytest

from benchmarks import made_up_orders
from benchmarks.made_up_orders import N_FEATURES, make_up
from fraudkit.errors import ArtifactError
from fraudkit.scoring.trees.model_text import CATEGORICAL, parse_model_text
from tests.benchmarks.running import ran

LANES = ("score", "reasons", "c_fast", "booster", "pred_contrib")
STARTS = ("cold_start", "cold_start_uncached", "cold_start_read_only")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    sizes = {"rows": 30, "many": 3000, "rounds": 1, "starts": 1, "trees": 6, "seed": 3}
    return ran("scoring", *(f"--{name}={value}" for name, value in sizes.items()))


def test_it_prints_the_promised_figures(report: dict[str, Any]) -> None:
    expected = {f"{lane}_us_{part}" for lane in LANES for part in ("p50", "p90", "p99", "p99_9")}
    expected |= {f"{start}_{part}" for start in STARTS for part in ("s", "with_reasons_s")}
    expected |= {
        "single_speedup_over_booster",
        "single_over_c_fast",
        "reasons_over_score",
        "reasons_speedup_over_pred_contrib",
        "many_s",
        "many_booster_s",
        "many_speedup_over_booster",
    }
    assert set(report["figures"]) == expected
    context = report["context"]
    assert (context["trees"], context["leaves"], context["features"]) == (6, 63, 60)
    assert (context["n"], context["many_rows"], context["threads"]) == (30, 3000, 2)


def test_ratios_are_of_the_medians(report: dict[str, Any]) -> None:
    figures = report["figures"]
    p50 = {lane: figures[f"{lane}_us_p50"] for lane in LANES}
    assert figures["single_speedup_over_booster"] == p50["booster"] / p50["score"]
    assert figures["single_over_c_fast"] == p50["score"] / p50["c_fast"]
    assert figures["reasons_over_score"] == p50["reasons"] / p50["score"]
    assert figures["reasons_speedup_over_pred_contrib"] == p50["pred_contrib"] / p50["reasons"]
    assert figures["many_speedup_over_booster"] == figures["many_booster_s"] / figures["many_s"]


def test_reasons_come_after_the_score(report: dict[str, Any]) -> None:
    figures = report["figures"]
    for start in STARTS:
        assert figures[f"{start}_with_reasons_s"] > figures[f"{start}_s"]


def test_the_model_has_what_is_promised() -> None:
    made_up = make_up(100, 5, n_trees=4)
    trees, names = parse_model_text(made_up.model_text)
    assert (len(trees.roots), len(trees.value), len(names)) == (4, 4 * 63, 60)
    assert made_up.rows.shape == (100, N_FEATURES)
    assert made_up.reference.shape == (N_FEATURES,)
    assert np.isnan(made_up.rows).any()
    assert not np.isnan(made_up.reference).any()
    assert (trees.decision & CATEGORICAL).any()


def test_the_rows_are_the_same_for_the_same_seed() -> None:
    first, second = make_up(50, 5, n_trees=1), make_up(50, 5, n_trees=1)
    np.testing.assert_array_equal(first.rows, second.rows)
    assert first.model_text == second.model_text
    assert not np.array_equal(first.rows, make_up(50, 6, n_trees=1).rows, equal_nan=True)


def test_a_model_with_smaller_trees_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_up_orders, "_TRAINING_ROWS", 500)
    with pytest.raises(ArtifactError, match=r"must have 2 x 63 leaves, got \d+"):
        make_up(10, 5, n_trees=2)
