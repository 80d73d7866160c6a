"""The online driver: one transaction in, one float64 row out."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import StoreError
from fraudkit.features.enrichment import Enrichment, SourceName
from fraudkit.features.fields import fields_reader
from fraudkit.features.keys import EntityKeys, IdentifierHash, event_id
from fraudkit.features.order_row import order_row
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import FIRST_STATUS, NEVER, NO_AMOUNT

__all__ = ["OnlineFeatures", "OnlineRow"]


class OnlineRow(NamedTuple):
    """A feature row and what else is known of its transaction.

    Attributes
    ----------
    values : ndarray of float64, shape (n_features,)
        The feature row.
    keys : ndarray of int64, shape (n_entities,)
        The hash of every entity of the feature set.
    event : ndarray of int64, shape (n_columns,)
        What a store is asked with, and what it takes in.
    reference_amount_minor : int or None
        ``None`` where the rate table does not know the currency.
    missing : tuple of str
        Sources of derived fields that could not answer; what they tell is unknown.
    """

    values: NDArray[np.float64]
    keys: NDArray[np.int64]
    event: NDArray[np.int64]
    reference_amount_minor: int | None
    missing: tuple[SourceName, ...]


class OnlineFeatures:
    """Computes feature rows.

    Parameters
    ----------
    features : FeatureSet
        What is computed.
    plan : WindowPlan
        Of these features.
    store : StateStore
        Where `row` reads the windows; it is never written.
    rates : RateTable
        Brings amounts into the reference currency.
    identifier_hash : IdentifierHash
        With the merchant's key.
    enrichment : Enrichment, optional
        The sources of derived fields; the default ones if not given. One that is read and not
        there, or fails, is missing.
    """

    __slots__ = (
        "_keys",
        "_missing",
        "_missing_alone",
        "_no_event",
        "_order_row",
        "_pack_into",
        "_plan",
        "_rates",
        "_read",
        "_read_alone",
        "_store",
    )

    def __init__(
        self,
        features: FeatureSet,
        plan: WindowPlan,
        store: StateStore,
        rates: RateTable,
        identifier_hash: IdentifierHash,
        enrichment: Enrichment | None = None,
    ) -> None:
        self._plan = plan
        self._store = store
        self._rates = rates
        sources = Enrichment.default() if enrichment is None else enrichment
        self._missing = sources.missing(features.inputs)
        entity_inputs = (path for entity in features.entities for path in entity.inputs)
        paths = tuple(dict.fromkeys((*features.inputs, *entity_inputs)))
        self._read = fields_reader(paths, sources)
        self._read_alone = fields_reader(paths)
        self._missing_alone = Enrichment().missing(features.inputs)
        self._keys = EntityKeys(features.entities, paths, identifier_hash)
        self._order_row = order_row(features.order_features, paths)
        self._pack_into = Struct(f"{len(features.order_features)}d").pack_into
        self._no_event = np.full(plan.n_columns, NEVER, np.int64)

    def row(self, transaction: Transaction, as_of_ms: int | None = None) -> OnlineRow:
        """Return the feature row of a transaction.

        Parameters
        ----------
        as_of_ms : int, optional
            When it was received: what became known before that counts. Its event time if not
            given.

        Raises
        ------
        fraudkit.errors.StoreError
            If the store cannot be reached.
        """
        prepared = self.prepare(transaction, as_of_ms)
        self._store.read(prepared.event, prepared.values)
        return prepared

    def prepare(self, transaction: Transaction, as_of_ms: int | None = None) -> OnlineRow:
        """Return the row without its windows, to be filled by `StateStore.exchange`."""
        order, time_ms = transaction.order, transaction.event_time_ms
        amount_minor = self._rates.to_reference_minor(order.amount_minor, order.currency, time_ms)
        missing = self._missing
        try:
            inputs = self._read(transaction, amount_minor)
        except StoreError:
            inputs, missing = self._read_alone(transaction, amount_minor), self._missing_alone
        keys = self._keys.of(inputs)
        event = self._no_event.copy()
        event[:FIRST_STATUS] = (
            event_id(transaction.transaction_id),
            time_ms,
            time_ms if as_of_ms is None else as_of_ms,
            NO_AMOUNT if amount_minor is None else amount_minor,
        )
        event[self._plan.first_hash :] = keys[self._plan.hashed_places]
        values = np.empty(self._plan.n_out)
        self._pack_into(values, 0, *self._order_row(inputs))  # type: ignore[arg-type]
        return OnlineRow(values, keys, event, amount_minor, missing)
