"""The window kernel: the one place that knows what a window holds and how its value is made.

For a query of key ``k`` at time ``t``, asked at ``as_of``, a window of width ``W`` holds the
events of ``k`` with ``t - W <= event_time < t`` and ``available_at < as_of``, but never the
query's own event; of those, a key's ``max_events`` newest are looked at. What became of an event
counts from the first millisecond after it was known. Ties are therefore invisible on both
clocks, and a value depends on no order of delivery. Events are taken newest first, by
descending (event time, event id), in every driver alike.

Events and queries are rows as `fraudkit.features.window_arrays` describes them.
`take_visible` picks a query's events out of a log, `window_values` makes its values of them.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled_part
from fraudkit.features.prefetching import prefetch_row
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    HELD_AMOUNT,
    HELD_FIRST,
    HELD_KNOWN,
    HELD_TIME,
    HELD_TOTAL,
    NO_AMOUNT,
    Lane,
    Scratch,
    WindowArrays,
)
from fraudkit.features.window_lanes import (
    amounts_lane,
    distinct_lane,
    events_lane,
    extremes_lane,
    same_lane,
    spread_lane,
)

__all__ = [
    "add_totals",
    "start_search",
    "take_visible",
    "unknown_values",
    "window_values",
]

_ROWS_AHEAD: Final = 16
"""How many events ahead of the one that is looked at memory is asked for."""


@compiled_part
def take_visible(
    rows: NDArray[np.int64],
    places: NDArray[np.signedinteger[Any]],
    query: NDArray[np.int64],
    entity: int,
    max_events: int,
    arrays: WindowArrays,
    held: NDArray[np.int64],
) -> int:
    """Write the events that a query may see into ``held``, newest first; return how many.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_events, n_columns)
        A log of events; see the module.
    places : ndarray of integers, shape (n,)
        The key's events in ``rows``, by ascending (event time, event id).
    query : ndarray of int64, shape (n_columns,)
        What is asked: its event time is ``t``, its available-at time ``as_of``.
    entity : int
        Row of ``arrays.entities``.
    held : ndarray of int64, shape (at least 4 + needed columns, at least max_events + 1)
        Written; see `Scratch`.
    """
    first_needed, last_needed = arrays.entities[entity, 1], arrays.entities[entity, 2]
    widest_ms = arrays.windows[arrays.entities[entity, 4] - 1]
    taken = 0
    for index in range(_count_before(rows, places, query[EVENT_TIME]) - 1, -1, -1):
        row = rows[places[index]]
        if index >= _ROWS_AHEAD:
            prefetch_row(rows, places[index - _ROWS_AHEAD])
        if taken == max_events or query[EVENT_TIME] - row[EVENT_TIME] > widest_ms:
            break
        if row[AVAILABLE_AT] >= query[AVAILABLE_AT] or row[EVENT_ID] == query[EVENT_ID]:
            continue
        held[HELD_TIME, taken] = row[EVENT_TIME]
        held[HELD_AMOUNT, taken] = row[AMOUNT]
        for needed in range(first_needed, last_needed):
            held[HELD_FIRST + needed - first_needed, taken] = row[arrays.needed[needed]]
        taken += 1
    add_totals(held, taken)
    return taken


@compiled_part
def add_totals(held: NDArray[np.int64], count: int) -> None:
    """Write the rows of ``held`` that add up the amounts of its first ``count`` events.

    Totals wrap around at 64 bits; a difference of two is right as long as it fits itself.
    """
    known, total = 0, 0
    for place in range(count):
        held[HELD_KNOWN, place] = known
        held[HELD_TOTAL, place] = total
        amount = held[HELD_AMOUNT, place]
        known += 1 if amount != NO_AMOUNT else 0
        total += amount if amount != NO_AMOUNT else 0
    held[HELD_KNOWN, count] = known
    held[HELD_TOTAL, count] = total


@compiled_part
def _count_before(
    rows: NDArray[np.int64], places: NDArray[np.signedinteger[Any]], time_ms: int
) -> int:
    """Return how many of the places, ascending in time, hold an event before ``time_ms``."""
    low, high = 0, len(places)
    if high == 0 or rows[places[high - 1], EVENT_TIME] < time_ms:
        return high
    while low < high:
        middle = (low + high) // 2
        if rows[places[middle], EVENT_TIME] < time_ms:
            low = middle + 1
        else:
            high = middle
    return low


@compiled_part
def unknown_values(entity: int, arrays: WindowArrays, out: NDArray[np.float64]) -> None:
    """Write NaN for every window of an entity: its key did not come with the query."""
    for lane in range(arrays.entities[entity, 5], arrays.entities[entity, 6]):
        for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
            out[arrays.features[feature, 2]] = np.nan


@compiled_part
def start_search(scratch: Scratch, first: int) -> None:
    """Let the next `window_values` look for each window's end from a column of ``held`` on."""
    scratch.ends[:] = first


@compiled_part
def window_values(
    held: NDArray[np.int64],
    first: int,
    count: int,
    query: NDArray[np.int64],
    entity: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Write the values of one entity's windows for one query.

    Parameters
    ----------
    held : ndarray of int64, shape (4 + needed columns, more than first + count)
        The events that the query sees, newest first, in columns ``first`` to
        ``first + count``; see `Scratch.held`.
    query : ndarray of int64, shape (n_columns,)
        What is asked.
    entity : int
        Row of ``arrays.entities``.
    scratch : Scratch
        Its ends say where the search for each window's oldest event begins; `start_search`
        sets them. Those that a query leaves also do for one of the same key and ``held`` that
        is not newer.
    out : ndarray of float64, shape (n_columns_out,)
        Written at the columns of the entity's features only.
    """
    first_window, last_window = arrays.entities[entity, 3], arrays.entities[entity, 4]
    end = first
    for window in range(first_window, last_window):
        oldest_ms = query[EVENT_TIME] - arrays.windows[window]
        end = min(max(end, scratch.ends[window - first_window]), first + count)
        while end < first + count and held[HELD_TIME, end] >= oldest_ms:
            end += 1
        scratch.ends[window - first_window] = end
    for lane in range(arrays.entities[entity, 5], arrays.entities[entity, 6]):
        kind = arrays.lanes[lane, 0]
        if kind == Lane.EVENTS:
            events_lane(held, first, query, lane, arrays, scratch, out)
        elif kind == Lane.AMOUNTS:
            amounts_lane(held, first, query, lane, arrays, scratch, out)
        elif kind == Lane.EXTREMES:
            extremes_lane(held, first, query, lane, arrays, scratch, out)
        elif kind == Lane.SPREAD:
            spread_lane(held, first, query, lane, arrays, scratch, out)
        elif kind == Lane.DISTINCT:
            distinct_lane(held, first, query, lane, arrays, scratch, out)
        else:
            same_lane(held, first, query, lane, arrays, scratch, out)
