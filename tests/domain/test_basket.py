"""A basket's numbers: known cases, and against a plain count of every piece."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.basket import BASKET_PATHS, Basket, basket_of
from fraudkit.domain.transaction import Item
from tests.domain.documents import documents

items = st.lists(
    st.one_of(
        documents(Item).map(lambda document: msgspec.convert(document, Item)),
        st.builds(
            Item,
            category=st.sampled_from([None, "books", "games"]),
            price_minor=st.none() | st.integers(0, 50),
            quantity=st.integers(1, 3),
            is_digital=st.none() | st.booleans(),
        ),
    ),
    max_size=5,
)


@given(items)
def test_every_number_is_that_of_the_single_pieces(lines: list[Item]) -> None:
    basket = basket_of(lines)
    prices = [None if i.price_minor is None else i.price_minor * i.quantity for i in lines]
    known = [price for price in prices if price is not None]
    said = [item.is_digital for item in lines if item.is_digital is not None]
    is_priced = bool(lines) and None not in prices
    assert basket == Basket(
        line_count=len(lines) or None,
        piece_count=sum(item.quantity for item in lines) or None,
        most_pieces=max((item.quantity for item in lines), default=None),
        category_count=len({i.category for i in lines if i.category is not None}) or None,
        digital_share=said.count(True) / len(said) if said else None,
        total_minor=sum(known) if is_priced else None,
        largest_line_minor=max(known) if is_priced else None,
    )


def test_no_lines_are_unknown_not_empty() -> None:
    assert basket_of(()) == Basket(*(None,) * 7)


def test_a_price_that_is_missing_leaves_the_total_unknown() -> None:
    basket = basket_of([Item(price_minor=100), Item()])
    assert (basket.total_minor, basket.largest_line_minor) == (None, None)
    assert basket.line_count == 2


def test_each_number_has_a_path() -> None:
    assert len(BASKET_PATHS) == len(Basket._fields)
    assert BASKET_PATHS[:2] == ("order.item_count", "basket.piece_count")
