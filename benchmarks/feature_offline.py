"""Feature rows of a whole file: ours against the same columns written by hand.

Two entities, windows of 1, 7 and 30 days, count and sum, on the payments of the Fraud Detection
Handbook. Every way takes the one frame in memory and returns a frame in the order of its rows;
ways that disagree are not timed. The default catalogue is timed on a simulated shop.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from benchmarks.feature_baselines import (
    DAY_MS,
    DAYS,
    ENTITIES,
    OPERATIONS,
    Way,
    column_name,
    has_duckdb,
    in_duckdb,
    in_polars,
)
from benchmarks.feature_stream import SimulatedShop
from benchmarks.harness import ROOT, Lane, do_nothing, percentile, take_turns
from fraudkit.domain.money import RateTable
from fraudkit.errors import ArtifactError
from fraudkit.features.offline import features_frame
from fraudkit.features.spec import Aggregation, Entity, FeatureSet
from fraudkit.mapping import Mapping, read_data

__all__ = [
    "HANDBOOK",
    "check_same_columns",
    "handbook_features",
    "measure_catalogue",
    "measure_handbook",
    "our_way",
    "read_handbook",
]

HANDBOOK: Final = "handbook_raw_2018-04-01_2018-09-04.parquet"
"""The file of payments, in the folder that ``FRAUDKIT_DATA`` names."""

_MAPPING: Final = ROOT / "docs" / "examples" / "handbook.toml"
_NO_OUTCOMES: Final = pl.DataFrame(
    schema={"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64}
)


def read_handbook(folder: Path, n_rows: int | None = None) -> tuple[pl.DataFrame, RateTable]:
    """Return the payments by time, as the mapping in ``docs/examples`` reads them."""
    mapping = Mapping.load(_MAPPING)
    frame = read_data([folder / HANDBOOK], mapping).frame.sort("event_time_ms", maintain_order=True)
    return (frame if n_rows is None else frame.head(n_rows)), mapping.rates


def handbook_features() -> FeatureSet:
    """Return the twelve windows, named as every way names its columns."""
    windows = [
        Aggregation(
            name=column_name(entity, operation, days),
            entity=entity,
            operation=operation,
            window_ms=days * DAY_MS,
            unit="",
            meaning="",
            reason_code="VELOCITY",
        )
        for entity in ENTITIES
        for operation in OPERATIONS
        for days in DAYS
    ]
    entities = [Entity(name=name, inputs=(path,)) for name, path in ENTITIES.items()]
    return FeatureSet(entities, windows)


def our_way(rates: RateTable) -> Way:
    """Return the library's own way."""
    features = handbook_features()
    return lambda frame: features_frame(frame, features, rates, _NO_OUTCOMES)


def measure_handbook(
    frame: pl.DataFrame, rates: RateTable, rounds: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the seconds of each way, and how many times longer the others take than ours."""
    others = in_polars() | (in_duckdb() if has_duckdb() else {})
    ways = {"ours": our_way(rates), **others}
    expected = ways["ours"](frame)
    for name, way in others.items():
        check_same_columns(name, way(frame), expected)
    first, seconds = _seconds(ways, frame, rounds, seed)
    figures = {f"offline_{name}_s": median for name, median in seconds.items()}
    figures |= {f"offline_{name}_first_s": median for name, median in first.items()}
    figures["offline_rows_per_s"] = len(frame) / seconds["ours"]
    for tool in ("polars", "duckdb"):
        theirs = [median for name, median in seconds.items() if name.startswith(tool)]
        if theirs:
            figures[f"offline_speedup_over_{tool}"] = min(theirs) / seconds["ours"]
    return figures, {"offline_rows": len(frame), "offline_ways": list(ways)}


def check_same_columns(way: str, found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Refuse to go on unless a way's columns equal the library's, row by row.

    Raises
    ------
    fraudkit.errors.ArtifactError
        Naming the first column that differs.
    """
    for name in expected.columns:
        theirs = found[name].cast(pl.Float64).to_numpy()
        if not np.array_equal(theirs, expected[name].to_numpy()):
            raise ArtifactError(
                f"{way} must give the windows of the library's kernel; column {name!r} differs. "
                "Ways that disagree are not timed"
            )


def measure_catalogue(
    shop: SimulatedShop, rounds: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return how fast the whole default catalogue is computed for a simulated shop's orders."""

    def catalogue(frame: pl.DataFrame) -> pl.DataFrame:
        return features_frame(frame, shop.features, shop.rates, shop.data.outcomes)

    frame = shop.data.frame
    seconds = _seconds({"catalogue": catalogue}, frame, rounds, seed)[1]["catalogue"]
    return {"offline_catalogue_rows_per_s": len(frame) / seconds}, {"catalogue_rows": len(frame)}


def _seconds(
    ways: dict[str, Way], frame: pl.DataFrame, rounds: int, seed: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return each way's median when its turn begins, and that of the run after.

    The first run of a turn has its memory from the operating system, which takes it back while
    other ways have theirs.
    """
    lanes = {
        name: Lane(partial(_ignoring_place, way, frame), do_nothing) for name, way in ways.items()
    }
    generator = np.random.default_rng(seed)
    taken = take_turns(lanes, range(2 * rounds), block=2, generator=generator)
    first, again = (
        {name: percentile(sorted(times[which::2]), 0.5) / 1e9 for name, times in taken.items()}
        for which in (0, 1)
    )
    return first, again


def _ignoring_place(way: Way, frame: pl.DataFrame, _place: int) -> pl.DataFrame:
    return way(frame)
