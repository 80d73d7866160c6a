"""Prices on one scarce action, against every price that decides differently."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.optimum.prices import (
    DailyReviewPrice,
    daily_review_price,
    decline_price,
    review_price,
)
from fraudkit.errors import InputError

Floats = NDArray[np.float64]
Order = tuple[float, int, float]

orders = st.tuples(
    st.integers(-1, 9).map(float) | st.just(np.nan),
    st.sampled_from([7, 0, -3]),
    st.sampled_from([1.0, 2.0, 0.25, 0.0]),
)
histories = st.lists(orders, max_size=8)
capacities = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 100.0, np.inf])


def arrays(history: list[Order]) -> tuple[Floats, NDArray[np.int64], Floats]:
    return (
        np.array([benefit for benefit, _day, _weight in history], np.float64),
        np.array([day for _benefit, day, _weight in history], np.int64),
        np.array([weight for _benefit, _day, weight in history], np.float64),
    )


def wanted(history: list[Order], price: float) -> float:
    return sum(weight for benefit, _day, weight in history if benefit > price)


def prices_up_to(history: list[Order]) -> list[float]:
    """Return 0 and every benefit above it: between two of them nothing changes."""
    return sorted({0.0} | {benefit for benefit, _day, _weight in history if benefit > 0.0})


@settings(max_examples=300)
@given(history=histories, capacity=capacities)
@pytest.mark.parametrize("price_of", [review_price, decline_price])
def test_the_price_is_the_smallest_that_leaves_no_more_than_there_is(
    price_of: Callable[..., float], history: list[Order], capacity: float
) -> None:
    benefits, _days, weights = arrays(history)
    smallest = next(
        price for price in prices_up_to(history) if wanted(history, price) <= capacity
    )  # fmt: skip
    assert price_of(benefits, capacity, weights) == smallest


@settings(max_examples=300)
@given(history=histories, capacity=capacities)
def test_the_mean_day_has_no_more_reviews_than_there_are(
    history: list[Order], capacity: float
) -> None:
    benefits, days, weights = arrays(history)
    dates = {day for _benefit, day, weight in history if weight > 0.0}
    smallest = next(
        price
        for price in prices_up_to(history)
        if not dates or wanted(history, price) / len(dates) <= capacity
    )
    over = [
        day
        for day in dates
        if wanted([order for order in history if order[1] == day], smallest) > capacity
    ]
    assert daily_review_price(benefits, days, capacity, weights) == (smallest, len(over))


@given(history=histories, capacity=capacities)
def test_without_weights_every_order_counts_once(history: list[Order], capacity: float) -> None:
    benefits, days, _weights = arrays(history)
    ones = np.ones(len(history))
    assert review_price(benefits, capacity) == review_price(benefits, capacity, ones)
    assert decline_price(benefits, capacity) == decline_price(benefits, capacity, ones)
    assert daily_review_price(benefits, days, capacity) == daily_review_price(
        benefits, days, capacity, ones
    )


def test_a_day_of_orders_of_weight_0_is_no_day() -> None:
    benefits, days = np.array([3.0, 2.0, 1.0]), np.array([0, 0, 1])
    assert daily_review_price(benefits, days, 1.0, np.array([1.0, 1.0, 0.0])).price == 2.0
    assert daily_review_price(benefits, days, 1.0, np.array([1.0, 1.0, 1.0])).price == 1.0


def test_a_mean_that_is_just_the_capacity_holds() -> None:
    assert 0.29 * 100 < 29.0
    benefits = np.arange(100, 0, -1.0)
    assert daily_review_price(benefits, np.arange(100), 0.29) == DailyReviewPrice(71.0, 29)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"benefits": np.array([1.0, np.inf])}, "benefits must be finite, or NaN where"),
        ({"benefits": np.array([[1.0, 2.0]])}, r"benefits must be .* of shape \(1,\)"),
        ({"capacity_per_day": -1.0}, "capacity must be at least 0, got -1.0"),
        ({"capacity_per_day": np.nan}, "capacity must be at least 0, got nan"),
        ({"days": np.array([0.0, 1.0])}, "days must be an array of integers of shape"),
        ({"days": np.array([0])}, r"days must be an array of integers of shape \(2,\)"),
        ({"weights": np.array([1.0, -1.0])}, "weights must be .* got -1.0 at order 1"),
    ],
)
def test_what_does_not_hold_is_refused(changed: dict[str, object], message: str) -> None:
    values = {
        "benefits": np.array([1.0, 2.0]),
        "days": np.array([0, 1]),
        "capacity_per_day": 1.0,
        **changed,
    }
    with pytest.raises(InputError, match=message):
        daily_review_price(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("price_of", [review_price, decline_price])
def test_a_capacity_below_nothing_is_refused(price_of: Callable[..., float]) -> None:
    with pytest.raises(InputError, match="capacity must be at least 0"):
        price_of(np.array([1.0]), -1.0)
