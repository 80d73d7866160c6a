"""An expression gives the same float for one order as for many, and nothing else is let in."""

from __future__ import annotations

from math import inf
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import FeatureError
from fraudkit.features.expression import (
    ExpressionFeature,
    described_expression,
    expression_feature,
)
from fraudkit.features.expression_forms import online_form
from fraudkit.features.expression_operations import OPERATIONS
from fraudkit.features.expression_tree import (
    DEPTH_MAX,
    ITEMS_MAX,
    LENGTH_MAX,
    NUMBER_MAX,
    TEXT_MAX,
    expression_tree,
    fields_of,
)
from fraudkit.features.spec import FeatureSet, Value
from tests.features.expression_examples import EXAMPLES, SHORT, is_same, written_out


def feature(expression: str, **changed: Any) -> ExpressionFeature:
    words = {"meaning": "A test", "reason_code": "TEST", "text": "it is {value}"}
    return expression_feature("tested", expression, **(words | changed))


@pytest.mark.parametrize(("short", "values", "expected"), EXAMPLES)
def test_an_example_gives_what_is_documented(
    short: str, values: dict[str, Value], expected: float
) -> None:
    tested = feature(written_out(short))
    held = {SHORT[letter]: value for letter, value in values.items()}
    row = [held.get(path) for path in tested.inputs]
    assert is_same(tested.compute(*row), expected)
    assert tested.compute_many is not None
    columns = [pl.Series([None, value], strict=False) for value in row]
    assert is_same(tested.compute_many(*columns)[1], expected)


def test_every_operation_has_an_example() -> None:
    used = set()

    def walk(node: Any) -> None:
        before = "text " if any(inner.kind == "text" for inner in node.operands) else ""
        names = node.value if node.operation == "compare" else (node.operation,)
        used.update(f"{before}{name}" for name in names)
        for inner in node.operands:
            walk(inner)

    for short, _, _ in EXAMPLES:
        walk(expression_tree(written_out(short)))
    assert used - {"literal", "field"} == set(OPERATIONS)


REFUSED = {
    "order.itm_count > 1": "'order.itm_count'; did you mean order.item_count?; at column 1:",
    "item_count > 1": "no field 'item_count'; did you mean order.item_count?",
    "account.created_at > 1": "no field 'account.created_at'; did you mean account.created_at_ms?",
    "1 + demographic.age": "must not read 'demographic.age': demographics",
    "1 + 1": "an expression must read a field",
    "billing.country": "must give a number or a truth value, is a text",
    "billing.country > 5": "billing.country must be a number, is a text; at column 1",
    "'ä' == 'ö' and billing.country + 1": "at column 16:\n  'ä' == 'ö' and billing.country + 1\n"
    "                 ^",
    "1 if order.item_count else 2": "must be a truth value, is a number; write what it is",
    "order.item_count or 1": "write default(field, value)",
    "order.item_count and True": "order.item_count must be a truth value, is a number",
    "order.item_count ** 2": "operations are + - * / // %; at",
    "~order.is_gift": "~ is not known; write `not`",
    "order.item_count == None": "None stands for no value; ask is_missing(field); at column 21",
    "order.is_gift is True": "`is` is not known; write == or is_missing(field)",
    "order.item_count in [1, 'a']": "'a' must be a number, is a text",
    "order.item_count in []": "a list must have 1 to 100 items",
    "order.item_count in [order.item_count]": "a list must hold literals only",
    "'a' in billing.country": "`in` takes a list of literals",
    "0 < order.item_count in [1]": "`in` takes a list of literals",
    "round(order.item_count)": "functions are abs, default, is_missing, max, min",
    "max(order.item_count)": "max takes 2 to 100 values, got 1",
    "default(order.item_count)": "default takes 2 values, got 1",
    "max(1, order.item_count, key=abs)": "with values alone",
    "(lambda: 1)()": "functions are",
    "lambda: order.item_count": "an expression is made of fields, numbers, texts",
    "[order.item_count]": "an expression is made of",
    "f'{order.item_count}' == 'a'": "an expression is made of",
    "(a := 3)": "an expression is made of",
    "order.item_count.__class__": "no field 'order.item_count.__class__'",
    "(1 + 2).real": "what has a part must be a field",
    "b'a' == billing.country": "a literal must be a number, a text, True or False",
    "2j + order.item_count": "a literal must be",
    f"order.item_count + {NUMBER_MAX + 1}": f"between -{NUMBER_MAX} and {NUMBER_MAX}",
    f"order.item_count - {10**30}": "a number must lie between",
    "order.item_count + 1e999": "a number must lie between",
    f"billing.country == '{'x' * (TEXT_MAX + 1)}'": f"at most {TEXT_MAX} characters",
    f"order.item_count in [{'1,' * (ITEMS_MAX + 1)}]": f"1 to {ITEMS_MAX} items",
    "-" * DEPTH_MAX + "order.item_count": f"at most {DEPTH_MAX} parts deep",
    "x" * (LENGTH_MAX + 1): f"at most {LENGTH_MAX} characters, got {LENGTH_MAX + 1}",
    "(" * 300 + ")" * 300: "not an expression",
    "order.amount_minor = 5": "not an expression",
    "order.item_count >": "not an expression: invalid syntax; at column 19",
    "order.item_count) + (1": "a bracket is closed that was not opened",
    "'äöü' == = x": "invalid syntax; at column 10:\n  'äöü' == = x\n           ^",
    "'\u2028ä\u2028' == billing.kountry": "at column 10",
    "order.item_count +\r\n 'ä' + é.x": "at line 2:\n   'ä' + é.x\n   ^",
    "'\\d' == billing.country": "not an expression: invalid escape sequence",
    "order.item_count\x00": "not an expression",
    "'\ud800' == billing.country": "not an expression",
    "order.item_count +\n  billing.kountry": "; at line 2:\n    billing.kountry\n    ^",
    "": "an expression must not be empty",
    " \n": "an expression must not be empty",
}  # fmt: skip


@pytest.mark.parametrize(("expression", "told"), REFUSED.items())
def test_what_is_no_expression_is_refused_with_its_place(expression: str, told: str) -> None:
    with pytest.raises(FeatureError) as caught:
        feature(expression)
    assert told in str(caught.value)
    assert str(caught.value).startswith("feature 'tested': ")


@given(st.text(alphabet="ab()[]{}'\"\\.,:=+-*/%<>!#&|~@^ 01x\n_", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        tree = expression_tree(text)
    except FeatureError:
        return
    assert fields_of(tree)


def test_the_largest_parts_are_let_in() -> None:
    texts = [
        "-" * (DEPTH_MAX - 1) + "order.item_count",
        f"billing.country == '{'x' * TEXT_MAX}'",
        f"order.item_count in [{'1,' * ITEMS_MAX}]",
        f"order.item_count - {NUMBER_MAX}",
        "order.item_count".ljust(LENGTH_MAX),
    ]
    assert all(isinstance(feature(text).compute(1), float) for text in texts)


def test_the_online_form_knows_nothing_else() -> None:
    names = online_form(expression_tree("custom_inputs.a == 1")).__globals__
    assert names["__builtins__"] == {}
    assert set(names) == {
        "__builtins__", "abs", "compute", "float", "inf", "nan", "number", "text_of",
    }  # fmt: skip


def test_text_is_data() -> None:
    told = "'); __import__('os').abort(); ('{0}"
    tested = feature(f"billing.country == {told!r}")
    assert tested.compute(told) == 1.0


def test_a_feature_is_told_and_made_again() -> None:
    tested = feature("order.item_count * 2", low=0.0, unit="lines", zero_text="none")
    described = msgspec.json.decode(msgspec.json.encode(tested.describe()))
    assert described == tested.describe()
    again = described_expression(described)
    assert again.describe() == tested.describe()
    assert (again.low, again.high, again.inputs) == (0.0, inf, ("order.item_count",))
    assert again.compute(4) == 8.0


def test_the_digest_is_of_the_expression_and_not_of_its_words() -> None:
    digests = [
        FeatureSet([], [tested]).digest
        for tested in (
            feature("order.item_count"),
            feature("order.item_count", meaning="Another", text="{value}", unit="lines"),
            feature("order.item_count + 0"),
        )
    ]
    assert digests[0] == digests[1] != digests[2]


def test_a_truth_value_lies_between_0_and_1() -> None:
    tested = feature("order.item_count > 2")
    assert (tested.low, tested.high, tested.unit) == (0.0, 1.0, "0 or 1")


@pytest.mark.parametrize(
    "changed", [{"expression": 5}, {"low": "0"}, {"code": "import os"}, {"expression": "1 +"}]
)
def test_what_was_not_written_by_it_is_not_read(changed: dict[str, Any]) -> None:
    with pytest.raises(FeatureError):
        described_expression(feature("order.item_count").describe() | changed)
