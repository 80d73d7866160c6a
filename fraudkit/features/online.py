"""The online driver: one transaction in, one float64 row out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable
from fraudkit.domain.transaction import Transaction
from fraudkit.features.fields import arguments_of, fields_reader
from fraudkit.features.keys import EntityKeys, IdentifierHash, event_id
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import Event, StateStore, WindowPlan
from fraudkit.features.window import NO_AMOUNT

__all__ = ["OnlineFeatures", "OnlineRow"]


class OnlineRow(NamedTuple):
    """A feature row and what else is known of its transaction.

    Attributes
    ----------
    values : ndarray of float64, shape (n_features,)
        The feature row.
    keys : ndarray of int64, shape (n_entities,)
        The hash of every entity of the feature set.
    event : Event
        What to append to the store once the transaction is decided.
    reference_amount_minor : int or None
        ``None`` where the rate table does not know the currency.
    """

    values: NDArray[np.float64]
    keys: NDArray[np.int64]
    event: Event
    reference_amount_minor: int | None


class OnlineFeatures:
    """Computes feature rows against a store; reads it, never writes it."""

    __slots__ = ("_columns", "_keys", "_plan", "_rates", "_read", "_store")

    def __init__(
        self,
        features: FeatureSet,
        plan: WindowPlan,
        store: StateStore,
        rates: RateTable,
        identifier_hash: IdentifierHash,
    ) -> None:
        self._plan = plan
        self._store = store
        self._rates = rates
        self._keys = EntityKeys(features.entities, identifier_hash)
        paths = list(dict.fromkeys(path for f in features.order_features for path in f.inputs))
        self._read = fields_reader(paths)
        self._columns = [
            (f.compute, arguments_of(paths, f.inputs)) for f in features.order_features
        ]

    def row(self, transaction: Transaction) -> OnlineRow:
        """Return the feature row of a transaction, as of its event time.

        One that is held already, sent again with a later time, is not in its own past: the
        windows are read as of the time that is held.
        """
        time_ms = transaction.event_time_ms
        identifier = event_id(transaction.transaction_id)
        held_ms = self._store.event_time_of(identifier)
        values = np.empty(self._plan.n_out)
        amount_minor = self.order_values(transaction, values)
        amount = NO_AMOUNT if amount_minor is None else amount_minor
        keys = self._keys.of(transaction)
        held = keys[self._plan.entity_places]
        as_of_ms = time_ms if held_ms is None else min(time_ms, held_ms)
        self._store.read(held, as_of_ms, amount, values)
        event = Event(identifier, time_ms, amount, held)
        return OnlineRow(values, keys, event, amount_minor)

    def order_values(self, transaction: Transaction, out: NDArray[np.float64]) -> int | None:
        """Write the order features into a feature row; returns the reference amount."""
        order = transaction.order
        amount_minor = self._rates.to_reference_minor(
            order.amount_minor, order.currency, transaction.event_time_ms
        )
        inputs = self._read(transaction, amount_minor)
        out[: self._plan.first_out] = [compute(*pick(inputs)) for compute, pick in self._columns]
        return amount_minor
