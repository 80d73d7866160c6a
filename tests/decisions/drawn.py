"""Policies and orders drawn by hypothesis."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fraudkit.decisions.fallback import Fallback
from fraudkit.decisions.policy import (
    ACTIONS,
    Breaker,
    Constraints,
    Exploration,
    Policy,
    Prices,
    WhenMissing,
)
from fraudkit.decisions.segments import CutOffs, Segment
from fraudkit.domain.transaction import Address, Card, Order, Payment, Transaction
from tests.decisions.test_costs import drawn_costs, probabilities

START = datetime(2026, 3, 1, tzinfo=UTC)
COUNTRIES = ("DE", "FR", "SE", None)

cut_offs = st.lists(probabilities, min_size=3, max_size=3).map(
    lambda drawn: CutOffs(
        **dict(zip(("challenge_from", "review_from", "decline_from"), sorted(drawn), strict=True))
    )
)
segments = st.builds(
    Segment,
    name=st.just("drawn"),
    when=st.sampled_from([
        {"billing.country": ("DE", "SE")},
        {"payment.method": ("card",), "billing.country": ("FR",)},
    ]),
    costs=st.sampled_from([{}, {"margin_share": 0.01}, {"review_cost_minor": 0.0}]),
    never_decline=st.booleans(),
    always_review=st.booleans(),
)  # fmt: skip
actions = st.sampled_from(ACTIONS)
fallbacks = st.builds(Fallback, action=actions) | st.builds(
    Fallback, action=actions, above_minor=st.integers(0, 10**6), above_action=actions
)
own_ways = st.sampled_from([{}, {"odds_factor": 3.0}, {"cut_offs": CutOffs(decline_from=0.4)}])
policies = st.builds(
    Policy,
    costs=drawn_costs,
    segments=st.lists(
        st.builds(lambda s, way: replace(s, **way), segments, own_ways), max_size=2
    ).map(lambda held: tuple(replace(s, name=f"s{n}") for n, s in enumerate(held))),
    constraints=st.builds(
        Constraints,
        reviews_per_day=st.none() | st.integers(0, 3),
        fraud_bps_max=st.none() | st.floats(1.0, 500.0),
    ),
    prices=st.builds(
        Prices,
        review_minor=st.sampled_from([0.0, 150.0]),
        decline_minor=st.sampled_from([0.0, 700.0]),
        fraud_share=st.sampled_from([0.0, 0.5]),
    ),
    breaker=st.none() | st.builds(Breaker, decline_share_max=probabilities, orders=st.just(10)),
    exploration=st.none()
    | st.builds(
        Exploration,
        approve_share=st.floats(0.01, 0.2),
        order_loss_minor_max=st.integers(0, 10**6),
        day_loss_minor_max=st.integers(0, 10**6),
    ),
    on_unknown_amount=st.sampled_from(["review", "decline", "approve"]),
    when_missing=st.builds(WhenMissing, store=st.sampled_from(["decide", "review", "decline"])),
    fallback=st.just(UNSET) | fallbacks,
)
ways = st.sampled_from(["cost", "odds", "cut-offs"])


@st.composite
def drawn_policies(draw: st.DrawFn) -> Policy:
    policy, way = draw(policies), draw(ways)
    if way == "odds":
        return replace(policy, odds_factor=draw(st.floats(0.1, 10.0)))
    return replace(policy, cut_offs=draw(cut_offs)) if way == "cut-offs" else policy


@st.composite
def drawn_orders(draw: st.DrawFn) -> list[dict[str, Any]]:
    days = sorted(draw(st.lists(st.integers(0, 2), min_size=1, max_size=30)))
    return [
        {
            "id": f"t{number}",
            "probability": draw(probabilities),
            "amount": draw(st.none() | st.integers(0, 10**6)),
            "method": draw(st.sampled_from(["card", "wallet", None])),
            "country": draw(st.sampled_from(COUNTRIES)),
            "authenticated": draw(st.sampled_from([None, True, False])),
            "shift": draw(st.sampled_from([None, True, False])),
            "day": day,
        }
        for number, day in enumerate(days)
    ]


def transaction_of(order: dict[str, Any]) -> Transaction:
    return Transaction(
        transaction_id=order["id"],
        event_time=START + timedelta(days=order["day"]),
        order=Order(amount_minor=order["amount"] or 0, currency="EUR"),
        billing=Address(country=order["country"]),
        payment=Payment(
            method=order["method"],
            card=Card(
                was_3d_secure_successful=order.get("authenticated"),
                has_liability_shift=order.get("shift"),
            ),
        ),
    )


def can_challenge(order: dict[str, Any]) -> bool:
    return order["method"] != "wallet" and order["authenticated"] is not True


def is_shifted(order: dict[str, Any]) -> bool:
    if order["method"] == "wallet" or order["shift"] is False:
        return False
    return order["shift"] is True or order["authenticated"] is True


def segment_of(policy: Policy, order: dict[str, Any]) -> Segment | None:
    values = {"billing.country": order["country"], "payment.method": order["method"]}
    return next(
        (
            segment
            for segment in policy.segments
            if all(values[path] in wanted for path, wanted in segment.when.items())
        ),
        None,
    )
