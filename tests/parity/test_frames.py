"""A frame of transactions gets the rows that were served as they came, with ``==``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.domain.money import rate_table
from fraudkit.domain.outcome import Status
from fraudkit.domain.transaction import Address, Card, Device, Email, Order, Payment, Transaction
from fraudkit.features import offline_windows
from fraudkit.features.keys import IdentifierHash, event_id
from fraudkit.features.offline import AVAILABLE_AT_MS, feature_rows
from fraudkit.features.offline_files import SinkOptions, sink_features
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.plan import window_plan
from fraudkit.features.state import StateStore
from fraudkit.stores.memory import MemoryStore
from tests.parity.windows import (
    HOUR_MS,
    LATENESS_MS,
    MINUTE_MS,
    RETENTION_MS,
    START_MS,
    differing,
    parity_features,
)
from tests.stores.naive import NaiveStore

RATES: Final = rate_table("EUR", {"JPY": {"2020-01-01": "0.006"}})
FEATURES: Final = {max_events: parity_features(max_events) for max_events in (2, 50)}
PLANS: Final = {max_events: window_plan(features) for max_events, features in FEATURES.items()}

# All within the retention and the lateness of each other, so that nothing is let go.
HAPPENED_MS = st.sampled_from(
    [
        *(0, 0, 1, 2, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1),
        *(LATENESS_MS, RETENTION_MS - 1, RETENTION_MS, RETENTION_MS + 1),
    ]
)
DELAYS_MS = st.sampled_from([0, 0, 0, 1, MINUTE_MS, LATENESS_MS, LATENESS_MS + 1, HOUR_MS])


class Known(NamedTuple):
    """What became of a transaction, and when that was known."""

    transaction_id: str
    status: Status
    known_at_ms: int


class Stream(NamedTuple):
    """Transactions in the order in which they were received, and what became of them."""

    received: list[tuple[int, Transaction]]
    outcomes: list[Known]


@st.composite
def transactions(draw: st.DrawFn, number: int) -> Transaction:
    happened_ms = START_MS + draw(HAPPENED_MS)
    return Transaction(
        transaction_id=f"t{number}",
        event_time=datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=happened_ms),
        order=Order(
            amount_minor=draw(st.sampled_from([0, 100, 101, 2**49])),
            currency=draw(st.sampled_from(["EUR", "EUR", "JPY", "USD"])),
        ),
        payment=Payment(card=Card(fingerprint=draw(st.sampled_from(["1", "1", "2", None])))),
        email=Email(address=draw(st.sampled_from(["1", "2", " 1", None]))),
        device=Device(fingerprint=draw(st.sampled_from(["1", "1", None]))),
        billing=Address(country=draw(st.sampled_from(["DE", "FR", None]))),
    )


@st.composite
def streams(draw: st.DrawFn, *, with_repeats: bool = True) -> Stream:
    received = []
    for number in range(draw(st.integers(1, 12))):
        earlier = draw(st.integers(0, number)) if with_repeats else number
        order = draw(transactions(earlier if draw(st.integers(0, 5)) == 0 else number))
        received.append((order.event_time_ms + draw(DELAYS_MS), order))
    received.sort(key=lambda pair: pair[0])
    outcomes = [
        Known(
            f"t{draw(st.integers(0, 12))}",
            draw(st.sampled_from(Status)),
            draw(st.sampled_from(received))[0] + draw(st.sampled_from([-1, 0, 1, HOUR_MS])),
        )
        for _ in range(draw(st.integers(0, 8)))
    ]
    return Stream(received, outcomes)


def frame_of(received: list[tuple[int, Transaction]]) -> pl.DataFrame:
    columns = {
        "transaction_id": [order.transaction_id for _, order in received],
        "event_time_ms": [order.event_time_ms for _, order in received],
        AVAILABLE_AT_MS: [received_ms for received_ms, _ in received],
        "utc_offset_minutes": [order.utc_offset_minutes for _, order in received],
        "order.amount_minor": [order.order.amount_minor for _, order in received],
        "order.currency": [order.order.currency for _, order in received],
        "payment.card.fingerprint": [order.payment.card.fingerprint for _, order in received],
        "email.address": [order.email.address for _, order in received],
        "device.fingerprint": [order.device.fingerprint for _, order in received],
        "billing.country": [order.billing.country for _, order in received],
    }
    texts = [name for name, values in columns.items() if not isinstance(values[0], int)]
    return pl.DataFrame(columns, schema_overrides=dict.fromkeys(texts, pl.String))


def outcomes_of(outcomes: list[Known]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [known.transaction_id for known in outcomes],
            "status": [int(known.status) for known in outcomes],
            "known_at_ms": [known.known_at_ms for known in outcomes],
        },
        schema={"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64},
    )


def served(
    stream: Stream, max_events: int, store: StateStore, *, outcomes_first: bool
) -> NDArray[np.float64]:
    """Walk the stream as a service would: outcomes as they become known, orders as they come."""
    online = OnlineFeatures(
        FEATURES[max_events], PLANS[max_events], store, RATES, IdentifierHash(b"k" * 16)
    )
    waiting = sorted(stream.outcomes, key=lambda known: known.known_at_ms)
    rows = []
    for received_ms, order in stream.received:
        while waiting and (outcomes_first or waiting[0].known_at_ms <= received_ms):
            known = waiting.pop(0)
            store.record(event_id(known.transaction_id), known.status, known.known_at_ms)
        row = online.prepare(order, received_ms)
        store.exchange(row.event, row.values)
        rows.append(row.values)
    return np.array(rows)


def filed(
    stream: Stream, max_events: int, *, first_query: int = 0, lateness_ms: int | None = LATENESS_MS
) -> NDArray[np.float64]:
    return feature_rows(
        frame_of(stream.received),
        FEATURES[max_events],
        RATES,
        outcomes_of(stream.outcomes),
        first_query=first_query,
        allowed_lateness_ms=lateness_ms,
    )


def compare(max_events: int, rows: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    assert rows.shape == expected.shape
    assert (rows[:, 0] == 1).all()
    for row, of_oracle in zip(rows, expected, strict=True):
        assert differing(PLANS[max_events], FEATURES[max_events], row, of_oracle) == {}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have answers go to their rows a few at a time, as those of long files do."""
    monkeypatch.setattr(offline_windows, "_BLOCK_ROWS", 3)


@settings(max_examples=40)
@given(stream=streams(), max_events=st.sampled_from([2, 50]), outcomes_first=st.booleans())
def test_a_frame_gets_the_rows_that_were_served(
    stream: Stream, max_events: int, *, outcomes_first: bool
) -> None:
    plan, bounds = PLANS[max_events], {"allowed_lateness_ms": LATENESS_MS}
    oracle = NaiveStore(FEATURES[max_events], plan, **bounds)
    expected = served(stream, max_events, oracle, outcomes_first=False)
    store = MemoryStore(plan, capacity_events=64, **bounds)
    compare(max_events, served(stream, max_events, store, outcomes_first=outcomes_first), expected)
    compare(max_events, filed(stream, max_events), expected)


@settings(max_examples=30)
@given(stream=streams(), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_batches_give_the_rows_of_the_whole(stream: Stream, cuts: list[int]) -> None:
    whole, count = filed(stream, 2), len(stream.received)
    for first, last in pairwise(sorted({0, *(min(cut, count) for cut in cuts), count})):
        batch = stream._replace(received=stream.received[:last])
        compare(2, filed(batch, 2, first_query=first), whole[first:last])


@settings(max_examples=12)
@given(
    stream=streams(), batch_rows=st.integers(1, 12), memory_bytes=st.sampled_from([2_000, 1 << 30])
)
def test_a_file_larger_than_memory_gets_the_rows_of_the_frame(
    stream: Stream, batch_rows: int, memory_bytes: int
) -> None:
    with TemporaryDirectory() as name:
        written = sink_features(
            frame_of(stream.received),
            FEATURES[2],
            RATES,
            outcomes_of(stream.outcomes),
            Path(name) / "rows",
            allowed_lateness_ms=LATENESS_MS,
            options=SinkOptions(batch_rows=batch_rows, memory_bytes=memory_bytes),
        ).collect()
    ids = [order.transaction_id for _, order in stream.received]
    assert written["transaction_id"].to_list() == ids
    compare(2, written.drop("transaction_id").to_numpy(), filed(stream, 2))


@settings(max_examples=30)
@given(stream=streams(with_repeats=False), data=st.data())
def test_rows_do_not_depend_on_their_order_in_the_frame(
    stream: Stream, data: st.DataObject
) -> None:
    whole = filed(stream, 2, lateness_ms=None)
    order = data.draw(st.permutations(range(len(stream.received))))
    shuffled = stream._replace(received=[stream.received[place] for place in order])
    compare(2, filed(shuffled, 2, lateness_ms=None), whole[order])


@settings(max_examples=20)
@given(stream=streams(with_repeats=False))
def test_without_a_time_of_receipt_an_order_is_seen_as_of_its_own_time(stream: Stream) -> None:
    at_once = [(order.event_time_ms, order) for _, order in stream.received]
    rows = feature_rows(
        frame_of(at_once).drop(AVAILABLE_AT_MS),
        FEATURES[50],
        RATES,
        outcomes_of(stream.outcomes),
    )
    compare(50, rows, filed(Stream(at_once, stream.outcomes), 50, lateness_ms=None))
