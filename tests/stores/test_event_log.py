"""The event log's two tables: whatever is put in and taken out, they hold what a dict holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.features.state import Event, window_plan
from fraudkit.features.window import NO_KEY
from fraudkit.stores import event_log
from fraudkit.stores.event_log import EventLog
from fraudkit.stores.memory import MemoryStore
from tests.stores.naive import window_features

# Keys that start at slot 0 of 16, at the last slot (so that a cluster goes round), and anywhere.
CLUSTERED = (
    st.integers(1, 12).map(lambda number: 16 * number)
    | st.integers(1, 12).map(lambda number: 16 * number + 15)
    | st.sampled_from([-(2**63), 2**63 - 1, -1, 1, 2**32, -(2**32)])
)


@given(st.lists(st.tuples(st.booleans(), CLUSTERED, st.integers(0, 99)), max_size=60))
def test_a_table_holds_what_a_dict_holds(steps: list[tuple[bool, int, int]]) -> None:
    table, expected = np.zeros((16, 2), np.int64), {}
    for is_put, key, place in steps:
        if is_put and (key in expected or len(expected) < 14):
            event_log._put(table, key, place)
            expected[key] = place
        elif not is_put:
            event_log._remove(table, key)
            expected.pop(key, None)
        assert entries(table) == expected
        assert {key: event_log.find(table, key) for key in expected} == expected
        assert event_log.find(table, key) == expected.get(key, event_log.NONE)


def test_entries_outlive_the_move_to_a_larger_table() -> None:
    source, target = np.zeros((16, 2), np.int64), np.zeros((32, 2), np.int64)
    keys = {16 * number: number for number in range(1, 11)}
    for key, place in keys.items():
        event_log._put(source, key, place)
    event_log.move_entries(source, target)
    assert entries(target) == keys
    assert all(event_log.find(target, key) == place for key, place in keys.items())


def entries(table: NDArray[np.int64]) -> dict[int, int]:
    return {int(key): int(place) for key, place in table if key != 0}


def random_keys(count: int) -> list[int]:
    return np.random.default_rng(5).integers(-(2**63), 2**63 - 1, count).tolist()


def clustered_keys(count: int) -> list[int]:
    """Return keys of which many begin at the same slot, however wide the table is."""
    return [(number << 20) | (number % 3) for number in range(1, count + 1)]


@pytest.mark.parametrize("keys", [random_keys(6_000), clustered_keys(700)], ids=["any", "same"])
def test_thousands_of_keys_come_and_go(keys: list[int]) -> None:
    capacity = len(keys) // 4
    store = MemoryStore(window_plan(window_features(50)), capacity_events=capacity)
    for number, (card, email) in enumerate(pairwise(keys), 1):
        # Every third event has the key of the one before, so that chains grow and shrink.
        card = keys[number - 2] if number > 1 and number % 3 == 0 else card  # noqa: PLW2901
        held = np.array([card, email ^ 5 if number % 5 else NO_KEY], np.int64)
        store.append(Event(event_id(number), 1_000_000 + number // 10 % 9, 100, held))
        if number % (capacity // 2) == 0:
            check_links(store._log)
    check_links(store._log)
    assert store.counters.events == capacity
    assert store.counters.evicted_by_capacity == len(keys) - 1 - capacity


def event_id(number: int) -> int:
    """Return ids that fall as numbers rise, so that a tie in time is not settled by arrival."""
    return -number << 40


def check_links(log: EventLog) -> None:
    """Assert that tables and links lead through exactly the held events, newest first."""
    oldest, held = int(log.state[event_log.OLDEST]), int(log.state[event_log.HELD])
    places = [(oldest + index) % len(log.ids) for index in range(held)]
    assert entries(log.place_of_id) == {int(log.ids[place]): place for place in places}
    first_entity = log.rows.shape[1] - log.older.shape[1]
    chains: dict[tuple[int, int], list[int]] = {}
    for place in places:
        for column, key in enumerate(log.rows[place, first_entity:].tolist()):
            if key != NO_KEY:
                chains.setdefault((column, key), []).append(place)
    assert log.state[event_log.KEYS] == len(chains) == len(entries(log.newest_of_key))
    assert 2 * len(chains) <= len(log.newest_of_key)
    for (column, key), chain in chains.items():
        chain.sort(key=lambda place: (log.rows[place, 0], log.ids[place]), reverse=True)
        place, seen = event_log.find(log.newest_of_key, key), []
        while place != event_log.NONE:
            seen.append(int(place))
            place = log.older[place, column]
        assert seen == chain
        newer = [int(log.newer[place, column]) for place in chain]
        assert newer == [event_log.NONE, *chain[:-1]]
