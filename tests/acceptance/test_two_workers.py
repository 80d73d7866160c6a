"""Two workers with one Redis and one PostgreSQL are one service: same rows, same answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.engine import Engine
from fraudkit.errors import TransactionConflict
from fraudkit.journal.record import DecisionRecord, Journal
from fraudkit.journal.sqlite import SqliteJournal
from tests.training.trained_shop import TrainedShop, by_time, trained_shop

if TYPE_CHECKING:
    from tests.journal.postgres_server import PostgresServer
    from tests.stores.redis_server import RedisServer

SECRET = b"a secret of the shop's own"
SCHEMAS = count(1)
Event = Transaction | Outcome


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> TrainedShop:
    return trained_shop(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    pytest.importorskip("redis", reason="the package redis is not installed")
    from tests.stores.redis_server import BINARY, redis_server

    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as running:
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    pytest.importorskip("psycopg", reason="the package psycopg is not installed")
    from tests.journal.postgres_server import postgres_server, why_none

    reason = why_none()
    if reason is not None:
        pytest.skip(reason)
    with postgres_server("-c", "fsync=off") as running:
        yield running


class Workers:
    """Engines of one shop on one Redis and one PostgreSQL, each with a connection of its own."""

    def __init__(self, shop: TrainedShop, redis_url: str, journal_url: str) -> None:
        self._shop = shop
        self._redis_url = redis_url
        self._journal_url = journal_url
        self.engines = [self._opened(), self._opened()]

    def _opened(self) -> Engine:
        from fraudkit.journal.postgres import PostgresJournal
        from fraudkit.stores.redis import RedisStore

        return Engine.open(
            self._shop.bundle,
            journal=PostgresJournal(self._journal_url),
            store=lambda plan: RedisStore(plan, self._redis_url),
            hash_key=SECRET,
        )

    def start_anew(self, number: int) -> None:
        self.engines[number].close()
        self.engines[number] = self._opened()

    def close(self) -> None:
        for engine in self.engines:
            engine.close()


@contextmanager
def workers_of(
    shop: TrainedShop, redis: RedisServer, postgres: PostgresServer
) -> Iterator[tuple[Workers, str]]:
    redis.client.flushall()
    url = postgres.new_database()
    workers = Workers(shop, redis.url, url)
    try:
        yield workers, url
    finally:
        workers.close()


def stream_of(shop: TrainedShop, random: np.random.Generator) -> list[Event]:
    """Return orders and outcomes by time, with repeats, late ones and changed ones among them."""
    stream = list(by_time(shop.transactions[:400], shop.outcomes[:300]))
    for place in random.integers(20, len(stream), 80):
        earlier = stream[int(random.integers(0, place))]
        if isinstance(earlier, Transaction) and random.random() < 0.2:
            moved = earlier.event_time + timedelta(seconds=1)
            earlier = msgspec.structs.replace(earlier, event_time=moved)
        stream.insert(int(place), earlier)
    return stream


def answer(engine: Engine, event: Event, now_ms: int) -> object:
    try:
        if isinstance(event, Transaction):
            return msgspec.json.encode(engine.score(event, now_ms=now_ms))
        return engine.record(event, now_ms=now_ms)
    except TransactionConflict as error:
        return error.differing


def clock_of(stream: list[Event]) -> list[int]:
    """Return when each came: after all that happened before it."""
    times = [
        event.event_time_ms if isinstance(event, Transaction) else event.available_at_ms
        for event in stream
    ]
    return (np.maximum.accumulate(times) + np.arange(1, len(times) + 1)).tolist()


def decisions_in(journal: Journal) -> list[tuple[str, bytes, bytes, int]]:
    return [
        (record.transaction_id, record.features, record.decision, record.received_at_ms)
        for record in journal.records()
        if isinstance(record, DecisionRecord)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_they_equal_one_embedded_process_on_the_same_stream(
    shop: TrainedShop, redis: RedisServer, postgres: PostgresServer, tmp_path: Path, seed: int
) -> None:
    from fraudkit.journal.postgres import PostgresJournal

    random = np.random.default_rng(seed)
    stream = stream_of(shop, random)
    alone = SqliteJournal(tmp_path / "journal.sqlite3")
    with ExitStack() as held:
        embedded = held.enter_context(Engine.open(shop.bundle, journal=alone, hash_key=SECRET))
        workers, url = held.enter_context(workers_of(shop, redis, postgres))
        for event, now_ms in zip(stream, clock_of(stream), strict=True):
            which = int(random.integers(0, 2))
            if random.random() < 0.02:
                workers.start_anew(which)
            expected = answer(embedded, event, now_ms)
            assert answer(workers.engines[which], event, now_ms) == expected
        with PostgresJournal.open_readonly(url) as shared:
            assert decisions_in(shared) == decisions_in(alone)
            assert len(decisions_in(alone)) == 400


def test_an_order_that_both_get_at_once_is_decided_once(
    shop: TrainedShop, redis: RedisServer, postgres: PostgresServer
) -> None:
    with workers_of(shop, redis, postgres) as (workers, _):
        one, other = workers.engines
        for number, order in enumerate(shop.transactions[:40]):
            now_ms = order.event_time_ms
            noted = one.decide(order, now_ms=now_ms), other.decide(order, now_ms=now_ms + 3)
            first, second = (one, other) if number % 2 else (other, one)
            first.write()
            second.write()
            assert noted[0].settled == noted[1].settled
            assert one.score(order, now_ms=now_ms + 5) == noted[0].settled
        assert one.counters.events == 40
