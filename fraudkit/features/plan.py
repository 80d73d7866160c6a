"""From a feature set's windows to the arrays that the kernel reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.spec import Aggregation, FeatureSet
from fraudkit.features.window_arrays import (
    FIRST_STATUS,
    HELD_FIRST,
    NEVER,
    Lane,
    Operation,
    WindowArrays,
)

__all__ = ["WindowPlan", "window_plan"]


class WindowPlan(NamedTuple):
    """A feature set's windows, ready for a driver.

    Attributes
    ----------
    arrays : WindowArrays
        What the kernel computes.
    statuses : tuple of Status
        The statuses whose "known at" times an event row holds, in column order.
    hashed : tuple of str
        The entities and fields whose hashes an event row holds, in column order.
    hashed_places : ndarray of int64, shape (n_hashed,)
        Their places among the feature set's entities.
    indexed : tuple of str
        The entities with windows of their own, in the order of ``arrays.entities``.
    n_columns : int
        Columns of an event row.
    first_out, n_out : int
        The first column of a feature row that windows write, and the row's length.
    max_events, retention_ms : int
        Of the feature set.
    layout : str
        A digest of what an event row holds; rows of another layout must not be read.
    """

    arrays: WindowArrays
    statuses: tuple[Status, ...]
    hashed: tuple[str, ...]
    hashed_places: NDArray[np.int64]
    indexed: tuple[str, ...]
    n_columns: int
    first_out: int
    n_out: int
    max_events: int
    retention_ms: int
    layout: str

    @property
    def first_hash(self) -> int:
        """The first column of an event row that holds a hash."""
        return FIRST_STATUS + len(self.statuses)

    def in_currency(self, currency: str) -> WindowPlan:
        """Return the plan for events whose amounts are in a reference currency.

        Only its layout is another, so that amounts in two currencies are never added up.
        """
        named = hashlib.sha256(f"{self.layout}:{currency}".encode()).hexdigest()[:16]
        return self._replace(layout=named)

    def is_same(self, other: WindowPlan) -> bool:
        """Whether a store made for one plan gives the windows of the other."""
        mine, theirs = (
            (plan.layout, plan.statuses, plan.hashed, plan.indexed, plan.n_columns,
             plan.first_out, plan.n_out, plan.max_events, plan.retention_ms)
            for plan in (self, other)
        )  # fmt: skip
        arrays = zip(
            (*self.arrays, self.hashed_places), (*other.arrays, other.hashed_places), strict=True
        )
        return mine == theirs and all(np.array_equal(*pair) for pair in arrays)

    def status_column(self, status: Status) -> int | None:
        """Return the column of a status's "known at" time, or ``None`` where no window asks."""
        if status not in self.statuses:
            return None
        return FIRST_STATUS + self.statuses.index(status)

    def event_row(
        self,
        event_id: int,
        event_time_ms: int,
        available_at_ms: int,
        amount: int,
        hashes: Sequence[int],
    ) -> NDArray[np.int64]:
        """Return an event, or a query, as the row that stores and kernel take.

        Parameters
        ----------
        event_id : int
            Signed 64-bit hash of the transaction's id; not 0.
        event_time_ms : int
            When the customer made it, UTC epoch milliseconds.
        available_at_ms : int
            When it was received: what is known before that is what it may see.
        amount : int
            Minor units of the reference currency, or `fraudkit.features.window_arrays.NO_AMOUNT`.
        hashes : sequence of int
            One an entity of ``hashed``, `fraudkit.features.window_arrays.NO_KEY` where absent.
        """
        never = [NEVER] * len(self.statuses)
        held = [event_id, event_time_ms, available_at_ms, amount, *never, *hashes]
        return np.array(held, np.int64)


_LANES: Final = {
    Operation.COUNT: Lane.EVENTS,
    Operation.SECONDS_SINCE_LAST: Lane.EVENTS,
    Operation.SECONDS_SINCE_FIRST: Lane.EVENTS,
    Operation.SHARE: Lane.EVENTS,
    Operation.SUM: Lane.AMOUNTS,
    Operation.MEAN: Lane.AMOUNTS,
    Operation.AMOUNT_OVER_MEAN: Lane.AMOUNTS,
    Operation.MIN: Lane.EXTREMES,
    Operation.MAX: Lane.EXTREMES,
    Operation.AMOUNT_OVER_MAX: Lane.EXTREMES,
    Operation.STD: Lane.SPREAD,
    Operation.DISTINCT: Lane.DISTINCT,
    Operation.COUNT_SAME: Lane.SAME,
    Operation.IS_NEW: Lane.SAME,
    Operation.SECONDS_SINCE_SAME: Lane.SAME,
    Operation.COUNT_SAME_AMOUNT: Lane.SAME_AMOUNT,
}


class _Window(NamedTuple):
    """One window, in columns of an event row."""

    lane: Lane
    where: int
    of: int
    width_ms: int
    operation: Operation
    out: int


class _Tables(NamedTuple):
    """The rows of `WindowArrays` while they are gathered."""

    entities: list[tuple[int, ...]]
    needed: list[int]
    windows: list[int]
    lanes: list[tuple[int, ...]]
    features: list[tuple[int, ...]]


def window_plan(features: FeatureSet) -> WindowPlan:
    """Return the compiled windows of a feature set.

    Raises
    ------
    fraudkit.errors.FeatureError
        Never for a `FeatureSet`, which is checked when it is made.
    """
    statuses = features.statuses
    used = {a.entity for a in features.aggregations} | {a.of for a in features.aggregations}
    hashed = tuple(name for name in features.entity_names if name in used)
    first_hash = FIRST_STATUS + len(statuses)
    tables = _Tables([], [], [], [], [])
    indexed = []
    for name in hashed:
        own = [
            _window(features, place, aggregation, hashed)
            for place, aggregation in enumerate(features.aggregations)
            if aggregation.entity == name
        ]
        if own:
            indexed.append(name)
            _add_entity(tables, first_hash + hashed.index(name), own)
    return WindowPlan(
        arrays=WindowArrays(
            np.array(tables.entities, np.int64).reshape(-1, 7),
            np.array(tables.needed, np.int64),
            np.array(tables.windows, np.int64),
            np.array(tables.lanes, np.int64).reshape(-1, 6),
            np.array(tables.features, np.int64).reshape(-1, 3),
        ),
        statuses=statuses,
        hashed=hashed,
        hashed_places=np.array([features.entity_names.index(name) for name in hashed], np.int64),
        indexed=tuple(indexed),
        n_columns=first_hash + len(hashed),
        first_out=len(features.order_features),
        n_out=len(features.names),
        max_events=features.max_events,
        retention_ms=features.retention_ms,
        layout=_layout(features, statuses, hashed, indexed),
    )


def _window(
    features: FeatureSet, place: int, aggregation: Aggregation, hashed: Sequence[str]
) -> _Window:
    first_hash = FIRST_STATUS + len(features.statuses)
    status, operation = aggregation.status, Operation[aggregation.operation.upper()]
    return _Window(
        lane=_LANES[operation],
        where=-1 if status is None else FIRST_STATUS + features.statuses.index(status),
        of=-1 if aggregation.of is None else first_hash + hashed.index(aggregation.of),
        width_ms=features.width_ms(aggregation),
        operation=operation,
        out=len(features.order_features) + place,
    )


def _add_entity(tables: _Tables, column: int, own: Sequence[_Window]) -> None:
    """Add one entity: what is gathered of its events, its widths, its lanes."""
    needed = sorted({c for window in own for c in (window.where, window.of)} - {-1})
    widths = sorted({window.width_ms for window in own})
    first_lane = len(tables.lanes)
    held = {column: HELD_FIRST + place for place, column in enumerate(needed)} | {-1: -1}
    by_lane = sorted(own, key=lambda w: (w.lane, w.where, w.of, w.width_ms, w.out))
    for (lane, where, of), group in groupby(by_lane, key=lambda w: (w.lane, w.where, w.of)):
        first = len(tables.features)
        tables.features.extend((widths.index(w.width_ms), w.operation, w.out) for w in group)
        tables.lanes.append((lane, held[where], held[of], of, first, len(tables.features)))
    first_needed, first_window = len(tables.needed), len(tables.windows)
    tables.needed.extend(needed)
    tables.windows.extend(widths)
    tables.entities.append(
        (
            column,
            first_needed,
            len(tables.needed),
            first_window,
            len(tables.windows),
            first_lane,
            len(tables.lanes),
        )
    )


def _layout(
    features: FeatureSet,
    statuses: Iterable[Status],
    hashed: Iterable[str],
    indexed: Iterable[str],
) -> str:
    entities = {entity.name: entity for entity in features.entities}
    held = [f"{status.name}" for status in statuses]
    held += [f"{name}:{entities[name].inputs}:{entities[name].is_caseless}" for name in hashed]
    held += [f"index {name}" for name in indexed]
    return hashlib.sha256("\n".join(held).encode()).hexdigest()[:16]
