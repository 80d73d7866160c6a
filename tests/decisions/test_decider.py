"""The decider against a policy decided the slow way, order by order, online and offline."""

from datetime import timedelta
from itertools import pairwise
from math import isnan, nan
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import COST_NAMES, Costs, expected_costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import (
    ACTIONS,
    Exploration,
    Policy,
)
from fraudkit.decisions.rulings import SHAPED_BY, Ruling, Rulings
from fraudkit.decisions.segments import Segment
from fraudkit.domain.decision import ActionRange
from fraudkit.domain.transaction import Card, Order, Payment, Transaction
from fraudkit.errors import InputError, PolicyError
from tests.decisions import naive_rule
from tests.decisions.drawn import (
    START,
    can_challenge,
    drawn_orders,
    drawn_policies,
    is_shifted,
    segment_of,
    transaction_of,
)
from tests.decisions.test_costs import amounts, drawn_costs, probabilities


def naive(policy: Policy, orders: list[dict[str, Any]], missing: tuple[str, ...]) -> list[Any]:
    decider, oracle = Decider(policy), naive_rule.NaiveDecider(policy)
    least = naive_rule.MILDEST[policy.when_missing.store] if missing else "approve"
    found = []
    for order in orders:
        told = naive_rule.Order(
            probability=order["probability"],
            amount=nan if order["amount"] is None else float(order["amount"]),
            can_challenge=can_challenge(order),
            is_shifted=is_shifted(order),
            segment=segment_of(policy, order),
            least=least,
            draw=decider._draw(order["id"]),
            day=order["day"],
        )
        try:
            found.append((*oracle.decide(told), oracle.expected(told)))
        except naive_rule.NearTie:
            reject()
    return found


def assert_same(ruling: Ruling, expected: Any, *, can_challenge: bool) -> None:
    action, shaped, propensity, costs = expected
    assert (ruling.action, set(ruling.shaped_by), ruling.approve_propensity) == (
        action, shaped, propensity,
    )  # fmt: skip
    if ruling.cost is None:
        assert isnan(costs["approve"])
    else:
        shown = {name: getattr(ruling.cost, name) for name in ACTIONS}
        assert shown == costs | ({} if can_challenge else {"challenge": None})


@settings(max_examples=400)
@given(policy=drawn_policies(), orders=drawn_orders(), is_missing=st.booleans())
def test_orders_are_decided_as_the_slow_way_decides_them(
    policy: Policy, orders: list[dict[str, Any]], *, is_missing: bool
) -> None:
    missing = ("store",) if is_missing else ()
    decider = Decider(policy)
    for order, expected in zip(orders, naive(policy, orders, missing), strict=True):
        ruling = decider.of(
            transaction_of(order), order["probability"], order["amount"], missing=missing
        )
        assert_same(ruling, expected, can_challenge=can_challenge(order))
        segment = segment_of(policy, order)
        assert ruling.segment == (None if segment is None else segment.name)


def many(decider: Decider, orders: list[dict[str, Any]]) -> Rulings:
    return decider.of_many(
        np.array([order["probability"] for order in orders]),
        np.array([order["amount"] for order in orders], np.float64),
        {
            "billing.country": [order["country"] for order in orders],
            "payment.method": [order["method"] for order in orders],
            "payment.card.was_3d_secure_successful": [order["authenticated"] for order in orders],
            "payment.card.has_liability_shift": [order["shift"] for order in orders],
        },
        time_ms=np.array([
            int((START + timedelta(days=order["day"])).timestamp() * 1000) for order in orders
        ]),
        transaction_ids=[order["id"] for order in orders],
    )  # fmt: skip


@settings(max_examples=200)
@given(policy=drawn_policies(), orders=drawn_orders())
def test_many_are_decided_as_one_by_one(policy: Policy, orders: list[dict[str, Any]]) -> None:
    decider = Decider(policy)
    rulings = many(Decider(policy), orders)
    for place, order in enumerate(orders):
        ruling = decider.of(transaction_of(order), order["probability"], order["amount"])
        assert ACTIONS[rulings.action[place]] == ruling.action
        flags = {name for flag, name in SHAPED_BY.items() if rulings.shaped_by[place] & flag}
        assert flags == set(ruling.shaped_by)
        costs = [None if isnan(c) else c for c in rulings.cost_minor[place].tolist()]
        shown = [None] * 4
        if ruling.cost is not None:
            shown = [getattr(ruling.cost, name) for name in ACTIONS]
        assert costs == shown
        begun = {
            ACTIONS[action]: begin
            for action, begin in enumerate(rulings.begins_at[place].tolist())
            if not isnan(begin)
        }
        assert {held.action for held in ruling.ranges} == set(begun)
        for held in ruling.ranges:
            assert begun[held.action] == held.from_probability


@settings(max_examples=200)
@given(policy=drawn_policies(), orders=drawn_orders())
def test_a_decision_comes_out_again_from_what_it_says(
    policy: Policy, orders: list[dict[str, Any]]
) -> None:
    decider, again = Decider(policy), Decider(policy)
    for order in orders:
        ruling = decider.of(transaction_of(order), order["probability"], order["amount"])
        assert ruling == again.of_values(
            order["probability"],
            order["amount"],
            can_challenge=can_challenge(order),
            segment=ruling.segment,
            own_costs=ruling.own_costs,
            shaped_by=ruling.shaped_by,
            transaction_id=order["id"],
        )


@settings(max_examples=200)
@given(policy=drawn_policies(), orders=drawn_orders())
def test_no_limit_is_ever_exceeded(policy: Policy, orders: list[dict[str, Any]]) -> None:
    rulings = many(Decider(policy), orders)
    actions = [ACTIONS[action] for action in rulings.action]
    days = np.array([order["day"] for order in orders])
    per_day = policy.constraints.reviews_per_day
    for day in set(days.tolist()):
        places = np.flatnonzero(days == day)
        reviews = sum(actions[place] == "review" for place in places)
        assert per_day is None or reviews <= per_day
        if policy.exploration is not None:
            explored = [p for p in places if rulings.shaped_by[p] & 64]
            loss = sum(
                max(rulings.cost_minor[p][0] - rulings.cost_minor[p][3], 0.0) for p in explored
            )
            assert loss <= policy.exploration.day_loss_minor_max * (1 + 1e-12)
    if policy.breaker is not None:
        for end in range(len(actions)):
            latest = actions[max(0, end - policy.breaker.orders + 1) : end + 1]
            ceiling = policy.breaker.decline_share_max * policy.breaker.orders
            assert latest.count("decline") <= ceiling


def action_at(ranges: tuple[ActionRange, ...], probability: float) -> str:
    return next(held.action for held in ranges if probability <= held.to_probability)


@given(costs=drawn_costs, amount=amounts, can_challenge=st.booleans(), probability=probabilities)
@example(costs=Costs(), amount=0, can_challenge=True, probability=0.0)
def test_each_range_holds_the_cheapest_action(
    costs: Costs, amount: int, probability: float, *, can_challenge: bool
) -> None:
    ruling = Decider(Policy(costs=costs)).of_values(
        probability, amount, can_challenge=can_challenge
    )
    shown = dict(zip(ACTIONS, expected_costs(probability, amount, costs), strict=True))
    if not can_challenge:
        del shown["challenge"]
    rounding = 1e-9 * max(1.0, *map(abs, shown.values()))
    action = action_at(ruling.ranges, probability)
    assert shown[action] <= min(shown.values()) + rounding
    is_clear = sum(cost <= min(shown.values()) + rounding for cost in shown.values()) == 1
    assert action == ruling.action or not is_clear


@settings(max_examples=200)
@given(
    policy=drawn_policies(),
    amount=st.none() | amounts,
    can_challenge=st.booleans(),
    probability=probabilities,
    other=probabilities,
)
def test_the_ranges_hold_at_every_probability_and_leave_no_gap(
    policy: Policy, amount: int | None, probability: float, other: float, *, can_challenge: bool
) -> None:
    decider = Decider(replace(policy, breaker=None, exploration=None))
    ruling = decider.of_values(probability, amount, can_challenge=can_challenge)
    assert (ruling.ranges[0].from_probability, ruling.ranges[-1].to_probability) == (0.0, 1.0)
    for low, high in pairwise(ruling.ranges):
        assert low.to_probability == high.from_probability
        assert ACTIONS.index(low.action) != ACTIONS.index(high.action)
    there = decider.of_values(other, amount, can_challenge=can_challenge)
    assert there.ranges == ruling.ranges
    near = any(
        abs(held.from_probability - other) <= 1e-9 * max(other, 1e-3) for held in ruling.ranges
    )
    assert near or there.action == action_at(ruling.ranges, other)


def test_the_bound_between_approve_and_decline_is_the_one_of_the_textbook() -> None:
    costs = Costs(
        margin_share=0.0, loss_share=1.0, chargeback_fee_minor=0, insult_cost_minor=500,
        review_cost_minor=10**6,
    )  # fmt: skip
    low, high = Decider(Policy(costs=costs)).of_values(0.5, 2_000, can_challenge=False).ranges
    assert (low.action, high.action) == ("approve", "decline")
    assert low.to_probability == pytest.approx(500 / 2_500)


def test_twice_the_odds_move_every_bound_to_half_the_odds() -> None:
    plain = Decider(Policy()).of_values(0.5, 10_000).ranges
    careful = Decider(Policy(odds_factor=2.0)).of_values(0.5, 10_000).ranges
    for one, other in zip(plain[1:], careful[1:], strict=True):
        odds = one.from_probability / (1.0 - one.from_probability) / 2.0
        assert other.from_probability == pytest.approx(odds / (1.0 + odds))


def test_what_an_order_brings_goes_before_the_constant() -> None:
    policy = Policy(costs_from_orders={"margin_share": "custom_inputs.margin"})
    decider = Decider(policy)
    order = Transaction(
        transaction_id="t1", event_time=START, order=Order(amount_minor=10_000, currency="EUR"),
        custom_inputs={"margin": 0.5},
    )  # fmt: skip
    ruling = decider.of(order, 0.1, 10_000)
    assert ruling.own_costs == {"margin_share": 0.5}
    assert ruling.cost is not None
    costs = replace(Costs(), margin_share=0.5)
    assert ruling.cost.approve == expected_costs(0.1, 10_000, costs)[0]
    columns = {"custom_inputs.margin": [0.5, None, 7.0, True]}
    time_ms = np.zeros(4, np.int64)
    rulings = decider.of_many(np.full(4, 0.1), np.full(4, 1e4), columns, time_ms=time_ms)
    constant = expected_costs(0.1, 10_000, Costs())[0]
    # Absent, out of range and no number at all: the constant holds.
    assert rulings.cost_minor[:, 0].tolist() == [ruling.cost.approve, *[constant] * 3]
    at_honest, at_fraud = decider.cost_lines_of_many(np.full(4, 1e4), columns)
    assert at_honest[0].tolist() == [-5_000.0, *[-2_500.0] * 3]
    assert at_fraud[3].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("method", "authenticated", "shift", "stays"),
    [
        ("card", True, None, 0.1),
        ("network_token", None, True, 0.1),
        (None, True, True, 0.1),
        ("card", True, False, 1.0),
        ("card", None, None, 1.0),
        ("paypal", True, True, 1.0),
    ],
)
def test_a_fraud_on_an_authenticated_card_is_the_issuers_loss(
    *, method: str | None, authenticated: bool | None, shift: bool | None, stays: float
) -> None:
    decider = Decider(Policy(costs_from_orders={"loss_share": "custom_inputs.loss"}))
    card = Card(was_3d_secure_successful=authenticated, has_liability_shift=shift)
    order = Transaction(
        transaction_id="t1", event_time=START, order=Order(amount_minor=10_000, currency="EUR"),
        payment=Payment(method=method, card=card), custom_inputs={"loss": 0.5},
    )  # fmt: skip
    ruling = decider.of(order, 1.0, 10_000)
    assert ruling.cost is not None
    assert ruling.cost.approve == pytest.approx(stays * (0.5 * 10_000 + 2_000))
    columns = {
        "payment.method": [method], "payment.card.was_3d_secure_successful": [authenticated],
        "payment.card.has_liability_shift": [shift], "custom_inputs.loss": [0.5],
    }  # fmt: skip
    at_fraud = decider.cost_lines_of_many(np.array([1e4]), columns)[1]
    assert at_fraud[0, 0] == ruling.cost.approve


@pytest.mark.parametrize("name", COST_NAMES)
def test_costs_never_fall_where_a_cost_grows(name: str) -> None:
    falls = {"margin_share", "review_detection_share", "challenge_fraud_dropout_share",
             "challenge_liability_shift_share"}  # fmt: skip
    low, high = (0.1, 0.9) if name.endswith("_share") else (10, 5_000)
    totals = []
    for value in (low, high):
        ruling = Decider(Policy(costs=replace(Costs(), **{name: value}))).of_values(0.2, 10_000)
        assert ruling.cost is not None
        totals.append(min(getattr(ruling.cost, action) for action in ACTIONS))
    assert (totals[0] >= totals[1]) if name in falls else (totals[0] <= totals[1])


def test_orders_out_of_time_and_unknown_segments_are_refused() -> None:
    decider = Decider(Policy())
    with pytest.raises(InputError, match="in the order of their times"):
        decider.of_many(np.zeros(2), np.zeros(2), {}, time_ms=np.array([1, 0]))
    with pytest.raises(PolicyError, match="the policy must have the segment 'de'"):
        decider.of_values(0.1, 100, segment="de")
    twice = Segment(name="a", when={"billing.country": ("DE",)})
    with pytest.raises(PolicyError, match="/segments/1/name"):
        Decider(Policy(segments=(twice, twice)))


def test_a_retry_draws_the_same_and_another_policy_draws_anew() -> None:
    exploration = Exploration(
        approve_share=0.1, order_loss_minor_max=10**6, day_loss_minor_max=10**9
    )
    decider = Decider(Policy(exploration=exploration))
    draws = np.array([decider._draw(f"t{number}") for number in range(4_000)])
    assert decider._draw("t7") == draws[7]
    assert 0.0 <= draws.min() < 0.01
    assert 0.99 < draws.max() < 1.0
    assert abs(np.mean(draws < 0.1) - 0.1) < 0.02
    assert Decider(Policy(exploration=exploration, odds_factor=2.0))._draw("t7") != draws[7]


@settings(max_examples=200)
@given(policy=drawn_policies(), orders=drawn_orders(), cut=st.integers(0, 30))
def test_a_decider_that_recalls_decides_on_as_if_it_had_not_stopped(
    policy: Policy, orders: list[dict[str, Any]], cut: int
) -> None:
    whole, after = Decider(policy), Decider(policy)
    for number, order in enumerate(orders):
        transaction = transaction_of(order)
        ruling = whole.of(transaction, order["probability"], order["amount"])
        if number < cut:
            said = {
                "action": ruling.action,
                "shaped_by": ruling.shaped_by,
                "expected_cost_minor": ruling.cost,
                "more": "is not read",
            }
            after.recall(msgspec.json.encode(said), transaction.event_time_ms)
        else:
            assert after.of(transaction, order["probability"], order["amount"]) == ruling


def test_three_actions_that_cross_at_one_point_leave_no_range_out_of_order() -> None:
    share = 0.6625542740079889
    costs = replace(
        Costs(), review_cost_minor=0, review_detection_share=0.0, challenge_fraud_dropout_share=0.0,
        challenge_honest_dropout_share=share, challenge_liability_shift_share=share,
    )  # fmt: skip
    decider = Decider(Policy(costs=costs))
    for amount in range(12_000, 14_000, 40):
        ranges = decider.of_values(0.5, amount).ranges
        assert decider.of_values(0.5, amount).action == action_at(ranges, 0.5) == "decline"
        assert all(one.from_probability < other.from_probability for one, other in pairwise(ranges))
