"""How far off explored orders may be: against Poisson, and over many explorations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from fraudkit.decisions.off_policy.day_blocks import Doubt
from fraudkit.decisions.off_policy.sampling_doubt import event_sum_interval, sampling_doubt

Floats = NDArray[np.float64]

rows = st.lists(
    st.tuples(
        st.integers(-1_000, 1_000),
        st.sampled_from([0.0, 1.0, None]),
        st.floats(0.0, 1.0).filter(lambda p: p == 0.0 or p > 1e-6),
        st.sampled_from([0.02, 0.25, 0.5]),
    ),
    max_size=12,
)


def columns(orders: list[tuple[int, float | None, float, float]]) -> list[Floats]:
    return list(np.array(orders, np.float64).reshape(-1, 4).T)


def n_at(mean: float, n_events: int) -> float:
    """Return the chance of more events, and half of that of as many."""
    return float(stats.poisson.sf(n_events, mean) + 0.5 * stats.poisson.pmf(n_events, mean))


@given(n_events=st.integers(0, 40), weight=st.sampled_from([1e-3, 1.0, 1e6]))
def test_with_equal_weights_it_is_the_mid_p_interval_of_a_poisson_mean(
    n_events: int, weight: float
) -> None:
    low, high = event_sum_interval(np.full(n_events, weight), weight)
    assert n_at(high / weight, n_events) == pytest.approx(0.95, abs=1e-9)
    if n_events:
        assert n_at(low / weight, n_events) == pytest.approx(0.05, abs=1e-9)
    else:
        assert low == 0.0


@given(
    weights=st.lists(st.floats(1.0, 1e3), max_size=20),
    one_more=st.floats(1.0, 1e3),
    unit=st.sampled_from([1e-6, 1e6]),
)
def test_the_sum_is_inside_and_the_unit_does_not_matter(
    weights: list[float], one_more: float, unit: float
) -> None:
    found = np.array(weights)
    low, high = event_sum_interval(found, one_more)
    assert low <= found.sum() * (1.0 + 1e-9)
    assert found.sum() < high
    scaled = event_sum_interval(found * unit, one_more * unit)
    assert scaled == pytest.approx((low * unit, high * unit), rel=1e-6)
    assert event_sum_interval(found, one_more * 2.0).high > high


@given(orders=rows)
def test_a_stake_of_the_other_sign_turns_the_doubt_round(
    orders: list[tuple[int, float | None, float, float]],
) -> None:
    stake, is_fraud, probability, propensity = columns(orders)
    one = sampling_doubt(stake, is_fraud, probability, propensity)
    other = sampling_doubt(-stake, is_fraud, probability, propensity)
    assert one.below >= 0.0
    assert one.above >= 0.0
    assert (other.above, other.below) == pytest.approx((one.below, one.above))
    doubled = sampling_doubt(2.0 * stake, is_fraud, probability, propensity)
    assert (doubled.below, doubled.above) == pytest.approx((2.0 * one.below, 2.0 * one.above))


def test_few_frauds_leave_more_doubt_above_than_below() -> None:
    n_orders = 200
    is_fraud = np.where(np.arange(n_orders) < 40, 0.0, np.nan)
    is_fraud[0] = 1.0
    stake, probability = np.full(n_orders, 100.0), np.full(n_orders, 0.05)
    found = sampling_doubt(stake, is_fraud, probability, np.full(n_orders, 0.2))
    weight = 100.0 * 0.95 / 0.2
    low, high = event_sum_interval(np.array([weight]), weight)
    # Of the 39 honest ones, of 40, and of all orders that could have been explored.
    square = 39.0 / 40.0 * n_orders * (100.0 * 0.05) ** 2 / 0.2
    honest = stats.norm.ppf(0.95) * math.sqrt(square)
    assert found.below == pytest.approx(math.hypot(weight - low, honest))
    assert found.above == pytest.approx(math.hypot(high - weight, honest))
    assert found.above > found.below


def test_a_large_order_that_is_surely_honest_leaves_no_more_doubt() -> None:
    stake, probability = np.full(50, 100.0), np.linspace(0.02, 0.3, 50)
    seen = np.where(np.arange(50) < 20, np.arange(50) % 5 == 0, np.nan)
    propensity = np.full(50, 0.2)
    one = sampling_doubt(stake, seen, probability, propensity)
    other = sampling_doubt(
        np.append(stake, 1e9), np.append(seen, np.nan), np.append(probability, 0.0),
        np.append(propensity, 0.2),
    )  # fmt: skip
    assert (one.below, one.above) == pytest.approx((other.below, other.above))


def test_with_nothing_at_stake_or_nothing_unsure_there_is_no_doubt() -> None:
    nothing = np.empty(0)
    assert sampling_doubt(nothing, nothing, nothing, nothing) == Doubt(0.0, 0.0)
    one = np.ones(3)
    assert sampling_doubt(0.0 * one, one, 0.5 * one, one) == Doubt(0.0, 0.0)
    unsure = sampling_doubt(one, np.full(3, np.nan), 0.0 * one, 0.1 * one)
    assert unsure.below == 0.0
    assert unsure.above > 0.0


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_over_explorations_and_labels_it_holds_as_often_as_it_says(share: float) -> None:
    rng = np.random.default_rng(4)
    n_orders, held = 1_500, 0
    stake = rng.lognormal(8.0, 1.0, n_orders)
    probability = np.clip(rng.beta(1.0, 1.0 / share, n_orders), 0.0, 0.9)
    propensity = np.where(rng.random(n_orders) < 0.5, 0.05, 0.2)
    truth = float((stake * probability).sum())
    for _run in range(400):
        label = (rng.random(n_orders) < probability).astype(np.float64)
        is_explored = rng.random(n_orders) < propensity
        error = np.where(is_explored, stake * (label - probability) / propensity, 0.0).sum()
        seen = np.where(is_explored, label, np.nan)
        doubt = sampling_doubt(stake, seen, probability, propensity)
        held += truth + error - doubt.below <= truth <= truth + error + doubt.above
    assert 340 <= held <= 392
