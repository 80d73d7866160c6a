"""The orders that a benchmark walks through: a simulated shop, its past and its present.

Invariant: the same numbers and seed give the same bytes, and no order that is timed was trained on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

import msgspec

from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.simulate import simulate

__all__ = ["HISTORY_ORDERS", "Workload", "make_workload"]

HISTORY_ORDERS: Final = 4_000
"""How many earlier orders fill the windows before anything is timed."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A shop's past, and the orders that come after it.

    Attributes
    ----------
    history : tuple of Transaction
        Earlier orders.
    bodies : tuple of bytes
        The orders to walk through, as JSON documents in the order of their event times.
    outcomes : tuple of Outcome
        Of all orders, in the order in which they could be known.
    n_known : tuple of int
        How many of the outcomes were known when each order was made.
    """

    history: tuple[Transaction, ...]
    bodies: tuple[bytes, ...]
    outcomes: tuple[Outcome, ...]
    n_known: tuple[int, ...]

    def known_before(self, place: int) -> Sequence[Outcome]:
        """Return the outcomes that became known between an order and the one before it."""
        since = self.n_known[place - 1] if place else 0
        return self.outcomes[since : self.n_known[place]]


def make_workload(n_orders: int, seed: int) -> Workload:
    """Return a shop with `HISTORY_ORDERS` earlier orders and ``n_orders`` to walk through."""
    shop = simulate(HISTORY_ORDERS + n_orders, seed)
    current = shop.transactions[HISTORY_ORDERS:]
    known_at = [outcome.available_at for outcome in shop.outcomes]
    return Workload(
        history=shop.transactions[:HISTORY_ORDERS],
        bodies=tuple(msgspec.json.encode(transaction) for transaction in current),
        outcomes=shop.outcomes,
        n_known=tuple(bisect_left(known_at, transaction.event_time) for transaction in current),
    )
