"""The keys of the embedded store: a table that leads to blocks of places, see `event_arrays`."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.features.prefetching import prefetch, prefetch_row
from fraudkit.features.window_arrays import EVENT_ID, EVENT_TIME, NO_KEY
from fraudkit.stores.event_arrays import (
    BLOCKS_END,
    FIRST_FREE,
    KEYS,
    LARGEST_CLASS,
    EventArrays,
)

__all__ = [
    "blocks_reserve",
    "blocks_size",
    "find_places",
    "home_slot",
    "move_blocks",
    "move_keys",
    "prefetch_events",
    "put_place",
    "remove_place",
]

_NEWEST_EVENTS: Final = 8
"""How many events of each key are asked for before any is looked at."""


@compiled_part
def find_places(log: EventArrays, key: int, column: int) -> NDArray[np.int32]:
    """Return the places of a key's events by ascending (event time, event id)."""
    slot = _key_slot(log.keys, key, column)
    if log.keys[slot, 0] == NO_KEY:
        return log.pool[0:0]
    start = _first(log.keys[slot])
    return log.pool[start : start + _count(log.keys[slot])]


@compiled_part
def prefetch_events(log: EventArrays, query: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
    """Ask for the memory of a query's keys, then of their newest places, then of these events.

    Parameters
    ----------
    query : ndarray of int64, shape (n_columns,)
        What will be asked.
    columns : ndarray of int64, shape (n_keys,)
        Where its keys stand.
    """
    for column in columns:
        prefetch(log.keys, (home_slot(query[column], column, len(log.keys) - 1), 0))
    for column in columns:
        places = find_places(log, query[column], column)
        if len(places) > 0:
            prefetch(places, (len(places) - 1,))
    for column in columns:
        places = find_places(log, query[column], column)
        for place in places[-_NEWEST_EVENTS:]:
            prefetch_row(log.rows, place)


@compiled_part
def put_place(log: EventArrays, key: int, column: int, place: int) -> None:
    """Add a place to a key's block, where its time belongs."""
    slot = _key_slot(log.keys, key, column)
    entry = log.keys[slot]
    if entry[0] == NO_KEY:
        log.state[KEYS] += 1
        entry[0] = key
        entry[1] = _allocate(log, 0) << 16 | column << 8
        entry[2] = 0
    _make_space(log, entry)
    first, count = _first(entry), _count(entry)
    before = _count_not_after(log, first, count, place)
    for index in range(first + count, first + before, -1):
        log.pool[index] = log.pool[index - 1]
    log.pool[first + before] = place
    entry[2] += 1


@compiled_part
def remove_place(log: EventArrays, key: int, column: int, place: int) -> None:
    """Take a place out of a key's block; the last one takes the key with it."""
    slot = _key_slot(log.keys, key, column)
    entry = log.keys[slot]
    first, count = _first(entry), _count(entry)
    index = _count_not_after(log, first, count, place) - 1
    if index == 0:
        entry[2] += (1 << 32) - 1
    else:
        for later in range(first + index, first + count - 1):
            log.pool[later] = log.pool[later + 1]
        entry[2] -= 1
    size_class = entry[1] & 0xFF
    if count == 1:
        _free(log, entry[1] >> 16, size_class)
        _remove_key(log.keys, slot)
        log.state[KEYS] -= 1
    elif size_class > 2 and 4 * (count - 1) <= 1 << size_class:
        _move_to(log, entry, size_class - 1)


@compiled_part
def _first(entry: NDArray[np.int64]) -> int:
    return (entry[1] >> 16) + (entry[2] >> 32)


@compiled_part
def _count(entry: NDArray[np.int64]) -> int:
    return entry[2] & 0xFFFFFFFF


@compiled_part
def _make_space(log: EventArrays, entry: NDArray[np.int64]) -> None:
    """Leave room for one more place at the end of a block: move to its front, or to a larger."""
    size_class = entry[1] & 0xFF
    start, size = entry[1] >> 16, 1 << size_class
    offset, count = entry[2] >> 32, _count(entry)
    if offset + count < size:
        return
    if 4 * count > 3 * size:
        _move_to(log, entry, size_class + 1)
        return
    for index in range(count):
        log.pool[start + index] = log.pool[start + offset + index]
    entry[2] = count


@compiled
def _move_to(log: EventArrays, entry: NDArray[np.int64], size_class: int) -> None:
    """Move a key's places into a block of another size."""
    old_start, old_class = entry[1] >> 16, entry[1] & 0xFF
    first, count = _first(entry), _count(entry)
    start = _allocate(log, size_class)
    for index in range(count):
        log.pool[start + index] = log.pool[first + index]
    _free(log, old_start, old_class)
    entry[1] = start << 16 | (entry[1] & 0xFF00) | size_class
    entry[2] = count


@compiled_part
def _allocate(log: EventArrays, size_class: int) -> int:
    """Return the start of a free block; there is one, see `_pool_reserve`."""
    head = log.state[FIRST_FREE + size_class]
    if head > 0:
        log.state[FIRST_FREE + size_class] = log.pool[head - 1]
        return head - 1
    start = log.state[BLOCKS_END]
    log.state[BLOCKS_END] = start + (1 << size_class)
    log.state[LARGEST_CLASS] = max(log.state[LARGEST_CLASS], size_class)
    return start


@compiled_part
def _free(log: EventArrays, start: int, size_class: int) -> None:
    log.pool[start] = log.state[FIRST_FREE + size_class]
    log.state[FIRST_FREE + size_class] = start + 1


@compiled_part
def _count_not_after(log: EventArrays, first: int, count: int, place: int) -> int:
    """Return how many of a block's places come before an event in order, or are the event."""
    low, high = 0, count
    if count == 0 or not _comes_after(log, log.pool[first + count - 1], place):
        return count
    while low < high:
        middle = (low + high) // 2
        if _comes_after(log, log.pool[first + middle], place):
            high = middle
        else:
            low = middle + 1
    return low


@compiled_part
def _comes_after(log: EventArrays, place: int, other: int) -> bool:
    time_ms, other_ms = log.rows[place, EVENT_TIME], log.rows[other, EVENT_TIME]
    if time_ms != other_ms:
        return time_ms > other_ms
    return log.rows[place, EVENT_ID] > log.rows[other, EVENT_ID]


@compiled_part
def _key_slot(keys: NDArray[np.int64], key: int, column: int) -> int:
    """Return the slot of a key, or the free slot where it would go."""
    mask = len(keys) - 1
    slot = home_slot(key, column, mask)
    while keys[slot, 0] != NO_KEY and (
        keys[slot, 0] != key or (keys[slot, 1] >> 8) & 0xFF != column
    ):
        slot = (slot + 1) & mask
    return slot


@compiled_part
def _remove_key(keys: NDArray[np.int64], free: int) -> None:
    mask = len(keys) - 1
    slot = (free + 1) & mask
    while keys[slot, 0] != NO_KEY:
        home = home_slot(keys[slot, 0], (keys[slot, 1] >> 8) & 0xFF, mask)
        if (slot - home) & mask >= (slot - free) & mask:
            keys[free] = keys[slot]
            free = slot
        slot = (slot + 1) & mask
    keys[free, 0] = NO_KEY


@compiled_part
def home_slot(key: int, column: int, mask: int) -> int:
    """Return where a table is first searched for a key of a column."""
    return (key ^ (key >> 32) ^ (column * 0x9E3779B1)) & mask


@compiled_part
def blocks_reserve(log: EventArrays) -> int:
    """Return what one event can take of the pool: each key's block grows to the next size."""
    return len(log.indexed) << (log.state[LARGEST_CLASS] + 1)


@compiled
def blocks_size(keys: NDArray[np.int64]) -> int:
    """Return how much of a pool the keys' blocks take up."""
    size = 0
    for entry in keys:
        if entry[0] != NO_KEY:
            size += 1 << (entry[1] & 0xFF)
    return size


@compiled
def move_keys(source: NDArray[np.int64], target: NDArray[np.int64]) -> None:
    """Put every key into an empty, larger table."""
    for entry in source:
        if entry[0] != NO_KEY:
            target[_key_slot(target, entry[0], (entry[1] >> 8) & 0xFF)] = entry


@compiled
def move_blocks(log: EventArrays, pool: NDArray[np.int32]) -> None:
    """Move every block to the front of another pool; no free block is left."""
    end = 0
    for entry in log.keys:
        if entry[0] == NO_KEY:
            continue
        first, count = _first(entry), _count(entry)
        pool[end : end + count] = log.pool[first : first + count]
        entry[1] = end << 16 | (entry[1] & 0xFFFF)
        entry[2] = count
        end += 1 << (entry[1] & 0xFF)
    log.state[BLOCKS_END] = end
    log.state[FIRST_FREE:] = 0
