"""Two public data sets, from the command line alone, with the mappings in ``docs/examples``.

They are not part of the project: ``FRAUDKIT_DATA`` names the folder that holds them. The larger
one takes minutes and is only run with ``FRAUDKIT_SLOW=1``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PROGRAM = Path(sys.executable).with_name("fraudkit")
DATA = os.environ.get("FRAUDKIT_DATA")
UCSD = "ucsd_fico_task2_first80k.parquet"
HANDBOOK = "handbook_raw_2018-04-01_2018-09-04.parquet"

needs_data = pytest.mark.skipif(
    DATA is None, reason="FRAUDKIT_DATA names no folder with the public data sets"
)
needs_time = pytest.mark.skipif(
    os.environ.get("FRAUDKIT_SLOW") != "1", reason="takes minutes; set FRAUDKIT_SLOW=1"
)


def fraudkit(folder: Path, *words: object) -> dict[str, Any]:
    ran = subprocess.run(
        [PROGRAM, *map(str, words), "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return msgspec.json.decode(ran.stdout)


def trained_and_evaluated(
    folder: Path, mapping: Path, *, train: pl.DataFrame, history: pl.DataFrame, later: pl.DataFrame
) -> dict[str, Any]:
    for name, part in (("train", train), ("history", history), ("later", later)):
        part.write_parquet(folder / f"{name}.parquet")
    columns = ["--mapping", mapping]
    fraudkit(folder, "train", "--data", "train.parquet", *columns, "--out", "bundle")
    fraudkit(
        folder, "score", "--bundle", "bundle", "--data", "later.parquet",
        "--history", "history.parquet", *columns, "--out", "scores.parquet",
    )  # fmt: skip
    return fraudkit(
        folder, "evaluate", "--scores", "scores.parquet", "--data", "later.parquet", *columns
    )


def read(name: str) -> pl.DataFrame:
    assert DATA is not None
    return pl.read_parquet(Path(DATA) / name)


@needs_data
def test_ucsd(tmp_path: Path) -> None:
    orders = read(UCSD)
    found = trained_and_evaluated(
        tmp_path, EXAMPLES / "ucsd.toml",
        train=orders[:60_000], history=orders[:60_000], later=orders[60_000:80_000],
    )  # fmt: skip
    assert found["n_scored"] == found["n_label_known"] == 20_000
    assert found["average_precision"] >= 0.45


@needs_data
@needs_time
@pytest.mark.timeout(1800)
def test_handbook(tmp_path: Path) -> None:
    orders = read(HANDBOOK)
    day = orders["TX_DATETIME"].cast(pl.Date)
    first, last = date(2018, 8, 8), date(2018, 8, 14)
    found = trained_and_evaluated(
        tmp_path, EXAMPLES / "handbook.toml",
        train=orders.filter(day <= date(2018, 7, 31)),
        history=orders.filter(day < first),
        later=orders.filter(day.is_between(first, last)),
    )  # fmt: skip
    assert found["label_known_share"] == 1.0
    assert found["auc"] >= 0.85
