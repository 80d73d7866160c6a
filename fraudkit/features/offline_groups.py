"""One entity's events, grouped by key: what the offline driver hands to the kernel."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.features.window import add_totals
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_TIME,
    HELD_AMOUNT,
    HELD_FIRST,
    HELD_TIME,
    NO_KEY,
)

__all__ = ["Groups", "group_slot", "grouped"]

_FEWEST_SLOTS: Final = 1024


class Groups(NamedTuple):
    """One entity's events, grouped by key; within a key newest first.

    Attributes
    ----------
    table : ndarray of int64, shape (n_slots, 2)
        Open addressing: a key (0 is free) and its group.
    starts : ndarray of int64, shape (n_keys + 1,)
        Where each group's events begin in ``order``.
    order : ndarray of int64, shape (n_grouped,)
        Rows of the log.
    held : ndarray of int64, shape (4 + n_needed, n_grouped + 1)
        What the kernel reads of the events, see `fraudkit.features.window_arrays.Scratch`.
    asked_ms : ndarray of int64, shape (n_grouped,)
        When each one was available itself.
    available_ms : ndarray of int64, shape (n_grouped,)
        When the event and all older ones of the key were available.
    """

    table: NDArray[np.int64]
    starts: NDArray[np.int64]
    order: NDArray[np.int64]
    held: NDArray[np.int64]
    asked_ms: NDArray[np.int64]
    available_ms: NDArray[np.int64]


def grouped(
    columns: NDArray[np.int64], events: NDArray[np.int64], key: int, needed: NDArray[np.int64]
) -> Groups:
    """Return events grouped by key.

    Parameters
    ----------
    columns : ndarray of int64, shape (n_columns, n)
        See `fraudkit.features.offline_windows.Log`.
    events : ndarray of int64, shape (n_events,)
        Their rows, by ascending event time; those of one key by event id too.
    key : int
        The column of the key; events without one are left out.
    needed : ndarray of int64, shape (n_needed,)
        The columns that the kernel reads beside time and amount.
    """
    group_of = np.empty(len(events), np.int32)
    table, starts = _numbered(columns[key], events, group_of)
    order = np.empty(starts[-1], np.int64)
    _put_in_groups(events, group_of, starts[1:].copy(), order)
    held = np.empty((HELD_FIRST + len(needed), len(order) + 1), np.int64)
    _fill_held(columns, needed, order, held)
    if np.array_equal(columns[AVAILABLE_AT], columns[EVENT_TIME]):
        times = held[HELD_TIME, :-1]
        return Groups(table, starts, order, held, times, times)
    asked_ms, available_ms = np.empty((2, len(order)), np.int64)
    _gather(columns[AVAILABLE_AT], order, asked_ms)
    _fill_available(asked_ms, starts, available_ms)
    return Groups(table, starts, order, held, asked_ms, available_ms)


# Arrays of a value an event are made by NumPy, which asks for huge pages; Numba does not, and
# a first touch of each small page takes longer than what is written there.


@compiled
def _numbered(
    keys: NDArray[np.int64], events: NDArray[np.int64], group_of: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a table from key to group, numbered as they come, and where the groups start."""
    table = np.zeros((_FEWEST_SLOTS, 2), np.int64)
    counts = np.zeros(_FEWEST_SLOTS, np.int64)
    n_groups = 0
    for place in range(len(events)):
        key = keys[events[place]]
        if key == NO_KEY:
            group_of[place] = -1
            continue
        slot = group_slot(table, key)
        if table[slot, 0] == NO_KEY:
            if 2 * n_groups == len(table):
                table, counts = _twice_as_long(table, counts)
                slot = group_slot(table, key)
            table[slot, 0] = key
            table[slot, 1] = n_groups
            n_groups += 1
        group = table[slot, 1]
        group_of[place] = group
        counts[group] += 1
    starts = np.zeros(n_groups + 1, np.int64)
    starts[1:] = np.cumsum(counts[:n_groups])
    return table, starts


@compiled
def _twice_as_long(
    table: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    longer = np.zeros((2 * len(table), 2), np.int64)
    for place in range(len(table)):
        key = table[place, 0]
        if key != NO_KEY:
            slot = group_slot(longer, key)
            longer[slot] = table[place]
    return longer, np.concatenate((counts, np.zeros_like(counts)))


@compiled
def _put_in_groups(
    events: NDArray[np.int64],
    group_of: NDArray[np.int32],
    free: NDArray[np.int64],
    order: NDArray[np.int64],
) -> None:
    """Write the rows of each group, newest first; ``free`` is where each group ends."""
    for place in range(len(events)):
        group = group_of[place]
        if group >= 0:
            free[group] -= 1
            order[free[group]] = events[place]


@compiled_part
def group_slot(table: NDArray[np.int64], key: int) -> int:
    """Return the slot of a key, or the free slot where it would go."""
    mask = len(table) - 1
    slot = (key ^ (key >> 32)) & mask
    while table[slot, 0] != NO_KEY and table[slot, 0] != key:
        slot = (slot + 1) & mask
    return slot


@compiled
def _fill_held(
    columns: NDArray[np.int64],
    needed: NDArray[np.int64],
    order: NDArray[np.int64],
    held: NDArray[np.int64],
) -> None:
    _gather(columns[EVENT_TIME], order, held[HELD_TIME])
    _gather(columns[AMOUNT], order, held[HELD_AMOUNT])
    for index in range(len(needed)):
        _gather(columns[needed[index]], order, held[HELD_FIRST + index])
    add_totals(held, len(order))


@compiled
def _gather(source: NDArray[np.int64], order: NDArray[np.int64], target: NDArray[np.int64]) -> None:
    for place in range(len(order)):
        target[place] = source[order[place]]


@compiled
def _fill_available(
    asked_ms: NDArray[np.int64], starts: NDArray[np.int64], available_ms: NDArray[np.int64]
) -> None:
    for group in range(len(starts) - 1):
        latest_ms = asked_ms[starts[group + 1] - 1]
        for place in range(starts[group + 1] - 1, starts[group] - 1, -1):
            latest_ms = max(latest_ms, asked_ms[place])
            available_ms[place] = latest_ms
