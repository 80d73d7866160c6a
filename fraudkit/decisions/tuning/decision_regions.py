"""Which action a policy takes, over probability and amount."""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.decisions.tuning.orders import TuningOrders

__all__ = ["decision_regions_table"]

_AMOUNTS: Final = 81
_PROBABILITIES: Final = 121
_SEGMENTS_MAX: Final = 6
_LOWEST: Final = (1e-4, 0.01)
_HIGHEST: Final = 0.999


def decision_regions_table(orders: TuningOrders, policy: Policy) -> pl.DataFrame:
    """Return the action at each point of a grid, limits by order aside.

    Columns ``segment``, null for orders of none, then the six segments with most frauds;
    ``amount_minor``, up to 81 amounts between the 0.5 % and the 99.5 % quantile, evenly spaced
    in their logarithm; ``probability``, 121 evenly spaced in log-odds from about the lowest that
    came up to 99.9 %; ``action``; and ``from_probability``, where that action begins at this
    amount. Rows are sorted in this order. A challenge is possible where it is for any order of
    the segment.
    """
    amounts, probabilities = _amounts(orders.amount_minor), _probabilities(orders.probability)
    decider = Decider(policy)
    begins, names = [], []
    for name, place in _drawn_segments(orders):
        can_challenge = orders.can_challenge(place)
        names.append(name)
        begins.append([
            _begins(decider, amount, name, can_challenge=can_challenge)
            for amount in amounts.tolist()
        ])  # fmt: skip
    held = np.array(begins)[:, :, None, :]
    # Of the actions that begin at or below a probability the one that begins last holds, and
    # the strictest of those that begin together.
    begun = np.where(held <= probabilities[:, None], held, -np.inf)
    action = len(ACTIONS) - 1 - np.argmax(begun[..., ::-1], axis=3)
    shape = action.shape
    return pl.DataFrame({
        "segment": pl.Series(names, dtype=pl.String).gather(_places(shape, 0)),
        "amount_minor": amounts[_places(shape, 1)],
        "probability": probabilities[_places(shape, 2)],
        "action": pl.Series(ACTIONS, dtype=pl.String).gather(action.ravel()),
        "from_probability": np.take_along_axis(held, action[..., None], axis=3).ravel(),
    })  # fmt: skip


def _drawn_segments(orders: TuningOrders) -> list[tuple[str | None, int]]:
    """Return the name and the place of the whole and of the segments with most frauds."""
    segments = orders.policy.segments
    frauds = np.bincount(orders.segment, orders.is_fraud, len(segments) + 1)
    counts = np.bincount(orders.segment, minlength=len(segments) + 1)
    most = sorted((p for p in range(len(segments)) if counts[p]), key=lambda p: -frauds[p])
    return [
        (None, len(segments)),
        *((segments[place].name, place) for place in most[:_SEGMENTS_MAX]),
    ]


def _begins(
    decider: Decider, amount: int, segment: str | None, *, can_challenge: bool
) -> list[float]:
    """Return where each action begins, infinite for nowhere."""
    begins = [np.inf] * len(ACTIONS)
    ruling = decider.of_values(0.5, amount, segment=segment, can_challenge=can_challenge)
    for held in ruling.ranges:
        begins[ACTIONS.index(held.action)] = held.from_probability
    return begins


def _amounts(amount_minor: NDArray[np.float64]) -> NDArray[np.int64]:
    low, high = np.maximum(np.quantile(amount_minor, [0.005, 0.995]), 1.0)
    if high < 2.0 * low:
        low, high = low / 2.0, high * 2.0
    return np.unique(np.round(np.geomspace(low, high, _AMOUNTS)).astype(np.int64))


def _probabilities(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    lowest = min(max(float(np.quantile(probability, 0.005)), _LOWEST[0]), _LOWEST[1])
    first, last = (log(p / (1.0 - p)) for p in (lowest, _HIGHEST))
    log_odds = np.linspace(first, last, _PROBABILITIES)
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-log_odds))
    return found


def _places(shape: tuple[int, ...], axis: int) -> NDArray[np.int64]:
    """Return each cell's place along an axis, row by row."""
    others = tuple(number for number in range(len(shape)) if number != axis)
    along = np.expand_dims(np.arange(shape[axis]), others)
    return np.broadcast_to(along, shape).ravel()
