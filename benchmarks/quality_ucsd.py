"""UCSD/FICO orders by the ordinary commands: train on 60,000 rows, score the 20,000 after them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl

from benchmarks.commands import run_fraudkit

__all__ = ["ucsd"]

_FILE: Final = "ucsd_fico_task2_first80k.parquet"
_MAPPING: Final = Path(__file__).parents[1] / "docs" / "examples" / "ucsd.toml"
_TRAINED: Final = 60_000
_DELAY_LINE: Final = "delay_days = 1"
_DELAYS_DAYS: Final = (1, 7)


def ucsd(folder: Path, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures of both label delays, and the settings that were chosen."""
    orders = pl.read_parquet(folder / _FILE)
    figures: dict[str, float] = {}
    settings: dict[str, Any] = {}
    with TemporaryDirectory() as made:
        place = Path(made)
        orders[:_TRAINED].write_parquet(place / "earlier.parquet")
        orders[_TRAINED:].write_parquet(place / "later.parquet")
        for delay_days in _DELAYS_DAYS:
            trained, found = _run(place, delay_days, seed)
            settings[f"{delay_days}d"] = trained["settings"]
            by_count = found["by_count"]
            for name, held in (("auc", by_count["auc"]), ("ap", by_count["average_precision"])):
                figures |= _with_interval(f"ucsd_{delay_days}d_{name}", held)
            if delay_days == _DELAYS_DAYS[0]:
                slope = by_count["calibration_slope"]
                figures |= _with_interval("ucsd_calibration_slope", slope)
    return figures, settings


def _with_interval(name: str, held: dict[str, float]) -> dict[str, float]:
    return {name: held["value"], f"{name}_low": held["low"], f"{name}_high": held["high"]}


def _run(folder: Path, delay_days: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    text = _MAPPING.read_text("utf-8")
    if text.count(_DELAY_LINE) != 1:
        raise ValueError(f"{_MAPPING} must say {_DELAY_LINE!r} once")
    mapping = folder / f"mapping_{delay_days}.toml"
    mapping.write_text(text.replace(_DELAY_LINE, f"delay_days = {delay_days}"), "utf-8")
    columns = ("--mapping", mapping)
    bundle, scores = folder / f"bundle_{delay_days}", folder / f"scores_{delay_days}.parquet"
    earlier, later = folder / "earlier.parquet", folder / "later.parquet"
    trained = run_fraudkit("train", "--data", earlier, *columns, "--seed", seed, "--out", bundle)
    run_fraudkit("score", "--bundle", bundle, "--data", later, "--history", earlier, *columns,
              "--out", scores)  # fmt: skip
    return trained, run_fraudkit("evaluate", "--scores", scores, "--data", later, *columns)
