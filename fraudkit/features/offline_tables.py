"""What tables of orders and outcomes must hold, checked before anything is computed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import polars as pl

from fraudkit.errors import InputError

__all__ = [
    "AVAILABLE_AT_MS",
    "ORDER_COLUMNS",
    "OUTCOME_COLUMNS",
    "check_columns",
    "check_lateness",
    "checked_batches",
    "checked_orders",
    "checked_outcomes",
]

AVAILABLE_AT_MS: Final = "available_at_ms"
"""The column that says when a transaction was received; without it, when it was made."""

ORDER_COLUMNS: Final = ("transaction_id", "event_time_ms", "order.amount_minor", "order.currency")
"""The columns that a table of orders must have."""

OUTCOME_COLUMNS: Final = ("transaction_id", "status", "known_at_ms")
"""The columns that a table of outcomes must have."""

_WHOLE: Final = (*ORDER_COLUMNS[1:3], AVAILABLE_AT_MS, *OUTCOME_COLUMNS[1:])
_LABELS: Final = (pl.Categorical, pl.Enum)


def check_columns(what: str, held: Iterable[str], columns: tuple[str, ...]) -> None:
    """Refuse a table that lacks a column.

    Parameters
    ----------
    what : str
        What the table holds, for the message.
    held : iterable of str
        The columns that it has.
    columns : tuple of str
        Those that it must have.

    Raises
    ------
    fraudkit.errors.InputError
        Naming the first column that is missing.

    Examples
    --------
    >>> check_columns("outcomes", ["status"], ("transaction_id", "status"))
    Traceback (most recent call last):
    fraudkit.errors.InputError: a table of outcomes must have the columns transaction_id, status;
    'transaction_id' is missing; rename a column of yours, or read the file with a mapping
    """
    missing = [name for name in columns if name not in set(held)]
    if missing:
        raise InputError(
            f"a table of {what} must have the columns {', '.join(columns)}; {missing[0]!r} is "
            "missing; rename a column of yours, or read the file with a mapping"
        )


def check_lateness(allowed_lateness_ms: int | None) -> None:
    """Refuse an allowed lateness that is none.

    Raises
    ------
    fraudkit.errors.InputError
        Saying what came.
    """
    if allowed_lateness_ms is not None and not 0 <= allowed_lateness_ms < 2**62:
        raise InputError(
            "allowed_lateness_ms must be a whole number of at least 0, or not be given, got "
            f"{allowed_lateness_ms}"
        )


def checked_orders(frame: pl.DataFrame, first_row: int = 0) -> pl.DataFrame:
    """Return a table of orders whose ids and currencies are text, whose numbers are ``Int64``.

    Parameters
    ----------
    first_row : int
        Which row of the whole table its first one is, for the message.

    Raises
    ------
    fraudkit.errors.InputError
        If a column is missing or of another kind, or a value is missing.

    Examples
    --------
    >>> orders = {"transaction_id": ["a"], "order.amount_minor": [5], "order.currency": ["EUR"]}
    >>> checked_orders(pl.DataFrame(orders | {"event_time_ms": [None]}))
    Traceback (most recent call last):
    fraudkit.errors.InputError: 'event_time_ms' of a table of orders must have a whole number in
    every row, row 0 has none; leave the row out, or fill it
    """
    columns = (*ORDER_COLUMNS, *({AVAILABLE_AT_MS} & set(frame.columns)))
    return _checked("orders", frame, columns, first_row)


def checked_outcomes(frame: pl.DataFrame, first_row: int = 0) -> pl.DataFrame:
    """Return a table of outcomes whose ids are text and whose numbers are ``Int64``.

    Parameters and errors are those of `checked_orders`.
    """
    return _checked("outcomes", frame, OUTCOME_COLUMNS, first_row)


def checked_batches(
    batches: Iterable[pl.DataFrame], check: Callable[[pl.DataFrame, int], pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Yield the checked batches of one table."""
    first_row = 0
    for batch in batches:
        yield check(batch, first_row)
        first_row += len(batch)


def _checked(
    what: str, frame: pl.DataFrame, columns: tuple[str, ...], first_row: int
) -> pl.DataFrame:
    check_columns(what, frame.columns, columns)
    return frame.with_columns(_column(what, frame[name], first_row) for name in columns)


def _column(what: str, series: pl.Series, first_row: int) -> pl.Series:
    is_whole = series.name in _WHOLE
    kind = "a whole number" if is_whole else "a text"
    fits = series.dtype.is_integer() if is_whole else series.dtype in (pl.String, *_LABELS)
    if not fits and series.dtype != pl.Null:
        hint = (
            ".dt.epoch('ms')" if series.dtype.is_temporal() else f".cast(pl.{_dtype(is_whole)!r})"
        )
        raise InputError(
            f"{series.name!r} of a table of {what} must have {kind} in every row, got a column of "
            f"{series.dtype}; give pl.col({series.name!r}){hint}"
        )
    found = series.cast(_dtype(is_whole), strict=False)
    if found.null_count():
        row = int(found.is_null().arg_max() or 0)
        raise InputError(
            f"{series.name!r} of a table of {what} must have {kind} in every row, row "
            f"{first_row + row} has none; leave the row out, or fill it"
        )
    return found


def _dtype(is_whole: bool) -> pl.DataType:  # noqa: FBT001 - which of two
    return pl.Int64() if is_whole else pl.String()
