"""The change under another policy, held against sums order by order."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.off_policy.change import Change
from fraudkit.decisions.off_policy.day_blocks import day_interval
from fraudkit.decisions.off_policy.past_orders import APPROVE, DECLINE, PastOrders
from fraudkit.decisions.off_policy.policy_difference import PolicyDifference, policy_difference
from fraudkit.decisions.policy import Policy
from tests.architecture.test_imports import OFFLINE, loaded_by
from tests.decisions.off_policy.drawn_orders import chosen_rows, completions, past_orders


def old_action(orders: PastOrders, row: int) -> int:
    """Return what the old policy decided, the exploration left aside."""
    return DECLINE if orders.approve_propensity[row] < 1.0 else int(orders.action[row])


def cost_change(orders: PastOrders, is_fraud: NDArray[np.float64]) -> float:
    """Return the change of cost, order by order."""
    total = 0.0
    for row, label in enumerate(is_fraud):
        costs = orders.at_fraud if label == 1.0 else orders.at_honest
        total += costs[orders.new_action[row], row] - costs[old_action(orders, row), row]
    return total


def fraud_rate_change(orders: PastOrders, is_fraud: NDArray[np.float64]) -> float | None:
    """Return the change of the fraud rate by value, in basis points."""
    assert orders.amount_minor is not None
    rates = []
    for new in (True, False):
        approved = fraud = 0.0
        for row, label in enumerate(is_fraud):
            action = orders.new_action[row] if new else old_action(orders, row)
            if action == APPROVE:
                approved += orders.amount_minor[row]
                fraud += orders.amount_minor[row] * label
        rates.append(10_000 * fraud / approved if approved else None)
    return None if None in rates else rates[0] - rates[1]


def approval_change(orders: PastOrders) -> float:
    n_orders = len(orders.action)
    new = sum(action == APPROVE for action in orders.new_action)
    old = sum(old_action(orders, row) == APPROVE for row in range(n_orders))
    return (new - old) / n_orders


def changes(found: PolicyDifference) -> list[Change]:
    held = [found.cost_minor, found.approval_share, found.fraud_rate_bps]
    return [change for change in held if change is not None]


@given(orders=past_orders(kinds=("known",), max_size=30))
def test_with_all_outcomes_known_the_change_is_the_sum_over_orders(orders: PastOrders) -> None:
    found = policy_difference(orders)
    cost = found.cost_minor
    expected = cost_change(orders, orders.is_fraud)
    assert (cost.kind, cost.value, cost.estimated) == ("identified", expected, None)
    assert cost.identified.value == cost.bound_low == cost.bound_high == cost.modelled == expected
    rate = fraud_rate_change(orders, orders.is_fraud)
    if rate is None:
        assert found.fraud_rate_bps is None
    else:
        assert found.fraud_rate_bps is not None
        assert found.fraud_rate_bps.kind == "identified"
        assert found.fraud_rate_bps.value == pytest.approx(rate, abs=1e-8)


@given(orders=past_orders(min_size=1))
def test_the_approval_share_needs_no_outcome(orders: PastOrders) -> None:
    share = policy_difference(orders).approval_share
    assert share.kind == "identified"
    assert share.value == pytest.approx(approval_change(orders), abs=1e-12)


@settings(max_examples=60)
@given(orders=past_orders(max_size=7))
def test_bounds_hold_every_completion_and_are_attained(orders: PastOrders) -> None:
    found = policy_difference(orders)
    labels = completions(orders)
    costs = [cost_change(orders, one) for one in labels]
    assert (found.cost_minor.bound_low, found.cost_minor.bound_high) == (min(costs), max(costs))
    if found.fraud_rate_bps is not None:
        rates = [fraud_rate_change(orders, one) for one in labels]
        held = (found.fraud_rate_bps.bound_low, found.fraud_rate_bps.bound_high)
        assert held == pytest.approx((min(rates), max(rates)), abs=1e-8)


@settings(max_examples=60)
@given(orders=past_orders(max_size=7))
def test_the_modelled_figure_is_the_mean_over_completions(orders: PastOrders) -> None:
    labels = completions(orders)
    chance = np.where(labels == 1.0, orders.probability, 1.0 - orders.probability)
    weights = np.where(np.isnan(orders.is_fraud), chance, 1.0).prod(axis=1)
    mean = sum(
        weight * cost_change(orders, one) for weight, one in zip(weights, labels, strict=True)
    )
    assert policy_difference(orders).cost_minor.modelled == pytest.approx(mean, abs=1e-6)


@settings(max_examples=40)
@given(
    orders=past_orders(kinds=("known", "stayed"), max_size=6),
    seed=st.integers(0, 2**16),
)
def test_ips_and_doubly_robust_are_right_in_the_mean_over_all_explorations(
    orders: PastOrders, seed: int
) -> None:
    had_a_chance = np.flatnonzero(orders.approve_propensity < 1.0)
    truth = orders.is_fraud.copy()
    truth[had_a_chance] = np.random.default_rng(seed).integers(0, 2, len(had_a_chance))
    ips = doubly_robust = 0.0
    for drawn in product((False, True), repeat=len(had_a_chance)):
        explored, stayed = had_a_chance[list(drawn)], had_a_chance[[not one for one in drawn]]
        action, label = orders.action.copy(), orders.is_fraud.copy()
        action[explored], label[explored] = APPROVE, truth[explored]
        chance = orders.approve_propensity[explored].prod() * np.prod(
            1.0 - orders.approve_propensity[stayed]
        )
        cost = policy_difference(orders._replace(action=action, is_fraud=label)).cost_minor
        rest = cost.identified.value
        ips += chance * (rest + (cost.estimated.ips if cost.estimated else 0.0))
        doubly_robust += chance * (rest + (cost.estimated.doubly_robust if cost.estimated else 0.0))
    expected = cost_change(orders, truth)
    assert ips == pytest.approx(expected, abs=1e-6)
    assert doubly_robust == pytest.approx(expected, abs=1e-6)


@given(orders=past_orders(kinds=("known", "young", "declined"), max_size=20))
def test_without_exploration_what_is_not_known_is_only_bounded(orders: PastOrders) -> None:
    cost = policy_difference(orders).cost_minor
    assert cost.estimated is None
    assert (cost.kind == "bounded") == (cost.bounded.n_orders > 0)
    if cost.kind == "bounded":
        assert (cost.value, cost.low, cost.high) == (None, None, None)
    else:
        assert cost.bound_low == cost.value == cost.bound_high


@given(orders=past_orders())
def test_the_parts_make_the_whole(orders: PastOrders) -> None:
    for change in changes(policy_difference(orders)):
        tried = change.estimated
        lows = [change.identified.value, change.bounded.bound_low, tried.bound_low if tried else 0]
        highs = [
            change.identified.value, change.bounded.bound_high, tried.bound_high if tried else 0
        ]  # fmt: skip
        assert sum(lows) == pytest.approx(change.bound_low, abs=1e-9)
        assert sum(highs) == pytest.approx(change.bound_high, abs=1e-9)
        assert change.bound_low - 1e-9 <= change.modelled <= change.bound_high + 1e-9


@given(orders=past_orders(max_size=20))
def test_each_part_holds_the_orders_that_it_says(orders: PastOrders) -> None:
    found = policy_difference(orders)
    identified = covered = explored = bounded = 0
    for row in range(len(orders.action)):
        new, old = orders.new_action[row], old_action(orders, row)
        if_honest, if_fraud = (
            costs[new, row] - costs[old, row] for costs in (orders.at_honest, orders.at_fraud)
        )
        is_known = not np.isnan(orders.is_fraud[row])
        if if_honest == if_fraud == 0.0:
            continue
        if if_honest != if_fraud and orders.approve_propensity[row] < 1.0:
            covered += 1
            explored += is_known
        elif is_known or if_honest == if_fraud:
            identified += 1
        else:
            bounded += 1
    cost = found.cost_minor
    assert (cost.identified.n_orders, cost.bounded.n_orders) == (identified, bounded)
    assert (cost.estimated is None) == (covered == 0)
    if cost.estimated is not None:
        assert (cost.estimated.n_orders, cost.estimated.n_explored) == (covered, explored)


@given(orders=past_orders(max_size=20), data=st.data())
def test_the_order_of_the_orders_changes_nothing(orders: PastOrders, data: st.DataObject) -> None:
    rows = np.array(data.draw(st.permutations(range(len(orders.action)))), np.int64)
    found, shuffled = (policy_difference(held) for held in (orders, chosen_rows(orders, rows)))
    one, other = found.cost_minor, shuffled.cost_minor
    for name in ("kind", "value", "bound_low", "bound_high", "modelled", "bounded"):
        assert getattr(one, name) == getattr(other, name)
    intervals = [np.array([held.low, held.high], np.float64) for held in (one, other)]
    assert intervals[0] == pytest.approx(intervals[1], rel=1e-9, abs=1e-9, nan_ok=True)
    if one.estimated is not None:
        assert other.estimated is not None
        assert one.estimated.ips == other.estimated.ips
        assert (one.estimated.snips is None) == (other.estimated.snips is None)
        if one.estimated.snips is not None:
            assert one.estimated.snips == pytest.approx(other.estimated.snips, rel=1e-9, abs=1e-9)


@given(orders=past_orders(), shift=st.integers(-1_000, 1_000))
def test_a_constant_more_in_all_costs_changes_nothing(orders: PastOrders, shift: int) -> None:
    dearer = orders._replace(at_honest=orders.at_honest + shift, at_fraud=orders.at_fraud + shift)
    assert policy_difference(dearer) == policy_difference(orders)


@given(orders=past_orders(kinds=("known",), min_size=5, max_size=30))
def test_the_interval_of_what_is_identified_is_over_its_days(orders: PastOrders) -> None:
    by_order = [
        cost_change(chosen_rows(orders, np.array([row])), orders.is_fraud[[row]])
        for row in range(len(orders.action))
    ]
    cost = policy_difference(orders).cost_minor
    expected = day_interval(np.array(by_order), orders.day)
    assert (cost.low, cost.high) == (cost.identified.low, cost.identified.high)
    assert (cost.low, cost.high) == (expected or (None, None))


@given(orders=past_orders(min_size=2), unknown=st.integers(0, 1))
def test_an_order_without_an_amount_is_left_out_of_the_fraud_rate(
    orders: PastOrders, unknown: int
) -> None:
    assert orders.amount_minor is not None
    amount = orders.amount_minor.copy()
    amount[unknown] = np.nan
    rows = np.delete(np.arange(len(amount)), unknown)
    found = policy_difference(orders._replace(amount_minor=amount)).fraud_rate_bps
    alone = policy_difference(chosen_rows(orders, rows)).fraud_rate_bps
    assert (found is None) == (alone is None)
    if found is not None and alone is not None:
        assert (found.bound_low, found.bound_high, found.modelled) == pytest.approx(
            (alone.bound_low, alone.bound_high, alone.modelled), rel=1e-9, abs=1e-9
        )


@given(orders=past_orders())
def test_without_amounts_there_is_no_fraud_rate(orders: PastOrders) -> None:
    without = policy_difference(orders._replace(amount_minor=None))
    assert without.fraud_rate_bps is None
    assert without.cost_minor == policy_difference(orders).cost_minor


@given(orders=past_orders(max_size=20))
def test_moves_are_counted(orders: PastOrders) -> None:
    found = policy_difference(orders)
    moves = [
        (old_action(orders, row), int(new))
        for row, new in enumerate(orders.new_action)
        if old_action(orders, row) != new
    ]
    assert found.n_orders == len(orders.action)
    assert (found.n_moved, found.n_loosened) == (
        len(moves), sum(old == DECLINE for old, _new in moves)
    )  # fmt: skip


def test_the_costs_are_those_of_the_policys_formulas() -> None:
    rng = np.random.default_rng(3)
    amount = rng.integers(100, 90_000, 300).astype(np.float64)
    can_challenge = rng.random(300) < 0.7
    probability = rng.beta(0.4, 2.0, 300)
    is_fraud = (rng.random(300) < probability).astype(np.float64)
    old, new = Policy(costs=Costs(margin_share=0.4)), Policy(costs=Costs(margin_share=0.05))
    columns = {"payment.method": np.where(can_challenge, "card", "wallet").tolist()}
    decided = [
        Decider(one)
        .of_many(probability, amount, columns, time_ms=np.zeros(300, np.int64))
        .action.astype(np.int64)
        for one in (old, new)
    ]
    at_honest, at_fraud = Decider(old).cost_lines_of_many(amount, columns)
    found = policy_difference(
        PastOrders(
            action=decided[0], new_action=decided[1], is_fraud=is_fraud, at_honest=at_honest,
            at_fraud=at_fraud, probability=probability, day=np.arange(300) // 30,
            approve_propensity=np.ones(300) * np.where(decided[0] == DECLINE, np.nan, 1.0),
        )
    )  # fmt: skip
    by_action = np.array(expected_costs(is_fraud, amount, old.costs))
    realised = [by_action[one, np.arange(300)].sum() for one in decided]
    assert found.n_moved == (decided[0] != decided[1]).sum() > 0
    assert found.cost_minor.kind == "identified"
    assert found.cost_minor.value == pytest.approx(realised[1] - realised[0], rel=1e-12)
    assert found.n_orders_with_cost == 300


def test_importing_it_loads_nothing_heavy() -> None:
    loaded = loaded_by("import fraudkit.decisions.off_policy.policy_difference")
    assert loaded & (OFFLINE | {"numba", "scipy"}) == set()
    assert "numpy" in loaded
