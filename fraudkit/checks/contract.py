"""The contract of a store of events, in plain Python: what every other store is compared with.

It reads as `fraudkit.features.window` and `fraudkit.features.state` do, keeps everything in one
place, and shares no code with the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import Aggregation, FeatureSet
from fraudkit.features.state import Appended
from fraudkit.features.window_arrays import NO_AMOUNT, NO_KEY

__all__ = ["Contract", "Event", "as_row"]


class Event(NamedTuple):
    """An event, or a query.

    Attributes
    ----------
    event_id : int
        Signed 64 bits, not 0.
    event_time_ms, available_at_ms : int
        When it was made, and when it was received.
    hashes : tuple of int
        One an entity of the feature set, in its order.
    amount : int
        Minor units, or `fraudkit.features.window_arrays.NO_AMOUNT`.
    known : tuple of (Status, int)
        What became of it and when that was known, where the event brings it along.
    """

    event_id: int
    event_time_ms: int
    available_at_ms: int
    hashes: tuple[int, ...]
    amount: int = 100
    known: tuple[tuple[Status, int], ...] = ()


class _Past(NamedTuple):
    """An event that is held, and what is known of it."""

    event: Event
    known_at_ms: dict[Status, int]

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among the events of its key."""
        return self.event.event_time_ms, self.event.event_id


def as_row(event: Event, plan: WindowPlan) -> NDArray[np.int64]:
    """Return the event as stores take it, shape (n_columns,)."""
    hashes = [event.hashes[place] for place in plan.hashed_places]
    row = plan.event_row(
        event.event_id, event.event_time_ms, event.available_at_ms, event.amount, hashes
    )
    for status, known_at_ms in event.known:
        column = plan.status_column(status)
        if column is not None:
            row[column] = known_at_ms
    return row


class Contract:
    """What must come out of a store.

    Parameters
    ----------
    features : FeatureSet
        What is computed.
    allowed_lateness_ms : int
        How much older than the newest event an event may be and still be taken in.
    """

    def __init__(self, features: FeatureSet, allowed_lateness_ms: int) -> None:
        self._features = features
        self._allowed_lateness_ms = allowed_lateness_ms
        self._held: dict[int, _Past] = {}
        self._waiting: dict[int, list[tuple[Status, int]]] = {}
        self._newest_ms = -math.inf
        self._duplicates = self._too_late = 0

    @property
    def counters(self) -> dict[str, int]:
        """The counters that say the same in every store that has let nothing go."""
        return {
            "events": len(self._held),
            "keys": self._n_keys,
            "duplicates": self._duplicates,
            "too_late": self._too_late,
            "evicted_by_age": 0,
            "evicted_by_capacity": 0,
            "outcomes_pending": sum(map(len, self._waiting.values())),
            "outcomes_dropped": 0,
        }

    @property
    def _n_keys(self) -> int:
        """How many keys the entities with windows have."""
        names = self._features.entity_names
        places = {names.index(window.entity) for window in self._features.aggregations}
        keys = {
            (place, past.event.hashes[place]) for past in self._held.values() for place in places
        }
        return sum(held != NO_KEY for _, held in keys)

    def append(self, event: Event) -> Appended:
        """Take an event in, once, if it is not too late."""
        if self._find(event.event_id) is not None:
            self._duplicates += 1
            return Appended.DUPLICATE
        if event.event_time_ms < self._newest_ms - self._allowed_lateness_ms:
            self._too_late += 1
            return Appended.TOO_LATE
        self._newest_ms = max(self._newest_ms, event.event_time_ms)
        self._held[event.event_id] = _Past(event, {})
        for status, known_at_ms in (*event.known, *self._waiting.pop(event.event_id, ())):
            self.record(event.event_id, status, known_at_ms)
        return Appended.ACCEPTED

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        """Note the earliest time at which a status was known; return whether it is held."""
        past = self._find(event_id)
        if past is not None:
            earlier_ms = past.known_at_ms.get(status, known_at_ms)
            past.known_at_ms[status] = min(earlier_ms, known_at_ms)
        elif status in self._features.statuses:
            self._waiting.setdefault(event_id, []).append((status, known_at_ms))
        return past is not None

    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        """Take an event out again, what was told of it waits; return whether it was held."""
        past = self._find(event_id)
        if past is not None:
            del self._held[event_id]
            for told in past.known_at_ms.items():
                if told != unsaid:
                    self.record(event_id, *told)
        return past is not None

    def erase(self, event: Event) -> bool:
        """Take an event out, and all that was told of it; return whether it was held."""
        self._waiting.pop(event.event_id, None)
        return self._held.pop(event.event_id, None) is not None

    def read(self, query: Event) -> list[float]:
        """Return the value of every window, in the feature set's order."""
        names = self._features.entity_names
        entities = {window.entity for window in self._features.aggregations}
        visible = {name: self._visible(query, names.index(name)) for name in entities}
        return [
            self._value(window, query, visible[window.entity])
            for window in self._features.aggregations
        ]

    def _find(self, event_id: int) -> _Past | None:
        return self._held.get(event_id)

    def _visible(self, query: Event, entity: int) -> list[_Past]:
        """Return the newest events of the query's key that it may see, newest first."""
        visible = [
            past
            for past in self._held.values()
            if past.event.hashes[entity] == query.hashes[entity]
            and past.event.event_time_ms < query.event_time_ms
            and past.event.available_at_ms < query.available_at_ms
            and past.event.event_id != query.event_id
        ]
        visible.sort(key=lambda past: past.place, reverse=True)
        return visible[: self._features.max_events]

    def _value(self, window: Aggregation, query: Event, visible: list[_Past]) -> float:
        names = self._features.entity_names
        if query.hashes[names.index(window.entity)] == NO_KEY:
            return math.nan
        oldest_ms = query.event_time_ms - self._features.width_ms(window)
        within = [past for past in visible if past.event.event_time_ms >= oldest_ms]
        status = window.status
        counted = [
            past.event
            for past in within
            if status is None or past.known_at_ms.get(status, math.inf) < query.available_at_ms
        ]
        if window.operation == "share":
            return len(counted) / len(within) if within else math.nan
        of = 0 if window.of is None else names.index(window.of)
        return _OPERATIONS[window.operation](counted, query, of)


def _amounts(events: list[Event]) -> list[int]:
    return [event.amount for event in events if event.amount != NO_AMOUNT]


def _mean(events: list[Event]) -> float:
    amounts = _amounts(events)
    return float(sum(amounts)) / len(amounts) if amounts else math.nan


def _std(events: list[Event]) -> float:
    amounts, squares = _amounts(events), 0.0
    if not amounts:
        return math.nan
    mean = _mean(events)
    for amount in amounts:
        squares += (amount - mean) * (amount - mean)
    return math.sqrt(squares / len(amounts))


def _ratio(amount: int, usual: float) -> float:
    return float(amount) / usual if amount != NO_AMOUNT and usual > 0 else math.nan


def _greatest(events: list[Event]) -> float:
    return float(max(_amounts(events), default=math.nan))


def _least(events: list[Event]) -> float:
    return float(min(_amounts(events), default=math.nan))


def _age_s(events: list[Event], query: Event, place: int) -> float:
    return (query.event_time_ms - events[place].event_time_ms) / 1000.0 if events else math.nan


def _same(events: list[Event], query: Event, of: int) -> list[Event]:
    return [event for event in events if event.hashes[of] == query.hashes[of]]


def _if_known(query: Event, of: int, value: float) -> float:
    return math.nan if query.hashes[of] == NO_KEY else value


def _count_same_amount(events: list[Event], query: Event, _: int) -> float:
    if query.amount == NO_AMOUNT:
        return math.nan
    return float(_amounts(events).count(query.amount))


_OPERATIONS: Final[dict[str, Callable[[list[Event], Event, int], float]]] = {
    "count": lambda events, _query, _of: float(len(events)),
    "sum": lambda events, _query, _of: float(sum(_amounts(events))),
    "mean": lambda events, _query, _of: _mean(events),
    "min": lambda events, _query, _of: _least(events),
    "max": lambda events, _query, _of: _greatest(events),
    "std": lambda events, _query, _of: _std(events),
    "distinct": lambda events, _query, of: float(len({e.hashes[of] for e in events} - {NO_KEY})),
    "seconds_since_last": lambda events, query, _of: _age_s(events, query, 0),
    "seconds_since_first": lambda events, query, _of: _age_s(events, query, -1),
    "amount_over_mean": lambda events, query, _of: _ratio(query.amount, _mean(events)),
    "amount_over_max": lambda events, query, _of: _ratio(query.amount, _greatest(events)),
    "count_same_amount": _count_same_amount,
    "count_same": lambda events, query, of: _if_known(
        query, of, float(len(_same(events, query, of)))
    ),
    "is_new": lambda events, query, of: _if_known(
        query, of, 0.0 if _same(events, query, of) else 1.0
    ),
    "seconds_since_same": lambda events, query, of: _if_known(
        query, of, _age_s(_same(events, query, of), query, 0)
    ),
}
