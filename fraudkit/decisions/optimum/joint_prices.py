"""Prices under which limits on reviews, declines and the fraud rate hold together.

Each price is the Lagrange multiplier of its limit: it is added to what it limits, and each order
gets the action that is the cheapest with the prices.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.capacity_prices import capacity_prices
from fraudkit.decisions.optimum.limits import (
    LetThrough,
    LimitedOrders,
    Limits,
    Orders,
    Prices,
    cheapest,
    limited,
)
from fraudkit.errors import PolicyError

__all__ = ["JointPrices", "joint_prices"]

_FRAUD_PRICE_FIRST: Final = 1.0
_FRAUD_PRICE_MAX: Final = 2.0**30
_FRAUD_PRICE_STEP: Final = 32.0
_RESOLUTION: Final = 1e-9
_HALVINGS_MAX: Final = 60
_RATES_MAX: Final = 20
_SLOPES: Final = {
    "review": np.array([[0.0], [0.0], [1.0], [0.0]]),
    "decline": np.array([[0.0], [0.0], [0.0], [1.0]]),
}


class JointPrices(NamedTuple):
    """Prices, and what comes of deciding with them.

    Attributes
    ----------
    prices : Prices
        At which every limit holds.
    reviews_per_day, decline_share, fraud_rate_bps : float
        What the limits are on, as reached.
    cost : float
        Of all orders together, the prices not counted.
    gap : float
        No decisions within the limits, whether they rest on prices or not, cost less than
        ``cost - gap``, up to rounding.
    """

    prices: Prices
    reviews_per_day: float
    decline_share: float
    fraud_rate_bps: float
    cost: float
    gap: float


class _Found(NamedTuple):
    prices: Prices
    actions: NDArray[np.int8]


def joint_prices(orders: Orders, let_through: LetThrough, limits: Limits) -> JointPrices:
    """Return prices at which every limit holds on these orders, at nearly the least cost.

    How near is returned with them, as ``gap``: the sum of each price times what is left of its
    limit. Little more is left of a limit than the orders that stand at its edge together; where
    many orders are alike, these are many.

    The price of fraud is bisected; for each, those of reviews and declines are found so that
    both limits hold. At last each price is moved to the middle of the range in which, given the
    others, no order's action changes, so that rounding elsewhere changes none.

    Parameters
    ----------
    orders : Orders
    let_through : LetThrough
    limits : Limits

    Raises
    ------
    InputError
        If an argument does not hold what its class says.
    PolicyError
        If no price of fraud brings the fraud rate to its limit. The other limits can always
        hold, as every order can be approved. The message says which rate is reached, and whether
        it is proved that no decisions at all meet the limit.

    References
    ----------
    Everett, "Generalized Lagrange multiplier method for solving problems of optimum allocation
    of resources", Operations Research 11(3), 1963: the actions at given prices are the cheapest
    among all that use no more, and weak duality bounds what anything else can save. The best rate
    of the message: Dinkelbach, "On nonlinear fractional programming", Management Science 13(7),
    1967.

    Examples
    --------
    One review a day, where a review stops four frauds of five and costs 10:

    >>> from fraudkit.decisions.optimum.limits import LetThrough, Limits, Orders
    >>> p, value = np.array([0.1, 0.3, 0.5]), np.array([100.0, 100.0, 100.0])
    >>> nothing = np.full(3, np.nan)
    >>> costs = np.array([p * value, nothing, 10 + 0.2 * p * value, 60 * (1 - p)])
    >>> let_through = LetThrough(fraud=(1, 0.2, 0.2, 0), honest=(1, 0.9, 1, 0))
    >>> orders = Orders(p, value, costs, np.zeros(3, int))
    >>> found = joint_prices(orders, let_through, Limits(reviews_per_day_max=1))
    >>> round(found.prices.review, 6), found.reviews_per_day, found.cost, found.gap
    (12.0, 1.0, 56.0, 0.0)
    """
    held = limited(orders, let_through, limits)
    found = _at_fraud_price(held, 0.0)
    if not _is_within(held, found):
        low, high, found = _first_within(held, limits)
        for _ in range(_HALVINGS_MAX):
            if high - low <= _RESOLUTION * high:
                break
            tried = _at_fraud_price(held, (low + high) / 2.0)
            if _is_within(held, tried):
                high, found = tried.prices.fraud, tried
            else:
                low = tried.prices.fraud
    return _result(held, _centred(held, found))


def _first_within(held: LimitedOrders, limits: Limits) -> tuple[float, float, _Found]:
    """Return a price of fraud that is too low, one that is not, and what is found at that."""
    low, high = 0.0, _FRAUD_PRICE_FIRST
    found = _at_fraud_price(held, high)
    while not _is_within(held, found):
        if high >= _FRAUD_PRICE_MAX:
            raise _out_of_reach(held, limits, found)
        low, high = high, high * _FRAUD_PRICE_STEP
        found = _at_fraud_price(held, high)
    return low, high, found


def _at_fraud_price(held: LimitedOrders, fraud_price: float) -> _Found:
    """Return the prices at which reviews and declines hold, and the actions."""
    priced = held.priced(Prices(fraud=fraud_price))
    review, decline = capacity_prices(priced, held.weights, held.reviews, held.declines)
    priced[2] += review
    priced[3] += decline
    return _Found(Prices(review, decline, fraud_price), cheapest(priced))


def _is_within(held: LimitedOrders, found: _Found) -> bool:
    return held.fraud_rate_bps(found.actions) <= held.fraud_rate_bps_max


def _centred(held: LimitedOrders, found: _Found) -> _Found:
    """Return the same actions, with each price in turn in the middle of where they stay."""
    for name, price in found.prices._asdict().items():
        if price == 0.0:
            continue
        low, high = _range(held, found, _SLOPES.get(name, held.excess))
        if price + high < np.inf:
            middle = float(max(price + low, 0.0) + price + high) / 2.0
            moved = found.prices._replace(**{name: middle})
            if np.array_equal(cheapest(held.priced(moved)), found.actions):
                found = _Found(moved, found.actions)
    return found


def _range(held: LimitedOrders, found: _Found, slopes: NDArray[np.float64]) -> tuple[float, float]:
    """Return by how much a price can change either way before an action does.

    Parameters
    ----------
    slopes : ndarray of float64, shape (4, n_orders) or (4, 1)
        By how much each cost rises with the price.
    """
    priced, rows = held.priced(found.prices), np.arange(len(found.actions))
    dearer = priced - priced[found.actions, rows]
    falling = np.broadcast_to(slopes, priced.shape)[found.actions, rows] - slopes
    with np.errstate(divide="ignore", invalid="ignore"):
        change = dearer / falling
    lowest = change[falling < 0.0].max(initial=-np.inf)
    return float(lowest), float(change[falling > 0.0].min(initial=np.inf))


def _result(held: LimitedOrders, found: _Found) -> JointPrices:
    rows = np.arange(len(found.actions))
    reviews, declines = (float(held.weights[found.actions == action].sum()) for action in (2, 3))
    excess = float((held.excess[found.actions, rows] * held.weights).sum())
    gap = -found.prices.fraud * excess
    for price, capacity, used in (
        (found.prices.review, held.reviews, reviews),
        (found.prices.decline, held.declines, declines),
    ):
        gap += price * (capacity.most * capacity.divisor - used) if price > 0.0 else 0.0
    return JointPrices(
        prices=found.prices,
        reviews_per_day=reviews / held.reviews.divisor,
        decline_share=declines / held.declines.divisor,
        fraud_rate_bps=held.fraud_rate_bps(found.actions),
        cost=float((held.costs[found.actions, rows] * held.weights).sum()),
        gap=gap,
    )


def _out_of_reach(held: LimitedOrders, limits: Limits, found: _Found) -> PolicyError:
    """Return the error, with the least rate: each rate that is reached is the next limit.

    Where the bound on the cost is above what the dearest decisions cost, there are no decisions.
    """
    reached = _result(held, found)
    dearest = np.where(np.isinf(held.costs), -np.inf, held.costs).max(axis=0)
    rounding = _RESOLUTION * found.prices.fraud * (held.fraud + held.honest).max(axis=0)
    highest = float(((dearest + rounding) * held.weights).sum())
    is_proved = reached.cost - reached.gap > highest
    least = reached.fraud_rate_bps
    for _ in range(_RATES_MAX):
        nearer = _at_fraud_price(held._replace(fraud_rate_bps_max=least), _FRAUD_PRICE_MAX)
        rate = held.fraud_rate_bps(nearer.actions)
        if not held.fraud_rate_bps_max < rate < least:
            break
        least = rate
    given = ", ".join(
        f"{name}={most:g}" for name, most in limits._asdict().items() if most is not None
    )
    return PolicyError(
        f"fraud_rate_bps_max {'cannot be met' if is_proved else 'is met at no price'}: "
        f"it must be at least {least:.6g}, the least that prices reach with these orders and "
        f"limits, got {given}; raise one of the limits"
    )
