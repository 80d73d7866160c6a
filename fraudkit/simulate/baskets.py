"""The price list, and baskets filled from it.

Invariant: an order's amount is the sum of its items, less the discount, plus delivery.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from fraudkit.domain.transaction import Item, Order
from fraudkit.simulate.chance import Draw, Shares
from fraudkit.simulate.countries import Country, local_price_minor
from fraudkit.simulate.rules import RULES

__all__ = [
    "CATEGORIES",
    "ITEMS_PER_CATEGORY",
    "Category",
    "Extras",
    "Taste",
    "draw_items",
    "fraud_items",
    "is_digital",
    "order_of",
]

ITEMS_PER_CATEGORY = 40
"""Each category has this many items, their prices spaced evenly on a log scale."""


class Category(NamedTuple):
    """A category: its share of sales, its cheapest and dearest item, and what comes back."""

    name: str
    share: float
    lowest_eur: float
    highest_eur: float
    is_digital: bool
    returned: float


CATEGORIES: tuple[Category, ...] = (
    Category("fashion", 0.24, 15, 220, is_digital=False, returned=0.18),
    Category("electronics", 0.14, 20, 1200, is_digital=False, returned=0.07),
    Category("home", 0.14, 10, 400, is_digital=False, returned=0.06),
    Category("beauty", 0.11, 6, 110, is_digital=False, returned=0.03),
    Category("books", 0.11, 5, 60, is_digital=False, returned=0.02),
    Category("toys", 0.08, 8, 150, is_digital=False, returned=0.04),
    Category("sports", 0.07, 12, 380, is_digital=False, returned=0.08),
    Category("grocery", 0.04, 3, 50, is_digital=False, returned=0.005),
    Category("games", 0.05, 5, 80, is_digital=True, returned=0.01),
    Category("gift_cards", 0.02, 10, 250, is_digital=True, returned=0.005),
)

_BY_NAME = {category.name: category for category in CATEGORIES}
_DIGITAL: Shares = tuple((category.name, 0.5) for category in CATEGORIES if category.is_digital)
_DISCOUNT_CODES = ("WELCOME10", "SPRING10", "FRIENDS10")


class Taste(NamedTuple):
    """What somebody buys: categories by share, and where in the price range, in [0, 1]."""

    categories: Shares
    level: float
    spread: float


class Extras(NamedTuple):
    """What an order has besides its items."""

    is_expedited: bool = False
    is_discounted: bool = False
    is_gift: bool | None = None


def draw_items(draw: Draw, taste: Taste, country: Country, digital: float = 0.0) -> list[Item]:
    """Return an honest basket; ``digital`` is the share of lines that are digital goods."""
    rules = RULES.honest
    items: list[Item] = []
    while True:
        categories = _DIGITAL if digital and draw.chance(digital) else taste.categories
        quantity = 2 if draw.chance(rules.two_pieces) else 1
        items.append(_item(draw, taste._replace(categories=categories), country, quantity))
        if len(items) == rules.lines_most or not draw.chance(rules.more_lines):
            return items


def fraud_items(draw: Draw, taste: Taste, country: Country, pieces_most: int = 2) -> list[Item]:
    """Return a criminal's basket: one line, bought to be used up or sold on."""
    return [_item(draw, taste, country, draw.whole(1, pieces_most))]


def is_digital(items: list[Item]) -> bool:
    """Return whether nothing in the basket needs delivery."""
    return all(item.is_digital for item in items)


def order_of(draw: Draw, items: list[Item], country: Country, extras: Extras) -> Order:
    """Return the order with its total in the country's currency."""
    rules = RULES.honest
    total = sum((item.price_minor or 0) * item.quantity for item in items)
    if extras.is_discounted:
        total -= round(total * rules.discount_share)
    if not is_digital(items):
        fee = rules.expedited_eur_minor if extras.is_expedited else rules.delivery_eur_minor
        total += local_price_minor(fee, country)
    return Order(
        amount_minor=total,
        currency=country.currency,
        discount_code=draw.pick(_DISCOUNT_CODES) if extras.is_discounted else None,
        is_gift=extras.is_gift,
        items=tuple(items),
    )


def _item(draw: Draw, taste: Taste, country: Country, quantity: int) -> Item:
    category = _BY_NAME[draw.weighted(taste.categories)]
    position = min(max(draw.near(taste.level, taste.spread), 0.0), 0.999)
    number = int(position * ITEMS_PER_CATEGORY)
    return Item(
        item_id=f"{category.name}-{number + 1:02d}",
        category=category.name,
        price_minor=local_price_minor(_price_eur_minor(category, number), country),
        quantity=quantity,
        is_digital=category.is_digital,
    )


def _price_eur_minor(category: Category, number: int) -> int:
    ratio = category.highest_eur / category.lowest_eur
    price_eur = category.lowest_eur * math.pow(ratio, number / (ITEMS_PER_CATEGORY - 1))
    return round(100 * price_eur)
