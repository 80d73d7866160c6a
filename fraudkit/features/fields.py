"""Vocabulary paths: how to read one from a transaction.

Besides the fields themselves four derived paths can be read: ``event_time_ms``,
``utc_offset_minutes``, ``order.item_count``, ``X_ms`` for any time ``X``; and, given by the
caller, `REFERENCE_AMOUNT`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Final, TypeGuard, get_args, get_origin, get_type_hints

from msgspec import Struct

from fraudkit.domain.transaction import Transaction, epoch_ms
from fraudkit.errors import FeatureError
from fraudkit.features.spec import Value

__all__ = ["REFERENCE_AMOUNT", "arguments_of", "field_reader", "fields_reader", "last_part"]

REFERENCE_AMOUNT: Final = "reference_amount_minor"
"""The order's amount in minor units of the reference currency."""

_PROPERTIES: Final = ("event_time_ms", "utc_offset_minutes")
_DICTIONARIES: Final = ("custom_inputs", "entities")


def last_part(path: str) -> str:
    """Return the last part of a path.

    Examples
    --------
    >>> last_part("billing.country")
    'country'
    """
    return path.rpartition(".")[2]


def field_reader(path: str) -> Callable[[Transaction], Value]:
    """Return the function that reads a path from a transaction; absent is ``None``.

    Raises
    ------
    FeatureError
        If the vocabulary has no such path.
    """
    first, _, rest = path.partition(".")
    if first in _DICTIONARIES and rest:
        return _entry_reader(first, rest)
    if path == "order.item_count":
        return _item_count
    if path in _PROPERTIES:
        return attrgetter(path)
    if _is_field(path):
        return attrgetter(path)
    if path.endswith("_ms") and _is_time(path.removesuffix("_ms")):
        return _time_reader(path.removesuffix("_ms"))
    raise FeatureError(f"the vocabulary must have the field a feature reads, got {path!r}")


def fields_reader(
    paths: Sequence[str],
) -> Callable[[Transaction, int | None], tuple[Value, ...]]:
    """Return the function that reads several different paths at once.

    It takes the transaction and its reference amount, and returns the values in the order of
    the paths. Fields proper are read together, in one call.
    """
    fields = [path for path in paths if _is_field(path)]
    derived = [path for path in paths if path not in fields and path != REFERENCE_AMOUNT]
    if fields == list(paths) and len(fields) > 1:
        whole: Callable[[Transaction], tuple[Value, ...]] = attrgetter(*fields)
        return lambda transaction, _amount: whole(transaction)
    # Two more names make the getter return a tuple, whatever the number of fields.
    together: Callable[[Transaction], tuple[Value, ...]] = attrgetter(
        *fields, "transaction_id", "transaction_id"
    )
    readers = [field_reader(path) for path in derived]
    read_in = [*fields, "", "", *derived, REFERENCE_AMOUNT]
    arranged = _arrangement([read_in.index(path) for path in paths])

    def read(transaction: Transaction, amount: int | None) -> tuple[Value, ...]:
        values = (*together(transaction), *[read(transaction) for read in readers], amount)
        return arranged(values)

    return read


def arguments_of(
    paths: Sequence[str], names: Sequence[str]
) -> Callable[[tuple[Value, ...]], tuple[Value, ...]]:
    """Return the function that picks a feature's arguments from the values of all paths."""
    return _arrangement([paths.index(name) for name in names])


def _arrangement(places: Sequence[int]) -> Callable[[tuple[Value, ...]], tuple[Value, ...]]:
    """Return the function that picks values by place; it is a tuple, also for one or none."""
    if len(places) < 2:
        first = places[0] if places else 0
        pick: Callable[[tuple[Value, ...]], tuple[Value, ...]] = itemgetter(
            slice(first, first + len(places))
        )
        return pick
    several: Callable[[tuple[Value, ...]], tuple[Value, ...]] = itemgetter(*places)
    return several


def _is_field(path: str) -> bool:
    kind = _type_of(path)
    return kind is not None and not _is_part(kind) and get_origin(kind) not in {dict, tuple}


def _is_time(path: str) -> bool:
    kind = _type_of(path)
    return kind is datetime or datetime in get_args(kind)


def _is_part(kind: object) -> TypeGuard[type[Struct]]:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _type_of(path: str) -> object | None:
    """Return the type of what stands at a path, or ``None`` where there is nothing."""
    here: type[Struct] = Transaction
    *parts, last = path.split(".")
    for part in parts:
        inner = get_type_hints(here).get(part)
        if not _is_part(inner):
            return None
        here = inner
    return get_type_hints(here).get(last)


def _entry_reader(dictionary: str, key: str) -> Callable[[Transaction], Value]:
    getter = attrgetter(dictionary)
    return lambda transaction: getter(transaction).get(key)


def _time_reader(path: str) -> Callable[[Transaction], Value]:
    getter = attrgetter(path)

    def read(transaction: Transaction) -> Value:
        moment = getter(transaction)
        return None if moment is None else epoch_ms(moment)

    return read


def _item_count(transaction: Transaction) -> Value:
    return len(transaction.order.items) or None
