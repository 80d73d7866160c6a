"""What a change of policy does to recent orders, held against guardrails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.off_policy.day_blocks import day_interval
from fraudkit.decisions.own_costs import AUTHENTICATION_FIELDS
from fraudkit.decisions.policy import ACTIONS, Guardrails, Policy
from fraudkit.errors import InputError

__all__ = ["CostMove", "PolicyChecks", "RecentOrders", "check_change", "stricter_guardrails"]

_MS_PER_DAY: Final = 86_400_000


class RecentOrders(NamedTuple):
    """Orders that both policies decide, ascending by time.

    Attributes
    ----------
    transaction_id : sequence of str
    time_ms : ndarray of int64, shape (n_orders,)
        Event times.
    probability : ndarray of float64, shape (n_orders,)
        Of fraud, calibrated, in [0, 1].
    amount_minor : ndarray of float64, shape (n_orders,)
        In the costs' currency; NaN where it is not known.
    is_fraud : ndarray of float64, shape (n_orders,)
        1 or 0 where the outcome is known and mature, else NaN.
    columns : mapping
        Paths of fields that the policies read → a value an order, ``None`` where absent.
    """

    transaction_id: Sequence[str]
    time_ms: NDArray[np.int64]
    probability: NDArray[np.float64]
    amount_minor: NDArray[np.float64]
    is_fraud: NDArray[np.float64]
    columns: Mapping[str, Sequence[object]]


class CostMove(Struct, frozen=True, kw_only=True):
    """The cost of the new policy's actions less that of the old one's.

    Attributes
    ----------
    n_orders, n_outcome_known : int
        Orders with a known amount; those of them whose outcome is known and mature.
    value_minor : float
        In minor units of the costs' currency; below 0 the new policy costs less.
    low_minor, high_minor : float or None
        90 % interval over days like these; ``None`` with fewer than 5 days.
    """

    n_orders: int
    n_outcome_known: int
    value_minor: float
    low_minor: float | None
    high_minor: float | None


class PolicyChecks(Struct, frozen=True, kw_only=True):
    """What a change of policy did to recent orders.

    Attributes
    ----------
    n_orders, n_moved : int
        All orders; those that get another action.
    first_event_ms, last_event_ms : int
        The orders' span.
    share_before, share_after : dict[str, float]
        Of each action, in [0, 1].
    rate_move : float
        The largest difference of these, without its sign.
    cost : CostMove
        By the new policy's costs, without its prices.
    fields_absent : tuple of str
        What segments or costs from orders read and no order has.
    guardrails : Guardrails or None
        What was held.
    failed : tuple of str
        What does not hold, in words; empty where all holds.
    """

    n_orders: int
    n_moved: int
    first_event_ms: int
    last_event_ms: int
    share_before: dict[str, float]
    share_after: dict[str, float]
    rate_move: float
    cost: CostMove
    fields_absent: tuple[str, ...]
    guardrails: Guardrails | None
    failed: tuple[str, ...] = ()


def stricter_guardrails(old: Policy, new: Policy) -> Guardrails | None:
    """Return what a change must keep to: of what both policies state, the stricter.

    So a change cannot loosen the guardrails that it is held against.

    Examples
    --------
    >>> loose = Policy(guardrails=Guardrails(rate_move_max=0.5, may_cost_more=True))
    >>> stricter_guardrails(Policy(guardrails=Guardrails(rate_move_max=0.1)), loose)
    Guardrails(rate_move_max=0.1, may_cost_more=False)
    >>> stricter_guardrails(Policy(), Policy()) is None
    True
    """
    stated = [held for held in (old.guardrails, new.guardrails) if held is not None]
    if not stated:
        return None
    moves = [held.rate_move_max for held in stated if held.rate_move_max is not None]
    return Guardrails(
        rate_move_max=min(moves, default=None),
        may_cost_more=all(held.may_cost_more for held in stated),
    )


def check_change(old: Policy, new: Policy, orders: RecentOrders) -> PolicyChecks:
    """Decide recent orders by both policies and hold the difference against the guardrails.

    Each begins with nothing counted and keeps its limits over these orders: reviews a day, the
    breaker, exploration. So they should be all orders of their days.

    The cost is that of the known outcome or, where there is none, the expected one under the given
    probability; by the costs of the new policy: a change of the costs themselves says that the old
    ones no longer hold. It costs more where the whole 90 % interval lies above 0 or, with fewer
    than 5 days, where the difference does.

    Raises
    ------
    InputError
        If there is no order, or a time is earlier than the one before it.
    PolicyError
        If a policy does not hold.

    Examples
    --------
    >>> orders = RecentOrders(
    ...     ["a", "b"], np.array([0, 1]), np.array([0.01, 0.9]), np.array([5e3, 5e3]),
    ...     np.array([np.nan, np.nan]), {})
    >>> declining = Policy(odds_factor=100.0, guardrails=Guardrails(rate_move_max=0.1))
    >>> found = check_change(Policy(), declining, orders)
    >>> found.n_moved, found.rate_move, len(found.failed)
    (2, 0.5, 2)
    """
    n_orders = len(orders.time_ms)
    if n_orders == 0:
        raise InputError("a change of policy must be checked on at least one recent order, got 0")
    before, after = (_actions(policy, orders) for policy in (old, new))
    counts = [np.bincount(held, minlength=len(ACTIONS)) for held in (before, after)]
    checks = PolicyChecks(
        n_orders=n_orders,
        n_moved=int((before != after).sum()),
        first_event_ms=int(orders.time_ms[0]),
        last_event_ms=int(orders.time_ms[-1]),
        share_before=_shares(counts[0], n_orders),
        share_after=_shares(counts[1], n_orders),
        rate_move=int(np.abs(counts[1] - counts[0]).max()) / n_orders,
        cost=_cost_move(new, orders, before, after),
        fields_absent=_fields_absent((old, new), orders),
        guardrails=stricter_guardrails(old, new),
    )
    return msgspec.structs.replace(checks, failed=tuple(_failures(checks)))


def _actions(policy: Policy, orders: RecentOrders) -> NDArray[np.int8]:
    rulings = Decider(policy).of_many(
        orders.probability,
        orders.amount_minor,
        orders.columns,
        time_ms=orders.time_ms,
        transaction_ids=orders.transaction_id,
    )
    return rulings.action


def _shares(counts: NDArray[np.int64], n_orders: int) -> dict[str, float]:
    return {name: int(counts[place]) / n_orders for place, name in enumerate(ACTIONS)}


def _cost_move(
    policy: Policy, orders: RecentOrders, before: NDArray[np.int8], after: NDArray[np.int8]
) -> CostMove:
    lines = Decider(policy).cost_lines_of_many(orders.amount_minor, orders.columns)
    row = np.arange(len(before))
    if_honest, if_fraud = (line[after, row] - line[before, row] for line in lines)
    has_outcome = ~np.isnan(orders.is_fraud)
    fraud = np.where(has_outcome, orders.is_fraud, orders.probability)
    moved = (1.0 - fraud) * if_honest + fraud * if_fraud
    is_known = ~np.isnan(orders.amount_minor)
    terms = np.where(is_known, moved, 0.0)
    interval = day_interval(terms, orders.time_ms // _MS_PER_DAY)
    return CostMove(
        n_orders=int(is_known.sum()),
        n_outcome_known=int((is_known & has_outcome).sum()),
        value_minor=float(terms.sum()),
        low_minor=None if interval is None else interval.low,
        high_minor=None if interval is None else interval.high,
    )


def _fields_absent(policies: Sequence[Policy], orders: RecentOrders) -> tuple[str, ...]:
    paths = dict.fromkeys(path for policy in policies for path in Decider(policy).paths)
    return tuple(
        path
        for path in paths
        if path not in AUTHENTICATION_FIELDS
        and all(value is None for value in orders.columns.get(path, ()))
    )


def _failures(checks: PolicyChecks) -> Iterator[str]:
    """Yield what the guardrails do not let pass."""
    held = checks.guardrails
    if held is None:
        return
    if held.rate_move_max is not None and checks.rate_move > held.rate_move_max:
        before, after = checks.share_before, checks.share_after
        name = max(ACTIONS, key=lambda action: abs(after[action] - before[action]))
        yield (
            f"the share of every action must move by at most {held.rate_move_max:g} "
            f"(rate_move_max), {name} moves from {before[name]:.4f} to {after[name]:.4f}"
        )
    cost = checks.cost
    least = cost.value_minor if cost.low_minor is None else cost.low_minor
    if not held.may_cost_more and least > 0.0:
        over = (
            "over fewer than 5 days"
            if cost.low_minor is None
            else f"90 % interval {cost.low_minor:,.0f} to {cost.high_minor:,.0f}"
        )
        yield (
            "the change must not cost more (may_cost_more), it costs "
            f"{cost.value_minor:,.0f} minor units more over {cost.n_orders:,} orders, "
            f"{cost.n_outcome_known:,} of them with a known outcome, {over}"
        )
