"""The embedded store's arrays: whatever comes and goes, they lead to what is held, in order."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.features.window_arrays import AVAILABLE_AT, EVENT_ID, EVENT_TIME, NO_KEY
from fraudkit.stores.event_arrays import (
    BLOCKS_END,
    FIRST_FREE,
    FORGOTTEN,
    KEYS,
    OLDEST,
    RING_ROWS,
    EventArrays,
)
from fraudkit.stores.event_log import NONE, find_event
from fraudkit.stores.key_blocks import find_places
from fraudkit.stores.memory import MemoryStore
from tests.parity.clauses import NOW_MS, PLANS, event
from tests.parity.windows import LATENESS_MS, MINUTE_MS, RETENTION_MS

# Keys and ids that begin at the first slot of a table, at the last (so that a cluster goes
# round), and anywhere.
CLUSTERED = (
    st.integers(1, 12).map(lambda number: number << 10)
    | st.integers(1, 12).map(lambda number: (number << 10) - 1)
    | st.sampled_from([-(2**63), 2**63 - 1, -1, 1, 2**32, -(2**32)])
)
STEPS = st.tuples(
    st.sampled_from(["append", "append", "append", "forget"]),
    CLUSTERED,
    CLUSTERED | st.just(NO_KEY),
    st.sampled_from([0, 0, 1, -1, -LATENESS_MS, MINUTE_MS, RETENTION_MS]),
)


@settings(max_examples=100)
@given(
    steps=st.lists(STEPS, max_size=60),
    capacity=st.integers(1, 30),
)
def test_the_arrays_lead_to_what_is_held(
    steps: list[tuple[str, int, int, int]], capacity: int
) -> None:
    store = MemoryStore(PLANS[50], capacity_events=capacity, allowed_lateness_ms=LATENESS_MS)
    now_ms = NOW_MS
    for does, event_id, card, step_ms in steps:
        if does == "forget":
            store.forget(event_id)
        else:
            now_ms = max(now_ms, now_ms + step_ms)
            happened_ms = now_ms + min(step_ms, 0)
            store.append(event(event_id, happened_ms, card=card, email=event_id))
        check_arrays(store._log)


def random_keys(count: int) -> list[int]:
    return np.random.default_rng(5).integers(-(2**63), 2**63 - 1, count).tolist()


def clustered_keys(count: int) -> list[int]:
    """Return keys of which many begin at the same slot, however wide the table is."""
    return [(number << 20) | (number % 3) for number in range(1, count + 1)]


def few_keys(count: int) -> list[int]:
    """Return keys of which two have hundreds of events, and now and then another one."""
    return [number if number % 7 == 0 else 10**6 + number % 2 for number in range(1, count + 1)]


def equal_keys(count: int) -> list[int]:
    """Return keys that stand side by side in a table, for both entities the same."""
    return list(range(1, count + 1))


@pytest.mark.parametrize(
    "keys",
    [random_keys(6_000), clustered_keys(1_000), few_keys(6_000), equal_keys(2_500)],
    ids=["any", "clustered", "hot", "equal"],
)
def test_thousands_of_keys_come_and_go(keys: list[int]) -> None:
    capacity = len(keys) // 4
    store = MemoryStore(PLANS[50], capacity_events=capacity)
    lateness_ms = np.random.default_rng(7).integers(0, 50, len(keys)).tolist()
    for number, (card, late_ms) in enumerate(zip(keys, lateness_ms, strict=True), 1):
        email = card ^ 5 if number % 5 else NO_KEY
        store.append(event(falling_id(number), NOW_MS + number // 10 - late_ms, card=card,
                           email=email))  # fmt: skip
        if number % 11 == 0:
            assert store.forget(falling_id(number - number % 9))
        if number % (capacity // 2) == 0:
            check_arrays(store._log)
    check_arrays(store._log)
    counters = store.counters
    assert counters.events + counters.evicted_by_capacity == len(keys) - len(keys) // 11
    assert capacity // 2 < counters.events <= capacity


def falling_id(number: int) -> int:
    """Return ids that fall as numbers rise, so that a tie in time is not settled by arrival."""
    return -number << 40


def check_arrays(log: EventArrays) -> None:
    state = log.state
    oldest, ring_rows = int(state[OLDEST]), int(state[RING_ROWS])
    ring = [(oldest + index) % len(log.rows) for index in range(ring_rows)]
    held = [place for place in ring if log.rows[place, EVENT_ID] != 0]
    assert state[FORGOTTEN] == len(ring) - len(held)
    assert sorted(log.ids[log.ids != 0] - 1) == sorted(held)
    assert 2 * len(held) <= len(log.ids)
    for place in held:
        assert find_event(log, log.rows[place, EVENT_ID]) == place
    check_keys(log, held)
    check_blocks(log)


def check_keys(log: EventArrays, held: list[int]) -> None:
    """Assert that the keys of the held events, and no others, lead to them in order of time."""
    places_of: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for place in held:
        for column in log.indexed.tolist():
            if log.rows[place, column] != NO_KEY:
                places_of[int(log.rows[place, column]), column].append(place)
    assert log.state[KEYS] == len(places_of) == np.count_nonzero(log.keys[:, 0])
    assert 8 * len(places_of) <= 5 * len(log.keys)
    for (key, column), places in places_of.items():
        places.sort(key=lambda place: (log.rows[place, EVENT_TIME], log.rows[place, EVENT_ID]))
        assert find_places(log, key, column).tolist() == places


def check_blocks(log: EventArrays) -> None:
    """Assert that used and free blocks fill the pool up to its end, none twice."""
    blocks = []
    for key, block, span in log.keys.tolist():
        if key != NO_KEY:
            blocks.append((block >> 16, 1 << (block & 0xFF)))
            assert (span >> 32) + (span & 0xFFFFFFFF) <= blocks[-1][1]
    for size_class, head in enumerate(log.state[FIRST_FREE:].tolist()):
        while head > 0:
            blocks.append((head - 1, 1 << size_class))
            head = int(log.pool[head - 1])  # noqa: PLW2901 - the next of the chain
    end = 0
    for start, size in sorted(blocks):
        assert start == end
        end += size
    assert log.state[BLOCKS_END] == end <= len(log.pool)


def test_an_id_that_was_never_there_is_not_found() -> None:
    store = MemoryStore(PLANS[50], capacity_events=4)
    row = event(7, NOW_MS)
    assert find_event(store._log, 7) == NONE
    store.append(row)
    assert find_event(store._log, 7) == 0
    assert find_event(store._log, 7 << 10) == NONE
    assert store._log.rows[0, AVAILABLE_AT] == NOW_MS
