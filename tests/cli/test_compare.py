"""`fraudkit compare` and `score --against`: what the library says, of whatever is given."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest

from fraudkit.backtest import backtest_scores, decide_again
from fraudkit.cli.reading import last_known_ms
from fraudkit.decisions.policy import Policy, policy_toml
from fraudkit.decisions.segments import CutOffs
from fraudkit.evaluation import read_scores
from fraudkit.mapping import Mapping, read_data
from tests.cli.conftest import ORDERS, Run, Table

LOOSE, STRICT = (Policy(cut_offs=CutOffs(decline_from=from_)) for from_ in (0.5, 0.02))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two policies."""
    folder = tmp_path_factory.mktemp("compare")
    for name, policy in (("loose", LOOSE), ("strict", STRICT)):
        (folder / f"{name}.toml").write_text(policy_toml(policy), "utf-8")
    return folder


@pytest.fixture
def scores(run: Run, files: Table, folder: Path) -> Path:
    out = folder / "scores.parquet"
    if not out.exists():
        words = ["--data", files.csv, "--mapping", files.mapping, "--out", out, "--json"]
        assert run("score", "--bundle", files.bundle, *words).status == 0
    return out


@pytest.fixture
def data(files: Table) -> list[object]:
    return ["--data", files.csv, "--mapping", files.mapping]


def test_two_policies_are_compared_as_by_the_library(
    run: Run, files: Table, folder: Path, scores: Path, data: list[object]
) -> None:
    words = ["compare", folder / "loose.toml", folder / "strict.toml", "--scores", scores, *data]
    ran = run(*words, "--json")
    assert (ran.status, ran.err, ran.out.count("\n")) == (0, "", 1)
    columns = Mapping.load(files.mapping)
    read = read_data([files.csv], columns)
    frame, _policy = read_scores(scores)
    found = backtest_scores(
        *(decide_again(frame, policy, read, columns.rates) for policy in (LOOSE, STRICT)),
        read,
        columns.rates,
        STRICT,
        as_of_ms=last_known_ms(read, columns),
        label_delay_days=columns.delay_days,
        names=("loose", "strict"),
    )
    assert found.difference.n_moved > 10
    assert ran.json == msgspec.json.decode(msgspec.json.encode(found.plain()))
    shown = run(*words)
    assert shown.status == 0
    for told in ("strict in the place of loose", "What it is worth", "Orders to open", "bounds"):
        assert told in shown.out


def test_two_files_of_scores_are_compared(
    run: Run, folder: Path, scores: Path, data: list[object]
) -> None:
    same = run("compare", scores, scores, *data, "--json")
    assert same.status == 0
    assert same.json["difference"]["n_moved"] == 0
    assert same.json["old"] != same.json["new"]
    other = folder / "other.parquet"
    frame = pl.read_parquet(scores).with_columns(action=pl.lit("decline"))
    frame.write_parquet(other, metadata=pl.read_parquet_metadata(scores))
    found = run("compare", scores, other, *data, "--json").json
    declined = [c["n_orders"] for c in found["matrix"] if c["new_action"] == "decline"]
    assert sum(declined) == found["n_orders"] == ORDERS


def test_a_bundle_beside_its_own_scores_and_its_own_policy_moves_nothing(
    run: Run, files: Table, scores: Path, data: list[object], tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(policy_toml(read_scores(scores)[1]), "utf-8")
    for sides in ((files.bundle, scores), (scores, own), (own, files.bundle)):
        found = run("compare", *sides, *data, "--json").json
        assert found["n_orders"] == ORDERS
        assert found["difference"]["n_moved"] == 0
        assert found["difference"]["cost_minor"]["value"] == 0.0


def test_what_is_asked_for_is_told(
    run: Run, folder: Path, scores: Path, data: list[object]
) -> None:
    words = ["compare", folder / "loose.toml", folder / "strict.toml", "--scores", scores, *data]
    found = run(
        *words, "--by", "entities.terminal", "--by", "amount_band", "--examples", 3,
        "--as-of", "2026-02-01T00:00:00Z", "--json",
    ).json  # fmt: skip
    dimensions = {group["dimension"] for group in found["groups"]}
    assert dimensions == {"entities.terminal", "amount_band"}
    assert len(found["examples"]) == 3
    assert found["n_too_young"] > 0
    assert run(*words, "--json").json["n_too_young"] < found["n_too_young"]


def test_scores_are_held_against_earlier_ones(
    run: Run, files: Table, scores: Path, data: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "later.parquet"
    words = ["score", "--bundle", files.bundle, *data, "--out", out, "--against", scores]
    ran = run(*words, "--json")
    assert ran.status == 0
    assert ran.json["orders"] == ORDERS
    assert ran.json["against"] == run("compare", scores, out, *data, "--json").json
    shown = run(*words)
    assert "later in the place of scores" in shown.out
    assert f"written to {out}" in shown.out


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        (("loose.toml", "strict.toml"), "two policies need --scores"),
        (("absent.toml", "scores.parquet"), "must be a readable policy file"),
        (("scores.parquet", "absent.parquet"), "must be a readable Parquet file"),
        (("scores.parquet", "absent"), "make one with `fraudkit train`"),
    ],
)
def test_what_cannot_be_compared_is_told(
    run: Run, folder: Path, scores: Path, data: list[object], sides: tuple[str, str], told: str
) -> None:
    assert scores.exists()
    ran = run("compare", *(folder / name for name in sides), *data)
    assert (ran.status, ran.out) == (2, "")
    assert told in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


def test_scores_without_a_policy_are_not_taken(
    run: Run, scores: Path, data: list[object], tmp_path: Path
) -> None:
    ran = run("compare", scores, scores, "--scores", scores, *data)
    assert ran.status == 2
    assert "leave it out without one" in " ".join(ran.err.split())
    absent = run(
        "score", "--bundle", "x", *data, "--out", tmp_path / "s.parquet", "--against", tmp_path
    )
    assert absent.status == 2
    assert not (tmp_path / "s.parquet").exists()
