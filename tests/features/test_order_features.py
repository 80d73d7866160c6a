"""Order features: known cases, absent is NaN, and nothing leaves its range."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
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
    (compute.amount, (1295,), 1295.0),
    (compute.is_round_amount, (5000,), 1.0),
    (compute.is_round_amount, (5050,), 0.0),
    (compute.differs, ("DE", "DE"), 0.0),
    (compute.differs, ("DE", "FR"), 1.0),
    (compute.street_differs, ("Main St. 1", "1010", "main st 1", "1010"), 0.0),
    (compute.street_differs, ("Main St. 1", "1010", "Main St. 1", "1020"), 1.0),
    (compute.street_differs, ("Main St. 1", None, "Main St. 1", None), 0.0),
    (compute.street_differs, ("Main St. 1", "1010", "Main St. 2", "1010"), 1.0),
    (compute.name_differs, ("Ada", "Lovelace", "ADA", "Lovelace "), 0.0),
    (compute.name_differs, ("Ada", "Lovelace", "Alan", "Lovelace"), 1.0),
    (compute.name_differs, (None, "Lovelace", None, "Turing"), 1.0),
    (compute.account_age_days, (3 * 86_400_000, 86_400_000), 2.0),
    (compute.account_age_days, (0, 43_200_000), -0.5),
    (compute.local_part_length, ("ada@example.org",), 3.0),
    (compute.local_part_length, ("a@b@example.org",), 3.0),
    (compute.digit_share, ("ab12@example.org",), 0.5),
    (compute.name_in_email, ("ada.lovelace@example.org", "LoveLace"), 1.0),
    (compute.name_in_email, ("ada.de-la-cruz@example.org", "de la Cruz"), 1.0),
    (compute.name_in_email, ("ada@example.org", "Turing"), 0.0),
    (compute.is_true, (False,), 0.0),
]


@pytest.mark.parametrize(("function", "arguments", "expected"), CASES)
def test_known_cases(function: Any, arguments: tuple[Any, ...], expected: float) -> None:
    assert function(*arguments) == expected


UNKNOWN = [
    (compute.number, (None,)),
    (compute.number, ("n/a",)),
    (compute.amount, (None,)),
    (compute.is_round_amount, (None,)),
    (compute.differs, ("DE", None)),
    (compute.differs, (None, "DE")),
    (compute.street_differs, (None, "1010", "Main St. 1", "1010")),
    (compute.street_differs, ("Main St. 1", "1010", None, None)),
    (compute.name_differs, ("Ada", None, "Ada", "Lovelace")),
    (compute.name_differs, ("Ada", "Lovelace", "Ada", None)),
    (compute.account_age_days, (0, None)),
    (compute.local_part_length, (None,)),
    (compute.local_part_length, ("9a0364b9e99bb480dd25e1f0284c8555",)),
    (compute.digit_share, ("9a0364b9e99bb480dd25e1f0284c8555",)),
    (compute.digit_share, ("@example.org",)),
    (compute.name_in_email, ("9a0364b9e99bb480", "Turing")),
    (compute.name_in_email, ("ada@example.org", None)),
    (compute.name_in_email, ("ada@example.org", " - ")),
    (compute.is_true, (None,)),
]


@pytest.mark.parametrize(("function", "arguments"), UNKNOWN)
def test_what_is_absent_is_unknown(function: Any, arguments: tuple[Any, ...]) -> None:
    assert math.isnan(function(*arguments))


@given(times())
def test_local_time_is_that_of_the_offset(moment: datetime) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    minutes = int(offset.total_seconds()) // 60
    assert compute.local_hour(epoch_ms(moment), minutes) == moment.hour
    assert compute.local_weekday(epoch_ms(moment), minutes) == moment.weekday()


def test_the_last_minute_of_a_day_is_of_that_day() -> None:
    moment = datetime(2026, 3, 1, 23, 59, 59, tzinfo=timezone(timedelta(hours=-3)))
    assert compute.local_weekday(epoch_ms(moment), -180) == 6.0
    assert compute.local_hour(epoch_ms(moment), -180) == 23.0


@settings(max_examples=60)
@given(document=documents(Transaction), amount=st.none() | st.integers(0, 10**15))
def test_every_value_is_unknown_or_in_its_range(
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
