"""The policy that would have cost least on orders: factors or cut-offs, then prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, log, sqrt
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.cut_offs import cut_off_actions
from fraudkit.decisions.optimum.joint_prices import joint_prices
from fraudkit.decisions.optimum.limits import Limits, Orders
from fraudkit.decisions.optimum.odds_factor import optimal_odds_factor
from fraudkit.decisions.policy import Policy, Prices
from fraudkit.decisions.tuning.fitted_cut_offs import (
    cut_offs_factor,
    cut_offs_policy,
    unlimited_cut_offs,
)
from fraudkit.decisions.tuning.limits import let_through, stated_limits
from fraudkit.decisions.tuning.orders import NEVER_MINOR, TuningOrders

__all__ = ["FactorOf", "Form", "TunedSegment", "actions_of", "fitted_policy", "shrunk_segments"]

Form = Literal["costs", "cut_offs"]

_GROUPS = 10
_VARIANCE_LEAST = 1e-6
_HALVINGS = 60

FactorOf = Callable[[TuningOrders], float]
"""Returns the factor on the odds of fraud with which some orders cost least."""


class TunedSegment(NamedTuple):
    """What a tuning found of a segment.

    Attributes
    ----------
    name : str
    n_orders, n_frauds : int
    own_factor : float
        The factor on the odds that would have cost least in this segment alone; for cut-offs, with
        the cut-offs that would have cost the whole least.
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


def shrunk_segments(
    orders: TuningOrders, whole: float, factor_of: FactorOf
) -> tuple[TunedSegment, ...]:
    """Return each segment's factor, shrunk toward the whole's by empirical Bayes.

    The variance between segments is estimated by the method of Paule and Mandel, "Consensus values
    and weighting factors", Journal of Research of the National Bureau of Standards 87(5), 1982,
    about the whole's factor; the standard errors are those of the delete-a-group jackknife over
    days, of Kott, "Using the delete-a-group jackknife variance estimator", 1998.

    Parameters
    ----------
    whole : float
    factor_of : callable
        Returns the factor with which some of the orders cost least.
    """
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
        own.append(log(factor_of(held)))
        errors.append(_jackknife_error(held, factor_of))
    weights = _weights(np.array(own) - log(whole), np.array(errors))
    return tuple(
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

    Cut-offs are the cheapest of all that keep the constraints on these orders, at the segments'
    factors. With costs, the constraints hold as the probability expects.

    Parameters
    ----------
    weights : mapping of str to float, optional
        How far each segment keeps its own factor; estimated if not given.

    Raises
    ------
    PolicyError
        If a constraint cannot be met.
    """
    whole, factor_of = _whole(orders, form)
    segments = () if weights is not None else shrunk_segments(orders, whole, factor_of)
    factors = {held.name: held.factor for held in segments}
    for place, segment in enumerate(orders.policy.segments):
        if segment.name not in factors:
            weight = (weights or {}).get(segment.name, 0.0)
            part = orders.taken(np.flatnonzero(orders.segment == place)) if weight else orders
            is_told = weight > 0.0 and part.is_fraud.any() and not part.is_fraud.all()
            own = factor_of(part) if is_told else whole
            factors[segment.name] = exp(log(whole) + weight * log(own / whole))
    if form == "cut_offs":
        return cut_offs_policy(orders, factors), segments
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
    for place, held in enumerate((*(s.cut_offs for s in policy.segments), None)):
        rows = np.flatnonzero(orders.segment == place)
        begins = msgspec.structs.astuple(held or policy.cut_offs)
        possible = orders.at_honest[:, rows]
        possible[possible == NEVER_MINOR] = np.nan
        actions[rows] = cut_off_actions(orders.probability[rows], possible, begins)
    return actions


def _whole(orders: TuningOrders, form: Form) -> tuple[float, FactorOf]:
    """Return the whole's factor, and what finds that of some of the orders."""
    if form == "cut_offs":
        begins = unlimited_cut_offs(orders)
        return 1.0, lambda part: cut_offs_factor(part, begins)
    return _factor(orders), _factor


def _factor(orders: TuningOrders) -> float:
    return optimal_odds_factor(
        orders.probability, orders.at_honest, orders.at_fraud, orders.is_fraud, orders.weights
    ).factor


def _jackknife_error(orders: TuningOrders, factor_of: FactorOf) -> float:
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
        logs.append(log(factor_of(part)))
    n_groups = len(logs)
    return sqrt((n_groups - 1) / n_groups * float(np.sum((np.array(logs) - np.mean(logs)) ** 2)))


def _weights(gaps: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the gaps to the whole that are believed.

    The variance between segments is the one with which the squared gaps, each over its variance,
    add up to their number; 0 where they do not reach it.
    """
    told = ~np.isnan(errors)
    variance, squares = np.maximum(errors[told] ** 2, _VARIANCE_LEAST), gaps[told] ** 2
    low, high = 0.0, float(squares.sum())
    if float((squares / variance).sum()) > len(variance):
        for _ in range(_HALVINGS):
            between = (low + high) / 2.0
            is_low = float((squares / (variance + between)).sum()) > len(variance)
            low, high = (between, high) if is_low else (low, between)
    weights = np.zeros(len(gaps))
    weights[told] = low / (low + variance)
    return weights


def _with_prices(orders: TuningOrders, policy: Policy) -> Policy:
    limits = stated_limits(orders)
    policy = msgspec.structs.replace(policy, prices=Prices())
    if limits == Limits():
        return policy
    factor = np.array([*(s.odds_factor or 1.0 for s in policy.segments), policy.odds_factor])
    odds = factor[orders.segment] * orders.probability
    adjusted = odds / (odds + (1.0 - orders.probability))
    found = joint_prices(
        Orders(
            adjusted, orders.amount_minor, _priced(orders, policy, adjusted), orders.day,
            orders.weights,
        ),
        let_through(policy.costs),
        limits,
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
    through = let_through(costs)
    added = (0.0, 0.0, prices.review_minor, prices.decline_minor)
    for action, (honest_passed, fraud_passed, price) in enumerate(
        zip(through.honest, through.fraud, added, strict=True)
    ):
        excess = fraud * fraud_passed * (1.0 - limit) - honest * honest_passed * limit
        expected[action] += price + value * excess
    return np.asarray(expected)
