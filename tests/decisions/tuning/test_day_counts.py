"""The days of a tuned policy against deciding and counting one order after the other."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.decisions.costs import Costs, cost_lines
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy
from fraudkit.decisions.segments import Segment
from fraudkit.decisions.tuning.day_counts import days_table
from tests.decisions.tuning.test_tuner import DAY_MS, shop, tuned

COUNTED = ("approvals", "challenges", "reviews", "declines")
REVIEWED = Segment(name="new", when={"billing.country": ("FR",)}, always_review=True)


@settings(max_examples=30, deadline=None)
@given(
    n_orders=st.integers(1, 60),
    seed=st.integers(0, 10**6),
    room=st.none() | st.integers(0, 3),
)
def test_each_day_is_what_deciding_one_by_one_gives(
    n_orders: int, seed: int, room: int | None
) -> None:
    orders = shop(n_orders, seed)
    rng = np.random.default_rng(seed)
    orders["event_time"] = rng.integers(0, 4 * DAY_MS, n_orders)
    label = np.where(rng.random(n_orders) < 0.3, np.nan, orders["y"])
    amount = np.where(rng.random(n_orders) < 0.2, np.nan, orders["amount_minor"])
    came = rng.random(n_orders) < 0.9
    policy = Policy(
        costs=Costs(review_cost_minor=20, challenge_honest_dropout_share=0.9),
        constraints=Constraints(reviews_per_day=room), segments=(REVIEWED,),
    )  # fmt: skip
    table = days_table(
        policy, label, orders["p"], amount, orders["event_time"], orders["columns"], came
    )
    counts, costs = naive_days(policy, orders | {"label": label, "amount": amount, "came": came})
    assert table["day_start_ms"].to_list() == sorted(counts)
    for row in table.rows(named=True):
        counted = counts[row["day_start_ms"]]
        assert [row[name] for name in COUNTED] == [counted[action] for action in ACTIONS]
        assert row["n_orders"] == sum(counted[action] for action in ACTIONS)
        assert row["n_known"] == counted["known"]
        assert row["cost_minor"] == pytest.approx(costs[row["day_start_ms"]])
        assert row["reviews_max"] == room
        assert room is None or row["reviews"] <= room


def naive_days(
    policy: Policy, orders: dict[str, Any]
) -> tuple[dict[int, Counter[str]], dict[int, float]]:
    decider = Decider(policy)
    counts: dict[int, Counter[str]] = {}
    costs: dict[int, float] = {}
    for place in np.argsort(orders["event_time"], kind="stable").tolist():
        if not orders["came"][place]:
            continue
        day = int(orders["event_time"][place]) // DAY_MS * DAY_MS
        counted = counts.setdefault(day, Counter())
        costs.setdefault(day, 0.0)
        room = policy.constraints.reviews_per_day
        is_full = room is not None and counted["review"] >= room
        amount, label = orders["amount"][place], orders["label"][place]
        is_new = orders["columns"]["billing.country"][place] == "FR"
        action = decider.of_values(
            float(orders["p"][place]),
            None if np.isnan(amount) else int(amount),
            can_challenge=orders["columns"]["payment.method"][place] == "card",
            segment="new" if is_new else None,
            shaped_by=("review_capacity_used",) if is_full else (),
        ).action
        counted[action] += 1
        if not np.isnan(label) and not np.isnan(amount):
            counted["known"] += 1
            costs[day] += cost_lines(amount, policy.costs)[int(label)][ACTIONS.index(action)]
    return counts, costs


def test_the_reviews_of_a_tuned_policy_never_exceed_their_room() -> None:
    orders = shop(6_000, 2, off_by=4.0)
    costs = Costs(review_cost_minor=20, challenge_honest_dropout_share=0.9)
    tuner = tuned(orders, costs=costs, constraints=Constraints(reviews_per_day=7))
    assert tuner.days_["reviews"].max() == 7
    assert tuner.days_["n_orders"].sum() == 6_000
    assert len(tuner.days_) == 40
    free = tuned(orders, costs=costs)
    assert free.days_["reviews"].max() > 20
    assert free.days_["reviews_max"].null_count() == 40


def test_orders_without_an_outcome_are_counted_and_those_without_weight_are_not() -> None:
    orders = shop(1_000, 1)
    y = orders["y"].copy()
    y[::4] = np.nan
    weights = np.ones(1_000)
    weights[1::4] = 0.0
    days = tuned(orders | {"y": y, "weights": weights}).days_
    assert days["n_orders"].sum() == 750
    assert days["n_known"].sum() == 500
