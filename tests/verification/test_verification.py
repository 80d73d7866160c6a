"""Served rows computed again: equal on real traffic, and named where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.engine import Engine
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import load_bundle
from fraudkit.verification import Verification, verify_rows
from tests.training.trained_shop import TrainedShop, by_time, write_lines

N_ORDERS = 600
SECRET = b"a secret of the shop's own"


def stream_of(shop: TrainedShop) -> list[Transaction | Outcome]:
    """Return orders and outcomes as they were received: some late, too late, again."""
    first = shop.transactions[:N_ORDERS]
    ids = {order.transaction_id for order in first}
    about = tuple(outcome for outcome in shop.outcomes if outcome.transaction_id in ids)
    stream = by_time(first, about)
    hour, week = timedelta(hours=1), timedelta(days=7)
    extra: list[Transaction | Outcome] = []
    for place, value in enumerate(stream):
        extra.append(value)
        if not isinstance(value, Transaction):
            continue
        if place % 7 == 0:
            extra.append(value)
        if place % 13 == 0:
            extra.append(moved(value, f"late-{place}", -hour))
        if place % 17 == 0:
            extra.append(moved(value, f"too-late-{place}", -week))
            extra.append(moved(value, f"too-late-{place}", -week))
    return extra


def moved(order: Transaction, transaction_id: str, by: timedelta) -> Transaction:
    return msgspec.structs.replace(
        order, transaction_id=transaction_id, event_time=order.event_time + by
    )


@pytest.fixture(scope="module")
def served(
    shop: TrainedShop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Record], pl.DataFrame]:
    """Return the journal of a service, and its orders as a file."""
    folder = tmp_path_factory.mktemp("served")
    stream = stream_of(shop)
    restart_at = len(stream) // 2
    for part in (stream[:restart_at], stream[restart_at:]):
        journal = SqliteJournal(folder / "journal.sqlite3")
        with Engine.open(shop.bundle, journal=journal, hash_key=SECRET) as engine:
            for value in part:
                if isinstance(value, Transaction):
                    engine.score(value)
                else:
                    engine.record(value)
    with SqliteJournal.open_readonly(folder / "journal.sqlite3") as journal:
        records = list(journal.records())
    orders = {v.transaction_id: v for v in stream if isinstance(v, Transaction)}
    # The file lacks some of the orders.
    told = [order for number, order in enumerate(orders.values()) if number % 11]
    return records, shop.read(write_lines(folder / "orders.ndjson", told)).frame


def verified(
    shop: TrainedShop,
    records: Sequence[Record],
    frame: pl.DataFrame | None = None,
    sample_rows: int | None = None,
) -> Verification:
    bundle = load_bundle(Path(shop.bundle))
    return verify_rows(
        records,
        bundle.features,
        bundle.rates,
        generator=np.random.default_rng(0),
        sample_rows=sample_rows,
        frame=frame,
    )


def test_every_served_row_is_what_it_is_when_computed_again(
    shop: TrainedShop, served: tuple[list[Record], pl.DataFrame]
) -> None:
    records, frame = served
    found = verified(shop, records, frame)
    assert found.values_differing == 0, found.examples
    assert found.rows_compared == found.rows_served > 1.1 * N_ORDERS
    assert 0.8 * found.rows_compared < found.rows_with_order_features < found.rows_compared
    features = load_bundle(Path(shop.bundle)).features
    assert found.values_compared == (
        found.rows_compared * len(features.aggregations)
        + found.rows_with_order_features * len(features.order_features)
    )


def test_without_the_orders_only_windows_are_compared(
    shop: TrainedShop, served: tuple[list[Record], pl.DataFrame]
) -> None:
    found = verified(shop, served[0])
    n_windows = len(load_bundle(Path(shop.bundle)).features.aggregations)
    assert (found.values_differing, found.rows_with_order_features) == (0, 0)
    assert found.values_compared == found.rows_compared * n_windows


@pytest.mark.parametrize("kind", ["order", "window"])
def test_a_value_that_differs_is_named(
    shop: TrainedShop, served: tuple[list[Record], pl.DataFrame], kind: str
) -> None:
    records, frame = served
    features = load_bundle(Path(shop.bundle)).features
    column = 0 if kind == "order" else len(features.order_features)
    place = next(i for i, r in enumerate(records) if r.transaction_id == "t0000002")
    held = records[place]
    assert isinstance(held, DecisionRecord)
    values = np.frombuffer(held.features, "<f8").copy()
    values[column] = 12345.0
    changed = [*records]
    changed[place] = msgspec.structs.replace(held, features=values.tobytes())
    found = verified(shop, changed, frame)
    assert found.differing_by_feature == {features.names[column]: 1}
    (example,) = found.examples
    assert (example.transaction_id, example.served) == (held.transaction_id, 12345.0)


def test_rows_that_cannot_be_compared_are_counted(
    shop: TrainedShop, served: tuple[list[Record], pl.DataFrame]
) -> None:
    records, _ = served
    rows = [held for held in records if isinstance(held, DecisionRecord)][:3]
    decision = msgspec.json.decode(rows[1].decision)
    degraded = msgspec.json.encode(decision | {"degraded": ["store"]})
    odd = [
        msgspec.structs.replace(rows[0], features_version="another"),
        msgspec.structs.replace(rows[1], decision=degraded),
        rows[2],
    ]
    found = verified(shop, odd)
    assert (found.rows_other_features, found.rows_degraded, found.rows_compared) == (1, 1, 1)


def test_a_sample_is_drawn_from_all_rows(
    shop: TrainedShop, served: tuple[list[Record], pl.DataFrame]
) -> None:
    found = verified(shop, served[0], sample_rows=50)
    assert (found.rows_sampled, found.rows_compared, found.values_differing) == (50, 50, 0)


def test_an_empty_journal_holds_nothing_to_compare(shop: TrainedShop) -> None:
    found = verified(shop, [])
    assert (found.rows_served, found.values_compared, found.values_differing) == (0, 0, 0)
