"""Which events an order sees: the clauses of the window contract, one by one, of every driver.

A store may be asked at any time between two events; the offline driver is asked once, with all
events. The naive oracle is held to the same, so that nothing rests on its word alone.
"""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.features.state import Appended
from fraudkit.features.window_arrays import AVAILABLE_AT, EVENT_ID, EVENT_TIME, NO_KEY
from tests.parity.clauses import (
    NOW_MS,
    Answer,
    NewStore,
    Row,
    card_of,
    event,
    loaded,
    of_card,
    stamped,
    streams,
)
from tests.parity.windows import HOUR_MS, LATENESS_MS, MINUTE_MS, RETENTION_MS

QUERY: Final = event(10**6, NOW_MS)
EXAMPLES: Final = settings(max_examples=25)
WIDTHS_MS: Final = {"minute": MINUTE_MS, "hour": HOUR_MS, "ever": RETENTION_MS}
EDGES_MS: Final = st.sampled_from(
    [edge + beside for edge in (0, *WIDTHS_MS.values()) for beside in (-1, 0, 1)]
)


@EXAMPLES
@given(age_ms=EDGES_MS)
def test_a_window_is_half_open(answer: Answer, age_ms: int) -> None:
    values = answer([event(1, NOW_MS - age_ms, received_ms=NOW_MS - 1)], QUERY)
    for name, width_ms in WIDTHS_MS.items():
        assert values[name] == (1 if 0 < age_ms <= width_ms else 0)


@EXAMPLES
@given(events=streams(max_size=5), number=st.sampled_from([10**5, -(10**5)]))
def test_orders_of_the_same_millisecond_do_not_see_each_other(
    answer: Answer, events: list[Row], number: int
) -> None:
    tied = [event(number, NOW_MS, received_ms=NOW_MS - 9), event(-2 * number, NOW_MS)]
    assert answer([tied[0], *stamped(events)], QUERY) == answer(stamped(events), QUERY)
    assert answer([*stamped(events), *tied], QUERY) == answer(stamped(events), QUERY)
    later = event(10**6, NOW_MS + 1)
    assert answer([*stamped(events), *tied], later)["minute"] >= 2


@EXAMPLES
@given(happened_ms=st.sampled_from([NOW_MS - 1, NOW_MS - MINUTE_MS]), waited_ms=st.integers(0, 2))
def test_orders_received_at_the_same_millisecond_do_not_see_each_other(
    answer: Answer, happened_ms: int, waited_ms: int
) -> None:
    earlier = event(1, happened_ms, received_ms=NOW_MS + 500)
    query = event(2, NOW_MS, received_ms=NOW_MS + 500 + waited_ms)
    assert answer([earlier], query)["minute"] == (1 if waited_ms else 0)


@EXAMPLES
@given(events=streams(max_size=5), later_ms=st.sampled_from([0, 1, MINUTE_MS]), data=st.data())
def test_an_order_is_not_in_its_own_past(
    answer: Answer, events: list[Row], later_ms: int, data: st.DataObject
) -> None:
    own = event(10**5, NOW_MS - data.draw(st.integers(0, 2)))
    again = event(10**5, NOW_MS + later_ms, received_ms=NOW_MS + MINUTE_MS)
    assert answer([*stamped(events), own], again) == answer(stamped(events), again)
    other = event(10**6, NOW_MS + later_ms + 1, received_ms=NOW_MS + MINUTE_MS)
    assert answer([*stamped(events), own], other) != answer(stamped(events), other)


@EXAMPLES
@given(
    events=streams(max_size=5),
    happened_ms=st.sampled_from([NOW_MS - 1, NOW_MS - MINUTE_MS - 1]),
    card=st.sampled_from([7, 9, NO_KEY]),
    amount=st.sampled_from([100, 999]),
    email=st.sampled_from([8, 5]),
)
def test_an_id_counts_once_as_it_came_first(
    answer: Answer, events: list[Row], happened_ms: int, card: int, amount: int, email: int
) -> None:
    first = event(10**5, NOW_MS - 2)
    again = event(10**5, happened_ms, card=card, amount=amount, email=email)
    again[AVAILABLE_AT] = NOW_MS - 1
    earlier = stamped(events)
    for query in (QUERY, event(10**6, NOW_MS, card=9), event(10**6, NOW_MS, email=5)):
        assert answer([first, *earlier, again, again], query) == answer([first, *earlier], query)


@EXAMPLES
@given(events=streams(max_size=5), again=st.integers(1, 3))
def test_what_comes_again_is_counted_as_a_duplicate(
    new_store: NewStore, events: list[Row], again: int
) -> None:
    store = loaded(new_store(), [*stamped(events), event(10**5, NOW_MS - 1)])
    changed = event(10**5, NOW_MS - again, card=9, amount=again)
    assert [store.append(changed) for _ in range(again)] == [Appended.DUPLICATE] * again
    assert store.counters.duplicates == again
    assert store.counters.events == len(events) + 1
    store.close()


@settings(max_examples=40)
@given(events=streams(), data=st.data(), max_events=st.sampled_from([3, 50]))
def test_late_events_stand_where_they_belong(
    answer: Answer, events: list[Row], data: st.DataObject, max_events: int
) -> None:
    shuffled = data.draw(st.permutations(events))
    for query in (QUERY, event(10**6, NOW_MS - MINUTE_MS, received_ms=NOW_MS)):
        expected = answer(stamped(events), query, max_events=max_events)
        assert answer(stamped(shuffled), query, max_events=max_events) == expected


@EXAMPLES
@given(beyond_ms=st.integers(-1, 2), newest_ms=st.sampled_from([NOW_MS - 1, NOW_MS - 5]))
def test_what_is_too_late_is_left_out(answer: Answer, beyond_ms: int, newest_ms: int) -> None:
    newest = event(1, newest_ms, card=9, received_ms=NOW_MS - 3)
    late = event(2, newest_ms - LATENESS_MS - beyond_ms, received_ms=NOW_MS - 2)
    values = answer([newest, late], QUERY)
    assert values["hour"] == (1 if beyond_ms <= 0 else 0)
    assert answer([newest, late, event(2, newest_ms, received_ms=NOW_MS - 1)], QUERY)["hour"] == 1


@EXAMPLES
@given(beyond_ms=st.lists(st.integers(-1, 2), max_size=5))
def test_what_is_too_late_is_counted(new_store: NewStore, beyond_ms: list[int]) -> None:
    store = loaded(new_store(), [event(100, NOW_MS)])
    for number, beyond in enumerate(beyond_ms, 1):
        late = event(number, NOW_MS - LATENESS_MS - beyond, received_ms=NOW_MS + number)
        expected = Appended.TOO_LATE if beyond > 0 else Appended.ACCEPTED
        assert store.append(late) is expected
    assert store.counters.too_late == sum(beyond > 0 for beyond in beyond_ms)
    assert store.counters.events == 1 + sum(beyond <= 0 for beyond in beyond_ms)
    store.close()


@settings(max_examples=40)
@given(events=streams())
def test_the_newest_of_a_hot_key_are_looked_at(answer: Answer, events: list[Row]) -> None:
    hot = [row for row in events if card_of(row) == 7]
    hot.sort(key=lambda row: (row[EVENT_TIME], row[EVENT_ID]))
    newest = answer(stamped(hot[-3:]), QUERY, max_events=3)
    others = [row for row in events if card_of(row) == 9]
    values = answer(stamped([*hot, *others]), QUERY, max_events=3)
    assert of_card(values) == of_card(newest)
    assert values["ever"] == min(3, len(hot))


@EXAMPLES
@given(events=streams(), n_unseen=st.integers(1, 6))
def test_what_may_not_be_seen_takes_no_place_of_a_hot_key(
    answer: Answer, events: list[Row], n_unseen: int
) -> None:
    unseen = [
        event(10**5 + number, NOW_MS - 1, received_ms=NOW_MS + number % 2)
        for number in range(n_unseen)
    ]
    own = event(10**6, NOW_MS - 1)
    expected = answer(stamped(events), QUERY, max_events=3)
    assert answer([*stamped(events), own, *unseen], QUERY, max_events=3) == expected


@EXAMPLES
@given(ages_ms=st.lists(st.sampled_from([RETENTION_MS + beside for beside in (-1, 0, 1)])))
def test_a_window_without_a_width_is_as_wide_as_the_retention(
    answer: Answer, ages_ms: list[int]
) -> None:
    ages_ms.sort(reverse=True)
    events = [event(number, NOW_MS - age_ms) for number, age_ms in enumerate(ages_ms, 1)]
    assert answer(events, QUERY)["ever"] == sum(age_ms <= RETENTION_MS for age_ms in ages_ms)
