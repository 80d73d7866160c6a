"""What decisions under limits are made from: orders, limits, and prices in the limits' stead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.array_checks import (
    check_costs,
    check_kind,
    check_numbers,
    checked_weights,
)
from fraudkit.decisions.optimum.capacity_prices import Capacity
from fraudkit.errors import InputError

__all__ = [
    "LetThrough",
    "LimitedOrders",
    "Limits",
    "Orders",
    "Prices",
    "cheapest",
    "limited",
    "priced_actions",
]

_BPS: Final = 10_000.0

_Floats = NDArray[np.float64]


class Orders(NamedTuple):
    """Orders to be decided under limits.

    Attributes
    ----------
    probability : ndarray of float64, shape (n_orders,)
        Of fraud, calibrated, in [0, 1].
    value : ndarray of float64, shape (n_orders,)
        What the fraud rate is counted in, at least 0.
    costs : ndarray of float64, shape (4, n_orders)
        Of approve, challenge, review and decline; NaN where an action is not possible.
    days : ndarray of integers, shape (n_orders,)
        Each order's day. Reviews a day are the mean over the days that hold an order.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for.
    """

    probability: _Floats
    value: _Floats
    costs: _Floats
    days: NDArray[np.integer]
    weights: _Floats | None = None


class LetThrough(NamedTuple):
    """The share of frauds and of honest orders that each action lets through, in [0, 1].

    Attributes
    ----------
    fraud, honest : tuple of float
        Of approve, challenge, review and decline. A challenge lets through who does not drop
        out; a review the frauds that it does not detect and the honest orders that it does not
        reject.
    """

    fraud: tuple[float, float, float, float]
    honest: tuple[float, float, float, float]


class Limits(NamedTuple):
    """What must hold of the decisions; None where nothing must.

    Attributes
    ----------
    reviews_per_day_max : float or None
        On a mean day.
    decline_share_max : float or None
        Of the orders, in [0, 1].
    fraud_rate_bps_max : float or None
        Expected fraud value let through of all value let through, in basis points; 0 where no
        value is let through.
    """

    reviews_per_day_max: float | None = None
    decline_share_max: float | None = None
    fraud_rate_bps_max: float | None = None


class Prices(NamedTuple):
    """What is added to the costs of the actions: at least 0, and 0 for a limit that needs none.

    Attributes
    ----------
    review, decline : float
        Of each review and of each decline, in the unit of the costs.
    fraud : float
        Of each unit of fraud value let through beyond the limit's share of the value let
        through, in units of cost.
    """

    review: float = 0.0
    decline: float = 0.0
    fraud: float = 0.0


class LimitedOrders(NamedTuple):
    """Orders and limits as arrays that can be added up.

    Attributes
    ----------
    costs : ndarray of float64, shape (4, n_orders)
        inf where an action is not possible.
    fraud, honest : ndarray of float64, shape (4, n_orders)
        Expected value of fraud and of honest orders that each action lets through.
    weights : ndarray of float64, shape (n_orders,)
    reviews, declines : Capacity
        Of the weights that are reviewed and declined.
    fraud_rate_bps_max : float
        inf where there is no limit.
    """

    costs: _Floats
    fraud: _Floats
    honest: _Floats
    weights: _Floats
    reviews: Capacity
    declines: Capacity
    fraud_rate_bps_max: float

    @property
    def excess(self) -> _Floats:
        """Fraud value beyond the limit's share of the value let through, of each action."""
        share = min(self.fraud_rate_bps_max / _BPS, 1.0)
        return self.fraud - share * (self.fraud + self.honest)

    def fraud_rate_bps(self, actions: NDArray[np.int8]) -> float:
        """Return the fraud rate by value of these actions."""
        rows = np.arange(len(actions))
        fraud = float((self.fraud[actions, rows] * self.weights).sum())
        honest = float((self.honest[actions, rows] * self.weights).sum())
        return fraud / (fraud + honest) * _BPS if fraud > 0.0 else 0.0

    def priced(self, prices: Prices) -> _Floats:
        """Return the costs with the prices, shape (4, n_orders)."""
        priced: _Floats = self.costs + prices.fraud * self.excess
        priced[2] += prices.review
        priced[3] += prices.decline
        return priced


def priced_actions(
    orders: Orders, let_through: LetThrough, limits: Limits, prices: Prices
) -> NDArray[np.int8]:
    """Return the action of each order at the prices, as places in `policy.ACTIONS`.

    To the cost of review and of decline their price is added, and to every action the price of
    fraud times ``fraud - limit (fraud + honest)``, with the expected fraud and honest value that
    it lets through. The cheapest is taken, of equals the earliest.

    Raises
    ------
    InputError
        If an argument does not hold what its class says.

    Examples
    --------
    >>> costs = np.array([[9.0, 9.0], [np.nan, np.nan], [4.0, 2.0], [8.0, 8.0]])
    >>> orders = Orders(np.array([0.5, 0.5]), np.array([10.0, 10.0]), costs, np.array([0, 0]))
    >>> let_through = LetThrough(fraud=(1, 0.2, 0.2, 0), honest=(1, 0.9, 1, 0))
    >>> priced_actions(orders, let_through, Limits(), Prices(review=5.0)).tolist()
    [3, 2]
    """
    return cheapest(limited(orders, let_through, limits).priced(prices))


def cheapest(priced: _Floats) -> NDArray[np.int8]:
    """Return the place of the least of each column, of equals the first."""
    actions: NDArray[np.int8] = np.argmin(priced, axis=0).astype(np.int8)
    return actions


def limited(
    orders: Orders,
    let_through: LetThrough,
    limits: Limits,
    always_possible: Sequence[int] = (0, 3),
) -> LimitedOrders:
    """Return the orders and limits as arrays.

    Parameters
    ----------
    always_possible : sequence of int
        Actions that must have a cost for every order, as places in `policy.ACTIONS`.

    Raises
    ------
    InputError
        If an argument does not hold what its class says.
    """
    n_orders = len(orders.probability)
    check_numbers("probability", orders.probability, n_orders, 0.0, 1.0)
    check_numbers("value", orders.value, n_orders, 0.0)
    check_costs("costs", orders.costs, n_orders, always_possible)
    check_kind("days", orders.days, n_orders, "iu")
    for name, shares in let_through._asdict().items():
        check_numbers(f"let_through.{name}", np.array(shares), 4, 0.0, 1.0)
    for name, most in limits._asdict().items():
        if most is not None and not most >= 0.0:
            raise InputError(f"{name} must be at least 0, or None for no limit, got {most}")
    weights = checked_weights(orders.weights, n_orders)
    n_days = len(np.unique(orders.days[weights > 0.0]))
    reviews, declines, rate_bps = (np.inf if most is None else most for most in limits)
    fraud_shares, honest_shares = (np.array([shares]).T for shares in let_through)
    return LimitedOrders(
        costs=np.where(np.isnan(orders.costs), np.inf, orders.costs),
        fraud=fraud_shares * (orders.probability * orders.value),
        honest=honest_shares * ((1.0 - orders.probability) * orders.value),
        weights=weights,
        reviews=Capacity(reviews, max(n_days, 1)),
        declines=Capacity(declines, float(weights.sum()) or 1.0),
        fraud_rate_bps_max=rate_bps,
    )
