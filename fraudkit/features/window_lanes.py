"""The passes that make window values: one function a `Lane`, all called alike.

Each goes once over the events that the query sees, newest first, and writes a value wherever a
window of its features ends. ``scratch.ends`` holds those ends as columns of ``held``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled_part
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_TIME,
    HELD_AMOUNT,
    HELD_KNOWN,
    HELD_TIME,
    HELD_TOTAL,
    NO_AMOUNT,
    NO_KEY,
    Lane,
    Operation,
    Scratch,
    WindowArrays,
)

__all__ = [
    "amounts_lane",
    "distinct_lane",
    "events_lane",
    "extremes_lane",
    "same_lane",
    "spread_lane",
]


@compiled_part
def events_lane(
    held: NDArray[np.int64],
    first: int,
    query: NDArray[np.int64],
    lane: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Count events, and find the newest and the oldest."""
    where, as_of_ms = arrays.lanes[lane, 1], query[AVAILABLE_AT]
    events, reached, newest_ms, oldest_ms = 0, first, 0, 0
    for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
        end = scratch.ends[arrays.features[feature, 0]]
        if where < 0:
            events = end - first
            if events > 0:
                newest_ms, oldest_ms = held[HELD_TIME, first], held[HELD_TIME, end - 1]
        else:
            for place in range(reached, end):
                if held[where, place] < as_of_ms:
                    if events == 0:
                        newest_ms = held[HELD_TIME, place]
                    oldest_ms = held[HELD_TIME, place]
                    events += 1
        reached = end
        value = np.nan
        if arrays.features[feature, 1] == Operation.COUNT:
            value = float(events)
        elif arrays.features[feature, 1] == Operation.SHARE:
            value = events / (end - first) if end > first else np.nan
        elif events > 0:
            is_last = arrays.features[feature, 1] == Operation.SECONDS_SINCE_LAST
            value = (query[EVENT_TIME] - (newest_ms if is_last else oldest_ms)) / 1000.0
        out[arrays.features[feature, 2]] = value


@compiled_part
def amounts_lane(
    held: NDArray[np.int64],
    first: int,
    query: NDArray[np.int64],
    lane: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Add up the amounts that are known."""
    where, as_of_ms = arrays.lanes[lane, 1], query[AVAILABLE_AT]
    known, total, reached = 0, 0, first
    for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
        end = scratch.ends[arrays.features[feature, 0]]
        if where < 0:
            known = held[HELD_KNOWN, end] - held[HELD_KNOWN, first]
            total = held[HELD_TOTAL, end] - held[HELD_TOTAL, first]
        else:
            for place in range(reached, end):
                amount = held[HELD_AMOUNT, place]
                if amount != NO_AMOUNT and held[where, place] < as_of_ms:
                    known += 1
                    total += amount
        reached = end
        own, value = query[AMOUNT], np.nan
        if arrays.features[feature, 1] == Operation.SUM:
            value = float(total)
        elif known > 0:
            value = total / known
            if arrays.features[feature, 1] == Operation.AMOUNT_OVER_MEAN:
                value = own / value if own != NO_AMOUNT and value > 0 else np.nan
        out[arrays.features[feature, 2]] = value


@compiled_part
def extremes_lane(
    held: NDArray[np.int64],
    first: int,
    query: NDArray[np.int64],
    lane: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Find the least and the greatest amount that is known."""
    where, as_of_ms = arrays.lanes[lane, 1], query[AVAILABLE_AT]
    known, least, greatest, reached = 0, 0, 0, first
    for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
        end = scratch.ends[arrays.features[feature, 0]]
        for place in range(reached, end):
            amount = held[HELD_AMOUNT, place]
            if amount != NO_AMOUNT and (where < 0 or held[where, place] < as_of_ms):
                least = amount if known == 0 else min(least, amount)
                greatest = amount if known == 0 else max(greatest, amount)
                known += 1
        reached = end
        own = query[AMOUNT]
        value = np.nan
        if known > 0 and arrays.features[feature, 1] == Operation.MIN:
            value = float(least)
        elif known > 0 and arrays.features[feature, 1] == Operation.MAX:
            value = float(greatest)
        elif known > 0 and own != NO_AMOUNT and greatest > 0:
            value = own / greatest
        out[arrays.features[feature, 2]] = value


@compiled_part
def spread_lane(
    held: NDArray[np.int64],
    first: int,
    query: NDArray[np.int64],
    lane: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Compute the population standard deviation in two passes, the mean first."""
    where, as_of_ms = arrays.lanes[lane, 1], query[AVAILABLE_AT]
    for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
        last = scratch.ends[arrays.features[feature, 0]]
        known, total, squares = 0, 0, 0.0
        for place in range(first, last):
            amount = held[HELD_AMOUNT, place]
            if amount != NO_AMOUNT and (where < 0 or held[where, place] < as_of_ms):
                known += 1
                total += amount
        mean = total / known if known > 0 else np.nan
        for place in range(first, last):
            amount = held[HELD_AMOUNT, place]
            if amount != NO_AMOUNT and (where < 0 or held[where, place] < as_of_ms):
                deviation = amount - mean
                squares += deviation * deviation
        out[arrays.features[feature, 2]] = np.sqrt(squares / known) if known > 0 else np.nan


@compiled_part
def distinct_lane(
    held: NDArray[np.int64],
    first: int,
    query: NDArray[np.int64],
    lane: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Count different hashes; an event without one counts for none."""
    where, as_of_ms = arrays.lanes[lane, 1], query[AVAILABLE_AT]
    counted, seen = arrays.lanes[lane, 2], scratch.seen
    mask = len(seen) - 2
    seen[-1, 1] += 1
    stamp = seen[-1, 1]
    different, reached = 0, first
    for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
        end = scratch.ends[arrays.features[feature, 0]]
        for place in range(reached, end):
            key = held[counted, place]
            if key == NO_KEY or (where >= 0 and held[where, place] >= as_of_ms):
                continue
            slot = (key ^ (key >> 32)) & mask
            while seen[slot, 1] == stamp and seen[slot, 0] != key:
                slot = (slot + 1) & mask
            if seen[slot, 1] != stamp:
                seen[slot, 0] = key
                seen[slot, 1] = stamp
                different += 1
        reached = end
        out[arrays.features[feature, 2]] = float(different)


@compiled_part
def same_lane(
    held: NDArray[np.int64],
    first: int,
    query: NDArray[np.int64],
    lane: int,
    arrays: WindowArrays,
    scratch: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Count the events that agree with the query in a hash, or in the amount."""
    where, as_of_ms = arrays.lanes[lane, 1], query[AVAILABLE_AT]
    is_amount = arrays.lanes[lane, 0] == Lane.SAME_AMOUNT
    own = query[AMOUNT] if is_amount else query[arrays.lanes[lane, 3]]
    is_unknown = own == (NO_AMOUNT if is_amount else NO_KEY)
    compared = HELD_AMOUNT if is_amount else arrays.lanes[lane, 2]
    same, reached, newest_ms = 0, first, 0
    for feature in range(arrays.lanes[lane, 4], arrays.lanes[lane, 5]):
        end = scratch.ends[arrays.features[feature, 0]]
        for place in range(reached, end):
            if held[compared, place] == own and (where < 0 or held[where, place] < as_of_ms):
                if same == 0:
                    newest_ms = held[HELD_TIME, place]
                same += 1
        reached = end
        value = np.nan
        if is_unknown:
            value = np.nan
        elif arrays.features[feature, 1] == Operation.IS_NEW:
            value = 0.0 if same > 0 else 1.0
        elif arrays.features[feature, 1] != Operation.SECONDS_SINCE_SAME:
            value = float(same)
        elif same > 0:
            value = (query[EVENT_TIME] - newest_ms) / 1000.0
        out[arrays.features[feature, 2]] = value
