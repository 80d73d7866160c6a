"""Past orders as frames, drawn by hypothesis, and the arithmetic order by order."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import Costs, cost_lines
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy, segment_costs
from fraudkit.domain.transaction import epoch_ms
from tests.decisions.drawn import START, drawn_orders, segment_of, transaction_of

__all__ = ["DAY_MS", "SCHEMA", "action_of_each", "changes_of_each", "framed", "known_of", "past"]

DAY_MS = 86_400_000
SCHEMA = {
    "transaction_id": pl.String,
    "event_time_ms": pl.Int64,
    "fraud_probability": pl.Float64,
    "amount_minor": pl.Float64,
    "is_fraud": pl.Boolean,
    "billing.country": pl.String,
    "payment.method": pl.String,
}


@st.composite
def past(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return orders, each with an outcome or ``None``."""
    return [
        order | {"is_fraud": draw(st.sampled_from([True, False, None]))}
        for order in draw(drawn_orders())
    ]


def framed(orders: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [
        (
            order["id"],
            epoch_ms(START) + order["day"] * DAY_MS,
            order["probability"],
            order["amount"],
            order["is_fraud"],
            order["country"],
            order["method"],
        )
        for order in orders
    ]
    return pl.DataFrame(rows, SCHEMA, orient="row")


def known_of(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the orders in the order in which a policy decides them."""
    return sorted(orders, key=lambda order: (order["day"], order["id"]))


def action_of_each(policy: Policy, orders: list[dict[str, Any]]) -> dict[str, str]:
    """Return what the policy decides, one order after the other, with nothing left to chance."""
    decider = Decider(replace(policy, exploration=None))
    return {
        order["id"]: decider.of(transaction_of(order), order["probability"], order["amount"]).action
        for order in known_of(orders)
    }


def changes_of_each(
    policy: Policy, orders: list[dict[str, Any]], old: dict[str, str], new: dict[str, str]
) -> dict[str, tuple[float, float]]:
    """Return how each order's cost changes if it is honest and if it is a fraud."""
    changes = {}
    for order in orders:
        costs: Costs = segment_costs(policy, segment_of(policy, order))
        amount = np.nan if order["amount"] is None else float(order["amount"])
        places = [ACTIONS.index(side[order["id"]]) for side in (old, new)]  # type: ignore[arg-type]
        honest, fraud = (lines[places[1]] - lines[places[0]] for lines in cost_lines(amount, costs))
        changes[order["id"]] = (honest, fraud)
    return changes
