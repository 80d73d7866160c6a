"""Prices on reviews and declines together, against every price and every decision there is."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.optimum.capacity_prices import Capacity, capacity_prices

Floats = NDArray[np.float64]
Order = tuple[tuple[float, float, float, float], float]

costs_of = st.integers(-5, 12).map(float)
optional_costs = costs_of | st.just(np.inf)
orders = st.tuples(
    st.tuples(costs_of, optional_costs, optional_costs, costs_of), st.sampled_from([1.0, 2.0, 0.5])
)
histories = st.lists(orders, max_size=7)
capacities = st.builds(Capacity, st.sampled_from([0.0, 0.5, 1.0, 1.5, np.inf]), st.just(2.0))

ALIKE = [((9.0, np.inf, 2.0, 2.0), 1.0)] * 4


def arrays(history: list[Order]) -> tuple[Floats, Floats]:
    return (
        np.array([costs for costs, _weight in history]).reshape(-1, 4).T,
        np.array([weight for _costs, weight in history]),
    )


def action(costs: tuple[float, ...], pair: tuple[float, float]) -> int:
    priced = (costs[0], costs[1], costs[2] + pair[0], costs[3] + pair[1])
    return priced.index(min(priced))


def used(history: list[Order], pair: tuple[float, float]) -> tuple[float, float]:
    """Return the weight of the orders that are reviewed and that are declined."""
    taken = [(action(costs, pair), weight) for costs, weight in history]
    return (
        sum(weight for chosen, weight in taken if chosen == 2),
        sum(weight for chosen, weight in taken if chosen == 3),
    )


def lower_prices(history: list[Order], pair: tuple[float, float], place: int) -> list[float]:
    """Return a lower price between any two at which two costs of an order are equal.

    Costs are whole, so prices nearer than a billionth are apart by rounding alone.
    """
    other = {2: pair[0], 3: pair[1]}
    edges = {0.0, pair[place]}
    for costs, _weight in history:
        for column in {0, 1, 2, 3} - {2 + place}:
            edge = costs[column] + other.get(column, 0.0) - costs[2 + place]
            if 0.0 < edge < pair[place]:
                edges.add(edge)
    return [(low + high) / 2.0 for low, high in pairwise(sorted(edges)) if high - low > 1e-9]


# Sums and differences of these are rounded.
tenths = st.integers(-5, 30).map(lambda value: value / 10.0)
rough_orders = st.tuples(
    st.tuples(tenths, tenths | st.just(np.inf), tenths, tenths), st.sampled_from([1.0, 0.3])
)


@settings(max_examples=500)
@given(
    history=histories | st.lists(rough_orders, min_size=4, max_size=12),
    reviews=capacities,
    declines=capacities,
)
@example(history=ALIKE, reviews=Capacity(0.5, 2.0), declines=Capacity(0.5, 2.0))
@example(history=ALIKE, reviews=Capacity(0.5, 2.0), declines=Capacity(np.inf, 2.0))
def test_both_capacities_hold(history: list[Order], reviews: Capacity, declines: Capacity) -> None:
    pair = capacity_prices(*arrays(history), reviews, declines)
    assert min(pair) >= 0.0
    for amount, capacity in zip(used(history, pair), (reviews, declines), strict=True):
        assert amount / capacity.divisor <= capacity.most


@settings(max_examples=500)
@given(history=histories, capacity=capacities, place=st.sampled_from([0, 1]))
def test_a_price_that_is_enough_alone_cannot_be_lower(
    history: list[Order], capacity: Capacity, place: int
) -> None:
    plenty = Capacity(np.inf, 1.0)
    both = (capacity, plenty) if place == 0 else (plenty, capacity)
    pair = capacity_prices(*arrays(history), *both)
    assert pair[1 - place] == 0.0
    served = used(history, pair)[place]
    for price in lower_prices(history, pair, place):
        amount = used(history, (price, 0.0) if place == 0 else (0.0, price))[place]
        assert amount == served or amount / capacity.divisor > capacity.most


@pytest.mark.parametrize("seed", range(60))
def test_where_both_have_a_price_and_no_orders_are_alike_nothing_is_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 150))
    costs = rng.normal(0.0, 1.0, (4, n))
    costs[:2] += (0.5, 1.5, 5.0, 100.0)[seed % 4]
    costs[1, rng.random(n) < 0.5] = np.inf
    costs[2, rng.random(n) < 0.2] = np.inf
    most = rng.integers(0, n // 8, 2)
    pair = capacity_prices(costs, np.ones(n), Capacity(most[0], 1.0), Capacity(most[1], 1.0))
    chosen = np.argmin(costs + np.array([[0.0], [0.0], [pair[0]], [pair[1]]]), axis=0)
    assert min(pair) > 0.0
    assert [(chosen == 2).sum(), (chosen == 3).sum()] == most.tolist()


@settings(max_examples=200)
@given(history=st.lists(orders, max_size=5), reviews=capacities, declines=capacities)
@example(history=ALIKE, reviews=Capacity(0.5, 2.0), declines=Capacity(0.5, 2.0))
def test_nothing_within_the_capacities_saves_more_than_the_prices_of_what_is_left(
    history: list[Order], reviews: Capacity, declines: Capacity
) -> None:
    pair = capacity_prices(*arrays(history), reviews, declines)
    gap = sum(
        price * (capacity.most * capacity.divisor - amount)
        for price, capacity, amount in zip(
            pair, (reviews, declines), used(history, pair), strict=True
        )
        if price > 0.0
    )
    least = min(
        sum(weight * costs[chosen] for chosen, (costs, weight) in zip(all_, history, strict=True))
        for all_ in product(range(4), repeat=len(history))
        if all(
            capacity.holds(
                sum(w for chosen, (_c, w) in zip(all_, history, strict=True) if chosen == which)
            )
            for which, capacity in ((2, reviews), (3, declines))
        )
    )
    paid = sum(weight * costs[action(costs, pair)] for costs, weight in history)
    assert paid - gap - 1e-6 <= least <= paid


@given(history=histories)
def test_without_scarcity_there_is_no_price(history: list[Order]) -> None:
    plenty = Capacity(np.inf, 1.0)
    assert capacity_prices(*arrays(history), plenty, plenty) == (0.0, 0.0)


def test_many_orders_that_must_be_stopped_share_what_there_is() -> None:
    """All are far dearer approved than stopped: the prices rise far above what parts the two."""
    rng = np.random.default_rng(3)
    n = 2_000
    costs = np.array(
        [
            rng.uniform(1e6, 2e6, n),
            np.full(n, np.inf),
            rng.uniform(0.0, 1.0, n),
            rng.uniform(0.0, 1.0, n),
        ]
    )
    reviews, declines = Capacity(300.0, 1.0), Capacity(500.0, 1.0)
    pair = capacity_prices(costs, np.ones(n), reviews, declines)
    chosen = np.argmin(costs + np.array([[0.0], [0.0], [pair[0]], [pair[1]]]), axis=0)
    assert ((chosen == 2).sum(), (chosen == 3).sum()) == (300, 500)
    assert min(pair) > 1e6
