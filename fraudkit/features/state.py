"""The port to the past: what a store of events must do, whoever implements it.

`fraudkit.checks.check_store` proves an implementation.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status

__all__ = ["ALLOWED_LATENESS_MS", "Appended", "StateStore", "StoreCounters"]

ALLOWED_LATENESS_MS: Final = 86_400_000
"""How much older than the newest event an event may be by default and still be taken in."""


class Appended(IntEnum):
    """What became of an event."""

    ACCEPTED = 0
    DUPLICATE = 1
    TOO_LATE = 2


class StoreCounters(Struct, frozen=True, kw_only=True):
    """What a store holds, and what it let go.

    Attributes
    ----------
    events, keys : int
        Held now.
    duplicates, too_late : int
        Events not taken in.
    evicted_by_age, evicted_by_capacity : int
        Events let go; only those by capacity can change a window's value.
    outcomes_pending, outcomes_dropped : int
        Outcomes that wait for their transaction, and those that waited in vain.
    """

    events: int
    keys: int
    duplicates: int
    too_late: int
    evicted_by_age: int
    evicted_by_capacity: int
    outcomes_pending: int
    outcomes_dropped: int


class StateStore(Protocol):
    """A store of past events for one `fraudkit.features.plan.WindowPlan`.

    Events and queries are rows as `WindowPlan.event_row` makes them. Windows hold what
    `fraudkit.features.window` says; the values are its kernel's. Calls are one at a time.

    An event id counts once, as it was first taken in. A late event stands where it belongs by
    its event time; one that is older than the newest event by more than the allowed lateness is
    not taken in, and counted.
    """

    @property
    def counters(self) -> StoreCounters:
        """What it holds, and what it let go."""
        ...

    @property
    def outlives_process(self) -> bool:
        """Whether what was appended is still there when the process starts anew."""
        ...

    def read(self, query: NDArray[np.int64], out: NDArray[np.float64]) -> None:
        """Write the value of every window for a query; changes nothing.

        Parameters
        ----------
        query : ndarray of int64, shape (n_columns,)
            Its "known at" times mean nothing. Windows of an entity without a hash become NaN.
        out : ndarray of float64, shape (n_out,)
            The feature row; only the windows' columns are written.

        Raises
        ------
        fraudkit.errors.StoreError
            If the store cannot be reached. What ``out`` then holds means nothing.
        """
        ...

    def append(self, event: NDArray[np.int64]) -> Appended:
        """Take an event in, once, with the "known at" times that it brings."""
        ...

    def exchange(self, event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        """Read for an event, then append it; of two events of a key the later sees the other.

        Raises
        ------
        fraudkit.errors.StoreError
            If the store cannot be reached. What ``out`` then holds means nothing; the event is
            kept, within bounds, and appended when it can be.
        """
        ...

    def exchange_at_once(
        self, event: NDArray[np.int64], out: NDArray[np.float64]
    ) -> Appended | None:
        """`exchange` without waiting for another process.

        Returns ``None`` where the store is in one: then nothing was read, and the event is kept,
        within bounds, and appended by a later call.
        """
        ...

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        """Note what became of an event and when that was known; the earliest time stands.

        Returns whether the event is held. One that is not held yet may still come: its outcomes
        wait for it.

        Raises
        ------
        fraudkit.errors.StoreError
            If the store cannot be reached. What was to be noted is kept, within bounds, and
            noted when it can be.
        """
        ...

    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        """Take an event out again; returns whether it was held.

        What was recorded of it waits for the event to come again.

        Parameters
        ----------
        unsaid : (Status, int), optional
            A status and its "known at" time that were recorded and count no more: where these
            stand, the status is unknown again.
        """
        ...

    def erase(self, event: NDArray[np.int64]) -> bool:
        """Take an event out for good, with all that was told of it; returns whether it was held.

        No read then differs from one of a store that it never came to, but that an event which
        is too late because of it stays so.

        Parameters
        ----------
        event : ndarray of int64, shape (n_columns,)
            As it was appended; its "known at" times mean nothing.

        Raises
        ------
        fraudkit.errors.StoreError
            If the store cannot be reached. It may then have been taken out in part; erase it
            again.
        """
        ...

    def load(self, events: NDArray[np.int64]) -> None:
        """Append many events, in the order of their rows; the same as one by one, and faster.

        Parameters
        ----------
        events : ndarray of int64, shape (n_events, n_columns)
        """
        ...

    def close(self) -> None:
        """Let go of connections; what is held in another process stays there."""
        ...
