"""Two policies of which neither ran: what was done says what is known, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.past_orders import PastOrders
from fraudkit.decisions.off_policy.policy_difference import policy_difference
from fraudkit.errors import InputError
from tests.decisions.off_policy.drawn_orders import completions, past_orders


def change(orders: PastOrders, old: NDArray[np.int64], labels: NDArray[np.float64]) -> float:
    """Return the change of cost, order by order."""
    total = 0.0
    for row, label in enumerate(labels):
        costs = orders.at_fraud if label == 1.0 else orders.at_honest
        total += costs[orders.new_action[row], row] - costs[old[row], row]
    return total


@st.composite
def with_old_action(draw: st.DrawFn) -> tuple[PastOrders, NDArray[np.int64]]:
    orders = draw(past_orders(max_size=7))
    n_orders = len(orders.action)
    old = draw(st.lists(st.integers(0, 3), min_size=n_orders, max_size=n_orders))
    return orders, np.array(old, np.int64)


@given(orders=past_orders())
def test_what_was_done_is_the_old_side_by_default(orders: PastOrders) -> None:
    stated = policy_difference(orders, old_action=orders.old_action)
    assert stated == policy_difference(orders)


@given(drawn=with_old_action())
def test_the_bounds_are_the_least_and_the_most_of_all_completions(
    drawn: tuple[PastOrders, NDArray[np.int64]],
) -> None:
    orders, old = drawn
    found = policy_difference(orders, old_action=old)
    totals = [change(orders, old, labels) for labels in completions(orders)]
    assert found.cost_minor.bound_low == min(totals)
    assert found.cost_minor.bound_high == max(totals)
    assert found.n_moved == int((old != orders.new_action).sum())
    approvals = (int((side == 0).sum()) for side in (orders.new_action, old))
    expected = np.subtract(*approvals) / max(len(old), 1)
    assert found.approval_share.modelled == pytest.approx(expected, abs=1e-12)


@given(drawn=with_old_action())
def test_a_policy_against_itself_changes_nothing(
    drawn: tuple[PastOrders, NDArray[np.int64]],
) -> None:
    orders, old = drawn
    found = policy_difference(orders._replace(new_action=old), old_action=old)
    assert (found.n_moved, found.n_loosened, found.cost_minor.value) == (0, 0, 0.0)
    assert found.cost_minor.kind == "identified"


@pytest.mark.parametrize("old", [np.array([4]), np.array([-1]), np.array([0.0]), np.array([0, 0])])
@given(orders=past_orders(kinds=("known",), min_size=1, max_size=1))
def test_an_old_action_that_cannot_be_is_refused(
    old: NDArray[np.int64], orders: PastOrders
) -> None:
    with pytest.raises(InputError, match="old_action must hold a place in ACTIONS, from 0 to 3"):
        policy_difference(orders, old_action=old)
