"""What is erased leaves Redis: its rows, its id, what waits for it and its place in the clock."""

from __future__ import annotations

import pytest

from fraudkit.domain.outcome import Status
from fraudkit.errors import StoreError
from fraudkit.features.state import Appended
from fraudkit.stores.redis_rows import RowLayout
from tests.stores.redis_cases import (
    LATENESS_MS,
    START_MS,
    event,
    exchanged,
    new_namespace,
    plan_of,
    values,
    worker,
)
from tests.stores.redis_server import RedisServer

EVER = "card_count_ever_attempted"


def keys_of(server: RedisServer, namespace: str) -> set[bytes]:
    prefix = RowLayout(plan_of(), namespace, LATENESS_MS).prefix
    with server.client as client:
        found = {bytes(key) for key in client.scan_iter(prefix + b"*")}
    return {key.removeprefix(prefix) for key in found} - {b"counters"}


def test_no_key_but_the_clock_is_left_and_the_clock_names_nobody(server: RedisServer) -> None:
    namespace = new_namespace()
    store = worker(server, namespace)
    exchanged(store, event(1, 0))
    store.record(1, Status.FRAUD, START_MS + 1)
    store.record(2, Status.FRAUD, START_MS + 1)
    assert store.erase(event(1, 0))
    assert not store.erase(event(1, 0))
    assert not store.erase(event(2, 5))
    store.close()
    assert keys_of(server, namespace) == {b"clock"}
    prefix = RowLayout(plan_of(), namespace, LATENESS_MS).prefix
    with server.client as client:
        assert client.zrange(prefix + b"clock", 0, -1, withscores=True) == [(b"0", START_MS)]


def test_the_clock_does_not_go_back(server: RedisServer) -> None:
    namespace = new_namespace()
    store, other = worker(server, namespace), worker(server, namespace)
    exchanged(store, event(1, 0))
    exchanged(store, event(2, LATENESS_MS + 1))
    assert store.erase(event(2, LATENESS_MS + 1))
    assert other.append(event(3, 0)) is Appended.TOO_LATE
    assert other.append(event(4, 1)) is Appended.ACCEPTED


def test_rows_are_found_when_the_id_has_expired(server: RedisServer) -> None:
    namespace = new_namespace()
    store = worker(server, namespace)
    exchanged(store, event(1, 0))
    exchanged(store, event(2, 1))
    prefix = RowLayout(plan_of(), namespace, LATENESS_MS).prefix
    with server.client as client:
        assert client.delete(prefix + b"id:%016x" % 1) == 1
    assert not store.erase(event(1, 0))
    assert values(store, event(9, 9))[EVER] == 1


def test_what_waits_for_redis_is_erased_too(own_server: RedisServer) -> None:
    store = worker(own_server, new_namespace())
    own_server.stop()
    for attempt in (
        lambda: store.append(event(1, 0)),
        lambda: store.record(1, Status.FRAUD, START_MS),
        lambda: store.record(2, Status.FRAUD, START_MS),
        lambda: store.erase(event(1, 0)),
    ):
        with pytest.raises(StoreError):
            attempt()
    own_server.start()
    assert not store.erase(event(1, 0))
    assert store.backlog == 1
    assert values(store, event(9, 9))[EVER] == 0
