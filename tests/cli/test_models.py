"""The commands about the registry, as a person types them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from fraudkit.scoring.bundle import load_bundle
from tests.cli.conftest import Run, Table


@pytest.fixture
def models(run: Run, files: Table, tmp_path: Path) -> Path:
    """Make a registry with the bundle of `files` under the name first and under its version."""
    shutil.copytree(files.bundle, tmp_path / "models" / "first")
    assert run("models", "add", files.bundle, "--models", tmp_path / "models").status == 0
    return tmp_path / "models"


def test_a_bundle_is_added_promoted_and_rolled_back(run: Run, models: Path, files: Table) -> None:
    version = load_bundle(files.bundle).version

    def json(*words: str) -> Any:
        ran = run("models", *words, "--models", models, "--json")
        assert ran.status == 0, ran.err
        return ran.json

    by = ("--by", "ann", "--why", "[/b] better")
    assert [entry["name"] for entry in json("list")] == sorted([version, "first"])
    first = json("promote", "first", *by)
    assert first["change"]["from_bundle"] is None
    assert abs(first["change"]["at_ms"] - 1.8e12) < 1e12
    assert json("promote", "first", *by) == {"bundle": "first", "change": None}
    assert json("promote", version, *by)["change"]["from_bundle"] == "first"
    assert (models / "current").read_text() == f"{version}\n"
    assert json("verify") == {"version": version, "signed_by": None}
    assert json("rollback", "--by", "bob")["bundle"] == "first"
    assert [change["by"] for change in json("history")] == ["ann", "ann", "bob"]
    shown = json("show")
    assert shown["version"] == version
    assert shown["training"] == load_bundle(files.bundle).training
    assert json("diff", "first", str(files.bundle))["sections"]["policy"] == {}


def test_a_bundle_elsewhere_is_added_and_promoted_in_one_step(
    run: Run, tmp_path: Path, files: Table
) -> None:
    models, version = tmp_path / "none-yet", load_bundle(files.bundle).version
    ran = run("models", "promote", files.bundle, "--by", "ann", "--models", models, "--json")
    assert (ran.status, ran.json["bundle"]) == (0, version)
    assert (models / "current").read_text() == f"{version}\n"
    assert load_bundle(models / version).version == version


def test_people_see_tables(run: Run, models: Path, files: Table) -> None:
    run("models", "promote", "first", "--by", "ann", "--why", "[/b] \x1b[2J", "--models", models)
    (models / load_bundle(files.bundle).version / "card.md").unlink()
    ran = run("models", "list", "--models", models)
    assert "first" in ran.out
    assert "refused" in ran.out
    assert "card.md must be readable" in ran.err
    assert "[/b]" in run("models", "history", "--models", models).out
    assert "\x1b[2J" not in run("models", "history", "--models", models).out
    assert "# Model card" in run("models", "show", "--models", models).out
    assert "nothing differs" in run("models", "diff", "first", "current", "--models", models).out
    assert (
        "is in force already"
        in run("models", "promote", "first", "--by", "ann", "--models", models).out
    )


def test_signed_bundles_are_asked_for(run: Run, models: Path, tmp_path: Path) -> None:
    secret, public = tmp_path / "secret.pem", tmp_path / "public.pem"
    made = run("models", "keygen", "--private", secret, "--public", public, "--json").json
    asked = ("--models", models, "--trusted-keys", public)
    refused = run("models", "promote", "first", "--by", "ann", *asked)
    assert refused.status == 2
    assert refused.err.startswith("error BundleError\n")
    assert "only signed bundles are taken" in refused.err
    signed = run("models", "sign", "first", "--key", secret, "--models", models, "--json")
    assert signed.json == {"signed_by": made["key"]}
    assert run("models", "promote", "first", "--by", "ann", *asked).status == 0
    assert f"by {made['key']}" in run("models", "verify", *asked).out


@pytest.mark.parametrize("name", ["absent", "x" * 300])
@pytest.mark.parametrize("words", [["list"], ["show"], ["promote", "a", "--by", "b"], ["history"]])
def test_a_registry_that_is_not_there_is_told_in_a_line(
    run: Run, tmp_path: Path, words: list[str], name: str
) -> None:
    ran = run("models", *words, "--models", tmp_path / name)
    assert (ran.status, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert str(tmp_path / name) in ran.err
    assert list(tmp_path.iterdir()) == []
