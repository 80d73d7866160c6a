"""The installed program: from nothing to an evaluation, with nothing but JSON on its output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from fraudkit.openmp import restart_with_openmp
from tests.cli.conftest import Table

PROGRAM = Path(sys.executable).with_name("fraudkit")


def fraudkit(folder: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *map(str, words)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def json_of(folder: Path, *words: object) -> dict[str, Any]:
    ran = fraudkit(folder, *words, "--json")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 1
    return msgspec.json.decode(ran.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("program")


def test_from_a_made_up_shop_to_what_its_scores_are_worth(folder: Path) -> None:
    made = json_of(folder, "simulate", "--orders", 4_000, "--seed", 4, "--out", "shop")
    assert made == {"orders": 4_000, "frauds": made["frauds"], "out": "shop"}
    mapping = folder / "shop" / "mapping.toml"
    text = mapping.read_text("utf-8")
    mapping.write_text(text.replace("delay_days = 60", "delay_days = 10"), "utf-8")
    data = ["--data", "shop/orders.ndjson", "--mapping", "shop/mapping.toml"]
    trained = json_of(folder, "train", *data, "--out", "bundle")
    assert trained["orders"] == trained["orders_with_known_label"] == 4_000
    scored = json_of(folder, "score", "--bundle", "bundle", *data, "--out", "scores.parquet")
    assert scored["bundle"] == trained["bundle"]
    assert scored["orders"] == sum(scored["actions"].values()) == 4_000
    found = json_of(folder, "evaluate", "--scores", "scores.parquet", *data)
    assert found["n_scored"] == found["n_label_known"] == 4_000
    assert found["auc"] > 0.8


def test_people_see_tables_on_output_and_progress_elsewhere(folder: Path, files: Table) -> None:
    path = folder / "orders.csv"
    path.write_text(
        "transaction_id,event_time,order.amount_minor,order.currency,colour\n"
        "t1,2026-01-01T00:00:00Z,1295,EUR,red\n"
        "t2,2026-01-01T00:00:00Z,-1,EUR,red\n"
    )
    ran = fraudkit(
        folder, "score", "--bundle", files.bundle, "--data", "orders.csv", "--out", "two.parquet"
    )
    assert ran.returncode == 0, ran.stderr
    assert "written to two.parquet" in ran.stdout
    assert "2 orders" in ran.stdout
    for words in ("scoring", "reading", "starting", "colour", "in error"):
        assert words not in ran.stdout
    assert "columns not used: colour" in ran.stderr
    assert "1 of 2 rows are in error" in ran.stderr
    assert "/order/amount_minor" in ran.stderr
    assert len(pl.read_parquet(folder / "two.parquet")) == 2


def test_an_error_is_one_message(folder: Path) -> None:
    ran = fraudkit(folder, "score", "--bundle", "absent", "--data", "x.csv", "--out", "x.parquet")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "error BundleError\n"
        "absent must be a bundle's folder or a file that names one; "
        "make one with `fraudkit train`\n"
    )


def test_help_names_every_command(folder: Path) -> None:
    ran = fraudkit(folder, "--help")
    assert ran.returncode == 0
    for name in ("train", "score", "evaluate", "simulate"):
        assert name in ran.stdout


def test_a_process_that_has_the_runtime_goes_on() -> None:
    # Where the runtime were not found this very process would be started anew.
    before = os.getpid()
    restart_with_openmp()
    assert os.getpid() == before
