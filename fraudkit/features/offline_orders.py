"""What a batch of orders decides alone: its order features and its event rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.domain.money import RateTable
from fraudkit.features.derived import derived_fields
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.fields import REFERENCE_AMOUNT
from fraudkit.features.keys import event_id
from fraudkit.features.offline import reference_amounts
from fraudkit.features.offline_columns import entity_hashes, fill_order_features, with_derived
from fraudkit.features.offline_tables import AVAILABLE_AT_MS, ORDER_COLUMNS
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    NO_AMOUNT,
)

__all__ = ["OrderBatches"]


class OrderBatches(NamedTuple):
    """How batches of orders are worked on.

    Attributes
    ----------
    features : FeatureSet
        What is computed.
    plan : WindowPlan
        Its windows.
    rates : RateTable
        For amounts in the reference currency.
    enrichment : Enrichment
        The sources of derived fields.
    """

    features: FeatureSet
    plan: WindowPlan
    rates: RateTable
    enrichment: Enrichment

    @property
    def inputs(self) -> frozenset[str]:
        """The columns of a table of orders that are read, as far as it has them."""
        derived = derived_fields(self.features.inputs, self.enrichment)
        read = [path for field in derived for path in field.inputs]
        return frozenset((*ORDER_COLUMNS, AVAILABLE_AT_MS, *self.features.inputs, *read))

    def rows(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int64]]:
        """Return what a batch decides alone.

        Returns
        -------
        polars.DataFrame
            ``transaction_id`` and the order features.
        ndarray of int64, shape (n_columns, len(batch))
            The columns of the event rows; those of "known at" times mean nothing.
        """
        frame = batch.with_columns(reference_amounts(batch, self.rates))
        frame = with_derived(frame, self.features.inputs, self.enrichment)
        order_features = self.features.order_features
        values = np.empty((len(order_features), len(frame)))
        fill_order_features(frame, order_features, values.T, lambda _done: None)
        computed = [
            pl.Series(feature.name, values[place]) for place, feature in enumerate(order_features)
        ]
        return frame.select("transaction_id").with_columns(computed), self._events(frame)

    def _events(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        columns = np.empty((self.plan.n_columns, len(frame)), np.int64)
        columns[EVENT_ID] = [event_id(identifier) for identifier in frame["transaction_id"]]
        columns[EVENT_TIME] = frame["event_time_ms"].to_numpy()
        available = AVAILABLE_AT_MS if AVAILABLE_AT_MS in frame.columns else "event_time_ms"
        columns[AVAILABLE_AT] = frame[available].to_numpy()
        columns[AMOUNT] = frame[REFERENCE_AMOUNT].fill_null(NO_AMOUNT).to_numpy()
        for column, place in enumerate(self.plan.hashed_places, self.plan.first_hash):
            columns[column] = entity_hashes(frame, self.features.entities[place])
        return columns
