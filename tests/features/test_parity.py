"""The window contract: a naive oracle, the online driver and the offline driver agree with ==."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.money import rate_table
from fraudkit.domain.outcome import Status
from fraudkit.domain.transaction import Card, Email, Order, Payment, Transaction, epoch_ms
from fraudkit.features.keys import IdentifierHash, event_id
from fraudkit.features.offline import feature_rows
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.spec import Aggregation, Entity, FeatureSet
from fraudkit.features.state import Appended, window_plan
from fraudkit.stores.memory import MemoryStore

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
START = datetime(2026, 1, 1, tzinfo=UTC)
START_MS = epoch_ms(START)
RATES = rate_table("EUR", {"JPY": {"2020-01-01": "0.006"}})
ENTITIES = (
    Entity(name="card", inputs=("payment.card.fingerprint",)),
    Entity(name="email", inputs=("email.address",), is_caseless=True),
)
OPERATIONS = (
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "distinct",
    "seconds_since_last",
    "seconds_since_first",
    "share",
    "amount_over_mean",
)


def features(max_events: int) -> FeatureSet:
    """Return every operation, for both entities, two windows and three conditions."""
    return FeatureSet(
        ENTITIES,
        [
            Aggregation(
                name=f"{entity}_{operation}_{window_ms}_{where}",
                entity=entity,
                operation=operation,
                window_ms=window_ms,
                where=where,
                of="card" if operation == "distinct" else None,
                unit="",
                meaning="",
                reason_code="X",
            )
            for entity in ("card", "email")
            for operation in OPERATIONS
            for window_ms in (MINUTE_MS, HOUR_MS)
            for where in ("attempted", "fraud", "declined_soft")
        ],
        max_events=max_events,
    )


class Known(NamedTuple):
    """An outcome: what a transaction became, and when that was known."""

    transaction_id: str
    status: Status
    known_at_ms: int


class Stream(NamedTuple):
    """Transactions in order of time, and what became of them."""

    transactions: list[Transaction]
    outcomes: list[Known]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw a stream whose times sit on and beside window edges, with many ties."""
    edges = st.sampled_from([0, 1, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, HOUR_MS, HOUR_MS + 1])
    steps = draw(st.lists(edges, min_size=1, max_size=14))
    times = np.cumsum(steps).tolist()
    transactions = [
        Transaction(
            transaction_id=f"t{index}",
            event_time=START + timedelta(milliseconds=time_ms),
            order=Order(
                amount_minor=draw(st.integers(0, 10**9)),
                currency=draw(st.sampled_from(["EUR", "EUR", "JPY", "USD"])),
            ),
            payment=Payment(card=Card(fingerprint=draw(st.sampled_from(["c1", "c2", None])))),
            email=Email(address=draw(st.sampled_from(["a@x.io", "A@x.io ", "b@x.io", None]))),
        )
        for index, time_ms in enumerate(times)
    ]
    outcomes = [
        Known(
            f"t{draw(st.integers(0, len(times)))}",
            draw(st.sampled_from([Status.FRAUD, Status.DECLINED_SOFT, Status.REFUNDED])),
            START_MS + draw(st.sampled_from(times)) + draw(st.sampled_from([-1, 0, 1, HOUR_MS])),
        )
        for _ in range(draw(st.integers(0, 10)))
    ]
    return Stream(transactions, outcomes)


def amount_of(transaction: Transaction) -> int | None:
    order = transaction.order
    return RATES.to_reference_minor(order.amount_minor, order.currency, transaction.event_time_ms)


def key_of(transaction: Transaction, entity: str) -> str | None:
    if entity == "card":
        return transaction.payment.card.fingerprint
    address = transaction.email.address
    return None if address is None else address.strip().lower()


def oracle(stream: Stream, query: Transaction, feature: Aggregation, max_events: int) -> float:
    """Compute one window's value by the contract's own words, with lists alone."""
    key, time_ms = key_of(query, feature.entity), query.event_time_ms
    if key is None:
        return math.nan
    past = [
        t
        for t in stream.transactions
        if key_of(t, feature.entity) == key and t.event_time_ms < time_ms
    ]
    past.sort(key=lambda t: (t.event_time_ms, event_id(t.transaction_id)))
    held = [t for t in past[-max_events:] if t.event_time_ms >= time_ms - feature.window_ms]

    def became(transaction: Transaction) -> bool:
        return feature.status is None or any(
            known.transaction_id == transaction.transaction_id
            and known.status == feature.status
            and known.known_at_ms < time_ms
            for known in stream.outcomes
        )

    seen = [t for t in held if became(t)]
    amounts = [a for t in seen if (a := amount_of(t)) is not None]
    own = amount_of(query)
    mean = sum(amounts) / len(amounts) if amounts else math.nan
    nothing = math.nan
    values = {
        "count": lambda: len(seen),
        "sum": lambda: sum(amounts),
        "mean": lambda: mean,
        "min": lambda: min(amounts, default=nothing),
        "max": lambda: max(amounts, default=nothing),
        "std": lambda: welford(amounts[::-1]),
        "distinct": lambda: len({k for t in seen if (k := key_of(t, "card")) is not None}),
        "seconds_since_last": lambda: (
            (time_ms - seen[-1].event_time_ms) / 1000 if seen else nothing
        ),
        "seconds_since_first": lambda: (
            (time_ms - seen[0].event_time_ms) / 1000 if seen else nothing
        ),
        "share": lambda: len(seen) / len(held) if held else nothing,
        "amount_over_mean": lambda: own / mean if own is not None and mean > 0 else nothing,
    }
    return float(values[feature.operation]())


def welford(amounts: list[int]) -> float:
    """Return the population standard deviation, added up newest first as the contract says."""
    if not amounts:
        return math.nan
    mean = squares = 0.0
    for count, amount in enumerate(amounts, 1):
        deviation = amount - mean
        mean += deviation / count
        squares += deviation * (amount - mean)
    return math.sqrt(squares / len(amounts))


def frame_of(transactions: list[Transaction]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [t.transaction_id for t in transactions],
            "event_time_ms": [t.event_time_ms for t in transactions],
            "utc_offset_minutes": [t.utc_offset_minutes for t in transactions],
            "order.amount_minor": [t.order.amount_minor for t in transactions],
            "order.currency": [t.order.currency for t in transactions],
            "payment.card.fingerprint": [t.payment.card.fingerprint for t in transactions],
            "email.address": [t.email.address for t in transactions],
        },
        schema_overrides={"payment.card.fingerprint": pl.String, "email.address": pl.String},
    )


def outcomes_of(outcomes: list[Known]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [known.transaction_id for known in outcomes],
            "status": [int(known.status) for known in outcomes],
            "known_at_ms": [known.known_at_ms for known in outcomes],
        },
        schema={"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64},
    )


def online_rows(stream: Stream, kept: FeatureSet, *, outcomes_first: bool) -> list[list[float]]:
    """Walk the stream as a service would: outcomes as they come known, orders as they happen."""
    plan = window_plan(kept)
    store = MemoryStore(plan, capacity_events=64)
    hashed = IdentifierHash(b"k" * 16)
    online = OnlineFeatures(kept, plan, store, RATES, hashed)
    waiting = sorted(stream.outcomes, key=lambda known: known.known_at_ms)
    rows = []
    for transaction in stream.transactions:
        while waiting and (outcomes_first or waiting[0].known_at_ms <= transaction.event_time_ms):
            known = waiting.pop(0)
            store.record(event_id(known.transaction_id), known.status, known.known_at_ms)
        row = online.row(transaction)
        rows.append(row.values.tolist())
        assert store.append(row.event) is Appended.ACCEPTED
        assert store.append(row.event) is Appended.DUPLICATE
    return rows


def same(left: object, right: object) -> bool:
    return np.array_equal(np.array(left, float), np.array(right, float), equal_nan=True)


@settings(max_examples=150, deadline=None)
@given(stream=streams(), max_events=st.sampled_from([2, 100]))
def test_online_offline_and_oracle_are_equal_at_every_event(
    stream: Stream, max_events: int
) -> None:
    kept = features(max_events)
    expected = [
        [oracle(stream, query, feature, max_events) for feature in kept.aggregations]
        for query in stream.transactions
    ]
    online = online_rows(stream, kept, outcomes_first=False)
    assert same(online, expected)
    assert same(online_rows(stream, kept, outcomes_first=True), expected)
    frame = frame_of(stream.transactions)
    offline = feature_rows(frame, kept, RATES, outcomes_of(stream.outcomes))
    assert same(offline, expected)


@settings(max_examples=40, deadline=None)
@given(stream=streams(), first=st.integers(0, 10), data=st.data())
def test_offline_rows_do_not_depend_on_the_order_of_rows_nor_on_what_is_queried(
    stream: Stream, first: int, data: st.DataObject
) -> None:
    kept = features(3)
    frame, outcomes = frame_of(stream.transactions), outcomes_of(stream.outcomes)
    whole = feature_rows(frame, kept, RATES, outcomes)
    order = data.draw(st.permutations(range(len(frame))))
    shuffled = feature_rows(frame[order], kept, RATES, outcomes)
    assert same(shuffled, whole[order])
    first = min(first, len(frame))
    assert same(feature_rows(frame, kept, RATES, outcomes, first_query=first), whole[first:])


def test_late_events_are_put_where_they_belong_whatever_their_order_of_arrival() -> None:
    kept = features(3)
    plan = window_plan(kept)
    transactions = [
        Transaction(
            transaction_id=f"t{index}",
            event_time=START + timedelta(milliseconds=time_ms),
            order=Order(amount_minor=100 + index, currency="EUR"),
            payment=Payment(card=Card(fingerprint="c1")),
            email=Email(address="a@x.io"),
        )
        for index, time_ms in enumerate([0, 1, 1, HOUR_MS, HOUR_MS + 1])
    ]
    query = transactions[-1]
    rows = []
    for arrival in permutations(transactions[:-1]):
        store = MemoryStore(plan, capacity_events=8)
        online = OnlineFeatures(kept, plan, store, RATES, IdentifierHash(b"k" * 16))
        for transaction in arrival:
            store.append(online.row(transaction).event)
        rows.append(online.row(query).values.tolist())
    assert all(same(row, rows[0]) for row in rows)


def test_a_repeated_transaction_in_a_frame_is_refused() -> None:
    transaction = Transaction(
        transaction_id="t", event_time=START, order=Order(amount_minor=1, currency="EUR")
    )
    with pytest.raises(ValueError, match="transaction_id must be unique"):
        feature_rows(frame_of([transaction] * 2), features(3), RATES, outcomes_of([]))
