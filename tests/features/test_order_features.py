"""Order features: known cases, absent is NaN, and nothing leaves its range."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.transaction import Transaction, epoch_ms
from fraudkit.features import order_features as compute
from fraudkit.features.catalog import default_features
from fraudkit.features.fields import field_reader, fields_reader
from tests.domain.documents import documents, times

CASES = [
    (compute.number, (3,), 3.0),
    (compute.number, (True,), 1.0),
    (compute.as_given, (False,), 0.0),
    (compute.amounts, (1295, 5000), (1295, 1, 0, 0)),
    (compute.amounts, (1295, 5050), (1295, 0, 50, 0)),
    (compute.amounts, (0, 0), (0, 1, 0, 0)),
    (compute.amounts, (0, 77), (0, 0, 77, 0)),
    (compute.amounts, (0, 777), (0, 0, 77, 1)),
    (compute.amounts, (0, 7677), (0, 0, 77, 0)),
    (compute.basket_shape, (600, 700, 3, 1000, 250), (200, 0.25, 1000 / 700)),
    (compute.delivery, ("standard", "new_address"), (0, 0, 0)),
    (compute.delivery, ("same_day", "new_address"), (1, 0, 1)),
    (compute.delivery, ("same_day", "locker"), (1, 0, 0)),
    (compute.delivery, ("standard", "digital"), (0, 1, 0)),
    (compute.card_checks, ("pass", "fail", "pass"), (0, 1, 0, 0)),
    (compute.card_days_left, (epoch_ms(datetime(2026, 2, 27, tzinfo=UTC)), 2026, 2), 2.0),
    (compute.card_days_left, (epoch_ms(datetime(2027, 1, 2, tzinfo=UTC)), 2026, 12), -1.0),
    (compute.card_days_left, (epoch_ms(datetime(1970, 1, 1, 12, tzinfo=UTC)), 1970, 1), 30.5),
]


@pytest.mark.parametrize(("function", "arguments", "expected"), CASES)
def test_known_cases(function: Any, arguments: tuple[Any, ...], expected: Any) -> None:
    assert function(*arguments) == expected


# What each answer must be where something is absent; None stands for NaN.
ABSENT = [
    (compute.number, (None,), None),
    (compute.number, ("n/a",), None),
    (compute.as_given, (None,), None),
    (compute.clock, (0, None), (None, None, None, None)),
    (compute.amounts, (None, 5000), (None, 1, 0, 0)),
    (compute.amounts, (1295, None), (1295, None, None, None)),
    (compute.basket_shape, (None, 700, 3, 1000, 250), (None, 0.25, 1000 / 700)),
    (compute.basket_shape, (600, 700, None, 1000, 250), (None, 0.25, 1000 / 700)),
    (compute.basket_shape, (600, None, 3, 1000, 250), (200, 0.25, None)),
    (compute.basket_shape, (600, 700, 3, None, None), (200, None, None)),
    (compute.basket_shape, (600, 0, 3, 0, 0), (200, None, None)),
    (compute.ages, (0, None, 43_200_000, None, 0), (None, -0.5, None, 0)),
    (compute.ages, (3 * 86_400_000, 86_400_000, None, 0, None), (2, None, 3, None)),
    (compute.delivery, (None, None), (None, None, None)),
    (compute.delivery, ("overnight", None), (1, None, None)),
    (compute.delivery, (None, "new_address"), (None, 0, None)),
    (compute.card_checks, (None, None, None), (None, None, None, None)),
    (compute.card_checks, ("unchecked", "unavailable", None), (None, None, None, 2)),
    (compute.card_days_left, (0, None, 5), None),
    (compute.card_days_left, (0, 2026, None), None),
]


@pytest.mark.parametrize(("function", "arguments", "expected"), ABSENT)
def test_what_is_absent_is_unknown(
    function: Any, arguments: tuple[Any, ...], expected: Any
) -> None:
    found = function(*arguments)
    values = found if isinstance(found, tuple) else (found,)
    assert [None if math.isnan(value) else value for value in values] == list(
        expected if isinstance(expected, tuple) else (expected,)
    )


@given(times())
def test_local_time_is_that_of_the_offset(moment: datetime) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    minutes = int(offset.total_seconds()) // 60
    assert compute.clock(epoch_ms(moment), minutes) == (
        moment.hour,
        moment.weekday(),
        moment.hour in range(6),
        moment.strftime("%a") in {"Sat", "Sun"},
    )


def test_the_last_minute_of_a_day_is_of_that_day() -> None:
    moment = datetime(2026, 3, 1, 23, 59, 59, tzinfo=timezone(timedelta(hours=-3)))
    assert compute.clock(epoch_ms(moment), -180) == (23, 6, False, True)


@given(amount=st.integers(0, 10**13))
def test_repeated_digits_are_those_of_the_number_written_out(amount: int) -> None:
    _, _, ending, is_repeated = compute.amounts(None, amount)
    text = str(amount)
    assert int(text[-2:]) == ending
    assert is_repeated == (len(text) > 2 and len(set(text)) == 1)


@settings(max_examples=60)
@given(document=documents(Transaction), amount=st.none() | st.integers(0, 10**15))
def test_every_value_of_an_order_is_unknown_or_in_its_range(
    document: dict[str, Any], amount: int | None
) -> None:
    transaction = msgspec.convert(document, Transaction)
    for feature in default_features(own_numbers=["x"]).order_features:
        values = fields_reader(feature.inputs)(transaction, amount)
        value = feature.compute(*values)
        assert isinstance(value, float)
        assert math.isnan(value) or feature.low <= value <= feature.high, feature.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5.0), ("2.5", 2.5), ("-1e3", -1000.0), ("true", 1.0), ("false", 0.0)],
)
def test_a_number_is_the_same_as_text(text: str, expected: float) -> None:
    # A column in which one row holds text is read as text, every number in it too.
    assert compute.number(text) == expected


@pytest.mark.parametrize("text", ["", "x", "5 euros", "nan", "inf", "Infinity", "1_000", "0x1f"])
def test_other_text_is_no_number(text: str) -> None:
    assert math.isnan(compute.number(text))


def test_the_inputs_of_every_feature_can_be_read() -> None:
    paths = {path for feature in default_features().order_features for path in feature.inputs}
    for path in paths - {"reference_amount_minor"}:
        assert field_reader(path) is not None
