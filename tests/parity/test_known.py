"""What became of an event counts once it was known: by every store and driver."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.outcome import Status
from tests.parity.clauses import NOW_MS, Answer, NewStore, event, loaded, values_of
from tests.parity.windows import HOUR_MS, MINUTE_MS

EXAMPLES = settings(max_examples=25)


@EXAMPLES
@given(
    known_after_ms=st.lists(st.integers(-2, 2), min_size=1, max_size=5),
    asked_after_ms=st.sampled_from([0, 1, HOUR_MS]),
)
def test_an_outcome_counts_from_the_millisecond_after_it_was_known(
    answer: Answer, known_after_ms: list[int], asked_after_ms: int
) -> None:
    as_of_ms = NOW_MS + asked_after_ms
    events = [
        event(number, NOW_MS - number, fraud_known_ms=as_of_ms + after_ms)
        for number, after_ms in enumerate(known_after_ms, 1)
    ]
    values = answer(events, event(10**6, NOW_MS, received_ms=as_of_ms))
    assert values["frauds"] == sum(after_ms < 0 for after_ms in known_after_ms)
    assert values["hour"] == len(known_after_ms)


@EXAMPLES
@given(known_ms=st.lists(st.integers(NOW_MS - 9, NOW_MS + 9), min_size=1, max_size=3))
def test_the_earliest_knowledge_stands(new_store: NewStore, known_ms: list[int]) -> None:
    for reports in permutations(known_ms):
        store = loaded(new_store(), [event(1, NOW_MS - MINUTE_MS)])
        assert all(store.record(1, Status.FRAUD, reported_ms) for reported_ms in reports)
        for as_of_ms in (min(known_ms), min(known_ms) + 1):
            values = values_of(store, event(2, NOW_MS, received_ms=as_of_ms))
            assert values["frauds"] == (1 if as_of_ms > min(known_ms) else 0)
        store.close()


@EXAMPLES
@given(
    before_ms=st.lists(st.integers(NOW_MS - 9, NOW_MS + 9), min_size=1, max_size=2),
    brought_ms=st.none() | st.integers(NOW_MS - 9, NOW_MS + 9),
    after_ms=st.lists(st.integers(NOW_MS - 9, NOW_MS + 9), max_size=2),
    is_loaded=st.booleans(),
)
def test_an_outcome_may_come_before_its_event(
    new_store: NewStore,
    before_ms: list[int],
    brought_ms: int | None,
    after_ms: list[int],
    *,
    is_loaded: bool,
) -> None:
    store = new_store()
    assert not any(store.record(1, Status.FRAUD, known_ms) for known_ms in before_ms)
    assert store.counters.outcomes_pending > 0
    row = event(1, NOW_MS - MINUTE_MS, fraud_known_ms=brought_ms)
    if is_loaded:
        store.load(row.reshape(1, -1))
    else:
        store.append(row)
    assert store.counters.outcomes_pending == 0
    assert all(store.record(1, Status.FRAUD, known_ms) for known_ms in after_ms)
    earliest_ms = min([*before_ms, *after_ms, *([] if brought_ms is None else [brought_ms])])
    for as_of_ms in (earliest_ms, earliest_ms + 1):
        values = values_of(store, event(2, NOW_MS, received_ms=as_of_ms))
        assert values["frauds"] == (1 if as_of_ms > earliest_ms else 0)
    store.close()


@EXAMPLES
@given(status=st.sampled_from([Status.GOOD, Status.REFUNDED, Status.APPROVED]))
def test_a_status_that_no_window_asks_for_changes_nothing(
    new_store: NewStore, status: Status
) -> None:
    store = loaded(new_store(), [event(1, NOW_MS - 1)])
    before = values_of(store, event(2, NOW_MS))
    assert store.record(1, status, NOW_MS - 1)
    assert not store.record(3, status, NOW_MS - 1)
    assert values_of(store, event(2, NOW_MS)) == before
    assert store.counters.outcomes_pending == 0
    store.close()
