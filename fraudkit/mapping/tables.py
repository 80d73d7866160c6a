"""The tables of a mapping file, key by key, with every problem in them.

Invariant: reading goes on after a problem, so that one run tells all that has to be mended.
"""

from __future__ import annotations

import zoneinfo
from datetime import date, time
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from fraudkit.domain.codes import CurrencyCode
from fraudkit.domain.explaining import explain
from fraudkit.domain.money import rate_table
from fraudkit.errors import InvalidField
from fraudkit.mapping.vocabulary import (
    AMOUNT_IN_UNIT,
    ENTITIES,
    Kind,
    close_to,
    field_at,
    fields,
    open_tables,
)

__all__ = [
    "ALL_TABLES",
    "FeaturesTable",
    "LabelTable",
    "MappingTable",
    "OutcomesTable",
    "Tables",
    "read_tables",
]

_Column = Annotated[str, Meta(min_length=1)]


class MappingTable(Struct, frozen=True):
    """``[mapping]``: units and zones."""

    amount_unit: Literal["minor", "major"] = "minor"
    time_zone: str | None = None
    time_format: Annotated[str, Meta(pattern="%|^epoch_s$|^epoch_ms$")] | None = None
    reference_currency: CurrencyCode = "EUR"
    equal_times: Literal["together", "in_row_order"] = "together"


class FeaturesTable(Struct, frozen=True):
    """``[features]``: extra columns as custom inputs."""

    numeric: tuple[_Column, ...] = ()
    categorical: tuple[_Column, ...] = ()


class LabelTable(Struct, frozen=True):
    """``[label]``: which orders were fraud, and when that was known."""

    column: _Column | None = None
    fraud_values: Annotated[tuple[str | int | float | bool, ...], Meta(min_length=1)] | None = None
    delay_days: Annotated[float, Meta(ge=0, le=3660)] | None = None
    approve_propensity: _Column | None = None


class OutcomesTable(Struct, frozen=True):
    """``[outcomes]``: a file of outcomes beside the mapping."""

    file: _Column | None = None


class Tables(Struct, frozen=True, kw_only=True):
    """A mapping file, table by table."""

    mapping: MappingTable = MappingTable()
    fields: dict[str, str] = {}
    constants: dict[str, Any] = {}
    entities: dict[str, str] = {}
    features: FeaturesTable = FeaturesTable()
    label: LabelTable = LabelTable()
    outcomes: OutcomesTable = OutcomesTable()
    rates: dict[str, dict[str, str]] = {}


ALL_TABLES: Final = tuple(field.name for field in msgspec.structs.fields(Tables))
"""The names of all tables."""

_FIXED: Final[dict[str, type[Struct]]] = {
    "mapping": MappingTable,
    "features": FeaturesTable,
    "label": LabelTable,
    "outcomes": OutcomesTable,
}


def read_tables(document: dict[str, Any]) -> tuple[Tables, list[str]]:
    """Return the tables of a parsed TOML document, and a line for each problem."""
    problems = [
        f"[{name}] is no table of a mapping{close_to(name, list(ALL_TABLES))}; "
        f"tables are {', '.join(ALL_TABLES)}"
        for name in document
        if name not in ALL_TABLES
    ]
    held = {name: table for name, table in document.items() if name in ALL_TABLES}
    for name in [name for name, table in held.items() if not isinstance(table, dict)]:
        problems.append(f"{name} must be a table: write [{name}] above its keys")
        del held[name]
    fixed = {
        name: _fixed_table(name, kind, held.get(name, {}), problems)
        for name, kind in _FIXED.items()
    }
    tables = Tables(
        **fixed,
        fields=_columns_of("fields", _dotted(held.get("fields", {})), problems),
        constants=_dotted(held.get("constants", {})),
        entities=_columns_of("entities", held.get("entities", {}), problems),
        rates=held.get("rates", {}),
    )
    problems += _general_problems(tables) + _label_problems(tables)
    problems += _path_problems(tables) + _constant_problems(tables)
    return tables, problems


def _fixed_table(name: str, kind: type[Struct], held: dict[str, Any], problems: list[str]) -> Any:
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    values = {}
    for key, value in held.items():
        if key not in known:
            problems.append(
                f"[{name}] {key} is no key of this table{close_to(key, list(known))}; "
                f"keys are {', '.join(known)}"
            )
            continue
        try:
            values[key] = msgspec.convert(value, known[key])
        except msgspec.ValidationError as error:
            problems.append(_said(f"[{name}] {key}", explain(error, value, known[key])))
    return kind(**values)


def _said(where: str, error: InvalidField) -> str:
    inside = f" at {error.pointer}" if error.pointer else ""
    hint = f"; {error.hint}" if error.hint else ""
    return f"{where}: expected {error.expected}, got {error.received}{inside}{hint}"


def _dotted(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``order.amount = …`` and ``"order.amount" = …`` alike as dotted paths."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _dotted(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _columns_of(name: str, table: dict[str, Any], problems: list[str]) -> dict[str, str]:
    held = {}
    for key, column in table.items():
        if isinstance(column, str) and column:
            held[key] = column
        else:
            problems.append(f'[{name}] "{key}": expected the name of a column in quotes')
    return held


def _general_problems(tables: Tables) -> list[str]:
    problems = []
    zone = tables.mapping.time_zone
    if zone is not None and not _is_zone(zone):
        close = close_to(zone, sorted(zoneinfo.available_timezones()))
        problems.append(f"[mapping] time_zone: expected an IANA time zone, got {zone!r}{close}")
    try:
        rate_table(tables.mapping.reference_currency, tables.rates)
    except InvalidField as error:
        where = error.pointer.strip("/").replace("/", ".")
        problems.append(f"[{where}]: expected {error.expected}, got {error.received}")
    return problems


def _label_problems(tables: Tables) -> list[str]:
    label, features = tables.label, tables.features
    problems = []
    if label.column is not None and label.delay_days is None:
        problems.append(
            "[label] delay_days: expected the days until a label is known, got nothing; "
            "training on labels before they were known would flatter the model"
        )
    if label.column is None and label.fraud_values is not None:
        problems.append("[label] fraud_values: expected [label] column beside it, got none")
    elsewhere = {
        "[label] column": [label.column],
        "[fields]": tables.fields.values(),
        "[entities]": tables.entities.values(),
        "[features]": [*features.numeric, *features.categorical],
    }
    problems += [
        f'[label] approve_propensity = "{label.approve_propensity}": {name} takes this column '
        "too; what the policy thought of an order must not be a feature"
        for name, columns in elsewhere.items()
        if label.approve_propensity is not None and label.approve_propensity in columns
    ]
    return problems


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _path_problems(tables: Tables) -> list[str]:
    given = [*tables.fields, *tables.constants, *(f"{ENTITIES}.{name}" for name in tables.entities)]
    problems = [
        f'[{name}] "{path}": {_unknown_path(path)}'
        for name, table in (("fields", tables.fields), ("constants", tables.constants))
        for path in table
        if field_at(path) is None
    ]
    table = open_tables()[ENTITIES]
    problems += [
        f'[entities] "{name}": expected a name like {table.key_pattern}'
        for name in tables.entities
        if field_at(f"{ENTITIES}.{name}") is None
    ]
    problems += [
        f'"{path}" is given twice; keep one' for path in sorted(set(given)) if given.count(path) > 1
    ]
    if AMOUNT_IN_UNIT in given and "order.amount_minor" in given:
        problems.append('"order.amount" and "order.amount_minor" are both given; keep one')
    entities = [path for path in given if path.startswith(f"{ENTITIES}.")]
    if len(entities) > table.entries_max:
        problems.append(f"[entities]: expected at most {table.entries_max}, got {len(entities)}")
    extra = len(tables.features.numeric) + len(tables.features.categorical)
    if extra > open_tables()["custom_inputs"].entries_max:
        most = open_tables()["custom_inputs"].entries_max
        problems.append(f"[features]: expected at most {most} columns, got {extra}")
    return problems


def _unknown_path(path: str) -> str:
    known = [*fields(), AMOUNT_IN_UNIT]
    return f"is no vocabulary path{close_to(path, known)}"


def _constant_problems(tables: Tables) -> list[str]:
    problems = []
    for path, value in tables.constants.items():
        field = field_at(path)
        if field is None:
            continue
        if path == AMOUNT_IN_UNIT or field.kind is Kind.ITEMS:
            problems.append(f'[constants] "{path}": expected a path of one plain value')
            continue
        plain = value.isoformat() if isinstance(value, date | time) else value
        try:
            msgspec.convert(plain, field.annotation)
        except msgspec.ValidationError as error:
            problems.append(_said(f'[constants] "{path}"', explain(error, plain, field.annotation)))
    return problems
