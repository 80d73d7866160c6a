"""How often the estimate of a loosened policy holds what would have come of it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.decisions_orders import Scored, Shop, policy_of
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.off_policy.past_orders import PastOrders
from fraudkit.decisions.off_policy.policy_difference import policy_difference
from fraudkit.decisions.policy import Constraints

__all__ = ["Coverage", "loosening_coverage"]

_RUNS = 100
_EXPLORED_SHARE = 0.2
_STRICT, _LOOSE = 1000.0, 20.0
_MS_PER_DAY = 86_400_000


class Coverage(NamedTuple):
    """Shares of runs.

    Attributes
    ----------
    interval : float
        In which the 90 % interval held what is expected of days like these, of the runs that had
        one.
    bounds : float
        In which the bounds held what would have come of these days.
    n_intervals : int
        In how many runs there was enough to tell an interval.
    """

    interval: float
    bounds: float
    n_intervals: int


def loosening_coverage(shop: Shop, orders: Scored, seed: int) -> Coverage:
    """Loosen a strict policy on redrawn days of the simulated shop, whose truth is known.

    The strict policy declines; of its declines a share is approved by chance, and only their
    outcome is seen. What the loose one would have cost beyond it is estimated.

    An interval is about days like those drawn, so it is compared with the cost over all days of
    the shop, which is what is expected of as many days drawn from them. What came of the drawn
    days themselves is nearer to the estimate: an interval over days holds that nearly always.
    """
    base = msgspec.structs.replace(policy_of(shop), constraints=Constraints())
    decided = [
        Decider(msgspec.structs.replace(base, odds_factor=factor))
        .of_many(orders.probability, orders.amount_minor, orders.columns, time_ms=orders.time_ms)
        .action.astype(np.int64)
        for factor in (_STRICT, _LOOSE)
    ]
    lines = Decider(base).cost_lines_of_many(orders.amount_minor, orders.columns)
    truth = np.where(orders.is_fraud, lines[1], lines[0])
    _days, day = np.unique(orders.time_ms // _MS_PER_DAY, return_inverse=True)
    blocks = [np.flatnonzero(day == one) for one in range(int(day.max()) + 1)]
    everything = np.arange(len(day))
    expected = float((truth[decided[1], everything] - truth[decided[0], everything]).sum())
    held, bounded, n_told = 0, 0, 0
    for run in range(_RUNS):
        rng = np.random.default_rng([seed, run])
        drawn = [blocks[one] for one in rng.integers(0, len(blocks), len(blocks))]
        places = np.concatenate(drawn)
        old, new = decided[0][places], decided[1][places]
        is_explored = (old == 3) & (rng.random(len(places)) < _EXPLORED_SHARE)
        action = np.where(is_explored, 0, old)
        rows = np.arange(len(places))
        change = float((truth[:, places][new, rows] - truth[:, places][old, rows]).sum())
        found = policy_difference(
            PastOrders(
                action=action,
                new_action=new,
                is_fraud=np.where(action == 3, np.nan, orders.is_fraud[places].astype(float)),
                at_honest=lines[0][:, places],
                at_fraud=lines[1][:, places],
                probability=orders.probability[places],
                day=np.repeat(rows[: len(drawn)], [len(block) for block in drawn]),
                approve_propensity=np.where(old == 3, _EXPLORED_SHARE, 1.0),
                amount_minor=orders.amount_minor[places],
            )
        ).cost_minor
        bounded += found.bound_low - 1e-6 <= change <= found.bound_high + 1e-6
        if found.kind == "estimated" and found.low is not None and found.high is not None:
            n_told += 1
            held += found.low <= expected <= found.high
    return Coverage(held / n_told if n_told else float("nan"), bounded / _RUNS, n_told)
