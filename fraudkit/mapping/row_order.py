"""Rows that share an event time, told apart by the order in which they stand.

Invariant: afterwards every row is later than the row before it, and in the same quarter of an
hour as it was.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from fraudkit.errors import MappingError

__all__ = ["in_row_order"]

_MS_PER_MINUTE: Final = 60_000
_MS_PER_QUARTER: Final = 15 * _MS_PER_MINUTE
_SETTING: Final = '[mapping] equal_times = "in_row_order"'
_FIX: Final = 'or set equal_times = "together"'


def in_row_order(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """Return rows whose event times say in which order they came.

    Of the rows at one event time the first keeps it and each later one gets a millisecond more
    than the row before it. What comes out is the local hour that it was: offsets of time zones
    are whole quarters of an hour, and no row leaves its quarter.

    Parameters
    ----------
    frame : polars.DataFrame
        ``row`` (Int64), ``event_time_ms`` (Int64, UTC) and ``utc_offset_minutes`` (Int32, null
        as 0), in the order in which the orders came; other columns stay as they are.
    source : str
        Where the mapping came from, for messages.

    Raises
    ------
    MappingError
        If a row is earlier than the row before it, or more rows share an event time than there
        are milliseconds until the next later one or the end of the quarter of an hour.

    Examples
    --------
    >>> hour = 1_767_225_600_000
    >>> frame = pl.DataFrame(
    ...     {"row": [0, 1, 2], "event_time_ms": [hour, hour, hour + 3_600_000],
    ...      "utc_offset_minutes": [60, 60, 60]}
    ... )
    >>> (in_row_order(frame, "mapping.toml")["event_time_ms"] - hour).to_list()
    [0, 1, 3600000]
    """
    told_ms = frame["event_time_ms"]
    earlier = (told_ms.diff() < 0).arg_true()
    if not earlier.is_empty():
        raise MappingError(f"{source} does not fit the rows:\n  {_unsorted(frame, earlier[0])}")
    moved = frame.with_columns(
        event_time_ms=pl.col("event_time_ms") + pl.int_range(pl.len()).over("event_time_ms")
    )
    offset_ms = frame["utc_offset_minutes"].fill_null(0).cast(pl.Int64) * _MS_PER_MINUTE
    moved_ms = moved["event_time_ms"]
    meets_next = (moved_ms.shift(-1) <= moved_ms).fill_null(value=False)
    in_quarter = (moved_ms + offset_ms) // _MS_PER_QUARTER == (told_ms + offset_ms) // (
        _MS_PER_QUARTER
    )
    crowded = (meets_next | ~in_quarter).arg_true()
    if not crowded.is_empty():
        raise MappingError(f"{source} does not fit the rows:\n  {_crowded(frame, crowded[0])}")
    return moved


def _unsorted(frame: pl.DataFrame, index: int) -> str:
    rows, times = (frame[name].slice(index - 1, 2) for name in ("row", "event_time_ms"))
    return (
        f"{_SETTING}: expected rows in the order of their event times, got row {rows[1]} at "
        f"{_shown(times[1])} after row {rows[0]} at {_shown(times[0])}; sort the rows as the "
        f"orders came, {_FIX}"
    )


def _crowded(frame: pl.DataFrame, index: int) -> str:
    told_ms = frame["event_time_ms"]
    shared_ms = told_ms[index]
    sharing = frame.filter(pl.col("event_time_ms") == shared_ms)
    later = told_ms.filter(told_ms > shared_ms)
    until = "" if later.is_empty() else f" or the next later time, {_shown(later[0])}"
    return (
        f"{_SETTING}: expected no more rows at one time than there are milliseconds until the "
        f"end of its quarter of an hour{until}, got {sharing.height} rows at {_shown(shared_ms)}, "
        f"the first of them row {sharing['row'][0]}; give times to the millisecond, {_FIX}"
    )


def _shown(time_ms: int) -> str:
    whole, rest = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
