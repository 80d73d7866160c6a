"""What only a whole NDJSON document shows: unknown keys, wrong objects, fields that are missing.

Invariant: each row that online decoding would refuse for one of these has a fault, in its words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from fraudkit.mapping.binding import Plan
from fraudkit.mapping.checking import Fault, missing_fault, refused
from fraudkit.mapping.files import RawTable
from fraudkit.mapping.ndjson import Cells
from fraudkit.mapping.vocabulary import AMOUNT_IN_UNIT, Part, fields, open_tables, parts

__all__ = ["document_faults", "orderless"]

_ORDER = "order"


def document_faults(table: RawTable, plan: Plan) -> list[Fault]:
    """Return the faults of documents as documents."""
    unknown = chain.from_iterable(_unknown(name, _cells(table, name)) for name in plan.unknown)
    crowded = chain.from_iterable(_crowded(table, name) for name in open_tables())
    return [*unknown, *crowded, *_absent(table, plan)]


def orderless(table: RawTable) -> frozenset[int]:
    """Return the rows without any ``order``; they lack it as a whole, not its fields."""
    has_order = {
        row
        for name in table.columns
        if name.partition(".")[0] == _ORDER
        for row in _cells(table, name).rows
    }
    return frozenset(range(table.row_count)) - has_order


def _absent(table: RawTable, plan: Plan) -> list[Fault]:
    """Return the faults of required fields that no row has, and of rows without an order."""
    bound = {binding.target.path for binding in plan.bindings}
    if AMOUNT_IN_UNIT in bound:
        bound.add("order.amount_minor")
    without_order = orderless(table)
    faults = []
    for target in fields().values():
        if target.is_required and target.path not in bound:
            inside = target.path.startswith(f"{_ORDER}.")
            held = frozenset(range(table.row_count)) - table.broken.keys()
            rows = sorted(held - without_order if inside else held)
            faults += [missing_fault(rows, target)] if rows else []
    rows = sorted(without_order - table.broken.keys())
    top = fields()["transaction_id"]
    return [*faults, missing_fault(rows, top, f"/{_ORDER}")] if rows else faults


def _cells(table: RawTable, name: str) -> Cells:
    held = table.columns[name]
    return held if isinstance(held, Cells) else Cells()


def _unknown(name: str, cells: Cells) -> Iterator[Fault]:
    """Yield the faults of a key that is no field: a part that is no object, or an unknown key."""
    if name and name in parts():
        yield from _wrong(parts()[name], None, cells)
        return
    outer = max((path for path in parts() if name.startswith(f"{path}.") or not path), key=len)
    key = name[len(outer) + 1 :] if outer else name
    if outer in open_tables():
        yield from _wrong(parts()[outer], key, cells)
        return
    part = parts()[outer]
    yield from _fault(cells.rows, {key: None}, part)


def _wrong(part: Part, key: str | None, cells: Cells) -> Iterator[Fault]:
    for row, value in zip(cells.rows, cells.values, strict=True):
        held = value if key is None else {key: value}
        yield from _fault([row], held, part)


def _fault(rows: list[int], value: object, part: Part) -> Iterator[Fault]:
    error = refused(value, part.annotation, part.pointer)
    if error is not None:
        yield Fault(rows, part.rank, error)


def _crowded(table: RawTable, name: str) -> Iterator[Fault]:
    """Yield the rows with more entries in a dictionary than it may have."""
    held = open_tables()[name]
    names = [column for column in table.columns if column.startswith(f"{name}.")]
    count = Counter[int]()
    for column in names if len(names) > held.entries_max else ():
        count.update(_cells(table, column).rows)
    for row in [row for row, entries in count.items() if entries > held.entries_max]:
        entries: dict[str, Any] = {f"x{index}": "x" for index in range(count[row])}
        yield from _fault([row], entries, parts()[name])
