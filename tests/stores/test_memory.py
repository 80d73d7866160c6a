"""The embedded store's own bounds. What its windows hold is proven in `tests/parity`."""

from __future__ import annotations

import numpy as np
import pytest

from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError
from fraudkit.features.state import Appended, StoreCounters
from fraudkit.stores.memory import CAPACITY_MAX, MemoryStore
from tests.parity.clauses import NOW_MS, PLANS, event, values_of
from tests.parity.windows import HOUR_MS, LATENESS_MS, RETENTION_MS

NOTHING = StoreCounters(
    events=0, keys=0, duplicates=0, too_late=0, evicted_by_age=0, evicted_by_capacity=0,
    outcomes_pending=0, outcomes_dropped=0,
)  # fmt: skip


def new_store(**limits: int) -> MemoryStore:
    return MemoryStore(PLANS[50], **limits)


def counts(store: MemoryStore, cards: range, name: str = "hour") -> list[float | None]:
    return [values_of(store, event(10**6, NOW_MS + 10**4, card=card))[name] for card in cards]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("capacity_events", 0),
        ("capacity_events", CAPACITY_MAX + 1),
        ("pending_outcomes_max", 0),
        ("allowed_lateness_ms", -1),
    ],
)
def test_a_bound_that_cannot_hold_is_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{name}.*got.*{value}"):
        new_store(**{name: value})


def test_a_new_store_holds_nothing_and_loses_it_with_its_process() -> None:
    store = new_store()
    assert store.counters == NOTHING
    assert store.outlives_process is False


def test_events_that_no_window_can_see_any_more_are_let_go() -> None:
    store = new_store(allowed_lateness_ms=LATENESS_MS)
    for number in range(1, 4):
        store.append(event(number, NOW_MS + number))
    newest_ms = NOW_MS + 3 + RETENTION_MS + LATENESS_MS
    assert store.append(event(4, newest_ms)) is Appended.ACCEPTED
    counters = store.counters
    assert (counters.events, counters.keys, counters.evicted_by_age) == (2, 2, 2)
    asked = event(5, newest_ms - LATENESS_MS, received_ms=newest_ms + 1)
    assert values_of(store, asked)["ever"] == 1


def test_an_event_let_go_by_capacity_leaves_every_window_and_may_come_again() -> None:
    store = new_store(capacity_events=2)
    for number in range(1, 4):
        store.append(event(number, NOW_MS + number, card=number))
    assert store.counters.evicted_by_capacity == 1
    assert counts(store, range(1, 4)) == [0, 1, 1]
    assert store.append(event(1, NOW_MS + 1, card=1)) is Appended.ACCEPTED
    assert counts(store, range(1, 4)) == [1, 0, 1]


@pytest.mark.parametrize("capacity", [1, 2, 1023])
def test_nothing_but_the_newest_arrivals_is_held(capacity: int) -> None:
    store = new_store(capacity_events=capacity)
    cards = range(1, 2 * capacity + 2)
    for number in cards:
        store.append(event(number, NOW_MS + number, card=number))
    assert counts(store, cards) == [0] * (capacity + 1) + [1] * capacity
    assert store.counters.events == capacity
    assert store.counters.keys == capacity + 1


def test_memory_stops_growing_once_the_store_is_full() -> None:
    store = new_store(capacity_events=3000)
    held = []
    for start in range(1, 30_000, 6000):
        rows = [
            event(number, NOW_MS + number, card=number % 5000 + 1)
            for number in range(start, start + 6000)
        ]
        store.load(np.array(rows))
        held.append(store.bytes_held)
    assert held[0] == held[1] == held[-1] > 0
    assert store.counters.events == 3000


def test_the_place_of_what_was_forgotten_is_used_again() -> None:
    store = new_store(capacity_events=3)
    for number in range(1, 4):
        store.append(event(number, NOW_MS + number, card=number))
    assert store.forget(3)
    assert store.forget(1)
    assert store.counters.events == 1
    for number in range(4, 6):
        store.append(event(number, NOW_MS + number, card=number))
    assert counts(store, range(1, 6)) == [0, 1, 0, 1, 1]
    assert store.counters.evicted_by_capacity == 0


def test_the_longest_waiting_outcomes_are_dropped_first() -> None:
    store = new_store(pending_outcomes_max=2)
    for number in (1, 2, 3):
        assert not store.record(number, Status.FRAUD, NOW_MS)
    assert store.counters.outcomes_pending == 2
    assert store.counters.outcomes_dropped == 1
    for number in (1, 2, 3):
        store.append(event(number, NOW_MS + number, card=number))
    assert counts(store, range(1, 4), "frauds") == [0, 1, 1]
    assert store.counters.outcomes_pending == 0


def test_an_outcome_waits_no_more_for_an_event_that_came_and_went_while_loading() -> None:
    store = new_store(capacity_events=1)
    assert not store.record(1, Status.FRAUD, NOW_MS)
    store.load(np.array([event(1, NOW_MS), event(2, NOW_MS + 1, card=9)]))
    assert store.counters.outcomes_pending == 0
    assert store.append(event(1, NOW_MS + HOUR_MS)) is Appended.ACCEPTED
    asked = event(10**6, NOW_MS + HOUR_MS + 1)
    assert values_of(store, asked)["frauds"] == 0


def test_what_was_told_of_a_forgotten_event_waits() -> None:
    store = new_store()
    assert not store.record(1, Status.FRAUD, NOW_MS)
    assert not store.forget(1)
    for _ in range(2):
        assert store.counters.outcomes_pending == 1
        store.append(event(1, NOW_MS, card=1))
        assert store.counters.outcomes_pending == 0
        assert counts(store, range(1, 2), "frauds") == [1]
        assert store.forget(1)
