"""Tuned cut-offs against every other rule within the constraints, and those of segments."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy, Prices
from fraudkit.decisions.segments import CutOffs, Segment
from fraudkit.decisions.tuning import PolicyTuner
from fraudkit.decisions.tuning.fitting import actions_of, fitted_policy
from fraudkit.decisions.tuning.orders import TuningOrders, tuning_orders
from fraudkit.errors import PolicyError
from tests.decisions.tuning.test_tuner import DAY_MS, shop

REVIEW, DECLINE = ACTIONS.index("review"), ACTIONS.index("decline")
COSTS = Costs(review_cost_minor=20, challenge_honest_dropout_share=0.9)


def held_orders(orders: dict[str, Any], policy: Policy, segments: list[str]) -> TuningOrders:
    return tuning_orders(
        policy, orders["y"], orders["p"], orders["amount_minor"], orders["event_time"], None,
        orders["columns"], segments, support_frauds=1,
    )  # fmt: skip


def figures(orders: TuningOrders, actions: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Return cost, reviews a day, share of declines and fraud in basis points of value."""
    rows = np.arange(len(actions))
    costs = orders.policy.costs
    at_fraud = np.array([
        1.0, 1.0 - costs.challenge_fraud_dropout_share, 1.0 - costs.review_detection_share, 0.0,
    ])  # fmt: skip
    at_honest = np.array([
        1.0, 1.0 - costs.challenge_honest_dropout_share, 1.0 - costs.review_false_reject_share, 0.0,
    ])  # fmt: skip
    value = orders.weights * orders.amount_minor
    fraud = (value * orders.is_fraud * at_fraud[actions]).sum()
    honest = (value * ~orders.is_fraud * at_honest[actions]).sum()
    days = len(np.unique(orders.day))
    return (
        float((orders.realised[actions, rows] * orders.weights).sum()),
        float(orders.weights[actions == REVIEW].sum()) / days,
        float(orders.weights[actions == DECLINE].sum() / orders.weights.sum()),
        float(fraud / (fraud + honest) * 10_000.0) if fraud else 0.0,
    )


def is_within(found: tuple[float, float, float, float], limits: Constraints) -> bool:
    stated = (limits.reviews_per_day, limits.decline_share_max, limits.fraud_bps_max)
    return all(
        most is None or reached <= most * (1.0 + 1e-9)
        for reached, most in zip(found[1:], stated, strict=True)
    )


small_shops = st.builds(
    shop, st.integers(30, 60), st.integers(0, 10**6), off_by=st.sampled_from([1.0, 4.0])
).filter(lambda orders: 0 < orders["y"].sum() < len(orders["y"]))
constraints = st.builds(
    Constraints,
    reviews_per_day=st.sampled_from([None, 0, 1]),
    decline_share_max=st.sampled_from([None, 0.0, 0.05]),
    fraud_bps_max=st.sampled_from([None, 100.0, 600.0, 2000.0]),
)


@settings(max_examples=40, deadline=None)
@given(orders=small_shops, limits=constraints, can_all_be_declined=st.booleans())
def test_no_cut_offs_within_the_constraints_are_cheaper(
    orders: dict[str, Any], limits: Constraints, *, can_all_be_declined: bool
) -> None:
    never = Segment(name="vip", when={"billing.country": ("FR",)}, never_decline=True)
    segments = () if can_all_be_declined else (never,)
    held = held_orders(orders, Policy(costs=COSTS, constraints=limits, segments=segments), [])
    cuts = [None, *np.quantile(orders["p"], [0.0, 0.5, 0.8, 0.9, 0.97, 1.0]).tolist()]
    others = []
    for begins in itertools.product(cuts, repeat=3):
        stated = [begin for begin in begins if begin is not None]
        if stated and stated == sorted(stated):
            challenge, review, decline = begins
            other = CutOffs(challenge_from=challenge, review_from=review, decline_from=decline)
            found = figures(held, actions_of(held, replace(held.policy, cut_offs=other)))
            others += [found[0]] if is_within(found, limits) else []
    try:
        policy, _segments = fitted_policy(held, "cut_offs", {})
    except PolicyError:
        assert limits.fraud_bps_max is not None
        assert not others
        return
    reached = figures(held, actions_of(held, policy))
    assert is_within(reached, limits)
    assert all(reached[0] <= cost + 1e-6 * max(1.0, abs(cost)) for cost in others)
    assert policy.prices == Prices()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    limits=constraints,
    day_count=st.lists(st.integers(0, 3), min_size=40, max_size=40),
)
def test_constraints_hold_with_segments_and_on_redrawn_days(
    seed: int, limits: Constraints, day_count: list[int]
) -> None:
    orders = shop(800, seed, off_by=4.0)
    held = held_orders(orders, Policy(costs=COSTS, constraints=limits), ["billing.country"])
    redrawn = held.weighted(np.array(day_count, np.float64)[held.day])
    for some in (held, redrawn):
        if not some.is_fraud.any() or some.is_fraud.all():
            continue
        try:
            policy, _segments = fitted_policy(some, "cut_offs")
        except PolicyError:
            assert limits.fraud_bps_max is not None
            continue
        found = figures(some, actions_of(some, policy))
        # A redrawn day weighs as often as it was drawn, and the days are as many as before.
        per_day = found[1] * len(np.unique(some.day)) / held.n_days
        assert is_within((found[0], per_day, *found[2:]), limits)


def test_reviews_go_to_the_orders_that_gain_most_and_not_to_the_first_of_a_day() -> None:
    orders = shop(6_000, 2, off_by=4.0)
    limits = Constraints(reviews_per_day=10, decline_share_max=0.02)
    tuner = PolicyTuner(COSTS, limits, form="cut_offs", n_resamples=0).fit(**orders)
    found = {row["figure"]: row["value"] for row in tuner.rates_.to_dicts()}
    assert found["reviews_per_day"] <= 10
    assert found["decline_share"] <= 0.02
    unlimited = PolicyTuner(COSTS, form="cut_offs", n_resamples=0).fit(**orders).policy_
    costs = []
    for policy in (tuner.policy_, replace(unlimited, constraints=limits)):
        decider = Decider(policy)
        rulings = decider.of_many(
            orders["p"], orders["amount_minor"], orders["columns"], time_ms=orders["event_time"]
        )
        reviews = np.bincount(orders["event_time"] // DAY_MS, rulings.action == REVIEW)
        assert reviews.max() <= 10
        lines = decider.cost_lines_of_many(orders["amount_minor"], orders["columns"])
        cost = np.where(orders["y"] == 1.0, lines[1], lines[0])
        costs.append(cost[rulings.action, np.arange(6_000)].sum())
    assert costs[0] < costs[1]


def test_a_segments_cut_offs_are_lower_where_its_odds_are_higher() -> None:
    orders = shop(30_000, 4)
    country = np.array(orders["columns"]["billing.country"])
    odds = 16.0 * orders["p"] / (1.0 - orders["p"])
    drawn = np.random.default_rng(9).random(30_000) < odds / (1.0 + odds)
    orders["y"] = np.where(country == "FR", drawn, orders["y"]).astype(np.float64)
    tuner = PolicyTuner(
        segments=["billing.country"], form="cut_offs", support_frauds=250, n_resamples=0
    ).fit(**orders)
    of = {segment.name: segment.cut_offs for segment in tuner.policy_.segments}
    table = {row["name"]: row for row in tuner.segments_.to_dicts()}
    assert of["fr"] is not None
    assert of["de"] is not None
    assert tuner.policy_.cut_offs is not None
    for name in ("challenge_from", "decline_from"):
        low, middle, high = (
            getattr(held, name) for held in (of["fr"], tuner.policy_.cut_offs, of["de"])
        )
        assert low < middle < high
        moved = middle / (middle + table["fr"]["factor"] * (1.0 - middle))
        assert low == pytest.approx(moved, rel=1e-12)
    assert table["fr"]["own_factor"] > 3.0 * table["de"]["own_factor"]


@pytest.mark.parametrize("form", ["costs", "cut_offs"])
def test_the_gaps_between_segments_are_as_wide_as_what_is_believed_of_them(form: str) -> None:
    orders = shop(20_000, 4)
    places = np.array(orders["columns"]["billing.country"]) == "FR"
    orders["y"] = np.where(places, np.maximum(orders["y"], orders["p"] > 0.15), orders["y"])
    tuner = PolicyTuner(form=form, segments=["billing.country"], n_resamples=0).fit(**orders)  # type: ignore[arg-type]
    whole = tuner.policy_.odds_factor
    table = tuner.segments_
    assert len(table) == 3
    variance, weight = table["standard_error"].to_numpy() ** 2, table["weight"].to_numpy()
    gap = np.log(table["own_factor"].to_numpy() / whole)
    between = weight * variance / (1.0 - weight)
    assert between == pytest.approx(np.full(3, between[0]))
    assert between[0] > 0.0
    assert (gap**2 / (variance + between)).sum() == pytest.approx(3.0)
    shrunk = np.log(table["factor"].to_numpy() / whole)
    assert shrunk == pytest.approx(weight * gap)


def test_alike_segments_have_nearly_the_cut_offs_of_the_whole() -> None:
    tuner = PolicyTuner(
        segments=["billing.country"], form="cut_offs", n_resamples=0
    ).fit(**shop(20_000, 12))  # fmt: skip
    assert all(0.5 < row["factor"] < 2.0 for row in tuner.segments_.to_dicts())


def test_a_constraint_on_fraud_that_no_cut_offs_meet_is_refused() -> None:
    limits = Constraints(reviews_per_day=0, decline_share_max=0.0, fraud_bps_max=0.1)
    with pytest.raises(PolicyError, match="cannot be met by cut-offs: it must be at least"):
        PolicyTuner(COSTS, limits, form="cut_offs", n_resamples=0).fit(**shop(500, 3))


def test_where_all_is_best_approved_only_a_probability_of_one_is_challenged() -> None:
    # Nothing is lost to a fraud, so every other action costs more.
    costs = Costs(loss_share=0.0, chargeback_fee_minor=0)
    tuner = PolicyTuner(costs, form="cut_offs", n_resamples=0).fit(**shop(500, 3))
    assert tuner.policy_.cut_offs == CutOffs(challenge_from=1.0)
