"""The windows of one entity, over a log on disk: its keys shared out over partitions.

A partition is a small log of its own, and goes through the driver of a whole frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.features.offline_acceptance import SpilledLog
from fraudkit.features.offline_shuffle import Shuffle, Workspace
from fraudkit.features.offline_windows import THREADS, Log, fill_windows
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.window_arrays import EVENT_ID, EVENT_TIME, FIRST_STATUS

__all__ = ["EntityWindows"]


class EntityWindows:
    """The windows of one entity.

    Parameters
    ----------
    features : FeatureSet
        What is computed.
    place : int
        The entity's place among those with windows of their own.
    log : SpilledLog
        Holds an event row for each row of the file.
    n_keys : int
        How many rows have a key of the entity.
    workspace : Workspace
        For the partitions.
    """

    __slots__ = ("_columns", "_key", "_log", "_plan", "_shuffle", "names")

    def __init__(
        self,
        features: FeatureSet,
        place: int,
        log: SpilledLog,
        n_keys: int,
        workspace: Workspace,
    ) -> None:
        whole = window_plan(features)
        entity = whole.indexed[place]
        kept = features.keep(a.name for a in features.aggregations if a.entity == entity)
        self.names = kept.names
        self._plan = window_plan(kept)
        self._log = log
        self._key = int(self._plan.arrays.entities[0, 0])
        self._columns = (*_columns_in(whole, self._plan), whole.n_columns)
        words = n_keys * (2 * (len(self._columns) + len(self.names)) + 20)
        self._shuffle = Shuffle(
            workspace.folder / f"entity-{place}",
            workspace.n_partitions(words, THREADS),
            np.float64("nan"),
        )
        blocks = workspace.blocks(log.columns.n_rows, 3 * len(self._columns) + 4)
        self._shuffle.put(log.columns, self._columns, self._key, blocks)

    def fill(self, pool: ThreadPoolExecutor) -> Iterator[int]:
        """Compute all partitions; yield how many rows each had."""
        yield from pool.map(self._fill_partition, range(self._shuffle.n_partitions))

    def values(self, rows: range) -> pl.DataFrame:
        """Return the windows of some rows, which follow those asked for last."""
        keys = self._log.columns.read((self._columns[self._key],), rows)[0]
        values = self._shuffle.answers(keys, len(self.names))
        return pl.DataFrame(values, schema=list(self.names))

    def _fill_partition(self, partition: int) -> int:
        rows = self._shuffle.take(partition, len(self._columns))
        columns, is_event = rows[:-1], rows[-1] != 0
        events = _in_order(columns, np.flatnonzero(is_event))
        out = np.empty((columns.shape[1], self._plan.n_out))
        fill_windows(Log(columns, events, np.flatnonzero(~is_event), 0), self._plan, out)
        self._shuffle.answer(partition, out)
        return len(out)


def _columns_in(whole: WindowPlan, part: WindowPlan) -> tuple[int, ...]:
    """Return where the columns of a part's event row stand in that of the whole."""
    statuses = [FIRST_STATUS + whole.statuses.index(status) for status in part.statuses]
    hashes = [whole.first_hash + whole.hashed.index(name) for name in part.hashed]
    return (*range(FIRST_STATUS), *statuses, *hashes)


def _in_order(columns: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows by ascending (event time, event id); ids are compared where times are equal."""
    order = rows[np.argsort(columns[EVENT_TIME, rows], kind="stable")]
    is_same = np.diff(columns[EVENT_TIME, order]) == 0
    places = np.flatnonzero(np.append(is_same, False) | np.append(False, is_same))
    tied = order[places]
    order[places] = tied[np.lexsort((columns[EVENT_ID, tied], columns[EVENT_TIME, tied]))]
    return order
