"""With which probability an order was approved that the policy would have declined."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import MappingError
from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.mapping.propensities import PROPENSITIES, approve_propensities
from tests.mapping.shop import SHOP, Write, errors, shop

LOGGED = SHOP + '[label]\napprove_propensity = "passed"\n'


def propensities(data: MappedData) -> dict[str, float]:
    assert data.propensities.schema == PROPENSITIES
    return dict(data.propensities.iter_rows())


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_orders_that_passed_by_chance_are_told_with_their_probability(
    write: Write, ending: str
) -> None:
    table = shop(5, passed=[0.05, None, 1.0, 1e-9, 0.5])
    data = read_data([write(table, ending)], Mapping.parse(LOGGED))
    assert propensities(data) == {"t0": 0.05, "t3": 1e-9, "t4": 0.5}
    assert data.errors.is_empty()
    assert data.labels.is_empty()


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_a_propensity_becomes_no_column_of_the_frame(write: Write, ending: str) -> None:
    table = shop(2).with_columns(pl.Series("custom_inputs.passed", [0.5, None]))
    said = LOGGED.replace('"passed"', '"custom_inputs.passed"')
    data = read_data([write(table, ending)], Mapping.parse(said))
    without = read_data([write(shop(2), ending)], Mapping.parse(SHOP))
    assert data.frame.equals(without.frame)
    assert data.frame.columns == without.frame.columns
    assert data.ignored_columns == ()
    assert propensities(data) == {"t0": 0.5}


def test_without_a_column_every_order_was_approved_by_the_policy(write: Write) -> None:
    data = read_data([write(shop(2, passed=[0.5, 0.5]), "parquet")], Mapping.parse(SHOP))
    assert propensities(data) == {}
    assert data.ignored_columns == ("passed",)


def test_values_out_of_range_and_words_are_errors_of_their_rows(write: Write) -> None:
    values = ["0", "-0.1", "1.01", "often", " 0.5 ", " ", "nan", "1", "0.25", "1e-3", "1", "1"]
    data = read_data([write(shop(12, passed=values), "csv")], Mapping.parse(LOGGED))
    hint = "it is the probability with which the order was approved; leave it empty for 1"
    assert errors(data) == {
        row: "/label/approve_propensity: expected a number above 0 and at most 1, "
        f"got '{values[row]}'; {hint}"
        for row in range(4)
    }
    assert propensities(data) == {"t4": 0.5, "t8": 0.25, "t9": 0.001}
    assert data.frame["row"].to_list() == list(range(4, 12))


def test_what_is_wrong_with_an_order_is_told_before_its_propensity(write: Write) -> None:
    table = shop(5, total=[-1.0, 1.0, 1.0, 1.0, 1.0], passed=[2.0, 0.5, 0.5, 0.5, 2.0])
    data = read_data([write(table, "parquet")], Mapping.parse(LOGGED))
    assert errors(data)[0].startswith("/order/amount: expected an amount")
    assert errors(data)[4].startswith("/label/approve_propensity: expected a number")
    assert propensities(data) == {"t1": 0.5, "t2": 0.5, "t3": 0.5}


def test_files_follow_each_other(write: Write) -> None:
    paths = [
        write(shop(2, passed=[0.5, None]), "csv"),
        write(shop(2, id=["t1", "t2"], passed=[0.1, 0.2]), "parquet"),
    ]
    assert propensities(read_data(paths, Mapping.parse(LOGGED))) == {"t0": 0.5, "t2": 0.2}


def test_an_order_of_the_vocabulary_may_have_one_beside_it(write: Write) -> None:
    table = pl.DataFrame(
        {
            "transaction_id": ["a", "b"],
            "event_time": ["2024-01-01T10:00:00Z"] * 2,
            "order": [{"amount_minor": 5, "currency": "EUR"}] * 2,
            "log": [{"passed": 0.125}, {"passed": 1.0}],
        }
    )
    mapping = Mapping.parse('[label]\napprove_propensity = "log.passed"\n')
    for ending in ("ndjson", "parquet"):
        data = read_data([write(table, ending)], mapping)
        assert propensities(data) == {"a": 0.125}
        assert data.errors.is_empty()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"Passed": [0.5] * 4}, "no such column; did you mean 'Passed'?"),
        ({"passed": [True] * 4}, "holds Boolean, not numbers"),
        ({"passed": [5.0, 10.0, 100.0, 1.0]}, "3 of 4 values fail: expected a number above 0 and"),
    ],
)
def test_a_column_of_something_else_is_a_misfit(
    write: Write, columns: dict[str, list[Any]], said: str
) -> None:
    with pytest.raises(MappingError) as caught:
        read_data([write(shop(4, **columns), "parquet")], Mapping.parse(LOGGED))
    assert f'  [label] approve_propensity = "passed": {said}' in str(caught.value)


@pytest.mark.parametrize(
    "series",
    [
        pl.Series([1, None, 0]),
        pl.Series([Decimal("1.0"), None, Decimal("0.0")]),
        pl.Series(["1", None, "0"], dtype=pl.Categorical),
        pl.Series([1.0, math.nan, 0.0], dtype=pl.Float32),
    ],
    ids=["integers", "decimals", "categories", "short floats"],
)
def test_a_number_may_be_of_any_type(series: pl.Series) -> None:
    values, faults = approve_propensities(series)
    assert values.to_list() == [1.0, None, None]
    assert values.dtype == pl.Float64
    assert [fault.rows for fault in faults] == [[2]]


def test_a_column_without_values_holds() -> None:
    assert approve_propensities(pl.Series([None, None]))[0].to_list() == [None, None]


@given(st.lists(st.none() | st.floats() | st.floats(0, 1), max_size=12))
def test_a_value_is_taken_or_absent_or_in_an_error(numbers: list[float | None]) -> None:
    values, faults = approve_propensities(pl.Series(numbers, dtype=pl.Float64))
    wrong = {row for fault in faults for row in fault.rows}
    for row, number in enumerate(numbers):
        if number is None or math.isnan(number):
            assert (values[row], row in wrong) == (None, False)
        elif 0 < number <= 1:
            assert (values[row], row in wrong) == (number, False)
        else:
            assert (values[row], row in wrong) == (None, True)
