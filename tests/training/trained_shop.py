"""A small simulated shop and a bundle trained on its first part, made once a test run."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Policy
from fraudkit.domain.outcome import EarlyFraudWarning, Outcome
from fraudkit.domain.transaction import Order, Transaction, epoch_ms
from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.scoring.bundle import write_bundle
from fraudkit.scoring.learning.boosting import ModelSettings
from fraudkit.simulate import Shop, simulate, write_shop
from fraudkit.training import Training, train

__all__ = ["TrainedShop", "by_time", "trained_shop", "write_lines"]

DAY = timedelta(days=1)
ORDERS = 5_000
TRAINED_ORDERS = 4_000
SETTINGS = ModelSettings(n_trees=20, max_bin=63)
# Under these costs each of the four actions is the best for some order.
POLICY = Policy(
    costs=Costs(
        margin_share=0.1,
        insult_cost_minor=200,
        review_cost_minor=300,
        challenge_honest_dropout_share=0.3,
        challenge_liability_shift_share=0.3,
    )
)


class TrainedShop(NamedTuple):
    """The shop, its files and the bundle.

    Attributes
    ----------
    transactions : tuple of Transaction
        In order of time; some in a currency that the rate table does not list.
    outcomes : tuple of Outcome
        In the order in which they became known.
    horizon_ms : int
        Where training ended.
    """

    transactions: tuple[Transaction, ...]
    outcomes: tuple[Outcome, ...]
    orders: Path
    mapping: Path
    bundle: Path
    training: Training
    horizon_ms: int

    def read(self, orders: Path | None = None) -> MappedData:
        return read_data([orders or self.orders], Mapping.load(self.mapping))


@cache
def trained_shop(base: Path) -> TrainedShop:
    """Return the shop in a folder of the test run; the same one each time."""
    folder = base / "trained-shop"
    shop = _shop()
    write_shop(shop, folder)
    mapping_path = folder / "mapping.toml"
    text = mapping_path.read_text("utf-8")
    mapping_path.write_text(text.replace("delay_days = 60", "delay_days = 10"), "utf-8")
    mapping = Mapping.load(mapping_path)
    data = read_data([folder / "orders.ndjson"], mapping)
    horizon_ms = shop.transactions[TRAINED_ORDERS].event_time_ms
    training = train(
        data,
        mapping.rates,
        horizon_ms=horizon_ms,
        label_delay_days=mapping.delay_days,
        policy=POLICY,
        settings=SETTINGS,
    )
    write_bundle(folder / "bundle", training.content)
    return TrainedShop(
        shop.transactions,
        shop.outcomes,
        folder / "orders.ndjson",
        mapping_path,
        folder / "bundle",
        training,
        horizon_ms,
    )


def _shop() -> Shop:
    """Return a shop in which every fraud is reported a day later, so that few orders will do."""
    shop = simulate(ORDERS, seed=1)
    reports = [
        EarlyFraudWarning(
            outcome_id=f"report-{transaction.transaction_id}",
            transaction_id=transaction.transaction_id,
            occurred_at=transaction.event_time,
            available_at=transaction.event_time.replace(microsecond=0) + DAY,
        )
        for transaction, truth in zip(shop.transactions, shop.truth, strict=True)
        if truth != "honest"
    ]
    outcomes = sorted([*shop.outcomes, *reports], key=lambda o: (o.available_at, o.outcome_id))
    transactions = [
        _in_a_currency_without_rate(transaction) if number % 97 == 0 else transaction
        for number, transaction in enumerate(shop.transactions)
    ]
    return msgspec.structs.replace(shop, transactions=tuple(transactions), outcomes=tuple(outcomes))


def _in_a_currency_without_rate(transaction: Transaction) -> Transaction:
    order = Order(amount_minor=transaction.order.amount_minor, currency="XAF")
    return msgspec.structs.replace(transaction, order=order)


def write_lines(path: Path, values: tuple[Transaction, ...] | list[Transaction]) -> Path:
    """Write transactions as NDJSON and return the file."""
    path.write_bytes(msgspec.json.Encoder().encode_lines(list(values)))
    return path


def by_time(
    transactions: tuple[Transaction, ...], outcomes: tuple[Outcome, ...]
) -> list[Transaction | Outcome]:
    """Return both in the order in which a service would have received them."""
    received = [(t.event_time_ms, 0, t) for t in transactions]
    learnt = [(epoch_ms(outcome.available_at), 1, outcome) for outcome in outcomes]
    return [value for *_, value in sorted([*received, *learnt], key=lambda entry: entry[:2])]
