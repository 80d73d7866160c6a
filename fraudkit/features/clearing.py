"""When a window clears: from when on the order, made again, would not find there what it found.

"Made again" means the same order, with nothing more happening: what it sees are the events that
it saw, as they were known then. So a time stands, whatever happens next, and can be computed
again from the journal.

Windows clear by their operation:

- ``count``, ``sum``, ``distinct``, ``count_same`` and ``count_same_amount`` fall as events leave.
  One that is above the reference order's value clears when it is back at that value or below; an
  unknown reference value is 0. One that is not above it does not clear.
- ``seconds_since_last`` and ``seconds_since_same`` rise. One that is below the reference value
  clears when it is back at that value, or when the newest event has left.
- ``share``, ``mean``, ``min``, ``max`` and ``std`` go either way. They clear when they are
  unknown: none of the events that made them is left.
- ``seconds_since_first`` and the relations (``is_new``, ``amount_over_mean``,
  ``amount_over_max``) do not clear by waiting; nor does a window without a width of its own, or
  one whose value is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isnan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.features.spec import Aggregation, FeatureSet, OperationName
from fraudkit.features.window_arrays import EVENT_TIME

__all__ = ["ReadWindows", "WindowClearing", "clears_at_ms", "window_clearings"]

ReadWindows = Callable[[NDArray[np.int64], NDArray[np.float64]], None]
"""`fraudkit.features.state.StateStore.read`: writes the windows of a query into a row."""

_FALLING: Final[frozenset[OperationName]] = frozenset(
    {"count", "sum", "distinct", "count_same", "count_same_amount"}
)
_RISING: Final[frozenset[OperationName]] = frozenset({"seconds_since_last", "seconds_since_same"})
_EMPTYING: Final[frozenset[OperationName]] = frozenset({"share", "mean", "min", "max", "std"})


class WindowClearing(NamedTuple):
    """How one window clears.

    Attributes
    ----------
    column : int
        Of the feature row.
    operation : str
        What the window computes.
    width_ms : int
        Its width.
    reference : float
        The reference order's value; may be NaN.
    narrower : tuple of (int, int)
        Width (ms) and column of the windows that differ from it in nothing but a smaller width,
        the widest first.
    """

    column: int
    operation: OperationName
    width_ms: int
    reference: float
    narrower: tuple[tuple[int, int], ...]

    def clears_by_ms(self, values: NDArray[np.float64], time_ms: int) -> int | None:
        """Return a time by which it has cleared, or ``None`` where waiting does not clear it.

        All that an order made at ``time_ms`` sees has left after the window's width. If a
        narrower window of the same kind is clear already, what is too much is older than that
        one's width, and has left as much sooner. ``seconds_since_last`` and
        ``seconds_since_same`` give the exact time.

        Parameters
        ----------
        values : ndarray of float64, shape (n_features,)
            The order's feature row.
        time_ms : int
            The order's event time, UTC epoch milliseconds.
        """
        value = float(values[self.column])
        if not self.is_held(value):
            return None
        if self.operation in _RISING:
            return time_ms + self._rising_ms(value)
        for width_ms, column in self.narrower:
            if self.is_clear(float(values[column])):
                return time_ms + self.width_ms - width_ms
        return time_ms + self.width_ms

    def is_held(self, value: float) -> bool:
        """Return whether a value is one that waiting clears."""
        if isnan(value):
            return False
        return not self.is_clear(value)

    def is_clear(self, value: float) -> bool:
        """Return whether a value is one of a window that has cleared."""
        if isnan(value):
            return True
        reference = self.reference
        if self.operation in _FALLING:
            return value <= (0.0 if isnan(reference) else reference)
        return self.operation in _RISING and value >= reference

    def _rising_ms(self, value: float) -> int:
        """Return how long the newest event needs to be as old as the reference's, or to leave."""
        age_ms = round(value * 1000.0)
        leaves_ms = self.width_ms - age_ms + 1
        if isnan(self.reference):
            return leaves_ms
        reference_ms = round(self.reference * 1000.0)
        reference_ms += reference_ms / 1000.0 < self.reference
        return min(leaves_ms, reference_ms - age_ms)


def window_clearings(
    features: FeatureSet, reference: NDArray[np.float64]
) -> dict[int, WindowClearing]:
    """Return how each window clears that can, by its column.

    Parameters
    ----------
    reference : ndarray of float64, shape (n_features,)
        The reference order's row.
    """
    return {clearing.column: clearing for clearing in _clearings(features, reference)}


def clears_at_ms(
    clearing: WindowClearing,
    read: ReadWindows,
    query: NDArray[np.int64],
    values: NDArray[np.float64],
) -> int | None:
    """Return the first time at which a window is clear, or ``None`` where that cannot be told.

    It is found by asking the store what the order would see later, about 30 times.

    Parameters
    ----------
    read : callable
        `StateStore.read` of a store that holds what the order saw, at least.
    query : ndarray of int64, shape (n_columns,)
        The order as it asked: its event time, and when it was received.
    values : ndarray of float64, shape (n_features,)
        The order's feature row.

    Returns
    -------
    int or None
        UTC epoch milliseconds. ``None`` where waiting does not clear it, where the store no
        longer holds what the order saw, and where events that happened later than the order had
        been received before it: they would come into view.

    Raises
    ------
    fraudkit.errors.StoreError
        If the store cannot be reached.

    Notes
    -----
    Where a key has more events than a window looks at, such later events may push out of view
    what the order saw without being counted themselves; the time is then too early.
    """
    time_ms = int(query[EVENT_TIME])
    latest_ms = clearing.clears_by_ms(values, time_ms)
    if latest_ms is None or clearing.operation in _RISING:
        return latest_ms
    asked, row = query.copy(), np.empty(len(values))

    def value_at(moment_ms: int) -> float:
        asked[EVENT_TIME] = moment_ms
        read(asked, row)
        return float(row[clearing.column])

    last = value_at(time_ms + clearing.width_ms)
    is_emptied = isnan(last) if clearing.operation in _EMPTYING else last == 0.0
    if not is_emptied or value_at(time_ms) != float(values[clearing.column]):
        return None
    held_ms = time_ms
    while latest_ms - held_ms > 1:
        middle_ms = (held_ms + latest_ms) // 2
        if clearing.is_clear(value_at(middle_ms)):
            latest_ms = middle_ms
        else:
            held_ms = middle_ms
    return latest_ms


def _clearings(features: FeatureSet, reference: NDArray[np.float64]) -> Iterator[WindowClearing]:
    first = len(features.order_features)
    alike: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for column, window in enumerate(features.aggregations, first):
        held = alike.setdefault(_kind(window), [])
        held.append((features.width_ms(window), column))
    for column, window in enumerate(features.aggregations, first):
        width_ms = window.window_ms
        if width_ms is None or window.operation not in _FALLING | _RISING | _EMPTYING:
            continue
        narrower = sorted(other for other in alike[_kind(window)] if other[0] < width_ms)
        yield WindowClearing(
            column,
            window.operation,
            width_ms,
            float(reference[column]),
            tuple(reversed(narrower)),
        )


def _kind(window: Aggregation) -> tuple[object, ...]:
    return window.entity, window.operation, window.where, window.of
