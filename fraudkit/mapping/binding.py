"""Which column of a file gives which path of the vocabulary.

Invariant: every column of the file is bound, the label, unknown or named as ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from fraudkit.errors import MappingError
from fraudkit.mapping.files import RawTable
from fraudkit.mapping.spec import Mapping
from fraudkit.mapping.vocabulary import (
    AMOUNT_IN_UNIT,
    CUSTOM_INPUTS,
    ENTITIES,
    Field,
    Kind,
    close_to,
    field_at,
    fields,
    open_tables,
    parts,
)

__all__ = ["Binding", "Plan", "bind", "is_strict", "opened_parts", "wanted_columns"]

_AMOUNTS: Final = frozenset({AMOUNT_IN_UNIT, "order.amount_minor"})


@dataclass(frozen=True)
class Binding:
    """One path and what gives it.

    Attributes
    ----------
    target : Field
        The path.
    column : str or None
        The column; ``None`` for a constant.
    constant : object
        The value of every row where there is no column.
    where : str
        How the mapping says so, for messages.
    is_mapped : bool
        Whether the mapping says so at all, or the column's name does.
    """

    target: Field
    column: str | None
    where: str
    constant: Any = None
    is_mapped: bool = True


@dataclass
class Plan:
    """How to read one file.

    Attributes
    ----------
    bindings : list of Binding
        In the order of the vocabulary.
    unknown : list of str
        Keys of strictly read NDJSON that the vocabulary does not know.
    ignored : list of str
        Columns that nothing asks for.
    problems : list of str
        Where the mapping does not fit the file.
    """

    bindings: list[Binding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def is_strict(table: RawTable, mapping: Mapping) -> bool:
    """Return whether rows are read as strictly as a request: NDJSON in the vocabulary itself."""
    return table.format == "ndjson" and not mapping.has_fields


def opened_parts(mapping: Mapping) -> frozenset[str] | None:
    """Return the NDJSON objects to flatten, or ``None`` for all; see `read_table`."""
    if mapping.has_fields:
        return None
    columns = [column for _, column, _ in _mapped(mapping)]
    columns += mapping.label_columns.values()
    outer = {
        column[:end] for column in columns for end, letter in enumerate(column) if letter == "."
    }
    return (frozenset(parts()) | outer) - {""}


def wanted_columns(mapping: Mapping) -> frozenset[str]:
    """Return the columns that the mapping names."""
    named = {column for _, column, _ in _mapped(mapping)}
    return frozenset(named.union(mapping.label_columns.values()))


def bind(table: RawTable, mapping: Mapping) -> Plan:
    """Return how to read a file with a mapping."""
    plan = Plan()
    names = list(table.columns)
    for target, column, where in _mapped(mapping):
        if column in table.columns:
            plan.bindings.append(Binding(target, column, where))
        elif table.row_count or table.format != "ndjson":
            plan.problems.append(f"{where}: no such column{close_to(column, names)}")
    for key, column in mapping.label_columns.items():
        if column not in table.columns and table.row_count:
            close = close_to(column, names)
            plan.problems.append(f'[label] {key} = "{column}": no such column{close}')
    for path, value in mapping.constants.items():
        target = _field(path)
        plan.bindings.append(Binding(target, None, f'[constants] "{path}"', value))
    _bind_named_alike(table, mapping, plan)
    plan.bindings.sort(key=lambda binding: binding.target.rank)
    if not is_strict(table, mapping):
        plan.problems += _missing(plan, mapping) + _too_many(plan)
    return plan


def _mapped(mapping: Mapping) -> Iterator[tuple[Field, str, str]]:
    for path, column in mapping.fields.items():
        is_entity = path.startswith(f"{ENTITIES}.")
        said = f"[entities] {path[len(ENTITIES) + 1 :]}" if is_entity else f'[fields] "{path}"'
        yield _field(path), column, f'{said} = "{column}"'
    for kind, table in ((Kind.NUMBER, mapping.numeric), (Kind.TEXT, mapping.categorical)):
        word = "numeric" if kind is Kind.NUMBER else "categorical"
        for name, column in table.items():
            yield _custom(name, kind), column, f'[features] {word} "{column}"'


def _custom(name: str, kind: Kind) -> Field:
    held = _field(f"{CUSTOM_INPUTS}.{name}")
    return Field(
        path=held.path,
        kind=kind,
        annotation=held.annotation,
        rank=held.rank,
        missing_rank=held.missing_rank,
    )


def _field(path: str) -> Field:
    held = field_at(path)
    if held is None:
        raise MappingError(f"a mapping must give paths of the vocabulary, got {path!r}")
    return held


def _bind_named_alike(table: RawTable, mapping: Mapping, plan: Plan) -> None:
    """Take the columns whose name is a path already and that nothing else gives."""
    taken = {binding.target.path for binding in plan.bindings}
    sources = {binding.column for binding in plan.bindings}.union(mapping.label_columns.values())
    taken |= set(mapping.fields)
    strict = is_strict(table, mapping)
    given_amount = bool(taken & _AMOUNTS)
    if given_amount or "order.amount_minor" in table.columns.keys() - sources:
        taken.add(AMOUNT_IN_UNIT)
    for name in table.columns:
        if name in sources:
            continue
        target = field_at(name)
        if target is None or (strict and name == AMOUNT_IN_UNIT and mapping.amount_unit == "minor"):
            (plan.unknown if strict else plan.ignored).append(name)
        elif name in taken or (name == "order.amount_minor" and given_amount):
            plan.ignored.append(name)
        else:
            plan.bindings.append(Binding(target, name, f'column "{name}"', is_mapped=False))


def _missing(plan: Plan, mapping: Mapping) -> list[str]:
    given = {binding.target.path for binding in plan.bindings} | mapping.fields.keys()
    problems = []
    for target in fields().values():
        is_amount = target.path in _AMOUNTS
        if target.is_required and not (given & _AMOUNTS if is_amount else target.path in given):
            said = f"{AMOUNT_IN_UNIT} or {target.path}" if is_amount else target.path
            problems.append(f"nothing gives {said}: add it to [fields] or [constants]")
    return problems


def _too_many(plan: Plan) -> list[str]:
    problems = []
    for name, table in open_tables().items():
        count = sum(binding.target.path.startswith(f"{name}.") for binding in plan.bindings)
        if count > table.entries_max:
            problems.append(f"{name}: expected at most {table.entries_max} columns, got {count}")
    return problems
