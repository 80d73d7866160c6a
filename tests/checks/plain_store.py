"""A store as short as the port allows: rows in a list, the kernel for the values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import ALLOWED_LATENESS_MS, Appended, StoreCounters
from fraudkit.features.window import (
    start_search,
    take_visible,
    unknown_values,
    window_values,
)
from fraudkit.features.window_arrays import EVENT_ID, EVENT_TIME, NEVER, NO_KEY, new_scratch

__all__ = ["PlainStore"]

Row = NDArray[np.int64]


class PlainStore:
    """Holds the contract; the stores of the tests change one thing of it each."""

    outlives_process = False

    def __init__(self, plan: WindowPlan, *, allowed_lateness_ms: int = ALLOWED_LATENESS_MS) -> None:
        self.plan = plan
        self.allowed_lateness_ms = allowed_lateness_ms
        self.rows: list[Row] = []
        self.waiting: list[tuple[int, Status, int]] = []
        self.newest_ms = -(2**62)
        self.duplicates = self.too_late = 0
        self.scratch = new_scratch(plan.arrays, plan.max_events)

    @property
    def counters(self) -> StoreCounters:
        return StoreCounters(
            events=len(self.rows),
            keys=self.n_keys(),
            duplicates=self.duplicates,
            too_late=self.too_late,
            evicted_by_age=0,
            evicted_by_capacity=0,
            outcomes_pending=len(self.waiting),
            outcomes_dropped=0,
        )

    def read(self, query: Row, out: NDArray[np.float64]) -> None:
        log = self.log()
        for entity, column in enumerate(self.plan.arrays.entities[:, 0]):
            if query[column] == NO_KEY:
                unknown_values(entity, self.plan.arrays, out)
                continue
            places = np.flatnonzero(log[:, column] == query[column])
            order = np.lexsort((log[places, EVENT_ID], log[places, EVENT_TIME]))
            held, scratch = self.scratch.held, self.scratch
            count = take_visible(
                log, places[order], query, entity, self.plan.max_events, self.plan.arrays, held
            )
            start_search(scratch, 0)
            window_values(held, 0, count, query, entity, self.plan.arrays, scratch, out)

    def log(self) -> Row:
        return np.array(self.rows, np.int64).reshape(-1, self.plan.n_columns)

    def append(self, event: Row) -> Appended:
        if self.find(int(event[EVENT_ID])) is not None:
            self.duplicates += 1
            return Appended.DUPLICATE
        if self.is_too_late(event):
            self.too_late += 1
            return Appended.TOO_LATE
        self.newest_ms = max(self.newest_ms, int(event[EVENT_TIME]))
        self.rows.append(event.copy())
        due = [told for told in self.waiting if told[0] == event[EVENT_ID]]
        self.waiting = [told for told in self.waiting if told[0] != event[EVENT_ID]]
        for told in due:
            self.record(*told)
        return Appended.ACCEPTED

    def is_too_late(self, event: Row) -> bool:
        return bool(event[EVENT_TIME] < self.newest_ms - self.allowed_lateness_ms)

    def exchange(self, event: Row, out: NDArray[np.float64]) -> Appended:
        self.read(event, out)
        return self.append(event)

    def exchange_at_once(self, event: Row, out: NDArray[np.float64]) -> Appended | None:
        return self.exchange(event, out)

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        row, column = self.find(event_id), self.plan.status_column(status)
        if row is not None and column is not None:
            row[column] = min(int(row[column]), known_at_ms)
        elif column is not None:
            self.waiting.append((event_id, status, known_at_ms))
        return row is not None

    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        row = self.find(event_id)
        if row is None:
            return False
        self.rows = [row for row in self.rows if row[EVENT_ID] != event_id]
        for status in self.plan.statuses:
            known_at_ms = int(row[self.plan.status_column(status)])
            if known_at_ms != NEVER and (status, known_at_ms) != unsaid:
                self.record(event_id, status, known_at_ms)
        return True

    def erase(self, event: Row) -> bool:
        event_id = int(event[EVENT_ID])
        is_held = self.find(event_id) is not None
        self.rows = [row for row in self.rows if row[EVENT_ID] != event_id]
        self.waiting = [told for told in self.waiting if told[0] != event_id]
        return is_held

    def n_keys(self) -> int:
        columns = self.plan.arrays.entities[:, 0]
        return sum(len(set(self.log()[:, column].tolist()) - {NO_KEY}) for column in columns)

    def load(self, events: Row) -> None:
        for event in events:
            self.append(event)

    def close(self) -> None:
        pass

    def find(self, event_id: int) -> Row | None:
        found = [row for row in self.rows if row[EVENT_ID] == event_id]
        return found[0] if found else None
