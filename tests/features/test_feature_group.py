"""Feature groups and the row of all features: the same values as feature by feature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fraudkit.errors import FeatureError
from fraudkit.features.feature_group import FeatureGroup, GroupedFunction, order_calls
from fraudkit.features.function_text import FunctionText
from fraudkit.features.order_row import feature_names
from fraudkit.features.spec import OrderFeature, Value

SIZES = FeatureGroup(
    inputs=("width", "depth"),
    names=("is_wide", "is_deep", "area"),
    compute=lambda width, depth: (
        math.nan if width is None else width > 9,
        math.nan if depth is None else depth > 9,
        math.nan if None in (width, depth) else width * depth,
    ),
)


def feature(name: str, inputs: Sequence[str], compute: Callable[..., float]) -> OrderFeature:
    return OrderFeature(
        name=name,
        inputs=tuple(inputs),
        compute=compute,
        unit="",
        meaning="",
        reason_code="",
        low=-math.inf,
        high=math.inf,
    )


def grouped(name: str, *inputs: str) -> OrderFeature:
    return feature(name, inputs, GroupedFunction(SIZES, name, inputs))


IS_DEEP = grouped("is_deep", "depth")
AREA = grouped("area", "width", "depth")
TOTAL = feature("total", ["depth", "a b", "width"], lambda *values: float(sum(values)))
ONE = feature("one", [], lambda: 1.0)


def test_a_grouped_function_takes_its_own_inputs() -> None:
    assert [IS_DEEP.compute(10), IS_DEEP.compute(9), AREA.compute(2, 3)] == [1.0, 0.0, 6.0]
    assert isinstance(IS_DEEP.compute(10), float)
    assert math.isnan(IS_DEEP.compute(None))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("volume", ("width",)),
        ("area", ("depth", "width")),
        ("area", ("height",)),
        ("area", ("width", "width")),
    ],
)
def test_a_name_or_inputs_that_the_group_has_not_are_refused(
    name: str, inputs: tuple[str, ...]
) -> None:
    with pytest.raises(FeatureError, match=f"{name!r}.*is_wide, is_deep, area.*width, depth"):
        GroupedFunction(SIZES, name, inputs)


def test_features_of_a_group_are_computed_by_one_call() -> None:
    lone, together = order_calls([AREA, TOTAL, IS_DEEP])
    assert (lone.inputs, lone.columns, lone.is_group) == (TOTAL.inputs, (1,), False)
    assert together.inputs == ("width", "depth")
    assert together.columns == (None, 2, 0)
    assert together.is_group


def test_what_no_kept_feature_reads_is_not_asked_for() -> None:
    [call] = order_calls([IS_DEEP])
    assert (call.inputs, call.columns) == ((None, "depth"), (None, 0, None))


def row_of(
    features: Sequence[OrderFeature], paths: Sequence[str]
) -> Callable[[Sequence[Value]], Any]:
    """Return the function from the values of all paths to the features' row."""
    text = FunctionText("values")
    names = dict(zip(paths, text.unpack("values", len(paths)), strict=True))
    return text.function(f"[{', '.join(feature_names(text, features, names))}]")


def test_a_row_has_the_order_of_the_features() -> None:
    values: tuple[Value, ...] = (4, 7, 20)
    row = row_of([AREA, ONE, TOTAL, IS_DEEP], ["a b", "width", "depth"])
    assert row(values) == [140, 1.0, 31.0, True]
    assert row_of([IS_DEEP], ["depth"])((10,)) == [True]


def test_a_row_may_be_of_no_features_and_of_no_fields() -> None:
    assert row_of([], ["width"])((1,)) == []
    assert row_of([ONE], [])(()) == [1.0]
    assert row_of([], [])(()) == []


def test_two_features_may_have_one_function() -> None:
    other = feature("other", TOTAL.inputs, TOTAL.compute)
    assert row_of([TOTAL, other], TOTAL.inputs)((1, 2, 3)) == [6.0, 6.0]
