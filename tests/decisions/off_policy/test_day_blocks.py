"""Intervals over days: the closed form is what redrawing the days gives, and they hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from fraudkit.decisions.off_policy.day_blocks import (
    DAYS_MIN,
    Doubt,
    Variance,
    day_interval,
    day_variance,
    interval_around,
    student_doubt,
)

orders_of_days = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-100, 100)), max_size=20
).map(lambda rows: [*rows, *((day, 0) for day in range(5))])  # fmt: skip


@given(orders=orders_of_days)
def test_the_variance_is_that_over_all_redrawings_of_the_days(
    orders: list[tuple[int, int]],
) -> None:
    day, terms = (np.array(column) for column in zip(*orders, strict=True))
    totals = [terms[day == one].sum() for one in range(5)]
    redrawn = [sum(drawn) for drawn in product(totals, repeat=5)]
    found = day_variance(terms.astype(np.float64), day)
    assert found is not None
    # A sample variance over n days is n / (n - 1) of that over redrawings.
    assert found.value == pytest.approx(np.var(redrawn) * 5 / 4, rel=1e-9, abs=1e-9)


@given(orders=orders_of_days, label=st.permutations(range(5)), unit=st.sampled_from([1e-9, 1e9]))
def test_neither_the_names_of_days_nor_the_unit_matter(
    orders: list[tuple[int, int]], label: list[int], unit: float
) -> None:
    day, terms = (np.array(column) for column in zip(*orders, strict=True))
    one = day_variance(terms.astype(np.float64), day)
    other = day_variance(terms * unit, np.array(label)[day] * 7 - 3)
    assert one is not None
    assert other is not None
    assert one.value * unit**2 == pytest.approx(other.value, rel=1e-9)
    if one.value > 0.0:
        assert 1.0 <= one.degrees_of_freedom <= 4.0
        assert one.degrees_of_freedom == pytest.approx(other.degrees_of_freedom, rel=1e-6)


def test_one_day_that_makes_all_of_it_leaves_one_degree_of_freedom() -> None:
    equal = np.resize([1.0, -1.0], 100)
    day = np.arange(100)
    found = day_variance(equal, day)
    assert found is not None
    assert found.degrees_of_freedom == pytest.approx(99.0)
    found = day_variance(np.where(day == 50, 1e6, equal), day)
    assert found is not None
    assert found.degrees_of_freedom == pytest.approx(1.0, abs=0.1)


def test_fewer_days_than_the_least_have_no_interval() -> None:
    terms = np.arange(20.0)
    assert day_interval(terms, np.arange(20) % DAYS_MIN) is not None
    assert day_interval(terms, np.arange(20) % (DAYS_MIN - 1)) is None


@pytest.mark.parametrize("degrees_of_freedom", [1.0, 2.5, 8.0, 300.0])
def test_the_interval_of_one_variance_is_students(degrees_of_freedom: float) -> None:
    doubts = (Variance(4.0, degrees_of_freedom), Variance(0.0, np.inf))
    low, high = interval_around(5.0, *map(student_doubt, doubts))
    expected = stats.t(degrees_of_freedom, loc=5.0, scale=2.0).ppf([0.05, 0.95])
    assert (low, high) == pytest.approx(tuple(expected), rel=1e-9)


def test_independent_doubts_add_up_by_their_squares_on_each_side() -> None:
    found = interval_around(1.0, Doubt(3.0, 5.0), Doubt(4.0, 12.0), Doubt(0.0, 0.0))
    assert found == (1.0 - 5.0, 1.0 + 13.0)
    exact = interval_around(0.0, *[student_doubt(Variance(2.0, np.inf))] * 2)
    assert exact.high == pytest.approx(2.0 * stats.norm.ppf(0.95), rel=1e-9)


def test_where_nothing_varies_the_interval_is_a_point() -> None:
    assert day_interval(np.full(6, 2.0), np.arange(6)) == (12.0, 12.0)


def day_totals(
    generator: np.random.Generator, n_days: int, sigma: float
) -> NDArray[np.float64]:  # fmt: skip
    """Return what tightening brought on each day; a tenth of the days have attacks."""
    n_orders = generator.poisson(20.0 * generator.gamma(20.0, 1.0 / 20.0, n_days))
    day = np.repeat(np.arange(n_days), n_orders)
    attack = np.where(generator.random(n_days) < 0.1, 2.5, 0.0)[day]
    log_odds = generator.normal(-1.5, 0.7, len(day)) + attack
    is_fraud = generator.random(len(day)) < 1.0 / (1.0 + np.exp(-log_odds))
    amount = generator.lognormal(8.0, sigma, len(day))
    change = np.where(is_fraud, -amount - 2_000.0, 0.25 * amount + 1_000.0)
    return np.bincount(day, change, n_days)


@pytest.mark.parametrize("sigma", [1.0, 1.8])
@pytest.mark.parametrize("n_days", [14, 30, 90])
def test_an_interval_holds_the_expected_sum_as_often_as_it_says(n_days: int, sigma: float) -> None:
    truth = n_days * day_totals(np.random.default_rng(0), 100_000, sigma).mean()
    held = 0
    for seed in range(200):
        totals = day_totals(np.random.default_rng(1_000 + seed), n_days, sigma)
        found = day_interval(totals, np.arange(n_days))
        assert found is not None
        held += found.low <= truth <= found.high
    assert held >= 170
