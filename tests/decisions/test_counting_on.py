"""A decider that takes over what another has counted."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from tests.decisions.drawn import drawn_orders, drawn_policies, transaction_of


@settings(max_examples=200)
@given(
    first=drawn_policies(),
    second=drawn_policies(),
    watched=st.tuples(st.integers(10, 14), st.integers(10, 14)),
    orders=drawn_orders(),
    cut=st.integers(0, 30),
)
def test_a_decider_that_counts_on_from_another_decides_as_if_it_had_counted_all(
    first: Policy,
    second: Policy,
    watched: tuple[int, int],
    orders: list[dict[str, Any]],
    cut: int,
) -> None:
    first, second = (
        policy
        if policy.breaker is None
        else replace(policy, breaker=replace(policy.breaker, orders=size))
        for policy, size in zip((first, second), watched, strict=True)
    )
    earlier, after, oracle = Decider(first), Decider(second), Decider(second)
    ruled = [(transaction_of(order), order["probability"], order["amount"]) for order in orders]
    for transaction, probability, amount in ruled[:cut]:
        ruling = earlier.of(transaction, probability, amount)
        said = {
            "action": ruling.action,
            "shaped_by": ruling.shaped_by,
            "expected_cost_minor": ruling.cost,
        }
        oracle.recall(msgspec.json.encode(said), transaction.event_time_ms)
    after.of(*ruled[0])
    after.count_on_from(earlier)
    if not after.is_counted_by(earlier):
        grew = second.breaker is not None and first.breaker is not None and watched[1] > watched[0]
        is_new_limit = not earlier.is_limited or first.breaker is None
        assert after.is_limited
        assert grew or is_new_limit
        return
    for order in ruled[cut:]:
        assert after.of(*order) == oracle.of(*order)
