"""Categories as codes, learnt once and the same ever after, and tables as rows of them.

The codes are those of `fraudkit.features.spec.category_code`, which the service uses: what was
rare or unseen when the levels were learnt, and what is absent, is NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import ParameterError
from fraudkit.features.spec import Value, category_code
from fraudkit.features.value_text import text_of
from fraudkit.scoring.learning.table_columns import (
    column_at,
    column_kind,
    column_names,
    numbers,
    plain_values,
)

__all__ = ["Levels", "column_places", "common_levels", "encoded_rows", "learnt_levels"]

Levels = Sequence[tuple[str, ...] | None]
"""For each column of a table the values that have a code, in code order; ``None`` for a number."""


def common_levels(
    values: Iterable[Value], *, levels_max: int, level_orders_min: int
) -> tuple[str, ...]:
    """Return the common values of a category, the most frequent first, ties by value.

    Parameters
    ----------
    values : iterable
        ``None`` and NaN are absent; what is not text is taken as its text, `text_of`.
    levels_max : int
        At most so many.
    level_orders_min : int
        Each with at least so many orders.

    Examples
    --------
    >>> common_levels(["b", "a", "c", "a", "b", None], levels_max=2, level_orders_min=1)
    ('a', 'b')
    """
    counts = Counter(text for text in map(text_of, values) if text is not None)
    common = [level for level, orders in counts.items() if orders >= level_orders_min]
    return tuple(sorted(common, key=lambda level: (-counts[level], level))[:levels_max])


def column_places(named: Iterable[str | int], names: Sequence[str], parameter: str) -> set[int]:
    """Return the places of columns that are named, or given by their place.

    Raises
    ------
    ParameterError
        If there is no such column.
    """
    places = {name: place for place, name in enumerate(names)}
    places |= {place: place for place in range(len(names))}  # type: ignore[misc]
    unknown = [name for name in named if name not in places or isinstance(name, bool)]
    if unknown:
        raise ParameterError(
            f"{parameter} must name columns of the table or their places, got {unknown[0]!r}; "
            f"the table has {len(names)} columns: {', '.join(names[:5])}{', …' * (len(names) > 5)}"
        )
    return {places[name] for name in named}  # type: ignore[index]


def learnt_levels(
    table: Any, categorical: Collection[int], *, levels_max: int, level_orders_min: int
) -> tuple[tuple[str, ...] | None, ...]:
    """Return the levels of a table's columns: of those that hold text, and of those named.

    Parameters
    ----------
    table : polars or pandas DataFrame, or ndarray, shape (n_rows, n_columns)
    categorical : collection of int
        Places of columns that are categories whatever they hold.

    Raises
    ------
    TableError
        If a column holds neither numbers, truth values nor text.
    """
    levels: list[tuple[str, ...] | None] = []
    for place, name in enumerate(column_names(table)):
        values = column_at(table, place)
        kind = column_kind(values, name)
        if place not in categorical and kind == "number":
            levels.append(None)
            continue
        levels.append(
            common_levels(
                plain_values(values), levels_max=levels_max, level_orders_min=level_orders_min
            )
        )
    return tuple(levels)


def encoded_rows(table: Any, levels: Levels) -> NDArray[np.float64]:
    """Return a table as rows of numbers, C-contiguous, shape (n_rows, n_columns).

    Raises
    ------
    TableError
        If a column of numbers holds something else.
    """
    is_plain = isinstance(table, np.ndarray) and table.dtype.kind in "biuf"
    if is_plain and all(known is None for known in levels):
        return np.ascontiguousarray(table, np.float64)
    names = column_names(table)
    rows = np.empty((len(table), len(names)))
    for place, (name, known) in enumerate(zip(names, levels, strict=True)):
        values = column_at(table, place)
        if known is None:
            rows[:, place] = numbers(values, name)
        else:
            column_kind(values, name)
            codes = map(category_code(known), plain_values(values))
            rows[:, place] = np.fromiter(codes, np.float64, len(rows))
    return rows
