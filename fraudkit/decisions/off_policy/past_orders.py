"""Past orders: what was done, what became known, and what another policy would have done."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.policy import ACTIONS
from fraudkit.errors import InputError

__all__ = ["APPROVE", "DECLINE", "PastOrders", "check_orders"]

APPROVE: Final = ACTIONS.index("approve")
DECLINE: Final = ACTIONS.index("decline")


class PastOrders(NamedTuple):
    """Orders that one policy decided and another would decide, all arrays in the same order.

    Attributes
    ----------
    action, new_action : ndarray of integers, shape (n_orders,)
        What was done, and what the new policy would do, as places in
        `fraudkit.decisions.policy.ACTIONS`.
    is_fraud : ndarray of float64, shape (n_orders,)
        1 or 0 where the outcome is known, else NaN. An order that was declined has none: do not
        take "not reported" for honest there.
    at_honest, at_fraud : ndarray of float64, shape (4, n_orders)
        What each action costs if the order is honest and if it is a fraud, in minor units, as
        `fraudkit.decisions.decider.Decider.cost_lines_of_many` gives it. NaN where the action is impossible or the amount is not known.
    probability : ndarray of float64, shape (n_orders,)
        Calibrated, in [0, 1].
    day : ndarray of integers, shape (n_orders,)
        A code for each day.
    approve_propensity : ndarray of float64, shape (n_orders,)
        For orders that the old policy would decline: the logged probability, above 0 and below 1,
        with which such an order was approved all the same, also for those that stayed declined.
        For the others 1 or NaN; NaN for a decline that had no chance to be approved.
    amount_minor : ndarray of float64, shape (n_orders,), optional
        In the costs' currency; NaN where it is not known.
    """

    action: NDArray[np.integer]
    new_action: NDArray[np.integer]
    is_fraud: NDArray[np.float64]
    at_honest: NDArray[np.float64]
    at_fraud: NDArray[np.float64]
    probability: NDArray[np.float64]
    day: NDArray[np.integer]
    approve_propensity: NDArray[np.float64]
    amount_minor: NDArray[np.float64] | None = None

    @property
    def could_be_explored(self) -> NDArray[np.bool_]:
        """Which would be declined but for a logged chance to be approved."""
        return self.approve_propensity < 1.0

    @property
    def old_action(self) -> NDArray[np.integer]:
        """What the old policy decided: an explored order is a decline."""
        return np.where(self.could_be_explored, DECLINE, self.action)


def check_orders(orders: PastOrders) -> None:
    """Refuse orders that cannot be.

    Raises
    ------
    InputError
        If an array has another shape, kind or range; or a propensity does not fit what was done
        and what is known.
    """
    n_orders = len(orders.action)
    _check_arrays(orders, n_orders)
    _check_values(orders)
    propensity, action = orders.approve_propensity, orders.action
    explored = orders.could_be_explored & (action == APPROVE)
    stayed = orders.could_be_explored & (action == DECLINE)
    is_known = ~np.isnan(orders.is_fraud)
    _refuse(
        orders.could_be_explored & ~explored & ~stayed,
        "an order with approve_propensity below 1 must have been approved or declined",
        lambda row: f"got {ACTIONS[action[row]]}",
        "give the propensity of orders that the old policy would have declined, else NaN",
    )
    _refuse(
        (propensity == 1.0) & (action == DECLINE),
        "an order with approve_propensity 1 must not have been declined",
        lambda _row: "got decline",
        "a decline that had no chance to be approved has NaN",
    )
    _refuse(
        explored & ~is_known,
        "an order that was approved at random must have a known outcome",
        lambda _row: "got NaN",
        "leave out orders that are too young for one, explored or not",
    )
    _refuse(
        stayed & is_known,
        "an order that stayed declined must have no outcome",
        lambda row: f"got is_fraud {orders.is_fraud[row]:g}",
        "what was not reported of a declined order is not known to be honest: make it NaN",
    )


def _check_arrays(orders: PastOrders, n_orders: int) -> None:
    for name, held in orders._asdict().items():
        if held is None:
            continue
        is_code = name in {"action", "new_action", "day"}
        shape = (len(ACTIONS), n_orders) if name in {"at_honest", "at_fraud"} else (n_orders,)
        if held.shape != shape or held.dtype.kind not in ("iu" if is_code else "f"):
            raise InputError(
                f"{name} must be an array of {'integers' if is_code else 'floats'} of shape "
                f"{shape}, got {held.dtype} of shape {held.shape}"
            )


def _check_values(orders: PastOrders) -> None:
    def refuse(name: str, values: NDArray[Any], is_bad: NDArray[np.bool_], must: str) -> None:
        _refuse(is_bad, f"{name} must be {must}", lambda row: f"got {values[row]}", "")

    for name in ("action", "new_action"):
        values = getattr(orders, name)
        is_bad = (values < 0) | (values >= len(ACTIONS))
        refuse(name, values, is_bad, f"a place in ACTIONS, from 0 to {len(ACTIONS) - 1}")
    label, chance, propensity = orders.is_fraud, orders.probability, orders.approve_propensity
    refuse("is_fraud", label, ~np.isnan(label) & (label != 0.0) & (label != 1.0), "0, 1 or NaN")
    refuse("probability", chance, ~((chance >= 0.0) & (chance <= 1.0)), "from 0 to 1")
    is_bad = ~np.isnan(propensity) & ~((propensity > 0.0) & (propensity <= 1.0))
    refuse("approve_propensity", propensity, is_bad, "above 0 and at most 1, or NaN")
    for name in ("at_honest", "at_fraud"):
        values = getattr(orders, name)
        refuse(name, values.T, np.isinf(values).any(axis=0), "finite, or NaN")
    if (amount := orders.amount_minor) is not None:
        refuse("amount_minor", amount, (amount < 0.0) | np.isinf(amount), "0 or more, or NaN")


def _refuse(is_bad: NDArray[np.bool_], must: str, came: Any, hint: str) -> None:
    """Refuse the first bad order, saying what must hold, what came and the likely fix."""
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise InputError(f"{must}, {came(row)} at row {row}" + (f"; {hint}" if hint else ""))
