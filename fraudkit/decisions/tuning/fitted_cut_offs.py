"""The cut-offs that would have cost least on orders within the constraints, for each segment.

The cut-offs of all are one rule on the adjusted probability, whose odds are the segment's factor
times those of the probability. So one exact search finds them all, and the constraints hold
together; a segment's cut-offs on the probability itself follow from its factor.

Three cut-offs of each segment's own, each shrunk toward the whole's, are no better: on seven kinds
of four simulated segments, 20 seeds each, they cost as much on other orders, and less only where
an action cost one segment far more than the others.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.cut_offs import optimal_cut_offs
from fraudkit.decisions.optimum.cut_offs_factor import optimal_cut_offs_factor
from fraudkit.decisions.optimum.limits import Limits, Orders
from fraudkit.decisions.policy import Policy, Prices
from fraudkit.decisions.segments import CutOffs
from fraudkit.decisions.tuning.limits import let_through, stated_limits
from fraudkit.decisions.tuning.orders import NEVER_MINOR, TuningOrders

__all__ = ["Begins", "cut_offs_factor", "cut_offs_policy", "unlimited_cut_offs"]

Begins = tuple[float | None, float | None, float | None]
"""Where challenge, review and decline begin; ``None`` is nowhere."""

_NO_ORDER = CutOffs(challenge_from=1.0)


def unlimited_cut_offs(orders: TuningOrders) -> Begins:
    """Return the cheapest cut-offs on the probability, constraints and segments aside."""
    return _found(orders, orders.probability, Limits())


def cut_offs_factor(orders: TuningOrders, begins: Begins) -> float:
    """Return the factor on the odds of fraud with which the cut-offs cost these orders least."""
    return optimal_cut_offs_factor(
        orders.probability, _realised(orders), begins, orders.weights
    ).factor


def cut_offs_policy(orders: TuningOrders, factors: Mapping[str, float]) -> Policy:
    """Return the policy with the cheapest cut-offs within the constraints.

    An action that is taken nowhere is taken in no segment. Where every order is best approved,
    orders of a probability of 1 are challenged: a policy must state a cut-off.

    Parameters
    ----------
    factors : mapping of str to float
        Name of each segment → its factor on the odds of fraud; that of the other orders is 1.

    Raises
    ------
    PolicyError
        If no cut-offs bring the fraud rate to its limit.
    """
    segments = orders.policy.segments
    factor = np.array([*(factors[segment.name] for segment in segments), 1.0])
    odds = factor[orders.segment] * orders.probability
    scores = odds / (odds + (1.0 - orders.probability))
    begins = _found(orders, scores, stated_limits(orders))
    stated = []
    for place, held in enumerate(factor.tolist()):
        rows = np.flatnonzero(orders.segment == place)
        stated.append(_stated(begins, held, orders.probability[rows], scores[rows]))
    return msgspec.structs.replace(
        orders.policy,
        odds_factor=1.0,
        prices=Prices(),
        cut_offs=stated[-1],
        segments=tuple(
            msgspec.structs.replace(segment, odds_factor=None, cut_offs=cut_offs)
            for segment, cut_offs in zip(segments, stated, strict=False)
        ),
    )


def _realised(orders: TuningOrders) -> NDArray[np.float64]:
    realised = orders.realised
    return np.where(realised < NEVER_MINOR, realised, np.nan)


def _found(orders: TuningOrders, scores: NDArray[np.float64], limits: Limits) -> Begins:
    labelled = Orders(
        orders.is_fraud.astype(np.float64), orders.amount_minor, _realised(orders), orders.day,
        orders.weights,
    )  # fmt: skip
    return optimal_cut_offs(scores, labelled, let_through(orders.policy.costs), limits).from_score


def _stated(
    begins: Begins,
    factor: float,
    probability: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> CutOffs:
    """Return the cut-offs on the probability that part the orders as those on the scores do."""
    stated: list[float | None] = [None, None, None]
    for place, begin in enumerate(begins):
        if begin is None:
            continue
        moved = begin / (begin + factor * (1.0 - begin)) if 0.0 < begin < 1.0 else begin
        is_reached = scores >= begin
        # Rounding must not move the cut-off past an order.
        below = float(probability[~is_reached].max(initial=-1.0))
        above = float(probability[is_reached].min(initial=1.0))
        stated[place] = min(max(moved, float(np.nextafter(below, 2.0)), 0.0), above)
    if stated == [None, None, None]:
        return _NO_ORDER
    challenge, review, decline = stated
    return CutOffs(challenge_from=challenge, review_from=review, decline_from=decline)
