"""The command line as a person types it, and a small table with its mapping and bundle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from fraudkit import console
from fraudkit.cli import main
from tests.training.table import table, write_mapping

ORDERS = 800


class Ran(NamedTuple):
    """What a command gave back."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return msgspec.json.decode(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return the function that runs `fraudkit` with the given words, in this process."""
    for shown in (console.out, console.err):
        monkeypatch.setattr(shown, "_width", 200)

    def run_command(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["fraudkit", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ran(int(ended.value.code or 0), *capfd.readouterr())

    return run_command


class Table(NamedTuple):
    """A shop's table in its three formats, its mapping, and a bundle trained on it."""

    folder: Path
    mapping: Path
    bundle: Path

    @property
    def csv(self) -> Path:
        return self.folder / "orders.csv"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("table")
    frame = table(ORDERS)
    frame.write_csv(folder / "orders.csv")
    frame.write_parquet(folder / "orders.parquet")
    frame.write_ndjson(folder / "orders.ndjson")
    made = Table(folder, write_mapping(folder), folder / "bundle")
    words = ["train", "--data", made.csv, "--mapping", made.mapping, "--out", made.bundle]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fraudkit", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return made
