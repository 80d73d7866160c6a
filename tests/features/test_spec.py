"""A feature set that does not hold is never built, and says why."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.outcome import Status
from fraudkit.errors import FeatureError
from fraudkit.features.order_features import number
from fraudkit.features.spec import (
    Aggregation,
    Entity,
    FeatureSet,
    OperationName,
    OrderFeature,
    Where,
    category_code,
)
from fraudkit.features.spec_checks import OPERATIONS_OF

MINUTE_MS = 60_000
DAY_MS = 86_400_000
CARD = Entity(name="card", inputs=("payment.card.fingerprint",))
EMAIL = Entity(name="email", inputs=("email.address",), is_caseless=True)


def window(**changed: Any) -> Aggregation:
    plain = {"name": "card_count", "entity": "card", "operation": "count", "window_ms": DAY_MS}
    words = {"unit": "", "meaning": "", "reason_code": "X"}
    return Aggregation(**(plain | words | changed))


def order_feature(**changed: Any) -> OrderFeature:
    plain = {"name": "amount", "inputs": ("order.amount_minor",), "compute": number}
    words = {"unit": "", "meaning": "", "reason_code": "X", "low": 0.0, "high": 1.0}
    return OrderFeature(**(plain | words | changed))


WRONG = {
    "a name twice": (
        [window(), window(window_ms=MINUTE_MS)],
        "must be unique, got ['card_count'] more",
    ),
    "a name in both kinds": (
        [order_feature(name="card_count"), window()],
        "must be unique, got ['card_count'] more",
    ),
    "an unknown entity": (
        [window(entity="crad")],
        "window 'card_count' names entity 'crad'; known are ['card', 'email']",
    ),
    "an unknown entity to count": ([window(operation="distinct", of="emial")], "entity 'emial'"),
    "distinct of nothing": ([window(operation="distinct")], "`of` goes with count_same, distinct,"),
    "a count of something": ([window(of="email")], "`of` goes with count_same, distinct,"),
    "too narrow": ([window(window_ms=MINUTE_MS - 1)], "in whole milliseconds, got 59999 ms"),
    "too wide": ([window(window_ms=180 * DAY_MS + 1)], "1 minute to 180 days wide"),
    "no window and no retention": ([window(window_ms=None)], "must be a whole number, at least"),
    "a demographic": (
        [order_feature(inputs=("order.amount_minor", "demographic.age"))],
        "feature 'amount' must not read 'demographic.age'",
    ),
    "a field that is not there": (
        [order_feature(inputs=("order.amuont_minor",))],
        "of the vocabulary, got 'order.amuont_minor'; did you mean order.amount_minor?",
    ),
    "inputs that are a text": ([order_feature(inputs="channel")], "of paths, got 'channel'"),
    "half a millisecond": ([window(window_ms=60_000.5)], "in whole milliseconds, got 60000.5 ms"),
    "a direction that is none": (
        [order_feature(monotone=2)],
        "`monotone` of feature 'amount' must be -1, 0 or 1, and 0 for a category, got 2",
    ),
    "a category with a direction": (
        [order_feature(levels=("a",), monotone=1)],
        "and 0 for a category, got 1",
    ),
    "nothing": ([], "at least one feature"),
}  # fmt: skip


@pytest.mark.parametrize(("features", "told"), WRONG.values(), ids=WRONG)
def test_what_does_not_hold_is_not_built(features: list[Any], told: str) -> None:
    with pytest.raises(FeatureError) as caught:
        FeatureSet([CARD, EMAIL], features)
    assert told in str(caught.value)


def test_an_entity_made_of_a_demographic_is_not_built() -> None:
    age = Entity(name="age", inputs=("demographic.age",))
    with pytest.raises(FeatureError, match=r"'age' must not read 'demographic\.age'"):
        FeatureSet([age], [window(entity="age")])


def test_two_entities_of_one_name_are_not_built() -> None:
    other = Entity(name="card", inputs=("entities.card",))
    with pytest.raises(FeatureError, match=r"entity names must be unique, got \['card'\]"):
        FeatureSet([CARD, other], [window()])


@pytest.mark.parametrize("operation", sorted(OPERATIONS_OF))
def test_what_looks_at_another_entity_must_name_it(operation: Any) -> None:
    assert FeatureSet([CARD, EMAIL], [window(operation=operation, of="email")]).names
    with pytest.raises(FeatureError, match="`of` goes with"):
        FeatureSet([CARD, EMAIL], [window(operation=operation)])


@pytest.mark.parametrize("window_ms", [MINUTE_MS, 180 * DAY_MS])
def test_the_past_is_kept_as_long_as_the_widest_window_asks(window_ms: int) -> None:
    built = FeatureSet([CARD], [window(name="a"), window(name="b", window_ms=window_ms)])
    assert built.retention_ms == max(window_ms, DAY_MS)


def test_a_window_without_a_width_is_as_wide_as_the_past_is_kept() -> None:
    ever, day = window(name="ever", window_ms=None), window(name="day")
    built = FeatureSet([CARD], [ever, day], retention_ms=400 * DAY_MS)
    assert (built.width_ms(ever), built.width_ms(day)) == (400 * DAY_MS, DAY_MS)


@pytest.mark.parametrize("retention_ms", [DAY_MS - 1, 0, 3_660 * DAY_MS + 1])
def test_a_past_shorter_than_a_window_or_without_end_is_not_built(retention_ms: int) -> None:
    with pytest.raises(FeatureError, match=f"retention_ms must be .* got {retention_ms}"):
        FeatureSet([CARD], [window()], retention_ms=retention_ms)


def test_order_features_come_first_and_keep_their_order() -> None:
    listed = [window(name="b"), order_feature(name="d"), window(name="a"), order_feature(name="c")]
    built = FeatureSet([CARD], listed, max_events=7, retention_ms=9 * DAY_MS)
    assert built.names == ("d", "c", "b", "a")
    kept = built.keep({"a", "d", "absent"})
    assert kept.names == ("d", "a")
    assert kept.entities == built.entities
    assert kept.max_events == built.max_events
    assert kept.retention_ms == built.retention_ms


def test_inputs_are_what_features_and_their_entities_read_each_once() -> None:
    listed = [
        order_feature(inputs=("order.amount_minor", "email.address")),
        window(operation="distinct", of="email"),
    ]
    unused = Entity(name="phone", inputs=("billing.phone_number",))
    assert FeatureSet([CARD, EMAIL, unused], listed).inputs == (
        "order.amount_minor", "email.address", "payment.card.fingerprint",
    )  # fmt: skip


def test_statuses_are_those_that_some_window_asks_for() -> None:
    built = FeatureSet(
        [CARD],
        [window(name=where, where=where) for where in ("fraud", "attempted", "declined_soft")],
    )
    assert built.statuses == (Status.DECLINED_SOFT, Status.FRAUD)


CHANGES = {
    "max_events": lambda: FeatureSet([CARD, EMAIL], [order_feature(), window()], max_events=9),
    "retention": lambda: FeatureSet(
        [CARD, EMAIL], [order_feature(), window()], retention_ms=2 * DAY_MS
    ),
    "no width": lambda: FeatureSet(
        [CARD, EMAIL], [order_feature(), window(window_ms=None)], retention_ms=DAY_MS
    ),
    "operation": lambda: FeatureSet([CARD, EMAIL], [order_feature(), window(operation="sum")]),
    "of": lambda: FeatureSet(
        [CARD, EMAIL], [order_feature(), window(operation="is_new", of="email")]
    ),
    "entity": lambda: FeatureSet([EMAIL, CARD], [order_feature(), window()]),
    "window": lambda: FeatureSet([CARD, EMAIL], [order_feature(), window(window_ms=MINUTE_MS)]),
    "where": lambda: FeatureSet([CARD, EMAIL], [order_feature(), window(where="fraud")]),
    "revision": lambda: FeatureSet([CARD, EMAIL], [order_feature(revision=2), window()]),
    "inputs": lambda: FeatureSet([CARD, EMAIL], [order_feature(inputs=("channel",)), window()]),
    "levels": lambda: FeatureSet([CARD, EMAIL], [order_feature(levels=("a",)), window()]),
    "order": lambda: FeatureSet(
        [CARD, EMAIL], [order_feature(name="b"), order_feature(name="a"), window()]
    ),
}


def test_the_digest_tells_feature_sets_apart() -> None:
    same = [FeatureSet([CARD, EMAIL], [order_feature(), window()]).digest for _ in range(2)]
    digests = [same[0], *(make().digest for make in CHANGES.values())]
    assert same[0] == same[1]
    assert len(set(digests)) == len(digests)


def test_other_words_are_the_same_features() -> None:
    words = {"unit": "u", "meaning": "m", "reason_code": "Y", "text": "t", "unknown_text": "n"}
    told = Entity(name="card", inputs=CARD.inputs, label="this card")
    assert FeatureSet([told], [window(**words)]).digest == FeatureSet([CARD], [window()]).digest


@pytest.mark.parametrize("where", get_args(Where))
@pytest.mark.parametrize("operation", get_args(OperationName))
def test_only_how_much_was_fraud_or_declined_for_good_has_a_direction(
    operation: Any, where: Any
) -> None:
    is_known = where in {"fraud", "declined_hard"} and operation in {
        "count", "sum", "distinct", "share", "count_same", "count_same_amount",
    }  # fmt: skip
    made = window(operation=operation, where=where)
    assert made.monotone == (1 if is_known else 0)
    assert "monotone" not in made.describe()


def test_a_set_names_the_features_with_a_direction() -> None:
    built = FeatureSet(
        [CARD, EMAIL],
        [
            window(name="frauds", where="fraud"),
            window(name="attempts"),
            order_feature(name="age", monotone=-1),
            order_feature(name="amount"),
        ],
    )
    assert built.monotone_constraints == {"age": -1, "frauds": 1}


def test_of_windows_that_differ_in_width_the_narrowest_has_a_direction() -> None:
    frauds = {"where": "fraud"}
    built = FeatureSet(
        [CARD, EMAIL],
        [
            window(name="ever", window_ms=None, **frauds),
            window(name="week", window_ms=7 * DAY_MS, **frauds),
            window(name="day", **frauds),
            window(name="week_share", window_ms=7 * DAY_MS, operation="share", **frauds),
            window(name="week_of_email", window_ms=7 * DAY_MS, entity="email", **frauds),
            window(name="hour", window_ms=60 * MINUTE_MS, where="declined_hard"),
        ],
    )
    assert list(built.monotone_constraints) == ["day", "week_share", "week_of_email", "hour"]


def test_a_direction_does_not_make_another_feature() -> None:
    digests = {FeatureSet([], [order_feature(monotone=sign)]).digest for sign in (-1, 0, 1)}
    assert len(digests) == 1


@pytest.mark.parametrize("operation", get_args(OperationName))
def test_only_shares_and_answers_of_yes_or_no_end_at_one(operation: Any) -> None:
    made = window(operation=operation)
    assert (made.low, made.high) == (0.0, 1.0 if operation in {"share", "is_new"} else math.inf)
    assert not made.is_categorical


LEVELS = st.lists(st.text(max_size=5), unique=True, max_size=6)


@given(levels=LEVELS, other=st.text(max_size=5))
def test_a_category_has_the_code_of_its_place(levels: list[str], other: str) -> None:
    code = category_code(levels)
    assert [code(level) for level in levels] == list(range(len(levels)))
    assert math.isnan(code(None))
    if other not in levels:
        assert math.isnan(code(other))


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (5, "5"), (5.0, "5"), (2.5, "2.5"), (1e12, "1" + 12 * "0")],
)
def test_a_number_has_the_code_of_its_text(value: float, text: str) -> None:
    # The text is that of `fraudkit.mapping`, where a column of numbers and text is read.
    assert category_code(["x", text])(value) == 1.0
