"""The rule that decides, compiled: one function for one order and for a million."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.decisions.rule.cheapest import (
    adjusted_probability,
    by_cut_offs,
    cheapest,
    fill_lines,
    write_begins,
    write_costs,
)
from fraudkit.decisions.rule.layout import (
    ALL,
    APPROVE,
    ASKED_REVIEW,
    BEGINS,
    CEILING_REACHED,
    CHALLENGE,
    DECLINE,
    FALLBACK,
    FLAGS_FROM,
    MISSING,
    N_OUT,
    REVIEW,
    REVIEWS_USED,
    SEGMENT,
    UNKNOWN_AMOUNT,
    WHOLE,
    Lines,
    Memory,
    Order,
    Orders,
    Rules,
)
from fraudkit.decisions.rule.limits import count_action, explored, limits_reached, replaced

__all__ = ["decide_fallback", "decide_many", "decide_one"]


@compiled_part
def _allowed(can_challenge: bool, row: NDArray[np.float64]) -> int:  # noqa: FBT001 - compiled
    """Return the actions that an order of a segment can get, a bit each."""
    allowed = ALL if can_challenge else ALL & ~(1 << CHALLENGE)
    if row[SEGMENT.never_decline] != 0.0:
        allowed &= ~(1 << DECLINE)
    return allowed


@compiled_part
def _first_choice(
    probability: float,
    row: NDArray[np.float64],
    lines: Lines,
    allowed: int,
    on_unknown: int,
    out: NDArray[np.float64],
) -> tuple[int, int]:
    """Return the action before limits and missing sources, and what shaped it besides its cost."""
    if row[SEGMENT.always_review] != 0.0:
        out[BEGINS + REVIEW] = 0.0
        return REVIEW, ASKED_REVIEW
    if isnan(lines[0][APPROVE]):
        action = on_unknown if allowed >> on_unknown & 1 else REVIEW
        out[BEGINS + action] = 0.0
        return action, UNKNOWN_AMOUNT
    if row[SEGMENT.has_cut_offs] != 0.0:
        return by_cut_offs(probability, row, allowed, out), 0
    factor = row[SEGMENT.odds_factor]
    write_begins(factor, lines, allowed, out)
    return cheapest(adjusted_probability(probability, factor), lines, allowed), 0


@compiled_part
def _limited(
    chosen: tuple[int, int],
    allowed: int,
    reached: int,
    adjusted: float,
    factor: float,
    lines: Lines,
    out: NDArray[np.float64],
) -> tuple[int, int]:
    """Return the action, and what shaped it, after reviews are used up and declines are held."""
    action, flags = chosen
    if reached & REVIEWS_USED:
        allowed &= ~(1 << REVIEW)
        if action == REVIEW:
            action = replaced(allowed, flags, adjusted, factor, lines, out)
            flags |= REVIEWS_USED
    if action == DECLINE and reached & CEILING_REACHED:
        allowed &= ~(1 << DECLINE)
        flags |= CEILING_REACHED
        action = REVIEW
        if not allowed >> REVIEW & 1:
            flags |= REVIEWS_USED
            action = replaced(allowed, 0, adjusted, factor, lines, out)
    return action, flags


@compiled_part
def _at_least(
    least: int, chosen: tuple[int, int], allowed: int, out: NDArray[np.float64]
) -> tuple[int, int]:
    """Return the action that missing sources leave: no milder than the least that they allow."""
    action, flags = chosen
    for milder in range(least):
        out[BEGINS + milder] = np.nan
    if least and isnan(out[BEGINS + least]):
        out[BEGINS + least] = 0.0
    if action >= least:
        return action, flags
    return (least if allowed >> least & 1 else REVIEW), flags | MISSING


@compiled
def decide_one(
    order: Order,
    own: NDArray[np.float64],
    rules: Rules,
    memory: Memory,
    reached: int,
    out: NDArray[np.float64],
) -> int:
    """Return an order's action, in the lowest two bits, and what shaped it, from the fifth bit on.

    Parameters
    ----------
    own : ndarray of float64, shape (10,)
        Costs of this order's own, NaN where the table's hold.
    reached : int
        Negative: what the memory says, and the order is counted in it. Else the limits that were
        reached, and the memory is neither read nor written.
    out : ndarray of float64, shape (9,)
        Costs of the actions, from which probability each begins, and the propensity.
    """
    probability, amount, can_challenge, segment, least, draw, day = order
    (table, whole), (state, declines) = rules, memory
    row, is_counted = table[segment], reached < 0
    if is_counted:
        reached = limits_reached(day, whole, state, declines)
    allowed = _allowed(can_challenge, row)
    factor = row[SEGMENT.odds_factor]
    adjusted = adjusted_probability(probability, factor)
    lines = np.empty(8), np.empty(8)
    fill_lines(amount, row, own, whole, lines)
    write_costs(adjusted, can_challenge, lines, out)
    chosen = _first_choice(
        probability, row, lines, allowed, int(whole[WHOLE.on_unknown_amount]), out
    )
    chosen = _at_least(least, chosen, allowed, out)
    action, flags = _limited(chosen, allowed, reached, adjusted, factor, lines, out)
    if action == DECLINE and flags & ~REVIEWS_USED == 0 and whole[WHOLE.explored_share] > 0.0:
        action, shaped = explored(draw, reached, is_counted, whole, state, out)
        flags |= shaped
    if is_counted:
        count_action(action, state, declines)
    return action | flags << FLAGS_FROM


@compiled
def decide_fallback(
    written: int,
    order: tuple[bool, int, int],
    rules: Rules,
    memory: Memory,
    reached: int,
) -> int:
    """Return the action of an order without a score, and what shaped it, as `decide_one`.

    Limits hold as for every order; what they take away becomes the strictest that is left.

    Parameters
    ----------
    written : int
        The policy's action; a review where the order cannot get it.
    order : tuple
        Whether it can be challenged, its row of the table, and its day since 1970.
    reached : int
        As in `decide_one`.
    """
    can_challenge, segment, day = order
    (table, whole), (state, declines) = rules, memory
    row, is_counted = table[segment], reached < 0
    if is_counted:
        reached = limits_reached(day, whole, state, declines)
    allowed = _allowed(can_challenge, row)
    chosen = (written if allowed >> written & 1 else REVIEW), FALLBACK
    if row[SEGMENT.always_review] != 0.0:
        chosen = REVIEW, FALLBACK | ASKED_REVIEW
    unknown = np.full(8, nan), np.full(8, nan)
    action, flags = _limited(chosen, allowed, reached, nan, 1.0, unknown, np.empty(N_OUT))
    if is_counted:
        count_action(action, state, declines)
    return action | flags << FLAGS_FROM


@compiled
def decide_many(
    orders: Orders,
    own: NDArray[np.float64],
    rules: Rules,
    memory: Memory,
    reached: int,
    code: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Decide orders one after the other, each as `decide_one`, into ``code`` and ``out``.

    ``own`` has one row an order, or one for all; ``out`` is of shape (n_orders, 9).
    """
    probability, amount, can_challenge, segment, least, draw, day = orders
    for place in range(len(probability)):
        order = (
            probability[place],
            amount[place],
            can_challenge[place],
            segment[place],
            least[place],
            draw[place],
            day[place],
        )
        own_costs = own[place if len(own) > 1 else 0]
        code[place] = decide_one(order, own_costs, rules, memory, reached, out[place])
