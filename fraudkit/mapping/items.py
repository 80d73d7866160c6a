"""The lines of a basket: checked as online, kept as a few numbers.

Invariant: an order without lines has no count; nothing bought and nothing told look the same.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import polars as pl

from fraudkit.domain.basket import BASKET_PATHS, Basket, basket_of
from fraudkit.domain.card_number import refuse_card_numbers
from fraudkit.domain.transaction import Item
from fraudkit.errors import CardNumberRefused, InvalidField
from fraudkit.mapping.checking import Fault, refused
from fraudkit.mapping.vocabulary import CARD_RANK, Field

__all__ = ["basket_columns"]

_DTYPES: Final = [
    pl.Float64 if path == "basket.digital_share" else pl.Int64 for path in BASKET_PATHS
]


def basket_columns(baskets: list[Any], field: Field) -> tuple[pl.Series, list[Fault]]:
    """Return the numbers of each basket.

    Parameters
    ----------
    baskets : list
        A row each: ``None``, items, plain lists of objects, or their JSON as text.
    field : Field
        ``order.items``.

    Returns
    -------
    numbers : polars.Series of Struct
        One field for each of `fraudkit.domain.basket.BASKET_PATHS`; null where no lines came.
    faults : list of Fault
        Baskets that do not hold, or that hold a card number.
    """
    numbers = [Basket()] * len(baskets)
    faults = []
    for row, basket in enumerate(baskets):
        if basket is None:
            continue
        try:
            numbers[row] = basket_of(_items(basket, field))
        except InvalidField as error:
            rank = CARD_RANK if isinstance(error, CardNumberRefused) else field.rank
            faults.append(Fault([row], rank, error))
    schema = dict(zip(BASKET_PATHS, _DTYPES, strict=True))
    return pl.DataFrame(numbers, schema, orient="row").to_struct("order.items"), faults


def _items(basket: Any, field: Field) -> tuple[Item, ...]:
    if isinstance(basket, str):
        try:
            basket = msgspec.json.decode(basket)
        except msgspec.DecodeError:
            raise InvalidField(field.pointer, "a JSON array of items", "malformed JSON") from None
    elif not isinstance(basket, tuple):
        basket = [_without_nulls(line) for line in basket]
    error = refused(basket, field.annotation, field.pointer)
    if error is not None:
        raise error
    items: tuple[Item, ...] = msgspec.convert(basket, field.annotation)
    for index, item in enumerate(items):
        try:
            refuse_card_numbers(item)
        except CardNumberRefused as card:
            raise CardNumberRefused(f"{field.pointer}/{index}{card.pointer}") from None
    return items


def _without_nulls(line: Any) -> Any:
    """Tables have no absent values, only nulls."""
    if not isinstance(line, dict):
        return line
    return {name: value for name, value in line.items() if value is not None}
