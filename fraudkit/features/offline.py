"""The offline driver: a frame of transactions in, the same rows as online out.

Every row is what the online driver would have computed at the transaction's event time, had it
seen all transactions of the frame as they happened and all outcomes as they became known. The
same functions compute both: order features and keys on each distinct combination of their
inputs, windows by `fraudkit.features.window.window_values`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.domain.money import RateTable
from fraudkit.errors import FeatureError
from fraudkit.features.fields import REFERENCE_AMOUNT
from fraudkit.features.keys import IdentifierHash, event_id
from fraudkit.features.spec import FeatureSet, OrderFeature
from fraudkit.features.state import WindowPlan, window_plan
from fraudkit.features.window import (
    AMOUNT,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
    NO_AMOUNT,
    NO_KEY,
    Scratch,
    WindowArrays,
    new_scratch,
    window_values,
)

__all__ = ["feature_rows", "features_frame", "reference_amounts"]

_BATCH_KEY: Final = b"fraudkit offline: hashes stay in this process"
_THREADS: Final = os.cpu_count() or 1


def features_frame(
    frame: pl.DataFrame, features: FeatureSet, rates: RateTable, outcomes: pl.DataFrame
) -> pl.DataFrame:
    """Return the feature rows as a frame, one column a feature, in the frame's order."""
    rows = feature_rows(frame, features, rates, outcomes)
    return pl.DataFrame({name: rows[:, index] for index, name in enumerate(features.names)})


def feature_rows(
    frame: pl.DataFrame,
    features: FeatureSet,
    rates: RateTable,
    outcomes: pl.DataFrame,
    *,
    first_query: int = 0,
) -> NDArray[np.float64]:
    """Return the feature rows of a frame's transactions.

    Parameters
    ----------
    frame : polars.DataFrame
        A vocabulary frame: ``transaction_id`` (unique), ``event_time_ms``,
        ``order.amount_minor``, ``order.currency`` and any other vocabulary path.
    outcomes : polars.DataFrame
        ``transaction_id``, ``status`` (`fraudkit.domain.outcome.Status`), ``known_at_ms``.
    first_query : int
        Rows before this one are history: they fill the windows and get no row.

    Returns
    -------
    ndarray of float64, shape (len(frame) - first_query, n_features)
        In the frame's order, whatever the order of time.

    Raises
    ------
    FeatureError
        If a transaction id stands twice.
    """
    if frame["transaction_id"].n_unique() != len(frame):
        raise FeatureError("transaction_id must be unique in a frame; drop repeats first")
    plan = window_plan(features)
    frame = frame.with_columns(reference_amounts(frame, rates))
    out = np.empty((len(frame) - first_query, plan.n_out))
    queried = frame.slice(first_query)
    for column, feature in enumerate(features.order_features):
        out[:, column] = _order_column(queried, feature)
    ids = np.array([event_id(identifier) for identifier in frame["transaction_id"]], np.int64)
    log = _event_log(frame, features, plan, outcomes, IdentifierHash(_BATCH_KEY))
    for entity in range(len(plan.arrays.entities)):
        _fill_windows(log, ids, entity, plan, first_query, out)
    return out


def reference_amounts(frame: pl.DataFrame, rates: RateTable) -> pl.Series:
    """Return each order's amount in minor units of the reference currency; null if unknown."""
    columns = ("order.amount_minor", "order.currency", "event_time_ms")
    if (frame["order.currency"] == rates.reference_currency).all():
        return frame["order.amount_minor"].alias(REFERENCE_AMOUNT)
    amounts = [rates.to_reference_minor(*row) for row in frame.select(columns).iter_rows()]
    return pl.Series(REFERENCE_AMOUNT, amounts, pl.Int64)


def _order_column(frame: pl.DataFrame, feature: OrderFeature) -> NDArray[np.float64]:
    return _by_value(frame, feature.inputs, feature.compute, pl.Float64)


def _by_value(
    frame: pl.DataFrame, inputs: Sequence[str], function: object, dtype: type[pl.DataType]
) -> NDArray[np.float64]:
    """Apply a function of a few columns once to every distinct combination of their values."""
    present = [name for name in dict.fromkeys(inputs) if name in frame.columns]
    if not present:
        value = function(*(None for _ in inputs))  # type: ignore[operator]
        return pl.Series([value], dtype=dtype).new_from_index(0, len(frame)).to_numpy()
    distinct = frame.select(present).unique(maintain_order=True)
    columns = {name: distinct[name].to_list() for name in present}
    absent = [None] * len(distinct)
    arguments = zip(*(columns.get(name, absent) for name in inputs), strict=True)
    values = pl.Series("value", [function(*row) for row in arguments], dtype)  # type: ignore[operator]
    if len(distinct) == len(frame):
        return values.to_numpy()
    joined = frame.select(present).join(
        distinct.with_columns(values),
        on=present,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return joined["value"].to_numpy()


def _event_log(
    frame: pl.DataFrame,
    features: FeatureSet,
    plan: WindowPlan,
    outcomes: pl.DataFrame,
    identifier_hash: IdentifierHash,
) -> NDArray[np.int64]:
    log = np.full((len(frame), plan.n_columns), NEVER, np.int64)
    log[:, EVENT_TIME] = frame["event_time_ms"].to_numpy()
    log[:, AMOUNT] = frame[REFERENCE_AMOUNT].fill_null(NO_AMOUNT).to_numpy()
    for column, status in enumerate(plan.statuses, FIRST_STATUS):
        log[:, column] = _known_at(frame, outcomes, int(status))
    for column, place in enumerate(plan.entity_places, plan.first_entity):
        entity = features.entities[place]
        log[:, column] = _by_value(
            frame,
            entity.inputs,
            lambda *values, entity=entity: identifier_hash.of_entity(entity, values),
            pl.Int64,
        )
    return log


def _known_at(frame: pl.DataFrame, outcomes: pl.DataFrame, status: int) -> NDArray[np.int64]:
    known = (
        outcomes.filter(pl.col("status") == status)
        .group_by("transaction_id")
        .agg(pl.col("known_at_ms").min())
    )
    joined = frame.select("transaction_id").join(
        known, on="transaction_id", how="left", maintain_order="left"
    )
    return joined["known_at_ms"].fill_null(NEVER).to_numpy()


def _fill_windows(
    log: NDArray[np.int64],
    ids: NDArray[np.int64],
    entity: int,
    plan: WindowPlan,
    first_query: int,
    out: NDArray[np.float64],
) -> None:
    keys = log[:, plan.arrays.entities[entity, 0]]
    order = np.lexsort((ids, log[:, EVENT_TIME], keys))
    order = order[keys[order] != NO_KEY]
    without_key = np.flatnonzero(keys[first_query:] == NO_KEY)
    first, last = plan.arrays.entities[entity, 1:3]
    out[np.ix_(without_key, plan.arrays.features[first:last, 4])] = np.nan
    starts, ends = _spans(log, keys, order)
    bounds = np.linspace(0, len(order), _THREADS + 1).astype(np.int64)

    def fill(index: int) -> None:
        _window_rows(
            log,
            order,
            starts,
            ends,
            (bounds[index], bounds[index + 1]),
            plan.max_events,
            entity,
            plan.arrays,
            new_scratch(plan.arrays, plan.max_events),
            first_query,
            out,
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, range(_THREADS)))


@compiled
def _spans(
    log: NDArray[np.int64], keys: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, per place of ``order``, where its key starts and where its own time starts."""
    starts = np.empty(len(order), np.int64)
    ends = np.empty(len(order), np.int64)
    for place in range(len(order)):
        same_key = place > 0 and keys[order[place]] == keys[order[place - 1]]
        starts[place] = starts[place - 1] if same_key else place
        same_time = same_key and log[order[place], 0] == log[order[place - 1], 0]
        ends[place] = ends[place - 1] if same_time else place
    return starts, ends


@compiled
def _window_rows(
    log: NDArray[np.int64],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    place_range: tuple[int, int],
    max_events: int,
    entity: int,
    arrays: WindowArrays,
    scratch: Scratch,
    first_query: int,
    out: NDArray[np.float64],
) -> None:
    for place in range(place_range[0], place_range[1]):
        row = order[place]
        if row < first_query:
            continue
        first = max(starts[place], ends[place] - max_events)
        window_values(
            log,
            order[first : ends[place]],
            log[row, EVENT_TIME],
            log[row, AMOUNT],
            max_events,
            entity,
            arrays,
            scratch,
            out[row - first_query],
        )
