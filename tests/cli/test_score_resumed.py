"""`fraudkit score`, stopped at some moment and started again: the file of a run in one go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from fraudkit import rescoring
from fraudkit.rescoring import PartsFolder
from tests.cli.conftest import ORDERS, Run, Table

BLOCK_ROWS = 90
N_PARTS = -(-ORDERS // BLOCK_ROWS)
PROGRAM = """
import os, signal, sys
from functools import partial
from fraudkit import rescoring
from fraudkit.cli import main

block_rows, stop_by, event, name = [sys.argv.pop(1) for _ in range(4)]
rescoring.PartsFolder = partial(rescoring.PartsFolder, block_rows=int(block_rows))

def stop(happening, details):
    if happening == event and str(details[1 if event == "os.rename" else 0]).endswith(name):
        os.kill(os.getpid(), int(stop_by))

sys.addaudithook(stop)
main()
"""
"""The command with small parts; it stops itself just before a file is moved or removed."""


@pytest.fixture
def words(files: Table, tmp_path: Path) -> list[str]:
    out = tmp_path / "scores.parquet"
    asked = ["--bundle", files.bundle, "--data", files.csv, "--mapping", files.mapping]
    return ["score", *map(str, asked), "--out", str(out)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescoring, "PartsFolder", partial(PartsFolder, block_rows=BLOCK_ROWS))


@pytest.fixture
def whole(run: Run, words: list[str], tmp_path: Path) -> bytes:
    """Return the bytes of the file of an uninterrupted run."""
    assert run(*words, "--json").json["resumed_parts"] == 0
    out = tmp_path / "scores.parquet"
    content = out.read_bytes()
    out.unlink()
    return content


def program(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        env={**os.environ, "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


MOMENTS = [
    ("os.rename", "manifest.json", 0),
    ("os.rename", "part-00004", 4),
    ("os.rename", "scores.parquet", N_PARTS),
]


@pytest.mark.parametrize(("event", "name", "n_resumed"), MOMENTS)
def test_a_killed_run_goes_on(
    run: Run, words: list[str], whole: bytes, tmp_path: Path,
    event: str, name: str, n_resumed: int,
) -> None:  # fmt: skip
    out = tmp_path / "scores.parquet"
    with program(BLOCK_ROWS, int(signal.SIGKILL), event, name, *words) as process:
        assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    assert out.with_name("scores.parquet.parts").is_dir()
    again = run(*words, "--json")
    assert again.json["resumed_parts"] == n_resumed
    assert ("continuing: " in again.err) == bool(n_resumed)
    assert out.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [out]


def test_a_run_killed_while_it_removes_its_parts_has_its_file(
    run: Run, words: list[str], whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    stopped = (BLOCK_ROWS, int(signal.SIGKILL), "os.remove", "part-00003")
    with program(*stopped, *words) as process:
        assert process.wait() == -signal.SIGKILL
    assert out.read_bytes() == whole
    assert out.with_name("scores.parquet.parts").is_dir()
    assert run(*words).status == 0
    assert out.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [out]


def test_a_run_killed_from_outside_whenever_it_is_goes_on(
    run: Run, words: list[str], whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    folder = out.with_name("scores.parquet.parts")
    with program(BLOCK_ROWS // 30, 0, "", "", *words) as process:
        while not (folder / "part-00002").exists() and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
    assert not out.exists()
    n_kept = len(list(folder.glob("part-?????")))
    assert n_kept > 2
    rescoring.PartsFolder.keywords["block_rows"] = BLOCK_ROWS // 30  # type: ignore[attr-defined]
    assert run(*words, "--json").json["resumed_parts"] == n_kept
    assert out.read_bytes() == whole


def test_who_interrupts_is_told_what_is_kept(
    run: Run, words: list[str], whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "scores.parquet"
    stopped = (BLOCK_ROWS, int(signal.SIGINT), "os.rename", "part-00003")
    with program(*stopped, *words) as process:
        shown, told = process.communicate()
    assert process.returncode
    assert shown == ""
    assert f"interrupted: 3 of {N_PARTS} parts are kept in {out}.parts; the same command" in told
    assert "Traceback" not in told
    again = run(*words)
    assert f"continuing: 3 of {N_PARTS} parts were there\n" in again.err
    assert out.read_bytes() == whole


@pytest.fixture
def interrupted(run: Run, words: list[str], tmp_path: Path) -> Path:
    """Return the folder of a run that was stopped when all parts were there."""
    (tmp_path / "scores.parquet").mkdir()
    assert run(*words).status == 2
    (tmp_path / "scores.parquet").rmdir()
    folder = tmp_path / "scores.parquet.parts"
    assert len(list(folder.glob("part-*"))) == N_PARTS
    return folder


def test_to_restart_begins_anew(run: Run, words: list[str], interrupted: Path) -> None:
    assert run(*words, "--restart", "--json").json["resumed_parts"] == 0
    assert not interrupted.exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_the_same_orders_in_another_file_are_the_same(
    run: Run, words: list[str], files: Table, interrupted: Path, suffix: str
) -> None:
    assert interrupted.exists()
    place = words.index("--data") + 1
    words[place] = str(files.folder / f"orders.{suffix}")
    assert run(*words, "--json").json["resumed_parts"] == N_PARTS


def test_other_orders_begin_anew(
    run: Run, words: list[str], files: Table, interrupted: Path, tmp_path: Path
) -> None:
    frame = pl.read_csv(files.csv)
    frame.with_columns(amount=pl.col("amount") + 0.01).write_csv(tmp_path / "orders.csv")
    words[words.index("--data") + 1] = str(tmp_path / "orders.csv")
    ran = run(*words)
    assert "starting anew: the parts that were there differ in orders" in ran.err
    assert "continuing" not in ran.err
    again = tmp_path / "again.parquet"
    assert run(*words[:-1], again).status == 0
    assert (tmp_path / "scores.parquet").read_bytes() == again.read_bytes()
    assert not interrupted.exists()


def test_a_second_run_to_the_same_file_is_refused(
    run: Run, words: list[str], interrupted: Path, tmp_path: Path
) -> None:
    with PartsFolder(tmp_path / "scores.parquet"):
        ran = run(*words)
    assert ran.status == 2
    assert "one process at a time must write scores.parquet, and another is at it" in ran.err
    assert "Traceback" not in ran.err
    assert interrupted.exists()
    assert run(*words, "--json").json["resumed_parts"] == N_PARTS
