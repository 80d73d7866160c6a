"""What is fed to the stores, kept for the offline driver to replay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.offline_windows import Log, accepted_events, fill_windows, window_columns
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import Appended, StateStore
from fraudkit.features.window_arrays import AVAILABLE_AT, EVENT_ID, EVENT_TIME, NEVER
from fraudkit.stores.memory import MemoryStore
from tests.parity.windows import LATENESS_MS, empty_row

__all__ = ["Delivered", "bytes_of", "offline_answers", "offline_rows"]


def offline_answers(
    events: Sequence[NDArray[np.int64]], queries: Sequence[NDArray[np.int64]], plan: WindowPlan
) -> NDArray[np.float64]:
    """Return the offline driver's answers to questions that are no events.

    Parameters
    ----------
    events : sequence of ndarray
        In order of arrival, with the "known at" times of now.
    queries : sequence of ndarray
        Each is answered as a store would have answered at the query's available-at time.
    """
    return window_columns(
        _matrix(events, plan), _matrix(queries, plan), plan, allowed_lateness_ms=LATENESS_MS
    )


def offline_rows(
    events: Sequence[NDArray[np.int64]], first_query: int, plan: WindowPlan
) -> NDArray[np.float64]:
    """Return the offline driver's rows of the events from ``first_query`` on, taken in or not."""
    columns = np.ascontiguousarray(_matrix(events, plan).T)
    is_event = accepted_events(
        columns[EVENT_ID], columns[EVENT_TIME], columns[AVAILABLE_AT], LATENESS_MS
    )
    taken = np.flatnonzero(is_event)
    order = np.lexsort((columns[EVENT_ID, taken], columns[EVENT_TIME, taken]))
    out = np.full((len(events) - first_query, plan.n_out), np.nan)
    log = Log(columns, taken[order], np.flatnonzero(~is_event), first_query)
    fill_windows(log, plan, out)
    return out


def _matrix(rows: Sequence[NDArray[np.int64]], plan: WindowPlan) -> NDArray[np.int64]:
    return np.array(rows, np.int64).reshape(-1, plan.n_columns)


def bytes_of(store: StateStore) -> tuple[bytes, ...]:
    """Return all that a store in memory holds; nothing for one that holds it elsewhere."""
    log = store._log if isinstance(store, MemoryStore) else ()
    return tuple(array.tobytes() for array in log)


class Delivered:
    """All that a stream brought, in order of arrival.

    What became of an event is noted on the row that was taken in. One that was forgotten leaves
    an empty row of its time: it is in nobody's past, yet it was the newest event once.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self.plan = plan
        self.rows: list[tuple[NDArray[np.int64], Appended]] = []
        self.known_at_ms: dict[int, dict[Status, int]] = {}
        self.n_forgotten = 0

    @property
    def repeatable(self) -> list[NDArray[np.int64]]:
        """All rows but those of the forgotten."""
        return [row for row, _ in self.rows if not 0 < row[EVENT_ID] <= self.n_forgotten]

    @property
    def accepted_ids(self) -> set[int]:
        return {int(row[EVENT_ID]) for row in self.accepted()}

    def deliver(self, row: NDArray[np.int64], appended: Appended) -> None:
        self.rows.append((row.copy(), appended))

    def record(self, event_id: int, status: Status, known_at_ms: int) -> None:
        known = self.known_at_ms.setdefault(event_id, {})
        known[status] = min(known_at_ms, known.get(status, known_at_ms))

    def forget(self, event_id: int) -> None:
        kept = []
        for row, appended in self.rows:
            if row[EVENT_ID] != event_id:
                kept.append((row, appended))
            elif appended is Appended.ACCEPTED:
                for status in self.plan.statuses:
                    known_at_ms = int(row[self.plan.status_column(status)])
                    if known_at_ms != NEVER:
                        self.record(event_id, status, known_at_ms)
                self.n_forgotten += 1
                kept.append((empty_row(self.plan, row, self.n_forgotten), appended))
        self.rows = kept

    def erase(self, event_id: int) -> None:
        self.forget(event_id)
        self.known_at_ms.pop(event_id, None)

    def everything(self) -> list[NDArray[np.int64]]:
        """Return every row that was delivered, also those that were not taken in."""
        return [
            self._as_known(row) if appended is Appended.ACCEPTED else row
            for row, appended in self.rows
        ]

    def accepted(self) -> list[NDArray[np.int64]]:
        """Return the rows that were taken in."""
        return [self._as_known(row) for row, found in self.rows if found is Appended.ACCEPTED]

    def _as_known(self, row: NDArray[np.int64]) -> NDArray[np.int64]:
        row = row.copy()
        for status, known_at_ms in self.known_at_ms.get(int(row[EVENT_ID]), {}).items():
            column = self.plan.status_column(status)
            assert column is not None
            row[column] = min(row[column], known_at_ms)
        return row
