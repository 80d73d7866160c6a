"""Both forms of an expression give the same float, whatever the expression and the values."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.features.expression_forms import offline_form, online_form
from fraudkit.features.expression_tree import expression_tree, fields_of
from fraudkit.features.spec import Value
from fraudkit.features.value_text import text_of
from tests.features.expression_examples import is_same

NUMBERS = ("reference_amount_minor", "order.item_count", "device.session_age_s")
TRUTHS = ("order.is_gift", "account.is_guest")
TEXTS = ("billing.country", "shipping.country")
OWN = ("custom_inputs.a", "custom_inputs.b")


def expressions(kind: str, depth: int) -> st.SearchStrategy[str]:
    """Return expressions of a kind, written out."""
    leaves = {
        "number": st.sampled_from([*NUMBERS, *OWN, *TRUTHS, "0", "1", "3", "0.1", "-2.5", "1e9"]),
        "truth": st.sampled_from([*TRUTHS, *OWN, "True", "False"]),
        "text": st.sampled_from([*TEXTS, *OWN, "'DE'", "''", "'5'", "'true'", "'ß'"]),
    }
    if depth == 0:
        return leaves[kind]
    number, truth, text = (expressions(inner, depth - 1) for inner in leaves)
    own = {"number": number, "truth": truth, "text": text}[kind]
    deeper = [
        st.builds("({} if {} else {})".format, own, truth, own),
        st.builds("default({}, {})".format, own, own),
    ]
    comparison = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    if kind == "number":
        operation = st.sampled_from(["+", "-", "*", "/", "//", "%"])
        deeper += [
            st.builds("({} {} {})".format, number, operation, number),
            st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), number, number),
            st.builds("abs({})".format, number),
            st.builds("-{}".format, number),
            truth,
        ]
    elif kind == "truth":
        deeper += [
            st.builds("({} {} {})".format, number, comparison, number),
            st.builds("({} {} {} < {})".format, number, comparison, number, number),
            st.builds("({} {} {})".format, text, st.sampled_from(["==", "!="]), text),
            st.builds("({} {} {})".format, truth, st.sampled_from(["and", "or"]), truth),
            st.builds("(not {})".format, truth),
            st.builds("is_missing({})".format, st.one_of(number, truth, text)),
            st.builds("({} in [0, 5, -2.5])".format, number),
            st.builds("({} not in ['DE', '', '5'])".format, text),
        ]
    return st.one_of(leaves[kind], *deeper)


FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 5.0, 1e308, 5e-324])
TEXT_VALUES = st.sampled_from(["DE", "", "5", "-2.5", "true", "ß", "😀", "1e9"]) | st.text(
    max_size=3
)
VALUES: dict[str, st.SearchStrategy[Value]] = {
    "reference_amount_minor": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5),
    "order.item_count": st.none() | st.integers(0, 5),
    "device.session_age_s": st.none() | FLOATS,
    **dict.fromkeys(TRUTHS, st.none() | st.booleans()),
    **dict.fromkeys(TEXTS, st.none() | TEXT_VALUES),
}
OWN_VALUES: dict[str, st.SearchStrategy[Value]] = {
    "numbers": st.none() | FLOATS,
    "truths": st.none() | st.booleans(),
    "texts": st.none() | TEXT_VALUES,
    "all": st.none() | st.floats(allow_infinity=False) | st.booleans() | TEXT_VALUES,
}


@given(data=st.data(), text=st.one_of(expressions("number", 3), expressions("truth", 3)))
def test_both_forms_give_the_same_float(data: st.DataObject, text: str) -> None:
    paths = fields_of(expression_tree(f"{text} + is_missing(order.item_count)"))
    own = {path: data.draw(st.sampled_from(list(OWN_VALUES))) for path in paths if path in OWN}
    drawn = {path: VALUES[path] if path in VALUES else OWN_VALUES[own[path]] for path in paths}
    rows = data.draw(st.lists(st.tuples(*drawn.values()), min_size=1, max_size=6))
    columns = [
        column_of([row[place] for row in rows], is_mixed=own.get(path) == "all")
        for place, path in enumerate(paths)
    ]
    tree = expression_tree(f"{text} + is_missing(order.item_count)")
    one, many = online_form(tree), offline_form(tree)(*columns)
    assert all(is_same(one(*row), value) for row, value in zip(rows, many, strict=True))
    assert all(math.isnan(value) or math.isfinite(value) for value in many)


OF_TWO_NUMBERS = [
    *(f"{{}} {name} {{}}" for name in ("+", "-", "*", "/", "//", "%")),
    *(f"{{}} {name} {{}}" for name in ("<", "<=", ">", ">=", "==", "!=")),
    "min({}, {})",
    "max({}, {})",
    "default({}, {})",
    "abs({}) - abs({})",
    "{} in [0, 1, 5] and {} not in [-1]",
    "({} > 0) or not ({} > 0)",
]
SOME_NUMBERS = st.none() | FLOATS | st.integers(-9, 9).map(float)


@pytest.mark.parametrize("form", OF_TWO_NUMBERS)
@given(rows=st.lists(st.tuples(SOME_NUMBERS, SOME_NUMBERS), min_size=1, max_size=20))
def test_an_operation_gives_the_same_float(
    form: str, rows: list[tuple[float | None, float | None]]
) -> None:
    tree = expression_tree(form.format("custom_inputs.a", "device.session_age_s"))
    columns = [pl.Series([row[place] for row in rows], dtype=pl.Float64) for place in (0, 1)]
    one, many = online_form(tree), offline_form(tree)(*columns)
    assert all(is_same(one(*row), value) for row, value in zip(rows, many, strict=True))


def column_of(values: list[Value], *, is_mixed: bool) -> pl.Series:
    """Return a column as a file gives it: one of numbers and text is read as text."""
    return pl.Series([text_of(value) for value in values] if is_mixed else values, strict=True)


@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_a_number_is_the_same_number_once_it_was_text(value: float) -> None:
    read = online_form(expression_tree("custom_inputs.a"))
    assert read(text_of(value)) == read(value)
