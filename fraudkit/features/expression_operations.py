"""Every operation of an expression, for one order and for many, side by side.

A number, and a truth value as 1 or 0, is a float64 in which NaN is "unknown"; a text is a `str`
or ``None``. Both forms of an operation do the same IEEE 754 operations in the same order, and so
give the same float. Polars would not: to divide a column by a number it multiplies by the
inverse.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

__all__ = ["OPERATIONS", "Operation"]


class Operation(NamedTuple):
    """An operation in both forms.

    Attributes
    ----------
    one : str
        A Python expression; ``{0}``, ``{1}``, ``{2}`` are the operands' names.
    many : callable
        Takes arrays that broadcast, float64 or of objects, returns one.
    """

    one: str
    many: Callable[..., Any]


_NOTHING: Final = np.array(None, np.object_)


def _unless_zero(divide: np.ufunc) -> Callable[..., Any]:
    return lambda a, b: np.where(b == 0.0, np.nan, divide(a, b))


def _where_known(compare: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, compare(a, b))


def _where_there(compare: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: np.where(_is_absent(a) | _is_absent(b), np.nan, compare(a, b))


def _is_absent(texts: Any) -> Any:
    return np.equal(texts, _NOTHING)


def _is_among(values: Any, items: frozenset[object]) -> Any:
    found = np.frompyfunc(items.__contains__, 1, 1)(values)
    return np.asarray(found).astype(np.bool_)


def _chosen(asked: Any, first: Any, second: Any, unknown: Any = np.nan) -> Any:
    return np.where(asked == 1.0, first, np.where(asked == 0.0, second, unknown))


_COMPARISONS: Final[dict[str, Callable[..., Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_KNOWN: Final = "{0} == {0} and {1} == {1}"
_THERE: Final = "{0} is not None and {1} is not None"

OPERATIONS: Final[dict[str, Operation]] = {
    "negative": Operation("-{0}", np.negative),
    "+": Operation("{0} + {1}", np.add),
    "-": Operation("{0} - {1}", np.subtract),
    "*": Operation("{0} * {1}", np.multiply),
    "/": Operation("{0} / {1} if {1} else nan", _unless_zero(np.divide)),
    "//": Operation("{0} // {1} if {1} else nan", _unless_zero(np.floor_divide)),
    "%": Operation("{0} % {1} if {1} else nan", _unless_zero(np.remainder)),
    "abs": Operation("abs({0})", np.abs),
    "min": Operation("{0} if {0} < {1} or {0} != {0} else {1}", np.minimum),
    "max": Operation("{0} if {0} > {1} or {0} != {0} else {1}", np.maximum),
    **{
        name: Operation(f"1.0 if {{0}} {name} {{1}} else 0.0 if {_KNOWN} else nan", _where_known(f))
        for name, f in _COMPARISONS.items()
    },
    "!=": Operation(
        f"0.0 if {{0}} == {{1}} else 1.0 if {_KNOWN} else nan", _where_known(operator.ne)
    ),
    "text ==": Operation(
        f"(1.0 if {{0}} == {{1}} else 0.0) if {_THERE} else nan", _where_there(operator.eq)
    ),
    "text !=": Operation(
        f"(0.0 if {{0}} == {{1}} else 1.0) if {_THERE} else nan", _where_there(operator.ne)
    ),
    "in": Operation(
        "1.0 if {0} in {1} else 0.0 if {0} == {0} else nan",
        lambda a, items: np.where(np.isnan(a), np.nan, _is_among(a, items)),
    ),
    "text in": Operation(
        "nan if {0} is None else 1.0 if {0} in {1} else 0.0",
        lambda a, items: np.where(_is_absent(a), np.nan, _is_among(a, items)),
    ),
    "not": Operation("1.0 - {0}", lambda a: 1.0 - a),
    "and": Operation(
        "0.0 if {0} == 0.0 or {1} == 0.0 else {0} * {1}",
        lambda a, b: np.where((a == 0.0) | (b == 0.0), 0.0, a * b),
    ),
    "or": Operation(
        "1.0 if {0} == 1.0 or {1} == 1.0 else {0} + {1}",
        lambda a, b: np.where((a == 1.0) | (b == 1.0), 1.0, a + b),
    ),
    "is_true": Operation(
        "0.0 if {0} == 0.0 else 1.0 if {0} == {0} else nan",
        lambda a: np.where(np.isnan(a), np.nan, a != 0.0),
    ),
    "if": Operation("{1} if {0} == 1.0 else {2} if {0} == 0.0 else nan", _chosen),
    "text if": Operation(
        "{1} if {0} == 1.0 else {2} if {0} == 0.0 else None",
        lambda asked, first, second: _chosen(asked, first, second, _NOTHING),
    ),
    "default": Operation("{0} if {0} == {0} else {1}", lambda a, b: np.where(np.isnan(a), b, a)),
    "text default": Operation(
        "{1} if {0} is None else {0}", lambda a, b: np.where(_is_absent(a), b, a)
    ),
    "is_missing": Operation(
        "0.0 if {0} == {0} else 1.0", lambda a: np.where(np.isnan(a), 1.0, 0.0)
    ),
    "text is_missing": Operation(
        "1.0 if {0} is None else 0.0", lambda a: np.where(_is_absent(a), 1.0, 0.0)
    ),
}
"""By the name that `fraudkit.features.expression_tree.Node` has for it; ``"text "`` stands before
the name where an operand is a text."""
