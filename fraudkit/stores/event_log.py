"""The embedded store's mechanism: events in, events out; the arrays are `event_arrays`.

A function that finds no room says so and changes nothing; `grown` makes room.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.features.window_arrays import EVENT_ID, EVENT_TIME, NO_KEY
from fraudkit.stores.event_arrays import (
    BLOCKS_END,
    DUPLICATES,
    EVICTED_BY_AGE,
    EVICTED_BY_CAPACITY,
    FORGOTTEN,
    KEYS,
    NEWEST_TIME,
    OLDEST,
    RING_ROWS,
    TOO_LATES,
    EventArrays,
)
from fraudkit.stores.key_blocks import (
    blocks_reserve,
    blocks_size,
    home_slot,
    move_blocks,
    move_keys,
    put_place,
    remove_place,
)

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "NONE",
    "NO_ROOM",
    "TOO_LATE",
    "append_event",
    "find_event",
    "forget_event",
    "grown",
]

NONE: Final = -1

ACCEPTED: Final = 0
DUPLICATE: Final = 1
TOO_LATE: Final = 2
NO_ROOM: Final = 3
"""What `append_event` returns; the first three are `fraudkit.features.state.Appended`."""


@compiled_part
def find_event(log: EventArrays, event_id: int) -> int:
    """Return the place of an event, or `NONE`."""
    return log.ids[_id_slot(log, event_id)] - 1


@compiled_part
def append_event(
    log: EventArrays, event: NDArray[np.int64], allowed_lateness_ms: int, retention_ms: int
) -> int:
    """Take an event in if it is new and not too late.

    First the earliest arrivals that are older than the retention are let go, and one more where
    the ring is full.

    Returns
    -------
    int
        `ACCEPTED`, `DUPLICATE`, `TOO_LATE`, or `NO_ROOM`: then nothing is changed.
    """
    if find_event(log, event[EVENT_ID]) != NONE:
        log.state[DUPLICATES] += 1
        return DUPLICATE
    if event[EVENT_TIME] < log.state[NEWEST_TIME] - allowed_lateness_ms:
        log.state[TOO_LATES] += 1
        return TOO_LATE
    if not _has_room(log):
        return NO_ROOM
    _make_room(log, max(event[EVENT_TIME], log.state[NEWEST_TIME]) - retention_ms)
    place = (log.state[OLDEST] + log.state[RING_ROWS]) % len(log.rows)
    log.rows[place] = event
    log.ids[_id_slot(log, event[EVENT_ID])] = place + 1
    log.state[RING_ROWS] += 1
    log.state[NEWEST_TIME] = max(log.state[NEWEST_TIME], event[EVENT_TIME])
    for column in log.indexed:
        if event[column] != NO_KEY:
            put_place(log, event[column], column, place)
    return ACCEPTED


@compiled
def forget_event(log: EventArrays, event_id: int) -> bool:
    """Take an event out; returns whether it was there."""
    place = find_event(log, event_id)
    if place == NONE:
        return False
    _take_out(log, place)
    if place == (log.state[OLDEST] + log.state[RING_ROWS] - 1) % len(log.rows):
        log.state[RING_ROWS] -= 1
    else:
        log.rows[place, EVENT_ID] = 0
        log.state[FORGOTTEN] += 1
    return True


def grown(log: EventArrays) -> EventArrays:
    """Return a log of the same events with room for one more event at least."""
    events = int(log.state[RING_ROWS])
    ids, keys = log.ids, log.keys
    if not _has_free_ids(events, len(ids)):
        ids = np.zeros(2 * len(ids), np.int32)
        _move_ids(log, ids)
    if not _has_free_keys(int(log.state[KEYS]), len(log.indexed), len(keys)):
        keys = np.zeros((2 * len(keys), 3), np.int64)
        move_keys(log.keys, keys)
    log = log._replace(ids=ids, keys=keys)
    if not _has_free_pool(log):
        used = int(blocks_size(log.keys))
        pool = np.zeros(2 * used + 2 * blocks_reserve(log), np.int32)
        move_blocks(log, pool)
        log = log._replace(pool=pool)
    return log


@compiled_part
def _has_room(log: EventArrays) -> bool:
    return (
        _has_free_ids(log.state[RING_ROWS], len(log.ids))
        and _has_free_keys(log.state[KEYS], len(log.indexed), len(log.keys))
        and _has_free_pool(log)
    )


@compiled_part
def _has_free_ids(events: int, n_slots: int) -> bool:
    return 2 * (events + 1) <= n_slots


@compiled_part
def _has_free_keys(keys: int, n_indexed: int, n_slots: int) -> bool:
    return 8 * (keys + n_indexed) <= 5 * n_slots


@compiled_part
def _has_free_pool(log: EventArrays) -> bool:
    return len(log.pool) - log.state[BLOCKS_END] >= blocks_reserve(log)


@compiled_part
def _make_room(log: EventArrays, horizon_ms: int) -> None:
    while log.state[RING_ROWS] > 0 and log.rows[log.state[OLDEST], EVENT_TIME] < horizon_ms:
        log.state[EVICTED_BY_AGE] += _evict_oldest(log)
    if log.state[RING_ROWS] == len(log.rows):
        log.state[EVICTED_BY_CAPACITY] += _evict_oldest(log)


@compiled_part
def _evict_oldest(log: EventArrays) -> int:
    """Let the earliest arrival go; returns 1, or 0 where it had been forgotten."""
    place = log.state[OLDEST]
    is_held = log.rows[place, EVENT_ID] != 0
    if is_held:
        _take_out(log, place)
    else:
        log.state[FORGOTTEN] -= 1
    log.state[OLDEST] = (place + 1) % len(log.rows)
    log.state[RING_ROWS] -= 1
    return 1 if is_held else 0


@compiled_part
def _take_out(log: EventArrays, place: int) -> None:
    """Remove an event's place from its keys' blocks and its id from the table."""
    for column in log.indexed:
        key = log.rows[place, column]
        if key != NO_KEY:
            remove_place(log, key, column, place)
    _remove_id(log, log.rows[place, EVENT_ID])


@compiled_part
def _id_slot(log: EventArrays, event_id: int) -> int:
    """Return the slot of an event id, or the free slot where it would go."""
    mask = len(log.ids) - 1
    slot = home_slot(event_id, 0, mask)
    while log.ids[slot] != 0 and log.rows[log.ids[slot] - 1, EVENT_ID] != event_id:
        slot = (slot + 1) & mask
    return slot


@compiled_part
def _remove_id(log: EventArrays, event_id: int) -> None:
    mask = len(log.ids) - 1
    free = _id_slot(log, event_id)
    slot = (free + 1) & mask
    while log.ids[slot] != 0:
        home = home_slot(log.rows[log.ids[slot] - 1, EVENT_ID], 0, mask)
        if (slot - home) & mask >= (slot - free) & mask:
            log.ids[free] = log.ids[slot]
            free = slot
        slot = (slot + 1) & mask
    log.ids[free] = 0


@compiled
def _move_ids(log: EventArrays, ids: NDArray[np.int32]) -> None:
    """Put every event id into an empty, larger table."""
    mask = len(ids) - 1
    for held in log.ids:
        if held != 0:
            slot = home_slot(log.rows[held - 1, EVENT_ID], 0, mask)
            while ids[slot] != 0:
                slot = (slot + 1) & mask
            ids[slot] = held
