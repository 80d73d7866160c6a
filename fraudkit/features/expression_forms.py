"""The two forms of an expression: a Python function for one order, and one on columns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.features.expression_operations import OPERATIONS, Operation
from fraudkit.features.expression_tree import Node, fields_of
from fraudkit.features.field_kinds import field_kind
from fraudkit.features.order_features import number
from fraudkit.features.spec import Value
from fraudkit.features.value_text import text_of

__all__ = ["offline_form", "online_form"]

_FOLDED: Final = ("and", "or", "min", "max")
_NAMES: Final[dict[str, Any]] = {
    "__builtins__": {},
    "abs": abs,
    "float": float,
    "inf": math.inf,
    "nan": math.nan,
}
"""All that the online form may name, beside what it is given and makes itself."""


def online_form(tree: Node) -> Callable[..., float]:
    """Return the function of one order.

    It takes the values of `fields_of`, ``None`` where absent, and returns NaN where the answer is
    unknown or not finite. Cost: about 30 ns a part.

    Examples
    --------
    >>> from fraudkit.features.expression_tree import expression_tree
    >>> share = online_form(expression_tree("order.amount_minor / order.item_count"))
    >>> share(900, 3), share(900, None), share(900, 0)
    (300.0, nan, nan)
    """
    writer = _Writer(fields_of(tree))
    answer = writer.value(tree)
    lines = [
        f"def compute({', '.join(writer.arguments.values())}):",
        *writer.lines,
        f"return {answer} if -inf < {answer} < inf else nan",
    ]
    held = dict(_NAMES, number=number, text_of=text_of)
    # Each line is one of the table's, filled in with names made here and with literals.
    exec(compile("\n    ".join(lines), "<expression>", "exec"), held)  # noqa: S102
    function: Callable[..., float] = held["compute"]
    return function


def offline_form(tree: Node) -> Callable[..., NDArray[np.float64]]:
    """Return the function of many orders.

    It takes a polars Series for each of `fields_of`, null where absent, and returns a float64 for
    each row: that of `online_form`, with ``==``, and NaN where that is NaN.

    Examples
    --------
    >>> import polars as pl
    >>> from fraudkit.features.expression_tree import expression_tree
    >>> is_high = offline_form(expression_tree("order.amount_minor > 500"))
    >>> is_high(pl.Series([900, None, 500])).tolist()
    [1.0, nan, 0.0]
    """
    paths = fields_of(tree)

    def compute(*columns: Any) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):
            values = _Arrays(dict(zip(paths, columns, strict=True))).value(tree)
        spread = np.broadcast_to(values, (len(columns[0]),))
        return np.where(np.isfinite(spread), spread, np.nan)

    return compute


class _Walk(ABC):
    """Goes through a tree from its leaves up; equal parts are done once."""

    def __init__(self) -> None:
        self._values: dict[Node, Any] = {}

    def value(self, node: Node) -> Any:
        """Return what stands for a node's value."""
        if node not in self._values:
            self._values[node] = self._made(node)
        return self._values[node]

    @abstractmethod
    def literal(self, value: float | str) -> Any: ...

    @abstractmethod
    def items(self, values: Sequence[float | str]) -> Any: ...

    @abstractmethod
    def field(self, path: str, *, is_text: bool) -> Any: ...

    @abstractmethod
    def apply(self, operation: Operation, *operands: Any) -> Any: ...

    def _made(self, node: Node) -> Any:
        if not isinstance(node.value, tuple) and not node.operands:
            if node.operation == "literal":
                return self.literal(node.value)
            return self.field(str(node.value), is_text=node.kind == "text")
        operands = [self.value(operand) for operand in node.operands]
        is_text = any(operand.kind == "text" for operand in node.operands)
        before = "text " if is_text else ""
        if node.operation == "compare" and isinstance(node.value, tuple):
            asked = zip(node.value, pairwise(operands), strict=True)
            truths = [self.apply(OPERATIONS[f"{before}{name}"], *pair) for name, pair in asked]
            return reduce(partial(self.apply, OPERATIONS["and"]), truths)
        operation = OPERATIONS[f"{before}{node.operation}"]
        if node.operation in _FOLDED:
            return reduce(partial(self.apply, operation), operands)
        if isinstance(node.value, tuple):
            operands.append(self.items(node.value))
        return self.apply(operation, *operands)


class _Writer(_Walk):
    """Writes one line of Python for each part of a tree."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__()
        self.arguments = {path: f"a{place}" for place, path in enumerate(paths)}
        self.lines: list[str] = []

    def literal(self, value: float | str) -> str:
        """Return a number as it is; a text by name, as ``is None`` is not asked of a literal."""
        return repr(value) if isinstance(value, float) else self._line(repr(value))

    def items(self, values: Sequence[float | str]) -> str:
        return f"{{{', '.join(map(repr, values))}}}"

    def field(self, path: str, *, is_text: bool) -> str:
        argument = self.arguments[path]
        if field_kind(path) == "any":
            return self._line(f"{'text_of' if is_text else 'number'}({argument})")
        if is_text:
            return argument
        return self._line(f"nan if {argument} is None else float({argument})")

    def apply(self, operation: Operation, *operands: Any) -> str:
        return self._line(operation.one.format(*operands))

    def _line(self, code: str) -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {code}")
        return name


class _Arrays(_Walk):
    """Computes each part of a tree on whole columns."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        super().__init__()
        self._columns = columns

    def literal(self, value: float | str) -> Any:
        return np.asarray(value, np.float64 if isinstance(value, float) else np.object_)

    def items(self, values: Sequence[float | str]) -> frozenset[float | str]:
        return frozenset(values)

    def field(self, path: str, *, is_text: bool) -> Any:
        column = self._columns[path]
        if is_text:
            return _mapped(column.to_list(), text_of, np.object_)
        values = column.to_numpy()
        if values.dtype.kind in "biuf":
            return values.astype(np.float64)
        return _mapped(column.to_list(), number, np.float64)

    def apply(self, operation: Operation, *operands: Any) -> Any:
        return operation.many(*operands)


def _mapped(
    values: Sequence[Value], function: Callable[[Value], object], dtype: type[np.generic]
) -> NDArray[Any]:
    """Apply the function that serves one order once to each different value of a column."""
    known = {value: function(value) for value in set(values)}
    return np.array([known[value] for value in values], dtype)
