"""What workers that share a Redis see of each other, held against the contract's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.checks import check_store
from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import Appended, StateStore
from fraudkit.features.window_arrays import EVENT_TIME, NO_AMOUNT, NO_KEY
from fraudkit.stores.redis import RedisStore
from tests.stores.naive import NaiveStore
from tests.stores.redis_cases import (
    HOUR_MS,
    LATENESS_MS,
    MINUTE_MS,
    RETENTION_MS,
    START_MS,
    Row,
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

STEPS_MS = st.sampled_from([0, 0, 1, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, 5 * MINUTE_MS])
LATE_MS = st.sampled_from([0, 0, 0, -1, 1, MINUTE_MS, LATENESS_MS, LATENESS_MS + 1, HOUR_MS])


class Order(NamedTuple):
    """An order that a worker takes in; ``how`` is the port's method."""

    worker: int
    how: str
    event_id: int
    step_ms: int
    late_ms: int
    card: int
    email: int
    amount: int


class Outcome(NamedTuple):
    """What a worker is told of an order, or that it is to forget it."""

    worker: int
    event_id: int
    status: Status | None
    later_ms: int


WORKERS = st.integers(0, 1)
IDS = st.integers(-5, 5).filter(bool).map(lambda number: number << 40)
ORDERS = st.builds(
    Order,
    WORKERS,
    st.sampled_from(["exchange", "exchange", "append", "load"]),
    IDS,
    STEPS_MS,
    LATE_MS,
    st.sampled_from([NO_KEY, 7, -(2**63)]),
    st.sampled_from([NO_KEY, 7]),
    st.sampled_from([0, 1, 2**50, NO_AMOUNT]),
)
STATUSES = st.sampled_from([None, Status.FRAUD, Status.FRAUD, Status.DECLINED_SOFT, Status.GOOD])
OUTCOMES = st.builds(Outcome, WORKERS, IDS, STATUSES, st.sampled_from([-HOUR_MS, 0, MINUTE_MS]))


@settings(max_examples=150)
@given(st.sampled_from([2, 50]), st.lists(ORDERS | OUTCOMES, max_size=25))
def test_two_workers_are_one_store(
    server: RedisServer, max_events: int, steps: list[Order | Outcome]
) -> None:
    namespace, features = new_namespace(), features_of(max_events)
    workers = [worker(server, namespace, plan_of(max_events)) for _ in range(2)]
    naive = NaiveStore(features, allowed_lateness_ms=LATENESS_MS)
    clock_ms = 0
    for step in steps:
        if isinstance(step, Outcome):
            stores: list[StateStore] = [workers[step.worker], naive]
            assert len({noted(store, step, clock_ms) for store in stores}) == 1
        else:
            clock_ms += step.step_ms
            take_in(workers[step.worker], naive, step, clock_ms)
    # Each says what it counted; the second then knows it all.
    _, counters = [store.counters for store in workers]
    for name in ("events", "keys", "duplicates", "too_late"):
        assert getattr(counters, name) == getattr(naive.counters, name)
    for store in workers:
        store.close()


def noted(store: StateStore, told: Outcome, clock_ms: int) -> bool:
    if told.status is None:
        return store.forget(told.event_id)
    return store.record(told.event_id, told.status, START_MS + clock_ms + told.later_ms)


def take_in(store: StateStore, naive: NaiveStore, order: Order, clock_ms: int) -> None:
    row = event(
        order.event_id,
        clock_ms - order.late_ms,
        card=order.card,
        email=order.email,
        amount=order.amount,
        received_ms=clock_ms,
    )
    is_in_time = row[EVENT_TIME] >= naive.newest_ms - LATENESS_MS
    if order.how == "load":
        naive.load(row[None])
        store.load(row[None])
    elif order.how == "append":
        assert store.append(row) is naive.append(row)
    else:
        expected, found = exchanged(naive, row), exchanged(store, row)
        assert found == expected if is_in_time else found[0] is expected[0]


@pytest.mark.parametrize("by", ["url", "socket_url"])
def test_the_contract_holds(server: RedisServer, by: str) -> None:
    opened: dict[int, tuple[WindowPlan, str]] = {}

    def make(plan: WindowPlan, namespace: str = "") -> RedisStore:
        namespace = namespace or new_namespace()
        store = worker(server, namespace, plan, url=getattr(server, by))
        opened[id(store)] = plan, namespace
        return store

    report = check_store(
        make,
        allowed_lateness_ms=LATENESS_MS,
        reopen=lambda store: make(*opened[id(store)]),
        streams=2,
    )
    assert len(report.results) > 20


def test_an_order_that_comes_again_with_other_content_leaves_no_trace(server: RedisServer) -> None:
    namespace = new_namespace()
    first, second = worker(server, namespace), worker(server, namespace)
    assert first.append(event(1, 0, card=7, email=5)) is Appended.ACCEPTED
    before = stored(server, namespace)
    changes: list[dict[str, Any]] = [
        {"card": 8},
        {"email": 6, "country": 3},
        {"card": NO_KEY, "amount": 1},
        {"time_ms": 1},
        {"time_ms": -1, "card": 8},
        {"time_ms": HOUR_MS},
    ]
    for changed in changes:
        again = event(1, **{"time_ms": 0, "card": 7, "email": 5, **changed})
        assert exchanged(second, again)[0] is Appended.DUPLICATE
        assert second.append(again) is Appended.DUPLICATE
        assert stored(server, namespace) == before
    # The hour that the last one claimed is forgotten too: nothing is too late because of it.
    assert exchanged(first, event(2, -LATENESS_MS))[0] is Appended.ACCEPTED
    assert second.counters.duplicates == first.counters.duplicates == 2 * len(changes)


def test_what_is_taken_back_lets_nothing_go(server: RedisServer) -> None:
    store = worker(server, new_namespace(), plan_of(2))
    naive = NaiveStore(features_of(2), allowed_lateness_ms=LATENESS_MS)
    for number in range(31):
        row = event(number + 1, number * MINUTE_MS)
        assert exchanged(store, row) == exchanged(naive, row)
    # The 32nd row of the key makes room, and it would be much the newest.
    again = event(1, 10 * HOUR_MS)
    assert exchanged(store, again)[0] is naive.append(again) is Appended.DUPLICATE
    for number in range(1, 31):
        asked = event(-1, number * MINUTE_MS, received_ms=HOUR_MS)
        assert values(store, asked) == values(naive, asked)


def test_a_worker_that_was_idle_learns_that_an_order_is_too_late(server: RedisServer) -> None:
    namespace = new_namespace()
    idle, busy = worker(server, namespace), worker(server, namespace)
    exchanged(idle, event(1, 0))
    exchanged(busy, event(2, HOUR_MS))
    before = stored(server, namespace)
    late = event(3, HOUR_MS - LATENESS_MS - 1, received_ms=HOUR_MS)
    assert exchanged(idle, late)[0] is Appended.TOO_LATE
    assert stored(server, namespace) == before
    assert exchanged(idle, late)[0] is Appended.TOO_LATE
    assert idle.append(late) is Appended.TOO_LATE
    assert stored(server, namespace) == before
    assert idle.counters.too_late == 3


def test_what_is_said_of_the_newest_order_reaches_others_at_once(server: RedisServer) -> None:
    namespace = new_namespace()
    first, second = worker(server, namespace), worker(server, namespace)
    exchanged(first, event(1, 0, email=5))
    assert first.record(1, Status.FRAUD, START_MS + 5)
    seen = values(second, event(2, 10, email=5))
    assert (seen["card_count_3600000_fraud"], seen["email_share_3600000_fraud"]) == (1, 1)
    assert second.record(1, Status.FRAUD, START_MS + 20)
    assert values(first, event(2, 10))["card_count_3600000_fraud"] == 1


def test_what_is_said_of_an_order_does_not_bring_it_back(server: RedisServer) -> None:
    namespace = new_namespace()
    first, second = worker(server, namespace), worker(server, namespace)
    exchanged(first, event(1, 0))
    assert second.forget(1)
    assert first.record(1, Status.FRAUD, START_MS + 1)
    assert values(second, event(9, 9))["card_count_ever_attempted"] == 0
    assert not second.record(1, Status.DECLINED_SOFT, START_MS)
    assert exchanged(second, event(1, 0))[0] is Appended.ACCEPTED
    assert values(first, event(9, 9))[f"card_count_{HOUR_MS}_fraud"] == 1


def test_outcomes_wait_for_their_order_whoever_takes_it_in(server: RedisServer) -> None:
    namespace = new_namespace()
    first, second = worker(server, namespace), worker(server, namespace)
    for known_at_ms in (7, 5, 9):
        assert not first.record(1, Status.FRAUD, START_MS + known_at_ms)
    assert not first.record(2, Status.FRAUD, START_MS)
    assert not first.record(2, Status.DECLINED_SOFT, START_MS)
    assert first.counters.outcomes_pending == 3
    assert exchanged(second, event(1, 0))[0] is Appended.ACCEPTED
    fraud = "card_count_3600000_fraud"
    assert [values(first, event(9, t))[fraud] for t in (5, 6)] == [0, 1]
    assert second.append(event(2, 1)) is Appended.ACCEPTED
    assert values(first, event(9, 10))[fraud] == 2
    assert first.counters.outcomes_pending == 0


@pytest.mark.parametrize("is_exchange", [True, False])
def test_an_order_whose_outcome_waits_is_taken_in_by_one_of_two(
    server: RedisServer, *, is_exchange: bool
) -> None:
    namespace = new_namespace()
    slow, fast = worker(server, namespace), worker(server, namespace)
    fast.record(1, Status.FRAUD, START_MS)
    adopt = slow._events._adopt

    def adopt_after_the_other(events: Sequence[Row]) -> list[bytes]:
        if events:
            assert fast.append(event(1, 0, card=8)) is Appended.ACCEPTED
        return adopt(events)

    slow._events._adopt = adopt_after_the_other  # type: ignore[method-assign]
    late = event(1, 5, card=7)
    assert (exchanged(slow, late)[0] if is_exchange else slow.append(late)) is Appended.DUPLICATE
    frauds = [
        values(fast, event(9, 9, card=card))[f"card_count_{HOUR_MS}_fraud"] for card in (7, 8)
    ]
    assert frauds == [0, 1]
    assert slow.counters.duplicates == 1


def test_a_large_database_is_estimated(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fraudkit.stores.redis_counters._SAMPLE_KEYS", 500)
    store = worker(server, new_namespace(), url=f"redis://{server.where}/7")
    rows = [event(number, number, card=number, email=number % 9) for number in range(1, 3001)]
    store.load(np.array(rows))
    counters = store.counters
    assert 0.85 * 3000 < counters.events < 1.15 * 3000
    assert 0.85 * 3008 < counters.keys < 1.15 * 3008


def test_workers_with_other_features_or_lateness_do_not_meet(server: RedisServer) -> None:
    namespace = new_namespace()
    one = worker(server, namespace)
    others = [
        worker(server, namespace, plan_of(51)),
        worker(server, namespace, allowed_lateness_ms=LATENESS_MS + 1),
        worker(server, new_namespace()),
    ]
    one.append(event(1, 0))
    assert [values(store, event(2, 1))["card_count_ever_attempted"] for store in others] == [0] * 3
    assert [store.append(event(1, 0)) for store in others] == [Appended.ACCEPTED] * 3


def test_every_key_expires(server: RedisServer) -> None:
    namespace = new_namespace()
    store = worker(server, namespace)
    exchanged(store, event(1, 0, email=5))
    exchanged(store, event(1, 0, email=6))
    store.append(event(2, 1, card=8))
    store.load(event(3, 2, card=9)[None])
    store.record(4, Status.FRAUD, START_MS)
    exchanged(store, event(5, -1, email=5))
    assert store.counters.duplicates == 1
    with server.client as client:
        left_ms = {key: client.pttl(key) for key in client.scan_iter(f"{namespace}:*")}
    assert len(left_ms) == 5 + 4 + 2
    reach_ms = RETENTION_MS + LATENESS_MS
    assert {key for key, ms in left_ms.items() if not reach_ms - 60_000 < ms <= reach_ms} == set()


def rows_of_card(server: RedisServer, store: RedisStore, namespace: str) -> int:
    (value,) = [held for key, held in stored(server, namespace).items() if key.startswith("0:")]
    return len(value) // (8 * len(store._events._layout.columns[0]))


def test_an_attacked_key_is_bounded_and_the_counter_says_so(server: RedisServer) -> None:
    namespace, plan = new_namespace(), plan_of(8)
    store = worker(server, namespace, plan, capacity_events=32)
    naive = NaiveStore(features_of(8), allowed_lateness_ms=LATENESS_MS)
    for number in range(1, 200):
        row = event(number, 1000 * number, email=number % 7)
        assert exchanged(store, row) == exchanged(naive, row)
        # Room is looked for at every eighth event.
        assert rows_of_card(server, store, namespace) <= 32 + 7
    let_go = store.counters.evicted_by_capacity
    assert let_go == 199 - rows_of_card(server, store, namespace) > 0
    late = event(999, 195_500, received_ms=200_000)
    assert exchanged(store, late) == exchanged(naive, late)


def test_what_no_query_can_see_any_more_goes_uncounted(server: RedisServer) -> None:
    namespace, plan = new_namespace(), plan_of(8)
    store = worker(server, namespace, plan)
    naive = NaiveStore(features_of(8), allowed_lateness_ms=LATENESS_MS)
    times = [
        *range(0, 40 * MINUTE_MS, MINUTE_MS),
        *range(40 * MINUTE_MS, 9 * HOUR_MS, 10 * MINUTE_MS),
    ]
    for number, time_ms in enumerate(times, 1):
        row = event(number, time_ms)
        assert exchanged(store, row) == exchanged(naive, row)
        late = event(-number, time_ms - LATENESS_MS, received_ms=time_ms)
        assert values(store, late) == values(naive, late)
    # The newest 8 before the allowed lateness and 8 more, 3 within it, an eighth, 7 that wait.
    assert rows_of_card(server, store, namespace) <= 8 + 8 + 3 + 3 + 7
    assert store.counters.evicted_by_capacity == 0


def test_a_load_in_pieces_and_out_of_order_is_like_one_by_one(server: RedisServer) -> None:
    rng = np.random.default_rng(3)
    rows = np.array(
        [
            event(number, int(rng.integers(0, LATENESS_MS)), card=int(rng.integers(7, 10)),
                  received_ms=LATENESS_MS)
            for number in rng.integers(1, 500, 700).tolist()
        ]
    )  # fmt: skip
    store = worker(server, new_namespace())
    naive = NaiveStore(features_of(), allowed_lateness_ms=LATENESS_MS)
    for loaded in (store, naive):
        loaded.load(rows)
        loaded.load(np.zeros((0, plan_of().n_columns), np.int64))
    for card in (7, 8, 9):
        asked = event(-1, LATENESS_MS, card=card, received_ms=LATENESS_MS + 1)
        assert values(store, asked) == values(naive, asked)
    assert store.counters.duplicates == naive.counters.duplicates > 0


def test_what_does_not_hold_is_refused(server: RedisServer) -> None:
    for options, words in [
        ({"namespace": "a b"}, "namespace must be"),
        ({"namespace": "{a}"}, "namespace must be"),
        ({"capacity_events": 99}, "at least twice max_events, 100, got 99"),
        ({"allowed_lateness_ms": -1}, "at least 0"),
        ({"backlog_max": -1}, "at least 0"),
    ]:
        with pytest.raises(InputError, match=words):
            RedisStore(plan_of(), server.url, **options)
