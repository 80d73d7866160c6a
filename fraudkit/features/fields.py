"""Paths: how to read one from a transaction.

Besides the fields themselves these can be read: ``event_time_ms``, ``utc_offset_minutes``,
``X_ms`` for any time ``X``; the numbers of `fraudkit.domain.basket.BASKET_PATHS`; what
`fraudkit.features.derived` makes of them; and, given by the caller, `REFERENCE_AMOUNT`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Final, TypeGuard, get_args, get_origin, get_type_hints

from msgspec import Struct

from fraudkit.domain.basket import BASKET_PATHS, basket_of
from fraudkit.domain.transaction import Transaction, epoch_ms
from fraudkit.errors import FeatureError
from fraudkit.features.derived import DERIVED_PATHS, derived_fields
from fraudkit.features.enrichment import NO_SOURCES, Enrichment
from fraudkit.features.function_text import FunctionText
from fraudkit.features.spec import Value

__all__ = ["REFERENCE_AMOUNT", "FieldNames", "field_reader", "fields_reader", "last_part"]

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


def field_reader(path: str, enrichment: Enrichment = NO_SOURCES) -> Callable[[Transaction], Value]:
    """Return the function that reads a path from a transaction; absent is ``None``.

    Raises
    ------
    FeatureError
        If there is no such path.
    """
    if path in DERIVED_PATHS:
        read = fields_reader([path], enrichment)
        return lambda transaction: read(transaction, None)[0]
    first, _, rest = path.partition(".")
    if first in _DICTIONARIES and rest:
        return _entry_reader(first, rest)
    if path in BASKET_PATHS:
        place = BASKET_PATHS.index(path)
        return lambda transaction: basket_of(transaction.order.items)[place]
    if path in _PROPERTIES or _is_field(path):
        return attrgetter(path)
    if path.endswith("_ms") and _is_time(path.removesuffix("_ms")):
        return _time_reader(path.removesuffix("_ms"))
    raise FeatureError(f"the vocabulary must have the field a feature reads, got {path!r}")


def fields_reader(
    paths: Sequence[str], enrichment: Enrichment = NO_SOURCES
) -> Callable[[Transaction, int | None], tuple[Value, ...]]:
    """Return the function that reads several different paths at once.

    It takes the transaction and its reference amount, and returns the values in the order of
    the paths. A source that several derived fields are read from is asked once.

    Raises
    ------
    FeatureError
        If there is no such path.
    """
    text = FunctionText("transaction", "amount")
    names = FieldNames(text, {REFERENCE_AMOUNT: "amount"}, paths, enrichment)
    return text.function(f"({''.join(f'{names[path]}, ' for path in paths)})")


class FieldNames(dict[str, str]):
    """The lines of a text that read paths from ``transaction``, and the names of their values.

    Parameters
    ----------
    text : FunctionText
        Gets the lines; one of its parameters is ``transaction``.
    given : dict of str to str
        The names of what needs no reading.
    paths : sequence of str
        What is read.
    enrichment : Enrichment
        The sources of derived fields.

    Raises
    ------
    FeatureError
        If there is no such path.
    """

    def __init__(
        self,
        text: FunctionText,
        given: dict[str, str],
        paths: Sequence[str],
        enrichment: Enrichment,
    ) -> None:
        super().__init__(given)
        self._text = text
        derived = derived_fields(paths, enrichment)
        made = {field.path for field in derived}
        for path in (*paths, *(path for field in derived for path in field.inputs)):
            if path not in made and path not in self:
                self[path] = self._read(path)
        for field in derived:
            answer = text.line(text.call(field.function, (self[path] for path in field.inputs)))
            self[field.path] = f"{answer}.{field.part}" if field.part else answer

    def _read(self, path: str) -> str:
        text = self._text
        part, _, last = path.rpartition(".")
        if path in _PROPERTIES or _is_field(path):
            return text.line(f"{self._part(part)}.{last}")
        if path in BASKET_PATHS:
            basket = text.line(text.call(basket_of, [f"{self._part('order')}.items"]))
            return f"{basket}[{BASKET_PATHS.index(path)}]"
        if path.endswith("_ms") and _is_time(path.removesuffix("_ms")):
            moment = text.line(f"{self._part(part)}.{last.removesuffix('_ms')}")
            return text.line(f"None if {moment} is None else {text.call(epoch_ms, [moment])}")
        return text.line(text.call(field_reader(path), ["transaction"]))

    def _part(self, path: str) -> str:
        outer, _, last = path.rpartition(".")
        return self._text.line(f"{self._part(outer)}.{last}") if path else "transaction"


def _is_field(path: str) -> bool:
    kind = _type_of(path)
    return kind is not None and not _is_part(kind) and get_origin(kind) not in {dict, tuple}


def _is_time(path: str) -> bool:
    kind = _type_of(path)
    return kind is datetime or datetime in get_args(kind)


def _is_part(kind: object) -> TypeGuard[type[Struct]]:
    return isinstance(kind, type) and issubclass(kind, Struct)


@lru_cache(4096)
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
