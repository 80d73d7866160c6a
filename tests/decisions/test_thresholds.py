"""The ranges of probability, against the policy asked at single probabilities."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.decisions.policy import ACTIONS, Policy, WhenMissing
from fraudkit.decisions.thresholds import ActionRange, action_ranges
from tests.decisions.test_costs import amounts, drawn_costs, probabilities

policies = st.builds(Policy, costs=drawn_costs)


def action_at(ranges: tuple[ActionRange, ...], probability: float) -> str:
    return next(held.action for held in ranges if probability <= held.to_probability)


@given(policy=policies, amount=amounts, can_challenge=st.booleans(), probability=probabilities)
@example(policy=Policy(), amount=0, can_challenge=True, probability=0.0)
def test_each_range_holds_the_cheapest_action(
    policy: Policy, amount: int, probability: float, *, can_challenge: bool
) -> None:
    ranges = action_ranges(policy, amount, can_challenge=can_challenge)
    costs = dict(zip(ACTIONS, expected_costs(probability, amount, policy.costs), strict=True))
    if not can_challenge:
        del costs["challenge"]
    rounding = 1e-9 * max(1.0, *map(abs, costs.values()))
    action = action_at(ranges, probability)
    assert costs[action] <= min(costs.values()) + rounding
    decided, _cost = policy.decide(probability, amount, can_challenge=can_challenge)
    is_clear = sum(cost <= min(costs.values()) + rounding for cost in costs.values()) == 1
    assert action == decided or not is_clear


@given(policy=policies, amount=st.none() | amounts, can_challenge=st.booleans())
def test_the_ranges_are_ascending_without_gaps_and_no_two_neighbours_alike(
    policy: Policy, amount: int | None, *, can_challenge: bool
) -> None:
    ranges = action_ranges(policy, amount, can_challenge=can_challenge)
    assert (ranges[0].from_probability, ranges[-1].to_probability) == (0.0, 1.0)
    for low, high in pairwise(ranges):
        assert 0.0 < low.to_probability == high.from_probability < 1.0
        assert low.action != high.action


def test_the_bound_between_approve_and_decline_is_the_one_of_the_textbook() -> None:
    costs = Costs(
        margin_share=0.0, loss_share=1.0, chargeback_fee_minor=0, insult_cost_minor=500,
        review_cost_minor=10**6,
    )  # fmt: skip
    low, high = action_ranges(Policy(costs=costs), 2_000, can_challenge=False)
    assert (low.action, high.action) == ("approve", "decline")
    assert low.to_probability == pytest.approx(500 / 2_500)


def test_an_unknown_amount_and_a_missing_source_are_answered_as_the_policy_says() -> None:
    policy = Policy(on_unknown_amount="decline", when_missing=WhenMissing(store="review"))
    [only] = action_ranges(policy, None)
    assert only == ActionRange(action="decline", from_probability=0.0, to_probability=1.0)
    degraded = action_ranges(policy, 10_000, missing=["store"])
    assert [held.action for held in degraded] == ["review", "decline"]
