"""The policy that would have cost least on orders: factors or cut-offs, then prices."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isinf, log, sqrt
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.cut_offs import optimal_cut_offs
from fraudkit.decisions.optimum.joint_prices import joint_prices
from fraudkit.decisions.optimum.limits import LetThrough, Limits
from fraudkit.decisions.optimum.limits import Orders as PricedOrders
from fraudkit.decisions.optimum.odds_factor import optimal_odds_factor
from fraudkit.decisions.policy import Policy, Prices
from fraudkit.decisions.segments import CutOffs
from fraudkit.decisions.tuning.orders import NEVER_MINOR, TuningOrders

__all__ = ["Form", "TunedSegment", "actions_of", "fitted_policy", "shrunk_segments"]

Form = Literal["costs", "cut_offs"]

_GROUPS = 10
_CUT_OFF_LEAST = 1e-12


class TunedSegment(NamedTuple):
    """What a tuning found of a segment.

    Attributes
    ----------
    name : str
    n_orders, n_frauds : int
    own_factor : float
        The factor on the odds that would have cost least in this segment alone.
    standard_error : float
        Of its logarithm, leaving out a tenth of the days at a time; NaN where it cannot be told.
    weight : float
        In [0, 1]: how far the segment keeps its own factor, instead of the whole's.
    factor : float
        What it was shrunk to.
    """

    name: str
    n_orders: int
    n_frauds: int
    own_factor: float
    standard_error: float
    weight: float
    factor: float


def shrunk_segments(orders: TuningOrders) -> tuple[float, tuple[TunedSegment, ...]]:
    """Return the whole's factor, and each segment's, shrunk toward it by empirical Bayes.

    The variance between segments is estimated by the method of moments of DerSimonian and Laird,
    "Meta-analysis in clinical trials", Controlled Clinical Trials 7 (1986), about the whole's
    factor; the standard errors are those of the delete-a-group jackknife over days, of Kott,
    "Using the delete-a-group jackknife variance estimator", 1998.
    """
    whole = _factor(orders)
    names = [segment.name for segment in orders.policy.segments]
    own, errors, counts = [], [], []
    for place in range(len(names)):
        places = np.flatnonzero(orders.segment == place)
        is_fraud = orders.is_fraud[places]
        counts.append((len(places), int(is_fraud.sum())))
        if not is_fraud.any() or is_fraud.all():
            own.append(log(whole))
            errors.append(np.nan)
            continue
        held = orders.taken(places)
        own.append(log(_factor(held)))
        errors.append(_jackknife_error(held))
    weights = _weights(np.array(own) - log(whole), np.array(errors))
    return whole, tuple(
        TunedSegment(
            name, *count, exp(one), error, weight, exp(log(whole) + weight * (one - log(whole)))
        )
        for name, count, one, error, weight in zip(
            names, counts, own, errors, weights.tolist(), strict=True
        )
    )


def fitted_policy(
    orders: TuningOrders, form: Form, weights: Mapping[str, float] | None = None
) -> tuple[Policy, tuple[TunedSegment, ...]]:
    """Return the policy with the least realised cost within the constraints.

    Parameters
    ----------
    weights : mapping of str to float, optional
        How far each segment keeps its own factor; estimated if not given.

    Raises
    ------
    PolicyError
        If a constraint cannot be met.
    """
    if weights is None:
        whole, segments = shrunk_segments(orders)
    else:
        whole, segments = _factor(orders), ()
    factors = {held.name: held.factor for held in segments}
    for place, segment in enumerate(orders.policy.segments):
        if segment.name not in factors:
            part = orders.taken(np.flatnonzero(orders.segment == place))
            own = _factor(part) if part.is_fraud.any() and not part.is_fraud.all() else whole
            factors[segment.name] = exp(
                log(whole) + (weights or {}).get(segment.name, 0.0) * log(own / whole)
            )
    if form == "cut_offs":
        policy = _with_cut_offs(orders, whole, factors)
    else:
        policy = msgspec.structs.replace(
            orders.policy,
            odds_factor=whole,
            cut_offs=None,
            segments=tuple(
                msgspec.structs.replace(segment, odds_factor=factors[segment.name], cut_offs=None)
                for segment in orders.policy.segments
            ),
        )
    return _with_prices(orders, policy), segments


def actions_of(orders: TuningOrders, policy: Policy) -> NDArray[np.int64]:
    """Return the actions that a policy takes on the orders, limits aside."""
    factor = np.array([*(s.odds_factor or 1.0 for s in policy.segments), policy.odds_factor])
    odds = factor[orders.segment] * orders.probability
    adjusted = odds / (odds + (1.0 - orders.probability))
    costs = _priced(orders, policy, adjusted)
    actions = np.asarray(np.nanargmin(costs, axis=0), np.int64)
    if policy.cut_offs is None:
        return actions
    begins = np.array([
        [0.0, *(np.inf if b is None else b for b in msgspec.structs.astuple(held))]
        for held in [*(s.cut_offs or policy.cut_offs for s in policy.segments), policy.cut_offs]
    ])[orders.segment].T  # fmt: skip
    begins[np.isnan(orders.at_honest) | (orders.at_honest == NEVER_MINOR)] = np.inf
    reached = begins <= orders.probability
    return 3 - np.asarray(np.argmax(reached[::-1], axis=0), np.int64)


def _factor(orders: TuningOrders) -> float:
    return optimal_odds_factor(
        orders.probability, orders.at_honest, orders.at_fraud, orders.is_fraud, orders.weights
    ).factor


def _jackknife_error(orders: TuningOrders) -> float:
    """Return the standard error of the log of the factor, leaving out groups of days."""
    days = np.unique(orders.day)
    if len(days) < 2:
        return float("nan")
    group = np.searchsorted(days, orders.day) % min(_GROUPS, len(days))
    logs = []
    for left_out in np.unique(group):
        part = orders.taken(np.flatnonzero(group != left_out))
        if not part.is_fraud.any() or part.is_fraud.all():
            return float("nan")
        logs.append(log(_factor(part)))
    n_groups = len(logs)
    return sqrt((n_groups - 1) / n_groups * float(np.sum((np.array(logs) - np.mean(logs)) ** 2)))


def _weights(gaps: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the gaps to the whole that are believed."""
    told = ~np.isnan(errors)
    if not told.any():
        return np.zeros(len(gaps))
    variance = np.maximum(errors[told] ** 2, 1e-6)
    precision = 1.0 / variance
    excess = float(np.sum(precision * gaps[told] ** 2)) - len(variance)
    scale = float(np.sum(precision))
    between = max(excess / scale, 0.0)
    weights = np.zeros(len(gaps))
    weights[told] = between / (between + variance)
    return weights


def _with_cut_offs(orders: TuningOrders, whole: float, factors: Mapping[str, float]) -> Policy:
    """Return the policy with the best cut-offs; a segment's are shifted by its factor."""
    realised = orders.realised
    # An order that is never declined gets the action before.
    realised[3] = np.where(realised[3] < NEVER_MINOR, realised[3], realised[2])
    found = optimal_cut_offs(orders.probability, realised, orders.weights)
    begins = found.from_probability
    policy = msgspec.structs.replace(
        orders.policy, odds_factor=1.0, cut_offs=_cut_offs(begins, 1.0)
    )
    return msgspec.structs.replace(
        policy,
        segments=tuple(
            msgspec.structs.replace(
                segment,
                odds_factor=None,
                cut_offs=_cut_offs(begins, factors[segment.name] / whole),
            )
            for segment in policy.segments
        ),
    )


def _cut_offs(begins: tuple[float, ...], factor: float) -> CutOffs:
    stated: list[float | None] = []
    for place in (1, 2, 3):
        begin = begins[place]
        is_empty = isinf(begin) or (place < 3 and begins[place + 1] == begin)
        stated.append(None if is_empty else _shifted(begin, factor))
    if stated == [None] * 3:
        stated[2] = 1.0
    challenge, review, decline = stated
    return CutOffs(challenge_from=challenge, review_from=review, decline_from=decline)


def _shifted(begin: float, factor: float) -> float:
    """Return the probability at which odds times the factor reach those of the cut-off."""
    return begin / (begin + factor * (1.0 - begin)) if factor != 1.0 else begin


def _with_prices(orders: TuningOrders, policy: Policy) -> Policy:
    limits, costs = policy.constraints, policy.costs
    per_day = limits.reviews_per_day
    left = None
    if per_day is not None:
        # Redrawn days weigh more than once: the mean is over all that they stand for.
        scale = orders.n_days / len(np.unique(orders.day))
        left = max(per_day - orders.reviews_asked_per_day, 0.0) * scale
    stated = Limits(
        reviews_per_day_max=left,
        decline_share_max=limits.decline_share_max,
        fraud_rate_bps_max=limits.fraud_bps_max,
    )
    policy = msgspec.structs.replace(policy, prices=Prices())
    if stated == Limits() or policy.cut_offs is not None:
        return policy
    factor = np.array([*(s.odds_factor or 1.0 for s in policy.segments), policy.odds_factor])
    odds = factor[orders.segment] * orders.probability
    adjusted = odds / (odds + (1.0 - orders.probability))
    passed = LetThrough(
        fraud=(
            1.0, 1.0 - costs.challenge_fraud_dropout_share, 1.0 - costs.review_detection_share, 0.0,
        ),
        honest=(
            1.0, 1.0 - costs.challenge_honest_dropout_share,
            1.0 - costs.review_false_reject_share, 0.0,
        ),
    )  # fmt: skip
    found = joint_prices(
        PricedOrders(
            adjusted, orders.amount_minor, _priced(orders, policy, adjusted), orders.day,
            orders.weights,
        ),
        passed,
        stated,
    ).prices  # fmt: skip
    return msgspec.structs.replace(
        policy,
        prices=Prices(
            review_minor=found.review, decline_minor=found.decline, fraud_share=found.fraud
        ),
    )


def _priced(
    orders: TuningOrders, policy: Policy, adjusted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what actions are compared by, shape (4, n_orders)."""
    costs, prices = policy.costs, policy.prices
    limit = (policy.constraints.fraud_bps_max or 0.0) / 10_000.0
    honest, fraud = (1.0 - adjusted), adjusted
    expected = honest * orders.at_honest + fraud * orders.at_fraud
    value = prices.fraud_share * orders.amount_minor
    through = (
        (1.0, 1.0),
        (1.0 - costs.challenge_honest_dropout_share, 1.0 - costs.challenge_fraud_dropout_share),
        (1.0 - costs.review_false_reject_share, 1.0 - costs.review_detection_share),
        (0.0, 0.0),
    )
    added = (0.0, 0.0, prices.review_minor, prices.decline_minor)
    for action, ((honest_passed, fraud_passed), price) in enumerate(
        zip(through, added, strict=True)
    ):
        excess = fraud * fraud_passed * (1.0 - limit) - honest * honest_passed * limit
        expected[action] += price + value * excess
    return np.asarray(expected)
