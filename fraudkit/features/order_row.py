"""`order_row`: all order features of one order in one call.

With eighty features most of the time would go into picking arguments and starting calls. So
the calls are written out once as a Python function, as `dataclasses` writes ``__init__``: its
text holds nothing but numbered names, whatever features and fields are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fraudkit.features.feature_group import OrderCall, order_calls
from fraudkit.features.spec import OrderFeature, Value

__all__ = ["order_row", "written_out"]

_OrderRow = Callable[[Sequence[Value]], tuple[float, ...]]


def order_row(features: Sequence[OrderFeature], paths: Sequence[str]) -> _OrderRow:
    """Return the function from the values of all paths to the values of all order features.

    Its answer has the features' order; truth values stand for 1 and 0.

    Parameters
    ----------
    features : sequence of OrderFeature
        What is computed.
    paths : sequence of str
        What is given, each once; every feature's inputs are among them.

    Examples
    --------
    >>> is_round = OrderFeature(
    ...     name="is_round", inputs=("order.amount_minor",), compute=lambda minor: minor % 100 == 0,
    ...     unit="0 or 1", meaning="", reason_code="AMOUNT", low=0.0, high=1.0,
    ... )
    >>> order_row([is_round], ["channel", "order.amount_minor"])(("web", 1200))
    (True,)
    """
    return written_out(order_calls(features), paths, len(features))


def written_out(
    calls: Sequence[OrderCall], paths: Sequence[str], n_columns: int
) -> Callable[[Sequence[Value]], tuple[Any, ...]]:
    """Return the function from the values of all paths to what calls make of them.

    Parameters
    ----------
    calls : sequence of OrderCall
        What is called, one after the other.
    paths : sequence of str
        What is given, each once; every call's inputs are among them.
    n_columns : int
        The length of the answer.
    """
    lines = "\n".join(_lines(calls, paths, n_columns))
    held: dict[str, Any] = {f"f{index}": call.compute for index, call in enumerate(calls)}
    exec(lines, held)  # noqa: S102 - numbered names alone
    row: Callable[[Sequence[Value]], tuple[Any, ...]] = held["row"]
    return row


def _lines(calls: Sequence[OrderCall], paths: Sequence[str], n_columns: int) -> Iterator[str]:
    yield "def row(values):"
    if paths:
        yield f"    {''.join(f'v{place},' for place in range(len(paths)))} = values"
    places = {path: place for place, path in enumerate(paths)}
    for index, call in enumerate(calls):
        arguments = (f"v{places[path]}" if path else "None" for path in call.inputs)
        targets = ("_" if column is None else f"c{column}" for column in call.columns)
        comma = "," if call.is_group else ""
        yield f"    {', '.join(targets)}{comma} = f{index}({', '.join(arguments)})"
    yield f"    return ({''.join(f'c{column},' for column in range(n_columns))})"
