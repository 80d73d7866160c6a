"""`FunctionText`: a function written out line by line, as `dataclasses` writes ``__init__``.

An order has some seventy fields and eighty features. Were they read and computed in loops, most of
the time would go into picking arguments and making tuples. So it is written out once, for one
feature set. The text holds nothing but numbered names and attributes, whatever features and
fields are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["FunctionText"]


class FunctionText:
    """A function in the making.

    Parameters
    ----------
    parameters : str
        Its parameters.

    Examples
    --------
    >>> text = FunctionText("values")
    >>> width, depth = text.unpack("values", 2)
    >>> area = text.line(f"{width} * {depth}")
    >>> text.function(area)((3, 4))
    12
    """

    def __init__(self, *parameters: str) -> None:
        self._lines = [f"def function({', '.join(parameters)}):"]
        self._held: dict[str, object] = {}
        self._expressions: dict[str, str] = {}

    def hold(self, value: object) -> str:
        """Return the name of an object that the text uses; equal ones have one name."""
        for name, held in self._held.items():
            if held is value or held == value:
                return name
        name = f"f{len(self._held)}"
        self._held[name] = value
        return name

    def call(self, function: Callable[..., object], arguments: Iterable[str]) -> str:
        """Return the expression that calls a function."""
        return f"{self.hold(function)}({', '.join(arguments)})"

    def line(self, expression: str) -> str:
        """Return the name of an expression's value, which is computed once."""
        if expression not in self._expressions:
            name = f"v{len(self._lines)}"
            self._lines.append(f"{name} = {expression}")
            self._expressions[expression] = name
        return self._expressions[expression]

    def unpack(self, expression: str, count: int) -> list[str]:
        """Return the names of the items of an expression's value."""
        names = [f"v{len(self._lines)}_{index}" for index in range(count)]
        self._lines.append(f"[{', '.join(names)}] = {expression}")
        return names

    def run(self, expression: str) -> None:
        """Compute an expression for what it does."""
        self._lines.append(expression)

    def function(self, returned: str) -> Callable[..., Any]:
        """Return the function; it answers with the value of an expression."""
        text = "\n    ".join((*self._lines, f"return {returned}"))
        held: dict[str, Any] = dict(self._held)
        exec(text, held)  # noqa: S102 - attributes and numbered names
        function: Callable[..., Any] = held["function"]
        return function
