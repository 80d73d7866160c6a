"""The events that the feature benchmarks run on: a simulated shop, and many of them side by side.

Invariant: the same numbers and seed give the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from msgspec import structs
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable
from fraudkit.domain.outcome import Outcome, statuses_of
from fraudkit.domain.transaction import Transaction
from fraudkit.features.catalog import default_features
from fraudkit.features.keys import IdentifierHash, event_id
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import (
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
    NO_KEY,
)
from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.simulate import Shop, simulate, write_shop

__all__ = [
    "HASH_KEY",
    "HOT_ADDRESS",
    "SimulatedShop",
    "at_pace",
    "at_times",
    "event_rows",
    "learnt_levels",
    "online_features",
    "read_shop",
    "side_by_side",
    "with_hot_address",
]

HASH_KEY: Final = b"a key for benchmarks only"
HOT_ADDRESS: Final = "198.51.100.7"
"""The IP address of the attacker; RFC 5737 keeps it for documentation."""

_LEVELS_MAX: Final = 40


class SimulatedShop(NamedTuple):
    """A simulated shop, as transactions and as the frame that its files become.

    Attributes
    ----------
    shop : Shop
        Transactions and outcomes.
    data : MappedData
        The same, read from the files that `fraudkit.simulate.write_shop` writes.
    rates : RateTable
        The shop's own.
    features : FeatureSet
        The default catalogue, its categories with the levels of the data.
    """

    shop: Shop
    data: MappedData
    rates: RateTable
    features: FeatureSet


def read_shop(n_orders: int, seed: int) -> SimulatedShop:
    """Return a simulated shop, written to files and read again."""
    shop = simulate(n_orders, seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_shop(shop, folder)
        mapping = Mapping.load(folder / "mapping.toml")
        data = read_data([folder / "orders.ndjson"], mapping)
    features = default_features(levels=learnt_levels(data.frame))
    return SimulatedShop(shop, data, mapping.rates, features)


def learnt_levels(frame: pl.DataFrame) -> dict[str, list[str]]:
    """Return the most frequent values of every default category that the frame holds."""
    return {
        name: _most_frequent(frame[path].cast(pl.String))
        for name, (path, _) in CATEGORIES.items()
        if path in frame.columns
    }


def _most_frequent(column: pl.Series) -> list[str]:
    counted = column.drop_nulls().value_counts(sort=True)
    return sorted(counted[column.name].head(_LEVELS_MAX).to_list())


def with_hot_address(
    transactions: Sequence[Transaction], share: float, generator: np.random.Generator
) -> tuple[list[Transaction], NDArray[np.bool_]]:
    """Return the orders with a share of them from `HOT_ADDRESS`, and which these are."""
    is_hot = np.zeros(len(transactions), np.bool_)
    count = round(share * len(transactions))
    is_hot[generator.choice(len(transactions), count, replace=False)] = True
    moved = [
        structs.replace(
            transaction,
            device=structs.replace(transaction.device, ip_address=HOT_ADDRESS),
        )
        if hot
        else transaction
        for transaction, hot in zip(transactions, is_hot, strict=True)
    ]
    return moved, is_hot


def online_features(
    features: FeatureSet, plan: WindowPlan, store: StateStore, rates: RateTable
) -> OnlineFeatures:
    """Return what computes rows against a store."""
    return OnlineFeatures(features, plan, store, rates, IdentifierHash(HASH_KEY))


def event_rows(
    transactions: Sequence[Transaction],
    outcomes: Iterable[Outcome],
    online: OnlineFeatures,
    plan: WindowPlan,
) -> NDArray[np.int64]:
    """Return the transactions as event rows, with the times at which outcomes become known."""
    rows = np.array([online.prepare(transaction).event for transaction in transactions])
    place_of = {int(event): place for place, event in enumerate(rows[:, EVENT_ID])}
    for outcome in outcomes:
        row = rows[place_of[event_id(outcome.transaction_id)]]
        for status in statuses_of(outcome):
            column = plan.status_column(status)
            if column is not None:
                row[column] = min(row[column], outcome.available_at_ms)
    return rows


def at_pace(rows: NDArray[np.int64], plan: WindowPlan, pace: int) -> NDArray[np.int64]:
    """Return event rows as they would be if everything happened ``pace`` times as fast."""
    first_ms = rows[0, EVENT_TIME]
    faster = rows.copy()
    for column in (EVENT_TIME, AVAILABLE_AT, *range(FIRST_STATUS, plan.first_hash)):
        times = rows[:, column]
        faster[:, column] = np.where(times == NEVER, NEVER, first_ms + (times - first_ms) // pace)
    return faster


def at_times(transactions: Iterable[Transaction], rows: NDArray[np.int64]) -> list[Transaction]:
    """Return the transactions with the event times of their rows."""
    return [
        structs.replace(
            transaction,
            event_time=datetime.fromtimestamp(time_ms / 1000, transaction.event_time.tzinfo),
        )
        for transaction, time_ms in zip(transactions, rows[:, EVENT_TIME].tolist(), strict=True)
    ]


def side_by_side(
    rows: NDArray[np.int64],
    plan: WindowPlan,
    copies: range,
    *,
    block: int,
    shared: Collection[int] = (),
) -> Iterator[NDArray[np.int64]]:
    """Yield the events of many shops like one, in order of time.

    Copy 0 is the shop itself. Every other has its own transactions, customers, devices and so
    on: each id and hash is changed by a number of the copy's own, so that within a copy the same
    are the same as in the shop. Copy ``c`` makes its orders ``c`` milliseconds later.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_events, n_columns)
        The shop's events by time.
    copies : range
        Which copies.
    block : int
        Of how many of the shop's events one answer holds the copies.
    shared : collection of int
        Hashes that all copies have in common.

    Yields
    ------
    ndarray of int64, shape (at most block * len(copies), n_columns)
        Event rows.
    """
    salts = np.random.default_rng(0).integers(1, 2**63 - 1, copies.stop)[copies.start :]
    salts[: max(1 - copies.start, 0)] = 0
    common = [NO_KEY, *shared]
    for first in range(0, len(rows), block):
        part = np.tile(rows[first : first + block], (len(copies), 1, 1))
        part[:, :, EVENT_ID] ^= salts[:, None]
        part[:, :, EVENT_TIME] += np.array(copies)[:, None]
        part[:, :, AVAILABLE_AT] += np.array(copies)[:, None]
        hashes = part[:, :, plan.first_hash :]
        hashes ^= np.where(np.isin(hashes, common), 0, salts[:, None, None])
        flat = part.reshape(-1, part.shape[2])
        yield flat[np.argsort(flat[:, EVENT_TIME], kind="stable")]
