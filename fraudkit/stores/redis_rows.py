"""How events lie in Redis, and the way from its bytes to window values.

An entity's key holds its newest events as rows of int64 by ascending (event time, event id), of
the columns that its windows need. An event id has a key as well: it holds the whole row.

The names of all keys begin with a digest of everything that the rows depend on: a worker with
other features, or with another allowed lateness, never reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import compress, pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.features.plan import WindowPlan
from fraudkit.features.window import start_search, take_visible, unknown_values, window_values
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NO_KEY,
    Scratch,
    WindowArrays,
)

__all__ = ["EntityRows", "RowLayout", "RowLimits", "write_windows"]

_FORMAT: Final = "1"
_ALWAYS: Final = (EVENT_ID, EVENT_TIME, AVAILABLE_AT, AMOUNT)
_MASK: Final = 2**64 - 1


class RowLimits(NamedTuple):
    """What is kept.

    Attributes
    ----------
    allowed_lateness_ms : int
        How much older than the newest event an event may be and still be taken in.
    capacity_events : int
        The most events of a key.
    """

    allowed_lateness_ms: int
    capacity_events: int


class EntityRows(NamedTuple):
    """An event as its entities hold it; an entity without a hash is left out.

    Attributes
    ----------
    entities : list of int
        Rows of `WindowArrays.entities`.
    keys : list of bytes
        In Redis.
    rows : list of bytes
        The columns that each entity's windows need; of one event, or of several in order.
    """

    entities: list[int]
    keys: list[bytes]
    rows: list[bytes]

    def where(self, is_wanted: Sequence[bool]) -> EntityRows:
        """Return some of them."""
        return EntityRows(
            list(compress(self.entities, is_wanted)),
            list(compress(self.keys, is_wanted)),
            list(compress(self.rows, is_wanted)),
        )


class RowLayout:
    """The keys and rows of one plan's events.

    Parameters
    ----------
    plan : WindowPlan
        The windows that will be read.
    namespace : str
        The first part of every key.
    allowed_lateness_ms : int
        What the rows are kept for.

    Attributes
    ----------
    arrays : WindowArrays
        The plan's, but ``needed`` are columns of an entity's rows.
    prefix : bytes
        What all keys begin with.
    id_prefix : bytes
    entity_prefixes : list of bytes
        What the keys of event ids, and of each entity, begin with; 16 hexadecimal digits follow.
    columns : list of ndarray of int64
        For each entity the columns of an event row that its rows hold.
    """

    def __init__(self, plan: WindowPlan, namespace: str, allowed_lateness_ms: int) -> None:
        ends = [(int(first), int(last)) for first, last in plan.arrays.entities[:, 1:3]]
        self.columns = [
            np.array([*_ALWAYS, *plan.arrays.needed[first:last]], np.int64) for first, last in ends
        ]
        places = [np.arange(last - first) + len(_ALWAYS) for first, last in ends]
        self.arrays = plan.arrays._replace(needed=np.concatenate([np.zeros(0, np.int64), *places]))
        self.prefix = f"{namespace}:{self._digest(plan, allowed_lateness_ms)}:".encode()
        self.id_prefix = self.prefix + b"id:"
        self.entity_prefixes = [b"%b%d:" % (self.prefix, place) for place in range(len(ends))]
        self._all_columns = np.concatenate([np.zeros(0, np.int64), *self.columns])
        self._hash_columns = np.ascontiguousarray(plan.arrays.entities[:, 0])
        bytes_before = np.cumsum([0, *(8 * len(held) for held in self.columns)]).tolist()
        self._slices = [slice(*ends) for ends in pairwise(bytes_before)]

    def _digest(self, plan: WindowPlan, allowed_lateness_ms: int) -> str:
        held = [_FORMAT, plan.layout, plan.max_events, plan.retention_ms, allowed_lateness_ms]
        held += [columns.tolist() for columns in self.columns]
        return hashlib.sha256("\n".join(map(str, held)).encode()).hexdigest()[:16]

    def event_key(self, event_id: int) -> bytes:
        """Return the key of an event id."""
        return b"%b%016x" % (self.id_prefix, event_id & _MASK)

    def entity_rows(self, event: NDArray[np.int64]) -> EntityRows:
        """Return an event as its entities hold it."""
        packed = event[self._all_columns].tobytes()
        hashes = event[self._hash_columns].tolist()
        prefixes, slices = self.entity_prefixes, self._slices
        entities = [entity for entity, key in enumerate(hashes) if key != NO_KEY]
        return EntityRows(
            entities,
            [b"%b%016x" % (prefixes[entity], hashes[entity] & _MASK) for entity in entities],
            [packed[slices[entity]] for entity in entities],
        )

    def n_statuses(self, entity: int, first_hash: int) -> int:
        """Return how many "known at" times an entity's rows hold; they come after the amount."""
        columns = self.columns[entity]
        return int(((columns >= FIRST_STATUS) & (columns < first_hash)).sum())


# The arrays go in one by one: Numba takes a tuple of arrays apart far more slowly.
@compiled
def write_windows(  # noqa: PLR0913, PLR0917
    values: NDArray[np.int64],
    ends: NDArray[np.int64],
    query: NDArray[np.int64],
    max_events: int,
    entities: NDArray[np.int64],
    needed: NDArray[np.int64],
    windows: NDArray[np.int64],
    lanes: NDArray[np.int64],
    features: NDArray[np.int64],
    held: NDArray[np.int64],
    held_ends: NDArray[np.int64],
    seen: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Write the windows of every entity from the rows of their keys.

    Between ``max_events`` and ``out`` come the arrays of `RowLayout.arrays` and of a
    `fraudkit.features.window_arrays.Scratch`.

    Parameters
    ----------
    values : ndarray of int64, shape (n_values,)
        The entities' rows, one entity after the other.
    ends : ndarray of int64, shape (n_entities,)
        Where in ``values`` an entity's rows end; -1 for an entity without a hash.
    query : ndarray of int64, shape (n_columns,)
        What is asked.
    max_events : int
        How many newest visible events a window looks at.
    out : ndarray of float64, shape (n_out,)
        Written at the windows' columns.
    """
    arrays = WindowArrays(entities, needed, windows, lanes, features)
    scratch = Scratch(held, held_ends, seen)
    before = 0
    for entity in range(len(entities)):
        if ends[entity] < 0:
            unknown_values(entity, arrays, out)
            continue
        width = len(_ALWAYS) + entities[entity, 2] - entities[entity, 1]
        rows = values[before : ends[entity]].reshape(-1, width)
        before = ends[entity]
        places = np.arange(len(rows))
        count = take_visible(rows, places, query, entity, max_events, arrays, held)
        start_search(scratch, 0)
        window_values(held, 0, count, query, entity, arrays, scratch, out)
