"""One column of a file as one column of a vocabulary frame, with the rows that do not hold.

Invariant: a value is either in the result and holds by the online types, or in a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec
import polars as pl

from fraudkit.domain.transaction import epoch_ms
from fraudkit.mapping.amounts import minor_amounts
from fraudkit.mapping.checking import (
    DoesNotFit,
    Fault,
    card_faults,
    list_of,
    refused,
    unreadable_faults,
    value_faults,
)
from fraudkit.mapping.items import basket_columns
from fraudkit.mapping.ndjson import Cells
from fraudkit.mapping.spec import Mapping
from fraudkit.mapping.times import as_times
from fraudkit.mapping.vocabulary import AMOUNT_IN_UNIT, Field, Kind

__all__ = ["Column", "strict_column", "table_column"]

_TRUE: Final = ("true", "1", "yes")
_FALSE: Final = ("false", "0", "no")
_DTYPES: Final[dict[Kind, type[pl.DataType]]] = {
    Kind.TEXT: pl.String,
    Kind.INTEGER: pl.Int64,
    Kind.NUMBER: pl.Float64,
    Kind.BOOLEAN: pl.Boolean,
}
_INTEGER_MAX: Final = 2.0**63

_Read = tuple[pl.Series, list[Fault]]


@dataclass(frozen=True)
class Column:
    """A converted column.

    Attributes
    ----------
    values : polars.Series
        One a row; null where nothing came or what came is in a fault.
    faults : list of Fault
        Rows that do not hold.
    offset : polars.Series or None
        Of times: minutes from UTC.
    """

    values: pl.Series
    faults: list[Fault] = field(default_factory=list)
    offset: pl.Series | None = None


def table_column(
    series: pl.Series,
    target: Field,
    mapping: Mapping,
    currencies: pl.Series,
    *,
    is_csv: bool,
) -> Column:
    """Return a column of a table (Parquet, CSV, mapped NDJSON), converted to the field's kind.

    Parameters
    ----------
    series : polars.Series
        The raw values; empty text is no value.
    target : Field
        What it becomes.
    mapping : Mapping
        Units, time zone and time format.
    currencies : polars.Series
        The currency of each row, null where it is not known.
    is_csv : bool
        Whether text may stand for a value of any type.

    Raises
    ------
    DoesNotFit
        If the column as a whole cannot be what it is mapped to.
    """
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        series = _without(series, series.str.len_bytes() == 0)
    if target.path == AMOUNT_IN_UNIT and mapping.amount_unit == "major":
        minor, faults = minor_amounts(series, currencies, target)
        return Column(minor, faults)
    if target.kind is Kind.TIME:
        times, faults = as_times(series, target, mapping.time_zone, mapping.time_format)
        return Column(times["ms"], faults, times["offset"])
    if target.kind is Kind.ITEMS:
        if not isinstance(series.dtype, pl.List | pl.String | pl.Null):
            raise DoesNotFit(f"holds {series.dtype}, not lists of items")
        return Column(*basket_columns(series.to_list(), target))
    if target.kind is Kind.ANY:
        values, faults = _any(series, target, is_csv=is_csv)
    else:
        values, faults = _READERS[target.kind](series, target)
    faults = faults + value_faults(values, target)
    if values.dtype == pl.String:
        faults += card_faults(values, target.pointer)
    return Column(values, faults)


def strict_column(cells: Cells, target: Field, row_count: int) -> Column:
    """Return a column of NDJSON that is read as strictly as online: no value is converted."""
    holding, faults = _converted(cells, target)
    if target.kind is Kind.ITEMS:
        numbers, more = basket_columns(holding.spread(row_count), target)
        return Column(numbers, faults + more)
    if target.kind is Kind.TIME:
        moments: list[datetime] = holding.values
        ms = holding.spread(row_count, [_ms_or_none(moment) for moment in moments])
        offsets = holding.spread(row_count, [_offset_or_none(moment) for moment in moments])
        return Column(pl.Series(ms, dtype=pl.Int64), faults, pl.Series(offsets, dtype=pl.Int32))
    if target.kind is Kind.ANY:
        values = holding.series(target.path, row_count)
        values = values if values.dtype != pl.Int64 else values.cast(pl.Float64)
    else:
        values = pl.Series(holding.spread(row_count), dtype=_DTYPES[target.kind])
    if values.dtype == pl.String:
        faults += card_faults(values, target.pointer)
    return Column(values, faults)


def _converted(cells: Cells, target: Field) -> tuple[Cells, list[Fault]]:
    """Return the cells that hold, decoded, and a fault for each of the others."""
    try:
        values = msgspec.convert(cells.values, type=list_of(target.annotation))
    except msgspec.ValidationError:
        pass
    else:
        return Cells(cells.rows, values), []
    holding, faults = Cells(), []
    for row, value in zip(cells.rows, cells.values, strict=True):
        error = refused(value, target.annotation, target.pointer)
        if error is None:
            holding.rows.append(row)
            holding.values.append(msgspec.convert(value, target.annotation))
        else:
            faults.append(Fault([row], target.rank, error))
    return holding, faults


def _ms_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else epoch_ms(moment)


def _offset_or_none(moment: datetime | None) -> int | None:
    offset = None if moment is None else moment.utcoffset()
    return None if offset is None else int(offset.total_seconds()) // 60


def _text(series: pl.Series, _: Field) -> _Read:
    """Integers and whole floats become their digits: identifiers lose no meaning that way."""
    dtype = series.dtype
    if dtype.is_float():
        whole = _whole(series)
        digits = pl.coalesce(whole.cast(pl.String), series.fill_nan(None).cast(pl.String))
        return pl.select(digits).to_series(), []
    if dtype.is_nested() or dtype.is_temporal() or dtype in (pl.Binary, pl.Object):
        raise DoesNotFit(f"holds {dtype}, not text or numbers")
    return series.cast(pl.String), []


def _integer(series: pl.Series, target: Field) -> _Read:
    if series.dtype.is_integer() or series.dtype == pl.Null:
        values = series.cast(pl.Int64, strict=False)
        return values, unreadable_faults(series, _lost(series, values), target, "an integer")
    if series.dtype == pl.String:
        stripped = series.str.strip_chars()
        whole = stripped.cast(pl.Int64, strict=False)
        numbers = _without(stripped, whole.is_not_null()).cast(pl.Float64, strict=False)
        faults = unreadable_faults(
            series, _lost(series, whole) & numbers.is_null(), target, "an integer"
        )
        values = pl.select(pl.coalesce(whole, _whole(numbers))).to_series()
        return values, faults + _fractions(numbers, target)
    if series.dtype.is_float() or isinstance(series.dtype, pl.Decimal):
        numbers = series.cast(pl.Float64)
        return _whole(numbers), _fractions(numbers, target)
    raise DoesNotFit(f"holds {series.dtype}, not integers")


def _fractions(numbers: pl.Series, target: Field) -> list[Fault]:
    """Return what online decoding says of numbers that are not whole."""
    numbers = numbers.fill_nan(None)
    return value_faults(_without(numbers, _whole(numbers).is_not_null()), target)


def _whole(numbers: pl.Series) -> pl.Series:
    is_whole = (numbers == numbers.floor()) & (numbers.abs() < _INTEGER_MAX)
    return pl.select(pl.when(is_whole).then(numbers)).to_series().cast(pl.Int64)


def _number(series: pl.Series, target: Field) -> _Read:
    if series.dtype == pl.String:
        words = series.str.strip_chars()
        truths = _truths(words).cast(pl.Float64)
        values = pl.select(pl.coalesce(words.cast(pl.Float64, strict=False), truths)).to_series()
        faults = unreadable_faults(series, _lost(series, values), target, "a number")
        return values.fill_nan(None), faults
    is_number = series.dtype.is_numeric() or isinstance(series.dtype, pl.Decimal)
    if is_number or series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Float64).fill_nan(None), []
    raise DoesNotFit(f"holds {series.dtype}, not numbers")


def _boolean(series: pl.Series, target: Field) -> _Read:
    if series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Boolean), []
    if series.dtype == pl.String:
        known = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
        words = series.str.strip_chars().str.to_lowercase()
        values = words.replace_strict(
            list(known), list(known.values()), default=None, return_dtype=pl.Boolean
        )
    elif series.dtype.is_numeric():
        series = series.fill_nan(None) if series.dtype.is_float() else series
        ones, zeros = series == 1, series == 0
        values = pl.select(pl.when(ones | zeros).then(ones)).to_series()
    else:
        raise DoesNotFit(f"holds {series.dtype}, not booleans")
    expected = "true, false, 1, 0, yes or no"
    return values, unreadable_faults(series, _lost(series, values), target, expected)


def _truths(words: pl.Series) -> pl.Series:
    return words.str.to_lowercase().replace_strict(
        ["true", "false"], [True, False], default=None, return_dtype=pl.Boolean
    )


def _any(series: pl.Series, target: Field, *, is_csv: bool) -> _Read:
    """Keep the type that came; text of a CSV file is what all of its values can be read as."""
    if series.dtype == pl.String and is_csv:
        numbers = series.str.strip_chars().cast(pl.Float64, strict=False)
        if not _lost(series, numbers).any():
            return numbers.fill_nan(None), []
        booleans = _truths(series)
        return (series if _lost(series, booleans).any() else booleans), []
    if series.dtype == pl.Boolean:
        return series, []
    is_number = series.dtype.is_numeric() or isinstance(series.dtype, pl.Decimal)
    return (_number if is_number else _text)(series, target)


def _without(series: pl.Series, mask: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(None).otherwise(series)).to_series()


def _lost(before: pl.Series, after: pl.Series) -> pl.Series:
    return before.is_not_null() & after.is_null()


_READERS: Final[dict[Kind, Callable[[pl.Series, Field], _Read]]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
}
