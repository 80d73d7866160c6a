"""Scored orders that the model has not learnt from: real ones, and those of the simulated shop."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.commands import run_fraudkit
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import Mapping, read_data
from fraudkit.simulate import simulate, write_shop

__all__ = [
    "SIMULATOR",
    "UCSD",
    "Scored",
    "Shop",
    "policy_of",
    "simulated_orders",
    "ucsd_orders",
]

_UCSD_FILE = "ucsd_fico_task2_first80k.parquet"
_UCSD_MAPPING = Path(__file__).parents[1] / "docs" / "examples" / "ucsd.toml"


class Shop(NamedTuple):
    """What a shop's orders cost, and how many a day it can review."""

    costs: Costs
    reviews_per_day: int


UCSD = Shop(
    Costs(
        currency="USD", margin_share=0.3, loss_share=0.8, chargeback_fee_minor=1500,
        insult_cost_minor=500, review_cost_minor=200, challenge_honest_dropout_share=0.2,
        challenge_liability_shift_share=0.5,
    ),
    reviews_per_day=10,
)  # fmt: skip
"""Small baskets, 13 to 50 USD; challenges cost much and shift half of the loss."""

SIMULATOR = Shop(
    Costs(
        margin_share=0.12, chargeback_fee_minor=2000, insult_cost_minor=1500,
        review_cost_minor=400, challenge_honest_dropout_share=0.15,
        challenge_liability_shift_share=0.7,
    ),
    reviews_per_day=5,
)  # fmt: skip


class Scored(NamedTuple):
    """Orders in the order of their times, with the probability that was forecast and the truth."""

    probability: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    amount_minor: NDArray[np.float64]
    time_ms: NDArray[np.int64]
    columns: dict[str, list[Any]]

    def part(self, places: slice) -> Scored:
        """Return some of the orders."""
        return Scored(
            self.probability[places],
            self.is_fraud[places],
            self.amount_minor[places],
            self.time_ms[places],
            {path: held[places] for path, held in self.columns.items()},
        )


def ucsd_orders(folder: Path, seed: int) -> Scored:
    """Return rows 40,000 to 79,999, scored by a model of the rows before them."""
    orders = pl.read_parquet(folder / _UCSD_FILE)
    with TemporaryDirectory() as made:
        place = Path(made)
        orders[:40_000].write_parquet(place / "earlier.parquet")
        orders[40_000:].write_parquet(place / "later.parquet")
        truth = orders[40_000:]["label"].to_numpy() == 1

        found = _scored(place, "parquet", _UCSD_MAPPING, seed)
    names = orders[40_000:]["row"].cast(pl.String).to_list()
    return _with_truth(found, dict(zip(names, truth.tolist(), strict=True)))


def simulated_orders(n_orders: int, seed: int) -> Scored:
    """Return the second half of a simulated shop, scored by a model of the first half."""
    with TemporaryDirectory() as made:
        place = Path(made)
        shop = simulate(n_orders, seed)
        write_shop(shop, place)
        lines = (place / "orders.ndjson").read_bytes().splitlines(keepends=True)
        half = len(lines) // 2
        (place / "earlier.ndjson").write_bytes(b"".join(lines[:half]))
        (place / "later.ndjson").write_bytes(b"".join(lines[half:]))
        found = _scored(place, "ndjson", place / "mapping.toml", seed)
    is_fraud = {
        transaction.transaction_id: truth != "honest"
        for transaction, truth in zip(shop.transactions, shop.truth, strict=True)
    }
    return _with_truth(found, is_fraud)


def _scored(place: Path, kind: str, mapping: Path, seed: int) -> pl.DataFrame:
    """Train on the earlier file, score the later one; return the orders with their probability."""
    earlier, later = place / f"earlier.{kind}", place / f"later.{kind}"
    columns = ("--mapping", mapping)
    bundle, scores = place / "bundle", place / "scores.parquet"
    run_fraudkit(
        "train", "--data", earlier, *columns, "--seed", seed, "--candidates", 0, "--out", bundle
    )
    run_fraudkit(
        "score", "--bundle", bundle, "--data", later, "--history", earlier, *columns,
        "--out", scores,
    )  # fmt: skip
    held = Mapping.load(mapping)
    frame = read_data([later], held).frame
    amounts = reference_amounts(frame, held.rates).cast(pl.Float64).alias("amount_minor")
    said = pl.read_parquet(scores).select("transaction_id", "fraud_probability")
    return frame.with_columns(amounts).join(said, on="transaction_id").drop_nulls("amount_minor")


def _with_truth(frame: pl.DataFrame, is_fraud: dict[str, bool]) -> Scored:
    frame = frame.sort("event_time_ms", "transaction_id", maintain_order=True)
    paths = [path for path in Decider(Policy()).paths if path in frame.columns]
    return Scored(
        frame["fraud_probability"].to_numpy(),
        np.array([is_fraud[name] for name in frame["transaction_id"].to_list()]),
        frame["amount_minor"].to_numpy(),
        frame["event_time_ms"].to_numpy(),
        {path: frame[path].to_list() for path in paths},
    )


def policy_of(shop: Shop) -> Policy:
    """Return the shop's policy before any tuning."""
    constraints = msgspec.structs.replace(
        Policy().constraints, reviews_per_day=shop.reviews_per_day
    )
    return Policy(costs=shop.costs, constraints=constraints)
