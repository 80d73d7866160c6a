"""A shop whose policy declined, and let some of its declines pass by a logged chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.mapping import MappedData
from tests.mapped import DAY_MS, mapped

__all__ = ["DECLINED_FROM", "Shop", "logged", "made"]

DECLINED_FROM = 0.3


class Shop(NamedTuple):
    """Orders with every outcome, as nobody ever knows it."""

    frame: pl.DataFrame
    scores: pl.DataFrame
    is_fraud: NDArray[np.bool_]

    @property
    def would_decline(self) -> NDArray[np.bool_]:
        return self.scores["fraud_probability"].to_numpy() >= DECLINED_FROM

    def taken(self, places: NDArray[np.int64]) -> Shop:
        """Return some of the orders, each under a name of its own."""
        names = pl.Series([f"n{number}" for number in range(len(places))])
        frame, scores = (
            held[places].with_columns(transaction_id=names) for held in (self.frame, self.scores)
        )
        return Shop(frame, scores, self.is_fraud[places])


def made(n_orders: int, seed: int) -> Shop:
    """Return orders of which the model is right below `DECLINED_FROM` and doubts too much above."""
    generator = np.random.default_rng(seed)
    probability = generator.beta(0.4, 1.6, n_orders)
    odds = probability / (1.0 - probability) * np.where(probability >= DECLINED_FROM, 0.2, 1.0)
    names = [f"t{number}" for number in range(n_orders)]
    frame = pl.DataFrame(
        {
            "transaction_id": names,
            "event_time_ms": np.sort(generator.integers(0, 40 * DAY_MS, n_orders)),
            "order.amount_minor": np.exp(generator.normal(8.5, 0.7, n_orders)).astype(np.int64),
            "order.currency": ["EUR"] * n_orders,
            "payment.method": ["wallet"] * n_orders,
        }
    )
    scores = pl.DataFrame(
        {"transaction_id": names, "fraud_probability": probability, "action": "approve"}
    )
    return Shop(frame, scores, generator.random(n_orders) < odds / (1.0 + odds))


def logged(shop: Shop, passed: NDArray[np.bool_], propensity: float) -> MappedData:
    """Return what a log knows: no outcome of a decline, but of one that passed by chance."""
    stayed = shop.would_decline & ~passed
    names = shop.frame["transaction_id"]
    known = [
        None if lost else bool(fraud) for lost, fraud in zip(stayed, shop.is_fraud, strict=True)
    ]
    return mapped(
        shop.frame,
        known,
        propensities=dict.fromkeys(names.filter(pl.Series(shop.would_decline)), propensity),
        declined=names.filter(pl.Series(stayed)).to_list(),
    )
