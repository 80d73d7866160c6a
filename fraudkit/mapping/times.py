"""Columns of times as UTC milliseconds and the offset of local time.

Invariant: a local time that the clocks skip or repeat is read as its earliest instant; no time
is guessed a zone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from fraudkit.domain.transaction import epoch_ms
from fraudkit.mapping.checking import DoesNotFit, Fault, unreadable_faults
from fraudkit.mapping.vocabulary import Field

__all__ = ["RFC_3339", "as_times", "offset_minutes"]

RFC_3339: Final = "an RFC 3339 time with an offset"
_SET_ZONE: Final = 'set time_zone = "UTC" (or the shop\'s own zone) in [mapping]'
_SET_FORMAT: Final = 'set time_format in [mapping]: "%d/%m/%Y %H:%M", "epoch_s" or "epoch_ms"'
_UNITS_PER_MS: Final = {"ms": 1, "us": 1_000, "ns": 1_000_000}
_EPOCH_MS_MAX: Final = 10**14  # the year 5138; beyond, the unit is wrong
_MS_PER_EPOCH_UNIT: Final = {"epoch_s": 1_000, "epoch_ms": 1}


def as_times(
    series: pl.Series, field: Field, time_zone: str | None, time_format: str | None
) -> tuple[pl.DataFrame, list[Fault]]:
    """Return a column of times.

    Parameters
    ----------
    series : polars.Series
        Times, dates, text, or numbers where the format is an epoch.
    field : Field
        What they are mapped to.
    time_zone, time_format : str or None
        As in `fraudkit.mapping.Mapping`.

    Returns
    -------
    frame : polars.DataFrame
        ``ms`` (Int64, UTC epoch milliseconds, rounded down) and ``offset`` (Int32, minutes).
    faults : list of Fault
        The rows whose time cannot be told.

    Raises
    ------
    DoesNotFit
        If the column as a whole holds no times, or times without an offset and no zone is given.
    """
    dtype = series.dtype
    if dtype == pl.Null:
        return _frame(series.cast(pl.Int64), series.cast(pl.Int32)), []
    if dtype == pl.String:
        return _of_text(series, field, time_zone, time_format)
    if dtype == pl.Date:
        return _local(series.cast(pl.Datetime("ms")), time_zone), []
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return _local(series, time_zone), []
        return _frame(_ms(series), offset_minutes(series)), []
    if dtype.is_numeric() and time_format in _MS_PER_EPOCH_UNIT:
        return _of_epochs(series, field, time_zone, time_format)
    if dtype.is_numeric():
        raise DoesNotFit('holds numbers, not times; set time_format = "epoch_s" or "epoch_ms"')
    raise DoesNotFit(f"holds {dtype}, not times")


def offset_minutes(series: pl.Series) -> pl.Series:
    """Return the offset from UTC of times with a zone, in whole minutes rounded down."""
    offset = series.dt.base_utc_offset() + series.dt.dst_offset()
    return (offset.dt.total_seconds() // 60).cast(pl.Int32)


def _frame(ms: pl.Series, offset: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"ms": ms.cast(pl.Int64), "offset": offset.cast(pl.Int32)})


def _ms(series: pl.Series) -> pl.Series:
    unit = series.dtype.time_unit if isinstance(series.dtype, pl.Datetime) else "us"
    return series.to_physical() // _UNITS_PER_MS[unit]


def _local(series: pl.Series, time_zone: str | None) -> pl.DataFrame:
    """Place times of a wall clock; one that the clocks skip has two readings."""
    if time_zone is None:
        if series.null_count() == len(series):
            return _frame(series.cast(pl.Int64), series.cast(pl.Int64))
        raise DoesNotFit(f"holds times without an offset; {_SET_ZONE}")
    placed = series.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    skipped = series.filter(placed.is_null()).drop_nulls().unique()
    ms = _ms(placed)
    if not skipped.is_empty():
        wall = [_utc(moment) for moment in skipped]
        earliest = [_earliest_ms(moment, time_zone) for moment in wall]
        found = _ms(series).replace_strict(
            [epoch_ms(moment) for moment in wall], earliest, default=None, return_dtype=pl.Int64
        )
        ms = pl.select(pl.coalesce(ms, found)).to_series()
    return _in_zone(ms, time_zone)


def _in_zone(ms: pl.Series, time_zone: str) -> pl.DataFrame:
    instants = ms.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(time_zone)
    return _frame(ms, offset_minutes(instants))


def _earliest_ms(wall: datetime, time_zone: str) -> int:
    local = wall.replace(tzinfo=ZoneInfo(time_zone))
    return min(epoch_ms(local.replace(fold=fold).astimezone(UTC)) for fold in (0, 1))


def _utc(wall: datetime) -> datetime:
    return wall.replace(tzinfo=UTC)


def _of_epochs(
    series: pl.Series, field: Field, time_zone: str | None, time_format: str
) -> tuple[pl.DataFrame, list[Fault]]:
    scale = _MS_PER_EPOCH_UNIT[time_format]
    values = series.cast(pl.Float64).fill_nan(None)
    scaled = (values * scale).floor()
    ms = pl.select(pl.when(scaled.abs() < _EPOCH_MS_MAX).then(scaled)).to_series().cast(pl.Int64)
    faults = unreadable_faults(
        series, values.is_not_null() & ms.is_null(), field, f"a time as {time_format}"
    )
    return _in_zone(ms, time_zone or "UTC"), faults


def _of_text(
    series: pl.Series, field: Field, time_zone: str | None, time_format: str | None
) -> tuple[pl.DataFrame, list[Fault]]:
    if time_format in _MS_PER_EPOCH_UNIT:
        numbers = series.str.strip_chars().cast(pl.Float64, strict=False)
        faults = unreadable_faults(
            series, series.is_not_null() & numbers.is_null(), field, f"a time as {time_format}"
        )
        frame, more = _of_epochs(numbers, field, time_zone, time_format)
        return frame, faults + more
    texts = series.drop_nulls().unique()
    moments = _moments(texts, time_format)
    wall = [
        None if moment is None or moment.tzinfo is not None else _utc(moment).replace(tzinfo=None)
        for moment in moments
    ]
    told = pl.DataFrame(
        {
            "text": texts,
            "ms": pl.Series([_told_ms(moment) for moment in moments], dtype=pl.Int64),
            "offset": pl.Series([_told_offset(moment) for moment in moments], dtype=pl.Int32),
            "wall": pl.Series(wall, dtype=pl.Datetime("us")),
        }
    )
    faults = []
    no_time = told["ms"].is_null() & told["wall"].is_null()
    faults += unreadable_faults(
        series,
        series.is_in(told["text"].filter(no_time).implode()),
        field,
        RFC_3339 if time_format is None else f"a time as {time_format}",
        _SET_FORMAT if time_format is None else "",
    )
    is_local = told["wall"].is_not_null()
    if time_zone is None:
        hidden = series.is_in(told["text"].filter(is_local).implode())
        faults += unreadable_faults(series, hidden, field, RFC_3339, _SET_ZONE)
    elif is_local.any():
        placed = _local(told["wall"], time_zone)
        told = told.with_columns(
            ms=pl.coalesce("ms", placed["ms"]), offset=pl.coalesce("offset", placed["offset"])
        )
    joined = pl.DataFrame({"text": series}).join(told, on="text", how="left", maintain_order="left")
    return joined.select("ms", "offset"), faults


def _told_ms(moment: datetime | None) -> int | None:
    return None if moment is None or moment.tzinfo is None else epoch_ms(moment)


def _told_offset(moment: datetime | None) -> int | None:
    offset = None if moment is None else moment.utcoffset()
    return None if offset is None else int(offset.total_seconds()) // 60


def _moments(texts: pl.Series, time_format: str | None) -> list[datetime | None]:
    plain = texts.to_list()
    if time_format is None:
        try:
            return list(msgspec.convert(plain, list[datetime]))
        except msgspec.ValidationError:
            return [_moment(text.strip()) for text in plain]
    if "%z" in time_format:
        return [_with_offset(text, time_format) for text in plain]
    try:
        return texts.str.to_datetime(time_format, strict=False, time_unit="us").to_list()
    except pl.exceptions.PolarsError as error:
        raise DoesNotFit(f"cannot be read with time_format {time_format!r}") from error


def _moment(text: str) -> datetime | None:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _with_offset(text: str, time_format: str) -> datetime | None:
    try:
        return datetime.strptime(text.strip(), time_format)  # noqa: DTZ007 - the format has %z
    except ValueError:
        return None
