"""What a store keeps: the same whether it was asked, filled, split, restarted or emptied."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.outcome import Status
from fraudkit.features.state import Appended, StateStore
from fraudkit.features.window_arrays import EVENT_ID
from fraudkit.stores.memory import MemoryStore
from tests.parity.clauses import (
    NEW_STORES,
    NOW_MS,
    PLANS,
    NewStore,
    Row,
    card_of,
    event,
    loaded,
    of_card,
    stamped,
    streams,
    values_of,
)
from tests.parity.drivers import bytes_of
from tests.parity.windows import HOUR_MS, LATENESS_MS, MINUTE_MS, RETENTION_MS

if TYPE_CHECKING:
    from tests.parity.shared import SharedStores

EXAMPLES = settings(max_examples=25)
QUERIES = [event(10**6, NOW_MS, card=card, email=email) for card in (7, 9) for email in (7, 8)]


def answers(store: StateStore) -> list[dict[str, float | None]]:
    return [values_of(store, query) for query in QUERIES]


@EXAMPLES
@given(events=streams(), asked=st.lists(st.integers(0, 7), max_size=6))
def test_reads_never_write(new_store: NewStore, events: list[Row], asked: list[int]) -> None:
    quiet = loaded(new_store(3), stamped(events))
    curious = new_store(3)
    for place, row in enumerate(stamped(events)):
        for _ in range(asked.count(place)):
            values_of(curious, row)
            values_of(curious, event(10**6 + place, NOW_MS + RETENTION_MS, card=11))
        curious.append(row)
    before = bytes_of(curious)
    assert answers(curious) == answers(curious) == answers(quiet)
    assert curious.counters == quiet.counters
    assert bytes_of(curious) == before
    quiet.close()
    curious.close()


@settings(max_examples=40)
@given(
    steps_ms=st.lists(st.sampled_from([0, 1, MINUTE_MS, HOUR_MS, RETENTION_MS]), max_size=40),
    capacity=st.integers(1, 8),
)
def test_memory_is_bounded_and_counters_say_what_left(steps_ms: list[int], capacity: int) -> None:
    store = MemoryStore(PLANS[3], capacity_events=capacity, allowed_lateness_ms=LATENESS_MS)
    happened_ms = NOW_MS
    for number, step_ms in enumerate(steps_ms, 1):
        happened_ms += step_ms
        assert store.append(event(number, happened_ms, card=number)) is Appended.ACCEPTED
        counters = store.counters
        assert counters.events <= capacity
        assert counters.keys <= 2 * counters.events
        assert number == sum(
            (counters.events, counters.evicted_by_age, counters.evicted_by_capacity)
        )
    if len(steps_ms) <= capacity:
        assert store.counters.evicted_by_capacity == 0


@EXAMPLES
@given(
    ages_ms=st.lists(
        st.sampled_from([0, MINUTE_MS, RETENTION_MS - 1, RETENTION_MS, 2 * RETENTION_MS]),
        max_size=8,
    ),
    late_ms=st.sampled_from([0, MINUTE_MS, LATENESS_MS]),
)
def test_what_is_let_go_by_age_changes_no_value(
    new_store: NewStore, ages_ms: list[int], late_ms: int
) -> None:
    ages_ms.sort(reverse=True)
    store = loaded(
        new_store(),
        [event(number, NOW_MS - age_ms) for number, age_ms in enumerate(ages_ms, 1)],
    )
    store.append(event(1000, NOW_MS, card=9))
    asked_ms = NOW_MS - late_ms
    values = values_of(store, event(10**6, asked_ms, received_ms=NOW_MS + 1))
    happened_ms = [NOW_MS - age_ms for age_ms in ages_ms]
    assert values["ever"] == sum(asked_ms - RETENTION_MS <= ms < asked_ms for ms in happened_ms)
    store.close()


@EXAMPLES
@given(events=streams(), max_events=st.sampled_from([3, 50]))
def test_keys_may_be_split_over_partitions(
    new_store: NewStore, events: list[Row], max_events: int
) -> None:
    whole = loaded(new_store(max_events), stamped(events))
    for query in QUERIES:
        own = [row for row in stamped(events) if card_of(row) == card_of(query)]
        part = loaded(new_store(max_events), own)
        assert of_card(values_of(part, query)) == of_card(values_of(whole, query))
        part.close()
    whole.close()


@EXAMPLES
@given(
    events=streams(),
    later=streams(max_size=4),
    known_ms=st.lists(st.integers(NOW_MS - 2, NOW_MS), max_size=4),
    max_events=st.sampled_from([3, 50]),
)
def test_a_replay_after_a_restart_changes_no_value(
    new_store: NewStore,
    events: list[Row],
    later: list[Row],
    known_ms: list[int],
    max_events: int,
) -> None:
    for row in later:
        row[EVENT_ID] *= 1000
    first = loaded(new_store(max_events), stamped(events))
    again = new_store(max_events)
    rows = [row.copy() for row in stamped(events)]
    for row, known in zip(rows, known_ms, strict=False):
        assert first.record(int(row[EVENT_ID]), Status.FRAUD, known)
    again.load(np.array(rows, np.int64).reshape(-1, PLANS[3].n_columns))
    for row, known in zip(rows, known_ms, strict=False):
        assert again.record(int(row[EVENT_ID]), Status.FRAUD, known)
    for store in (first, again):
        loaded(store, stamped(later))
    assert answers(again) == answers(first)
    assert again.counters == first.counters
    first.close()
    again.close()


def one_by_one(store: StateStore, rows: list[Row]) -> None:
    for row in rows:
        store.append(row)


def in_pieces(store: StateStore, rows: list[Row]) -> None:
    for place in range(0, len(rows), 3):
        store.load(np.array(rows[place : place + 3], np.int64))


def asking(store: StateStore, rows: list[Row]) -> None:
    for row in rows:
        expected, values = np.zeros((2, len(values_of(store, row))))
        store.read(row, expected)
        store.exchange(row, values)
        np.testing.assert_array_equal(values, expected)


@settings(max_examples=40)
@given(
    events=streams(),
    again=st.lists(st.integers(0, 7), max_size=3),
    way=st.sampled_from([in_pieces, asking]),
)
def test_loading_and_exchanging_are_appending(
    new_store: NewStore, events: list[Row], again: list[int], way: Callable[..., None]
) -> None:
    rows = stamped([*events, *(events[place] for place in again if place < len(events))])
    rows += stamped([event(5000, NOW_MS - LATENESS_MS - MINUTE_MS)])
    appended, other = new_store(3), new_store(3)
    one_by_one(appended, rows)
    way(other, rows)
    assert answers(other) == answers(appended)
    assert other.counters == appended.counters
    appended.close()
    other.close()


@settings(max_examples=40)
@given(events=streams(), data=st.data(), max_events=st.sampled_from([3, 50]))
def test_what_is_forgotten_never_was(
    new_store: NewStore, events: list[Row], data: st.DataObject, max_events: int
) -> None:
    ids = [int(row[EVENT_ID]) for row in events]
    gone = {event_id for event_id in ids if data.draw(st.booleans())}
    store = loaded(new_store(max_events), stamped(events))
    for event_id in gone:
        store.record(event_id, Status.FRAUD, NOW_MS - 1)
        assert store.forget(event_id)
        assert not store.forget(event_id)
    kept = [row for row in stamped(events) if int(row[EVENT_ID]) not in gone]
    fresh = loaded(new_store(max_events), kept)
    assert answers(store) == answers(fresh)
    assert store.counters.events == len(kept)
    assert store.counters.keys == fresh.counters.keys
    for event_id in gone:
        fresh.record(event_id, Status.FRAUD, NOW_MS - 1)
    assert store.counters.outcomes_pending == fresh.counters.outcomes_pending
    for event_id in gone:
        assert store.append(event(event_id, NOW_MS - 1)) is Appended.ACCEPTED
        assert fresh.append(event(event_id, NOW_MS - 1)) is Appended.ACCEPTED
    assert answers(store) == answers(fresh)
    store.close()
    fresh.close()


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[int, Row]]:
    """Draw events that come again with other content, late and too late, to two workers."""
    late_ms = st.sampled_from([0, 0, 1, -LATENESS_MS, LATENESS_MS, LATENESS_MS + 1, HOUR_MS])
    return [
        (
            draw(st.integers(0, 1)),
            event(
                draw(st.integers(1, 5)),
                NOW_MS - draw(late_ms),
                received_ms=NOW_MS + place,
                card=draw(st.sampled_from([7, 7, 9])),
                amount=draw(st.sampled_from([100, 101])),
            ),
        )
        for place in range(draw(st.integers(1, 10)))
    ]


@settings(max_examples=40)
@given(
    delivered=deliveries(),
    told=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1), st.integers(1, 5)), max_size=4),
)
def test_two_workers_that_share_a_store_are_as_one(
    shared_stores: SharedStores,
    delivered: list[tuple[int, Row]],
    told: list[tuple[int, int, int]],
) -> None:
    workers = [shared_stores.new(PLANS[3]), shared_stores.again(PLANS[3])]
    oracle = NEW_STORES["naive"](3)
    for place, (worker, row) in enumerate(delivered):
        values, expected = np.zeros((2, PLANS[3].n_out))
        appended = oracle.exchange(row, expected)
        assert workers[worker].exchange(row, values) is appended
        wait_for(workers[worker])
        np.testing.assert_array_equal(values, expected)
        for _, teller, event_id in [one for one in told if one[0] == place]:
            found = oracle.record(event_id, Status.FRAUD, NOW_MS + place)
            assert workers[teller].record(event_id, Status.FRAUD, NOW_MS + place) is found
            wait_for(workers[teller])
    for card in (7, 9):
        query = event(10**6, NOW_MS, card=card, received_ms=NOW_MS + 100)
        expected_values = values_of(oracle, query)
        assert [values_of(worker, query) for worker in workers] == [expected_values] * 2
    for worker in workers:
        worker.close()


def wait_for(worker: StateStore) -> None:
    """Ask for an answer, which comes after all that the worker sent is done."""
    assert worker.counters.events >= 0
