"""The table of order features: its rows hold what they say, for anything that can be read."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.codes import COUNTRIES, CURRENCIES
from fraudkit.domain.transaction import CheckResult
from fraudkit.features.feature_group import GroupedFunction
from fraudkit.features.function_text import FunctionText
from fraudkit.features.order_catalog import CATEGORIES, ORDER_FEATURES
from fraudkit.features.order_row import feature_names

PATHS = tuple(dict.fromkeys(path for feature in ORDER_FEATURES for path in feature.inputs))
TAKEN = {
    "account_age", "address_differs", "amount", "card_billing_country_differs",
    "email_digit_share", "email_has_name", "email_length", "is_guest", "is_round_amount",
    "item_count", "local_hour", "local_weekday", "name_differs", "session_age",
    "shipping_billing_country_differs",
}  # fmt: skip
"""Names that bundles have been made with."""

texts = st.sampled_from(["Ada", "ada 1", "M\u00fcller", "+49 40 1234567", ""]) | st.text(max_size=9)
countries = st.sampled_from(["DE", "US", "AQ"]) | st.sampled_from(sorted(COUNTRIES))
emails = st.builds("{}@{}".format, st.text(max_size=12), texts) | texts
amounts = st.integers(0, 10**13)
times = st.integers(-(10**13), 10**13)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "reference_amount_minor": amounts,
    "order.amount_minor": amounts,
    "order.item_count": st.integers(1, 1000),
    "order.currency": st.sampled_from(sorted(CURRENCIES)),
    "local_offset_minutes": st.integers(-1439, 1439),
    "device.session_age_s": st.floats(0, 1e9),
    "email.address": emails,
    "email.domain_kind": st.sampled_from(["free", "disposable", "other"]),
    "billing.phone_country_code": st.from_regex(r"[0-9]{1,4}", fullmatch=True),
    "payment.card.expiry_year": st.integers(1950, 2199),
    "payment.card.expiry_month": st.integers(1, 12),
    "shipping.delivery_speed": st.sampled_from(["standard", "overnight"]),
    "shipping.delivery_kind": st.sampled_from(["new_address", "digital", "locker"]),
    "basket.digital_share": st.floats(0, 1),
    "basket.piece_count": st.integers(1, 10**9),
    "basket.most_pieces": st.integers(1, 10**6),
    "basket.category_count": st.integers(1, 1000),
}
FLAGS = ("is_", "was_", "has_")


def strategy(path: str) -> st.SearchStrategy[Any]:
    last = path.rpartition(".")[2]
    if path in VALUES:
        return VALUES[path]
    if last == "country":
        return countries
    if last.endswith("_ms"):
        return times
    if last.endswith("_check"):
        return st.sampled_from(get_args(CheckResult))
    return st.booleans() if last.startswith(FLAGS) else texts


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a value for every path that a feature reads; the time alone is always there."""
    held = {path: draw(st.none() | strategy(path)) for path in PATHS}
    largest = draw(amounts)
    lines = {
        "basket.largest_line_minor": largest,
        "basket.total_minor": largest + draw(amounts),
    }
    lines = draw(st.sampled_from([lines, dict.fromkeys(lines)]))
    return held | lines | {"event_time_ms": draw(times)}


@settings(max_examples=300)
@given(orders())
def test_every_value_is_unknown_or_in_its_range(order: dict[str, Any]) -> None:
    for feature in ORDER_FEATURES:
        value = feature.compute(*map(order.get, feature.inputs))
        assert isinstance(value, float)
        assert math.isnan(value) or feature.low <= value <= feature.high, feature.name


@settings(max_examples=300)
@given(orders(), st.sets(st.sampled_from(range(len(ORDER_FEATURES)))))
def test_a_row_holds_what_each_feature_alone_says(order: dict[str, Any], places: set[int]) -> None:
    kept = [ORDER_FEATURES[place] for place in sorted(places)]
    text = FunctionText("values")
    names = dict(zip(PATHS, text.unpack("values", len(PATHS)), strict=True))
    function = text.function(f"[{', '.join(feature_names(text, kept, names))}]")
    row = function(map(order.get, PATHS))
    alone = [feature.compute(*map(order.get, feature.inputs)) for feature in kept]
    assert np.array_equal(np.array(row, np.float64), alone, equal_nan=True)


@pytest.mark.parametrize("feature", ORDER_FEATURES, ids=lambda feature: feature.name)
def test_a_feature_without_its_inputs_is_unknown(feature: Any) -> None:
    inputs = [0 if path == "event_time_ms" else None for path in feature.inputs]
    assert math.isnan(feature.compute(*inputs))


@pytest.mark.parametrize("feature", ORDER_FEATURES, ids=lambda feature: feature.name)
def test_every_row_has_its_words(feature: Any) -> None:
    assert feature.unit
    assert feature.meaning[0].isupper()
    assert not feature.meaning.endswith(".")
    assert feature.reason_code.replace("_", "").isupper()
    assert feature.text.format(value=1.0)
    is_truth = (feature.unit, feature.low, feature.high) == ("0 or 1", 0.0, 1.0)
    assert is_truth == ("{" not in feature.text)
    assert is_truth <= bool(feature.zero_text) <= (is_truth or bool(feature.one_text))
    assert not (is_truth and feature.one_text)
    assert feature.meaning.startswith("Whether ") == is_truth


def test_what_bundles_were_made_with_is_still_there() -> None:
    names = [feature.name for feature in ORDER_FEATURES]
    assert set(names) >= TAKEN
    assert len(names) >= 40
    assert len({*names, *CATEGORIES}) == len(names) + len(CATEGORIES)


def test_every_column_of_a_group_is_a_feature_of_its_name() -> None:
    named: dict[tuple[str, ...], set[str]] = {}
    for feature in ORDER_FEATURES:
        if isinstance(feature.compute, GroupedFunction):
            assert feature.name == feature.compute.name
            named.setdefault(feature.compute.group.names, set()).add(feature.name)
    assert all(held == set(names) for names, held in named.items())
