"""Orders that cannot be are refused, each with what must hold and the likely fix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from fraudkit.decisions.off_policy.past_orders import APPROVE, DECLINE, PastOrders, check_orders
from fraudkit.errors import InputError
from tests.decisions.off_policy.drawn_orders import past_orders

NAN = np.nan
# Approved, explored, stayed declined, declined without a chance.
ORDERS = PastOrders(
    action=np.array([APPROVE, APPROVE, DECLINE, DECLINE]),
    new_action=np.zeros(4, np.int64),
    is_fraud=np.array([1.0, 0.0, NAN, NAN]),
    at_honest=np.zeros((4, 4)),
    at_fraud=np.ones((4, 4)),
    probability=np.full(4, 0.5),
    day=np.arange(4),
    approve_propensity=np.array([1.0, 0.1, 0.1, NAN]),
    amount_minor=np.ones(4),
)


@given(orders=past_orders())
def test_orders_that_can_be_are_taken(orders: PastOrders) -> None:
    check_orders(orders)


def test_an_explored_order_is_an_old_decline() -> None:
    assert ORDERS.old_action.tolist() == [APPROVE, DECLINE, DECLINE, DECLINE]
    assert ORDERS.could_be_explored.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("action", 0, 4, "action must be a place in ACTIONS, from 0 to 3, got 4 at row 0"),
        ("new_action", 3, -1, "new_action must be a place in ACTIONS, .* got -1 at row 3"),
        ("is_fraud", 0, 0.5, r"is_fraud must be 0, 1 or NaN, got 0\.5 at row 0"),
        ("probability", 2, 1.01, r"probability must be from 0 to 1, got 1\.01 at row 2"),
        ("probability", 2, NAN, "probability must be from 0 to 1, got nan at row 2"),
        ("approve_propensity", 1, 0.0, "above 0 and at most 1, or NaN, got 0.0 at row 1"),
        ("approve_propensity", 1, 1.5, "above 0 and at most 1, or NaN, got 1.5 at row 1"),
        ("at_honest", (1, 2), np.inf, r"at_honest must be finite, or NaN, got .*inf.* at row 2"),
        ("amount_minor", 1, -1.0, "amount_minor must be 0 or more, or NaN, got -1.0 at row 1"),
        ("action", 1, 2, "must have been approved or declined, got review at row 1; give the prop"),
        ("approve_propensity", 3, 1.0, "must not have been declined, got decline at row 3; .* NaN"),
        ("is_fraud", 1, NAN, "must have a known outcome, got NaN at row 1; leave out orders that"),
        ("is_fraud", 2, 0.0, "stayed declined must have no outcome, got is_fraud 0 at row 2; what"),
    ],
)
def test_what_cannot_be_is_refused(name: str, row: Any, value: float, message: str) -> None:
    held = getattr(ORDERS, name).copy()
    held[row] = value
    with pytest.raises(InputError, match=message):
        check_orders(ORDERS._replace(**{name: held}))


@pytest.mark.parametrize(
    ("name", "held", "message"),
    [
        ("new_action", np.zeros(3, np.int64), r"integers of shape \(4,\), got int64 of shape \(3,"),
        ("action", np.zeros(4), r"action must be an array of integers .* got float64"),
        ("day", np.zeros(4, "datetime64[D]"), r"day must be an array of integers"),
        ("is_fraud", np.zeros(4, np.bool_), r"is_fraud must be an array of floats .* got bool"),
        ("at_fraud", np.zeros((4, 3)), r"at_fraud must be an array of floats of shape \(4, 4\)"),
        ("at_honest", np.zeros(4), r"at_honest must be an array of floats of shape \(4, 4\)"),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused(name: str, held: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_orders(ORDERS._replace(**{name: held}))
