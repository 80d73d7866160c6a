"""Windows of many queries at once: each row as a store would have answered it when it was asked.

Events and queries are columns of one log. Every row is a query; those that a store would have
taken in are events too. Per entity the events are grouped by key, newest first, so that what a
query sees is one contiguous stretch, which the kernel reads in place. Where it is not (an event
that was not available yet, the query's own event delivered before), the kernel picks it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.features.offline_groups import (
    Groups,
    group_slot,
    grouped,
)
from fraudkit.features.plan import WindowPlan
from fraudkit.features.window import start_search, take_visible, window_values
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    HELD_AMOUNT,
    HELD_TIME,
    NO_KEY,
    Lane,
    Scratch,
    WindowArrays,
    new_scratch,
)

__all__ = ["THREADS", "Log", "accepted_events", "fill_windows", "window_columns"]

_BLOCK_ROWS: Final = 2048
THREADS: Final = os.cpu_count() or 1
"""How many threads compute."""


class Log(NamedTuple):
    """Events and queries.

    Attributes
    ----------
    columns : ndarray of int64, shape (n_columns, n)
        As `fraudkit.features.window_arrays` describes a row, one array row a column. Event ids need
        be true only where `fraudkit.features.offline_windows.Log` rows share key and time, or
        id; else any that differ will do.
    events : ndarray of int64, shape (n_events,)
        The rows that are events, by ascending event time; those of one key by event id too.
    others : ndarray of int64, shape (n - n_events,)
        The rows that are queries only.
    first_query : int
        Rows before this one get no answer.
    """

    columns: NDArray[np.int64]
    events: NDArray[np.int64]
    others: NDArray[np.int64]
    first_query: int


def window_columns(
    events: NDArray[np.int64],
    queries: NDArray[np.int64],
    plan: WindowPlan,
    *,
    allowed_lateness_ms: int | None = None,
) -> NDArray[np.float64]:
    """Return what a store would have answered.

    Parameters
    ----------
    events : ndarray of int64, shape (n_events, n_columns)
        Rows of `WindowPlan.event_row`, with their "known at" times; an id that comes again, or
        too late, is not taken in.
    queries : ndarray of int64, shape (n_queries, n_columns)
        Each sees the events that were available before it was.
    allowed_lateness_ms : int, optional
        No event is too late if not given.

    Returns
    -------
    ndarray of float64, shape (n_queries, plan.n_out)
        NaN in the columns before ``plan.first_out``.
    """
    columns = np.ascontiguousarray(np.concatenate([events, queries]).T)
    is_event = np.zeros(columns.shape[1], np.bool_)
    is_event[: len(events)] = accepted_events(
        events[:, EVENT_ID], events[:, EVENT_TIME], events[:, AVAILABLE_AT], allowed_lateness_ms
    )
    rows = np.flatnonzero(is_event)
    order = np.lexsort((columns[EVENT_ID, rows], columns[EVENT_TIME, rows]))
    out = np.full((len(queries), plan.n_out), np.nan)
    fill_windows(Log(columns, rows[order], np.flatnonzero(~is_event), len(events)), plan, out)
    return out


def accepted_events(
    event_ids: NDArray[np.int64],
    event_time_ms: NDArray[np.int64],
    available_at_ms: NDArray[np.int64],
    allowed_lateness_ms: int | None,
) -> NDArray[np.bool_]:
    """Return which events a store takes in, coming in order of (available at, row).

    Parameters
    ----------
    event_ids, event_time_ms, available_at_ms : ndarray of int64, shape (n,)
        Equal ids are one event.
    allowed_lateness_ms : int or None
        See `fraudkit.features.state.StateStore`; ``None`` takes in whatever is late.
    """
    arrival = np.argsort(available_at_ms, kind="stable")
    _, first = np.unique(event_ids[arrival], return_index=True)
    is_first = np.zeros(len(arrival), np.bool_)
    is_first[first] = True
    accepted = np.zeros(len(arrival), np.bool_)
    lateness = -1 if allowed_lateness_ms is None else allowed_lateness_ms
    accepted[arrival] = _in_time(event_ids[arrival], event_time_ms[arrival], is_first, lateness)
    return accepted


@compiled
def _in_time(
    event_ids: NDArray[np.int64],
    event_time_ms: NDArray[np.int64],
    is_first: NDArray[np.bool_],
    allowed_lateness_ms: int,
) -> NDArray[np.bool_]:
    """Return which first deliveries are not too late; one that is may be delivered again."""
    taken = np.zeros(len(event_ids), np.bool_)
    refused = {np.int64(0)}
    newest_ms = np.int64(-(2**62))
    for row in range(len(event_ids)):
        if not is_first[row] and event_ids[row] not in refused:
            continue
        if allowed_lateness_ms >= 0 and event_time_ms[row] < newest_ms - allowed_lateness_ms:
            refused.add(event_ids[row])
            continue
        taken[row] = True
        refused.discard(event_ids[row])
        newest_ms = max(newest_ms, event_time_ms[row])
    return taken


def fill_windows(log: Log, plan: WindowPlan, out: NDArray[np.float64]) -> None:
    """Write every window of every query.

    Parameters
    ----------
    out : ndarray of float64, shape (n - log.first_query, plan.n_out)
        Only the windows' columns are written.
    """
    n_entities = len(plan.arrays.entities)
    parts = -(-THREADS // n_entities) if n_entities else 0
    with ThreadPoolExecutor(THREADS) as pool:
        tasks = [
            pool.submit(_fill_entity, log, entity, plan, parts, out) for entity in range(n_entities)
        ]
        for task in tasks:
            task.result()


def _fill_entity(
    log: Log, entity: int, plan: WindowPlan, parts: int, out: NDArray[np.float64]
) -> None:
    arrays, columns = _own_columns(plan.arrays, entity)
    key, first_needed, last_needed = arrays.entities[entity, :3]
    groups = grouped(log.columns, log.events, key, arrays.needed[first_needed:last_needed])
    n_grouped, n_groups = len(groups.order), len(groups.starts) - 1
    bounds = np.searchsorted(groups.starts, np.linspace(0, n_grouped, parts + 1)[1:-1])
    edges = [0, *bounds.tolist(), n_groups]

    def fill(first_key: int, last_key: int) -> None:
        scratch = new_scratch(arrays, plan.max_events)
        values = np.empty((_BLOCK_ROWS, len(columns)))
        keys = (first_key, last_key)
        _fill_keys(
            log, groups, keys, entity, plan.max_events, arrays, scratch, values, columns, out
        )

    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(fill, edges[:-1], edges[1:]))
    keyless = np.flatnonzero(log.columns[key, log.first_query :] == NO_KEY)
    out[np.ix_(keyless, columns)] = np.nan
    others = log.others[log.others >= log.first_query]
    others = others[log.columns[key, others] != NO_KEY]
    if len(others):
        answers = np.empty((len(others), len(columns)))
        scratch = new_scratch(arrays, plan.max_events)
        _fill_others(log, groups, others, entity, plan.max_events, arrays, scratch, answers)
        out[np.ix_(others - log.first_query, columns)] = answers


def _own_columns(arrays: WindowArrays, entity: int) -> tuple[WindowArrays, NDArray[np.int64]]:
    """Return arrays that write one entity's features side by side, and where they belong."""
    first_lane, last_lane = arrays.entities[entity, 5:7]
    first, last = arrays.lanes[first_lane, 4], arrays.lanes[last_lane - 1, 5]
    features = arrays.features.copy()
    features[first:last, 2] = np.arange(last - first)
    return arrays._replace(features=features), arrays.features[first:last, 2].copy()


@compiled
def _fill_keys(
    log: Log,
    groups: Groups,
    keys: tuple[int, int],
    entity: int,
    max_events: int,
    arrays: WindowArrays,
    scratch: Scratch,
    values: NDArray[np.float64],
    targets: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Answer the queries that are events, in the order of the groups."""
    query = np.zeros(len(log.columns), np.int64)
    picking = Scratch(scratch.held, scratch.ends.copy(), scratch.seen)
    times = groups.held[HELD_TIME]
    done = groups.starts[keys[0]]
    for group in range(keys[0], keys[1]):
        first, end = groups.starts[group], groups.starts[group + 1]
        start_search(scratch, first)
        for place in range(groups.starts[group], end):
            if place - done == len(values):
                _put_back(values, groups.order[done:place], log.first_query, targets, out)
                done = place
            row = groups.order[place]
            first = max(first, place + 1)
            while first < end and times[first] == times[place]:
                first += 1
            if row < log.first_query:
                continue
            query[EVENT_TIME] = times[place]
            query[AVAILABLE_AT] = groups.asked_ms[place]
            query[AMOUNT] = groups.held[HELD_AMOUNT, place]
            for lane in range(arrays.entities[entity, 5], arrays.entities[entity, 6]):
                if arrays.lanes[lane, 0] == Lane.SAME:
                    query[arrays.lanes[lane, 3]] = groups.held[arrays.lanes[lane, 2], place]
            answer = values[place - done]
            if first == end or groups.available_ms[first] < query[AVAILABLE_AT]:
                count = min(end - first, max_events)
                window_values(groups.held, first, count, query, entity, arrays, scratch, answer)
            else:
                query[EVENT_ID] = log.columns[EVENT_ID, row]
                _pick_and_fill(
                    log, groups, group, query, entity, max_events, arrays, picking, answer
                )
    rest = groups.order[done : groups.starts[keys[1]]]
    _put_back(values, rest, log.first_query, targets, out)


@compiled
def _put_back(
    values: NDArray[np.float64],
    rows: NDArray[np.int64],
    first_query: int,
    targets: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Copy a block of answers to the rows that asked; ``out`` is laid out by row or by column."""
    for index in range(len(targets)):
        for place in range(len(rows)):
            if rows[place] >= first_query:
                out[rows[place] - first_query, targets[index]] = values[place, index]


@compiled
def _fill_others(
    log: Log,
    groups: Groups,
    others: NDArray[np.int64],
    entity: int,
    max_events: int,
    arrays: WindowArrays,
    scratch: Scratch,
    answers: NDArray[np.float64],
) -> None:
    """Answer queries that are no events."""
    query = np.zeros(len(log.columns), np.int64)
    for index in range(len(others)):
        query[:] = log.columns[:, others[index]]
        key = query[arrays.entities[entity, 0]]
        slot = group_slot(groups.table, key)
        group = groups.table[slot, 1] if groups.table[slot, 0] == key else len(groups.starts) - 1
        _pick_and_fill(
            log, groups, group, query, entity, max_events, arrays, scratch, answers[index]
        )


@compiled
def _pick_and_fill(
    log: Log,
    groups: Groups,
    group: int,
    query: NDArray[np.int64],
    entity: int,
    max_events: int,
    arrays: WindowArrays,
    scratch: Scratch,
    answer: NDArray[np.float64],
) -> None:
    """Answer a query that does not see one stretch of a group; beyond the last group is nothing."""
    first = groups.starts[group]
    end = groups.starts[group + 1] if group + 1 < len(groups.starts) else first
    places = groups.order[first:end][::-1]
    rows = log.columns.T
    count = take_visible(rows, places, query, entity, max_events, arrays, scratch.held)
    start_search(scratch, 0)
    window_values(scratch.held, 0, count, query, entity, arrays, scratch, answer)
