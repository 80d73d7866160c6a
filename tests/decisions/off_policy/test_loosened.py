"""Loosened orders of which some were explored: when an estimate is told, and with what interval."""

from __future__ import annotations

import numpy as np
import pytest

from fraudkit.decisions.off_policy.day_blocks import day_variance, interval_around, student_doubt
from fraudkit.decisions.off_policy.past_orders import APPROVE, DECLINE, PastOrders
from fraudkit.decisions.off_policy.policy_difference import policy_difference
from fraudkit.decisions.off_policy.sampling_doubt import sampling_doubt
from tests.decisions.off_policy.drawn_orders import chosen_rows


def tried(n_stayed: int, n_explored: int, propensity: float = 0.25, n_days: int = 10) -> PastOrders:
    """Return would-be declines that the new policy approves; a half of the explored are fraud."""
    n_orders = n_stayed + n_explored
    is_explored = np.arange(n_orders) < n_explored
    costs = np.zeros((2, 4, n_orders))
    costs[0, APPROVE], costs[1, APPROVE] = -100.0, 300.0
    return PastOrders(
        action=np.where(is_explored, APPROVE, DECLINE),
        new_action=np.full(n_orders, APPROVE),
        is_fraud=np.where(is_explored, np.arange(n_orders) % 2, np.nan),
        at_honest=costs[0],
        at_fraud=costs[1],
        probability=np.full(n_orders, 0.5),
        day=np.arange(n_orders) % n_days,
        approve_propensity=np.full(n_orders, propensity),
    )


def test_the_model_counts_only_where_no_outcome_is_known() -> None:
    orders = tried(n_stayed=400, n_explored=100)
    other = orders._replace(probability=np.where(np.isnan(orders.is_fraud), 0.5, 0.9))
    one, two = (policy_difference(held).cost_minor for held in (orders, other))
    assert one.modelled == two.modelled
    assert one.estimated is not None
    assert two.estimated is not None
    assert (one.estimated.ips, one.estimated.snips) == (two.estimated.ips, two.estimated.snips)


@pytest.mark.parametrize(
    ("n_explored", "n_days", "kind"),
    [(20, 10, "estimated"), (18, 10, "bounded"), (20, 5, "estimated"), (20, 4, "bounded")],
)
def test_too_few_explored_orders_or_days_are_too_few_to_tell(
    n_explored: int, n_days: int, kind: str
) -> None:
    cost = policy_difference(tried(60, n_explored, n_days=n_days)).cost_minor
    assert cost.kind == kind
    assert cost.estimated is not None
    assert cost.estimated.n_explored == cost.estimated.effective_sample_size == n_explored
    assert cost.estimated.ips == n_explored * 4 * 100.0
    assert cost.estimated.snips == cost.estimated.doubly_robust == (60 + n_explored) * 100.0
    told = (cost.value, cost.low, cost.high, cost.estimated.low, cost.estimated.high)
    assert all((one is None) == (kind == "bounded") for one in told)
    assert cost.bound_low == n_explored * 100.0 - 60 * 100.0
    assert cost.bound_high == n_explored * 100.0 + 60 * 300.0


def test_an_interval_as_wide_as_the_whole_range_is_withheld() -> None:
    orders = tried(380, 20, propensity=0.05)
    assert policy_difference(orders).cost_minor.kind == "estimated"
    large = orders.at_fraud.copy()
    large[APPROVE, -1] = 10**6
    cost = policy_difference(orders._replace(at_fraud=large)).cost_minor
    assert cost.kind == "bounded"
    assert cost.estimated is not None
    assert (cost.estimated.effective_sample_size, cost.estimated.low) == (20.0, None)


def test_what_exploration_did_not_cover_is_bounded_beside_what_it_did() -> None:
    orders = tried(380, 100)
    propensity = orders.approve_propensity.copy()
    propensity[-30:] = np.nan
    cost = policy_difference(orders._replace(approve_propensity=propensity)).cost_minor
    assert (cost.kind, cost.value, cost.bounded.n_orders) == ("bounded", None, 30)
    assert (cost.bounded.bound_low, cost.bounded.bound_high) == (-3_000.0, 9_000.0)
    assert cost.estimated is not None
    assert cost.estimated.low is not None
    assert cost.estimated.doubly_robust == 45_000.0


def test_the_interval_of_both_parts_is_over_their_days_and_over_explorations() -> None:
    n_stayed, n_explored = 300, 60
    orders = tried(n_stayed, n_explored)
    # The model and the amounts differ by day; and ten orders, one a day, are no longer approved.
    identified = np.arange(n_stayed + n_explored) >= n_stayed + n_explored - 10
    orders = orders._replace(
        action=np.where(identified, APPROVE, orders.action),
        new_action=np.where(identified, DECLINE, orders.new_action),
        is_fraud=np.where(identified, 0.0, orders.is_fraud),
        at_honest=orders.at_honest * (1 + orders.day),
        probability=(1 + orders.day) / 11,
        approve_propensity=np.where(identified, np.nan, orders.approve_propensity),
    )
    if_honest, covered = -100.0 * (1 + orders.day), ~identified
    stake = 300.0 - if_honest
    expected = np.where(covered, if_honest + orders.probability * stake, 0.0)
    parts = (stake, orders.is_fraud, orders.probability, orders.approve_propensity)
    sampling = sampling_doubt(*(part[covered] for part in parts))
    cost = policy_difference(orders).cost_minor
    assert cost.value is not None
    assert cost.estimated is not None
    of_all = day_variance(expected + np.where(identified, -if_honest, 0.0), orders.day)
    of_covered = day_variance(expected, orders.day)
    assert of_all is not None
    assert of_covered is not None
    assert (cost.low, cost.high) == pytest.approx(
        interval_around(cost.value, student_doubt(of_all), sampling)
    )
    assert (cost.estimated.low, cost.estimated.high) == pytest.approx(
        interval_around(cost.estimated.doubly_robust, student_doubt(of_covered), sampling)
    )


def test_an_order_without_a_cost_is_left_out_and_counted() -> None:
    orders = tried(60, 40)
    without = orders.at_fraud.copy()
    without[DECLINE, -1] = np.nan
    found = policy_difference(orders._replace(at_fraud=without))
    alone = policy_difference(chosen_rows(orders, np.arange(99)))
    assert (found.n_orders, found.n_orders_with_cost) == (100, 99)
    assert found.cost_minor.estimated == alone.cost_minor.estimated
