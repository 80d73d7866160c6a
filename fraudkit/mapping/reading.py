"""`read_data`: a merchant's files as a vocabulary frame, with labels, outcomes and errors.

Invariant: every row that came is counted: it is in the frame or in the errors, never in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from fraudkit.domain.basket import BASKET_PATHS
from fraudkit.domain.card_number import looks_like_card_number
from fraudkit.errors import DataFileError, InvalidField, MappingError
from fraudkit.mapping.binding import bind, opened_parts, wanted_columns
from fraudkit.mapping.files import RawTable, read_table
from fraudkit.mapping.labels import ERRORS, known_labels, known_outcomes, read_outcomes
from fraudkit.mapping.propensities import (
    APPROVE_PROPENSITY,
    PROPENSITIES,
    logged_propensities,
)
from fraudkit.mapping.row_order import in_row_order
from fraudkit.mapping.rows import FRAUD, Rows, convert_rows
from fraudkit.mapping.spec import Mapping
from fraudkit.mapping.vocabulary import field_at, fields, open_tables

__all__ = ["MappedData", "read_data"]

_LEADING: Final = pl.Schema(
    {
        "row": pl.Int64,
        "transaction_id": pl.String,
        "event_time_ms": pl.Int64,
        "utc_offset_minutes": pl.Int32,
        "order.amount_minor": pl.Int64,
        "order.currency": pl.String,
    }
)
_ROW_ERRORS: Final = pl.Schema({"row": pl.Int64, "transaction_id": pl.String, "error": pl.String})
_OF_LABELS: Final = (FRAUD, APPROVE_PROPENSITY.frame_name)
_COLUMNS_SHOWN_MAX: Final = 60


@dataclass(frozen=True)
class MappedData:
    """What a merchant's files hold, in the vocabulary.

    Attributes
    ----------
    frame : polars.DataFrame
        The rows that hold, in input order: ``row`` (Int64, position in the input over all files,
        from 0), ``transaction_id``, ``event_time_ms`` (Int64, UTC), ``utc_offset_minutes``
        (Int32), ``order.amount_minor`` (Int64), ``order.currency``, then every other path that
        came (String, Int64, Float64, Boolean), other times as Int64 ``…_ms``, items as the
        numbers of `fraudkit.domain.basket.BASKET_PATHS`.
    errors : polars.DataFrame
        The rows that do not: ``row``, ``transaction_id`` (null if unknown), ``error``.
    row_count : int
        Rows in the input.
    outcomes : polars.DataFrame
        What is known of the frame's transactions: ``transaction_id``, ``status`` (Int8, a
        `fraudkit.domain.outcome.Status`), ``known_at_ms`` (Int64), in the order of the last.
    labels : polars.DataFrame
        ``transaction_id``, ``is_fraud`` (Boolean), ``known_at_ms`` (Int64), ``honest_at_ms``
        (Int64): one line for each of the frame's transactions whose label is known at some time,
        in input order. The last is from when it counted as honest, or would have without a later
        report of fraud; null where it never did.
    ignored_columns : tuple of str
        Columns that are neither mapped nor in the vocabulary.
    outcome_errors : polars.DataFrame
        Lines of the outcomes file that do not hold: ``line`` (Int64, from 1), ``error``.
    unmatched_outcome_count : int
        Statuses in the outcomes file about transactions that are not in the frame.
    propensities : polars.DataFrame
        ``transaction_id``, ``approve_propensity`` (Float64, in (0, 1)): the logged probability
        with which an order was approved that the policy would have declined; the others were
        approved by the policy, which is 1. In input order.
    """

    frame: pl.DataFrame
    errors: pl.DataFrame
    row_count: int
    outcomes: pl.DataFrame
    labels: pl.DataFrame
    ignored_columns: tuple[str, ...]
    outcome_errors: pl.DataFrame
    unmatched_outcome_count: int = 0
    propensities: pl.DataFrame = field(default_factory=PROPENSITIES.to_frame)


def read_data(
    paths: Sequence[Path],
    mapping: Mapping,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> MappedData:
    """Return the rows of one or more files in the vocabulary.

    Parameters
    ----------
    paths : sequence of Path
        Parquet, CSV or NDJSON, told by their endings; read one after the other.
    mapping : Mapping
        How their columns become the vocabulary.
    progress : callable, optional
        Told (bytes done, bytes in all) from time to time, and once at the end.

    Raises
    ------
    MappingError
        If the mapping does not fit the files, with every problem, one a line; or the rows do not
        stand in the order that ``equal_times`` says.
    DataFileError
        If a file cannot be read as a table.
    """
    if not paths:
        raise DataFileError("there must be at least one data file, got none")
    steps = _Steps([Path(path) for path in paths], progress)
    read: list[Rows] = []
    ignored: dict[str, None] = {}
    misfits: list[str] = []
    for path in steps.paths:
        table = _read(path, mapping, steps)
        plan = bind(table, mapping)
        ignored |= dict.fromkeys(plan.ignored)
        rows, problems = convert_rows(table, plan, mapping)
        read.append(rows)
        if plan.problems or problems:
            misfits.append(_misfit(table, mapping, [*plan.problems, *problems]))
        steps.finish(path)
    if misfits:
        raise MappingError("\n".join(misfits))
    frame, errors, row_count = _together(read)
    if mapping.equal_times == "in_row_order":
        frame = in_row_order(frame, mapping.source)
    return _with_labels(frame, errors, row_count, mapping, tuple(ignored))


class _Steps:
    """Turns bytes read of each file into one progress; converting counts as much as reading."""

    def __init__(self, paths: list[Path], told: Callable[[int, int], None] | None) -> None:
        self.paths = paths
        self._told = told
        self._done = 0
        self._total = sum(path.stat().st_size for path in paths if path.is_file())

    def read(self, count: int) -> None:
        if self._told is not None:
            self._told(min(self._done + count // 2, self._total), self._total)

    def finish(self, path: Path) -> None:
        self._done += path.stat().st_size
        self.read(0)


def _read(path: Path, mapping: Mapping, steps: _Steps) -> RawTable:
    named = wanted_columns(mapping)
    return read_table(
        path,
        wanted=lambda name: name in named or field_at(name) is not None,
        opened=opened_parts(mapping),
        progress=steps.read,
    )


def _misfit(table: RawTable, mapping: Mapping, problems: list[str]) -> str:
    names = list(table.columns)
    cut = ", …" if len(names) > _COLUMNS_SHOWN_MAX else ""
    columns = ", ".join(_masked(name) for name in names[:_COLUMNS_SHOWN_MAX]) + cut
    head = f"{mapping.source} does not fit {table.path}:"
    return "\n  ".join([head, *problems, f"columns there: {columns or 'none'}"])


def _masked(name: str) -> str:
    """Return a column's name to show: a CSV file without names has its first order there."""
    return "…" if looks_like_card_number(name) else name


def _together(read: list[Rows]) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Return all rows that hold, all errors, and the number of rows of all files."""
    frames, errors, start = [], [], 0
    for rows in read:
        frame = rows.frame.with_columns(row=pl.col("row") + start)
        frames.append(_holding(frame, rows))
        errors.append(_told(frame, rows))
        start += frame.height
    frame, again = _first_of_each(pl.concat(frames, how="diagonal_relaxed"))
    told = pl.concat([*errors, again]).sort("row", maintain_order=True)
    return _ordered(frame), told, start


def _holding(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    bad = pl.Series(list(rows.errors), dtype=pl.Int64)
    return frame.filter(~pl.int_range(pl.len()).is_in(bad.implode())) if rows.errors else frame


def _told(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    bad = list(rows.errors)
    known = frame["transaction_id"].gather(bad).to_list() if "transaction_id" in frame else None
    ids = [
        None if known is None or row in rows.unknown_ids else known[index]
        for index, row in enumerate(bad)
    ]
    return pl.DataFrame(
        {
            "row": frame["row"].gather(bad).to_list(),
            "transaction_id": ids,
            "error": [str(error) for error in rows.errors.values()],
        },
        schema=_ROW_ERRORS,
    )


def _first_of_each(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the first row of each transaction id; tell the others."""
    if "transaction_id" not in frame or frame["transaction_id"].n_unique() == frame.height:
        return frame, _ROW_ERRORS.to_frame()
    first = pl.col("row").min().over("transaction_id")
    marked = frame.select("row", "transaction_id", first=first).filter(
        pl.col("row") != pl.col("first")
    )
    errors = [
        str(
            InvalidField(
                "/transaction_id",
                "an id that no other row has",
                "one that came before",
                f"row {row} was first, and the same id is the same attempt",
            )
        )
        for row in marked["first"]
    ]
    told = marked.select("row", "transaction_id").with_columns(
        error=pl.Series(errors, dtype=pl.String)
    )
    return frame.filter(pl.col("row") == first), told


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Give a frame its leading columns, the vocabulary's order and the defaults."""
    defaults = [
        pl.col(field.frame_name).fill_null(field.default)
        for field in fields().values()
        if field.default is not None and field.frame_name in frame
    ]
    frame = frame.with_columns(*defaults)
    lacking = {name: dtype for name, dtype in _LEADING.items() if name not in frame.columns}
    frame = frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in lacking.items())
    fixed = [field.frame_name for field in fields().values()]
    named = [
        name for name in frame.columns if name.partition(".")[0] in open_tables() and "." in name
    ]
    order = dict.fromkeys([*_LEADING, *fixed, *BASKET_PATHS, *sorted(named), *_OF_LABELS])
    return frame.select(name for name in order if name in frame.columns)


def _with_labels(
    frame: pl.DataFrame,
    errors: pl.DataFrame,
    row_count: int,
    mapping: Mapping,
    ignored: tuple[str, ...],
) -> MappedData:
    has_column = FRAUD in frame.columns
    is_fraud = pl.col(FRAUD) if has_column else pl.lit(None, pl.Boolean)
    orders = frame.select("transaction_id", "event_time_ms", is_fraud=is_fraud)
    from_file, outcome_errors = None, ERRORS.to_frame()
    if mapping.outcomes_file is not None:
        from_file, outcome_errors = read_outcomes(mapping.outcomes_file)
    outcomes = known_outcomes(orders, from_file, mapping.delay_days)
    by_age = from_file is not None and not has_column
    unmatched = 0
    if from_file is not None:
        unmatched = from_file.join(orders, on="transaction_id", how="anti").height
    return MappedData(
        frame=frame.drop(_OF_LABELS, strict=False),
        errors=errors,
        row_count=row_count,
        outcomes=outcomes,
        labels=known_labels(orders, outcomes, mapping.delay_days, honest_by_age=by_age),
        ignored_columns=ignored,
        outcome_errors=outcome_errors,
        unmatched_outcome_count=unmatched,
        propensities=logged_propensities(frame),
    )
