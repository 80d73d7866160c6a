"""Which rows of a file a store would have taken in, and what became of them, on disk.

Both need all rows of a transaction id at once, so rows and outcomes are shared out by id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.features.keys import event_id
from fraudkit.features.offline_arrivals import Arrivals, accept_by_arrival
from fraudkit.features.offline_batches import TableSource, batches
from fraudkit.features.offline_shuffle import ColumnFiles, Shuffle, Workspace
from fraudkit.features.offline_tables import (
    OUTCOME_COLUMNS,
    checked_batches,
    checked_outcomes,
)
from fraudkit.features.offline_windows import accepted_events
from fraudkit.features.plan import WindowPlan
from fraudkit.features.window_arrays import (
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
)

__all__ = ["SpilledLog", "note_acceptance", "spill_outcomes"]

_STATUS: Final = 1
_KNOWN_AT: Final = 2
_PUT_WORDS: Final = 13
"""What a row of three columns takes while it is shared out."""


class SpilledLog(NamedTuple):
    """The rows of a file as events, and what was told of them.

    Attributes
    ----------
    columns : ColumnFiles
        The columns of an event row; behind them 1 where the row is an event, else 0.
    outcomes : ColumnFiles
        Event id; place of the status among the plan's; "known at" time (ms).
    """

    columns: ColumnFiles
    outcomes: ColumnFiles


def spill_outcomes(
    outcomes: TableSource, plan: WindowPlan, columns: ColumnFiles, batch_rows: int
) -> Iterator[int]:
    """Write the outcomes that some window asks for; yield how many rows each batch had.

    Parameters
    ----------
    outcomes : table
        Has `OUTCOME_COLUMNS`.
    columns : ColumnFiles
        Written; see `SpilledLog`.
    """
    statuses = [int(status) for status in plan.statuses]
    read = batches(outcomes, OUTCOME_COLUMNS, batch_rows)
    for batch in checked_batches(read, checked_outcomes):
        asked = batch.filter(pl.col("status").is_in(statuses))
        ids = [event_id(identifier) for identifier in asked["transaction_id"]]
        columns.append(EVENT_ID, np.array(ids, np.int64))
        columns.append(_STATUS, np.searchsorted(statuses, asked["status"].to_numpy()))
        columns.append(_KNOWN_AT, asked["known_at_ms"].to_numpy())
        yield len(batch)


def note_acceptance(
    log: SpilledLog, plan: WindowPlan, allowed_lateness_ms: int | None, workspace: Workspace
) -> None:
    """Write the "known at" columns of a log, and which of its rows are events.

    Parameters
    ----------
    log : SpilledLog
        Holds ids and times; the other columns are written.
    allowed_lateness_ms : int or None
        See `fraudkit.features.offline.feature_rows`.
    """
    rows, outcomes = _shared_out(log, len(plan.statuses), workspace)
    is_numbered = allowed_lateness_ms is not None
    n_repeated = _answer(rows, outcomes, len(plan.statuses), is_numbered=is_numbered)
    last = plan.n_columns + is_numbered
    _write_answers(log, rows, plan, last, workspace)
    if allowed_lateness_ms is not None:
        arrivals = Arrivals(log.columns, last, n_repeated)
        accept_by_arrival(arrivals, plan.n_columns, allowed_lateness_ms, workspace)


def _shared_out(log: SpilledLog, n_statuses: int, workspace: Workspace) -> tuple[Shuffle, Shuffle]:
    """Return rows and outcomes by id: each partition of both has the same ids."""
    words = log.columns.n_rows * (20 + 2 * n_statuses) + 10 * log.outcomes.n_rows
    n_partitions = workspace.n_partitions(words, n_threads=1)
    rows = Shuffle(workspace.folder / "ids", n_partitions, np.int64(0))
    blocks = workspace.blocks(log.columns.n_rows, _PUT_WORDS)
    rows.put(log.columns, (EVENT_ID, EVENT_TIME, AVAILABLE_AT), 0, blocks)
    outcomes = Shuffle(workspace.folder / "outcome-ids", n_partitions, np.int64(0))
    blocks = workspace.blocks(log.outcomes.n_rows, _PUT_WORDS)
    outcomes.put(log.outcomes, (EVENT_ID, _STATUS, _KNOWN_AT), 0, blocks)
    return rows, outcomes


def _answer(rows: Shuffle, outcomes: Shuffle, n_statuses: int, *, is_numbered: bool) -> int:
    """Answer each row with its "known at" times and one more; return how many ids are repeated.

    The last is 1 where the row is the first of its id to arrive, else 0; or, if asked for, a
    number that its id has if it comes more than once, else 0.
    """
    n_repeated = 0
    for partition in range(rows.n_partitions):
        event_ids, event_time_ms, available_at_ms = rows.take(partition, 3)
        ids, place, counts = np.unique(event_ids, return_inverse=True, return_counts=True)
        known_at_ms = _known_at(ids, outcomes.take(partition, 3), n_statuses)
        is_repeated = counts > 1
        numbers = np.where(is_repeated, n_repeated + np.cumsum(is_repeated), 0)
        last = numbers[place]
        if not is_numbered:
            last = accepted_events(event_ids, event_time_ms, available_at_ms, None).astype(np.int64)
        rows.answer(partition, np.column_stack([known_at_ms[place], last]))
        n_repeated += int(np.count_nonzero(is_repeated))
    return n_repeated


def _known_at(
    ids: NDArray[np.int64], outcomes: NDArray[np.int64], n_statuses: int
) -> NDArray[np.int64]:
    """Return when each status of each id was first known, ``shape (len(ids), n_statuses)``."""
    known_at_ms = np.full((len(ids), n_statuses), NEVER)
    if len(ids):
        places = np.searchsorted(ids, outcomes[EVENT_ID]).clip(max=len(ids) - 1)
        is_held = ids[places] == outcomes[EVENT_ID]
        flat = places * n_statuses + outcomes[_STATUS]
        np.minimum.at(known_at_ms.ravel(), flat[is_held], outcomes[_KNOWN_AT, is_held])
    return known_at_ms


def _write_answers(
    log: SpilledLog, rows: Shuffle, plan: WindowPlan, last: int, workspace: Workspace
) -> None:
    columns = (*range(FIRST_STATUS, plan.first_hash), last)
    for block in workspace.blocks(log.columns.n_rows, 4 * len(columns) + 4):
        answers = rows.answers(log.columns.read((EVENT_ID,), block)[0], len(columns))
        for column, values in zip(columns, answers.T, strict=True):
            log.columns.append(column, values)
