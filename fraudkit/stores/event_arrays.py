"""The arrays of the embedded store.

Every event is a row of a ring, in order of arrival. A table leads from a key to its block in a
pool: the places of the key's events by ascending (event time, event id), contiguous, so that a
hot key is read straight through and a late event or query is placed by halving. Blocks have
sizes of powers of two and are used again. A second table leads from an event id to its place.
Both tables are open addressing and hold no tombstones: removal shifts the cluster back.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCKS_END",
    "DUPLICATES",
    "EVICTED_BY_AGE",
    "EVICTED_BY_CAPACITY",
    "FIRST_FREE",
    "FORGOTTEN",
    "KEYS",
    "LARGEST_CLASS",
    "NEWEST_TIME",
    "OLDEST",
    "RING_ROWS",
    "TOO_LATES",
    "EventArrays",
    "new_event_arrays",
]


class EventArrays(NamedTuple):
    """The arrays of the store, see the module.

    Attributes
    ----------
    rows : ndarray of int64, shape (capacity, n_columns)
        Events, see `fraudkit.features.window_arrays`; event id 0 is one that was forgotten.
    indexed : ndarray of int64, shape (n_indexed,)
        The columns of ``rows`` whose hashes are keys.
    keys : ndarray of int64, shape (n_slots, 3)
        Table of keys: the key (0 is free); its block's start, its column and its block's size
        class, packed; offset and count of its places in the block, packed.
    pool : ndarray of int32, shape (n_pool,)
        Blocks of places. A free block's first element leads to the next free one of its size.
    ids : ndarray of int32, shape (n_slots,)
        Table of event ids: place + 1 (0 is free).
    state : ndarray of int64, shape (48,)
        Counters, marks and, from `FIRST_FREE` on, the start + 1 of each size's first free block.
    """

    rows: NDArray[np.int64]
    indexed: NDArray[np.int64]
    keys: NDArray[np.int64]
    pool: NDArray[np.int32]
    ids: NDArray[np.int32]
    state: NDArray[np.int64]


OLDEST: Final = 0
RING_ROWS: Final = 1
FORGOTTEN: Final = 2
KEYS: Final = 3
NEWEST_TIME: Final = 4
DUPLICATES: Final = 5
TOO_LATES: Final = 6
EVICTED_BY_AGE: Final = 7
EVICTED_BY_CAPACITY: Final = 8
BLOCKS_END: Final = 9
LARGEST_CLASS: Final = 10
FIRST_FREE: Final = 16

_BEGINNING_OF_TIME: Final = -(2**62)


def new_event_arrays(capacity: int, n_columns: int, indexed: NDArray[np.int64]) -> EventArrays:
    """Return arrays that hold nothing; untouched memory costs nothing until it is written."""
    state = np.zeros(48, np.int64)
    state[NEWEST_TIME] = _BEGINNING_OF_TIME
    return EventArrays(
        np.zeros((capacity, n_columns), np.int64),
        indexed,
        np.zeros((1024, 3), np.int64),
        np.zeros(4096, np.int32),
        np.zeros(1024, np.int32),
        state,
    )
