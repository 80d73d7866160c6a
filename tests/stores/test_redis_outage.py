"""What happens while Redis is not there, not in time, or not the one that was meant."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import pytest
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from fraudkit.domain.outcome import Status
from fraudkit.errors import StoreError
from fraudkit.features.state import Appended
from fraudkit.stores.redis import RedisStore
from fraudkit.stores.redis_nodes import Command, RedisTimeouts, Reply
from tests.stores.naive import NaiveStore
from tests.stores.redis_cases import (
    HOUR_MS,
    LATENESS_MS,
    PATIENT,
    START_MS,
    event,
    exchanged,
    features_of,
    new_namespace,
    plan_of,
    stored,
    values,
    worker,
)
from tests.stores.redis_server import RedisServer

FRAUD = f"card_count_{HOUR_MS}_fraud"
EVER = "card_count_ever_attempted"


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def connections(client: Redis) -> int:
    return len(client.client_list(_type="normal"))


def test_a_connection_that_was_cut_is_opened_again_unnoticed(server: RedisServer) -> None:
    namespace = new_namespace()
    store, other = worker(server, namespace), worker(server, namespace)
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    with server.client as client:
        for number in range(1, 12):
            client.client_kill_filter(_type="normal", skipme=True)
            row = event(number, number)
            assert exchanged((store, other)[number % 2], row) == exchanged(naive, row)
            if number % 3 == 0:
                client.client_kill_filter(_type="normal", skipme=True)
            # Sent without waiting: where that fails, with the next batch.
            assert (store, other)[number % 2].record(number, Status.FRAUD, START_MS + number)
            assert (store, other)[number % 2].record(number, Status.DECLINED_SOFT, START_MS)
            naive.record(number, Status.FRAUD, START_MS + number)
            assert (store, other)[number % 2].backlog == 0
            values((store, other)[number % 2], row)
    assert values(store, event(50, 50))[FRAUD] == 11
    assert store.counters.events == 11
    assert store.counters.duplicates == 0


def test_scripts_that_were_flushed_are_loaded_again(server: RedisServer) -> None:
    store = worker(server, new_namespace())
    with server.client as client:
        for number in range(1, 4):
            assert exchanged(store, event(number, number))[0] is Appended.ACCEPTED
            client.script_flush()
            assert store.record(number, Status.FRAUD, START_MS + number)
            client.script_flush()
            assert values(store, event(9, 9))[FRAUD] == number
            assert not store.record(-number, Status.FRAUD, START_MS)
            client.script_flush()


def test_what_was_missed_is_sent_when_redis_is_back(own_server: RedisServer) -> None:
    watch = Watch()
    store = worker(
        own_server,
        new_namespace(),
        timeouts=RedisTimeouts(connect_ms=20_000, read_ms=20_000, retry_after_ms=1000),
        monotonic_s=watch,
    )
    assert exchanged(store, event(1, 0))[0] is Appended.ACCEPTED
    own_server.stop()
    with pytest.raises(StoreError, match=r"must be reachable. Got: Error 111 .* after 1000 ms"):
        exchanged(store, event(2, 1))
    own_server.start()
    # Until the pause is over nobody asks.
    with pytest.raises(StoreError, match="did not answer a moment ago"):
        store.append(event(3, 2))
    with pytest.raises(StoreError, match="did not answer a moment ago"):
        store.record(2, Status.FRAUD, START_MS + 2)
    with pytest.raises(StoreError, match="did not answer a moment ago"):
        values(store, event(9, 9))
    with pytest.raises(StoreError):
        _ = store.counters
    assert store.backlog == 3
    watch.now_s += 1.001
    # This server lost what the one before held; that is known to nobody but its operator.
    assert exchanged(store, event(4, 3))[1][2] == 2
    assert store.backlog == 1
    assert exchanged(store, event(5, 4))[0] is Appended.ACCEPTED
    assert store.backlog == 0
    assert values(store, event(9, 9))[FRAUD] == 1
    assert store.counters.events == 4


def test_an_order_that_is_tried_again_counts_once(own_server: RedisServer) -> None:
    namespace = new_namespace()
    store, other = worker(own_server, namespace), worker(own_server, namespace)
    own_server.stop()
    for row in (event(1, 0), event(1, 5, card=8), event(2, 1)):
        with pytest.raises(StoreError):
            exchanged(store, row)
    assert store.backlog == 2
    with pytest.raises(StoreError):
        store.forget(2)
    own_server.start()
    # Of an id the content that came first stands, also among those that waited.
    assert exchanged(store, event(1, 5, card=8))[0] is Appended.DUPLICATE
    assert exchanged(store, event(1, 0))[0] is Appended.DUPLICATE
    assert values(other, event(9, 9))[EVER] == 1
    assert values(other, event(9, 9, card=8))[EVER] == 0


def test_a_redis_that_is_slow_is_not_waited_for(server: RedisServer) -> None:
    hasty = RedisTimeouts(connect_ms=20_000, read_ms=50, retry_after_ms=0)
    namespace = new_namespace()
    store, other = worker(server, namespace, timeouts=hasty), worker(server, namespace)
    exchanged(store, event(1, 0))
    with server.client as client:
        client.client_pause(5_000, all=True)
        with pytest.raises(StoreError, match="answer within 50 ms"):
            exchanged(store, event(2, 1))
        client.client_unpause()
    assert store.backlog == 1
    assert other.append(event(3, 2)) is Appended.ACCEPTED
    assert values(other, event(9, 9))[EVER] in {2, 3}


@pytest.mark.parametrize("is_tried_again", [True, False])
@pytest.mark.parametrize("is_exchange", [True, False])
@pytest.mark.parametrize("is_told_of", [True, False])
def test_an_answer_that_was_lost_is_no_second_order(
    server: RedisServer, *, is_told_of: bool, is_exchange: bool, is_tried_again: bool
) -> None:
    namespace = new_namespace()
    store, other = worker(server, namespace), worker(server, namespace)
    exchanged(store, event(1, 0))
    if is_told_of:
        other.record(2, Status.FRAUD, START_MS + 1)
    row = event(2, 1)
    lose_the_next_answer(store)
    with pytest.raises(StoreError, match="lost"):
        exchanged(store, row) if is_exchange else store.append(row)
    assert store.backlog == 1
    if is_tried_again:
        assert exchanged(store, row)[0] is Appended.ACCEPTED
    else:
        assert store.append(event(3, 2, card=8)) is Appended.ACCEPTED
    seen = values(other, event(9, 9))
    assert (seen[EVER], seen[FRAUD], store.backlog) == (2, is_told_of, 0)
    assert store.counters.duplicates == 0
    assert exchanged(store, row)[0] is Appended.DUPLICATE


def lose_the_next_answer(store: RedisStore) -> None:
    """Let the next batch be carried out, and its replies be lost."""
    nodes = store._link._nodes
    read = nodes.read

    def read_and_lose(commands: Sequence[Command]) -> list[Reply]:
        nodes.read = read  # type: ignore[method-assign]
        nodes.read(commands)
        raise RedisTimeoutError("lost")

    nodes.read = read_and_lose  # type: ignore[method-assign]


def test_the_backlog_is_bounded_and_says_what_it_dropped(own_server: RedisServer) -> None:
    store = worker(own_server, new_namespace(), backlog_max=2)
    own_server.stop()
    for number in range(1, 5):
        with pytest.raises(StoreError):
            store.append(event(number, number))
        with pytest.raises(StoreError):
            store.record(number, Status.FRAUD, START_MS + number)
    assert store.backlog == 4
    own_server.start()
    store.append(event(5, 5))
    store.append(event(6, 6))
    assert store.backlog == 0
    counters = store.counters
    assert (counters.events, counters.evicted_by_capacity, counters.outcomes_dropped) == (4, 2, 2)
    assert values(store, event(9, 9))[FRAUD] == 2


def test_many_late_rows_of_a_key_are_one_write(own_server: RedisServer) -> None:
    store, naive = worker(own_server, new_namespace()), NaiveStore(features_of(), plan_of())
    rows = [event(number, 10 * number, email=number % 3 + 1) for number in range(1, 301)]
    newest = event(999, 9_000, email=1)
    for held in (store, naive):
        held.append(newest)
        held.load(np.array(rows[::3]))
    with own_server.client as client:
        client.config_resetstat()
        store.load(np.array(rows))
        writes = client.info("commandstats")["cmdstat_set"]["calls"]
    naive.load(np.array(rows))
    # Each id is claimed by a SET. The rows are under 4 keys, and go there in 2 batches.
    assert len(rows) < writes <= len(rows) + 2 * 4 + 4
    for at_ms in (5, 1_505, 3_001, 9_001):
        for email in (1, 2):
            query = event(1_000, at_ms, email=email, received_ms=9_001)
            assert values(store, query) == values(naive, query)


def test_closing_sends_what_waits(own_server: RedisServer) -> None:
    namespace = new_namespace()
    store, other = worker(own_server, namespace), worker(own_server, namespace)
    own_server.stop()
    for number in range(1, 4):
        with pytest.raises(StoreError):
            store.append(event(number, number))
    with pytest.raises(StoreError):
        store.record(2, Status.FRAUD, START_MS)
    store.close()
    assert store.backlog == 4
    own_server.start()
    store.close()
    assert store.backlog == 0
    seen = values(other, event(9, 9))
    assert (seen[EVER], seen[FRAUD]) == (3, 1)


def test_what_is_unsaid_with_a_forgotten_order_does_not_wait(own_server: RedisServer) -> None:
    store = worker(own_server, new_namespace(), timeouts=RedisTimeouts(retry_after_ms=0))
    unsaid = (Status.FRAUD, START_MS)
    store.append(event(1, 0))
    assert store.record(1, *unsaid)
    assert store.forget(1, unsaid=unsaid)
    store.append(event(1, 0))
    assert values(store, event(9, 9))[FRAUD] == 0
    own_server.stop()
    with pytest.raises(StoreError):
        store.append(event(2, 1))
    with pytest.raises(StoreError):
        store.record(2, *unsaid)
    with pytest.raises(StoreError):
        store.forget(2, unsaid=unsaid)
    assert store.backlog == 0
    own_server.start()
    store.append(event(2, 1))
    assert values(store, event(9, 9))[FRAUD] == 0


def test_of_a_forgotten_order_only_what_was_told_waits(own_server: RedisServer) -> None:
    store = worker(own_server, new_namespace())
    own_server.stop()
    with pytest.raises(StoreError):
        store.append(event(1, 0))
    with pytest.raises(StoreError):
        store.record(1, Status.FRAUD, START_MS)
    own_server.start()
    assert store.forget(1)
    assert store.backlog == 1
    assert not store.forget(1)
    assert values(store, event(9, 9))[EVER] == 0
    store.append(event(1, 0))
    assert store.backlog == 0
    assert values(store, event(9, 9))[FRAUD] == 1


def test_where_it_is_not_said_to_be_one_server_each_command_has_one_key(
    own_server: RedisServer,
) -> None:
    """As behind a proxy that spreads keys over servers, which knows nothing of CLUSTER."""
    with own_server.client as client:
        client.acl_setuser("some", enabled=True, nopass=True, keys="*", commands=["+@all"])
        client.acl_setuser("some", enabled=True, commands=["-cluster", "-mget"])
    namespace = new_namespace()
    store = worker(own_server, namespace, url=f"redis://some:x@{own_server.where}")
    plain = worker(own_server, namespace)
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    for number in range(1, 5):
        row = event(number, number, email=number % 2)
        assert exchanged((store, plain)[number % 2], row) == exchanged(naive, row)
    assert values(store, event(9, 9, email=1)) == values(naive, event(9, 9, email=1))
    nobody = event(10, 10, card=0)
    assert exchanged(store, nobody) == exchanged(naive, nobody)


def test_a_forked_process_opens_a_connection_of_its_own(own_server: RedisServer) -> None:
    namespace = new_namespace()
    store = worker(own_server, namespace)
    exchanged(store, event(1, 0))
    with own_server.client as client:
        before = connections(client)
        store._link._pid = -1
        assert store.record(1, Status.FRAUD, START_MS + 1)
        assert exchanged(store, event(2, 2))[1][3] == 1
        assert connections(client) == before
    assert len(stored(own_server, namespace)) == 3


def test_an_interrupted_call_leaves_no_answer_for_the_next(server: RedisServer) -> None:
    store = worker(server, new_namespace())
    exchanged(store, event(1, 0))
    interrupted = store._link._nodes.read

    def interrupt(_commands: object) -> list[object]:
        raise KeyboardInterrupt

    store._link._nodes.read = interrupt  # type: ignore[method-assign,assignment]
    with contextlib.suppress(KeyboardInterrupt):
        exchanged(store, event(2, 1))
    store._link._nodes.read = interrupted  # type: ignore[method-assign]
    assert exchanged(store, event(3, 2))[0] is Appended.ACCEPTED
    assert values(store, event(9, 9))[EVER] == 3
    assert PATIENT.retry_after_ms == 0
