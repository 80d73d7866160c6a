"""What a field may hold: ordinary values, and those at which features break."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import inspect

from fraudkit.domain.basket import BASKET_PATHS, basket_of
from fraudkit.domain.transaction import Item
from fraudkit.features.field_kinds import FieldKind, field_kind
from fraudkit.features.spec import Value
from fraudkit.mapping.vocabulary import Field, field_at

__all__ = ["Row", "rows_of", "values_of"]

Row = tuple[Value, ...]
"""The values of a feature's inputs, in their order."""

_LITERALS_MAX: Final = 12
_RANDOM_ROWS: Final = 200

_NUMBERS: Final = (
    3, 0, 1, 2, 5, 7, 12, 99, 100, 1999, 2024, 2035, 4999, 5000, 10_000, 123_456, 10**6, 10**9,
    10**13, -1, -60, -(10**6), 2.5, 0.1, 1e-9, 12.5, 1e9, 9.9e12, -0.5, -9.9e12,
)  # fmt: skip
_TEXTS: Final = (
    "DE", "US", "EUR", "JPY", "a", "A", "", " ", "5", "0", "-2.5", "1e9", "true", "pass", "fail",
    "49", "1234", "10115", "123456", "40000000", "192.0.2.7", "2001:db8::1",
    "Ann.Lee+shop@mail.example", "@", "a@", "Straße 1", "名前", "😀", "İ", "a\u0301",
    "line\nbreak", "\x00", "{value}", "%s", "'", "Europe/Berlin", "en-GB,en;q=0.9",
    "https://shop.example/", "x" * 255,
)  # fmt: skip
_TIMES_MS: Final = (
    1_767_225_600_000, 0, -1, 951_782_400_000, -62_135_596_800_000, 253_402_300_799_999,
)  # fmt: skip
_OFFSETS: Final = (60, 0, -720, 345, 840, None)
_FIXED: Final[dict[str, Row]] = {
    "event_time_ms": _TIMES_MS,
    "utc_offset_minutes": _OFFSETS,
    "local_offset_minutes": _OFFSETS,
    "reference_amount_minor": (12_990, 0, 1, 99, 100, 5000, 10**13, 10**15, None),
}
_BASKETS: Final = tuple(
    basket_of(items)
    for items in (
        (
            Item(price_minor=4_500, quantity=2, category="shoes", is_digital=False),
            Item(price_minor=900, is_digital=True),
        ),
        (Item(),),
        (Item(price_minor=0, quantity=3, is_digital=False),),
        (Item(price_minor=10**13, quantity=10**6, category="", is_digital=True),),
        (Item(price_minor=99), Item(quantity=7, category="gift cards", is_digital=True)),
        tuple(Item(price_minor=n, category=str(n), is_digital=n % 3 == 0) for n in range(1000)),
        (),
    )
)
"""Baskets as they come: their numbers belong together."""

_OF_KIND: Final[dict[FieldKind, Row]] = {
    "number": tuple(number for number in _NUMBERS if number >= 0),
    "truth": (True, False),
    "text": _TEXTS,
    "any": tuple(number for number in _NUMBERS if number >= 0),
}


def values_of(path: str) -> Row:
    """Return values that a field may hold, an ordinary one first, ``None`` last if it may be.

    Where the vocabulary limits a field, they lie within its limits.

    Examples
    --------
    >>> values_of("payment.card.funding")
    ('credit', 'debit', 'prepaid', 'unknown', None)
    >>> values_of("is_test")
    (True, False)
    """
    if path in _FIXED:
        return _FIXED[path]
    if path in BASKET_PATHS:
        return tuple(dict.fromkeys(row[0] for row in _baskets([path])))
    field = field_at(path)
    if field is not None:
        return _within(field)
    if path.endswith("_ms"):
        return (*_TIMES_MS, None)
    return (*_OF_KIND[field_kind(path) or "any"], None)


def rows_of(inputs: Sequence[str], values: Mapping[str, Row], seed: int) -> list[Row]:
    """Return rows of a feature's inputs: ordinary, absent, each value once, and at random.

    Parameters
    ----------
    inputs : sequence of str
        Vocabulary paths.
    values : mapping of str to tuple
        What a field may hold, where `values_of` would not say so.
    seed : int
        Of the random rows.
    """
    own = [path for path in inputs if path in values or path not in BASKET_PATHS]
    shared = [path for path in inputs if path not in own]
    slots: list[list[Row]] = [
        [(value,) for value in values.get(path) or values_of(path)] for path in own
    ]
    slots += [_baskets(shared)] if shared else []
    places = [[*own, *shared].index(path) for path in inputs]
    return list({repr(row): row for row in _combined(slots, places, seed)}.values())


def _combined(slots: Sequence[Sequence[Row]], places: Sequence[int], seed: int) -> Iterator[Row]:
    """Yield rows of one choice a slot, their values put where they belong."""

    def arranged(chosen: Iterable[Row]) -> Row:
        values = [value for choice in chosen for value in choice]
        return tuple(values[place] for place in places)

    ordinary = [options[0] for options in slots]
    yield arranged(ordinary)
    yield arranged([_emptiest(options) for options in slots])
    for slot, options in enumerate(slots):
        for choice in options:
            yield arranged([*ordinary[:slot], choice, *ordinary[slot + 1 :]])
    rng = np.random.default_rng(seed)
    for _ in range(_RANDOM_ROWS):
        yield arranged([options[int(rng.integers(len(options)))] for options in slots])


def _emptiest(options: Sequence[Row]) -> Row:
    """Return the choice with most absent values; the first of several."""
    return max(options, key=lambda choice: choice.count(None))


def _baskets(paths: Sequence[str]) -> list[Row]:
    """Return what the numbers of a basket may be together."""
    places = [BASKET_PATHS.index(path) for path in paths]
    return [tuple(basket[place] for place in places) for basket in _BASKETS]


def _within(field: Field) -> Row:
    candidates = (*_literals(field.annotation), *_NUMBERS, *_TEXTS, True, False)
    held: dict[str, Value] = {}
    for candidate in candidates:
        try:
            value: Value = msgspec.convert(candidate, field.annotation)
        except msgspec.ValidationError:
            continue
        held[repr(value)] = value
    is_always_there = field.is_required or field.default is not None
    return (*held.values(), *(() if is_always_there else (None,)))


def _literals(annotation: Any) -> tuple[str, ...]:
    info = inspect.type_info(annotation)
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    stated = [kind.values for kind in kinds if isinstance(kind, inspect.LiteralType)]
    return tuple(str(value) for values in stated for value in values[:_LITERALS_MAX])
