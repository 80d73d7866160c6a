"""The fallback of a policy against the words of its page, order by order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.fallback import Fallback
from fraudkit.decisions.policy import (
    ACTIONS,
    Breaker,
    Constraints,
    Policy,
    parse_policy,
    policy_toml,
)
from fraudkit.errors import PolicyError
from fraudkit.registry.policy_change import policy_differences
from tests.decisions.drawn import (
    can_challenge,
    drawn_orders,
    drawn_policies,
    fallbacks,
    segment_of,
    transaction_of,
)

SMALL = Fallback(action="approve", above_minor=5_000, above_action="decline")


@dataclass
class NaiveFallback:
    """Falls back one order after the other."""

    policy: Policy
    day: int = -1
    reviews: int = 0
    latest: deque[str] = field(default_factory=deque)

    def decide(self, order: dict[str, Any]) -> tuple[str, set[str]]:
        if order["day"] > self.day:
            self.day, self.reviews = order["day"], 0
        segment, shaped = segment_of(self.policy, order), {"fallback"}
        possible = [a for a in ACTIONS if a != "challenge" or can_challenge(order)]
        if segment is not None and segment.never_decline:
            possible.remove("decline")
        action = self._written(order["amount"])
        if action not in possible:
            action = "review"
        if segment is not None and segment.always_review:
            action = "review"
            shaped.add("always_review")
        per_day = self.policy.constraints.reviews_per_day
        has_reviews = per_day is None or self.reviews < per_day
        if action == "review" and not has_reviews:
            shaped.add("review_capacity_used")
            action = [a for a in possible if a != "review"][-1]
        if action == "decline" and self._is_at_ceiling():
            shaped.add("decline_ceiling_reached")
            action = "review"
            if not has_reviews:
                shaped.add("review_capacity_used")
                action = [a for a in possible if a not in {"review", "decline"}][-1]
        self.reviews += action == "review"
        self.latest.append(action)
        return action, shaped

    def _written(self, amount: int | None) -> str:
        table = self.policy.fallback
        if not isinstance(table, Fallback):
            return "review"
        if table.above_minor is None or table.above_action is None:
            return table.action
        is_small = amount is not None and amount <= table.above_minor
        return table.action if is_small else table.above_action

    def _is_at_ceiling(self) -> bool:
        breaker = self.policy.breaker
        if breaker is None:
            return False
        declined = list(self.latest)[-(breaker.orders - 1) :].count("decline") + 1
        return declined > breaker.decline_share_max * breaker.orders


@settings(max_examples=400)
@given(policy=drawn_policies(), orders=drawn_orders())
def test_orders_fall_back_as_the_slow_way_says(
    policy: Policy, orders: list[dict[str, Any]]
) -> None:
    decider, oracle, again = Decider(policy), NaiveFallback(policy), Decider(policy)
    for order in orders:
        ruling = decider.fall_back(transaction_of(order), order["amount"])
        assert (ruling.action, set(ruling.shaped_by)) == oracle.decide(order)
        segment = segment_of(policy, order)
        assert ruling.segment == (None if segment is None else segment.name)
        assert (ruling.cost, ruling.ranges, ruling.approve_propensity) == (None, (), None)
        assert ruling == again.fallback_of_values(
            order["amount"],
            can_challenge=can_challenge(order),
            segment=ruling.segment,
            shaped_by=ruling.shaped_by,
        )


@given(policy=drawn_policies(), orders=drawn_orders())
def test_fallbacks_and_scores_share_their_limits(
    policy: Policy, orders: list[dict[str, Any]]
) -> None:
    decider = Decider(policy)
    reviews: dict[int, int] = {}
    for place, order in enumerate(orders):
        made = transaction_of(order)
        if place % 2:
            ruling = decider.fall_back(made, order["amount"])
        else:
            ruling = decider.of(made, order["probability"], order["amount"])
        reviews[order["day"]] = reviews.get(order["day"], 0) + (ruling.action == "review")
    per_day = policy.constraints.reviews_per_day
    assert per_day is None or max(reviews.values()) <= per_day


@given(fallback=st.just(UNSET) | fallbacks)
def test_a_fallback_reads_back_as_it_was_written(fallback: Any) -> None:
    policy = Policy(fallback=fallback)
    again = parse_policy(policy_toml(policy))
    assert again == policy
    assert again.digest == policy.digest
    assert (policy.digest == Policy().digest) is (fallback is UNSET)


def test_a_policy_without_the_table_keeps_its_digest_and_reviews() -> None:
    assert b"fallback" not in msgspec.json.encode(Policy(), order="deterministic")
    assert "fallback" not in policy_toml(Policy())
    assert Decider(Policy()).fallback_of_values(1).action == "review"


def test_a_change_of_it_is_a_difference() -> None:
    found = policy_differences(Policy(), Policy(fallback=SMALL))
    assert found["fallback.above_minor"] == (None, 5_000)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("above_minor = 5", "/fallback/above_action: expected one beside above_minor"),
        ('above_action = "review"', "/fallback/above_minor: expected one beside above_action"),
        ('action = "refuse"', "/fallback/action: expected"),
        ('above_minor = -1\nabove_action = "review"', "/fallback/above_minor: expected"),
        ("above = 1", "/fallback/above: expected a known field"),
    ],
)
def test_what_does_not_hold_is_told(table: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        parse_policy(f"[fallback]\n{table}")


def test_what_a_limit_takes_away_becomes_the_strictest_that_is_left() -> None:
    policy = Policy(
        constraints=Constraints(reviews_per_day=1),
        breaker=Breaker(decline_share_max=0.1, orders=10),
    )
    decider = Decider(policy)
    order = {"id": "t", "amount": 1, "country": "DE", "method": "card", "authenticated": None}
    found = [decider.fall_back(transaction_of({**order, "day": 0}), 1) for _ in range(3)]
    assert [held.action for held in found] == ["review", "decline", "challenge"]
    declines = Decider(replace(policy, fallback=Fallback(action="decline")))
    assert declines.fall_back(transaction_of({**order, "day": 0}), None).action == "decline"
