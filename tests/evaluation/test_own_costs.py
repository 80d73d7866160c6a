"""Every order is priced at its own costs: a slow loop over orders says the same, with ==."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.comparison import compare
from fraudkit.decisions.costs import COST_NAMES, OrderCosts, cost_lines
from fraudkit.decisions.policy import ACTIONS, Policy, segment_costs
from fraudkit.decisions.segments import Segment
from fraudkit.domain.money import rate_table
from fraudkit.errors import DataFileError, PolicyError
from fraudkit.evaluation import evaluate, explored, labelled_scores, scored_orders
from fraudkit.mapping import MappedData
from tests.decisions.drawn import (
    can_challenge,
    drawn_orders,
    drawn_policies,
    is_shifted,
    segment_of,
)
from tests.mapped import DAY_MS, mapped

RATES = rate_table("EUR")
MARGIN, FEE = "custom_inputs.margin", "custom_inputs.fee"
OWN = {MARGIN: ("margin_share", 1.0), FEE: ("chargeback_fee_minor", 1e9)}
brought = st.sampled_from([None, nan, -1.0, 0.0, 0.5, 1.0, 3.0, 2e9])


@st.composite
def past_orders(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        order
        | {
            "action": draw(st.sampled_from(ACTIONS)),
            "is_fraud": draw(st.booleans()),
            MARGIN: draw(brought),
            FEE: draw(brought),
        }
        for order in draw(drawn_orders())
    ]


def data_of(orders: list[dict[str, Any]]) -> MappedData:
    """Return the orders as a mapping reads them; one without an amount is in another currency."""
    frame = pl.DataFrame(
        {
            "transaction_id": [order["id"] for order in orders],
            "event_time_ms": [order["day"] * DAY_MS for order in orders],
            "order.amount_minor": [order["amount"] or 0 for order in orders],
            "order.currency": ["XAF" if order["amount"] is None else "EUR" for order in orders],
            "payment.method": [order["method"] for order in orders],
            "billing.country": [order["country"] for order in orders],
            "payment.card.was_3d_secure_successful": [order["authenticated"] for order in orders],
            "payment.card.has_liability_shift": [order["shift"] for order in orders],
            MARGIN: [order[MARGIN] for order in orders],
            FEE: [order[FEE] for order in orders],
        },
        schema_overrides={
            "payment.method": pl.String, "billing.country": pl.String,
            "payment.card.was_3d_secure_successful": pl.Boolean,
            "payment.card.has_liability_shift": pl.Boolean,
            MARGIN: pl.Float64, FEE: pl.Float64,
        },
    )  # fmt: skip
    return mapped(frame, [order["is_fraud"] for order in orders])


def scores_of(orders: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [order["id"] for order in orders],
            "fraud_probability": [order["probability"] for order in orders],
            "action": [order["action"] for order in orders],
        }
    )


def costs_of(policy: Policy, order: dict[str, Any]) -> OrderCosts:
    """Return an order's costs: its segment's or the policy's, but for what it brought itself.

    Where the card was authenticated, a part of the loss is the issuer's.
    """
    costs = segment_costs(policy, segment_of(policy, order))
    figures = OrderCosts(*(getattr(costs, name) for name in COST_NAMES))
    for path in policy.costs_from_orders.values():
        name, most = OWN[path]
        if order[path] is not None and 0.0 <= order[path] <= most:
            figures = figures._replace(**{name: order[path]})
    if not is_shifted(order):
        return figures
    stays = 1.0 - figures.challenge_liability_shift_share
    return figures._replace(
        loss_share=figures.loss_share * stays,
        chargeback_fee_minor=figures.chargeback_fee_minor * stays,
    )


def realised(policy: Policy, order: dict[str, Any], action: str) -> float:
    """Return what an action cost, NaN where that cannot be told."""
    if order["amount"] is None:
        return nan
    if action == "challenge" and not can_challenge(order):
        return nan
    lines = cost_lines(float(order["amount"]), costs_of(policy, order))
    return float(lines[order["is_fraud"]][ACTIONS.index(action)])  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(
    policy=drawn_policies(),
    paths=st.sets(st.sampled_from([MARGIN, FEE])),
    orders=past_orders(),
    seed=st.integers(0, 100),
)
def test_each_order_is_priced_at_its_own_costs(
    policy: Policy, paths: set[str], orders: list[dict[str, Any]], seed: int
) -> None:
    policy = replace(policy, costs_from_orders={OWN[path][0]: path for path in paths})
    shuffled = scores_of(orders).sample(fraction=1.0, shuffle=True, seed=seed)
    found = labelled_scores(shuffled, data_of(orders), RATES, policy, as_of_ms=10 * DAY_MS)
    by_id = {order["id"]: order for order in orders}
    assert len(found) == len(orders)
    for row in found.to_dicts():
        order = by_id[row["transaction_id"]]
        for name, action in (
            ("cost_minor", order["action"]),
            ("approve_cost_minor", "approve"),
            ("decline_cost_minor", "decline"),
        ):
            np.testing.assert_equal(row[name], realised(policy, order, action))


GUESTS = Segment(
    name="guests",
    when={"billing.country": ("DE",)},
    costs={"insult_cost_minor": 9_000.0, "chargeback_fee_minor": 50.0},
)
OWN_COSTS = Policy(segments=(GUESTS,), costs_from_orders={"margin_share": MARGIN})


def made(n_orders: int = 60) -> list[dict[str, Any]]:
    """Return orders over ten days, some of them of the segment, some with a margin."""
    generator = np.random.default_rng(4)
    return [
        {
            "id": f"t{number}",
            "probability": float(generator.random()),
            "amount": int(generator.integers(100, 50_000)),
            "method": ["card", "wallet"][number % 2],
            "authenticated": [None, None, True][number % 3],
            "shift": None,
            "country": ["DE", "FR", None][number % 3],
            "day": number % 10,
            "action": ACTIONS[(number // 2) % 4],
            "is_fraud": number % 5 == 0,
            MARGIN: None if number % 4 else 0.6,
            FEE: None,
        }
        for number in range(n_orders)
    ]


def test_totals_are_over_the_orders_whose_action_was_possible() -> None:
    orders = made()
    found = evaluate(scores_of(orders), data_of(orders), RATES, OWN_COSTS, as_of_ms=20 * DAY_MS)
    costs = {order["id"]: realised(OWN_COSTS, order, order["action"]) for order in orders}
    priced = [order for order in orders if not isnan(costs[order["id"]])]
    assert 0 < found.cost.n_orders == len(priced) < len(orders)
    assert found.metrics.n_orders_with_cost == len(priced)
    for name, action in (("approve_all_minor", "approve"), ("decline_all_minor", "decline")):
        total = sum(realised(OWN_COSTS, order, action) for order in priced)
        assert getattr(found.cost, name) == pytest.approx(total, rel=1e-12)
    assert found.cost.policy_minor == pytest.approx(
        sum(costs[order["id"]] for order in priced), rel=1e-12
    )


def test_a_comparison_is_priced_so_too() -> None:
    orders = made()
    declining = [order | {"action": "decline"} for order in orders]
    found = compare(
        {"as they were": scores_of(orders), "declining": scores_of(declining)},
        data_of(orders), RATES, OWN_COSTS, as_of_ms=20 * DAY_MS,
    ).differences["declining"]  # fmt: skip
    changes = [
        realised(OWN_COSTS, order, "decline") - realised(OWN_COSTS, order, order["action"])
        for order in orders
    ]
    known = [change for change in changes if not isnan(change)]
    assert found.mean_cost_minor is not None
    assert found.mean_cost_minor.value == pytest.approx(sum(known) / len(known), rel=1e-12)
    assert found.n_orders_with_cost == len(known)


def test_a_policy_that_does_not_hold_prices_nothing() -> None:
    twice = replace(OWN_COSTS, segments=(GUESTS, GUESTS))
    with pytest.raises(PolicyError, match="a name of its own"):
        evaluate(scores_of(made()), data_of(made()), RATES, twice, as_of_ms=20 * DAY_MS)


def test_an_approval_by_chance_counts_as_the_decline_that_it_would_have_been() -> None:
    orders = made()
    shapes = [["explored"] if o["action"] == "approve" else [] for o in orders]
    scores = scores_of(orders).with_columns(
        shaped_by=pl.Series(shapes, dtype=pl.List(pl.String)),
        approve_propensity=pl.lit(0.05),
    )
    declined = scores_of(orders).with_columns(action=pl.col("action").replace("approve", "decline"))
    assert explored(scores).to_list() == [order["action"] == "approve" for order in orders]
    assert explored(scores_of(orders)).to_list() == [False] * len(orders)
    assert scored_orders(scores).equals(scored_orders(declined))
    found, other = (
        evaluate(held, data_of(orders), RATES, OWN_COSTS, as_of_ms=20 * DAY_MS)
        for held in (scores, declined)
    )
    n_explored = sum(map(len, shapes))
    assert (found.n_explored, other.n_explored) == (n_explored, 0)
    assert replace(found, n_explored=0) == other
    told = f"{n_explored} scored orders were approved by the policy's own chance"
    assert told in found.report("Scores").measured_on
    assert other.notes == ()
    beside = compare(
        {"by chance": scores, "declined": declined},
        data_of(orders), RATES, OWN_COSTS, as_of_ms=20 * DAY_MS,
    )  # fmt: skip
    assert beside.evaluations == {"by chance": found, "declined": other}
    assert [note for note in beside.notes if told in note] == [f"by chance: {found.notes[0]}"]


@pytest.mark.parametrize("odd", [pl.lit("explored"), pl.lit(1)])
def test_shapes_that_are_no_lists_of_text_are_refused(odd: pl.Expr) -> None:
    with pytest.raises(DataFileError, match="shaped_by must hold lists of text, got"):
        scored_orders(scores_of(made()).with_columns(shaped_by=odd))


@pytest.mark.parametrize("nothing", [pl.Null, pl.List(pl.Null), pl.List(pl.String)])
def test_a_file_of_which_no_order_was_shaped_is_read(nothing: Any) -> None:
    scores = scores_of(made()).with_columns(shaped_by=pl.lit(None, dtype=nothing))
    assert scored_orders(scores).equals(scored_orders(scores_of(made())))
