"""The store by its contract's own words: lists, dictionaries and loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import Aggregation, FeatureSet
from fraudkit.features.state import ALLOWED_LATENESS_MS, Appended, StoreCounters
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    NEVER,
    NO_AMOUNT,
    NO_KEY,
)

__all__ = ["NaiveStore", "Past"]

FORGOTTEN: Final = 0


class Past(NamedTuple):
    """An event row, taken apart; a query is one too."""

    event_id: int
    event_time_ms: int
    available_at_ms: int
    amount: int | None
    known_at_ms: dict[Status, int]
    hashes: dict[str, int]

    def became(self, status: Status | None, as_of_ms: int) -> bool:
        return status is None or self.known_at_ms[status] < as_of_ms


def past_of(row: NDArray[np.int64], plan: WindowPlan) -> Past:
    values = row.tolist()
    return Past(
        event_id=values[EVENT_ID],
        event_time_ms=values[EVENT_TIME],
        available_at_ms=values[AVAILABLE_AT],
        amount=None if values[AMOUNT] == NO_AMOUNT else values[AMOUNT],
        known_at_ms={status: values[plan.status_column(status)] for status in plan.statuses},
        hashes=dict(zip(plan.hashed, values[plan.first_hash :], strict=True)),
    )


class NaiveStore:
    """Events in a list, in the order in which they came.

    What is forgotten keeps its place, empty, until it is the oldest or the newest.
    """

    outlives_process = False

    def __init__(
        self,
        features: FeatureSet,
        plan: WindowPlan | None = None,
        *,
        capacity_events: int = 1_000_000,
        allowed_lateness_ms: int = ALLOWED_LATENESS_MS,
        pending_outcomes_max: int = 100_000,
    ) -> None:
        self.features = features
        self.plan = plan or window_plan(features)
        self.capacity = capacity_events
        self.lateness_ms = allowed_lateness_ms
        self.pending_max = pending_outcomes_max
        self.places: list[Past] = []
        self.newest_ms = -math.inf
        self.waiting: dict[int, list[tuple[Status, int]]] = {}
        self.duplicates = self.too_late = self.by_age = self.by_capacity = self.dropped = 0

    @property
    def held(self) -> list[Past]:
        return [past for past in self.places if past.event_id != FORGOTTEN]

    def find(self, event_id: int) -> Past | None:
        return next((past for past in self.held if past.event_id == event_id), None)

    @property
    def counters(self) -> StoreCounters:
        return StoreCounters(
            events=len(self.held),
            keys=len(
                {
                    (entity, past.hashes[entity])
                    for past in self.held
                    for entity in self.plan.indexed
                    if past.hashes[entity] != NO_KEY
                }
            ),
            duplicates=self.duplicates,
            too_late=self.too_late,
            evicted_by_age=self.by_age,
            evicted_by_capacity=self.by_capacity,
            outcomes_pending=sum(map(len, self.waiting.values())),
            outcomes_dropped=self.dropped,
        )

    def read(self, query: NDArray[np.int64], out: NDArray[np.float64]) -> None:
        asked = past_of(query, self.plan)
        visible = {entity: self.visible(entity, asked) for entity in self.plan.indexed}
        for column, feature in enumerate(self.features.aggregations, self.plan.first_out):
            out[column] = self.value(feature, visible[feature.entity], asked)

    def visible(self, entity: str, query: Past) -> list[Past]:
        """Return the events that a query may see, newest first."""
        visible = [
            past
            for past in self.held
            if past.hashes[entity] == query.hashes[entity] != NO_KEY
            and past.event_time_ms < query.event_time_ms
            and past.available_at_ms < query.available_at_ms
            and past.event_id != query.event_id
        ]
        visible.sort(key=lambda past: (past.event_time_ms, past.event_id), reverse=True)
        return visible[: self.features.max_events]

    def value(self, feature: Aggregation, visible: Sequence[Past], query: Past) -> float:
        if query.hashes[feature.entity] == NO_KEY:
            return math.nan
        from_ms = query.event_time_ms - self.features.width_ms(feature)
        inside = [past for past in visible if past.event_time_ms >= from_ms]
        seen = [past for past in inside if past.became(feature.status, query.available_at_ms)]
        if feature.operation == "share":
            return len(seen) / len(inside) if inside else math.nan
        return float(_OPERATIONS[feature.operation](seen, query, feature.of))

    def append(self, event: NDArray[np.int64]) -> Appended:
        past = past_of(event, self.plan)
        if self.find(past.event_id) is not None:
            self.duplicates += 1
            return Appended.DUPLICATE
        if past.event_time_ms < self.newest_ms - self.lateness_ms:
            self.too_late += 1
            return Appended.TOO_LATE
        self.newest_ms = max(self.newest_ms, past.event_time_ms)
        self.let_go()
        self.places.append(past)
        for status, known_at_ms in self.waiting.pop(past.event_id, []):
            self.record(past.event_id, status, known_at_ms)
        return Appended.ACCEPTED

    def let_go(self) -> None:
        oldest_ms = self.newest_ms - self.lateness_ms - self.features.retention_ms
        while self.places and self.places[0].event_time_ms < oldest_ms:
            self.by_age += self.places.pop(0).event_id != FORGOTTEN
        if len(self.places) == self.capacity:
            self.by_capacity += self.places.pop(0).event_id != FORGOTTEN

    def exchange(self, event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        self.read(event, out)
        return self.append(event)

    def exchange_at_once(
        self, event: NDArray[np.int64], out: NDArray[np.float64]
    ) -> Appended | None:
        return self.exchange(event, out)

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        past = self.find(event_id)
        if status not in self.plan.statuses:
            return past is not None
        if past is not None:
            past.known_at_ms[status] = min(past.known_at_ms[status], known_at_ms)
            return True
        if sum(map(len, self.waiting.values())) >= self.pending_max:
            self.dropped += len(self.waiting.pop(next(iter(self.waiting))))
        self.waiting.setdefault(event_id, []).append((status, known_at_ms))
        return False

    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        past = self.find(event_id)
        if past is None:
            return False
        place = self.places.index(past)
        if place == len(self.places) - 1:
            self.places.pop()
        else:
            self.places[place] = past._replace(event_id=FORGOTTEN)
        for status, known_at_ms in past.known_at_ms.items():
            if known_at_ms != NEVER and (status, known_at_ms) != unsaid:
                self.record(event_id, status, known_at_ms)
        return True

    def erase(self, event: NDArray[np.int64]) -> bool:
        event_id = int(event[EVENT_ID])
        self.waiting.pop(event_id, None)
        past = self.find(event_id)
        if past is not None:
            past.known_at_ms.clear()
        return self.forget(event_id)

    def load(self, events: NDArray[np.int64]) -> None:
        for event in events:
            self.append(event)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


Values = Callable[[Sequence[Past], Past, str | None], float]
"""The events that count, newest first; the query; the entity or field that is looked at."""


def amounts(seen: Sequence[Past]) -> list[int]:
    return [past.amount for past in seen if past.amount is not None]


def mean(seen: Sequence[Past]) -> float:
    known = amounts(seen)
    return float(sum(known)) / len(known) if known else math.nan


def standard_deviation(seen: Sequence[Past], _query: Past, _of: str | None) -> float:
    known, usual = amounts(seen), mean(seen)
    squares = 0.0
    for amount in known:
        squares += (amount - usual) * (amount - usual)
    return math.sqrt(squares / len(known)) if known else math.nan


def distinct(seen: Sequence[Past], _query: Past, of: str | None) -> float:
    return len({past.hashes[str(of)] for past in seen} - {NO_KEY})


def seconds_since(past: Sequence[Past], query: Past) -> float:
    return (query.event_time_ms - past[0].event_time_ms) / 1000 if past else math.nan


def amount_over_mean(seen: Sequence[Past], query: Past, _of: str | None) -> float:
    usual = mean(seen)
    return query.amount / usual if query.amount is not None and usual > 0 else math.nan


def amount_over_max(seen: Sequence[Past], query: Past, _of: str | None) -> float:
    most = max(amounts(seen), default=0)
    return query.amount / most if query.amount is not None and most > 0 else math.nan


def count_same_amount(seen: Sequence[Past], query: Past, _of: str | None) -> float:
    if query.amount is None:
        return math.nan
    return sum(past.amount == query.amount for past in seen)


def same(seen: Sequence[Past], query: Past, of: str | None) -> list[Past] | None:
    own = query.hashes[str(of)]
    return None if own == NO_KEY else [past for past in seen if past.hashes[str(of)] == own]


def count_same(seen: Sequence[Past], query: Past, of: str | None) -> float:
    found = same(seen, query, of)
    return math.nan if found is None else len(found)


def is_new(seen: Sequence[Past], query: Past, of: str | None) -> float:
    found = same(seen, query, of)
    return math.nan if found is None else not found


_OPERATIONS: Final[dict[str, Values]] = {
    "count": lambda seen, _query, _of: len(seen),
    "sum": lambda seen, _query, _of: sum(amounts(seen)),
    "mean": lambda seen, _query, _of: mean(seen),
    "min": lambda seen, _query, _of: min(amounts(seen), default=math.nan),
    "max": lambda seen, _query, _of: max(amounts(seen), default=math.nan),
    "std": standard_deviation,
    "distinct": distinct,
    "seconds_since_last": lambda seen, query, _of: seconds_since(seen, query),
    "seconds_since_first": lambda seen, query, _of: seconds_since(seen[::-1], query),
    "amount_over_mean": amount_over_mean,
    "amount_over_max": amount_over_max,
    "count_same_amount": count_same_amount,
    "count_same": count_same,
    "is_new": is_new,
    "seconds_since_same": lambda seen, query, of: seconds_since(same(seen, query, of) or [], query),
}
