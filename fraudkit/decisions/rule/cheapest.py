"""The cheapest action of an order, and from which probability on each is the cheapest."""

from __future__ import annotations

from math import isnan

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled_part
from fraudkit.decisions.rule.layout import (
    APPROVE,
    BEGINS,
    CHALLENGE,
    DECLINE,
    N_COSTS,
    PRICED,
    REVIEW,
    SEGMENT,
    WHOLE,
    Lines,
)

__all__ = [
    "adjusted_probability",
    "by_cut_offs",
    "cheapest",
    "fill_lines",
    "write_begins",
    "write_costs",
]


@compiled_part
def fill_lines(
    amount: float,
    row: NDArray[np.float64],
    own: NDArray[np.float64],
    whole: NDArray[np.float64],
    lines: Lines,
) -> None:
    """Fill the costs at honest and at fraud, in money and, four further, with prices."""
    at_honest, at_fraud = lines
    held = np.empty(N_COSTS)
    for place in range(N_COSTS):
        held[place] = row[place] if isnan(own[place]) else own[place]
    margin = held[0] * amount
    loss = held[1] * amount + held[2]
    insult, review = held[3], held[4]
    missed, rejected = 1.0 - held[5], held[6]
    passed, left = 1.0 - held[7], held[8]
    stays = passed * (1.0 - held[9])
    at_honest[0], at_fraud[0] = 0.0 - margin, loss
    at_honest[1], at_fraud[1] = left * insult - (1.0 - left) * margin, stays * loss
    at_honest[2] = review + (rejected * insult - (1.0 - rejected) * margin)
    at_fraud[2] = review + missed * loss
    at_honest[3], at_fraud[3] = insult + 0.0 * margin, 0.0 * loss
    limit, value = whole[WHOLE.fraud_share_max], whole[WHOLE.fraud_price] * amount
    for action in range(4):
        if action == APPROVE:
            honest_passed, fraud_passed = 1.0, 1.0
        elif action == CHALLENGE:
            honest_passed, fraud_passed = 1.0 - left, passed
        elif action == REVIEW:
            honest_passed, fraud_passed = 1.0 - rejected, missed
        else:
            honest_passed, fraud_passed = 0.0, 0.0
        price = 0.0
        if action == REVIEW:
            price = whole[WHOLE.review_price_minor]
        elif action == DECLINE:
            price = whole[WHOLE.decline_price_minor]
        priced = PRICED + action
        at_honest[priced] = at_honest[action] + price - value * honest_passed * limit
        at_fraud[priced] = at_fraud[action] + price + value * fraud_passed * (1.0 - limit)


@compiled_part
def cheapest(probability: float, lines: Lines, allowed: int) -> int:
    """Return the allowed action that costs least with prices, the earliest among equals."""
    at_honest, at_fraud = lines
    best, least = -1, np.inf
    for action in range(4):
        if allowed >> action & 1:
            priced = PRICED + action
            cost = (1.0 - probability) * at_honest[priced] + probability * at_fraud[priced]
            if best < 0 or cost < least:
                best, least = action, cost
    return best


@compiled_part
def _cheapest_if_honest(lines: Lines, allowed: int) -> int:
    """Return the allowed action that costs least where fraud is out of the question."""
    at_honest, at_fraud = lines
    best = -1
    for action in range(4):
        if allowed >> action & 1:
            lower = best < 0
            if not lower:
                gap = at_honest[PRICED + action] - at_honest[PRICED + best]
                steeper = at_fraud[PRICED + action] - at_fraud[PRICED + best]
                lower = gap < 0.0 or (gap == 0.0 and steeper < 0.0)
            if lower:
                best = action
    return best


@compiled_part
def write_begins(factor: float, lines: Lines, allowed: int, out: NDArray[np.float64]) -> None:
    """Write from which probability on each allowed action is the cheapest, NaN where nowhere."""
    at_honest, at_fraud = lines
    out[BEGINS : BEGINS + 4] = np.nan
    current = _cheapest_if_honest(lines, allowed)
    out[BEGINS + current] = 0.0
    while True:
        following, first = -1, np.inf
        for action in range(4):
            gained = at_fraud[PRICED + current] - at_fraud[PRICED + action]
            if allowed >> action & 1 and gained > 0.0:
                lost = at_honest[PRICED + action] - at_honest[PRICED + current]
                crossing = lost / (lost + gained)
                if crossing < first or (
                    crossing == first and at_fraud[PRICED + action] < at_fraud[PRICED + following]
                ):
                    following, first = action, crossing
        if following < 0:
            return
        begin = first / (first + factor * (1.0 - first))
        if begin < out[BEGINS + current]:
            # Three cross at one point, and rounding says that the one between ends before it began.
            begin, out[BEGINS + current] = out[BEGINS + current], np.nan
        out[BEGINS + following] = begin
        current = following


@compiled_part
def by_cut_offs(
    probability: float, row: NDArray[np.float64], allowed: int, out: NDArray[np.float64]
) -> int:
    """Return the strictest allowed action whose cut-off is not above the probability."""
    chosen = APPROVE
    out[BEGINS] = 0.0
    for action in range(1, 4):
        begin = row[SEGMENT.challenge_from + action - 1]
        if allowed >> action & 1 and not isnan(begin):
            out[BEGINS + action] = begin
            if begin <= probability:
                chosen = action
    return chosen


@compiled_part
def adjusted_probability(probability: float, factor: float) -> float:
    """Return the probability whose odds are so many times those given."""
    if factor == 1.0:
        return probability
    odds = factor * probability
    return odds / (odds + (1.0 - probability))


@compiled_part
def write_costs(
    adjusted: float,
    can_challenge: bool,  # noqa: FBT001 - a compiled function
    lines: Lines,
    out: NDArray[np.float64],
) -> None:
    """Write the expected costs in money, NaN for what is not possible."""
    at_honest, at_fraud = lines
    out[:] = np.nan
    for action in range(4):
        if action != CHALLENGE or can_challenge:
            out[action] = (1.0 - adjusted) * at_honest[action] + adjusted * at_fraud[action]
