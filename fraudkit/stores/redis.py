"""The shared store: several workers or machines, one Redis or Valkey.

An order costs one round trip, whatever the number of its entities. What cannot be sent while
Redis is down is kept, and sent when it is there again.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError, StoreError
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import ALLOWED_LATENESS_MS, Appended, StoreCounters
from fraudkit.features.window_arrays import EVENT_ID
from fraudkit.stores.redis_commands import RedisCommands
from fraudkit.stores.redis_events import RedisEvents, Told
from fraudkit.stores.redis_link import RedisLink
from fraudkit.stores.redis_nodes import RedisNodes, RedisTimeouts
from fraudkit.stores.redis_rows import RowLayout, RowLimits

__all__ = ["CAPACITY_EVENTS", "RedisStore"]

CAPACITY_EVENTS: Final = 1000
"""The most events of a key by default, where ``max_events`` is at most half of it."""

_CHUNK: Final = 256
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_DEFAULT_TIMEOUTS: Final = RedisTimeouts()


class RedisStore:
    """Past events in Redis 7.0 or later, or in Valkey, shared by all who name the same server.

    Implements `fraudkit.features.state.StateStore`. Workers share what they hold if their plans
    need the same rows and their ``namespace`` and ``allowed_lateness_ms`` are equal; others do
    not see each other. Nothing is connected until the first call.

    Parameters
    ----------
    plan : WindowPlan
        The windows that will be read.
    url : str
        ``redis://user:password@host:6379/0``, ``rediss://`` for TLS, ``unix://`` for a socket;
        of a cluster, any node. Options after a ``?`` are those of redis-py's connections.
    namespace : str
        The first part of every key: 1 to 64 of ``A-Z a-z 0-9 _ . : -``.
    allowed_lateness_ms : int
        How much older than the newest event an event may be and still be taken in.
    capacity_events : int, optional
        The most events of one key, at least twice the plan's ``max_events``. It bites where more
        of them are within the allowed lateness; then a late query may miss some, which is
        counted. `CAPACITY_EVENTS` if not given, or twice ``max_events`` if that is more.
    backlog_max : int
        How many events, and how many outcomes, are kept while Redis is down; the oldest are
        dropped and counted.
    timeouts : RedisTimeouts
        How long Redis is waited for: 50 ms for a connection, 100 ms for an answer, and 1,000 ms
        after a failure before it is asked again, if not given.
    monotonic_s : callable
        Returns seconds from a clock that never runs back. It measures the pause after a failure
        and reaches no value.

    Raises
    ------
    fraudkit.errors.InputError
        If an argument does not hold.

    Notes
    -----
    Not thread-safe by itself; `fraudkit.Engine` serialises its use.

    An exchange appends first and then reads, each key at once: of two orders that share a key,
    the one that is appended later sees the other, wherever its time allows.

    What another worker may see for the length of a round trip: an event that comes again with
    other content, or that proves too late, before it is taken back; an event without the
    outcomes that waited for it; an outcome under one of its event's keys and not yet another.

    Keys expire once they were not written to for the plan's retention plus the allowed lateness.

    `counters` is a few round trips and reads 10,000 keys a node at most: beyond that ``events``,
    ``keys`` and ``outcomes_pending`` are estimates. What Redis let expire is not counted.

    Examples
    --------
    >>> from fraudkit.features.catalog import default_features
    >>> from fraudkit.features.plan import window_plan
    >>> store = RedisStore(window_plan(default_features()), "redis://127.0.0.1:6379/0")
    >>> store.outlives_process, store.backlog
    (True, 0)
    >>> store.close()
    """

    def __init__(
        self,
        plan: WindowPlan,
        url: str,
        *,
        namespace: str = "fraudkit",
        allowed_lateness_ms: int = ALLOWED_LATENESS_MS,
        capacity_events: int | None = None,
        backlog_max: int = 10_000,
        timeouts: RedisTimeouts = _DEFAULT_TIMEOUTS,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        capacity = capacity_events
        if capacity is None:
            capacity = max(CAPACITY_EVENTS, 2 * plan.max_events)
        _check(plan, namespace, capacity, allowed_lateness_ms, backlog_max)
        limits = RowLimits(allowed_lateness_ms, capacity)
        layout = RowLayout(plan, namespace, allowed_lateness_ms)
        commands = RedisCommands(plan, layout, limits)
        nodes = RedisNodes(url, commands.scripts, timeouts)
        self._link = RedisLink(nodes, timeouts, monotonic_s)
        self._events = RedisEvents(plan, layout, limits, commands, self._link)
        self._plan = plan
        self._backlog_max = backlog_max
        self._missed: dict[int, NDArray[np.int64]] = {}
        self._missed_told: deque[Told] = deque()
        self._put_off_id: int | None = None

    @property
    def counters(self) -> StoreCounters:
        """What all workers hold together, and what they let go."""
        return self._events.read_counters()

    @property
    def outlives_process(self) -> bool:
        """Whether what was appended is still there when the process starts anew: always."""
        return True

    @property
    def backlog(self) -> int:
        """How many events and outcomes wait in this process for Redis to be there again."""
        return len(self._missed) + len(self._missed_told)

    def read(self, query: NDArray[np.int64], out: NDArray[np.float64]) -> None:
        """Write the value of every window for a query; see `StateStore.read`."""
        self._events.read(query, out)

    def append(self, event: NDArray[np.int64]) -> Appended:
        """Take an event in, once; two round trips.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve. The event is kept and sent once it can.
        """
        is_again = self._is_missed(event)
        try:
            self._catch_up(event)
            return self._events.take_in([event], is_again=is_again)[0]
        except StoreError:
            self._keep(event)
            raise

    def exchange(self, event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        """Take an event in and read for it, in one round trip.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve; what ``out`` then holds means nothing. The event is kept and
            sent once it can.
        """
        is_again = self._is_missed(event)
        try:
            self._catch_up(event)
            return self._events.exchange(event, out, is_again=is_again)
        except StoreError:
            self._keep(event)
            raise

    def exchange_at_once(
        self, event: NDArray[np.int64], _out: NDArray[np.float64]
    ) -> Appended | None:
        """Keep an event for the next call that appends; nothing is read, see `StateStore`."""
        self._keep(event)
        self._put_off_id = int(event[EVENT_ID])
        return None

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        """Note what became of an event; see `StateStore.record`.

        Of the event that the call before took in it is sent without waiting for an answer; of
        one that `exchange_at_once` kept it is kept too, and sent after it.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve. The outcome is kept and sent once it can.
        """
        if status not in self._plan.statuses:
            return self._events.holds(event_id)
        told = Told(event_id, self._plan.statuses.index(status), known_at_ms)
        if event_id == self._put_off_id and event_id in self._missed:
            self._keep_told(told)
            return True
        if self._events.tell_of_latest(told):
            return True
        try:
            self._catch_up()
            return self._events.tell([told])[0]
        except StoreError:
            self._keep_told(told)
            raise

    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        """Take an event out again; see `StateStore.forget`.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve. An event that it holds then stays.
        """
        was_missed = self._missed.pop(event_id, None) is not None
        taken_back = None
        if unsaid is not None and unsaid[0] in self._plan.statuses:
            taken_back = Told(event_id, self._plan.statuses.index(unsaid[0]), unsaid[1])
            with suppress(ValueError):
                self._missed_told.remove(taken_back)
        return self._events.forget(event_id, taken_back) or was_missed

    def erase(self, event: NDArray[np.int64]) -> bool:
        """Take an event out for good; see `StateStore.erase`.

        A key that Redis let go of rows of, because it had more than ``max_events`` newer ones,
        does not get them back.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve. The event may then be taken out in part; erase it again.
        """
        event_id = int(event[EVENT_ID])
        was_missed = self._missed.pop(event_id, None) is not None
        told = [outcome for outcome in self._missed_told if outcome.event_id != event_id]
        self._missed_told = deque(told)
        return self._events.erase(event) or was_missed

    def load(self, events: NDArray[np.int64]) -> None:
        """Append many events, in the order of their rows; see `StateStore.load`.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve. The rows before are loaded; all may be loaded again.
        """
        chunk: dict[int, NDArray[np.int64]] = {}
        for event in events:
            event_id = int(event[EVENT_ID])
            if event_id in chunk or len(chunk) == _CHUNK:
                self._events.take_in(list(chunk.values()), is_again=False)
                chunk = {}
            chunk[event_id] = event
        if chunk:
            self._events.take_in(list(chunk.values()), is_again=False)

    def close(self) -> None:
        """Send what waits, if Redis is there, and close the connections."""
        with suppress(StoreError):
            while self.backlog:
                self._catch_up()
        self._link.close()

    def _is_missed(self, event: NDArray[np.int64]) -> bool:
        """Return whether this very event waits to be sent; then it waits no more."""
        event_id = int(event[EVENT_ID])
        missed = self._missed.get(event_id)
        if missed is None or not np.array_equal(missed, event):
            return False
        del self._missed[event_id]
        return True

    def _keep(self, event: NDArray[np.int64]) -> None:
        """Keep an event that could not be sent; of an id the first content stands."""
        self._missed.setdefault(int(event[EVENT_ID]), event.copy())
        if len(self._missed) > self._backlog_max:
            del self._missed[next(iter(self._missed))]
            self._events.counters.count("evicted_by_capacity")

    def _keep_told(self, told: Told) -> None:
        self._missed_told.append(told)
        if len(self._missed_told) > self._backlog_max:
            self._missed_told.popleft()
            self._events.counters.count("outcomes_dropped")

    def _catch_up(self, event: NDArray[np.int64] | None = None) -> None:
        """Send some of what waits, an earlier content of the event's id first."""
        if self._missed:
            first = self._missed.get(int(event[EVENT_ID])) if event is not None else None
            some = dict(islice(self._missed.items(), _CHUNK))
            if first is not None:
                some[int(first[EVENT_ID])] = first
            self._events.take_in(list(some.values()), is_again=True)
            for event_id in some:
                del self._missed[event_id]
        elif self._missed_told:
            told = list(islice(self._missed_told, _CHUNK))
            self._events.tell(told)
            for _ in told:
                self._missed_told.popleft()


def _check(
    plan: WindowPlan, namespace: str, capacity: int, lateness_ms: int, backlog_max: int
) -> None:
    if not _NAMESPACE.fullmatch(namespace):
        raise InputError(f"namespace must be 1 to 64 of A-Z a-z 0-9 _ . : -, got {namespace!r}")
    if capacity < 2 * plan.max_events:
        raise InputError(
            f"capacity_events must be at least twice max_events, {2 * plan.max_events}, "
            f"got {capacity}"
        )
    if lateness_ms < 0 or backlog_max < 0:
        raise InputError(
            "allowed_lateness_ms and backlog_max must be at least 0, "
            f"got {lateness_ms} and {backlog_max}"
        )
