"""A policy as the arrays that the compiled rule reads, and the memory that it writes."""

from __future__ import annotations

import numpy as np

from fraudkit.decisions.costs import COST_NAMES
from fraudkit.decisions.policy import ACTIONS, Policy, segment_costs
from fraudkit.decisions.rule.layout import DAY, N_STATE, SEGMENT, WHOLE, Memory, Rules
from fraudkit.decisions.segments import CutOffs, Segment

__all__ = ["fresh_memory", "rules_of"]


def rules_of(policy: Policy) -> Rules:
    """Return the table of segments, the whole last, and what holds for all."""
    table = np.array([_row(policy, segment) for segment in (*policy.segments, None)])
    whole = np.zeros(len(WHOLE))
    prices, limits = policy.prices, policy.constraints
    whole[WHOLE.review_price_minor] = prices.review_minor
    whole[WHOLE.decline_price_minor] = prices.decline_minor
    whole[WHOLE.fraud_price] = prices.fraud_share
    whole[WHOLE.fraud_share_max] = (limits.fraud_bps_max or 0.0) / 10_000.0
    whole[WHOLE.on_unknown_amount] = ACTIONS.index(policy.on_unknown_amount)
    per_day = limits.reviews_per_day
    whole[WHOLE.reviews_per_day] = np.inf if per_day is None else per_day
    if policy.breaker is not None:
        whole[WHOLE.decline_share_ceiling] = policy.breaker.decline_share_max
    if policy.exploration is not None:
        whole[WHOLE.explored_share] = policy.exploration.approve_share
        whole[WHOLE.order_loss_minor_max] = policy.exploration.order_loss_minor_max
        whole[WHOLE.day_loss_minor_max] = policy.exploration.day_loss_minor_max
    return table, whole


def fresh_memory(policy: Policy) -> Memory:
    """Return the memory of a policy that has decided nothing yet."""
    n_watched = 0 if policy.breaker is None else policy.breaker.orders
    state = np.zeros(N_STATE)
    state[DAY] = -np.inf
    return state, np.zeros(n_watched, np.uint8)


def _row(policy: Policy, segment: Segment | None) -> list[float]:
    costs = segment_costs(policy, segment)
    row = [float(getattr(costs, name)) for name in COST_NAMES] + [np.nan] * len(SEGMENT)
    factor, cut_offs = policy.odds_factor, policy.cut_offs
    if segment is not None and segment.cut_offs is not None:
        factor, cut_offs = 1.0, segment.cut_offs
    elif segment is not None and segment.odds_factor is not None:
        factor, cut_offs = segment.odds_factor, None
    row[SEGMENT.odds_factor] = factor
    row[SEGMENT.challenge_from : SEGMENT.decline_from + 1] = _begins(cut_offs)
    row[SEGMENT.has_cut_offs] = float(cut_offs is not None)
    row[SEGMENT.never_decline] = float(segment is not None and segment.never_decline)
    row[SEGMENT.always_review] = float(segment is not None and segment.always_review)
    return row


def _begins(cut_offs: CutOffs | None) -> list[float]:
    if cut_offs is None:
        return [np.nan] * 3
    stated = (cut_offs.challenge_from, cut_offs.review_from, cut_offs.decline_from)
    return [np.nan if begin is None else begin for begin in stated]
