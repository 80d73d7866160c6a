"""The offline driver: a frame of transactions in, the same rows as online out.

Every row is what the online driver would have computed when the transaction was received, had
it seen all transactions of the frame as they were received and all outcomes as they became
known. The same functions compute both.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.domain.money import RateTable
from fraudkit.errors import InputError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.fields import REFERENCE_AMOUNT
from fraudkit.features.keys import event_id
from fraudkit.features.offline_columns import entity_hashes, fill_order_features, with_derived
from fraudkit.features.offline_tables import (
    AVAILABLE_AT_MS,
    check_lateness,
    checked_orders,
    checked_outcomes,
)
from fraudkit.features.offline_windows import THREADS, Log, accepted_events, fill_windows
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.window_arrays import (
    AMOUNT,
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
    NO_AMOUNT,
    NO_KEY,
)

__all__ = ["feature_rows", "features_frame", "order_rows", "reference_amounts"]

_LONG_RUN = 64


def features_frame(
    frame: pl.DataFrame | pl.LazyFrame,
    features: FeatureSet,
    rates: RateTable,
    outcomes: pl.DataFrame | pl.LazyFrame,
    *,
    first_query: int = 0,
    enrichment: Enrichment | None = None,
    allowed_lateness_ms: int | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> pl.DataFrame:
    """Return the feature rows as a frame, one column a feature; see `feature_rows`."""
    rows = feature_rows(
        frame,
        features,
        rates,
        outcomes,
        first_query=first_query,
        enrichment=enrichment,
        allowed_lateness_ms=allowed_lateness_ms,
        order="F",
        progress=progress,
    )
    return pl.DataFrame({name: rows[:, index] for index, name in enumerate(features.names)})


def feature_rows(  # noqa: PLR0913 - what a frame of features is made of
    frame: pl.DataFrame | pl.LazyFrame,
    features: FeatureSet,
    rates: RateTable,
    outcomes: pl.DataFrame | pl.LazyFrame,
    *,
    first_query: int = 0,
    enrichment: Enrichment | None = None,
    allowed_lateness_ms: int | None = None,
    order: Literal["C", "F"] = "C",
    progress: Callable[[int], None] = lambda _done: None,
) -> NDArray[np.float64]:
    """Return the feature rows of a frame's transactions.

    Parameters
    ----------
    frame : polars.DataFrame or polars.LazyFrame
        A vocabulary frame: ``transaction_id``, ``event_time_ms``, ``order.amount_minor``,
        ``order.currency`` and any other vocabulary path. With a column ``available_at_ms`` a
        transaction is seen, and sees, as of then; without it as of its own time. An id that
        comes again counts once, as it first came. A lazy frame is collected; for one that does
        not fit in memory see `fraudkit.features.offline_files.sink_features`.
    outcomes : polars.DataFrame or polars.LazyFrame
        ``transaction_id``, ``status`` (`fraudkit.domain.outcome.Status`), ``known_at_ms``.
    first_query : int
        Rows before this one are history: they fill the windows and get no row.
    enrichment : Enrichment, optional
        The sources of derived fields; the default ones if not given.
    allowed_lateness_ms : int, optional
        Leave out of the windows what a store with this setting would not have taken in, by
        ``available_at_ms``. Nothing if not given.
    order : {"C", "F"}
        Whether the answer is laid out by row or by column.
    progress : callable
        Called with the number of features that are done.

    Returns
    -------
    ndarray of float64, shape (len(frame) - first_query, n_features)
        In the frame's order, whatever the order of time.

    Raises
    ------
    fraudkit.errors.InputError
        If a column is missing, or a value in it is or is of another kind.
    """
    plan = window_plan(features)
    check_lateness(allowed_lateness_ms)
    orders = checked_orders(frame.lazy().collect())
    told = checked_outcomes(outcomes.lazy().collect())
    if not 0 <= first_query <= len(orders):
        raise InputError(f"first_query must be 0 to {len(orders)}, the orders, got {first_query}")
    frame = _widened(orders, features, rates, enrichment)
    out = np.empty((len(frame) - first_query, plan.n_out), order=order)
    fill_order_features(frame.slice(first_query), features.order_features, out, progress)
    fill_windows(_log(frame, features, plan, told, first_query, allowed_lateness_ms), plan, out)
    progress(plan.n_out)
    return out


def order_rows(
    frame: pl.DataFrame,
    features: FeatureSet,
    rates: RateTable,
    *,
    enrichment: Enrichment | None = None,
) -> NDArray[np.float64]:
    """Return the order features of a frame's transactions, which need no history.

    Returns
    -------
    ndarray of float64, shape (len(frame), n_order_features)
        In the frame's order.
    """
    out = np.empty((len(frame), len(features.order_features)))
    widened = _widened(checked_orders(frame), features, rates, enrichment)
    fill_order_features(widened, features.order_features, out, lambda _done: None)
    return out


def _widened(
    frame: pl.DataFrame, features: FeatureSet, rates: RateTable, enrichment: Enrichment | None
) -> pl.DataFrame:
    """Return the frame with the reference amounts and the derived fields that are read."""
    sources = Enrichment.default() if enrichment is None else enrichment
    frame = frame.with_columns(reference_amounts(frame, rates))
    return with_derived(frame, features.inputs, sources)


def reference_amounts(frame: pl.DataFrame, rates: RateTable) -> pl.Series:
    """Return each order's amount in minor units of the reference currency; null if unknown."""
    columns = ("order.amount_minor", "order.currency", "event_time_ms")
    if (frame["order.currency"] == rates.reference_currency).all(ignore_nulls=False):
        return frame["order.amount_minor"].alias(REFERENCE_AMOUNT)
    amounts = [rates.to_reference_minor(*row) for row in frame.select(columns).iter_rows()]
    return pl.Series(REFERENCE_AMOUNT, amounts, pl.Int64)


def _log(
    frame: pl.DataFrame,
    features: FeatureSet,
    plan: WindowPlan,
    outcomes: pl.DataFrame,
    first_query: int,
    allowed_lateness_ms: int | None,
) -> Log:
    ids = frame["transaction_id"]
    entities = [features.entities[place] for place in plan.hashed_places]
    with ThreadPoolExecutor(THREADS) as pool:
        finding = pool.submit(_repeated, ids)
        hashes = pool.map(partial(entity_hashes, frame), entities)
        columns = _columns(frame, plan, outcomes)
        for column, hashed in enumerate(hashes, plan.first_hash):
            columns[column] = hashed
        repeated = finding.result()
    _set_event_ids(columns, ids, repeated)
    is_event = np.ones(len(frame), np.bool_)
    if repeated.any() or allowed_lateness_ms is not None:
        is_event = accepted_events(
            columns[EVENT_ID], columns[EVENT_TIME], columns[AVAILABLE_AT], allowed_lateness_ms
        )
    events = _in_order(columns, np.flatnonzero(is_event), ids, plan)
    return Log(columns, events, np.flatnonzero(~is_event), first_query)


def _columns(frame: pl.DataFrame, plan: WindowPlan, outcomes: pl.DataFrame) -> NDArray[np.int64]:
    """Return all columns, those of the hashes still empty."""
    columns = np.empty((plan.n_columns, len(frame)), np.int64)
    columns[EVENT_ID] = np.arange(1, len(frame) + 1)
    columns[EVENT_TIME] = frame["event_time_ms"].to_numpy()
    available = AVAILABLE_AT_MS if AVAILABLE_AT_MS in frame.columns else "event_time_ms"
    columns[AVAILABLE_AT] = frame[available].to_numpy()
    columns[AMOUNT] = frame[REFERENCE_AMOUNT].fill_null(NO_AMOUNT).to_numpy()
    if plan.statuses:
        _fill_known_at(columns, frame["transaction_id"], plan, outcomes)
    return columns


def _repeated(ids: pl.Series) -> NDArray[np.bool_]:
    """Return which ids come more than once; different hashes show cheaply that none does."""
    if ids.hash().n_unique() == len(ids):
        return np.zeros(len(ids), np.bool_)
    return ids.is_duplicated().to_numpy()


def _fill_known_at(
    columns: NDArray[np.int64], ids: pl.Series, plan: WindowPlan, outcomes: pl.DataFrame
) -> None:
    columns[FIRST_STATUS : plan.first_hash] = NEVER
    asked = outcomes.filter(pl.col("status").is_in([int(status) for status in plan.statuses]))
    found = ids.to_frame().with_row_index("row").join(asked, on="transaction_id")
    for status in plan.statuses:
        known = found.filter(pl.col("status") == int(status))
        np.minimum.at(
            columns[FIRST_STATUS + plan.statuses.index(status)],
            known["row"].to_numpy(),
            known["known_at_ms"].to_numpy(),
        )


def _set_event_ids(columns: NDArray[np.int64], ids: pl.Series, is_asked: NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(is_asked)
    columns[EVENT_ID, rows] = [event_id(identifier) for identifier in ids.gather(rows)]


def _in_order(
    columns: NDArray[np.int64], rows: NDArray[np.int64], ids: pl.Series, plan: WindowPlan
) -> NDArray[np.int64]:
    """Return the rows by ascending event time; those that share a key, by event id too.

    Ids are computed only where they can decide: for rows that share their time and a key.
    """
    times = columns[EVENT_TIME, rows]
    is_sorted = (times[:-1] <= times[1:]).all()
    ordered = rows if is_sorted else rows[np.argsort(times, kind="stable")]
    is_tied = _tied(columns, ordered, plan.arrays.entities[:, 0])
    places = np.flatnonzero(is_tied[ordered])
    if len(places):
        _set_event_ids(columns, ids, is_tied)
        tied = ordered[places]
        ordered[places] = tied[np.lexsort((columns[EVENT_ID, tied], columns[EVENT_TIME, tied]))]
    return ordered


@compiled
def _tied(
    columns: NDArray[np.int64], ordered: NDArray[np.int64], keys: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which rows share time and a key with another; all of a long run of equal times."""
    is_tied = np.zeros(columns.shape[1], np.bool_)
    times = columns[EVENT_TIME]
    first = 0
    for end in range(1, len(ordered) + 1):
        if end < len(ordered) and times[ordered[end]] == times[ordered[first]]:
            continue
        for place in range(first, end):
            if end - first > _LONG_RUN:
                is_tied[ordered[place]] = True
                continue
            for other in range(first, place):
                for key in keys:
                    held = columns[key, ordered[place]]
                    if held != NO_KEY and held == columns[key, ordered[other]]:
                        is_tied[ordered[place]] = True
                        is_tied[ordered[other]] = True
        first = end
    return is_tied
