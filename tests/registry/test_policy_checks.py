"""What a change of policy does to recent orders, against orders decided one by one."""

from __future__ import annotations

from collections import Counter
from math import fsum, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.off_policy.day_blocks import day_interval
from fraudkit.decisions.policy import ACTIONS, Guardrails, Policy
from fraudkit.decisions.segments import CutOffs, Segment
from fraudkit.errors import InputError
from fraudkit.registry.policy_checks import RecentOrders, check_change, stricter_guardrails
from tests.decisions.drawn import (
    START,
    drawn_orders,
    drawn_policies,
    is_shifted,
    segment_of,
    transaction_of,
)
from tests.decisions.naive_rule import figures_of

guardrails = st.none() | st.builds(
    Guardrails, rate_move_max=st.none() | st.floats(0.0, 1.0), may_cost_more=st.booleans()
)


def recent(orders: list[dict[str, Any]]) -> RecentOrders:
    start_ms = int(START.timestamp()) * 1_000
    return RecentOrders(
        transaction_id=[order["id"] for order in orders],
        time_ms=np.array([start_ms + order["day"] * 86_400_000 for order in orders]),
        probability=np.array([order["probability"] for order in orders]),
        amount_minor=np.array([order["amount"] for order in orders], np.float64),
        is_fraud=np.array([order.get("is_fraud", nan) for order in orders]),
        columns={
            "billing.country": [order["country"] for order in orders],
            "payment.method": [order["method"] for order in orders],
            "payment.card.was_3d_secure_successful": [o.get("authenticated") for o in orders],
            "payment.card.has_liability_shift": [o.get("shift") for o in orders],
        },
    )


def naive_actions(policy: Policy, orders: list[dict[str, Any]]) -> list[str]:
    decider = Decider(policy)
    return [
        decider.of(transaction_of(order), order["probability"], order["amount"]).action
        for order in orders
    ]


def naive_terms(
    policy: Policy, orders: list[dict[str, Any]], before: list[str], after: list[str]
) -> list[float]:
    terms = []
    for order, one, other in zip(orders, before, after, strict=True):
        if order["amount"] is None:
            terms.append(0.0)
            continue
        costs = figures_of(policy, segment_of(policy, order), is_shifted=is_shifted(order))
        outcome = order["is_fraud"]
        fraud = order["probability"] if isnan(outcome) else outcome
        expected = expected_costs(fraud, order["amount"], costs)
        terms.append(expected[ACTIONS.index(other)] - expected[ACTIONS.index(one)])
    return terms


@settings(max_examples=200)
@given(
    old=drawn_policies(),
    new=drawn_policies(),
    rails=st.tuples(guardrails, guardrails),
    orders=drawn_orders(),
    per_day=st.integers(1, 6),
    outcomes=st.lists(st.sampled_from([nan, 0.0, 1.0]), min_size=30, max_size=30),
)
def test_the_figures_are_those_of_orders_decided_one_by_one(
    old: Policy,
    new: Policy,
    rails: tuple[Guardrails | None, Guardrails | None],
    orders: list[dict[str, Any]],
    per_day: int,
    outcomes: list[float],
) -> None:
    old, new = replace(old, guardrails=rails[0]), replace(new, guardrails=rails[1])
    orders = [
        order | {"day": number // per_day, "is_fraud": outcomes[number]}
        for number, order in enumerate(orders)
    ]
    found = check_change(old, new, recent(orders))
    before, after = naive_actions(old, orders), naive_actions(new, orders)
    counts, counts_after = Counter(before), Counter(after)
    n_orders = len(orders)
    assert (found.n_orders, found.n_moved) == (
        n_orders,
        sum(one != other for one, other in zip(before, after, strict=True)),
    )
    assert found.share_before == {name: counts[name] / n_orders for name in ACTIONS}
    assert found.share_after == {name: counts_after[name] / n_orders for name in ACTIONS}
    moved = max(abs(counts_after[name] - counts[name]) for name in ACTIONS)
    assert found.rate_move == moved / n_orders
    terms = naive_terms(new, orders, before, after)
    near = {"rel": 1e-9, "abs": 1e-3}
    assert found.cost.value_minor == pytest.approx(fsum(terms), **near)
    assert found.cost.n_orders == sum(order["amount"] is not None for order in orders)
    assert found.cost.n_outcome_known == sum(
        order["amount"] is not None and not isnan(order["is_fraud"]) for order in orders
    )
    interval = day_interval(np.array(terms), np.array([order["day"] for order in orders]))
    if interval is None:
        assert found.cost.low_minor is None is found.cost.high_minor
    else:
        assert found.cost.low_minor == pytest.approx(interval.low, rel=1e-6, abs=1e-3)
        assert found.cost.high_minor == pytest.approx(interval.high, rel=1e-6, abs=1e-3)
    assert_failed(found, moved, n_orders)


def assert_failed(found: Any, moved: int, n_orders: int) -> None:
    held = found.guardrails
    least = found.cost.value_minor if found.cost.low_minor is None else found.cost.low_minor
    moves_too_far = (
        held and held.rate_move_max is not None and moved / n_orders > held.rate_move_max
    )
    costs_more = held is not None and not held.may_cost_more and least > 0.0
    assert ["share of every action" in said for said in found.failed] == [
        *([True] if moves_too_far else []),
        *([False] if costs_more else []),
    ]


@given(policy=drawn_policies(), orders=drawn_orders())
def test_a_policy_that_stays_moves_nothing_and_costs_nothing(
    policy: Policy, orders: list[dict[str, Any]]
) -> None:
    rails = Guardrails(rate_move_max=0.0)
    found = check_change(policy, replace(policy, guardrails=rails), recent(orders))
    assume(policy.exploration is None)  # another policy explores other orders
    assert (found.n_moved, found.rate_move, found.cost.value_minor, found.failed) == (0, 0, 0, ())


@given(old=guardrails, new=guardrails)
def test_the_stricter_guardrails_are_held(old: Guardrails | None, new: Guardrails | None) -> None:
    held = stricter_guardrails(Policy(guardrails=old), Policy(guardrails=new))
    for stated in (old, new):
        if stated is None:
            continue
        assert held is not None
        assert stated.may_cost_more or not held.may_cost_more
        if stated.rate_move_max is not None:
            assert held.rate_move_max is not None
            assert held.rate_move_max <= stated.rate_move_max
    assert held in {old, new} or None not in {old, new}


DECLINE = CutOffs(decline_from=0.5)


def flat(n_orders: int, n_declined: int, days: int = 1) -> RecentOrders:
    """Return orders of which some are declined from a probability of 0.5 on."""
    return recent(
        [
            {
                "id": f"t{number}",
                "probability": 0.6 if number < n_declined else 0.1,
                "amount": 5_000,
                "country": None,
                "method": "wallet",
                "day": number * days // n_orders,
            }
            for number in range(n_orders)
        ]
    )


@pytest.mark.parametrize(("n_declined", "n_failed"), [(5, 0), (6, 1)])
def test_a_share_may_move_by_the_bound_and_no_further(n_declined: int, n_failed: int) -> None:
    old = Policy(cut_offs=CutOffs(decline_from=1.0))
    new = Policy(cut_offs=DECLINE, guardrails=Guardrails(rate_move_max=0.05, may_cost_more=True))
    found = check_change(old, new, flat(100, n_declined))
    assert found.rate_move == n_declined / 100
    assert len(found.failed) == n_failed
    if n_failed:
        assert (
            "at most 0.05 (rate_move_max), approve moves from 1.0000 to 0.9400" in found.failed[0]
        )


def test_a_change_that_costs_more_on_every_day_fails_and_one_within_chance_does_not() -> None:
    costs = Costs(insult_cost_minor=0, margin_share=0.0, chargeback_fee_minor=0)
    # Every order at 0.1 or 0.6: declining at 0.6 gains 3,000 each, declining all loses nothing.
    strict = Policy(costs=costs, cut_offs=DECLINE)
    lax = Policy(costs=costs, cut_offs=CutOffs(decline_from=1.0), guardrails=Guardrails())
    worse = check_change(strict, lax, flat(60, 60, days=6))
    assert worse.cost.value_minor == pytest.approx(60 * 0.6 * 5_000)
    assert worse.cost.low_minor == worse.cost.high_minor == worse.cost.value_minor
    assert (
        "it costs 180,000 minor units more over 60 orders, 0 of them with a known"
        in worse.failed[0]
    )
    # On one day of six alone it costs more: that may be chance.
    once = check_change(strict, lax, flat(60, 10, days=6))
    assert once.cost.value_minor > 0.0
    assert once.cost.low_minor is not None
    assert once.cost.low_minor < 0.0
    assert once.failed == ()
    # Of fewer than five days the difference itself is held.
    few = check_change(strict, lax, flat(60, 10, days=4))
    assert few.cost.low_minor is None
    assert "over fewer than 5 days" in few.failed[0]
    assert check_change(lax, strict, flat(60, 10, days=4)).failed == ()


def test_fields_that_no_order_has_are_named() -> None:
    segment = Segment(name="s", when={"shipping.country": ("DE",), "billing.country": ("DE",)})
    new = Policy(segments=(segment,), costs_from_orders={"margin_share": "custom_inputs.margin"})
    orders = flat(3, 0)._replace(columns={"billing.country": [None, "DE", None]})
    found = check_change(Policy(), new, orders)
    assert found.fields_absent == ("shipping.country", "custom_inputs.margin")


def test_an_amount_that_is_not_known_has_no_cost() -> None:
    orders = flat(4, 4)._replace(amount_minor=np.array([nan, 5_000.0, nan, 5_000.0]))
    found = check_change(Policy(on_unknown_amount="approve"), Policy(), orders)
    assert found.n_moved == 2
    assert (found.cost.n_orders, found.cost.value_minor) == (2, 0.0)


def test_no_orders_and_orders_out_of_time_are_refused() -> None:
    with pytest.raises(InputError, match="at least one recent order, got 0"):
        check_change(Policy(), Policy(), flat(1, 0)._replace(time_ms=np.zeros(0, np.int64)))
    backwards = flat(2, 0)._replace(time_ms=np.array([1, 0]))
    with pytest.raises(InputError, match="in the order of their times"):
        check_change(Policy(), Policy(), backwards)
