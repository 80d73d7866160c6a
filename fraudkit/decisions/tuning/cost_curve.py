"""What a tuned policy costs beside others: stricter or milder ones, and ways to decide without it.

All are priced at the known outcomes and on the same redrawn days, with no tuning anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy, Prices
from fraudkit.decisions.segments import CutOffs
from fraudkit.decisions.tuning.fitting import actions_of
from fraudkit.decisions.tuning.orders import TuningOrders
from fraudkit.decisions.tuning.redrawing import Redrawn, interval, redrawn_means

__all__ = ["baselines_table", "cost_curve_table", "stricter"]

_TIMES_MAX: Final = 20.0
_STEPS: Final = 30


def stricter(policy: Policy, times: float) -> Policy:
    """Return a policy that takes the odds of fraud so many times as the given one does.

    A cut-off at c becomes the one at which ``times`` the odds reach those of c.

    Parameters
    ----------
    times : float
        Above 0; below 1 is milder.

    Examples
    --------
    >>> stricter(Policy(odds_factor=1.5), 2.0).odds_factor
    3.0
    >>> stricter(Policy(cut_offs=CutOffs(decline_from=0.5)), 3.0).cut_offs.decline_from
    0.25
    """
    return msgspec.structs.replace(
        policy,
        odds_factor=policy.odds_factor * (times if policy.cut_offs is None else 1.0),
        cut_offs=_shifted(policy.cut_offs, times),
        segments=tuple(
            msgspec.structs.replace(
                segment,
                odds_factor=None if segment.odds_factor is None else segment.odds_factor * times,
                cut_offs=_shifted(segment.cut_offs, times),
            )
            for segment in policy.segments
        ),
    )


def cost_curve_table(
    orders: TuningOrders, policy: Policy, drawn: Sequence[Redrawn], confidence: float
) -> pl.DataFrame:
    """Return the mean cost by how strict the policy is, limits by order aside.

    Columns ``times_odds``, ascending from 1/20 to 20: how many times the odds of fraud are taken
    that the tuned policy takes, 1 is the tuned one; ``odds_factor`` of the whole, null with
    cut-offs; ``mean_cost_minor`` an order with its interval ``low`` and ``high``; ``excess_minor``
    beyond the tuned policy with ``excess_low`` and ``excess_high``, on the same redrawn days. The
    prices of constraints stay as tuned.
    """
    upward = np.geomspace(1.0, _TIMES_MAX, _STEPS + 1)
    times = np.concatenate([1.0 / upward[:0:-1], upward])
    costs = np.array([
        _day_costs(orders, actions_of(orders, stricter(policy, float(held)))) for held in times
    ])  # fmt: skip
    weight = _day_sums(orders, orders.weights)
    means = costs.sum(axis=1) / weight.sum()
    redrawn = redrawn_means(costs, weight, drawn)
    ends = [interval(held, confidence) for held in redrawn]
    excess_ends = [interval(held, confidence) for held in redrawn - redrawn[_STEPS]]
    has_factor = policy.cut_offs is None
    factors = [policy.odds_factor * float(held) if has_factor else None for held in times]
    columns = {
        "times_odds": times.tolist(),
        "odds_factor": factors,
        "mean_cost_minor": means.tolist(),
        "low": [low for low, _high in ends],
        "high": [high for _low, high in ends],
        "excess_minor": (means - means[_STEPS]).tolist(),
        "excess_low": [low for low, _high in excess_ends],
        "excess_high": [high for _low, high in excess_ends],
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))


def baselines_table(
    orders: TuningOrders,
    tuned: Policy,
    base: Policy,
    drawn: Sequence[Redrawn],
    confidence: float,
) -> pl.DataFrame:
    """Return what the tuned policy and other ways to decide the same orders cost.

    All are decided one after the other, as the checkout does: reviews a day are held, for those
    too that know no price of a review.

    Columns ``decided_by`` ("tuned"; "given", the policy that was tuned, if it differs from plain
    costs; "costs", the least expected cost at the odds as they are; "approve_all");
    ``mean_cost_minor`` an order with ``low`` and ``high``; and ``tuned_saves_minor`` with
    ``saves_low`` and ``saves_high``: how much less a redrawn tuning costs an order on the days
    that it did not see, null for the tuned policy itself. Such a tuning is taken to lose by the
    limits of a day what the tuned policy loses by them on that day.
    """
    ways = list(_ways(orders, tuned, base))
    costs = np.array([_day_costs(orders, actions) for _name, actions in ways])
    limited = costs[0] - _day_costs(orders, actions_of(orders, tuned))
    weight = _day_sums(orders, orders.weights)
    redrawn = redrawn_means(costs, weight, drawn)
    rows = []
    for (name, _actions), cost, means in zip(ways, costs, redrawn, strict=True):
        low, high = interval(means, confidence)
        saved = np.array([
            ((cost - limited)[held.day_count == 0].sum() - held.unseen_cost_minor)
            / held.unseen_orders
            for held in drawn if held.unseen_orders and name != "tuned"
        ])  # fmt: skip
        saves_low, saves_high = interval(saved, confidence)
        rows.append({
            "decided_by": name,
            "mean_cost_minor": float(cost.sum() / weight.sum()), "low": low, "high": high,
            "tuned_saves_minor": float(saved.mean()) if len(saved) else None,
            "saves_low": saves_low, "saves_high": saves_high,
        })  # fmt: skip
    figures = (
        "mean_cost_minor", "low", "high", "tuned_saves_minor", "saves_low", "saves_high",
    )  # fmt: skip
    schema = {"decided_by": pl.String} | dict.fromkeys(figures, pl.Float64)
    return pl.DataFrame(rows, schema=schema)


def _ways(
    orders: TuningOrders, tuned: Policy, base: Policy
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    yield "tuned", _decided(orders, tuned)
    plain = msgspec.structs.replace(
        base,
        odds_factor=1.0,
        cut_offs=None,
        prices=Prices(),
        segments=tuple(
            msgspec.structs.replace(segment, odds_factor=None, cut_offs=None)
            for segment in base.segments
        ),
    )
    if base != plain:
        yield "given", _decided(orders, base)
    yield "costs", _decided(orders, plain)
    yield "approve_all", np.zeros(len(orders.probability), np.int64)


def _decided(orders: TuningOrders, policy: Policy) -> NDArray[np.int64]:
    rulings = Decider(policy).of_many(
        orders.probability, orders.amount_minor, orders.columns, time_ms=orders.time_ms
    )  # fmt: skip
    return rulings.action.astype(np.int64)


def _day_costs(orders: TuningOrders, actions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weighted cost of each day, shape (n_days,)."""
    places = np.arange(len(actions))
    cost = np.where(
        orders.is_fraud, orders.at_fraud[actions, places], orders.at_honest[actions, places]
    )
    return _day_sums(orders, orders.weights * cost)


def _day_sums(orders: TuningOrders, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(orders.day, values).astype(np.float64)


def _shifted(cut_offs: CutOffs | None, times: float) -> CutOffs | None:
    if cut_offs is None or times == 1.0:
        return cut_offs
    begins = [
        None if begin is None else begin / (begin + times * (1.0 - begin))
        for begin in msgspec.structs.astuple(cut_offs)
    ]
    challenge, review, decline = begins
    return CutOffs(challenge_from=challenge, review_from=review, decline_from=decline)
