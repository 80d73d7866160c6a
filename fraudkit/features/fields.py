"""Paths: how to read one from a transaction.

Besides the fields themselves these can be read: ``event_time_ms``, ``utc_offset_minutes``,
``X_ms`` for any time ``X``; the numbers of `fraudkit.domain.basket.BASKET_PATHS`; what
`fraudkit.features.derived` makes of them; and, given by the caller, `REFERENCE_AMOUNT`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, Final, TypeGuard, get_args, get_origin, get_type_hints

from msgspec import Struct

from fraudkit.domain.basket import BASKET_PATHS, basket_of
from fraudkit.domain.transaction import Transaction, epoch_ms
from fraudkit.errors import FeatureError
from fraudkit.features.derived import DERIVED_PATHS, DerivedField, derived_fields
from fraudkit.features.enrichment import NO_SOURCES, Enrichment
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
    text = _ReaderText()
    derived = derived_fields(paths, enrichment)
    made = {field.path for field in derived}
    for path in dict.fromkeys((*paths, *(path for field in derived for path in field.inputs))):
        if path not in made:
            text.read(path)
    for field in derived:
        text.derive(field)
    return text.function(paths)


class _ReaderText:
    """The text of a function that reads paths: attributes of parts, and numbered names.

    A reader of sixty paths is called for every order. As text each path costs one attribute.
    """

    def __init__(self) -> None:
        self._lines = ["def read(transaction, amount):"]
        self._held: dict[str, Any] = {"epoch_ms": epoch_ms, "basket_of": basket_of}
        self._expressions: dict[str, str] = {}
        self._names = {REFERENCE_AMOUNT: "amount"}

    def read(self, path: str) -> None:
        """Read a path that is not derived."""
        part, _, last = path.rpartition(".")
        if path in self._names:
            return
        if path in _PROPERTIES or _is_field(path):
            self._names[path] = self._line(f"{self._part(part)}.{last}")
        elif path in BASKET_PATHS:
            basket = self._line(f"basket_of({self._part('order')}.items)")
            self._names[path] = f"{basket}[{BASKET_PATHS.index(path)}]"
        elif path.endswith("_ms") and _is_time(path.removesuffix("_ms")):
            moment = self._line(f"{self._part(part)}.{last.removesuffix('_ms')}")
            self._names[path] = self._line(f"None if {moment} is None else epoch_ms({moment})")
        else:
            self._names[path] = self._line(f"{self._hold(field_reader(path))}(transaction)")

    def derive(self, field: DerivedField) -> None:
        """Make a derived field of what is read already."""
        arguments = ", ".join(self._names[path] for path in field.inputs)
        answer = self._line(f"{self._hold(field.function)}({arguments})")
        self._names[field.path] = f"{answer}.{field.part}" if field.part else answer

    def function(
        self, paths: Sequence[str]
    ) -> Callable[[Transaction, int | None], tuple[Value, ...]]:
        """Return the function that reads these paths."""
        self._lines.append(f"return ({''.join(f'{self._names[path]}, ' for path in paths)})")
        exec("\n    ".join(self._lines), self._held)  # noqa: S102 - attributes and numbered names
        read: Callable[[Transaction, int | None], tuple[Value, ...]] = self._held["read"]
        return read

    def _part(self, path: str) -> str:
        outer, _, last = path.rpartition(".")
        return self._line(f"{self._part(outer)}.{last}") if path else "transaction"

    def _hold(self, function: Callable[..., Any]) -> str:
        known = [name for name, held in self._held.items() if held == function]
        name = known[0] if known else f"f{len(self._held)}"
        self._held[name] = function
        return name

    def _line(self, expression: str) -> str:
        """Return the name of an expression's value, which is computed once."""
        if expression not in self._expressions:
            name = f"v{len(self._lines)}"
            self._lines.append(f"{name} = {expression}")
            self._expressions[expression] = name
        return self._expressions[expression]


def arguments_of(
    paths: Sequence[str], names: Sequence[str]
) -> Callable[[tuple[Value, ...]], tuple[Value, ...]]:
    """Return the function that picks a feature's arguments from the values of all paths."""
    return _arrangement([paths.index(name) for name in names])


def _arrangement(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return the function that picks values by place; of a tuple a tuple, also for one or none."""
    if len(places) < 2:
        first = places[0] if places else 0
        return itemgetter(slice(first, first + len(places)))
    return itemgetter(*places)


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
