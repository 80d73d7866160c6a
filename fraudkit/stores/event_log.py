"""The embedded store's mechanism: one ring of events, linked per entity in time order.

Every event is a row of the ring. For each entity the row knows the entity's next older and
next newer event, so a late event is linked in where it belongs and an evicted one is linked
out. Two open-addressing tables lead from a key to its newest event and from an event id to its
event; removal shifts the cluster back, so they hold no tombstones.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.features.window import (
    AMOUNT,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
    NO_KEY,
    Scratch,
    WindowArrays,
    window_values,
)

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "DUPLICATES",
    "EVICTED_BY_AGE",
    "EVICTED_BY_CAPACITY",
    "HELD",
    "KEYS",
    "LATE",
    "NEWEST_TIME",
    "NONE",
    "OLDEST",
    "TOO_LATE",
    "EventLog",
    "append_event",
    "classify_event",
    "find",
    "move_entries",
    "new_event_log",
    "read_windows",
    "record_status",
]

NONE: Final = -1


class EventLog(NamedTuple):
    """The arrays of the store.

    Attributes
    ----------
    rows : ndarray of int64, shape (capacity, n_columns)
        Events as `fraudkit.features.window` describes them.
    ids : ndarray of int64, shape (capacity,)
        Event ids.
    older, newer : ndarray of int32, shape (capacity, n_entities)
        Places of the same key's neighbours in time, `NONE` at the ends.
    newest_of_key, place_of_id : ndarray of int64, shape (n_slots, 2)
        Tables: a key (0 is free) and a place.
    state : ndarray of int64, shape (8,)
        Place of the oldest arrival; events and keys held; newest event time; then counters:
        duplicates, too late, let go by age, let go by capacity.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    older: NDArray[np.int32]
    newer: NDArray[np.int32]
    newest_of_key: NDArray[np.int64]
    place_of_id: NDArray[np.int64]
    state: NDArray[np.int64]


OLDEST: Final = 0
HELD: Final = 1
KEYS: Final = 2
NEWEST_TIME: Final = 3
DUPLICATES: Final = 4
LATE: Final = 5
EVICTED_BY_AGE: Final = 6
EVICTED_BY_CAPACITY: Final = 7

ACCEPTED: Final = 0
DUPLICATE: Final = 1
TOO_LATE: Final = 2


def new_event_log(capacity: int, n_columns: int, n_entities: int) -> EventLog:
    """Return an empty log; untouched memory costs nothing until it is written."""
    state = np.zeros(8, np.int64)
    state[NEWEST_TIME] = -(2**62)
    return EventLog(
        np.zeros((capacity, n_columns), np.int64),
        np.zeros(capacity, np.int64),
        np.zeros((capacity, n_entities), np.int32),
        np.zeros((capacity, n_entities), np.int32),
        np.zeros((1024, 2), np.int64),
        np.zeros((1024, 2), np.int64),
        state,
    )


@compiled
def find(table: NDArray[np.int64], key: int) -> int:
    """Return the place that a table holds for a key, or `NONE`."""
    slot = _slot(table, key)
    return table[slot, 1] if table[slot, 0] == key else NONE


@compiled
def read_windows(
    log: EventLog,
    keys: NDArray[np.int64],
    time_ms: int,
    amount: int,
    max_events: int,
    arrays: WindowArrays,
    scratch: Scratch,
    places: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Write every window of a query.

    Parameters
    ----------
    keys : ndarray of int64, shape (n_entities,)
        The query's hashes.
    places : ndarray of int64, shape (max_events,)
        Working memory.
    """
    first_entity = log.rows.shape[1] - len(keys)
    for entity in range(len(arrays.entities)):
        column = arrays.entities[entity, 0] - first_entity
        if keys[column] == NO_KEY:
            for feature in range(arrays.entities[entity, 1], arrays.entities[entity, 2]):
                out[arrays.features[feature, 4]] = np.nan
            continue
        widest_ms = arrays.features[arrays.entities[entity, 2] - 1, 0]
        first = len(places)
        place = find(log.newest_of_key, keys[column])
        while place != NONE and first > 0:
            age_ms = time_ms - log.rows[place, EVENT_TIME]
            if age_ms > widest_ms:
                break
            if age_ms > 0:
                first -= 1
                places[first] = place
            place = log.older[place, column]
        window_values(
            log.rows, places[first:], time_ms, amount, max_events, entity, arrays, scratch, out
        )


@compiled
def classify_event(log: EventLog, event_id: int, time_ms: int, allowed_lateness_ms: int) -> int:
    """Return `ACCEPTED`, `DUPLICATE` or `TOO_LATE`; changes nothing."""
    if find(log.place_of_id, event_id) != NONE:
        return DUPLICATE
    if time_ms < log.state[NEWEST_TIME] - allowed_lateness_ms:
        return TOO_LATE
    return ACCEPTED


@compiled
def append_event(
    log: EventLog,
    event_id: int,
    time_ms: int,
    amount: int,
    keys: NDArray[np.int64],
    allowed_lateness_ms: int,
    retention_ms: int,
) -> int:
    """Link an event in if it is to be taken, and return what `classify_event` says of it.

    First the earliest arrivals that are older than the retention are let go, and one more where
    the ring is full. The tables must have room for the event and its keys.
    """
    found = classify_event(log, event_id, time_ms, allowed_lateness_ms)
    if found == DUPLICATE:
        log.state[DUPLICATES] += 1
    elif found == TOO_LATE:
        log.state[LATE] += 1
    else:
        _make_room(log, max(time_ms, log.state[NEWEST_TIME]) - retention_ms)
        _take_in(log, event_id, time_ms, amount, keys)
    return found


@compiled
def _make_room(log: EventLog, horizon_ms: int) -> None:
    while log.state[HELD] > 0 and log.rows[log.state[OLDEST], EVENT_TIME] < horizon_ms:
        _evict_oldest(log)
        log.state[EVICTED_BY_AGE] += 1
    if log.state[HELD] == len(log.ids):
        _evict_oldest(log)
        log.state[EVICTED_BY_CAPACITY] += 1


@compiled
def _take_in(
    log: EventLog, event_id: int, time_ms: int, amount: int, keys: NDArray[np.int64]
) -> None:
    place = (log.state[OLDEST] + log.state[HELD]) % len(log.ids)
    row = log.rows[place]
    row[EVENT_TIME] = time_ms
    row[AMOUNT] = amount
    first_entity = len(row) - len(keys)
    row[FIRST_STATUS:first_entity] = NEVER
    row[first_entity:] = keys
    log.ids[place] = event_id
    for column in range(len(keys)):
        log.older[place, column] = NONE
        log.newer[place, column] = NONE
        if keys[column] != NO_KEY:
            _link(log, place, column, keys[column])
    _put(log.place_of_id, event_id, place)
    log.state[HELD] += 1
    log.state[NEWEST_TIME] = max(log.state[NEWEST_TIME], time_ms)


@compiled
def _evict_oldest(log: EventLog) -> None:
    place = log.state[OLDEST]
    columns = log.older.shape[1]
    first_entity = log.rows.shape[1] - columns
    for column in range(columns):
        key = log.rows[place, first_entity + column]
        if key != NO_KEY:
            _unlink(log, place, column, key)
    _remove(log.place_of_id, log.ids[place])
    log.state[OLDEST] = (place + 1) % len(log.ids)
    log.state[HELD] -= 1


@compiled
def record_status(log: EventLog, event_id: int, column: int, known_at_ms: int) -> bool:
    """Note the earliest time at which a status was known; returns whether the event is held."""
    place = find(log.place_of_id, event_id)
    if place == NONE:
        return False
    log.rows[place, column] = min(log.rows[place, column], known_at_ms)
    return True


@compiled
def move_entries(source: NDArray[np.int64], target: NDArray[np.int64]) -> None:
    """Put every entry of a table into an empty, larger one."""
    for slot in range(len(source)):
        if source[slot, 0] != 0:
            _put(target, source[slot, 0], source[slot, 1])


@compiled
def _link(log: EventLog, place: int, column: int, key: int) -> None:
    newer = NONE
    older = find(log.newest_of_key, key)
    if older == NONE:
        log.state[KEYS] += 1
    while older != NONE and _comes_after(log, older, place):
        newer = older
        older = log.older[older, column]
    log.older[place, column] = older
    log.newer[place, column] = newer
    if older != NONE:
        log.newer[older, column] = place
    if newer != NONE:
        log.older[newer, column] = place
    else:
        _put(log.newest_of_key, key, place)


@compiled
def _unlink(log: EventLog, place: int, column: int, key: int) -> None:
    older = log.older[place, column]
    newer = log.newer[place, column]
    if older != NONE:
        log.newer[older, column] = newer
    if newer != NONE:
        log.older[newer, column] = older
    elif older != NONE:
        _put(log.newest_of_key, key, older)
    else:
        _remove(log.newest_of_key, key)
        log.state[KEYS] -= 1


@compiled
def _comes_after(log: EventLog, place: int, other: int) -> bool:
    time_ms = log.rows[place, EVENT_TIME]
    other_ms = log.rows[other, EVENT_TIME]
    return time_ms > other_ms or (time_ms == other_ms and log.ids[place] > log.ids[other])


@compiled
def _slot(table: NDArray[np.int64], key: int) -> int:
    """Return the slot of a key, or the free slot where it would go."""
    mask = len(table) - 1
    slot = (key ^ (key >> 32)) & mask
    while table[slot, 0] != 0 and table[slot, 0] != key:
        slot = (slot + 1) & mask
    return slot


@compiled
def _put(table: NDArray[np.int64], key: int, place: int) -> None:
    slot = _slot(table, key)
    table[slot, 0] = key
    table[slot, 1] = place


@compiled
def _remove(table: NDArray[np.int64], key: int) -> None:
    mask = len(table) - 1
    free = _slot(table, key)
    if table[free, 0] != key:
        return
    slot = free
    while True:
        slot = (slot + 1) & mask
        moved = table[slot, 0]
        if moved == 0:
            break
        home = (moved ^ (moved >> 32)) & mask
        if (slot - home) & mask >= (slot - free) & mask:
            table[free, 0] = moved
            table[free, 1] = table[slot, 1]
            free = slot
    table[free, 0] = 0
