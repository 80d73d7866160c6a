"""Edges against every cut there is, tried one by one."""

from __future__ import annotations

from itertools import pairwise
from math import inf, isfinite, log, nan, nextafter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.scoring.learning.bin_edges import forced_bins, sharp_edges

VALUES = st.one_of(
    st.integers(0, 12).map(float), st.floats(width=16), st.sampled_from([nan, inf, -inf, 0.1])
)
ORDERS = st.lists(st.tuples(VALUES, st.booleans()), max_size=60)
Orders = list[tuple[float, bool]]


def deviance(part: Orders) -> float:
    frauds = sum(is_fraud for _value, is_fraud in part)
    counts = [count for count in (frauds, len(part) - frauds) if count]
    return sum(count * log(len(part) / count) for count in counts)


def naive_tree(part: Orders, depth: int) -> tuple[float, list[tuple[float, float]]]:
    """Return what a greedy tree leaves of the deviance, and the neighbours of its cuts."""
    values = sorted({value for value, _is_fraud in part})
    cuts = []
    for low, high in pairwise(values):
        sides = [[o for o in part if o[0] <= low], [o for o in part if o[0] >= high]]
        cuts.append((deviance(part) - sum(map(deviance, sides)), low, high, sides))
    best = max(cuts, key=lambda cut: cut[0], default=None)
    if depth == 0 or best is None or best[0] < 4.0:
        return deviance(part), []
    left, right = (naive_tree(side, depth - 1) for side in best[3])
    return left[0] + right[0], [*left[1], (best[1], best[2]), *right[1]]


def left_over(part: Orders, edges: list[float]) -> float:
    bounds = [-inf, *edges, inf]
    return sum(deviance([o for o in part if low < o[0] <= high]) for low, high in pairwise(bounds))


@given(ORDERS)
def test_the_first_edge_is_the_best_of_all_cuts(orders: Orders) -> None:
    values = np.array([value for value, _is_fraud in orders], np.float64)
    edges = sharp_edges(values, np.array([is_fraud for _value, is_fraud in orders], np.bool_))
    present = [order for order in orders if isfinite(order[0])]
    expected, cuts = naive_tree(present, 1)
    assert edges == sorted(set(edges))
    assert len(edges) <= 7
    assert bool(edges) == bool(cuts)
    if cuts:
        assert min(left_over(present, [edge]) for edge in edges) == pytest.approx(expected)
        assert left_over(present, edges) <= expected + 1e-9


@given(ORDERS)
def test_an_edge_lies_between_two_neighbours_and_parts_them(orders: Orders) -> None:
    values = np.array([value for value, _is_fraud in orders], np.float64)
    edges = sharp_edges(values, np.array([is_fraud for _value, is_fraud in orders], np.bool_))
    held = sorted({value for value, _is_fraud in orders if isfinite(value)})
    for edge in edges:
        assert any(low <= edge < high for low, high in pairwise(held))


def test_two_frauds_that_begin_and_end_are_both_found() -> None:
    amounts = np.arange(1000.0)
    is_fraud = ((amounts >= 100) & (amounts < 130)) | (amounts >= 900)
    assert sharp_edges(amounts, is_fraud) == [99.5, 129.5, 899.5]


def test_neighbours_without_a_number_between_them_are_parted() -> None:
    low, high = 1.0, nextafter(1.0, inf)
    values, is_fraud = np.array([low] * 20 + [high] * 20), np.arange(40) >= 20
    assert sharp_edges(values, is_fraud) == [low]


def test_only_features_with_more_values_than_bins_have_forced_edges() -> None:
    values = np.arange(300.0)
    rows = np.column_stack([values, np.minimum(values, 254), values, np.full(300, nan)])
    assert forced_bins(rows, values > 200, [0, 1, 3], 255) == [
        {"feature": 0, "bin_upper_bound": [200.5]}
    ]
    assert forced_bins(rows, values > 200, [0, 1, 3], 300) == []
