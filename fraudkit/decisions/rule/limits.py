"""What limits make of an action: reviews a day, a ceiling on declines, exploration."""

from __future__ import annotations

from math import isnan

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.decisions.rule.cheapest import cheapest, write_begins
from fraudkit.decisions.rule.layout import (
    APPROVE,
    BEGINS,
    BUDGET_USED,
    CEILING_REACHED,
    DAY,
    DECLINE,
    DECLINES,
    EXPLORED,
    LOSS_MINOR,
    MISSING,
    PLACE,
    PROPENSITY,
    REVIEW,
    REVIEWS,
    REVIEWS_USED,
    UNKNOWN_AMOUNT,
    WHOLE,
    Lines,
    Memory,
)

__all__ = ["begin_day", "count_action", "count_earlier", "explored", "limits_reached", "replaced"]


@compiled_part
def begin_day(day: int, state: NDArray[np.float64]) -> None:
    """Forget what was counted of an earlier day."""
    if day > state[DAY]:
        state[DAY], state[REVIEWS], state[LOSS_MINOR] = day, 0.0, 0.0


@compiled_part
def limits_reached(
    day: int, whole: NDArray[np.float64], state: NDArray[np.float64], declines: NDArray[np.uint8]
) -> int:
    """Return the limits that the orders so far have reached; a new day begins with none."""
    begin_day(day, state)
    reached = 0
    if state[REVIEWS] >= whole[WHOLE.reviews_per_day]:
        reached |= REVIEWS_USED
    if len(declines):
        others = state[DECLINES] - declines[int(state[PLACE])]
        if others + 1.0 > whole[WHOLE.decline_share_ceiling] * len(declines):
            reached |= CEILING_REACHED
    return reached


@compiled_part
def replaced(
    rest: int,
    flags: int,
    adjusted: float,
    factor: float,
    lines: Lines,
    out: NDArray[np.float64],
) -> int:
    """Return the action in place of one that a limit takes away, of the rest.

    What costs cannot tell, or a missing source forbids, becomes the strictest that is left.
    """
    if flags & (UNKNOWN_AMOUNT | MISSING) or isnan(lines[0][APPROVE]):
        action = APPROVE
        for other in range(1, 4):
            if rest >> other & 1:
                action = other
        out[BEGINS : BEGINS + 4] = np.nan
        out[BEGINS + action] = 0.0
        return action
    write_begins(factor, lines, rest, out)
    return cheapest(adjusted, lines, rest)


@compiled_part
def explored(
    draw: float,
    reached: int,
    is_counted: bool,  # noqa: FBT001 - a compiled function
    whole: NDArray[np.float64],
    state: NDArray[np.float64],
    out: NDArray[np.float64],
) -> tuple[int, int]:
    """Return decline, or now and then approve, for an order that would be declined by its cost."""
    loss = max(out[APPROVE] - out[DECLINE], 0.0)
    if loss > whole[WHOLE.order_loss_minor_max]:
        return DECLINE, 0
    is_over = is_counted and state[LOSS_MINOR] + loss > whole[WHOLE.day_loss_minor_max]
    if is_over or reached & BUDGET_USED:
        return DECLINE, BUDGET_USED
    out[PROPENSITY] = whole[WHOLE.explored_share]
    if draw >= whole[WHOLE.explored_share]:
        return DECLINE, 0
    if is_counted:
        state[LOSS_MINOR] += loss
    return APPROVE, EXPLORED


@compiled_part
def count_action(action: int, state: NDArray[np.float64], declines: NDArray[np.uint8]) -> None:
    """Count the action for the limits of later orders."""
    if action == REVIEW:
        state[REVIEWS] += 1.0
    if len(declines):
        place = int(state[PLACE])
        is_declined = np.uint8(action == DECLINE)
        state[DECLINES] += float(is_declined) - float(declines[place])
        declines[place] = is_declined
        state[PLACE] = (place + 1) % len(declines)


@compiled
def count_earlier(day: int, action: int, explored_minor: float, memory: Memory) -> None:
    """Count an action that was decided before, and what exploring it cost."""
    state, declines = memory
    begin_day(day, state)
    state[LOSS_MINOR] += explored_minor
    count_action(action, state, declines)
