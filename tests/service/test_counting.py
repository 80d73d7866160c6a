"""What is counted equals a recount of what was decided."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.decision import Decision
from fraudkit.domain.decoding import decode_outcome, decode_transaction
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import JournalError
from fraudkit.noted import Noted
from service import examples
from service.counting import (
    REQUEST_BOUNDS_S,
    UNKNOWN,
    DecisionCounts,
    Histogram,
    RequestCounts,
    Unwritten,
)

DECISION = msgspec.convert(examples.DECISION, Decision)
BOUNDS = (0.1, 0.5, 2.0)


def order(billing: str | None, shipping: str | None, method: str | None) -> Transaction:
    return decode_transaction(
        msgspec.json.encode(
            {
                **examples.ORDER,
                "billing": {"country": billing} if billing else {},
                "shipping": {"country": shipping} if shipping else {},
                "payment": {"method": method} if method else {},
            }
        )
    )


countries = st.sampled_from([None, "DE", "NL"])
orders = st.builds(order, countries, countries, st.sampled_from([None, "card", "wallet"]))
codes = st.lists(st.sampled_from(["CARD_LINKS", "SESSION", "EMAIL"]), max_size=3)
decisions = st.builds(
    lambda action, reasons, sources: msgspec.structs.replace(
        DECISION,
        action=action,
        reasons=tuple(
            msgspec.structs.replace(DECISION.reasons[0], code=reason) for reason in reasons
        ),
        degraded=tuple(sources),
    ),
    st.sampled_from(["approve", "challenge", "review", "decline"]),
    codes,
    st.lists(st.sampled_from(["store", "ip"]), unique=True),
)


@given(st.lists(st.tuples(orders, decisions), max_size=8))
def test_decisions_are_counted_as_a_recount_says(made: list[tuple[Transaction, Decision]]) -> None:
    counts = DecisionCounts()
    for transaction, decision in made:
        counts.count(transaction, decision)
    actions = Counter(decision.action for _, decision in made)
    assert counts.by_action == {action: actions[action] for action in counts.by_action}
    assert sum(counts.by_action.values()) == len(made)
    assert counts.by_reason == Counter(r.code for _, held in made for r in held.reasons)
    assert counts.by_source == Counter(s for _, held in made for s in held.degraded)
    assert counts.by_country == Counter(
        (told.billing.country or told.shipping.country or UNKNOWN, held.action)
        for told, held in made
    )
    assert counts.by_method == Counter(
        (told.payment.method or UNKNOWN, held.action) for told, held in made
    )


def test_the_billing_country_goes_before_that_of_the_delivery() -> None:
    counts = DecisionCounts()
    counts.count(order("DE", "NL", None), DECISION)
    counts.count(order(None, "NL", None), DECISION)
    counts.count(order(None, None, None), DECISION)
    assert [country for country, _ in counts.by_country] == ["DE", "NL", UNKNOWN]


def test_outcomes_are_counted_by_kind_and_every_kind_is_there_from_the_start() -> None:
    counts = DecisionCounts()
    assert len(counts.by_outcome) == 9
    assert set(counts.by_outcome.values()) == {0}
    for example in examples.OUTCOMES.values():
        counts.count_outcome(decode_outcome(msgspec.json.encode(example)))
    kinds = Counter(example["kind"] for example in examples.OUTCOMES.values())
    assert {kind: count for kind, count in counts.by_outcome.items() if count} == kinds


@given(st.lists(st.floats(0, 5) | st.sampled_from(BOUNDS), max_size=20))
def test_a_histogram_equals_a_naive_count(durations: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    assert histogram.is_empty
    for seconds in durations:
        histogram.observe(seconds)
    assert histogram.is_empty is (durations == [])
    assert list(histogram.cumulative()) == [
        *((str(bound), sum(seconds <= bound for seconds in durations)) for bound in BOUNDS),
        ("+Inf", len(durations)),
    ]
    assert histogram.sum_s == sum(durations)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def noted(*, is_repeated: bool) -> Noted:
    row: Any = None if is_repeated else object()
    return Noted(DECISION, b"{}", row, row)


def unwritten() -> tuple[Unwritten, DecisionCounts, Clock]:
    counts, clock = DecisionCounts(), Clock()
    return Unwritten(counts, clock_s=clock), counts, clock


def test_a_decision_counts_once_it_is_durable() -> None:
    waiting, counts, clock = unwritten()
    lags: list[tuple[int, float]] = []
    write = waiting.counted_by(lambda: lags.append((len(waiting), waiting.lag_s)))
    waiting.add(order("DE", None, None), noted(is_repeated=False))
    clock.now_s += 2
    waiting.add(order("DE", None, None), noted(is_repeated=False))
    clock.now_s += 1
    assert counts.by_action["approve"] == 0
    write()
    assert lags == [(2, 3.0)]
    assert counts.by_action["approve"] == 2
    assert (len(waiting), waiting.lag_s) == (0, 0.0)
    write()
    assert counts.by_action["approve"] == 2


def test_a_decision_that_stood_is_not_counted_again() -> None:
    waiting, counts, _ = unwritten()
    waiting.add(order("DE", None, None), noted(is_repeated=True))
    assert len(waiting) == 0
    waiting.settle()
    assert set(counts.by_action.values()) == {0}


def test_without_a_journal_every_decision_counts() -> None:
    waiting, counts, _ = unwritten()
    waiting.add(order("DE", None, None), Noted(DECISION))
    waiting.settle()
    assert counts.by_action["approve"] == 1


def test_what_cannot_be_written_is_not_counted() -> None:
    waiting, counts, _ = unwritten()

    def full() -> None:
        raise JournalError("full")

    waiting.add(order("DE", None, None), noted(is_repeated=False))
    with pytest.raises(JournalError):
        waiting.counted_by(full)()
    assert len(waiting) == 0
    waiting.counted_by(lambda: None)()
    assert set(counts.by_action.values()) == {0}


def test_requests_are_counted_by_route_and_class_of_status() -> None:
    counts = RequestCounts(("/v1/score", "/healthz"))
    always = {("/v1/score", "2xx"), ("/v1/score", "5xx")}
    assert {labels for labels, _ in counts.shown()} == always
    counts.count("/v1/score", 422, REQUEST_BOUNDS_S[0])
    counts.count("other", 404, 0.2)
    held = counts.durations["/v1/score", "4xx"]
    assert next(iter(held.cumulative())) == (str(REQUEST_BOUNDS_S[0]), 1)
    shown = {labels for labels, _ in counts.shown()}
    assert shown == always | {("/v1/score", "4xx"), ("other", "4xx")}


def test_only_known_codes_are_counted() -> None:
    counts = RequestCounts(("/v1/score",))
    counts.count_refusal("overloaded")
    counts.count_refusal("made up")
    assert counts.by_code["overloaded"] == 1
    assert "made up" not in counts.by_code
