"""The store by its contract's own words: lists, dictionaries and loops."""

from __future__ import annotations

import math
from typing import NamedTuple

from fraudkit.domain.outcome import Status
from fraudkit.features.spec import Aggregation, Entity, FeatureSet
from fraudkit.features.state import Appended, Event, StoreCounters
from fraudkit.features.window import NO_AMOUNT, NO_KEY

__all__ = ["HOUR_MS", "MINUTE_MS", "NaiveStore", "window_features"]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
_ENTITIES = ("card", "email")


def window_features(max_events: int) -> FeatureSet:
    """Return windows of two entities, two widths and three conditions."""
    return FeatureSet(
        [
            Entity(name="card", inputs=("payment.card.fingerprint",)),
            Entity(name="email", inputs=("email.address",)),
        ],
        [
            Aggregation(
                name=f"{entity}_{operation}_{window_ms}_{where}",
                entity=entity,
                operation=operation,
                window_ms=window_ms,
                where=where,
                of="email" if operation == "distinct" else None,
                unit="",
                meaning="",
                reason_code="X",
            )
            for entity in _ENTITIES
            for operation in ("count", "sum", "distinct", "share", "seconds_since_last")
            for window_ms in (MINUTE_MS, HOUR_MS)
            for where in ("attempted", "fraud", "declined_soft")
        ],
        max_events=max_events,
    )


class Past(NamedTuple):
    """An event that is held, and since when what is known of it."""

    event: Event
    known_at_ms: dict[Status, int]

    def became(self, status: Status | None, time_ms: int) -> bool:
        return status is None or self.known_at_ms.get(status, math.inf) < time_ms


class NaiveStore:
    """Events in a list, in the order in which they came."""

    def __init__(
        self, features: FeatureSet, *, capacity: int, lateness_ms: int, pending_max: int
    ) -> None:
        self.features = features
        self.capacity = capacity
        self.lateness_ms = lateness_ms
        self.pending_max = pending_max
        self.held: list[Past] = []
        self.newest_ms = -math.inf
        self.waiting: dict[int, list[tuple[Status, int]]] = {}
        self.duplicates = self.too_late = self.by_age = self.by_capacity = self.dropped = 0

    def classify(self, event: Event) -> Appended:
        if any(past.event.event_id == event.event_id for past in self.held):
            return Appended.DUPLICATE
        is_late = event.event_time_ms < self.newest_ms - self.lateness_ms
        return Appended.TOO_LATE if is_late else Appended.ACCEPTED

    def append(self, event: Event) -> Appended:
        found = self.classify(event)
        self.duplicates += found is Appended.DUPLICATE
        self.too_late += found is Appended.TOO_LATE
        if found is Appended.ACCEPTED:
            self.newest_ms = max(self.newest_ms, event.event_time_ms)
            self._let_go()
            self.held.append(Past(event, {}))
            for status, known_at_ms in self.waiting.pop(event.event_id, []):
                self.record(event.event_id, status, known_at_ms)
        return found

    def _let_go(self) -> None:
        oldest_ms = self.newest_ms - self.features.window_ms_max - self.lateness_ms
        while self.held and self.held[0].event.event_time_ms < oldest_ms:
            del self.held[0]
            self.by_age += 1
        if len(self.held) == self.capacity:
            del self.held[0]
            self.by_capacity += 1

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        for past in self.held:
            if past.event.event_id == event_id:
                known = past.known_at_ms
                known[status] = min(known_at_ms, known.get(status, known_at_ms))
                return True
        if status in self.features.statuses:
            if sum(map(len, self.waiting.values())) >= self.pending_max:
                self.dropped += len(self.waiting.pop(next(iter(self.waiting))))
            self.waiting.setdefault(event_id, []).append((status, known_at_ms))
        return False

    def row(self, keys: list[int], time_ms: int) -> list[float]:
        return [
            self._value(feature, keys[_ENTITIES.index(feature.entity)], time_ms)
            for feature in self.features.aggregations
        ]

    def _value(self, feature: Aggregation, key: int, time_ms: int) -> float:
        if key == NO_KEY:
            return math.nan
        place = _ENTITIES.index(feature.entity)
        past = [
            past
            for past in self.held
            if past.event.keys[place] == key and past.event.event_time_ms < time_ms
        ]
        past.sort(key=lambda past: (past.event.event_time_ms, past.event.event_id))
        from_ms = time_ms - feature.window_ms
        seen = [
            past
            for past in past[-self.features.max_events :]
            if past.event.event_time_ms >= from_ms
        ]
        return _OPERATIONS[feature.operation](
            seen, [past for past in seen if past.became(feature.status, time_ms)], time_ms
        )

    @property
    def counters(self) -> StoreCounters:
        keys = {
            (place, key)
            for past in self.held
            for place, key in enumerate(past.event.keys.tolist())
            if key != NO_KEY
        }
        return StoreCounters(
            events=len(self.held),
            keys=len(keys),
            duplicates=self.duplicates,
            too_late=self.too_late,
            evicted_by_age=self.by_age,
            evicted_by_capacity=self.by_capacity,
            outcomes_pending=sum(map(len, self.waiting.values())),
            outcomes_dropped=self.dropped,
        )


def _sum(_all: list[Past], seen: list[Past], _time_ms: int) -> float:
    return float(sum(past.event.amount for past in seen if past.event.amount != NO_AMOUNT))


def _distinct(_all: list[Past], seen: list[Past], _time_ms: int) -> float:
    return float(len({int(past.event.keys[1]) for past in seen} - {NO_KEY}))


def _since_last(_all: list[Past], seen: list[Past], time_ms: int) -> float:
    return (time_ms - seen[-1].event.event_time_ms) / 1000 if seen else math.nan


_OPERATIONS = {
    "count": lambda _all, seen, _time_ms: float(len(seen)),
    "sum": _sum,
    "distinct": _distinct,
    "share": lambda every, seen, _time_ms: len(seen) / len(every) if every else math.nan,
    "seconds_since_last": _since_last,
}
