"""Categories and tables: the same codes from every library."""

from __future__ import annotations

from collections import Counter
from datetime import date
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import ParameterError, TableError
from fraudkit.features.spec import category_code
from fraudkit.scoring.learning.categories import (
    column_places,
    common_levels,
    encoded_rows,
    learnt_levels,
)

WORDS = st.sampled_from(["visa", "amex", "jcb", "Visa", "", "5", None])
COLUMNS = st.integers(1, 40).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "brand": st.lists(WORDS, min_size=n, max_size=n),
            "amount": st.lists(st.none() | st.floats(), min_size=n, max_size=n),
            "count": st.lists(st.none() | st.integers(-9, 9), min_size=n, max_size=n),
            "is_new": st.lists(st.none() | st.booleans(), min_size=n, max_size=n),
        }
    )
)
NAMES = ("brand", "amount", "count", "is_new")
LIMITS = {"levels_max": 3, "level_orders_min": 2}


def tables(columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the same table as every kind that is read."""
    columns = {name: columns[name] for name in NAMES}
    types = {"brand": pl.String, "amount": pl.Float64, "count": pl.Int32, "is_new": pl.Boolean}
    frame = pl.DataFrame(columns, schema=types)
    nullable = {"amount": "Float64", "count": "Int8", "is_new": "boolean"}
    return {
        "polars": frame,
        "polars categorical": frame.with_columns(pl.col("brand").cast(pl.Categorical)),
        "polars enum": frame.with_columns(
            pl.col("brand").cast(pl.Enum(["visa", "amex", "jcb", "Visa", "", "5"]))
        ),
        "pandas": pd.DataFrame(columns),
        "pandas objects": pd.DataFrame(columns, dtype=object),
        "pandas text": pd.DataFrame(columns).astype({"brand": "string", **nullable}),
        "pandas categorical": pd.DataFrame(columns).astype({"brand": "category"}),
        "array of objects": np.array([list(row) for row in frame.rows()], dtype=object),
    }


@given(COLUMNS)
def test_a_table_is_the_same_rows_whoever_made_it(columns: dict[str, list[Any]]) -> None:
    code = category_code(common_levels(columns["brand"], **LIMITS))
    expected = np.array(
        [
            [code(brand), *(nan if held is None else float(held) for held in numbers)]
            for brand, *numbers in zip(*(columns[name] for name in NAMES), strict=True)
        ]
    )
    every = tables(columns)
    levels = learnt_levels(every["polars"], {0}, **LIMITS)
    assert levels[1:] == (None, None, None)
    for name, table in every.items():
        assert learnt_levels(table, {0}, **LIMITS) == levels, name
        rows = encoded_rows(table, levels)
        assert rows.flags.c_contiguous
        np.testing.assert_array_equal(rows, expected, name)
        one = table[:1] if isinstance(table, pl.DataFrame | np.ndarray) else table.iloc[:1]
        np.testing.assert_array_equal(encoded_rows(one, levels), expected[:1], name)


@given(
    values=st.lists(st.sampled_from(["a", "b", "c", "d", None, 5, 5.0, True, nan])),
    levels_max=st.integers(1, 4),
    level_orders_min=st.integers(1, 3),
)
def test_levels_are_the_common_values_by_number_then_by_name(
    values: list[Any], levels_max: int, level_orders_min: int
) -> None:
    text = {5: "5"}
    said = ["true" if v is True else text.get(v, v) for v in values if v is not None and v == v]  # noqa: PLR0124 - NaN
    counts = Counter(said)
    levels = common_levels(values, levels_max=levels_max, level_orders_min=level_orders_min)
    left_out = set(counts) - set(levels)
    ranks = [(-counts[level], level) for level in levels]
    assert ranks == sorted(ranks)
    assert len(levels) <= levels_max
    assert all(counts[level] >= level_orders_min for level in levels)
    for level in left_out:
        is_full = len(levels) == levels_max and (-counts[level], level) > ranks[-1]
        assert counts[level] < level_orders_min or is_full


def test_a_column_that_is_named_is_a_category_whatever_it_holds() -> None:
    table = pl.DataFrame({"shop": [7, 7, 8, None], "amount": [1.0, 2.0, 3.0, 4.0]})
    levels = learnt_levels(table, {0}, levels_max=9, level_orders_min=1)
    assert levels == (("7", "8"), None)
    for same in (table, table.to_pandas(), table.to_numpy()):
        np.testing.assert_array_equal(encoded_rows(same, levels)[:, 0], [0, 0, 1, nan])


def test_a_category_without_a_common_value_says_nothing() -> None:
    table = np.array([["a", 1], ["b", 2]], object)
    levels = learnt_levels(table, set(), levels_max=9, level_orders_min=2)
    assert levels == ((), None)
    np.testing.assert_array_equal(encoded_rows(table, levels), [[nan, 1], [nan, 2]])


def test_numbers_of_an_array_are_not_copied() -> None:
    rows = np.zeros((3, 2))
    assert encoded_rows(rows, (None, None)) is rows


UNREADABLE = {
    "dates": pl.DataFrame({"x": [date(2024, 1, 1)]}),
    "lists": pl.DataFrame({"x": [[1, 2]]}),
    "dates of pandas": pd.DataFrame({"x": pd.to_datetime(["2024-01-01"])}),
    "mappings": np.array([[{"a": 1}]], object),
}


@pytest.mark.parametrize("table", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("categorical", [set(), {0}], ids=["by type", "named"])
def test_what_is_neither_a_number_nor_text_is_refused_by_name(
    table: Any, categorical: set[int]
) -> None:
    name = "column 0" if isinstance(table, np.ndarray) else "x"
    with pytest.raises(TableError, match=f"'{name}' must hold numbers, truth values or text, got"):
        learnt_levels(table, categorical, levels_max=9, level_orders_min=1)
    for levels in (None, ("a",)):
        with pytest.raises(TableError, match=f"'{name}' must hold numbers, truth values or text"):
            encoded_rows(table, (levels,))


def test_text_where_numbers_were_is_refused_by_name() -> None:
    row = {"brand": ["visa"], "amount": [1.0], "count": [1], "is_new": [True]}
    for table in tables(row).values():
        name = "column 0" if isinstance(table, np.ndarray) else "brand"
        with pytest.raises(TableError, match=f"'{name}' must hold numbers, as it did when"):
            encoded_rows(table, (None, None, None, None))


def test_columns_are_named_or_given_by_place() -> None:
    assert column_places(["b", 0], ["a", "b"], "categorical_features") == {0, 1}
    for unknown in ("c", 2, True):
        told = rf"categorical_features must name columns .* got {unknown!r}; .* 2 columns: a, b"
        with pytest.raises(ParameterError, match=told):
            column_places([unknown], ["a", "b"], "categorical_features")


def test_a_table_of_another_library_is_refused() -> None:
    frame = pl.DataFrame({"x": [1.0]})
    with pytest.raises(TableError, match=r"polars LazyFrame; call \.collect\(\)"):
        learnt_levels(frame.lazy(), set(), levels_max=9, level_orders_min=1)
    with pytest.raises(TableError, match=r"got pyarrow\.lib\.Table; convert it"):
        learnt_levels(frame.to_arrow(), set(), levels_max=9, level_orders_min=1)
