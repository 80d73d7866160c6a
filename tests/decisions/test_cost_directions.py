"""A higher figure moves every cost one way: of an action, of the best decision, of the optimum.

Each figure moves the costs of all actions in the same direction or not at all. So whatever is the
least of them over a set of decisions that the figure does not change moves so too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import COST_NAMES, Costs, expected_costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy, Prices
from fraudkit.decisions.rulings import Ruling
from fraudkit.decisions.tuning import PolicyTuner
from tests.decisions.drawn import (
    can_challenge,
    drawn_orders,
    drawn_policies,
    is_shifted,
    segment_of,
    transaction_of,
)
from tests.decisions.test_costs import amounts, drawn_costs, minors, probabilities, shares
from tests.decisions.tuning.test_tuner import realised, small_shops

# What a higher figure does to approve, challenge, review and decline.
DIRECTIONS = {
    "margin_share": (-1, -1, -1, 0),
    "loss_share": (1, 1, 1, 0),
    "chargeback_fee_minor": (1, 1, 1, 0),
    "insult_cost_minor": (0, 1, 1, 1),
    "review_cost_minor": (0, 0, 1, 0),
    "review_detection_share": (0, 0, -1, 0),
    "review_false_reject_share": (0, 0, 1, 0),
    "challenge_fraud_dropout_share": (0, -1, 0, 0),
    "challenge_honest_dropout_share": (0, 1, 0, 0),
    "challenge_liability_shift_share": (0, -1, 0, 0),
}
# The same where the card came authenticated: a part of every loss is the issuer's.
SHIFTED = DIRECTIONS | {"challenge_liability_shift_share": (-1, -1, -1, 0)}
PATH = "custom_inputs.figure"
figure_names = pytest.mark.parametrize("name", COST_NAMES)


def direction_of(name: str) -> int:
    """Return the one direction in which a figure moves costs, if it moves them."""
    (direction,) = set(DIRECTIONS[name]) - {0}
    return direction


@st.composite
def raised(draw: st.DrawFn, name: str) -> tuple[float, float]:
    """Return a figure, and the same or more."""
    figures = minors if name.endswith("_minor") else shares
    low, high = sorted([draw(figures), draw(figures)])
    return low, high


def assert_moved(direction: int, first: float, second: float, amount: float) -> None:
    rounding = 1e-12 * (amount + 1e7)
    if direction:
        assert direction * (second - first) >= -rounding
    else:
        assert second == first


def test_every_figure_has_its_directions() -> None:
    assert tuple(DIRECTIONS) == COST_NAMES
    assert {direction_of(name) for name in COST_NAMES} == {-1, 1}


@figure_names
@given(data=st.data(), costs=drawn_costs, probability=probabilities, amount=amounts)
def test_a_higher_figure_moves_each_cost_one_way_only(
    data: st.DataObject, name: str, costs: Costs, probability: float, amount: int
) -> None:
    before, after = (
        expected_costs(probability, amount, replace(costs, **{name: value}))
        for value in data.draw(raised(name))
    )
    for direction, first, second in zip(DIRECTIONS[name], before, after, strict=True):
        assert_moved(direction, first, second, amount)


def ruled(policy: Policy, order: dict[str, Any], name: str, value: float, *, own: bool) -> Ruling:
    """Decide an order where a figure has a value: in the policy's costs, or brought by itself."""
    transaction = transaction_of(order)
    if own:
        policy = replace(policy, costs_from_orders={name: PATH})
        transaction = replace(transaction, custom_inputs={"figure": value})
    else:
        policy = replace(policy, costs=replace(policy.costs, **{name: value}))
    return Decider(policy).of(transaction, order["probability"], order["amount"])


def cost_of(ruling: Ruling, action: str) -> float:
    cost: float = getattr(ruling.cost, action)
    return cost


known_orders = drawn_orders().map(lambda orders: orders[0]).filter(
    lambda order: order["amount"] is not None
)  # fmt: skip


@figure_names
@settings(max_examples=60, deadline=None)
@given(data=st.data(), policy=drawn_policies(), order=known_orders, own=st.booleans())
def test_a_higher_figure_of_a_policy_moves_each_orders_costs_one_way_only(
    data: st.DataObject, name: str, policy: Policy, order: dict[str, Any], *, own: bool
) -> None:
    before, after = (
        ruled(policy, order, name, value, own=own) for value in data.draw(raised(name))
    )
    segment = segment_of(policy, order)
    directions = (SHIFTED if is_shifted(order) else DIRECTIONS)[name]
    if segment is not None and name in segment.costs and not own:
        directions = (0, 0, 0, 0)
    possible = [action for action in ACTIONS if action != "challenge" or can_challenge(order)]
    for action, direction in zip(ACTIONS, directions, strict=True):
        if action in possible:
            first, second = (cost_of(ruling, action) for ruling in (before, after))
            assert_moved(direction, first, second, order["amount"])
    least = [min(cost_of(ruling, action) for action in possible) for ruling in (before, after)]
    assert_moved(direction_of(name), *least, order["amount"])


@figure_names
@settings(max_examples=60, deadline=None)
@given(data=st.data(), policy=drawn_policies(), order=known_orders, own=st.booleans())
def test_a_higher_figure_moves_the_cost_of_what_is_decided_one_way_only(
    data: st.DataObject, name: str, policy: Policy, order: dict[str, Any], *, own: bool
) -> None:
    """Without prices, which add to the costs that decide, and without breaker and exploration."""
    policy = replace(policy, prices=Prices(), breaker=None, exploration=None)
    before, after = (
        ruled(policy, order, name, value, own=own) for value in data.draw(raised(name))
    )
    first, second = (cost_of(ruling, ruling.action) for ruling in (before, after))
    assert_moved(direction_of(name), first, second, order["amount"])


@figure_names
@settings(max_examples=12, deadline=None)
@given(data=st.data(), orders=small_shops, costs=drawn_costs)
def test_a_higher_figure_moves_the_least_realised_cost_one_way_only(
    data: st.DataObject, name: str, orders: dict[str, Any], costs: Costs
) -> None:
    """Of the best cut-offs, and of the best decision about each order once its outcome is known.

    Not of the best factor on the odds: which decisions a factor can make depends on the costs.
    """
    values = data.draw(raised(name))
    sides = [replace(costs, **{name: value}) for value in values]
    best = [least_realised(orders, held) for held in sides]
    total = float(orders["amount_minor"].sum()) * len(orders["p"])
    for first, second in zip(*best, strict=True):
        assert_moved(direction_of(name), first, second, total)


def least_realised(orders: dict[str, Any], costs: Costs) -> tuple[float, float]:
    """Return what the best cut-offs cost, and the best decisions with hindsight."""
    tuner = PolicyTuner(costs, form="cut_offs", n_resamples=0).fit(**orders)
    lines = Decider(Policy(costs=costs)).cost_lines_of_many(
        orders["amount_minor"], orders["columns"]
    )
    by_action = np.where(orders["y"] == 1.0, lines[1], lines[0])
    return realised(tuner.policy_, orders), float(np.nanmin(by_action, axis=0).sum())
