"""Where things stand in the arrays that the compiled rule reads and writes."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.costs import COST_NAMES

__all__ = [
    "ALL",
    "APPROVE",
    "ASKED_REVIEW",
    "BEGINS",
    "BUDGET_USED",
    "CEILING_REACHED",
    "CHALLENGE",
    "DAY",
    "DECLINE",
    "DECLINES",
    "EXPLORED",
    "FALLBACK",
    "FLAGS_FROM",
    "LOSS_MINOR",
    "MISSING",
    "N_COSTS",
    "N_OUT",
    "N_STATE",
    "PLACE",
    "PRICED",
    "PROPENSITY",
    "REVIEW",
    "REVIEWS",
    "REVIEWS_USED",
    "SEGMENT",
    "UNKNOWN_AMOUNT",
    "WHOLE",
    "Lines",
    "Memory",
    "Order",
    "Orders",
    "Rules",
]

APPROVE: Final = 0
CHALLENGE: Final = 1
REVIEW: Final = 2
DECLINE: Final = 3


class _Segment(NamedTuple):
    """Columns of the table of segments, after the ten costs."""

    odds_factor: int
    challenge_from: int
    review_from: int
    decline_from: int
    has_cut_offs: int
    never_decline: int
    always_review: int


class _Whole(NamedTuple):
    """Places of what holds for all orders."""

    review_price_minor: int
    decline_price_minor: int
    fraud_price: int
    fraud_share_max: int
    on_unknown_amount: int
    reviews_per_day: int
    decline_share_ceiling: int
    explored_share: int
    order_loss_minor_max: int
    day_loss_minor_max: int


SEGMENT: Final = _Segment(*range(len(COST_NAMES), len(COST_NAMES) + len(_Segment._fields)))
WHOLE: Final = _Whole(*range(len(_Whole._fields)))

Lines = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Costs at honest and at fraud, shape (8,) each."""

Order = tuple[float, float, bool, int, int, float, int]
"""Probability of fraud, amount (NaN if unknown), whether it can be challenged, row of the table,
least strict action that missing sources allow, draw in [0, 1), and day since 1970."""

Orders = tuple[
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.int64],
]
"""The same of many."""

Rules = tuple[NDArray[np.float64], NDArray[np.float64]]
"""The table of segments, shape (n_segments, 17), and what holds for all, shape (10,)."""

Memory = tuple[NDArray[np.float64], NDArray[np.uint8]]
"""What limits count: the state, shape (5,), and which of the latest orders were declined, a ring
that is empty where there is no ceiling."""

DAY: Final = 0
REVIEWS: Final = 1
LOSS_MINOR: Final = 2
PLACE: Final = 3
DECLINES: Final = 4
N_STATE: Final = 5
"""Length of the state: day, reviews and explored loss of that day, place and sum of the ring."""

N_OUT: Final = 9
"""Length of what one order gives: four costs, from where each action begins, and a propensity."""
BEGINS: Final = 4
PROPENSITY: Final = 8
PRICED: Final = 4
"""Where the lines with prices stand, after those in money."""
N_COSTS: Final = len(COST_NAMES)
ALL: Final = 0b1111

REVIEWS_USED: Final = 1
CEILING_REACHED: Final = 2
BUDGET_USED: Final = 4
UNKNOWN_AMOUNT: Final = 8
MISSING: Final = 16
ASKED_REVIEW: Final = 32
EXPLORED: Final = 64
FALLBACK: Final = 128
"""What shaped an action besides its cost; the first three are limits, which can be given back."""

FLAGS_FROM: Final = 4
