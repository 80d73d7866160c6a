"""What each outcome says of its transaction, and the order of its two clocks."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.decoding import convert
from fraudkit.domain.outcome import (
    Authorized,
    Outcome,
    OutcomeBase,
    Status,
    label_of,
    statuses_of,
)
from fraudkit.errors import CardNumberRefused, InvalidField
from tests.domain.documents import documents

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALWAYS: dict[str, Any] = {
    "outcome_id": "o-1",
    "transaction_id": "t-1",
    "occurred_at": THEN,
    "available_at": THEN,
}
MEANINGS = [
    ({"kind": "authorized"}, (Status.AUTHORIZED,), None),
    (
        {"kind": "issuer_declined", "decline": "soft", "code": "51"},
        (Status.DECLINED_SOFT,),
        None,
    ),
    (
        {"kind": "issuer_declined", "decline": "hard", "code": "43"},
        (Status.DECLINED_HARD,),
        None,
    ),
    ({"kind": "captured"}, (), None),
    ({"kind": "refunded"}, (Status.REFUNDED,), None),
    ({"kind": "early_fraud_warning"}, (Status.FRAUD,), True),
    ({"kind": "chargeback", "is_fraud": True, "reason": "10.4"}, (Status.FRAUD,), True),
    ({"kind": "chargeback", "is_fraud": False, "reason": "13.1"}, (), None),
    (
        {"kind": "review_verdict", "verdict": "fraud", "reviewed_by": "ann"},
        (Status.FRAUD,),
        True,
    ),
    (
        {"kind": "review_verdict", "verdict": "legitimate", "reviewed_by": "ann"},
        (Status.GOOD,),
        False,
    ),
    ({"kind": "review_verdict", "verdict": "unsure", "reviewed_by": "ann"}, (), None),
    ({"kind": "false_positive_report"}, (Status.GOOD,), False),
    ({"kind": "decided", "action": "approve"}, (Status.APPROVED,), None),
    ({"kind": "decided", "action": "decline"}, (Status.DECLINED,), None),
    ({"kind": "decided", "action": "challenge"}, (), None),
    ({"kind": "decided", "action": "review"}, (), None),
]


def outcome(**fields: Any) -> Any:
    return convert({**ALWAYS, **fields}, Outcome)


@pytest.mark.parametrize(("fields", "statuses", "label"), MEANINGS)
def test_what_an_outcome_says(
    fields: dict[str, Any], statuses: tuple[Status, ...], *, label: bool | None
) -> None:
    assert statuses_of(outcome(**fields)) == statuses
    assert label_of(outcome(**fields)) is label


def test_the_table_above_names_every_kind() -> None:
    kinds = {kind.__struct_config__.tag for kind in get_args(Outcome)}
    assert {fields["kind"] for fields, _, _ in MEANINGS} == kinds


def test_statuses_keep_the_stores_column_order() -> None:
    assert [status.name for status in Status] == [
        *("AUTHORIZED", "DECLINED_SOFT", "DECLINED_HARD", "APPROVED", "DECLINED"),
        *("REFUNDED", "GOOD", "FRAUD"),
    ]
    assert list(Status) == list(range(8))


@given(documents(Outcome))
def test_the_label_and_the_statuses_agree(document: dict[str, Any]) -> None:
    value: Any = convert(document, Outcome)
    statuses = statuses_of(value)
    assert (Status.FRAUD in statuses) == (label_of(value) is True)
    assert (Status.GOOD in statuses) == (label_of(value) is False)


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=400)))
def test_nothing_is_known_before_it_happens(earlier: timedelta) -> None:
    with pytest.raises(InvalidField) as refused:
        outcome(kind="captured", available_at=THEN - earlier)
    assert refused.value.pointer == "/available_at"


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_what_is_known_at_once_or_later_holds(later: timedelta) -> None:
    value = outcome(kind="captured", available_at=THEN + later)
    assert value.available_at_ms == int(THEN.timestamp()) * 1000 + later // timedelta(
        milliseconds=1
    )


def test_outcomes_are_frozen_and_refuse_unknown_fields() -> None:
    for kind in get_args(Outcome):
        assert issubclass(kind, OutcomeBase)
        assert kind.__struct_config__.frozen
        assert kind.__struct_config__.forbid_unknown_fields


def test_a_card_number_is_refused_when_built_in_python_too() -> None:
    with pytest.raises(CardNumberRefused):
        Authorized(**ALWAYS, processor="4111111111111111")
