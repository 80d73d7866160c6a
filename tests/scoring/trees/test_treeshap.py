"""TreeSHAP beside our values: LightGBM's own, of the model that the bundle holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from fraudkit.errors import BundleError
from fraudkit.scoring.bundle import load_bundle
from fraudkit.scoring.trees.treeshap import TreeShap
from tests.architecture.files import ROOT

DEMO = ROOT / "models" / "demo"


def test_the_values_are_lightgbms_and_sum_to_the_score() -> None:
    bundle = load_bundle(DEMO)
    values = TreeShap(bundle, ROOT / "models" / "current")(bundle.reference)
    booster = lightgbm.Booster(model_file=DEMO / "model.txt")
    assert np.array_equal(values, booster.predict(bundle.reference[None], pred_contrib=True)[0])
    assert values.sum() == pytest.approx(bundle.scorer.reference_score, abs=1e-9)


def test_another_text_than_the_bundles_is_refused(tmp_path: Path) -> None:
    bundle = load_bundle(DEMO)
    shutil.copytree(DEMO, tmp_path / "other")
    with (tmp_path / "other" / "model.txt").open("ab") as model:
        model.write(b"\n")
    with pytest.raises(BundleError, match="is not the model of bundle"):
        TreeShap(bundle, tmp_path / "other")
    (tmp_path / "other" / "model.txt").unlink()
    with pytest.raises(BundleError, match="must be readable"):
        TreeShap(bundle, tmp_path / "other")
