"""`Basket`: what an order's lines say together, the same online and in a file.

A column of a file can hold a number, not lines; so both ways keep these numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from fraudkit.domain.transaction import Item

__all__ = ["BASKET_PATHS", "Basket", "basket_of"]


class Basket(NamedTuple):
    """The lines of an order in numbers; all ``None`` where no line came.

    Attributes
    ----------
    line_count : int or None
        Lines.
    piece_count : int or None
        Pieces of all lines.
    most_pieces : int or None
        Pieces of the line that has most.
    category_count : int or None
        Different categories; ``None`` where no line names one.
    digital_share : float or None
        Share of digital lines among those that say; ``None`` where none does. 0 to 1.
    total_minor, largest_line_minor : int or None
        Price times pieces, of all lines and of the dearest, in minor units of the order's
        currency; ``None`` where a price is missing.
    """

    line_count: int | None = None
    piece_count: int | None = None
    most_pieces: int | None = None
    category_count: int | None = None
    digital_share: float | None = None
    total_minor: int | None = None
    largest_line_minor: int | None = None


BASKET_PATHS: Final = ("order.item_count", *(f"basket.{name}" for name in Basket._fields[1:]))
"""Where features read a basket's numbers, in the order of its fields."""

_EMPTY: Final = Basket()
_new_basket: Final = partial(tuple.__new__, Basket)  # a third of the time of Basket(...)


def basket_of(items: Sequence[Item]) -> Basket:
    """Return the numbers of an order's lines.

    Examples
    --------
    >>> basket_of([Item(price_minor=500, quantity=3), Item(price_minor=2000, is_digital=True)])
    Basket(line_count=2, piece_count=4, most_pieces=3, category_count=None, digital_share=1.0,
           total_minor=3500, largest_line_minor=2000)
    """
    if not items:
        return _EMPTY
    pieces = most = total = largest = said = digital = 0
    is_priced = True
    categories = set()
    for item in items:
        quantity, price, category = item.quantity, item.price_minor, item.category
        pieces += quantity
        most = max(most, quantity)
        if price is None:
            is_priced = False
        else:
            line = price * quantity
            total += line
            largest = max(largest, line)
        if category is not None:
            categories.add(category)
        if item.is_digital is not None:
            said += 1
            digital += item.is_digital
    return _new_basket(
        (
            len(items),
            pieces,
            most,
            len(categories) or None,
            digital / said if said else None,
            total if is_priced else None,
            largest if is_priced else None,
        )
    )
