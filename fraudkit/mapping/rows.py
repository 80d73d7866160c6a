"""One file as rows of the vocabulary: its columns converted, its bad rows told.

Invariant: each row of the file is either in the frame or has one error, that of the lowest rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import polars as pl

from fraudkit.domain.card_number import looks_like_card_number
from fraudkit.errors import CardNumberRefused, InvalidField
from fraudkit.mapping.binding import Binding, Plan, is_strict
from fraudkit.mapping.checking import DoesNotFit, Fault, missing_fault
from fraudkit.mapping.columns import Column, strict_column, table_column
from fraudkit.mapping.files import RawTable
from fraudkit.mapping.labels import label_values
from fraudkit.mapping.ndjson import Cells
from fraudkit.mapping.propensities import APPROVE_PROPENSITY, approve_propensities
from fraudkit.mapping.spec import Mapping
from fraudkit.mapping.strict import document_faults, orderless
from fraudkit.mapping.vocabulary import AMOUNT_IN_UNIT, CARD_RANK, Field, Kind, open_tables

__all__ = ["FRAUD", "Rows", "convert_rows"]

FRAUD: Final = "[label]"
"""The column of the frame that holds the label; no path of the vocabulary is named so."""

_FAILING_ROWS_MIN: Final = 2


@dataclass(frozen=True)
class Rows:
    """A file's rows.

    Attributes
    ----------
    frame : polars.DataFrame
        All rows, columns as in `fraudkit.mapping.MappedData` and those of the label: `FRAUD` and
        that of `fraudkit.mapping.propensities.APPROVE_PROPENSITY`; ``row`` counts from 0.
    errors : dict[int, InvalidField]
        Row → what does not hold; those rows of the frame mean nothing.
    unknown_ids : set of int
        Rows whose transaction id is not known.
    """

    frame: pl.DataFrame
    errors: dict[int, InvalidField]
    unknown_ids: frozenset[int]


def convert_rows(table: RawTable, plan: Plan, mapping: Mapping) -> tuple[Rows, list[str]]:
    """Return a file's rows, and where the mapping does not fit the file after all."""
    strict = is_strict(table, mapping)
    faults: list[Fault] = []
    problems: list[str] = []
    columns: dict[str, pl.Series] = {}
    unknown_ids: set[int] = set(table.broken)
    told = frozenset(table.broken) | (orderless(table) if strict else frozenset())
    currencies = pl.repeat(None, table.row_count, dtype=pl.String, eager=True)
    for binding in _currency_first(plan.bindings):
        target = binding.target
        raw = _raw(table, binding)
        try:
            column = _column(raw, binding, mapping, table, currencies)
            found = _key_faults(target, table.row_count) + column.faults
            found += _missing(
                column, raw, target, told | {row for fault in found for row in fault.rows}
            )
            if binding.is_mapped or not strict:
                _check_fit(found, raw, target, table.row_count)
        except DoesNotFit as error:
            problems.append(f"{binding.where}: {error}")
            continue
        currencies = column.values if target.path == "order.currency" else currencies
        if target.path == "transaction_id":
            unknown_ids |= {row for fault in found for row in fault.rows}
        faults += found
        columns |= _named(column, target)
    if strict:
        faults += document_faults(table, plan)
    labels, found, label_problems = _labels(table, mapping)
    frame = _frame(columns | labels, table.row_count)
    faults += found
    problems += label_problems
    return Rows(frame, _first(table, faults), frozenset(unknown_ids)), problems


def _labels(
    table: RawTable, mapping: Mapping
) -> tuple[dict[str, pl.Series], list[Fault], list[str]]:
    """Return the columns of ``[label]``, the rows that do not hold, and what does not fit."""
    columns: dict[str, pl.Series] = {}
    faults: list[Fault] = []
    problems: list[str] = []
    label, propensity = mapping.label_column, mapping.approve_propensity_column
    if label is not None and label in table.columns:
        columns[FRAUD], problems = label_values(_series(table, label), mapping)
    if propensity is not None and propensity in table.columns:
        raw = _series(table, propensity)
        try:
            values, faults = approve_propensities(raw)
            _check_fit(faults, raw, APPROVE_PROPENSITY, table.row_count)
            columns[APPROVE_PROPENSITY.frame_name] = values
        except DoesNotFit as error:
            problems.append(f'[label] approve_propensity = "{propensity}": {error}')
    return columns, faults, problems


def _currency_first(bindings: list[Binding]) -> list[Binding]:
    return sorted(bindings, key=lambda binding: binding.target.path != "order.currency")


def _raw(table: RawTable, binding: Binding) -> pl.Series | Cells:
    if binding.column is None:
        value = binding.constant
        text = value if isinstance(value, str | int | float | bool) else value.isoformat()
        return pl.repeat(text, table.row_count, eager=True)
    return table.columns[binding.column]


def _series(table: RawTable, name: str) -> pl.Series:
    held = table.columns[name]
    return held.series(name, table.row_count) if isinstance(held, Cells) else held


def _column(
    raw: pl.Series | Cells,
    binding: Binding,
    mapping: Mapping,
    table: RawTable,
    currencies: pl.Series,
) -> Column:
    target = binding.target
    if isinstance(raw, Cells):
        if not binding.is_mapped and is_strict(table, mapping) and not _is_told(target, mapping):
            return strict_column(raw, target, table.row_count)
        raw = raw.series(target.path, table.row_count)
    return table_column(raw, target, mapping, currencies, is_csv=table.format == "csv")


def _is_told(target: Field, mapping: Mapping) -> bool:
    """Return whether the mapping says how to read values of this kind, so that online cannot."""
    if target.kind is Kind.TIME:
        return mapping.time_zone is not None or mapping.time_format is not None
    return target.path == AMOUNT_IN_UNIT


def _named(column: Column, target: Field) -> dict[str, pl.Series]:
    path = "order.amount_minor" if target.path == AMOUNT_IN_UNIT else target.frame_name
    if target.kind is Kind.ITEMS:
        return column.values.struct.unnest().to_dict()
    if target.path != "event_time" or column.offset is None:
        return {path: column.values}
    return {path: column.values, "utc_offset_minutes": column.offset}


def _missing(
    column: Column, raw: pl.Series | Cells, target: Field, told: Collection[int]
) -> list[Fault]:
    """Return the fault of rows without a required value; ``told`` rows have another one."""
    if not (target.is_required or target.path == AMOUNT_IN_UNIT):
        return []
    empty = column.values.is_null()
    if target.path == AMOUNT_IN_UNIT and isinstance(raw, pl.Series):
        # An amount whose currency does not hold is not converted, and yet it came.
        empty &= raw.cast(pl.String).fill_null("") == ""
    rows = [row for row in empty.arg_true().to_list() if row not in told]
    return [missing_fault(rows, target)] if rows else []


def _key_faults(target: Field, row_count: int) -> list[Fault]:
    table, _, key = target.path.partition(".")
    if table not in open_tables() or not looks_like_card_number(key):
        return []
    return [Fault(range(row_count), CARD_RANK, CardNumberRefused(f"/{table}"), "card")]


def _check_fit(faults: list[Fault], raw: pl.Series | Cells, target: Field, row_count: int) -> None:
    """Raise `DoesNotFit` where more than half of the values fail in the same way."""
    given = len(raw.values) if isinstance(raw, Cells) else len(raw) - raw.null_count()
    failing = Counter[str]()
    for fault in faults:
        failing[fault.way] += len(fault.rows)
    for way, count in failing.items():
        total = row_count if way == "missing" else given
        if count < _FAILING_ROWS_MIN or count * 2 <= total:
            continue
        if way == "missing":
            raise DoesNotFit(f"is empty in {count} of {total} rows, and it is required")
        error = next(fault.error for fault in faults if fault.way == way)
        fix = _fix(error, target)
        raise DoesNotFit(
            f"{count} of {total} values fail: expected {error.expected}, got {error.received}"
            + (f"; {fix}" if fix else "")
        )


def _fix(error: InvalidField, target: Field) -> str:
    is_amount = target.path in (AMOUNT_IN_UNIT, "order.amount_minor")
    if not is_amount or error.expected != "an integer":
        return error.hint
    unit = 'set amount_unit = "major" in [mapping]'
    if target.path == AMOUNT_IN_UNIT:
        return f"for amounts such as 12.95 {unit}"
    return f'for amounts such as 12.95 map the column to "{AMOUNT_IN_UNIT}" and {unit}'


def _first(table: RawTable, faults: list[Fault]) -> dict[int, InvalidField]:
    """Return each bad row's error, in input order."""
    told = dict(table.broken)
    for fault in sorted(faults, key=lambda fault: fault.rank):
        for row in fault.rows:
            told.setdefault(row, fault.error)
    return dict(sorted(told.items()))


def _frame(columns: dict[str, pl.Series], row_count: int) -> pl.DataFrame:
    held = {"row": pl.int_range(row_count, eager=True), **columns}
    return pl.DataFrame({name: values.rename(name) for name, values in held.items()})
