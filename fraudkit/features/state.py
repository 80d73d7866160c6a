"""The port to the past: what a store of events must do, whoever implements it.

Reads never write. Time is an argument. An event id counts once. A late event is put where it
belongs if it is within the allowed lateness, else dropped and counted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.spec import Aggregation, FeatureSet
from fraudkit.features.window import ATTEMPTED, FIRST_STATUS, Operation, WindowArrays

__all__ = ["Appended", "Event", "StateStore", "StoreCounters", "WindowPlan", "window_plan"]


class WindowPlan(NamedTuple):
    """A feature set's windows, ready for a driver.

    Attributes
    ----------
    arrays : WindowArrays
        What the kernel computes.
    statuses : tuple of Status
        The statuses whose "known at" times an event row holds, in column order.
    entity_places : ndarray of int64, shape (n_entities,)
        The entities whose hashes an event row holds, as places in the feature set's entities.
    n_columns : int
        Columns of an event row.
    first_out, n_out : int
        The first column of a feature row that windows write, and the row's length.
    max_events, window_ms_max : int
        Of the feature set.
    """

    arrays: WindowArrays
    statuses: tuple[Status, ...]
    entity_places: NDArray[np.int64]
    n_columns: int
    first_out: int
    n_out: int
    max_events: int
    window_ms_max: int

    @property
    def first_entity(self) -> int:
        """The first column of an event row that holds an entity's hash."""
        return FIRST_STATUS + len(self.statuses)


class Event(NamedTuple):
    """One transaction as the windows remember it.

    Attributes
    ----------
    event_id : int
        Signed 64-bit hash of the transaction's id; not 0.
    event_time_ms : int
        UTC epoch milliseconds.
    amount : int
        Minor units of the reference currency, or `NO_AMOUNT`.
    keys : ndarray of int64, shape (n_entities,)
        One hash an entity in the plan's order, `NO_KEY` where absent.
    """

    event_id: int
    event_time_ms: int
    amount: int
    keys: NDArray[np.int64]


class Appended(IntEnum):
    """What became of an event."""

    ACCEPTED = 0
    DUPLICATE = 1
    TOO_LATE = 2


class StoreCounters(Struct, frozen=True, kw_only=True):
    """What a store holds, and what it let go.

    Attributes
    ----------
    events, keys : int
        Held now.
    duplicates, too_late : int
        Events not taken in.
    evicted_by_age, evicted_by_capacity : int
        Events let go; only those by capacity can change a window's value.
    outcomes_pending, outcomes_dropped : int
        Outcomes that wait for their transaction, and those that waited in vain.
    """

    events: int
    keys: int
    duplicates: int
    too_late: int
    evicted_by_age: int
    evicted_by_capacity: int
    outcomes_pending: int
    outcomes_dropped: int


class StateStore(Protocol):
    """A store of past events for one `WindowPlan`."""

    @property
    def counters(self) -> StoreCounters:
        """What it holds, and what it let go."""
        ...

    def read(
        self, keys: NDArray[np.int64], time_ms: int, amount: int, out: NDArray[np.float64]
    ) -> None:
        """Write the value of every window for a query at ``time_ms``; changes nothing.

        Parameters
        ----------
        keys : ndarray of int64, shape (n_entities,)
            The query's hashes; windows of an entity without a key become NaN.
        out : ndarray of float64, shape (n_out,)
            The feature row; only the windows' columns are written.
        """
        ...

    def event_time_of(self, event_id: int) -> int | None:
        """Return the event time of an event that is held, or ``None``; changes nothing."""
        ...

    def classify(self, event: Event) -> Appended:
        """Return what `append` would do with the event now; changes nothing."""
        ...

    def append(self, event: Event) -> Appended:
        """Take an event in, once."""
        ...

    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        """Note what became of an event and when that was known; the earliest time stands.

        Returns whether the event is held. One that is not held yet may still come: its outcomes
        wait for it.
        """
        ...


def window_plan(features: FeatureSet) -> WindowPlan:
    """Return the compiled windows of a feature set."""
    statuses = features.statuses
    used = {a.entity for a in features.aggregations} | {a.of for a in features.aggregations}
    names = tuple(name for name in features.entity_names if name in used)
    wheres = [ATTEMPTED, *range(FIRST_STATUS, FIRST_STATUS + len(statuses))]
    first_entity = FIRST_STATUS + len(statuses)
    first_out = len(features.order_features)
    columns = {a.name: first_out + index for index, a in enumerate(features.aggregations)}
    rows: list[tuple[int, int, int, int, int]] = []
    entities: list[tuple[int, int, int, int, int]] = []
    distincts: list[tuple[int, int]] = []
    for place, entity in enumerate(names):
        own = [a for a in features.aggregations if a.entity == entity]
        if not own:
            continue
        first_row, first_distinct = len(rows), len(distincts)
        for aggregation in sorted(own, key=lambda a: a.window_ms):
            where = 0 if aggregation.status is None else 1 + statuses.index(aggregation.status)
            distinct = _distinct(aggregation, where, names, first_entity, first_distinct, distincts)
            operation = Operation[aggregation.operation.upper()]
            rows.append(
                (aggregation.window_ms, operation, where, distinct, columns[aggregation.name])
            )
        entities.append(
            (first_entity + place, first_row, len(rows), first_distinct, len(distincts))
        )
    return WindowPlan(
        arrays=WindowArrays(
            np.array(rows, np.int64).reshape(-1, 5),
            np.array(entities, np.int64).reshape(-1, 5),
            np.array(wheres, np.int64),
            np.array(distincts, np.int64).reshape(-1, 2),
        ),
        statuses=statuses,
        entity_places=np.array([features.entity_names.index(name) for name in names], np.int64),
        n_columns=first_entity + len(names),
        first_out=first_out,
        n_out=len(features.names),
        max_events=features.max_events,
        window_ms_max=features.window_ms_max,
    )


def _distinct(
    aggregation: Aggregation,
    where: int,
    names: tuple[str, ...],
    first_entity: int,
    first_distinct: int,
    distincts: list[tuple[int, int]],
) -> int:
    """Return the row of the set that the aggregation counts, made if it is not there yet."""
    if aggregation.of is None:
        return -1
    wanted = (first_entity + names.index(aggregation.of), where)
    if wanted in distincts[first_distinct:]:
        return distincts.index(wanted, first_distinct)
    distincts.append(wanted)
    return len(distincts) - 1
