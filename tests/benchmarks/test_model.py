from pathlib import Path

import pytest

from benchmarks import model
from fraudkit.scoring.bundle import load_bundle


def test_without_a_current_bundle_one_is_made_for_as_long_as_it_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(model, "CURRENT", tmp_path / "missing")
    with model.bundle_folder() as folder:
        bundle = load_bundle(folder)
        assert bundle.scorer.n_trees == 100
    assert not folder.exists()


def test_the_current_bundle_is_used_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    current = tmp_path / "current"
    current.write_text("of-today\n")
    monkeypatch.setattr(model, "CURRENT", current)
    with model.bundle_folder() as folder:
        assert folder == tmp_path / "of-today"
