"""Past orders as frames, drawn by hypothesis, and the arithmetic order by order."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import cost_lines
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.decisions.segments import CutOffs
from fraudkit.domain.transaction import epoch_ms
from tests.decisions.drawn import START, drawn_orders, is_shifted, segment_of, transaction_of
from tests.decisions.naive_rule import figures_of

__all__ = [
    "CAREFUL",
    "DAY_MS",
    "LOGGED",
    "LOOSER",
    "action_of_each",
    "changes_of_each",
    "explored",
    "framed",
    "made",
    "past",
]

DAY_MS = 86_400_000
CAREFUL = Policy(odds_factor=4.0)
LOGGED = Policy(cut_offs=CutOffs(decline_from=0.6000001))
LOOSER = Policy(cut_offs=CutOffs(decline_from=0.8))
SCHEMA = {
    "transaction_id": pl.String,
    "event_time_ms": pl.Int64,
    "fraud_probability": pl.Float64,
    "amount_minor": pl.Float64,
    "is_fraud": pl.Boolean,
    "billing.country": pl.String,
    "payment.method": pl.String,
    "payment.card.was_3d_secure_successful": pl.Boolean,
    "payment.card.has_liability_shift": pl.Boolean,
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
            order["authenticated"],
            order["shift"],
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
        costs = figures_of(policy, segment_of(policy, order), is_shifted=is_shifted(order))
        amount = np.nan if order["amount"] is None else float(order["amount"])
        places = [ACTIONS.index(side[order["id"]]) for side in (old, new)]  # type: ignore[arg-type]
        honest, fraud = (lines[places[1]] - lines[places[0]] for lines in cost_lines(amount, costs))
        changes[order["id"]] = (honest, fraud)
    return changes


def made(n_orders: int = 400, seed: int = 1, **columns: Any) -> pl.DataFrame:
    """Return orders of ten days, some of which each policy declines."""
    generator = np.random.default_rng(seed)
    probability = generator.beta(0.4, 1.5, n_orders)
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(n_orders)],
            "event_time_ms": np.sort(generator.integers(0, 10 * DAY_MS, n_orders)),
            "fraud_probability": probability,
            "amount_minor": np.round(generator.lognormal(8.5, 1.0, n_orders)),
            "is_fraud": generator.random(n_orders) < probability,
        }
    )
    return frame.with_columns(**columns)


def explored(share: float = 0.2, n_orders: int = 4_000) -> pl.DataFrame:
    """Return orders of which those that the policy would decline were approved by chance."""
    orders = made(n_orders)
    generator = np.random.default_rng(5)
    would_decline = pl.col("fraud_probability") > 0.6
    is_drawn = pl.Series("drawn", generator.random(n_orders) < share)
    stays = would_decline & ~is_drawn
    return orders.with_columns(
        action=pl.when(stays).then(pl.lit("decline")).otherwise(pl.lit("approve")),
        approve_propensity=pl.when(would_decline).then(share),
        is_fraud=pl.when(~stays).then("is_fraud"),
    )
