"""The factor at which given cut-offs cost the least, against a grid of factors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.optimum.cut_offs import cut_off_actions
from fraudkit.decisions.optimum.cut_offs_factor import optimal_cut_offs_factor
from fraudkit.errors import InputError

Floats = NDArray[np.float64]
Begins = tuple[float | None, float | None, float | None]

whole_costs = st.sampled_from([0.0, 1.0, -2.0, 5.0])
some_costs = whole_costs | st.just(float("nan"))
rows = st.tuples(
    st.sampled_from([0.0, 0.01, 0.125, 0.25, 0.5, 0.9, 1.0]),
    st.tuples(whole_costs, some_costs, some_costs, some_costs),
    st.sampled_from([0.0, 1.0, 2.0]),
)
ascending = st.lists(st.sampled_from([0.0, 0.02, 0.1, 0.4, 0.7, 1.0]), min_size=3, max_size=3).map(
    sorted
)


def total(factor: float, p: Floats, costs: Floats, begins: Begins, weights: Floats) -> float:
    adjusted = factor * p / (factor * p + (1.0 - p))
    actions = cut_off_actions(adjusted, costs, begins)
    return float((costs[actions, np.arange(len(p))] * weights).sum())


@settings(max_examples=300, deadline=None)
@given(history=st.lists(rows, max_size=8), cuts=ascending, left_out=st.tuples(*[st.booleans()] * 3))
def test_no_factor_is_cheaper(
    history: list[tuple[float, tuple[float, ...], float]],
    cuts: list[float],
    left_out: tuple[bool, bool, bool],
) -> None:
    p = np.array([row[0] for row in history])
    costs = np.array([row[1] for row in history]).reshape(-1, 4).T
    weights = np.array([row[2] for row in history])
    challenge, review, decline = (
        None if is_out else cut for cut, is_out in zip(cuts, left_out, strict=True)
    )
    begins = (challenge, review, decline)
    found = optimal_cut_offs_factor(p, costs, begins, weights)
    assert 0.05 <= found.factor <= 20.0
    assert total(found.factor, p, costs, begins, weights) == found.cost
    for factor in np.geomspace(0.0501, 19.99, 300):
        assert found.cost <= total(float(factor), p, costs, begins, weights)


def test_a_shop_whose_odds_are_off_is_put_right() -> None:
    rng = np.random.default_rng(5)
    p = rng.beta(0.3, 3.0, 30_000)
    odds = 3.0 * p / (1.0 - p)
    is_fraud = rng.random(len(p)) < odds / (1.0 + odds)
    costs = np.full((4, len(p)), np.nan)
    costs[0], costs[3] = np.where(is_fraud, 9.0, 0.0), np.where(is_fraud, 0.0, 1.0)
    # By these costs an order of odds above 1 in 9 is declined.
    found = optimal_cut_offs_factor(p, costs, (None, None, 0.1))
    assert 2.5 < found.factor < 3.6


def test_where_no_order_changes_its_action_the_factor_is_one() -> None:
    costs = np.array([[1.0], [np.nan], [np.nan], [0.0]])
    assert optimal_cut_offs_factor(np.array([0.5]), costs, (None, None, None)).factor == 1.0
    assert optimal_cut_offs_factor(np.array([0.5]), costs, (None, None, 0.0)) == (1.0, 0.0)
    assert optimal_cut_offs_factor(np.empty(0), np.empty((4, 0)), (0.1, 0.2, 0.3)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"probability": np.array([1.5])}, "probability must be .* from 0 to 1"),
        ({"costs": np.full((4, 1), np.nan)}, "cost of approve"),
        ({"weights": np.array([-1.0])}, "weights must be"),
    ],
)
def test_what_does_not_hold_is_refused(changed: dict[str, Floats], message: str) -> None:
    given_values = {"probability": np.array([0.5]), "costs": np.zeros((4, 1)), **changed}
    with pytest.raises(InputError, match=message):
        optimal_cut_offs_factor(from_probability=(None, None, 0.5), **given_values)  # type: ignore[arg-type]
