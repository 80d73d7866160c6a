"""The commands about policies, as a person types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fraudkit.scoring.bundle import load_bundle
from tests.cli.conftest import Run, Table

GUARDED = "[guardrails]\nrate_move_max = 0.05\n"
DECLINE_MOST = "[cut_offs]\ndecline_from = 0.01\n"


@pytest.fixture
def models(run: Run, files: Table, tmp_path: Path) -> Path:
    """Make a registry in which the bundle of `files` is in force."""
    folder = tmp_path / "models"
    version = run("models", "add", files.bundle, "--models", folder, "--json").json["bundle"]
    run("models", "promote", version, "--by", "ann", "--models", folder)
    return folder


@pytest.fixture(scope="module")
def scores(files: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fraudkit.mapping import Mapping, read_data
    from fraudkit.rescoring import score_data, write_scores

    bundle = load_bundle(files.bundle)
    path = tmp_path_factory.mktemp("scores") / "scores.parquet"
    made = score_data(bundle, read_data([files.csv], Mapping.load(files.mapping)))
    write_scores(path, made, made_by=bundle.version)
    return path


def written(folder: Path, text: str, name: str = "new.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_policy_is_checked(run: Run, tmp_path: Path) -> None:
    segment = '[[segments]]\nname = "de"\nwhen = {"billing.country" = ["DE"]}\n'
    file = written(tmp_path, f"[costs]\nmargin_share = 0.2\n{segment}never_decline = true\n")
    found = run("policy", "check", file, "--json").json
    assert found["figures"]["costs.margin_share"] == 0.2
    assert found["figures"]["segments.de.never_decline"] is True
    rows = [row for row in found["thresholds"] if row["amount_minor"] == 10_000]
    assert [(row["segment"], row["can_challenge"]) for row in rows] == [
        *((None, True), (None, False), ("de", True), ("de", False)),
    ]
    taken = [{of["action"] for of in row["ranges"]} for row in rows]
    assert ["decline" in actions for actions in taken] == [True, True, False, False]
    shown = run("policy", "check", file)
    assert shown.status == 0
    assert "holds; policy" in shown.out
    assert "never" in shown.out
    refused = run("policy", "check", written(tmp_path, "[costs]\nmargin_share = 2.0\n"))
    assert (refused.status, refused.out) == (2, "")
    assert "new.toml: /costs/margin_share" in refused.err


def test_two_policies_are_compared(run: Run, models: Path, tmp_path: Path) -> None:
    in_force = load_bundle(models / "current").policy_text
    same = written(tmp_path, "# a comment\n" + in_force, "same.toml")
    other = written(tmp_path, in_force + "[constraints]\nreviews_per_day = 7\n", "other.toml")
    where = ("--models", models)
    assert run("policy", "diff", "current", same, *where, "--json").json == {}
    assert "nothing differs" in run("policy", "diff", same, "current", *where).out
    found = run("policy", "diff", models / "current", other, *where, "--json").json
    assert found == {"constraints.reviews_per_day": [None, 7]}
    assert "reviews_per_day" in run("policy", "diff", same, other).out


def test_a_policy_is_promoted_overridden_and_rolled_back(
    run: Run, models: Path, scores: Path, files: Table, tmp_path: Path
) -> None:
    recent = ("--scores", scores, "--data", files.csv, "--mapping", files.mapping)
    where = ("--models", models, "--by", "bob")

    def promote(text: str, *words: object) -> Any:
        return run("policy", "promote", written(tmp_path, text), *recent, *where, *words)

    first = load_bundle(models / "current")
    kept = promote(first.policy_text + GUARDED, "--why", "guard it", "--json")
    assert kept.status == 0
    assert (kept.json["checks"]["n_moved"], kept.json["checks"]["failed"]) == (0, [])
    assert kept.json["differences"]["guardrails.rate_move_max"] == [None, 0.05]
    refused = promote(DECLINE_MOST + GUARDED)
    assert refused.status == 2
    assert refused.err.startswith("error GuardrailError\n")
    assert "(rate_move_max)" in refused.err
    before = load_bundle(models / "current").version
    forced = promote(DECLINE_MOST + GUARDED, "--override", "[b] attack")
    assert forced.status == 0
    for shown in ("[b] attack", "orders move", "cost +", "is in force"):
        assert shown in forced.out
    assert "not kept: the share" in forced.err
    held = run("models", "history", *where[:2], "--json").json[-1]
    assert (held["by"], held["override"]) == ("bob", "[b] attack")
    assert held["checks"]["rate_move"] > 0.05
    assert "[b] attack" in run("models", "history", *where[:2]).out
    assert load_bundle(models / "current").policy_text == DECLINE_MOST + GUARDED
    assert promote(DECLINE_MOST + GUARDED, "--json").json["change"] is None
    run("models", "rollback", *where)
    assert load_bundle(models / "current").version == before


def test_a_new_bundle_is_signed(run: Run, models: Path, tmp_path: Path) -> None:
    secret, public = tmp_path / "secret.pem", tmp_path / "public.pem"
    run("models", "keygen", "--private", secret, "--public", public)
    run("models", "sign", "current", "--key", secret, "--models", models)
    asked = (
        *("policy", "promote", written(tmp_path, DECLINE_MOST), "--by", "bob"),
        *("--models", models, "--trusted-keys", public),
    )
    refused = run(*asked)
    assert refused.status == 2
    assert "--key must be given with --trusted-keys" in refused.err
    assert run(*asked, "--key", secret).status == 0
    verified = run("models", "verify", "--models", models, "--trusted-keys", public, "--json")
    assert verified.json["signed_by"] is not None


@pytest.mark.parametrize("given", ["--scores", "--data"])
def test_scores_without_their_orders_are_refused(
    run: Run, models: Path, files: Table, tmp_path: Path, given: str
) -> None:
    file = written(tmp_path, GUARDED)
    ran = run("policy", "promote", file, given, files.csv, "--by", "bob", "--models", models)
    assert (ran.status, ran.out) == (2, "")
    assert "--scores and --data must be given together" in ran.err
