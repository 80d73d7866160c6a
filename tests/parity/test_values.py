"""What is unknown and what money is: the same to every store and driver."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.features.window_arrays import NO_AMOUNT, NO_KEY
from tests.parity.clauses import NOW_MS, Answer, Row, event, of_card, stamped, streams
from tests.parity.windows import MINUTE_MS

EXAMPLES = settings(max_examples=25)
QUERY = event(10**6, NOW_MS)
ZERO_IF_NEW = {"minute", "hour", "ever", "frauds", "sum", "emails"}


@EXAMPLES
@given(events=streams())
def test_without_an_identifier_its_windows_are_unknown(answer: Answer, events: list[Row]) -> None:
    values = answer(stamped(events), event(10**6, NOW_MS, card=NO_KEY))
    assert set(of_card(values).values()) == {None}
    assert values["email_hour"] is not None
    assert answer(stamped(events), event(10**6, NOW_MS, email=NO_KEY))["email_hour"] is None


@EXAMPLES
@given(events=streams())
def test_a_key_that_was_never_seen_has_counts_of_zero(answer: Answer, events: list[Row]) -> None:
    values = answer(stamped(events), event(10**6, NOW_MS, card=11))
    assert {name for name, value in of_card(values).items() if value == 0} == ZERO_IF_NEW
    assert {name for name, value in of_card(values).items() if value is None} == {
        *of_card(values)
    } - ZERO_IF_NEW


@EXAMPLES
@given(n_cards=st.integers(0, 3), n_emails=st.integers(0, 3))
def test_equal_hashes_of_two_entities_do_not_mix(
    answer: Answer, n_cards: int, n_emails: int
) -> None:
    events = [event(number, NOW_MS - 9, card=7, email=8) for number in range(1, n_cards + 1)]
    events += [event(-number, NOW_MS - 9, card=8, email=7) for number in range(1, n_emails + 1)]
    values = answer(events, event(10**6, NOW_MS, card=7, email=7))
    assert (values["hour"], values["email_hour"]) == (n_cards, n_emails)


@EXAMPLES
@given(
    amounts=st.lists(st.integers(2**49, 2**50), min_size=1, max_size=20),
    n_unknown=st.integers(0, 2),
    data=st.data(),
)
def test_amounts_are_whole_numbers_and_an_unknown_one_is_never_zero(
    answer: Answer, amounts: list[int], n_unknown: int, data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations([*amounts, *[NO_AMOUNT] * n_unknown]))
    values = answer(
        [
            event(number, NOW_MS - number % 3 - 1, amount=amount, received_ms=NOW_MS - 1)
            for number, amount in enumerate(mixed, 1)
        ],
        QUERY,
    )
    mean = Fraction(sum(amounts), len(amounts))
    spread = sum((amount - mean) ** 2 for amount in amounts) / len(amounts)
    assert values["hour"] == len(amounts) + n_unknown
    assert values["sum"] == float(sum(amounts))
    assert values["mean"] == float(sum(amounts)) / len(amounts)
    assert values["least"] == min(amounts)
    assert math.isclose(values["spread"] or 0.0, math.sqrt(spread), rel_tol=1e-9, abs_tol=1.0)


@EXAMPLES
@given(n_unknown=st.integers(1, 3))
def test_where_no_amount_is_known_there_is_no_mean(answer: Answer, n_unknown: int) -> None:
    numbers = range(1, n_unknown + 1)
    events = [event(number, NOW_MS - MINUTE_MS, amount=NO_AMOUNT) for number in numbers]
    values = answer(events, QUERY)
    assert (values["minute"], values["sum"]) == (n_unknown, 0)
    assert {values[name] for name in ("mean", "least", "spread")} == {None}
