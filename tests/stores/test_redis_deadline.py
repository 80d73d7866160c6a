"""A Redis that is slow, or says nothing: what is not waited for, and what it costs to ask again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fraudkit.domain.outcome import Status
from fraudkit.errors import StoreError
from fraudkit.features.state import Appended
from fraudkit.stores.redis_nodes import RedisTimeouts
from tests.stores.naive import NaiveStore
from tests.stores.redis_cases import (
    LATENESS_MS,
    START_MS,
    event,
    exchanged,
    features_of,
    new_namespace,
    values,
    worker,
)
from tests.stores.redis_server import RedisServer

DEADLINE_MS = 300.0
SLACK_S = 0.15  # for a machine that others share


@contextmanager
def stopped(server: RedisServer) -> Iterator[None]:
    """Let the server keep its connections and say nothing."""
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server._process.pid, signal.SIGCONT)


def test_what_is_not_waited_for_is_there_after_the_next_exchange(server: RedisServer) -> None:
    store = worker(server, new_namespace())
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    for number in range(1, 30):
        row = event(number, number)
        if number % 3:
            assert store.exchange_at_once(row, row.astype(float)) is None
            naive.append(row)
            assert store.record(number, Status.FRAUD, START_MS + number)
            naive.record(number, Status.FRAUD, START_MS + number)
        else:
            assert exchanged(store, row)[0] is Appended.ACCEPTED
            naive.append(row)
    assert store.backlog > 0
    while store.backlog:
        store._catch_up()
    assert values(store, event(50, 50)) == values(naive, event(50, 50))


def test_it_is_not_asked_for_what_cannot_be_waited_for(own_server: RedisServer) -> None:
    store = worker(own_server, new_namespace(), timeouts=RedisTimeouts.within(DEADLINE_MS))
    exchanged(store, event(1, 1))
    with stopped(own_server):
        began_s = time.monotonic()
        for number in range(2, 200):
            row = event(number, number)
            assert store.exchange_at_once(row, row.astype(float)) is None
            assert store.record(number, Status.FRAUD, START_MS + number)
        assert time.monotonic() - began_s < SLACK_S


def test_one_that_says_nothing_costs_less_than_a_deadline_for_each_pause(
    own_server: RedisServer,
) -> None:
    store = worker(
        own_server,
        new_namespace(),
        timeouts=RedisTimeouts.within(DEADLINE_MS),
        monotonic_s=time.monotonic,
    )
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    rows = [event(number, number) for number in range(1, 60)]
    assert exchanged(store, rows[0]) == exchanged(naive, rows[0])
    took_s = []
    with stopped(own_server):
        for row in rows[1:]:
            began_s = time.monotonic()
            with pytest.raises(StoreError):
                exchanged(store, row)
            took_s.append(time.monotonic() - began_s)
            naive.append(row)
            time.sleep(0.02)
    assert max(took_s) < DEADLINE_MS / 1000 + SLACK_S
    assert sum(held > 0.05 for held in took_s) <= 3
    time.sleep(1.0)
    last = event(90, 90)
    assert exchanged(store, last)[0] is Appended.ACCEPTED
    naive.append(last)
    assert store.backlog == 0
    assert values(store, event(99, 99)) == values(naive, event(99, 99))


def test_one_that_is_slow_twice_in_a_row_is_left_alone(own_server: RedisServer) -> None:
    timeouts = RedisTimeouts(connect_ms=20_000, read_ms=20_000, slow_ms=40, retry_after_ms=60_000)
    store = worker(own_server, new_namespace(), timeouts=timeouts, monotonic_s=time.monotonic)
    exchanged(store, event(1, 1))
    for number in (2, 3):
        with own_server.client as client:
            client.client_pause(150)
        assert exchanged(store, event(number, number))[0] is Appended.ACCEPTED
    with pytest.raises(StoreError, match="did not answer a moment ago"):
        exchanged(store, event(4, 4))
    assert store.backlog == 1
