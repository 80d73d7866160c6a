"""When a window clears, against a clock that is moved on to each time at which that may be."""

from __future__ import annotations

import math
from typing import Final, NamedTuple, TypeVar, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.features.clearing import WindowClearing, clears_at_ms, window_clearings
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, OperationName
from fraudkit.features.spec_checks import OPERATIONS_OF
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import EVENT_TIME
from fraudkit.stores.memory import MemoryStore
from tests.parity.windows import event_row
from tests.stores.naive import NaiveStore

WIDTHS_MS: Final = (60_000, 135_000, 300_000)
START_MS: Final = 1_750_000_000_000
OPERATIONS: Final = get_args(OperationName)
WAITED_FOR: Final = set(OPERATIONS) - {
    "amount_over_mean",
    "amount_over_max",
    "is_new",
    "seconds_since_first",
}
FALLING: Final = {"count", "sum", "distinct", "count_same", "count_same_amount"}


def window(operation: OperationName, width_ms: int | None) -> Aggregation:
    return Aggregation(
        name=f"{operation}_{width_ms}",
        entity="card",
        operation=operation,
        window_ms=width_ms,
        of="email" if operation in OPERATIONS_OF else None,
        unit="",
        meaning="",
        reason_code="X",
    )


FEATURES = FeatureSet(
    [
        Entity(name="card", inputs=("payment.card.fingerprint",)),
        Entity(name="email", inputs=("email.address",)),
    ],
    [window(operation, width_ms) for operation in OPERATIONS for width_ms in (*WIDTHS_MS, None)],
    max_events=5,
    retention_ms=600_000,
)
PLAN = window_plan(FEATURES)
N_FEATURES = len(FEATURES.names)


Store = TypeVar("Store", bound=StateStore)


class Event(NamedTuple):
    age_ms: int
    amount: int
    email: int


def row_of(event: Event, number: int, available_at_ms: int) -> NDArray[np.int64]:
    return event_row(
        PLAN,
        number,
        START_MS - event.age_ms,
        available_at_ms=available_at_ms,
        amount=event.amount,
        hashes={"card": 1, "email": event.email},
    )


QUERY = row_of(Event(0, 100, 1), 1_000, START_MS + 1)
events = st.builds(Event, st.integers(1, 25), st.sampled_from([0, 50, 100, 300]), st.integers(0, 3))
references = st.lists(
    st.sampled_from([math.nan, 0.0, 1.0, 2.0, 70.0, 70.0004, 150.0]),
    min_size=N_FEATURES,
    max_size=N_FEATURES,
).map(np.array)


def filled(store: Store, past: list[Event]) -> Store:
    for number, event in enumerate(past, 1):
        store.append(row_of(event, number, START_MS - 600_000 + number))
    return store


def values_at(store: StateStore, moment_ms: int) -> NDArray[np.float64]:
    asked, out = QUERY.copy(), np.empty(N_FEATURES)
    asked[EVENT_TIME] = moment_ms
    store.read(asked, out)
    return out


def is_clear(clearing: WindowClearing, value: float) -> bool:
    """Return what the module's text says of a value, operation by operation."""
    if math.isnan(value):
        return True
    if clearing.operation in FALLING:
        return value <= (0.0 if math.isnan(clearing.reference) else clearing.reference)
    return clearing.operation.startswith("seconds") and value >= clearing.reference


Later = list[tuple[int, NDArray[np.float64]]]


def later_values(store: NaiveStore, past: list[Event], reference: NDArray[np.float64]) -> Later:
    """Return the values at every time after the start at which one may change, in order."""
    moments = {START_MS}
    for event in past:
        seconds = reference[~np.isnan(reference)] * 1000.0
        leads_ms = [*WIDTHS_MS, *np.floor(seconds).astype(int).tolist()]
        for lead_ms in leads_ms:
            moments |= {START_MS - event.age_ms + lead_ms + step for step in (0, 1)}
    later = sorted(moment_ms for moment_ms in moments if moment_ms >= START_MS)
    return [(moment_ms, values_at(store, moment_ms)) for moment_ms in later]


def first_clear_ms(clearing: WindowClearing, later: Later) -> int | None:
    """Return the first time at which a window is clear that was not when it was asked."""
    found = [ms for ms, values in later if is_clear(clearing, values[clearing.column])]
    return None if found[0] == START_MS else found[0]


@given(past=st.lists(events, max_size=8), reference=references)
def test_the_time_is_the_first_at_which_the_window_is_clear(
    past: list[Event], reference: NDArray[np.float64]
) -> None:
    naive, store = filled(NaiveStore(FEATURES), past), filled(MemoryStore(PLAN), past)
    values, later = values_at(store, START_MS), later_values(naive, past, reference)
    for clearing in window_clearings(FEATURES, reference).values():
        expected = first_clear_ms(clearing, later)
        assert clears_at_ms(clearing, store.read, QUERY, values) == expected
        latest_ms = clearing.clears_by_ms(values, START_MS)
        assert (latest_ms is None) == (expected is None)
        if latest_ms is not None and expected is not None:
            assert expected <= latest_ms <= START_MS + clearing.width_ms + 1
            at_latest = values_at(naive, latest_ms)[clearing.column]
            assert is_clear(clearing, at_latest)


@given(
    past=st.lists(events, max_size=3),
    ahead=st.lists(
        events.map(lambda held: held._replace(age_ms=-held.age_ms)), min_size=1, max_size=2
    ),
    reference=references,
)
def test_what_happened_later_but_was_received_before_gives_no_other_time(
    past: list[Event], ahead: list[Event], reference: NDArray[np.float64]
) -> None:
    later = later_values(filled(NaiveStore(FEATURES), past), past, reference)
    store = filled(MemoryStore(PLAN), [*past, *ahead])
    values = values_at(store, START_MS)
    for clearing in window_clearings(FEATURES, reference).values():
        found = clears_at_ms(clearing, store.read, QUERY, values)
        assert found is None or found == first_clear_ms(clearing, later)


def test_what_is_received_later_changes_no_time() -> None:
    store = filled(MemoryStore(PLAN), [Event(3_000, 100, 1), Event(8_000, 100, 2)])
    values, clearing = values_at(store, START_MS), clearing_of("count", 300_000)
    assert clears_at_ms(clearing, store.read, QUERY, values) == START_MS - 3_000 + 300_000 + 1
    store.append(row_of(Event(1_000, 100, 3), 77, START_MS + 2))
    store.append(QUERY)
    assert clears_at_ms(clearing, store.read, QUERY, values) == START_MS - 3_000 + 300_000 + 1


def test_a_store_that_holds_other_events_tells_no_time() -> None:
    store = filled(MemoryStore(PLAN), [Event(3_000, 100, 1), Event(8_000, 100, 2)])
    values, clearing = values_at(store, START_MS), clearing_of("count", 300_000)
    assert store.forget(1)
    assert clears_at_ms(clearing, store.read, QUERY, values) is None
    assert clearing.clears_by_ms(values, START_MS) == START_MS + 300_000


@pytest.mark.parametrize(
    ("age_ms", "latest_ms"),
    [(1, 300_000), (60_000, 300_000), (60_001, 240_000), (135_000, 240_000), (135_001, 165_000)],
)
def test_a_narrower_window_that_is_clear_says_more(age_ms: int, latest_ms: int) -> None:
    store = filled(MemoryStore(PLAN), [Event(age_ms, 100, 1)])
    values = values_at(store, START_MS)
    assert clearing_of("count", 300_000).clears_by_ms(values, START_MS) == START_MS + latest_ms


def test_relations_and_windows_as_wide_as_the_past_do_not_clear() -> None:
    clearings = window_clearings(FEATURES, np.zeros(N_FEATURES))
    assert {FEATURES.names[column] for column in clearings} == {
        f"{operation}_{width_ms}" for operation in WAITED_FOR for width_ms in WIDTHS_MS
    }


def clearing_of(operation: OperationName, width_ms: int) -> WindowClearing:
    clearings = window_clearings(FEATURES, np.zeros(N_FEATURES))
    return clearings[FEATURES.names.index(f"{operation}_{width_ms}")]
