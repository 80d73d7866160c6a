"""The window kernel: the one function that turns an entity's past events into window values.

For a query at time ``t`` a window of width ``W`` holds the entity's events with
``t - W <= event_time < t``: an event at the query's own millisecond is not seen, nor is what
became known at that millisecond or later. At most ``max_events`` newest events are looked at.
Events come ordered by (event time, event id), so that every driver adds in the same order.

An event is one row of an ``int64`` matrix: event time (ms), amount (minor units of the
reference currency, `NO_AMOUNT` where unknown), one "known at" time (ms) a status, one hash an
entity. Rows are contiguous: one event is one or two cache lines.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled

__all__ = [
    "AMOUNT",
    "ATTEMPTED",
    "EVENT_TIME",
    "FIRST_STATUS",
    "NEVER",
    "NO_AMOUNT",
    "NO_KEY",
    "Operation",
    "Scratch",
    "WindowArrays",
    "new_scratch",
    "window_values",
]

NO_AMOUNT: Final = -(2**63)
"""The amount of an event whose amount cannot be brought into the reference currency."""

NEVER: Final = 2**63 - 1
"""The "known at" time of what has not happened."""

NO_KEY: Final = 0
"""The hash of an entity that did not come with the event."""

EVENT_TIME: Final = 0
AMOUNT: Final = 1
FIRST_STATUS: Final = 2

ATTEMPTED: Final = -1
"""The ``where`` of a window over every event, whatever became of it."""


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


class WindowArrays(NamedTuple):
    """The windows of a feature set, compiled to arrays.

    Attributes
    ----------
    features : ndarray of int64, shape (n_features, 5)
        Window (ms), operation, row of ``wheres``, row of ``distincts``, column written.
        Grouped by entity, by ascending window within an entity.
    entities : ndarray of int64, shape (n_entities, 5)
        Entity's column among the hashes; first and last + 1 feature; first and last + 1
        distinct count.
    wheres : ndarray of int64, shape (n_wheres,)
        Column of the "known at" time, or -1 for every event. The first is always -1.
    distincts : ndarray of int64, shape (n_distincts, 2)
        Column of the hash that is counted, and the ``where`` it is counted under.
    """

    features: NDArray[np.int64]
    entities: NDArray[np.int64]
    wheres: NDArray[np.int64]
    distincts: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working memory of one thread; its content means nothing between calls.

    Attributes
    ----------
    integers : ndarray of int64, shape (n_wheres, 7)
        Events; events with an amount, their sum, least and greatest; newest and oldest time.
    floats : ndarray of float64, shape (n_wheres, 2)
        Running mean and sum of squared deviations (Welford 1962).
    seen : ndarray of int64, shape (n_distincts, n_slots, 2)
        Open-addressing sets: the hash and the stamp of the query that put it there.
    stamp : ndarray of int64, shape (1 + n_distincts,)
        The stamp of the last query; then how many each set holds.
    """

    integers: NDArray[np.int64]
    floats: NDArray[np.float64]
    seen: NDArray[np.int64]
    stamp: NDArray[np.int64]


_COUNT: Final = 0
_AMOUNTS: Final = 1
_SUM: Final = 2
_LEAST: Final = 3
_GREATEST: Final = 4
_NEWEST: Final = 5
_OLDEST: Final = 6


def new_scratch(arrays: WindowArrays, max_events: int) -> Scratch:
    """Return working memory for one thread and windows of at most ``max_events`` events."""
    slots = 1 << max(4, (2 * max_events - 1).bit_length())
    distincts = len(arrays.distincts)
    return Scratch(
        np.zeros((len(arrays.wheres), 7), np.int64),
        np.zeros((len(arrays.wheres), 2), np.float64),
        np.zeros((distincts, slots, 2), np.int64),
        np.zeros(1 + distincts, np.int64),
    )


@compiled
def window_values(
    log: NDArray[np.int64],
    rows: NDArray[np.int64],
    time_ms: int,
    amount: int,
    max_events: int,
    entity: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Write the values of one entity's windows for one query.

    Parameters
    ----------
    log : ndarray of int64, shape (n_events, n_columns)
        Events; see the module.
    rows : ndarray of int64, shape (n,)
        The entity's events in ``log``, by ascending (event time, event id). Events at or after
        ``time_ms`` are passed over.
    time_ms, amount : int
        The query's time and its own amount (for `Operation.AMOUNT_OVER_MEAN` only).
    entity : int
        Row of ``arrays.entities``.
    out : ndarray of float64, shape (n_columns_out,)
        Written at the entity's features' own columns only.
    """
    features = arrays.features
    feature = arrays.entities[entity, 1]
    feature_end = arrays.entities[entity, 2]
    _clear(scratch)
    taken = 0
    for place in range(len(rows) - 1, -1, -1):
        row = log[rows[place]]
        age_ms = time_ms - row[EVENT_TIME]
        if age_ms <= 0:
            continue
        while feature < feature_end and features[feature, 0] < age_ms:
            out[features[feature, 4]] = _value(features[feature], time_ms, amount, scratch)
            feature += 1
        if feature == feature_end or taken == max_events:
            break
        taken += 1
        _add_event(row, time_ms, arrays.wheres, scratch)
        for index in range(arrays.entities[entity, 3], arrays.entities[entity, 4]):
            _add_distinct(row, time_ms, index, arrays, scratch)
    while feature < feature_end:
        out[features[feature, 4]] = _value(features[feature], time_ms, amount, scratch)
        feature += 1


@compiled
def _clear(scratch: Scratch) -> None:
    scratch.integers[:, :] = 0
    scratch.floats[:, :] = 0.0
    scratch.stamp[0] += 1
    scratch.stamp[1:] = 0


@compiled
def _holds(row: NDArray[np.int64], column: int, time_ms: int) -> bool:
    return column < 0 or row[column] < time_ms


@compiled
def _add_event(
    row: NDArray[np.int64], time_ms: int, wheres: NDArray[np.int64], scratch: Scratch
) -> None:
    for where in range(len(wheres)):
        if not _holds(row, wheres[where], time_ms):
            continue
        held = scratch.integers[where]
        if held[_COUNT] == 0:
            held[_NEWEST] = row[EVENT_TIME]
        held[_OLDEST] = row[EVENT_TIME]
        held[_COUNT] += 1
        amount = row[AMOUNT]
        if amount == NO_AMOUNT:
            continue
        held[_LEAST] = amount if held[_AMOUNTS] == 0 else min(held[_LEAST], amount)
        held[_GREATEST] = amount if held[_AMOUNTS] == 0 else max(held[_GREATEST], amount)
        held[_AMOUNTS] += 1
        held[_SUM] += amount
        deviation = amount - scratch.floats[where, 0]
        scratch.floats[where, 0] += deviation / held[_AMOUNTS]
        scratch.floats[where, 1] += deviation * (amount - scratch.floats[where, 0])


@compiled
def _add_distinct(
    row: NDArray[np.int64], time_ms: int, index: int, arrays: WindowArrays, scratch: Scratch
) -> None:
    key = row[arrays.distincts[index, 0]]
    if key == NO_KEY or not _holds(row, arrays.wheres[arrays.distincts[index, 1]], time_ms):
        return
    seen = scratch.seen[index]
    mask = len(seen) - 1
    slot = (key ^ (key >> 32)) & mask
    while seen[slot, 1] == scratch.stamp[0]:
        if seen[slot, 0] == key:
            return
        slot = (slot + 1) & mask
    seen[slot, 0] = key
    seen[slot, 1] = scratch.stamp[0]
    scratch.stamp[1 + index] += 1


@compiled
def _value(feature: NDArray[np.int64], time_ms: int, amount: int, scratch: Scratch) -> float:
    operation = feature[1]
    held = scratch.integers[feature[2]]
    if operation == Operation.COUNT:
        return float(held[_COUNT])
    if operation == Operation.DISTINCT:
        return float(scratch.stamp[1 + feature[3]])
    if operation == Operation.SUM:
        return float(held[_SUM])
    if operation == Operation.SHARE:
        attempted = scratch.integers[0, _COUNT]
        return held[_COUNT] / attempted if attempted > 0 else np.nan
    if operation == Operation.SECONDS_SINCE_LAST:
        return (time_ms - held[_NEWEST]) / 1000.0 if held[_COUNT] > 0 else np.nan
    if operation == Operation.SECONDS_SINCE_FIRST:
        return (time_ms - held[_OLDEST]) / 1000.0 if held[_COUNT] > 0 else np.nan
    if held[_AMOUNTS] == 0:
        return np.nan
    return _amount_value(operation, held, scratch.floats[feature[2]], amount)


@compiled
def _amount_value(
    operation: int, held: NDArray[np.int64], moments: NDArray[np.float64], amount: int
) -> float:
    if operation == Operation.MIN:
        return float(held[_LEAST])
    if operation == Operation.MAX:
        return float(held[_GREATEST])
    if operation == Operation.STD:
        return np.sqrt(moments[1] / held[_AMOUNTS])
    mean = held[_SUM] / held[_AMOUNTS]
    if operation == Operation.MEAN:
        return mean
    return amount / mean if amount != NO_AMOUNT and mean > 0 else np.nan
