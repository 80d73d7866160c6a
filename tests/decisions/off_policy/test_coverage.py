"""Intervals of a loosening hold what a simulated shop knows and a log does not.

The shop declines orders above a probability of fraud and lets a few of them through at random; the
new policy approves these and some that were challenged. The shop knows every label.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.decisions.off_policy.change import (
    EFFECTIVE_SAMPLE_SIZE_MIN,
    Change,
    LoosenedEstimate,
)
from fraudkit.decisions.off_policy.past_orders import APPROVE, DECLINE, PastOrders
from fraudkit.decisions.off_policy.policy_difference import policy_difference

CHALLENGE: Final = 1
RUNS: Final = 200


class Shop(NamedTuple):
    """How a shop's would-be declines are.

    Attributes
    ----------
    sigma : float
        Of the log of the amount: 1 is a shop's, at 1.8 one order in a hundred makes a third of it.
    log_odds : float
        Of fraud, the middle over would-be declines that the new policy lets through.
    attack : float
        How much higher they are on one day in ten.
    miscalibrated, by_amount : float
        How much the log-odds are above what the model says: of every order, and for a standard
        deviation of the log of the amount.
    propensity : float
        Of half of the would-be declines; the others have four times as much.
    n_days : int
    """

    sigma: float = 1.0
    log_odds: float = 0.0
    attack: float = 0.0
    miscalibrated: float = 0.0
    by_amount: float = 0.0
    propensity: float = 0.02
    n_days: int = 60


SHOPS: Final = {
    "ordinary": Shop(),
    "heavy-tailed amounts": Shop(sigma=1.8),
    "frauds clustered in days": Shop(attack=3.0),
    "heavy-tailed and clustered": Shop(sigma=1.8, attack=3.0),
    "rare frauds": Shop(sigma=1.8, log_odds=-2.5),
    "model far too low": Shop(miscalibrated=1.0),
    "model far too high, heavy-tailed": Shop(sigma=1.8, miscalibrated=-1.0),
    "large orders are worse than the model says": Shop(by_amount=0.5),
    "two weeks": Shop(n_days=14),
}


class Simulated(NamedTuple):
    """What is in the log, and what is not: the change of cost, of that the part from loosening."""

    orders: PastOrders
    change: float
    loosening: float
    fraud_rate_change_bps: float


def simulated(shop: Shop, n_explored: float, generator: np.random.Generator) -> Simulated:
    """Return a shop with about so many explored orders among those that are loosened."""
    n_loosened = n_explored / (2.5 * shop.propensity)
    by_day = generator.poisson(2.0 * n_loosened / shop.n_days, shop.n_days)
    day = np.repeat(np.arange(shop.n_days), by_day)
    n_orders = len(day)
    is_declined = generator.random(n_orders) < 0.5
    size = generator.normal(size=n_orders)
    amount = np.round(np.exp(8.5 + shop.sigma * size))
    log_odds = generator.normal(np.where(is_declined, shop.log_odds, -2.5), 0.7)
    attack = np.where(generator.random(shop.n_days) < 0.1, shop.attack, 0.0)[day]
    true_log_odds = log_odds + attack + shop.miscalibrated + shop.by_amount * size
    is_fraud = (generator.random(n_orders) < _share(true_log_odds)).astype(np.float64)
    propensity = shop.propensity * np.where(generator.random(n_orders) < 0.5, 1.0, 4.0)
    is_explored = is_declined & (generator.random(n_orders) < propensity)
    kept = np.where(generator.random(n_orders) < 0.5, APPROVE, CHALLENGE)
    old = np.where(is_declined, DECLINE, kept)
    new_action = np.full(n_orders, APPROVE)
    at_honest, at_fraud = (
        np.array(expected_costs(np.full(n_orders, label), amount, Costs())) for label in (0.0, 1.0)
    )
    row = np.arange(n_orders)
    realised = np.where(is_fraud == 1.0, at_fraud, at_honest)
    true_changes = realised[new_action, row] - realised[old, row]
    orders = PastOrders(
        action=np.where(is_explored, APPROVE, old),
        new_action=new_action,
        is_fraud=np.where(is_declined & ~is_explored, np.nan, is_fraud),
        at_honest=at_honest,
        at_fraud=at_fraud,
        probability=_share(log_odds),
        day=day,
        approve_propensity=np.where(is_declined, propensity, np.nan),
        amount_minor=amount,
    )
    by_new, by_old = amount, np.where(old == APPROVE, amount, 0.0)
    rates = [10_000.0 * (is_fraud @ approved) / approved.sum() for approved in (by_new, by_old)]
    return Simulated(
        orders, true_changes.sum(), true_changes[is_declined].sum(), rates[0] - rates[1]
    )


def _share(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-log_odds))


def is_held(change: Change | LoosenedEstimate, truth: float) -> bool | None:
    """Return whether the interval holds the truth; ``None`` where there is no interval."""
    if change.low is None or change.high is None:
        return None
    return change.low <= truth <= change.high


def is_within_bounds(change: Change | LoosenedEstimate, truth: float) -> bool:
    rounding = 1e-9 * (abs(change.bound_low) + abs(change.bound_high))
    return change.bound_low - rounding <= truth <= change.bound_high + rounding


def share_held(shop: Shop, n_explored: float, *, given_min: int) -> float:
    """Return how often the intervals of all changes hold the truth, the least often held one.

    Where they do not hold what was, or what is expected of such days, counts alike; bounds must
    hold each time.
    """
    runs = [
        simulated(shop, n_explored, np.random.default_rng([seed, int(n_explored)]))
        for seed in range(RUNS)
    ]
    expected = float(np.mean([run.loosening for run in runs]))
    held: list[list[bool | None]] = []
    for run in runs:
        found = policy_difference(run.orders)
        cost, rate = found.cost_minor, found.fraud_rate_bps
        assert cost.estimated is not None
        assert rate is not None
        assert is_within_bounds(cost, run.change)
        assert is_within_bounds(cost.estimated, run.loosening)
        assert is_within_bounds(rate, run.fraud_rate_change_bps)
        is_enough = cost.estimated.effective_sample_size >= EFFECTIVE_SAMPLE_SIZE_MIN
        assert is_enough or cost.kind == "bounded"
        held.append(
            [
                is_held(cost.estimated, run.loosening),
                is_held(cost.estimated, expected),
                is_held(cost, run.change),
                is_held(rate, run.fraud_rate_change_bps),
            ]
        )
    shares = []
    for of_one in zip(*held, strict=True):
        given = [one for one in of_one if one is not None]
        assert len(given) >= given_min
        shares.append(np.mean(given) if given else 1.0)
    return float(min(shares))


@pytest.mark.parametrize("name", SHOPS)
def test_with_a_hundred_explored_the_interval_holds_the_truth(name: str) -> None:
    assert share_held(SHOPS[name], 100.0, given_min=120) >= 0.85


@pytest.mark.parametrize("name", SHOPS)
def test_with_tens_explored_it_holds_the_truth_or_is_withheld(name: str) -> None:
    assert share_held(SHOPS[name], 40.0, given_min=20) >= 0.85


def test_with_a_handful_explored_there_are_only_bounds() -> None:
    for seed in range(20):
        run = simulated(Shop(), 8.0, np.random.default_rng(seed))
        cost = policy_difference(run.orders).cost_minor
        assert (cost.kind, cost.value, cost.low) == ("bounded", None, None)
        assert is_within_bounds(cost, run.change)


@pytest.mark.parametrize("sigma", [1.4, 1.8])
def test_large_frauds_that_the_model_does_not_see_are_held_too(sigma: float) -> None:
    shop = Shop(sigma=sigma, log_odds=-2.5, by_amount=1.0)
    assert share_held(shop, 100.0, given_min=100) >= 0.85


def test_an_interval_is_not_much_wider_than_its_name() -> None:
    assert share_held(Shop(), 100.0, given_min=120) <= 0.95
