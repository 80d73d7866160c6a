"""The online driver: one transaction in, one float64 row out."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import StoreError
from fraudkit.features.enrichment import NO_SOURCES, Enrichment, SourceName
from fraudkit.features.guarded_sources import guarded, guards_of
from fraudkit.features.keys import IdentifierHash, event_digest
from fraudkit.features.order_row import order_function
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import StateStore
from fraudkit.features.window_arrays import NEVER, NO_AMOUNT

__all__ = ["OnlineFeatures", "OnlineRow"]

_COLUMN: Final = np.dtype("<i8")
_HEAD: Final = struct.Struct("<8sqqq")
"""The first columns of an event row: event id, event time, available at, amount."""


class OnlineRow(Struct, frozen=True):
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
        there, fails, or is left out because it was slow, is missing.
    """

    __slots__ = (
        "_compute",
        "_compute_alone",
        "_guards",
        "_holds_all",
        "_missing",
        "_missing_alone",
        "_no_outcomes",
        "_plan",
        "_rates",
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
        sources = guarded(Enrichment.default() if enrichment is None else enrichment)
        self._guards = guards_of(sources)
        self._compute = order_function(features, identifier_hash, sources)
        self._missing = sources.missing(features.inputs)
        self._compute_alone = order_function(features, identifier_hash, NO_SOURCES)
        self._missing_alone = NO_SOURCES.missing(features.inputs)
        self._no_outcomes = np.full(len(plan.statuses), NEVER, _COLUMN).tobytes()
        self._holds_all = plan.hashed == features.entity_names

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
        values, missing = np.empty(self._plan.n_out), self._missing
        try:
            hashes = self._compute(transaction, time_ms, amount_minor, values)
        except StoreError:
            hashes = self._compute_alone(transaction, time_ms, amount_minor, values)
            missing = self._missing_alone
        if self._guards:
            missing = (*missing, *(name for name in self._left_out() if name not in missing))
        keys = np.frombuffer(hashes, _COLUMN)
        head = _HEAD.pack(
            event_digest(transaction.transaction_id),
            time_ms,
            time_ms if as_of_ms is None else as_of_ms,
            NO_AMOUNT if amount_minor is None else amount_minor,
        )
        held = hashes if self._holds_all else keys[self._plan.hashed_places].tobytes()
        event = np.frombuffer(bytearray(head + self._no_outcomes + held), _COLUMN)
        return OnlineRow(values, keys, event, amount_minor, missing)

    def _left_out(self) -> list[SourceName]:
        """Return the sources that could not answer for this row."""
        left_out = [guard.kind_of_source for guard in self._guards if guard.is_missing]
        for guard in self._guards:
            guard.is_missing = False
        return left_out
