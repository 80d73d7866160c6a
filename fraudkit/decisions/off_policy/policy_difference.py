"""What another policy would have made of past orders: cost, fraud rate and approval share."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.change import Change, total_change
from fraudkit.decisions.off_policy.past_orders import APPROVE, DECLINE, PastOrders, check_orders
from fraudkit.decisions.policy import ACTIONS
from fraudkit.errors import InputError

__all__ = ["PolicyDifference", "policy_difference"]

_BPS = 10_000.0

_Floats = NDArray[np.float64]


class PolicyDifference(Struct, frozen=True, kw_only=True):
    """Figures of the new policy less those of the old one, over the same orders.

    Attributes
    ----------
    n_orders : int
        All orders.
    n_moved, n_loosened : int
        Orders of which the actions differ; those of them that the old policy declined.
    n_orders_with_cost : int
        Orders of which both actions have a cost; ``cost_minor`` is over these.
    cost_minor : Change
        In minor units of the costs' currency; below 0 the new policy costs less. What a review or
        a challenge would have found is the stated share, not an observation.
    fraud_rate_bps : Change or None
        Of the fraud rate by value: fraud among the amount of approved orders, in basis points.
        Orders whose action is another than approve, and those without an amount, do not count.
        Each approved order's share of the whole changes, also of those that did not move.
        ``None`` where no amounts were given or either policy approves nothing.
    approval_share : Change
        Of the share of orders whose action is approve, from -1 to 1. It needs no outcome.
    """

    n_orders: int
    n_moved: int
    n_loosened: int
    n_orders_with_cost: int
    cost_minor: Change
    fraud_rate_bps: Change | None
    approval_share: Change


def policy_difference(
    orders: PastOrders, *, old_action: NDArray[np.integer] | None = None
) -> PolicyDifference:
    """Return what can be said of a policy that would have decided past orders otherwise.

    The old policy is what was done, but an order that was approved at random counts as the decline
    that it would have been.

    Parameters
    ----------
    orders : PastOrders
    old_action : ndarray of integers, shape (n_orders,), optional
        What the old policy decides, as places in `ACTIONS`, where that is not what was done: two
        policies of which neither ran. What was done still says what is known.

    An order with a known outcome has a known cost under every action, so what changes there is a
    plain sum. A decline has no outcome: what it would have cost to let it through is estimated
    where such orders were approved with a logged probability, and else only bounded.

    Raises
    ------
    InputError
        See `fraudkit.decisions.off_policy.past_orders.check_orders`; or if ``old_action`` has
        another shape or holds what is no place in `ACTIONS`.

    Examples
    --------
    >>> from fraudkit.decisions.decider import Decider
    >>> from fraudkit.decisions.policy import Policy
    >>> costs = Decider(Policy()).cost_lines_of_many(np.array([9_000.0, 5_000.0, 7_000.0]), {})
    >>> found = policy_difference(
    ...     PastOrders(
    ...         action=np.array([0, 0, 3]),
    ...         new_action=np.array([0, 3, 0]),
    ...         is_fraud=np.array([0.0, 1.0, np.nan]),
    ...         at_honest=costs[0],
    ...         at_fraud=costs[1],
    ...         probability=np.array([0.01, 0.2, 0.3]),
    ...         day=np.array([0, 0, 1]),
    ...         approve_propensity=np.full(3, np.nan),
    ...     )
    ... )
    >>> found.cost_minor.identified.value
    -7000.0
    >>> found.cost_minor.kind, found.cost_minor.bound_low, found.cost_minor.bound_high
    ('bounded', -9750.0, 2000.0)
    """
    check_orders(orders)
    old, new = _checked(old_action, orders), orders.new_action
    row = np.arange(len(old))
    if_honest, if_fraud = (
        costs[new, row] - costs[old, row] for costs in (orders.at_honest, orders.at_fraud)
    )
    has_cost = ~np.isnan(if_honest) & ~np.isnan(if_fraud)
    newly = (new == APPROVE).astype(np.float64) - (old == APPROVE)
    shares = newly / max(len(old), 1)
    return PolicyDifference(
        n_orders=len(old),
        n_moved=int((old != new).sum()),
        n_loosened=int(((old == DECLINE) & (new != DECLINE)).sum()),
        n_orders_with_cost=int(has_cost.sum()),
        cost_minor=total_change(
            orders, np.where(has_cost, if_honest, 0.0), np.where(has_cost, if_fraud, 0.0)
        ),
        fraud_rate_bps=_fraud_rate_change(orders, old),
        approval_share=total_change(orders, shares, shares),
    )


def _checked(old_action: NDArray[np.integer] | None, orders: PastOrders) -> NDArray[np.integer]:
    if old_action is None:
        return orders.old_action
    is_code = old_action.shape == orders.action.shape and old_action.dtype.kind in "iu"
    if not is_code or not np.all((old_action >= 0) & (old_action < len(ACTIONS))):
        raise InputError(
            f"old_action must hold a place in ACTIONS, from 0 to {len(ACTIONS) - 1}, for each of "
            f"{len(orders.action)} orders, got {old_action.dtype} of shape {old_action.shape}"
        )
    return old_action


def _fraud_rate_change(orders: PastOrders, old: NDArray[np.integer]) -> Change | None:
    """Return the change of the fraud rate by value.

    The approved amounts are known, so the rate is a sum over frauds, each with a known share of
    the whole.
    """
    if orders.amount_minor is None:
        return None
    amount = np.nan_to_num(orders.amount_minor)
    by_new, by_old = (
        np.where(action == APPROVE, amount, 0.0) for action in (orders.new_action, old)
    )
    if by_new.sum() == 0.0 or by_old.sum() == 0.0:
        return None
    if_fraud: _Floats = _BPS * (by_new / by_new.sum() - by_old / by_old.sum())
    return total_change(orders, np.zeros(len(amount)), if_fraud)
