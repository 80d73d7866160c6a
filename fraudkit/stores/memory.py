"""The embedded store: one process, everything in memory, bounded."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError
from fraudkit.features.state import Appended, Event, StoreCounters, WindowPlan
from fraudkit.features.window import EVENT_TIME, FIRST_STATUS, new_scratch
from fraudkit.stores import event_log

__all__ = ["DAY_MS", "MemoryStore"]

DAY_MS: Final = 86_400_000


class MemoryStore:
    """Past events in one process's memory.

    A window's value depends on the events held and the query alone. Events older than the
    widest window plus the allowed lateness are let go as newer ones come, which changes no
    value; beyond ``capacity_events`` the earliest arrivals are let go, which may, and is
    counted.

    Parameters
    ----------
    plan : WindowPlan
        The windows that will be read.
    capacity_events : int
        The most events held. Memory is about ``8 * (3 + columns + entities)`` bytes an event
        plus the tables, and is taken as it is used.
    allowed_lateness_ms : int
        How much older than the newest event an event may be and still be taken in.
    pending_outcomes_max : int
        How many outcomes may wait for transactions that have not come yet.

    Notes
    -----
    Not thread-safe by itself; `fraudkit.Engine` serialises its use. `read` is O(events of the
    entities in the widest window), at most ``max_events`` each; `append` is O(entities) for an
    event in order. A late event or query walks past the key's newer events first: on a hot key
    that costs what they are many, and ``allowed_lateness_ms`` is the bound.
    """

    def __init__(
        self,
        plan: WindowPlan,
        *,
        capacity_events: int = 1_000_000,
        allowed_lateness_ms: int = DAY_MS,
        pending_outcomes_max: int = 100_000,
    ) -> None:
        if capacity_events < 1 or pending_outcomes_max < 1 or allowed_lateness_ms < 0:
            raise InputError(
                "capacity_events and pending_outcomes_max must be at least 1 and "
                f"allowed_lateness_ms at least 0, got {capacity_events}, {pending_outcomes_max} "
                f"and {allowed_lateness_ms}"
            )
        self._plan = plan
        self._log = event_log.new_event_log(
            capacity_events, plan.n_columns, len(plan.entity_places)
        )
        self._allowed_lateness_ms = allowed_lateness_ms
        self._retention_ms = plan.window_ms_max + allowed_lateness_ms
        self._pending_max = pending_outcomes_max
        self._pending: dict[int, list[tuple[Status, int]]] = {}
        self._status_column = {
            status: FIRST_STATUS + index for index, status in enumerate(plan.statuses)
        }
        self._scratch = new_scratch(plan.arrays, plan.max_events)
        self._places = np.zeros(plan.max_events, np.int64)
        self._n_pending = 0
        self._n_dropped = 0

    @property
    def counters(self) -> StoreCounters:
        """What it holds, and what it let go."""
        state = self._log.state.tolist()
        return StoreCounters(
            events=state[event_log.HELD],
            keys=state[event_log.KEYS],
            duplicates=state[event_log.DUPLICATES],
            too_late=state[event_log.LATE],
            evicted_by_age=state[event_log.EVICTED_BY_AGE],
            evicted_by_capacity=state[event_log.EVICTED_BY_CAPACITY],
            outcomes_pending=self._n_pending,
            outcomes_dropped=self._n_dropped,
        )

    def read(
        self, keys: NDArray[np.int64], time_ms: int, amount: int, out: NDArray[np.float64]
    ) -> None:
        """Write the value of every window for a query; see `StateStore.read`."""
        plan = self._plan
        event_log.read_windows(
            self._log,
            keys,
            time_ms,
            amount,
            plan.max_events,
            plan.arrays,
            self._scratch,
            self._places,
            out,
        )

    def event_time_of(self, event_id: int) -> int | None:
        """Return the event time of an event that is held, or ``None``; changes nothing."""
        place = event_log.find(self._log.place_of_id, event_id)
        return int(self._log.rows[place, EVENT_TIME]) if place >= 0 else None

    def classify(self, event: Event) -> Appended:
        """Return what `append` would do with the event now; changes nothing."""
        return Appended(
            event_log.classify_event(
                self._log, event.event_id, event.event_time_ms, self._allowed_lateness_ms
            )
        )

    def append(self, event: Event) -> Appended:
        """Take an event in, once."""
        self._widen_tables()
        appended = Appended(
            event_log.append_event(
                self._log,
                event.event_id,
                event.event_time_ms,
                event.amount,
                event.keys,
                self._allowed_lateness_ms,
                self._retention_ms,
            )
        )
        if self._pending and appended is Appended.ACCEPTED:
            for status, known_at_ms in self._pending.pop(event.event_id, ()):
                self._n_pending -= 1
                self.record(event.event_id, status, known_at_ms)
        return appended

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        """Note what became of an event; see `StateStore.record`."""
        column = self._status_column.get(status)
        if column is None:
            return bool(event_log.find(self._log.place_of_id, event_id) >= 0)
        if event_log.record_status(self._log, event_id, column, known_at_ms):
            return True
        if self._n_pending >= self._pending_max:
            oldest = next(iter(self._pending))
            lost = len(self._pending.pop(oldest))
            self._n_pending -= lost
            self._n_dropped += lost
        self._pending.setdefault(event_id, []).append((status, known_at_ms))
        self._n_pending += 1
        return False

    def _widen_tables(self) -> None:
        """Keep both tables at most half full, whatever the next event brings."""
        log, state = self._log, self._log.state
        if 2 * (state[event_log.KEYS] + len(self._plan.entity_places)) > len(log.newest_of_key):
            self._log = self._log._replace(newest_of_key=_wider(log.newest_of_key))
        if 2 * (state[event_log.HELD] + 1) > len(log.place_of_id):
            self._log = self._log._replace(place_of_id=_wider(log.place_of_id))


def _wider(table: NDArray[np.int64]) -> NDArray[np.int64]:
    wider = np.zeros((2 * len(table), 2), np.int64)
    event_log.move_entries(table, wider)
    return wider
