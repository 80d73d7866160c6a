"""A few windows with names, events about one card and one e-mail, and who answers about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, OperationName, Where
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import AVAILABLE_AT, NO_AMOUNT, NO_KEY
from fraudkit.stores.memory import MemoryStore
from tests.parity.drivers import offline_answers
from tests.parity.windows import (
    HOUR_MS,
    LATENESS_MS,
    MINUTE_MS,
    RETENTION_MS,
    START_MS,
    event_row,
)
from tests.stores.naive import NaiveStore

__all__ = [
    "NEW_STORES",
    "NOW_MS",
    "PLANS",
    "Answer",
    "NewStore",
    "Row",
    "Values",
    "answer_of",
    "answer_offline",
    "card_of",
    "event",
    "loaded",
    "of_card",
    "stamped",
    "streams",
    "values_of",
]

NOW_MS: Final = START_MS + 10 * HOUR_MS
"""When an order is asked about that says nothing else."""

_OF_CARD: Final[dict[str, tuple[OperationName, int | None, Where, str | None]]] = {
    "minute": ("count", MINUTE_MS, "attempted", None),
    "hour": ("count", HOUR_MS, "attempted", None),
    "ever": ("count", None, "attempted", None),
    "frauds": ("count", HOUR_MS, "fraud", None),
    "sum": ("sum", HOUR_MS, "attempted", None),
    "mean": ("mean", HOUR_MS, "attempted", None),
    "spread": ("std", HOUR_MS, "attempted", None),
    "least": ("min", HOUR_MS, "attempted", None),
    "emails": ("distinct", HOUR_MS, "attempted", "email"),
    "since_last": ("seconds_since_last", HOUR_MS, "attempted", None),
    "since_first": ("seconds_since_first", HOUR_MS, "attempted", None),
    "since_email": ("seconds_since_same", HOUR_MS, "attempted", "email"),
}


def _features(max_events: int) -> FeatureSet:
    windows = [("card", name, window) for name, window in _OF_CARD.items()]
    windows.append(("email", "email_hour", ("count", HOUR_MS, "attempted", None)))
    return FeatureSet(
        [
            Entity(name="card", inputs=("payment.card.fingerprint",)),
            Entity(name="email", inputs=("email.address",)),
        ],
        [
            Aggregation(
                name=name, entity=entity, operation=operation, window_ms=width_ms,
                where=where, of=of, unit="", meaning="", reason_code="X",
            )
            for entity, name, (operation, width_ms, where, of) in windows
        ],
        max_events=max_events,
        retention_ms=RETENTION_MS,
    )  # fmt: skip


Row = NDArray[np.int64]
Values = dict[str, float | None]
"""A feature row by name; ``None`` is unknown."""

FEATURES: Final = {max_events: _features(max_events) for max_events in (3, 50)}
PLANS: Final = {max_events: window_plan(features) for max_events, features in FEATURES.items()}

NewStore = Callable[..., StateStore]
"""Takes ``max_events`` and returns an empty store with `LATENESS_MS`."""

Answer = Callable[..., Values]
"""Takes events in order of arrival, a query and ``max_events``; returns the query's values."""


def event(
    number: int,
    happened_ms: int,
    *,
    received_ms: int | None = None,
    card: int = 7,
    email: int = 8,
    amount: int = 100,
    fraud_known_ms: int | None = None,
) -> Row:
    """Return an event, or a query, received when it happened if nothing else is said."""
    return event_row(
        PLANS[50],
        number,
        happened_ms,
        available_at_ms=happened_ms if received_ms is None else received_ms,
        amount=amount,
        hashes={"card": card, "email": email},
        known_at_ms={} if fraud_known_ms is None else {Status.FRAUD: fraud_known_ms},
    )


@st.composite
def streams(draw: st.DrawFn, *, max_size: int = 8) -> list[Row]:
    """Draw events of the last half hour before `NOW_MS`, so that none is too late."""
    times = st.sampled_from(
        [-1, -2, -3, -MINUTE_MS - 1, -MINUTE_MS, -MINUTE_MS + 1, -LATENESS_MS + 1, -LATENESS_MS]
    )
    count = draw(st.integers(0, max_size))
    return [
        event(
            number if number % 2 else -number,
            NOW_MS + draw(times),
            card=draw(st.sampled_from([7, 7, 9, NO_KEY])),
            email=draw(st.sampled_from([7, 8, NO_KEY])),
            amount=draw(st.sampled_from([1, 100, 101, 2**50, NO_AMOUNT])),
            fraud_known_ms=draw(st.sampled_from([None, None, NOW_MS - 1, NOW_MS])),
        )
        for number in range(1, count + 1)
    ]


def card_of(row: Row) -> int:
    return int(row[PLANS[50].first_hash])


def of_card(values: Values) -> Values:
    """Return the values that look at nothing but the card's events."""
    return {name: value for name, value in values.items() if name in _OF_CARD}


def stamped(events: Sequence[Row]) -> list[Row]:
    """Return copies that were received one after the other, just before `NOW_MS`."""
    copies = [row.copy() for row in events]
    for place, row in enumerate(copies):
        row[AVAILABLE_AT] = NOW_MS - len(copies) + place
    return copies


def _new_naive(max_events: int = 50) -> StateStore:
    return NaiveStore(FEATURES[max_events], PLANS[max_events], allowed_lateness_ms=LATENESS_MS)


def _new_memory(max_events: int = 50) -> StateStore:
    return MemoryStore(PLANS[max_events], capacity_events=1000, allowed_lateness_ms=LATENESS_MS)


NEW_STORES: Final[dict[str, NewStore]] = {"naive": _new_naive, "memory": _new_memory}


def loaded(store: StateStore, events: Sequence[Row]) -> StateStore:
    """Append events to a store, one by one, and return it."""
    for row in events:
        store.append(row)
    return store


def values_of(store: StateStore, query: Row) -> Values:
    """Read a store."""
    out = np.full(len(FEATURES[50].names), np.nan)
    store.read(query, out)
    return _named(out)


def answer_of(new_store: NewStore) -> Answer:
    """Return what asks a store that was given the events one by one."""

    def answer(events: Sequence[Row], query: Row, *, max_events: int = 50) -> Values:
        store = loaded(new_store(max_events), events)
        try:
            return values_of(store, query)
        finally:
            store.close()

    return answer


def answer_offline(events: Sequence[Row], query: Row, *, max_events: int = 50) -> Values:
    return _named(offline_answers(events, [query], PLANS[max_events])[0])


def _named(out: NDArray[np.float64]) -> Values:
    return {
        name: None if math.isnan(value) else value
        for name, value in zip(FEATURES[50].names, out.tolist(), strict=True)
    }
