"""The memory store against a naive one, whatever comes in whatever order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fraudkit.domain.outcome import Status
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import Appended, Event, StoreCounters, window_plan
from fraudkit.features.window import NO_AMOUNT, NO_KEY
from fraudkit.stores.memory import MemoryStore
from tests.stores.naive import HOUR_MS, MINUTE_MS, NaiveStore, window_features

LATENESS_MS = 30 * MINUTE_MS
START_MS = 1_750_000_000_000
# Keys a table's width apart start at the same slot of it.
CARDS = [NO_KEY, *(1024 * number for number in range(1, 5))]
EMAILS = [NO_KEY, *(-(2**20) * number for number in range(1, 4))]
IDS = st.integers(1, 24).map(lambda number: number * 2**16)
STEPS = st.sampled_from([0, 0, 0, 1, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, HOUR_MS, 2 * HOUR_MS])
LATE = st.sampled_from([0, 0, 0, 1, MINUTE_MS, LATENESS_MS, LATENESS_MS + 1, 3 * HOUR_MS])
AMOUNTS = st.integers(0, 10**13) | st.just(NO_AMOUNT)
STATUSES = st.sampled_from([Status.FRAUD, Status.DECLINED_SOFT, Status.REFUNDED])
FEATURES = {max_events: window_features(max_events) for max_events in (2, 50)}
PLANS = {max_events: window_plan(features) for max_events, features in FEATURES.items()}


def arrays_of(store: MemoryStore) -> tuple[bytes, ...]:
    return tuple(array.tobytes() for array in store._log)


class StoreMachine(RuleBasedStateMachine):
    """Does the same to both stores and compares all that can be seen of them."""

    @initialize(
        max_events=st.sampled_from(list(FEATURES)),
        capacity=st.integers(1, 12),
        pending_max=st.integers(1, 4),
    )
    def start(self, max_events: int, capacity: int, pending_max: int) -> None:
        self.plan = PLANS[max_events]
        self.store = MemoryStore(
            self.plan,
            capacity_events=capacity,
            allowed_lateness_ms=LATENESS_MS,
            pending_outcomes_max=pending_max,
        )
        self.naive = NaiveStore(
            FEATURES[max_events],
            capacity=capacity,
            lateness_ms=LATENESS_MS,
            pending_max=pending_max,
        )
        self.now_ms = START_MS

    @rule(
        event_id=IDS,
        step_ms=STEPS,
        late_ms=LATE,
        amount=AMOUNTS,
        card=st.sampled_from(CARDS),
        email=st.sampled_from(EMAILS),
    )
    def append(
        self, event_id: int, step_ms: int, late_ms: int, amount: int, card: int, email: int
    ) -> None:
        self.now_ms += step_ms
        keys = np.array([card, email], np.int64)
        event = Event(event_id, self.now_ms - late_ms, amount, keys)
        before = arrays_of(self.store)
        found = self.store.classify(event)
        assert arrays_of(self.store) == before
        assert self.store.append(event) is found is self.naive.append(event)

    @rule(event_id=IDS, status=STATUSES, late_ms=LATE, is_late=st.booleans())
    def record(self, event_id: int, status: Status, late_ms: int, *, is_late: bool) -> None:
        known_at_ms = self.now_ms - late_ms if is_late else self.now_ms + late_ms
        found = self.store.record(event_id, status, known_at_ms)
        assert found is self.naive.record(event_id, status, known_at_ms)

    @rule(
        late_ms=LATE,
        is_late=st.booleans(),
        card=st.sampled_from(CARDS),
        email=st.sampled_from(EMAILS),
    )
    def read(self, late_ms: int, card: int, email: int, *, is_late: bool) -> None:
        time_ms = self.now_ms - late_ms if is_late else self.now_ms + late_ms
        before, counters = arrays_of(self.store), self.store.counters
        first, again = np.full((2, self.plan.n_out), -1.0)
        keys = np.array([card, email], np.int64)
        self.store.read(keys, time_ms, 100, first)
        self.store.read(keys, time_ms, 100, again)
        expected = np.array(self.naive.row([card, email], time_ms))
        assert np.array_equal(first, expected, equal_nan=True)
        assert np.array_equal(first, again, equal_nan=True)
        assert arrays_of(self.store) == before
        assert self.store.counters == counters

    @invariant()
    def counters_are_equal(self) -> None:
        if hasattr(self, "store"):
            assert self.store.counters == self.naive.counters


class TestStoreMachine(StoreMachine.TestCase):
    """Runs the machine."""

    settings = settings(max_examples=120, stateful_step_count=50)


def new_store(features: FeatureSet = FEATURES[50], **limits: int) -> MemoryStore:
    return MemoryStore(window_plan(features), **limits)


def event(number: int, time_ms: int, card: int = 7, email: int = NO_KEY) -> Event:
    return Event(number, START_MS + time_ms, 100, np.array([card, email], np.int64))


def row(store: MemoryStore, time_ms: int, card: int = 7) -> dict[str, float]:
    out = np.empty(len(FEATURES[50].names))
    store.read(np.array([card, NO_KEY], np.int64), START_MS + time_ms, 0, out)
    return dict(zip(FEATURES[50].names, out.tolist(), strict=True))


def test_events_that_no_window_can_see_any_more_are_let_go() -> None:
    store = new_store(allowed_lateness_ms=0)
    for number in range(1, 4):
        store.append(event(number, number))
    assert store.append(event(4, HOUR_MS + 3)) is Appended.ACCEPTED
    assert store.counters == StoreCounters(
        events=2, keys=1, duplicates=0, too_late=0, evicted_by_age=2, evicted_by_capacity=0,
        outcomes_pending=0, outcomes_dropped=0,
    )  # fmt: skip
    assert row(store, HOUR_MS + 3)[f"card_count_{HOUR_MS}_attempted"] == 1


def test_an_event_let_go_by_capacity_leaves_every_window_and_may_come_again() -> None:
    store = new_store(capacity_events=2)
    for number in range(1, 4):
        store.append(event(number, number, card=number))
    assert store.counters.evicted_by_capacity == 1
    counts = [row(store, 10, card)[f"card_count_{HOUR_MS}_attempted"] for card in (1, 2, 3)]
    assert counts == [0, 1, 1]
    assert store.append(event(1, 1, card=1)) is Appended.ACCEPTED


def test_the_earliest_knowledge_of_an_outcome_stands() -> None:
    store = new_store()
    store.append(event(1, 0))
    for known_at_ms in (900, 500, 700):
        assert store.record(1, Status.FRAUD, START_MS + known_at_ms)
    name = f"card_count_{HOUR_MS}_fraud"
    assert [row(store, time_ms)[name] for time_ms in (500, 501)] == [0, 1]


def test_a_status_that_no_window_asks_for_never_waits() -> None:
    store = new_store()
    assert not store.record(1, Status.REFUNDED, START_MS)
    store.append(event(1, 0))
    assert store.record(1, Status.REFUNDED, START_MS)
    assert store.counters.outcomes_pending == 0


def test_the_longest_waiting_outcomes_are_dropped_first() -> None:
    store = new_store(pending_outcomes_max=2)
    for number in (1, 2, 3):
        assert not store.record(number, Status.FRAUD, START_MS)
    assert store.counters.outcomes_pending == 2
    assert store.counters.outcomes_dropped == 1
    for number in (1, 2, 3):
        store.append(event(number, number, card=number))
    name = f"card_count_{HOUR_MS}_fraud"
    assert [row(store, 10, card)[name] for card in (1, 2, 3)] == [0, 1, 1]
    assert store.counters.outcomes_pending == 0


@pytest.mark.parametrize("capacity", [1, 2, 1023])
def test_nothing_but_the_newest_arrivals_is_held(capacity: int) -> None:
    store = new_store(capacity_events=capacity)
    for number in range(1, 2 * capacity + 2):
        store.append(event(number, number, card=number))
    held = [row(store, 10**4, card)[f"card_count_{HOUR_MS}_attempted"]
            for card in range(1, 2 * capacity + 2)]  # fmt: skip
    assert held == [0.0] * (capacity + 1) + [1.0] * capacity
    assert store.counters.keys == store.counters.events == capacity
