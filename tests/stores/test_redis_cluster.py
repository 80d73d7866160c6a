"""The shared store over a real cluster of three nodes, also while keys move between them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from fraudkit.checks import check_store
from fraudkit.domain.outcome import Status
from fraudkit.errors import StoreError
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import Appended
from fraudkit.stores.redis import RedisStore
from tests.stores.naive import NaiveStore
from tests.stores.redis_cases import (
    HOUR_MS,
    LATENESS_MS,
    START_MS,
    event,
    exchanged,
    features_of,
    new_namespace,
    values,
    worker,
)
from tests.stores.redis_server import BINARY, RedisServer, needs_redis, redis_cluster

N_NODES = 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[RedisServer]]:
    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_cluster(N_NODES) as servers:
        yield servers


def test_the_contract_holds_over_a_cluster(cluster: list[RedisServer]) -> None:
    opened: dict[int, tuple[WindowPlan, str]] = {}

    def make(plan: WindowPlan, namespace: str = "") -> RedisStore:
        namespace = namespace or new_namespace()
        store = worker(cluster[len(opened) % N_NODES], namespace, plan)
        opened[id(store)] = plan, namespace
        return store

    report = check_store(
        make,
        allowed_lateness_ms=LATENESS_MS,
        reopen=lambda store: make(*opened[id(store)]),
        streams=2,
    )
    assert len(report.results) > 20


def test_the_keys_are_spread_over_the_nodes(cluster: list[RedisServer]) -> None:
    namespace = new_namespace()
    store = worker(cluster[0], namespace)
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    for number in range(1, 61):
        row = event(number, number, card=number % 20 + 1, email=number % 30 + 1)
        assert exchanged(store, row) == exchanged(naive, row)
    held = []
    for server in cluster:
        with server.client as client:
            held.append(len(list(client.scan_iter(f"{namespace}:*"))))
    assert min(held) > 0
    # The clock is a key as well.
    assert sum(held) == 60 + 20 + 30 + 1
    counters = store.counters
    assert (counters.events, counters.keys) == (60, 50)


def holds(server: RedisServer, key: bytes) -> bool:
    with server.client as client:
        return key in client.scan_iter(key)


def test_a_slot_that_moves_is_followed(cluster: list[RedisServer]) -> None:
    namespace = new_namespace()
    store, other = worker(cluster[0], namespace), worker(cluster[1], namespace)
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    first = event(1, 0)
    for held in (store, naive):
        held.append(first)
    (key,) = store._events._layout.entity_rows(first).keys
    slot = key_slot(key)
    place = next(place for place, server in enumerate(cluster) if holds(server, key))
    source, target = cluster[place], cluster[place - 1]
    with source.client as giver, target.client as taker:
        ids = {client: client.execute_command("CLUSTER", "MYID") for client in (giver, taker)}
        taker.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[giver])
        giver.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[taker])
        # The key is still where it was.
        assert exchanged(store, event(2, 1)) == exchanged(naive, event(2, 1))
        giver.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        # The slot is not yet the other's, the key is: each command has to ask.
        taker.script_flush()
        assert exchanged(store, event(3, 2)) == exchanged(naive, event(3, 2))
        assert store.record(3, Status.FRAUD, START_MS + 2)
        assert naive.record(3, Status.FRAUD, START_MS + 2)
        # What was sent without waiting asks the other node once its worker calls again.
        assert values(store, event(9, 9)) == values(naive, event(9, 9))
        assert values(other, event(9, 9)) == values(naive, event(9, 9))
        for client in (taker, giver):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[taker])
        # The slot is the other's, and whoever does not know is told.
        assert exchanged(store, event(4, 3)) == exchanged(naive, event(4, 3))
        assert values(other, event(9, 9)) == values(naive, event(9, 9))
    assert store.counters.duplicates == 0


@needs_redis
def test_a_node_that_is_lost_is_an_outage_of_its_keys_only() -> None:
    with redis_cluster(N_NODES) as servers:
        store = worker(servers[0], new_namespace())
        naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
        rows = [event(number, number, card=number) for number in range(1, 31)]
        for row in rows:
            assert exchanged(store, row)[0] is Appended.ACCEPTED
            naive.append(row)
        # The node of the URL is gone; the others are known by now.
        servers[0].stop()
        answered = []
        for row in rows:
            asked = event(-1, HOUR_MS - 1, card=int(row[0]))
            with contextlib.suppress(StoreError):
                answered.append(values(store, asked) == values(naive, asked))
        assert 0 < len(answered) < len(rows)
        assert all(answered)
