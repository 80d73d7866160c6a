"""Columns of a table, whoever made it: polars, pandas or numpy, read to the same values."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.errors import TableError
from fraudkit.features.spec import Value

__all__ = [
    "NO_TIME",
    "column_at",
    "column_kind",
    "column_names",
    "is_frame",
    "numbers",
    "plain_values",
    "times_ms",
]

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Stands for a time that is absent."""

_TIME_MS_MAX: Final = 2**53
_TEXT_KINDS: Final = (pl.String, pl.Categorical, pl.Enum)
_NUMBER_CODES: Final = frozenset("biuf")
_PLAIN: Final = (str, bool, np.bool_, Real, Decimal)


def is_frame(table: object) -> bool:
    """Return whether a table is a frame of polars or pandas, with named columns.

    Raises
    ------
    TableError
        If it is lazy, or of another library.
    """
    if isinstance(table, pl.LazyFrame):
        raise TableError(
            "a table must be a polars or pandas DataFrame or an array, got a polars LazyFrame; "
            "call .collect() on it first"
        )
    if isinstance(table, pl.DataFrame) or (hasattr(table, "iloc") and hasattr(table, "columns")):
        return True
    if hasattr(table, "columns") or hasattr(table, "column_names"):
        raise TableError(
            "a table must be a polars or pandas DataFrame or an array, got "
            f"{type(table).__module__}.{type(table).__qualname__}; convert it to one of these"
        )
    return False


def column_names(table: Any) -> list[str]:
    """Return the names of a frame's columns, or ``column 0``, … of an array's."""
    if is_frame(table):
        return [str(name) for name in table.columns]
    return [f"column {index}" for index in range(table.shape[1])]


def column_at(table: Any, index: int) -> Any:
    """Return one column of a frame as its Series, of an array as an array."""
    if isinstance(table, pl.DataFrame):
        return table.to_series(index)
    return table.iloc[:, index] if is_frame(table) else table[:, index]


def column_kind(values: Any, name: str) -> Literal["number", "category"]:
    """Return how a column is read: truth values are numbers, text is a category.

    Where the type does not tell, the values do: all numbers are numbers.

    Raises
    ------
    TableError
        If it holds something else: dates, lists.
    """
    code = _type_code(values)
    if code in _NUMBER_CODES:
        return "number"
    if code == "text":
        return "category"
    kinds = {type(value) for value in plain_values(values)} - {type(None)}
    odd = [kind.__name__ for kind in kinds if not issubclass(kind, _PLAIN)]
    if code != "object" or odd:
        what = f"{min(odd)} values" if odd else str(values.dtype)
        raise TableError(
            f"{name!r} must hold numbers, truth values or text, got {what}; make a number of it, "
            "or leave the column out"
        )
    return "category" if any(issubclass(kind, str) for kind in kinds) else "number"


def _type_code(values: Any) -> str:
    """Return ``text``, ``object``, or numpy's one-letter code of the kind of a type."""
    if isinstance(values, pl.Series):
        if values.dtype in _TEXT_KINDS:
            return "text"
        if values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null):
            return "f"
        return "object" if values.dtype == pl.Object else "other"
    name, kind = str(values.dtype), str(values.dtype.kind)
    if kind in "US" or name in {"category", "str"} or name.startswith("string"):
        return "text"
    return "object" if kind == "O" else kind


def numbers(values: Any, name: str) -> NDArray[np.float64]:
    """Return a column as numbers: truth values are 0 and 1, what is absent is NaN.

    Raises
    ------
    TableError
        If it does not hold numbers.
    """
    if column_kind(values, name) != "number":
        raise TableError(f"{name!r} must hold numbers, as it did when it was learnt from, got text")
    if isinstance(values, pl.Series) and values.dtype != pl.Object:
        return np.asarray(values.cast(pl.Float64).to_numpy(), np.float64)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return np.asarray(values, np.float64)
    if hasattr(values, "iloc"):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), np.float64)
    return np.array([np.nan if value is None else value for value in values], np.float64)


def plain_values(values: Any) -> Sequence[Value]:
    """Return a column as plain values of Python, ``None`` where absent."""
    if isinstance(values, pl.Series):
        is_text = values.dtype in _TEXT_KINDS
        return (values.cast(pl.String) if is_text else values).to_list()
    if hasattr(values, "iloc"):
        values = values.astype(object).where(values.notna(), None).to_numpy()
    listed = np.asarray(values, object).tolist()
    return [value.item() if isinstance(value, np.generic) else value for value in listed]


def times_ms(values: Any, name: str) -> NDArray[np.int64]:
    """Return a column of times as milliseconds since 1970-01-01 UTC; `NO_TIME` where absent.

    Numbers are such milliseconds. A time with a zone is brought to UTC, one without is UTC.

    Raises
    ------
    TableError
        If it holds neither times nor whole milliseconds.
    """
    if isinstance(values, pl.Series) and values.dtype in (pl.Datetime, pl.Date):
        in_utc = values.cast(pl.Datetime("ms"), strict=False).dt.epoch("ms")
        return np.asarray(in_utc.fill_null(NO_TIME).to_numpy(), np.int64)
    if hasattr(values, "iloc") and values.dtype.kind == "M":
        is_zoned = getattr(values.dtype, "tz", None) is not None
        values = (values.dt.tz_convert(None) if is_zoned else values).to_numpy()
    if not isinstance(values, pl.Series) and values.dtype.kind == "M":
        return np.asarray(values, "datetime64[ms]").astype(np.int64)
    stamps = numbers(values, name)
    absent = np.isnan(stamps)
    present = stamps[~absent]
    if np.any((np.abs(present) >= _TIME_MS_MAX) | (present != np.floor(present))):
        raise TableError(
            f"{name!r} must hold times, or whole milliseconds since 1970-01-01 UTC, got "
            f"{present[int(np.argmax(np.abs(present)))]:g}; are they of another unit?"
        )
    return np.where(absent, NO_TIME, np.nan_to_num(stamps)).astype(np.int64)
