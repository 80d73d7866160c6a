"""The cheapest factor on the odds, against every factor that decides differently."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.costs import expected_costs
from fraudkit.decisions.optimum.odds_factor import OddsFactor, optimal_odds_factor
from fraudkit.decisions.policy import Policy
from fraudkit.errors import InputError
from tests.decisions.test_costs import drawn_costs

Floats = NDArray[np.float64]
Line = tuple[float, float]
Order = tuple[float, tuple[Line, Line | None, Line | None, Line], bool, float]

lines = st.tuples(st.integers(-4, 4).map(float), st.integers(-4, 4).map(float))
possible_lines = st.tuples(lines, st.none() | lines, st.none() | lines, lines)
weights_of = st.sampled_from([1.0, 2.0, 0.0])
orders = st.tuples(
    st.sampled_from([0.5, 0.25, 0.75, 0.0, 1.0]), possible_lines, st.booleans(), weights_of
)
histories = st.lists(orders, max_size=5)
bounds = st.sampled_from([(0.25, 4.0), (0.05, 20.0), (2.0, 8.0), (0.125, 0.5)])


def arrays(history: list[Order]) -> tuple[Floats, Floats, Floats, NDArray[np.bool_], Floats]:
    impossible = (np.nan, np.nan)
    costs = np.array(
        [[line or impossible for line in possible] for _p, possible, _label, _weight in history]
    ).reshape(-1, 4, 2)
    return (
        np.array([order[0] for order in history]),
        costs[:, :, 0].T,
        costs[:, :, 1].T,
        np.array([order[2] for order in history], np.bool_),
        np.array([order[3] for order in history]),
    )


def action_at(factor: Fraction, order: Order) -> int:
    """Return the place of the cheapest action, the earliest of equals, in exact arithmetic."""
    probability, possible, _label, _weight = order
    exact = Fraction(probability)
    shifted = exact * factor / (1 - exact + exact * factor)
    expected = {
        place: (1 - shifted) * Fraction(line[0]) + shifted * Fraction(line[1])
        for place, line in enumerate(possible)
        if line is not None
    }
    return min(expected, key=lambda place: (expected[place], place))


def realised(action: int, order: Order) -> float:
    _probability, possible, label, weight = order
    line = possible[action]
    assert line is not None
    return weight * line[label]


def actions_at(factor: Fraction, history: list[Order]) -> list[int]:
    return [action_at(factor, order) for order in history]


def cost_of(actions: list[int], history: list[Order]) -> float:
    return sum(realised(*pair) for pair in zip(actions, history, strict=True))


def crossings(history: list[Order], least: float, most: float) -> list[Fraction]:
    """Return every factor between the bounds at which two costs of an order are equal."""
    found = {Fraction(least), Fraction(most)}
    for probability, possible, _label, _weight in history:
        held = [line for line in possible if line is not None]
        for one, other in ((one, other) for one in held for other in held):
            if 0.0 < probability < 1.0 and one[1] != other[1]:
                exact = Fraction(probability)
                odds = Fraction(other[0] - one[0]) / Fraction(one[1] - other[1])
                factor = odds * (1 - exact) / exact
                if least < factor < most:
                    found.add(factor)
    return sorted(found)


@settings(max_examples=400)
@given(history=histories, limits=bounds)
def test_no_factor_is_cheaper(history: list[Order], limits: tuple[float, float]) -> None:
    least, most = limits
    found = optimal_odds_factor(*arrays(history), least=least, most=most)
    assert least <= found.factor <= most
    middles = [(low + high) / 2 for low, high in pairwise(crossings(history, least, most))]
    assert found.cost == min(cost_of(actions_at(middle, history), history) for middle in middles)
    assert found.cost == cost_of(actions_at(Fraction(found.factor), history), history)


@settings(max_examples=400)
@given(history=histories, limits=bounds)
def test_of_equally_cheap_factors_the_nearest_to_one_is_taken(
    history: list[Order], limits: tuple[float, float]
) -> None:
    least, most = limits
    counted = [order for order in history if order[3] > 0.0]
    found = optimal_odds_factor(*arrays(history), least=least, most=most)

    def lines_at(factor: Fraction) -> list[Line | None]:
        actions = actions_at(factor, counted)
        return [order[1][action] for action, order in zip(actions, counted, strict=True)]

    # Intervals in which every order keeps its costs: neighbours with the same ones are joined.
    intervals: list[tuple[Fraction, Fraction, list[Line | None]]] = []
    for low, high in pairwise(crossings(counted, least, most)):
        kept = lines_at((low + high) / 2)
        is_same = bool(intervals) and intervals[-1][2] == kept
        intervals.append((intervals.pop()[0] if is_same else low, high, kept))
    cheapest = [
        (low, high)
        for low, high, _kept in intervals
        if cost_of(actions_at((low + high) / 2, counted), counted) == found.cost
    ]
    low, high = min(cheapest, key=lambda held: max(held[0], 1 / held[1], Fraction(1)))
    if low < 1 < high:
        assert found.factor == 1.0
    else:
        assert found.factor == pytest.approx((low * high) ** 0.5, rel=1e-12)


@given(history=histories)
def test_a_weight_is_so_many_orders(history: list[Order]) -> None:
    repeated = [(*order[:3], 1.0) for order in history for _ in range(int(order[3]))]
    assert optimal_odds_factor(*arrays(history)) == optimal_odds_factor(*arrays(repeated)[:4])


drawn_orders = st.lists(
    st.tuples(st.floats(0.001, 0.999), st.integers(1, 10**6), st.booleans(), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200)
@given(costs=drawn_costs, drawn=drawn_orders)
def test_the_policy_at_the_shifted_probability_pays_that_cost(
    costs: object, drawn: list[tuple[float, int, bool, bool]]
) -> None:
    policy = Policy(costs=costs)  # type: ignore[arg-type]
    p, amount, can_challenge, is_fraud = (np.array(held) for held in zip(*drawn, strict=True))
    ends = []
    for end in (0.0, 1.0):
        ends.append(np.array(expected_costs(np.full(len(p), end), amount, policy.costs)))
        ends[-1][1, ~can_challenge] = np.nan
    found = optimal_odds_factor(p, ends[0], ends[1], is_fraud)

    def paid(factor: float) -> float:
        odds = factor * p / (1.0 - p)
        chosen, _ = policy.decide_many(odds / (1.0 + odds), amount.astype(float), can_challenge)
        costs_known = np.where(is_fraud, ends[1], ends[0])
        return float(costs_known[chosen, np.arange(len(p))].sum())

    rounding = 1e-9 * max(1.0, float(np.nansum(np.abs(ends))))
    assert paid(found.factor) == pytest.approx(found.cost, abs=rounding)
    for factor in np.geomspace(0.05, 20.0, 41).tolist():
        assert found.cost <= paid(factor) + rounding


def lone(at_honest: list[float], at_fraud: list[float], p: float = 0.5) -> list[Floats]:
    return [np.array([p]), np.array([at_honest]).T, np.array([at_fraud]).T]


def test_an_interval_narrower_than_the_resolution_is_not_taken() -> None:
    # Two orders of even odds: one is declined from 2 on, the other from a trifle more on.
    at_honest = np.array([[0.0, 0.0], [np.nan] * 2, [np.nan] * 2, [2.0, 2.0 + 1e-12]])
    at_fraud = np.array([[1.0, 1.0], [np.nan] * 2, [np.nan] * 2, [0.0, 0.0]])
    even = np.array([0.5, 0.5])
    apart = np.array([True, False])
    found = optimal_odds_factor(even, at_honest, at_fraud, apart)
    assert found == OddsFactor(1.0, 1.0)
    at_honest[3, 1] = 2.0 + 1e-6
    found = optimal_odds_factor(even, at_honest, at_fraud, apart)
    assert found == OddsFactor(pytest.approx(2.0 + 5e-7, abs=1e-9), 0.0)
    assert 2.0 < found.factor < 2.0 + 1e-6


def test_where_all_intervals_are_narrow_the_widest_is_taken() -> None:
    costs = lone([0.0, np.nan, np.nan, 2.0], [1.0, np.nan, np.nan, 0.0])
    found = optimal_odds_factor(*costs, np.array([True]), least=2.0 - 1e-11, most=2.0 + 3e-11)
    assert found.cost == 0.0
    assert 2.0 < found.factor <= 2.0 + 3e-11


@pytest.mark.parametrize(("n_honest", "factor"), [(9.0, 0.05**0.5), (8.0, 20.0**0.5)])
def test_a_change_at_one_is_taken_for_one_though_rounding_puts_it_beside(
    n_honest: float, factor: float
) -> None:
    assert (1.0 / 9.0) / (0.1 / 0.9) < 1.0
    costs = lone([0.0, np.nan, np.nan, 1.0], [9.0, np.nan, np.nan, 0.0], 0.1)
    p, at_honest, at_fraud = (np.concatenate([held, held], axis=-1) for held in costs)
    weights = np.array([1.0, n_honest])
    found = optimal_odds_factor(p, at_honest, at_fraud, np.array([True, False]), weights)
    assert found == OddsFactor(pytest.approx(factor, rel=1e-9), n_honest)


@pytest.mark.parametrize("least", [3.9548872180451133, 7.359147869674186, 0.5])
def test_the_factor_stays_between_neighbouring_bounds(least: float) -> None:
    costs = lone([0.0, np.nan, np.nan, 1.0], [1.0, np.nan, np.nan, 0.0], 0.0)
    most = float(np.nextafter(least, np.inf))
    assert optimal_odds_factor(*costs, np.array([False]), least=least, most=most).factor in {
        least,
        most,
    }


@pytest.mark.parametrize("p", [5e-324, 1e-300, 1.0 - 2.0**-53])
def test_odds_at_the_end_of_float64_do_no_harm(p: float) -> None:
    costs = lone([0.0, np.nan, np.nan, 1.0], [1.0, np.nan, np.nan, 0.0], p)
    found = optimal_odds_factor(*costs, np.array([True]))
    assert found == OddsFactor(1.0, 1.0 if p < 0.5 else 0.0)


def test_without_orders_the_factor_is_one() -> None:
    nothing = np.empty(0), np.empty((4, 0)), np.empty((4, 0)), np.empty(0, np.bool_)
    assert optimal_odds_factor(*nothing) == OddsFactor(1.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"probability": np.array([0.5, 1.5])}, "probability must be .* got 1.5 at order 1"),
        ({"at_honest": np.zeros((4, 3))}, r"at_honest must be .* of shape \(4, 2\)"),
        ({"at_fraud": np.full((4, 2), np.nan)}, "at_fraud must hold a cost of approve"),
        (
            {"at_fraud": np.array([[0.0, 0.0], [0.0, np.nan], [0.0, 0.0], [0.0, 0.0]])},
            "NaN for the same actions, got one NaN without the other at order 1",
        ),
        ({"is_fraud": np.array([0, 1])}, "is_fraud must be an array of bool of shape"),
        ({"weights": np.array([1.0, np.nan])}, "weights must be .* got nan at order 1"),
        ({"least": 0.0}, "0 < least < most and be finite, got 0.0 and 20.0"),
        ({"least": 3.0, "most": 3.0}, "got 3.0 and 3.0"),
        ({"most": np.inf}, "got 0.05 and inf"),
        ({"most": np.nan}, "got 0.05 and nan"),
    ],
)
def test_what_does_not_hold_is_refused(changed: dict[str, object], message: str) -> None:
    values = {
        "probability": np.array([0.5, 0.5]),
        "at_honest": np.zeros((4, 2)),
        "at_fraud": np.zeros((4, 2)),
        "is_fraud": np.array([True, False]),
        **changed,
    }
    with pytest.raises(InputError, match=message):
        optimal_odds_factor(**values)  # type: ignore[arg-type]
