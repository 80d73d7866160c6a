"""What the window kernel reads and writes: event rows, compiled windows, working memory.

An event is one row of an ``int64`` matrix: event id, event time (ms), when it was available
(ms), amount (minor units of the reference currency, `NO_AMOUNT` where unknown), one "known at"
time (ms) a status, one hash an entity or counted field. A query is such a row too.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AMOUNT",
    "AVAILABLE_AT",
    "EVENT_ID",
    "EVENT_TIME",
    "FIRST_STATUS",
    "HELD_AMOUNT",
    "HELD_FIRST",
    "HELD_KNOWN",
    "HELD_TIME",
    "HELD_TOTAL",
    "NEVER",
    "NO_AMOUNT",
    "NO_KEY",
    "Lane",
    "Operation",
    "Scratch",
    "WindowArrays",
    "new_scratch",
]

NO_AMOUNT: Final = -(2**63)
"""The amount of an event whose amount cannot be brought into the reference currency."""

NEVER: Final = 2**63 - 1
"""The "known at" time of what has not happened."""

NO_KEY: Final = 0
"""The hash of what did not come with the event."""

EVENT_ID: Final = 0
EVENT_TIME: Final = 1
AVAILABLE_AT: Final = 2
AMOUNT: Final = 3
FIRST_STATUS: Final = 4

HELD_TIME: Final = 0
HELD_AMOUNT: Final = 1
HELD_KNOWN: Final = 2
HELD_TOTAL: Final = 3
HELD_FIRST: Final = 4
"""Rows of ``held``: event times; amounts; how many amounts are known among the events before
each column, and their total; then what `WindowArrays.needed` lists."""


class Operation(IntEnum):
    """What a window computes; ``where`` restricts all of them to events of a status."""

    COUNT = 0
    SUM = 1
    MEAN = 2
    MIN = 3
    MAX = 4
    STD = 5
    DISTINCT = 6
    SECONDS_SINCE_LAST = 7
    SECONDS_SINCE_FIRST = 8
    SHARE = 9
    AMOUNT_OVER_MEAN = 10
    AMOUNT_OVER_MAX = 11
    COUNT_SAME_AMOUNT = 12
    COUNT_SAME = 13
    IS_NEW = 14
    SECONDS_SINCE_SAME = 15


class Lane(IntEnum):
    """A pass over an entity's events that several windows and operations share."""

    EVENTS = 0
    AMOUNTS = 1
    EXTREMES = 2
    SPREAD = 3
    DISTINCT = 4
    SAME = 5
    SAME_AMOUNT = 6


class WindowArrays(NamedTuple):
    """The windows of a feature set, compiled to arrays.

    Attributes
    ----------
    entities : ndarray of int64, shape (n_entities, 7)
        Column of the entity's hash in an event row; first and last + 1 row of ``needed``, of
        ``windows`` and of ``lanes``.
    needed : ndarray of int64, shape (n_needed,)
        Columns of an event row that the entity's lanes look at, beside time and amount.
    windows : ndarray of int64, shape (n_windows,)
        Widths (ms), ascending within an entity.
    lanes : ndarray of int64, shape (n_lanes, 6)
        `Lane`; row of ``held`` with the "known at" time that must have passed, or -1; row of
        ``held`` with the hash that is counted or compared, or -1, and its column in an event
        row; first and last + 1 row of ``features``.
    features : ndarray of int64, shape (n_features, 3)
        Window, from the entity's first; `Operation`; column written. Ascending by window within
        a lane.
    """

    entities: NDArray[np.int64]
    needed: NDArray[np.int64]
    windows: NDArray[np.int64]
    lanes: NDArray[np.int64]
    features: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working memory of one thread; its content means nothing between calls.

    Attributes
    ----------
    held : ndarray of int64, shape (4 + most needed columns, max_events + 1)
        A query's events, newest first, one row a column; see `HELD_FIRST`. The last column is
        for the totals of all.
    ends : ndarray of int64, shape (most windows,)
        For each window a column of ``held`` before which no event is too old.
    seen : ndarray of int64, shape (n_slots + 1, 2)
        An open-addressing set: a hash and the stamp of the set that it is in. The last row has
        the newest stamp.
    """

    held: NDArray[np.int64]
    ends: NDArray[np.int64]
    seen: NDArray[np.int64]


def new_scratch(arrays: WindowArrays, max_events: int) -> Scratch:
    """Return working memory for one thread and windows of at most ``max_events`` events."""
    ends = arrays.entities
    slots = 1 << max(4, (2 * max_events - 1).bit_length())
    needed = int((ends[:, 2] - ends[:, 1]).max(initial=0))
    windows = int((ends[:, 4] - ends[:, 3]).max(initial=0))
    return Scratch(
        np.zeros((HELD_FIRST + needed, max_events + 1), np.int64),
        np.zeros(windows, np.int64),
        np.zeros((slots + 1, 2), np.int64),
    )
