"""`simulate`: a shop made up by rule, with the truth about every order.

Invariant: the same number of orders and the same seed make the same shop.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import InputError
from fraudkit.simulate.aftermath import outcomes_of
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.honest import place_honest, place_retry
from fraudkit.simulate.issuer import Placed
from fraudkit.simulate.planning import HonestStep, Plan, Truth, draw_plans

__all__ = ["ORDERS_MOST", "Shop", "simulate"]

ORDERS_MOST = 5_000_000
"""The largest number of orders: transaction ids have seven digits, and all is held in memory."""

_PROGRESS_EVERY = 1_000


class Shop(Struct, frozen=True, kw_only=True):
    """A shop's record.

    Attributes
    ----------
    transactions : tuple of Transaction
        In the order of their event times.
    outcomes : tuple of Outcome
        In the order in which they could be known; many come after the last transaction.
    truth : tuple of str
        What each transaction really is, in the order of ``transactions``.
    """

    transactions: tuple[Transaction, ...]
    outcomes: tuple[Outcome, ...]
    truth: tuple[Truth, ...]


def simulate(orders: int, seed: int, *, progress: Callable[[int], None] | None = None) -> Shop:
    """Return a shop with exactly so many orders; about 0.2 ms and 6 kB an order.

    Parameters
    ----------
    orders : int
        Number of transactions, declined attempts and second tries included; 1 to 5,000,000.
    seed : int
        Not negative; the same seed and number make the same shop.
    progress : callable or None
        Called now and then, and at the end, with the number of orders placed so far.

    Raises
    ------
    fraudkit.errors.InputError
        If ``orders`` or ``seed`` is out of range.

    Examples
    --------
    >>> shop = simulate(200, seed=1)
    >>> len(shop.transactions), shop.truth.count("honest")
    (200, 197)
    """
    _check(orders, seed)
    draw = Draw(np.random.default_rng(seed))
    transactions: list[Transaction] = []
    outcomes: list[Outcome] = []
    truth: list[Truth] = []
    first_tries: dict[int, Transaction] = {}
    for place, plan in enumerate(draw_plans(draw, orders), start=1):
        placed = _place(draw, plan, f"t{place:07d}", first_tries)
        transactions.append(placed.transaction)
        truth.append(plan.truth)
        outcomes.extend(outcomes_of(draw, placed, plan.truth))
        if progress is not None and (place % _PROGRESS_EVERY == 0 or place == orders):
            progress(place)
    outcomes.sort(key=lambda outcome: (outcome.available_at, outcome.outcome_id))
    return Shop(transactions=tuple(transactions), outcomes=tuple(outcomes), truth=tuple(truth))


def _place(
    draw: Draw, plan: Plan, transaction_id: str, first_tries: dict[int, Transaction]
) -> Placed:
    """Place one attempt; ``first_tries`` keeps those that will be tried again."""
    step = plan.step
    if not isinstance(step, HonestStep):
        return step.place(plan.at_ms, transaction_id)
    if step.first is not None:
        first = first_tries.pop(step.first)
        return place_retry(draw, step.customer, plan.at_ms, transaction_id, first)
    placed = place_honest(draw, step.customer, plan.at_ms, transaction_id, step.mood)
    if step.mood == "declined_first":
        first_tries[plan.number] = placed.transaction
    return placed


def _check(orders: int, seed: int) -> None:
    if not 1 <= orders <= ORDERS_MOST:
        raise InputError(f"orders must be from 1 to {ORDERS_MOST:,}. Got {orders:,}.")
    if seed < 0:
        raise InputError(f"seed must not be negative. Got {seed}.")
