"""What the policy's constraints ask of the orders that are tuned on."""

from __future__ import annotations

import numpy as np

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.optimum.limits import LetThrough, Limits
from fraudkit.decisions.tuning.orders import TuningOrders

__all__ = ["let_through", "stated_limits"]


def stated_limits(orders: TuningOrders) -> Limits:
    """Return the limits, with the reviews a day that orders which are always reviewed leave."""
    constraints = orders.policy.constraints
    left = None
    if constraints.reviews_per_day is not None:
        # Redrawn days weigh more than once: the mean is over all that they stand for.
        scale = orders.n_days / len(np.unique(orders.day))
        left = max(constraints.reviews_per_day - orders.reviews_asked_per_day, 0.0) * scale
    return Limits(
        reviews_per_day_max=left,
        decline_share_max=constraints.decline_share_max,
        fraud_rate_bps_max=constraints.fraud_bps_max,
    )


def let_through(costs: Costs) -> LetThrough:
    """Return which share of frauds and of honest orders each action lets through."""
    return LetThrough(
        fraud=(
            1.0, 1.0 - costs.challenge_fraud_dropout_share, 1.0 - costs.review_detection_share, 0.0,
        ),
        honest=(
            1.0, 1.0 - costs.challenge_honest_dropout_share,
            1.0 - costs.review_false_reject_share, 0.0,
        ),
    )  # fmt: skip
