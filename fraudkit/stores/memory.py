"""The embedded store: one process, everything in memory, bounded."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import ALLOWED_LATENESS_MS, Appended, StoreCounters
from fraudkit.features.window import (
    start_search,
    take_visible,
    unknown_values,
    window_values,
)
from fraudkit.features.window_arrays import (
    EVENT_ID,
    FIRST_STATUS,
    NEVER,
    NO_KEY,
    Scratch,
    WindowArrays,
    new_scratch,
)
from fraudkit.stores import event_arrays, event_log
from fraudkit.stores.event_arrays import EventArrays
from fraudkit.stores.event_log import NO_ROOM
from fraudkit.stores.key_blocks import find_places, prefetch_events

__all__ = ["CAPACITY_MAX", "MemoryStore"]

CAPACITY_MAX: Final = 100_000_000
"""Places of events are 32-bit integers."""

_APPENDED: Final = tuple(Appended)


class MemoryStore:
    """Past events in one process's memory.

    A window's value depends on the events held and the query alone. Events older than the
    plan's retention plus the allowed lateness are let go as newer ones come, which changes no
    value; beyond ``capacity_events`` the earliest arrivals are let go, which may, and is
    counted.

    Parameters
    ----------
    plan : WindowPlan
        The windows that will be read.
    capacity_events : int
        The most events held. Memory is taken as it is used: ``8 * plan.n_columns`` bytes an
        event, about 6 for each of its keys, 8 to 16 for its id, and about 50 a different key.
    allowed_lateness_ms : int
        How much older than the newest event an event may be and still be taken in.
    pending_outcomes_max : int
        How many outcomes may wait for transactions that have not come yet.

    Notes
    -----
    Not thread-safe by itself; `fraudkit.Engine` serialises its use. `read` looks at the newest
    ``max_events`` events of each entity at most, however many it has and however late the query;
    `append` costs the same for each event that comes in order. A late event of a key moves the
    key's newer places by one.
    """

    def __init__(
        self,
        plan: WindowPlan,
        *,
        capacity_events: int = 1_000_000,
        allowed_lateness_ms: int = ALLOWED_LATENESS_MS,
        pending_outcomes_max: int = 100_000,
    ) -> None:
        if not 1 <= capacity_events <= CAPACITY_MAX:
            raise InputError(f"capacity_events must be 1 to {CAPACITY_MAX}, got {capacity_events}")
        if pending_outcomes_max < 1 or allowed_lateness_ms < 0:
            raise InputError(
                "pending_outcomes_max must be at least 1 and allowed_lateness_ms at least 0, "
                f"got {pending_outcomes_max} and {allowed_lateness_ms}"
            )
        self._plan = plan
        self._log = event_arrays.new_event_arrays(
            capacity_events, plan.n_columns, np.ascontiguousarray(plan.arrays.entities[:, 0])
        )
        self._allowed_lateness_ms = allowed_lateness_ms
        self._retention_ms = plan.retention_ms + allowed_lateness_ms
        self._pending_max = pending_outcomes_max
        self._pending: dict[int, list[tuple[int, int]]] = {}
        self._scratch = new_scratch(plan.arrays, plan.max_events)
        self._n_pending = 0
        self._n_dropped = 0

    @property
    def counters(self) -> StoreCounters:
        """What it holds, and what it let go."""
        state = self._log.state.tolist()
        return StoreCounters(
            events=state[event_arrays.RING_ROWS] - state[event_arrays.FORGOTTEN],
            keys=state[event_arrays.KEYS],
            duplicates=state[event_arrays.DUPLICATES],
            too_late=state[event_arrays.TOO_LATES],
            evicted_by_age=state[event_arrays.EVICTED_BY_AGE],
            evicted_by_capacity=state[event_arrays.EVICTED_BY_CAPACITY],
            outcomes_pending=self._n_pending,
            outcomes_dropped=self._n_dropped,
        )

    @property
    def outlives_process(self) -> bool:
        """Nothing in memory does."""
        return False

    @property
    def bytes_held(self) -> int:
        """The bytes of all arrays, those of the ring as far as it was filled."""
        log = self._log
        ring = int(log.state[event_arrays.RING_ROWS]) * log.rows.shape[1] * 8
        return ring + int(log.keys.nbytes + log.pool.nbytes + log.ids.nbytes)

    def read(self, query: NDArray[np.int64], out: NDArray[np.float64]) -> None:
        """Write the value of every window for a query; see `StateStore.read`."""
        _read(*self._log, query, *self._plan.arrays, *self._scratch, self._plan.max_events, out)

    def append(self, event: NDArray[np.int64]) -> Appended:
        """Take an event in, once."""
        found = NO_ROOM
        while found == NO_ROOM:
            found = _append(*self._log, event, self._allowed_lateness_ms, self._retention_ms)
            if found == NO_ROOM:
                self._log = event_log.grown(self._log)
        return self._appended(event, found)

    def exchange(self, event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        """Read for an event, then append it."""
        found = _exchange(
            *self._log,
            event,
            *self._plan.arrays,
            *self._scratch,
            self._plan.max_events,
            out,
            self._allowed_lateness_ms,
            self._retention_ms,
        )
        return self.append(event) if found == NO_ROOM else self._appended(event, found)

    def exchange_at_once(
        self, event: NDArray[np.int64], out: NDArray[np.float64]
    ) -> Appended | None:
        """`exchange`: no other process is asked."""
        return self.exchange(event, out)

    def _appended(self, event: NDArray[np.int64], found: int) -> Appended:
        if self._pending and found == event_log.ACCEPTED:
            self._settle(int(event[0]))
        return _APPENDED[found]

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        """Note what became of an event; see `StateStore.record`."""
        column = self._plan.status_column(status)
        if column is None:
            return bool(_find(*self._log, event_id) >= 0)
        if _record(*self._log, event_id, column, known_at_ms):
            return True
        self._wait(event_id, column, known_at_ms)
        return False

    def _wait(self, event_id: int, column: int, known_at_ms: int) -> None:
        """Have an outcome wait for its event; the longest waiting make room."""
        if self._n_pending >= self._pending_max:
            oldest = next(iter(self._pending))
            lost = len(self._pending.pop(oldest))
            self._n_pending -= lost
            self._n_dropped += lost
        self._pending.setdefault(event_id, []).append((column, known_at_ms))
        self._n_pending += 1

    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        """Take an event out again; see `StateStore.forget`."""
        place = int(_find(*self._log, event_id))
        if place < 0:
            return False
        known = self._log.rows[place, FIRST_STATUS : self._plan.first_hash].tolist()
        _forget(*self._log, event_id)
        taken_back = (self._plan.status_column(unsaid[0]), unsaid[1]) if unsaid else None
        for column, known_at_ms in enumerate(known, FIRST_STATUS):
            if known_at_ms != NEVER and (column, known_at_ms) != taken_back:
                self._wait(event_id, column, known_at_ms)
        return True

    def erase(self, event: NDArray[np.int64]) -> bool:
        """Take an event out for good; see `StateStore.erase`."""
        event_id = int(event[EVENT_ID])
        self._n_pending -= len(self._pending.pop(event_id, ()))
        return bool(_forget(*self._log, event_id))

    def load(self, events: NDArray[np.int64]) -> None:
        """Append many events in the order of their rows; see `StateStore.load`.

        While outcomes wait for their events, one by one.
        """
        if self._pending:
            for event in events:
                self.append(event)
            return
        done = 0
        while True:
            done += _append_many(
                *self._log, events[done:], self._allowed_lateness_ms, self._retention_ms
            )
            if done == len(events):
                break
            self._log = event_log.grown(self._log)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def _settle(self, event_id: int) -> None:
        """Note the outcomes that waited for an event."""
        for column, known_at_ms in self._pending.pop(event_id, ()):
            self._n_pending -= 1
            _record(*self._log, event_id, column, known_at_ms)


# The arrays go in one by one: Numba takes a tuple of arrays apart far more slowly.


@compiled
def _read(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    query: NDArray[np.int64],
    entities: NDArray[np.int64],
    needed: NDArray[np.int64],
    windows: NDArray[np.int64],
    lanes: NDArray[np.int64],
    features: NDArray[np.int64],
    held: NDArray[np.int64],
    ends: NDArray[np.int64],
    seen: NDArray[np.int64],
    max_events: int,
    out: NDArray[np.float64],
) -> None:
    log = EventArrays(rows, indexed, keys, pool, ids, state)
    arrays = WindowArrays(entities, needed, windows, lanes, features)
    _fill(log, query, arrays, Scratch(held, ends, seen), max_events, out)


@compiled_part
def _fill(
    log: EventArrays,
    query: NDArray[np.int64],
    arrays: WindowArrays,
    scratch: Scratch,
    max_events: int,
    out: NDArray[np.float64],
) -> None:
    """Write the value of every window for a query."""
    entities, held = arrays.entities, scratch.held
    prefetch_events(log, query, entities[:, 0])
    for entity in range(len(entities)):
        column = entities[entity, 0]
        if query[column] == NO_KEY:
            unknown_values(entity, arrays, out)
            continue
        places = find_places(log, query[column], column)
        count = take_visible(log.rows, places, query, entity, max_events, arrays, held)
        start_search(scratch, 0)
        window_values(held, 0, count, query, entity, arrays, scratch, out)


@compiled
def _append(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    event: NDArray[np.int64],
    allowed_lateness_ms: int,
    retention_ms: int,
) -> int:
    log = EventArrays(rows, indexed, keys, pool, ids, state)
    return event_log.append_event(log, event, allowed_lateness_ms, retention_ms)


@compiled
def _exchange(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    event: NDArray[np.int64],
    entities: NDArray[np.int64],
    needed: NDArray[np.int64],
    windows: NDArray[np.int64],
    lanes: NDArray[np.int64],
    features: NDArray[np.int64],
    held: NDArray[np.int64],
    ends: NDArray[np.int64],
    seen: NDArray[np.int64],
    max_events: int,
    out: NDArray[np.float64],
    allowed_lateness_ms: int,
    retention_ms: int,
) -> int:
    log = EventArrays(rows, indexed, keys, pool, ids, state)
    arrays = WindowArrays(entities, needed, windows, lanes, features)
    _fill(log, event, arrays, Scratch(held, ends, seen), max_events, out)
    return event_log.append_event(log, event, allowed_lateness_ms, retention_ms)


@compiled
def _append_many(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    events: NDArray[np.int64],
    allowed_lateness_ms: int,
    retention_ms: int,
) -> int:
    """Append until there is no room; returns how many events were dealt with."""
    log = EventArrays(rows, indexed, keys, pool, ids, state)
    for index in range(len(events)):
        found = event_log.append_event(log, events[index], allowed_lateness_ms, retention_ms)
        if found == NO_ROOM:
            return index
    return len(events)


@compiled
def _find(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    event_id: int,
) -> int:
    return event_log.find_event(EventArrays(rows, indexed, keys, pool, ids, state), event_id)


@compiled
def _record(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    event_id: int,
    column: int,
    known_at_ms: int,
) -> bool:
    place = event_log.find_event(EventArrays(rows, indexed, keys, pool, ids, state), event_id)
    if place < 0:
        return False
    rows[place, column] = min(rows[place, column], known_at_ms)
    return True


@compiled
def _forget(
    rows: NDArray[np.int64],
    indexed: NDArray[np.int64],
    keys: NDArray[np.int64],
    pool: NDArray[np.int32],
    ids: NDArray[np.int32],
    state: NDArray[np.int64],
    event_id: int,
) -> bool:
    return event_log.forget_event(EventArrays(rows, indexed, keys, pool, ids, state), event_id)
