"""What a tuning found, as tidy polars frames."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.decisions.tuning.fitting import Form, TunedSegment, actions_of, fitted_policy
from fraudkit.decisions.tuning.orders import TuningOrders
from fraudkit.decisions.tuning.redrawing import Redrawn, interval
from fraudkit.errors import PolicyError

__all__ = ["rates_table", "segments_table", "stability_table", "thresholds_table"]

_MS_PER_WEEK = 7 * 86_400_000
_AMOUNT_QUANTILES = (0.1, 0.5, 0.9)
_WEEK_FRAUDS_MIN = 5


def segments_table(segments: Sequence[TunedSegment]) -> pl.DataFrame:
    """Return a row for each segment, see `fraudkit.decisions.tuning.fitting.TunedSegment`."""
    schema = {
        "name": pl.String, "n_orders": pl.Int64, "n_frauds": pl.Int64, "own_factor": pl.Float64,
        "standard_error": pl.Float64, "weight": pl.Float64, "factor": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame([held._asdict() for held in segments], schema=schema)


def thresholds_table(
    orders: TuningOrders, policy: Policy, drawn: Sequence[Redrawn], confidence: float
) -> pl.DataFrame:
    """Return from which probability on each action is taken, by segment and amount.

    Columns ``segment`` (null is the rest), ``amount_minor`` (the first, fifth and ninth decile,
    to two digits), ``action``, ``from_probability``, its interval ``low`` and ``high``, and
    ``drawn_share``: in how many redrawn tunings the action is taken there at all. A challenge
    is possible where it is for any order of the segment.
    """
    amounts = sorted({_rounded(a) for a in np.quantile(orders.amount_minor, _AMOUNT_QUANTILES)})
    names = [None, *(segment.name for segment in policy.segments)]
    places = [len(policy.segments), *range(len(policy.segments))]
    challenged = [orders.can_challenge(place) for place in places]
    told = _begins(policy, names, amounts, challenged)
    others = np.array([_begins(held.policy, names, amounts, challenged) for held in drawn])
    rows = []
    for place in np.ndindex(told.shape):
        segment, amount, action = place
        if np.isnan(told[place]):
            continue
        redrawn = others[:, segment, amount, action] if len(others) else np.empty(0)
        low, high = interval(redrawn, confidence)
        rows.append({
            "segment": names[segment],
            "amount_minor": amounts[amount],
            "action": ACTIONS[action],
            "from_probability": float(told[place]),
            "low": low,
            "high": high,
            "drawn_share": float(np.mean(~np.isnan(redrawn))) if len(redrawn) else None,
        })  # fmt: skip
    schema = {
        "segment": pl.String, "amount_minor": pl.Int64, "action": pl.String,
        "from_probability": pl.Float64, "low": pl.Float64, "high": pl.Float64,
        "drawn_share": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def rates_table(
    orders: TuningOrders, policy: Policy, drawn: Sequence[Redrawn], confidence: float
) -> pl.DataFrame:
    """Return what the policy does on the orders, limits by order aside.

    Columns ``figure``, ``value``, ``low``, ``high`` (by redrawing days) and ``denominator``. The
    last row is the mean cost on days that a redrawn tuning did not see: the honest one.
    """
    actions = actions_of(orders, policy)
    value = _figures(orders, actions, np.ones(int(orders.day.max()) + 1))
    redrawn = np.array([
        list(_figures(orders, actions, held.day_count.astype(np.float64)).values())
        for held in drawn
    ])  # fmt: skip
    rows = []
    for place, (name, one) in enumerate(value.items()):
        low, high = interval(redrawn[:, place] if len(redrawn) else np.empty(0), confidence)
        rows.append({
            "figure": name, "value": one, "low": low, "high": high,
            "denominator": _DENOMINATORS.get(name, "orders"),
        })  # fmt: skip
    unseen = np.array([
        held.unseen_cost_minor / held.unseen_orders for held in drawn if held.unseen_orders
    ])  # fmt: skip
    if len(unseen):
        low, high = interval(unseen, confidence)
        rows.append({
            "figure": "mean_cost_minor_unseen", "value": float(np.mean(unseen)), "low": low,
            "high": high, "denominator": "orders of days that were not tuned on",
        })  # fmt: skip
    schema = {
        "figure": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
        "denominator": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def stability_table(orders: TuningOrders, form: Form) -> pl.DataFrame:
    """Return for each week what the policy of the week before cost beyond that week's best.

    Columns ``week_start_ms``, ``n_orders``, ``n_frauds``, ``odds_factor`` of the week's own
    policy, and ``regret_minor`` an order; null where a week has too few frauds to tune on.
    """
    week = (orders.time_ms - orders.time_ms[0]) // _MS_PER_WEEK
    before: Policy | None = None
    rows = []
    for number in range(int(week[-1]) + 1):
        held = orders.taken(np.flatnonzero(week == number))
        own = _week_policy(held, form)
        rows.append({
            "week_start_ms": int(orders.time_ms[0]) + number * _MS_PER_WEEK,
            "n_orders": len(held.probability),
            "n_frauds": int(held.is_fraud.sum()),
            "odds_factor": None if own is None or form == "cut_offs" else own.odds_factor,
            "regret_minor": None
            if own is None or before is None
            else _mean_cost(held, before) - _mean_cost(held, own),
        })  # fmt: skip
        before = own or before
    schema = {
        "week_start_ms": pl.Int64, "n_orders": pl.Int64, "n_frauds": pl.Int64,
        "odds_factor": pl.Float64, "regret_minor": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


_DENOMINATORS = {
    "reviews_per_day": "days with orders",
    "fraud_bps": "value approved",
}


def _week_policy(orders: TuningOrders, form: Form) -> Policy | None:
    frauds = int(orders.is_fraud.sum())
    if frauds < _WEEK_FRAUDS_MIN or frauds == len(orders.is_fraud):
        return None
    weights = {segment.name: 0.0 for segment in orders.policy.segments}
    try:
        return fitted_policy(orders, form, weights)[0]
    except PolicyError:
        return None


def _mean_cost(orders: TuningOrders, policy: Policy) -> float:
    actions = actions_of(orders, policy)
    cost = orders.realised[actions, np.arange(len(actions))]
    return float(np.average(cost, weights=orders.weights))


def _figures(
    orders: TuningOrders, actions: NDArray[np.int64], day_count: NDArray[np.float64]
) -> dict[str, float]:
    weights = orders.weights * day_count[orders.day]
    total = weights.sum()
    approved = weights * orders.amount_minor * (actions == 0)
    figures = {
        f"{name}_share": float((weights * (actions == place)).sum() / total)
        for place, name in enumerate(ACTIONS)
    }
    figures["reviews_per_day"] = float((weights * (actions == 2)).sum() / day_count.sum())
    value = float(approved.sum())
    figures["fraud_bps"] = (
        float((approved * orders.is_fraud).sum()) / value * 10_000.0 if value else 0.0
    )
    cost = orders.realised[actions, np.arange(len(actions))]
    figures["mean_cost_minor"] = float((weights * cost).sum() / total)
    return figures


def _begins(
    policy: Policy,
    names: Sequence[str | None],
    amounts: Sequence[int],
    challenged: Sequence[bool],
) -> NDArray[np.float64]:
    """Return where each action begins, shape (n_segments, n_amounts, 4); NaN for nowhere."""
    without_limits = msgspec.structs.replace(policy, breaker=None, exploration=None)
    decider = Decider(without_limits)
    found = np.full((len(names), len(amounts), len(ACTIONS)), np.nan)
    for row, name in enumerate(names):
        for column, amount in enumerate(amounts):
            ruling = decider.of_values(0.5, amount, segment=name, can_challenge=challenged[row])
            for held in ruling.ranges:
                found[row, column, ACTIONS.index(held.action)] = held.from_probability
    return found


def _rounded(amount: float) -> int:
    """Return an amount to two digits."""
    if amount < 1.0:
        return 0
    step = 10 ** max(floor(log10(amount)) - 1, 0)
    return int(round(amount / step) * step)
