"""The windows that `benchmarks.feature_offline` times, written by hand in polars and in DuckDB.

Invariant: every way takes a frame ordered by time and returns a frame in the order of its rows,
with the columns that `column_name` names.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl

__all__ = [
    "DAYS",
    "DAY_MS",
    "ENTITIES",
    "OPERATIONS",
    "Way",
    "column_name",
    "has_duckdb",
    "in_duckdb",
    "in_polars",
]

Way = Callable[[pl.DataFrame], pl.DataFrame]
"""From a frame of payments to the columns."""

DAY_MS: Final = 86_400_000
DAYS: Final = (1, 7, 30)
OPERATIONS: Final = ("count", "sum")
ENTITIES: Final = {"customer": "account.user_id", "terminal": "entities.terminal"}
"""Entity → the column of its ids."""


def column_name(entity: str, operation: str, days: int) -> str:
    """Return the column of a window.

    Examples
    --------
    >>> column_name("terminal", "sum", 7)
    'terminal_sum_7d'
    """
    return f"{entity}_{operation}_{days}d"


def in_polars() -> dict[str, Way]:
    """Return the two fastest ways that were found: ``over`` an entity, and grouped by it."""
    return {"polars_over": _polars_over, "polars_grouped": _polars_grouped}


def _polars_over(frame: pl.DataFrame) -> pl.DataFrame:
    return _with_time(frame).select(
        _rolling(operation, days)
        .over(path)
        .fill_null(0)
        .alias(column_name(entity, operation, days))
        for entity, path in ENTITIES.items()
        for operation in OPERATIONS
        for days in DAYS
    )


def _polars_grouped(frame: pl.DataFrame) -> pl.DataFrame:
    timed = _with_time(frame).with_row_index("row")
    parts = []
    for entity, path in ENTITIES.items():
        columns = [
            _rolling(operation, days).fill_null(0).alias(column_name(entity, operation, days))
            for operation in OPERATIONS
            for days in DAYS
        ]
        listed = timed.group_by(path).agg("row", *columns).drop(path)
        listed = listed.explode(listed.columns)
        place = np.empty(len(listed), np.uint32)
        place[listed["row"].to_numpy()] = np.arange(len(listed), dtype=np.uint32)
        parts.append(listed.drop("row")[place])
    return pl.concat(parts, how="horizontal")


def _with_time(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        *ENTITIES.values(),
        pl.lit(1, pl.Int32).alias("count"),
        pl.col("order.amount_minor").alias("sum"),
        pl.col("event_time_ms").cast(pl.Datetime("ms")).alias("time"),
    )


def _rolling(operation: str, days: int) -> pl.Expr:
    return pl.col(operation).rolling_sum_by("time", f"{days * DAY_MS}ms", closed="left")


def has_duckdb() -> bool:
    """Return whether DuckDB is installed, and pyarrow, by which it takes a frame."""
    return all(importlib.util.find_spec(name) is not None for name in ("duckdb", "pyarrow"))


def in_duckdb() -> dict[str, Way]:
    """Return range windows that leave ties out in two ways: by their end, and by exclusion."""
    return {
        "duckdb_ending_before": _duckdb("1 PRECEDING"),
        "duckdb_excluding_ties": _duckdb("CURRENT ROW EXCLUDE GROUP"),
    }


def _duckdb(end: str) -> Way:
    connection = importlib.import_module("duckdb").connect()
    windows, columns = [], []
    for entity, path in ENTITIES.items():
        for days in DAYS:
            window = f"{entity}_{days}"
            windows.append(
                f'{window} AS (PARTITION BY "{path}" ORDER BY event_time_ms '
                f"RANGE BETWEEN {days * DAY_MS} PRECEDING AND {end})"
            )
            count, total = (column_name(entity, operation, days) for operation in OPERATIONS)
            columns.append(f"count(*) OVER {window} AS {count}")
            columns.append(f'coalesce(sum("order.amount_minor") OVER {window}, 0) AS {total}')
    query = f"SELECT {', '.join(columns)} FROM payments WINDOW {', '.join(windows)} ORDER BY place"  # noqa: S608 - names of our own

    def run(frame: pl.DataFrame) -> pl.DataFrame:
        connection.register("payments", frame.with_row_index("place"))
        return pl.DataFrame(connection.sql(query).to_arrow_table())

    return run
