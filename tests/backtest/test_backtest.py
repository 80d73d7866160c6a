"""Two policies on the same orders, held against sums order by order."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fraudkit.backtest import Backtest, backtest
from fraudkit.backtest.affected import band_edges
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy
from fraudkit.decisions.segments import CutOffs
from tests.backtest.drawn import (
    CAREFUL,
    DAY_MS,
    action_of_each,
    changes_of_each,
    framed,
    made,
    past,
)
from tests.decisions.drawn import drawn_policies

ROUNDING = {"rel": 1e-9, "abs": 1e-3}


def cells(found: Backtest) -> dict[tuple[str, str], tuple[int, float, int, int]]:
    return {
        (c.old_action, c.new_action): (c.n_orders, c.amount_minor, c.n_frauds, c.n_honest)
        for c in found.matrix
    }


@given(orders=past(), old=drawn_policies(), new=drawn_policies())
def test_the_matrix_is_that_of_orders_decided_one_by_one(
    orders: list[dict[str, Any]], old: Policy, new: Policy
) -> None:
    found = backtest(framed(orders), old, new)
    before, after = action_of_each(old, orders), action_of_each(new, orders)
    for (first, second), cell in cells(found).items():
        held = [o for o in orders if (before[o["id"]], after[o["id"]]) == (first, second)]
        labels = [order["is_fraud"] for order in held]
        amount = float(sum(order["amount"] or 0 for order in held))
        assert cell == (len(held), amount, labels.count(True), labels.count(False))
    assert found.n_orders == len(orders) == sum(cell[0] for cell in cells(found).values())
    moved = sum(before[key] != after[key] for key in before)
    assert found.difference.n_moved == moved


@given(orders=past(), old=drawn_policies(), new=drawn_policies())
def test_the_money_is_the_sum_over_orders_at_the_new_policys_costs(
    orders: list[dict[str, Any]], old: Policy, new: Policy
) -> None:
    found = backtest(framed(orders), old, new)
    sides = action_of_each(old, orders), action_of_each(new, orders)
    changes = changes_of_each(new, orders, *sides)
    low = high = known = 0.0
    for order in orders:
        if order["amount"] is None:
            continue
        pair = changes[order["id"]]
        if order["is_fraud"] is not None:
            pair = (pair[order["is_fraud"]],) * 2
            known += pair[0]
        low, high = low + min(pair), high + max(pair)
    cost = found.difference.cost_minor
    assert (cost.bound_low, cost.bound_high) == pytest.approx((low, high), **ROUNDING)
    if all(order["is_fraud"] is not None for order in orders):
        assert cost.kind == "identified"
        assert cost.value == pytest.approx(known, **ROUNDING)
    for dimension in {group.dimension for group in found.groups}:
        held = [group for group in found.groups if group.dimension == dimension]
        assert sum(group.n_orders for group in held) == len(orders)
        assert sum(group.n_moved for group in held) == found.difference.n_moved
        assert all(g.n_stricter + g.n_milder == g.n_moved for g in held)
        bounds = (sum(g.cost_low_minor for g in held), sum(g.cost_high_minor for g in held))
        assert bounds == pytest.approx((low, high), **ROUNDING)


@given(orders=past(), policy=drawn_policies())
def test_a_policy_against_itself_moves_nothing_and_costs_nothing(
    orders: list[dict[str, Any]], policy: Policy
) -> None:
    found = backtest(framed(orders), policy, policy)
    assert all(cell.n_orders == 0 for cell in found.matrix if cell.old_action != cell.new_action)
    cost = found.difference.cost_minor
    assert (cost.kind, cost.value, cost.bound_low, cost.bound_high) == ("identified", 0.0, 0.0, 0.0)
    assert found.examples == ()
    assert {group.n_moved for group in found.groups} <= {0}


@given(
    orders=past(),
    old=drawn_policies(),
    new=drawn_policies(),
    seed=st.integers(0, 99),
)
def test_the_order_of_rows_changes_nothing(
    orders: list[dict[str, Any]], old: Policy, new: Policy, seed: int
) -> None:
    frame = framed(orders)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    assert backtest(shuffled, old, new) == backtest(frame, old, new)


@given(
    orders=past(),
    thresholds=st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).map(sorted),
)
def test_tightening_lets_nothing_through_that_was_not(
    orders: list[dict[str, Any]], thresholds: list[float]
) -> None:
    low, decline_low, high, decline_high = thresholds
    assume(low < high)
    strict = Policy(cut_offs=CutOffs(review_from=low, decline_from=decline_low))
    loose = Policy(cut_offs=CutOffs(review_from=high, decline_from=decline_high))
    found = backtest(framed(orders), loose, strict)
    for cell in found.matrix:
        if ACTIONS.index(cell.new_action) < ACTIONS.index(cell.old_action):
            assert cell.n_orders == 0
    assert found.difference.n_loosened == 0
    assert all(group.n_milder == 0 for group in found.groups)
    assert found.difference.approval_share.value is not None
    assert found.difference.approval_share.value <= 0.0


def test_the_other_way_round_everything_is_mirrored() -> None:
    costs = Costs()
    there = backtest(made(), Policy(costs=costs), CAREFUL)
    back = backtest(made(), CAREFUL, Policy(costs=costs))
    assert there.difference.n_moved > 20
    mirrored = {(new, old): held for (old, new), held in cells(back).items()}
    assert cells(there) == mirrored
    values = [found.difference.cost_minor.value for found in (there, back)]
    assert values[0] == pytest.approx(-values[1] if values[1] is not None else None, rel=1e-12)
    assert [order.transaction_id for order in there.examples] == [
        order.transaction_id for order in back.examples
    ]


def test_each_side_may_decide_by_a_probability_of_its_own() -> None:
    orders = made()
    other = orders["fraud_probability"].reverse()
    found = backtest(orders.with_columns(new_fraud_probability=other), Policy(), Policy())
    alone = backtest(orders.with_columns(fraud_probability=other), Policy(), Policy())
    assert found.difference.n_moved > 20
    for action in ACTIONS:
        moved_in = sum(c.n_orders for c in found.matrix if c.new_action == action)
        assert moved_in == sum(c.n_orders for c in alone.matrix if c.new_action == action)


def test_limits_hold_by_day_for_each_side() -> None:
    held = Policy(constraints=Constraints(reviews_per_day=1))
    orders = made(**{"payment.method": pl.lit("voucher")})
    found = backtest(orders, Policy(), held)
    reviews = [c.n_orders for c in found.matrix if c.new_action == "review"]
    assert sum(reviews) == 10
    assert sum(c.n_orders for c in found.matrix if c.old_action == "review") > 20


def test_who_is_affected_is_told_by_customer_and_by_band() -> None:
    day = DAY_MS
    orders = pl.DataFrame(
        {
            "transaction_id": ["a", "b", "c", "d"],
            "event_time_ms": [day] * 4,
            "fraud_probability": [0.5] * 4,
            "amount_minor": [1_000.0, 2_000.0, 40_000.0, None],
            "is_fraud": [False, True, None, None],
            "account.is_guest": [True, False, None, None],
            "account.first_purchase_at_ms": [None, day - 1, day, None],
        }
    )
    old, new = (
        Policy(cut_offs=CutOffs(decline_from=0.9)),
        Policy(cut_offs=CutOffs(decline_from=0.4)),
    )
    found = backtest(orders, old, new)
    frame = found.affected
    assert frame.columns[:5] == ["dimension", "value", "n_orders", "n_moved", "n_stricter"]
    by_customer = frame.filter(pl.col("dimension") == "customer")
    assert by_customer["value"].to_list() == ["guest", "new", "returning", "unknown"]
    assert by_customer["n_moved_unknown"].to_list() == [0, 1, 0, 0]
    costs = Costs()
    declined = [costs.insult_cost_minor + costs.margin_share * 1_000, 0.0,
                -(2_000 + costs.chargeback_fee_minor), 0.0]  # fmt: skip
    assert by_customer["cost_minor"].to_list() == declined
    bands = frame.filter(pl.col("dimension") == "amount_band")
    assert bands["value"].to_list() == [
        "1,000 to 2,000",
        "2,000 to 10,000",
        "20,000 or more",
        "unknown",
    ]
    assert frame["n_orders"].sum() == 8


@given(amounts=st.lists(st.floats(0.0, 1e9) | st.just(float("nan")), max_size=30).map(np.array))
def test_bands_begin_at_round_numbers_in_rising_order(amounts: np.ndarray) -> None:
    edges = band_edges(amounts.astype(np.float64))
    assert len(edges) <= 4
    assert list(edges) == sorted(set(edges))
    for edge in edges:
        assert edge >= 1
        assert f"{edge}".rstrip("0") in {"1", "2", "5"}


def test_the_largest_stakes_come_first() -> None:
    found = backtest(made(), Policy(), CAREFUL, n_examples=7)
    everything = backtest(made(), Policy(), CAREFUL, n_examples=400)
    stakes = [max(abs(o.cost_low_minor), abs(o.cost_high_minor)) for o in everything.examples
              if o.cost_low_minor is not None and o.cost_high_minor is not None]  # fmt: skip
    assert stakes == sorted(stakes, reverse=True)
    assert len(everything.examples) == found.difference.n_moved > 7
    assert found.examples == everything.examples[:7]
    assert all(order.old_action != order.new_action for order in everything.examples)
    assert set(found.examples[0].fields) == {"amount_band"}
    assert backtest(made(), Policy(), CAREFUL, n_examples=0).examples == ()


def test_no_order_at_all_moves_nothing() -> None:
    found = backtest(made()[:0], Policy(), CAREFUL)
    assert (found.n_orders, found.first_event_ms, found.groups, found.examples) == (0, None, (), ())
    assert "0 of 0 orders move" in found.text()
