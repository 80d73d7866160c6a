"""Joint prices: every limit holds, and nothing within the limits is much cheaper."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.decisions.optimum import joint_prices as module
from fraudkit.decisions.optimum.joint_prices import JointPrices, joint_prices
from fraudkit.decisions.optimum.limits import (
    LetThrough,
    Limits,
    Orders,
    Prices,
    limited,
    priced_actions,
)
from fraudkit.errors import InputError, PolicyError

LET_THROUGH = LetThrough(fraud=(1.0, 0.25, 0.25, 0.0), honest=(1.0, 0.875, 1.0, 0.0))


class Order(NamedTuple):
    probability: float
    value: float
    costs: tuple[float, float, float, float]
    day: int
    weight: float


costs_of = st.integers(-20, 60).map(float)
optional_costs = costs_of | st.just(float("nan"))
orders_of = st.builds(
    Order,
    st.sampled_from([0.5, 0.25, 0.125, 0.0, 1.0]),
    st.sampled_from([100.0, 50.0, 0.0]),
    st.tuples(costs_of, optional_costs, optional_costs, costs_of),
    st.sampled_from([5, -1]),
    st.sampled_from([1.0, 2.0, 0.0]),
)
histories = st.lists(orders_of, max_size=4)
limits_of = st.builds(
    Limits,
    st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    st.none() | st.sampled_from([0.0, 0.25, 0.5]),
    st.none() | st.sampled_from([0.0, 500.0, 1_000.0, 2_500.0]),
)


def arrays(history: list[Order]) -> Orders:
    return Orders(
        np.array([order.probability for order in history], np.float64),
        np.array([order.value for order in history], np.float64),
        np.array([order.costs for order in history], np.float64).reshape(-1, 4).T,
        np.array([order.day for order in history], np.int64),
        np.array([order.weight for order in history], np.float64),
    )


class Reached(NamedTuple):
    reviews_per_day: float
    decline_share: float
    fraud_rate_bps: float
    cost: float

    def is_within(self, limits: Limits) -> bool:
        return all(
            most is None or reached <= most + 1e-9
            for reached, most in zip(self, limits, strict=False)
        )


def reached(history: list[Order], actions: tuple[int, ...]) -> Reached:
    """Return what the limits are on and the cost, order by order."""
    days = {order.day for order in history if order.weight > 0.0}
    fraud = honest = cost = reviews = declines = 0.0
    for order, action in zip(history, actions, strict=True):
        stands_for = order.weight * order.value
        fraud += stands_for * order.probability * LET_THROUGH.fraud[action]
        honest += stands_for * (1.0 - order.probability) * LET_THROUGH.honest[action]
        cost += order.weight * order.costs[action]
        reviews += order.weight * (action == 2)
        declines += order.weight * (action == 3)
    return Reached(
        reviews / max(len(days), 1),
        declines / (sum(order.weight for order in history) or 1.0),
        10_000.0 * fraud / (fraud + honest) if fraud else 0.0,
        cost,
    )


def every_decision(history: list[Order]) -> list[tuple[int, ...]]:
    possible = [
        [action for action in range(4) if not np.isnan(order.costs[action])] for order in history
    ]
    return list(product(*possible))


@settings(max_examples=300)
@given(history=histories, limits=limits_of)
def test_the_limits_hold_and_the_gap_bounds_every_other_decision(
    history: list[Order], limits: Limits
) -> None:
    within = [
        found.cost
        for actions in every_decision(history)
        if (found := reached(history, actions)).is_within(limits)
    ]
    orders = arrays(history)
    try:
        found = joint_prices(orders, LET_THROUGH, limits)
    except PolicyError as error:
        # Deterministic prices part no two orders that are alike, so some limits only others meet.
        assert not within or "is met at no price" in str(error)  # noqa: PT017 - either is right
        return
    assert min(found.prices) >= 0.0
    actions = priced_actions(orders, LET_THROUGH, limits, found.prices)
    achieved = reached(history, tuple(actions.tolist()))
    assert achieved.is_within(limits)
    assert found[1:5] == pytest.approx(achieved)
    assert found.cost - found.gap <= min(within) + 1e-6
    assert found.gap >= -1e-6


@given(history=histories, limits=limits_of)
def test_the_gap_is_the_prices_times_what_is_left(history: list[Order], limits: Limits) -> None:
    try:
        found = joint_prices(arrays(history), LET_THROUGH, limits)
    except PolicyError:
        return
    n_days = len({order.day for order in history if order.weight > 0.0})
    weight = sum(order.weight for order in history)
    actions = priced_actions(arrays(history), LET_THROUGH, limits, found.prices)
    share = (limits.fraud_rate_bps_max or 0.0) / 10_000.0
    left = 0.0
    for order, action in zip(history, actions.tolist(), strict=True):
        stands_for = order.weight * order.value
        fraud = stands_for * order.probability * LET_THROUGH.fraud[action]
        honest = stands_for * (1.0 - order.probability) * LET_THROUGH.honest[action]
        left += share * (fraud + honest) - fraud
    gap = found.prices.fraud * left
    if found.prices.review > 0.0:
        assert limits.reviews_per_day_max is not None
        gap += found.prices.review * n_days * (limits.reviews_per_day_max - found.reviews_per_day)
    if found.prices.decline > 0.0:
        assert limits.decline_share_max is not None
        gap += found.prices.decline * weight * (limits.decline_share_max - found.decline_share)
    assert found.gap == pytest.approx(gap, rel=1e-6, abs=1e-6)


@given(
    history=histories,
    review=costs_of,
    decline=costs_of,
    fraud=st.sampled_from([0.0, 0.25, 1.0, 8.0]),
)
def test_each_order_gets_the_cheapest_action_with_the_prices(
    history: list[Order], review: float, decline: float, fraud: float
) -> None:
    limits = Limits(fraud_rate_bps_max=2_500.0)
    prices = Prices(abs(review), abs(decline), fraud)
    actions = priced_actions(arrays(history), LET_THROUGH, limits, prices)
    for order, action in zip(history, actions.tolist(), strict=True):
        priced = []
        for place, cost in enumerate(order.costs):
            through = order.probability * order.value * LET_THROUGH.fraud[place]
            honest = (1.0 - order.probability) * order.value * LET_THROUGH.honest[place]
            added = (0.0, 0.0, prices.review, prices.decline)[place]
            priced.append(cost + fraud * (through - 0.25 * (through + honest)) + added)
        assert action == priced.index(np.nanmin(priced))


def drawn(seed: int, n_orders: int, *, is_weighted: bool = False) -> Orders:
    """Return orders of which no two are alike."""
    rng = np.random.default_rng(seed)
    probability, value = rng.beta(0.5, 4.0, n_orders), rng.exponential(10_000.0, n_orders)
    costs = np.array(expected_costs(probability, value, Costs()))
    costs[1, rng.random(n_orders) < 0.5] = np.nan
    weights = rng.uniform(0.5, 2.0, n_orders) if is_weighted else None
    return Orders(probability, value, costs, rng.integers(0, 5, n_orders), weights)


CONTESTED = [
    Limits(reviews_per_day_max=6.0),
    Limits(decline_share_max=0.005, reviews_per_day_max=3.0),
    Limits(fraud_rate_bps_max=300.0),
    Limits(fraud_rate_bps_max=150.0, reviews_per_day_max=5.0),
    Limits(fraud_rate_bps_max=300.0, decline_share_max=0.08),
    Limits(reviews_per_day_max=12.0, decline_share_max=0.15, fraud_rate_bps_max=300.0),
]


def swing(orders: Orders, limits: Limits, prices: Prices) -> float:
    """Return the most that one order's change of action can cost at the prices."""
    held = limited(orders, LET_THROUGH, limits)
    excess = np.where(np.isinf(held.costs), np.nan, held.excess)
    moved = np.nanmax(excess, axis=0) - np.nanmin(excess, axis=0)
    each = prices.review + prices.decline + prices.fraud * moved
    return float((each * held.weights).max())


@pytest.mark.parametrize("limits", CONTESTED)
@pytest.mark.parametrize("seed", range(8))
def test_the_gap_is_no_more_than_a_few_orders_make(seed: int, limits: Limits) -> None:
    orders = drawn(seed, 300, is_weighted=seed % 2 == 0)
    found = joint_prices(orders, LET_THROUGH, limits)
    assert max(found.prices) > 0.0
    assert -1e-6 <= found.gap <= 3.0 * swing(orders, limits, found.prices)


@pytest.mark.parametrize("limits", CONTESTED)
@pytest.mark.parametrize("seed", range(4))
def test_rounding_of_a_price_changes_no_action(seed: int, limits: Limits) -> None:
    orders = drawn(seed, 300)
    prices = joint_prices(orders, LET_THROUGH, limits).prices
    actions = priced_actions(orders, LET_THROUGH, limits, prices)
    for name, price in prices._asdict().items():
        for nudged in (price * (1.0 - 1e-9), price * (1.0 + 1e-9)):
            moved = priced_actions(orders, LET_THROUGH, limits, prices._replace(**{name: nudged}))
            assert np.array_equal(moved, actions)


@pytest.mark.parametrize("seed", range(4))
def test_at_a_lower_price_the_fraud_rate_is_above_its_limit(seed: int) -> None:
    orders, limits = drawn(seed, 3_000), CONTESTED[-1]._replace(reviews_per_day_max=120.0)
    found = joint_prices(orders, LET_THROUGH, limits)
    held = limited(orders, LET_THROUGH, limits)
    for lower in (0.0, 0.5, 0.99):
        below = module._at_fraud_price(held, lower * found.prices.fraud)
        assert not module._is_within(held, below)


@pytest.mark.parametrize("limits", CONTESTED)
def test_limits_that_hold_without_prices_have_none(limits: Limits) -> None:
    orders = drawn(0, 300)
    free = joint_prices(orders, LET_THROUGH, Limits())
    generous = Limits(
        *(None if most is None else held for most, held in zip(limits, free[1:], strict=False))
    )
    found = joint_prices(orders, LET_THROUGH, generous)
    assert found == free
    assert (found.prices, found.gap) == (Prices(), 0.0)


def test_a_weight_is_so_many_orders() -> None:
    orders, limits = drawn(0, 200), CONTESTED[-1]
    weights = np.random.default_rng(1).integers(0, 4, 200)
    repeated = np.repeat(np.arange(200), weights)
    weighted = joint_prices(orders._replace(weights=weights.astype(float)), LET_THROUGH, limits)
    alone = Orders(
        orders.probability[repeated],
        orders.value[repeated],
        orders.costs[:, repeated],
        orders.days[repeated],
    )
    assert weighted[1:5] == pytest.approx(joint_prices(alone, LET_THROUGH, limits)[1:5])


def alike(n_orders: int) -> Orders:
    """Return orders with a fraud share of a tenth, each cheapest to approve."""
    costs = np.repeat([[0.0], [np.nan], [3.0], [5.0]], n_orders, axis=1)
    return Orders(
        np.full(n_orders, 0.1), np.full(n_orders, 10.0), costs, np.zeros(n_orders, np.int64)
    )


def test_a_fraud_rate_that_nothing_meets_is_refused_with_the_least() -> None:
    orders = alike(10)
    # With all reviewed a quarter of the fraud is left: 0.25 of 0.25 + 9.
    least = 10_000 * 0.25 / 9.25
    with pytest.raises(PolicyError) as error:
        joint_prices(
            orders, LET_THROUGH, Limits(decline_share_max=0.5, fraud_rate_bps_max=least - 1.0)
        )
    assert str(error.value) == (
        "fraud_rate_bps_max cannot be met: it must be at least 270.27, the least that prices "
        "reach with these orders and limits, got decline_share_max=0.5, "
        "fraud_rate_bps_max=269.27; raise one of the limits"
    )
    found = joint_prices(
        orders, LET_THROUGH, Limits(decline_share_max=0.5, fraud_rate_bps_max=least + 1.0)
    )
    assert found[1:5] == pytest.approx((10.0, 0.0, least, 30.0))


def test_a_fraud_rate_that_only_unlike_decisions_on_like_orders_meet_is_not_called_impossible() -> (
    None
):
    limits = Limits(reviews_per_day_max=5.0, fraud_rate_bps_max=700.0, decline_share_max=0.0)
    with pytest.raises(PolicyError, match="is met at no price: it must be at least 1000, the"):
        joint_prices(alike(10), LET_THROUGH, limits)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_rounding_alone_proves_nothing(share: float) -> None:
    orders = alike(9)._replace(probability=np.full(9, share), costs=np.zeros((4, 9)))
    limits = Limits(3.0, 0.5, 1e4 * share * 0.8)
    with pytest.raises(PolicyError, match="is met at no price"):
        joint_prices(orders, LET_THROUGH._replace(fraud=(1.0, 1.0, 0.25, 0.0)), limits)


@pytest.mark.parametrize("seed", range(4))
def test_the_least_fraud_rate_that_is_said_is_reached_and_none_below(seed: int) -> None:
    orders = drawn(seed, 300)

    def least_said(fraud_rate_bps_max: float) -> float:
        with pytest.raises(PolicyError) as error:
            joint_prices(orders, LET_THROUGH, Limits(5.0, 0.05, fraud_rate_bps_max))
        return float(str(error.value).split("at least ")[1].split(",")[0])

    least = least_said(0.0)
    assert least_said(0.98 * least) == pytest.approx(least, rel=0.01)
    found = joint_prices(orders, LET_THROUGH, Limits(5.0, 0.05, 1.001 * least))
    assert found.fraud_rate_bps == pytest.approx(least, rel=0.002)


def test_a_limit_of_no_fraud_declines_all_that_could_be() -> None:
    orders = drawn(0, 50)
    orders.probability[:10] = 0.0
    found = joint_prices(orders, LET_THROUGH, Limits(fraud_rate_bps_max=0.0))
    assert found.fraud_rate_bps == 0.0
    assert found.decline_share == pytest.approx(0.8)


def test_without_orders_nothing_is_priced() -> None:
    nothing = Orders(np.empty(0), np.empty(0), np.empty((4, 0)), np.empty(0, np.int64))
    assert joint_prices(nothing, LET_THROUGH, Limits(0.0, 0.0, 0.0)) == JointPrices(
        Prices(), 0.0, 0.0, 0.0, 0.0, 0.0
    )


GIVEN = drawn(0, 2)


@pytest.mark.parametrize(
    ("orders", "let_through", "limits", "message"),
    [
        (GIVEN._replace(probability=np.array([0.5, 1.5])), LET_THROUGH, Limits(), "probability"),
        (GIVEN._replace(value=np.array([1.0, -1.0])), LET_THROUGH, Limits(), "value must be .* -1"),
        (GIVEN._replace(costs=np.zeros((2, 4))), LET_THROUGH, Limits(), r"costs .* \(4, 2\)"),
        (GIVEN._replace(days=np.array([0.5, 1.0])), LET_THROUGH, Limits(), "days must be .* int"),
        (GIVEN._replace(weights=np.ones(1)), LET_THROUGH, Limits(), "weights must be"),
        (GIVEN, LET_THROUGH._replace(fraud=(1, 2, 0, 0)), Limits(), "let_through.fraud must .* 2"),
        (GIVEN, LET_THROUGH._replace(honest=(1, 0)), Limits(), r"let_through.honest .* \(4,\)"),
        (GIVEN, LET_THROUGH, Limits(-1.0), "reviews_per_day_max must be at least 0, .* got -1.0"),
        (GIVEN, LET_THROUGH, Limits(0.0, np.nan), "decline_share_max must be .* got nan"),
    ],
)
def test_what_does_not_hold_is_refused(
    orders: Orders, let_through: LetThrough, limits: Limits, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        joint_prices(orders, let_through, limits)
