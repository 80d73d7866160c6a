"""Features of a file that does not fit into memory: the rows of `features_frame`, in Parquet.

Four stages, each in bounded memory. Orders are read in batches: what a batch decides alone is
computed, and its event rows are put on disk. Outcomes and repeated ids are matched by
transaction id. Windows are computed entity by entity, in partitions. Last the columns of each
batch are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
import polars as pl
from msgspec import Struct

from fraudkit.domain.money import RateTable
from fraudkit.errors import InputError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.offline_acceptance import SpilledLog, note_acceptance, spill_outcomes
from fraudkit.features.offline_batches import (
    TableSource,
    batches,
    columns_of,
    row_count,
    two_at_a_time,
)
from fraudkit.features.offline_entities import EntityWindows
from fraudkit.features.offline_orders import OrderBatches
from fraudkit.features.offline_shuffle import ColumnFiles, Workspace
from fraudkit.features.offline_tables import (
    ORDER_COLUMNS,
    OUTCOME_COLUMNS,
    check_columns,
    check_lateness,
    checked_batches,
    checked_orders,
)
from fraudkit.features.offline_windows import THREADS
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.window_arrays import FIRST_STATUS, NO_KEY

__all__ = ["SinkOptions", "SinkStage", "sink_features"]

SinkStage = Literal["orders", "outcomes", "windows", "parts"]
"""What `sink_features` does, in this order; ``windows`` counts rows once an entity."""

_PART: Final = "part-*.parquet"


class SinkOptions(Struct, frozen=True, kw_only=True):
    """How `sink_features` works; none of it changes a value.

    Attributes
    ----------
    batch_rows : int
        Rows that are read at a time, and so the most rows of a part.
    memory_bytes : int
        What matching outcomes and computing windows may hold.
    overwrite : bool
        Whether a folder that holds parts already is replaced.
    progress : callable
        Told the stage, the rows done and the rows in all, from time to time.

    Raises
    ------
    InputError
        If a number is not positive.
    """

    batch_rows: int = 50_000
    memory_bytes: int = 1 << 30
    overwrite: bool = False
    progress: Callable[[SinkStage, int, int], None] | None = None

    def __post_init__(self) -> None:
        for name in ("batch_rows", "memory_bytes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")


def sink_features(
    orders: TableSource,
    features: FeatureSet,
    rates: RateTable,
    outcomes: TableSource,
    folder: Path | str,
    *,
    enrichment: Enrichment | None = None,
    allowed_lateness_ms: int | None = None,
    options: SinkOptions | None = None,
) -> pl.LazyFrame:
    """Write the feature rows of a table's transactions to a folder of Parquet parts.

    The parts hold ``transaction_id`` and one column a feature, in the order of the table; the
    values are those of `fraudkit.features.offline.features_frame`. The folder appears when all
    is done, and not at all if something fails.

    Memory holds, at one time, a batch of orders or ``memory_bytes``, whatever the number of
    rows; beside that only the events of a key that has so many that they exceed it.
    `docs/offline.md` says how much a row takes.

    Parameters
    ----------
    orders : polars.LazyFrame, polars.DataFrame, path or sequence of paths
        As the frame of `fraudkit.features.offline.feature_rows`; paths are of Parquet files.
    outcomes : polars.LazyFrame, polars.DataFrame, path or sequence of paths
        ``transaction_id``, ``status`` (`fraudkit.domain.outcome.Status`), ``known_at_ms``.
    folder : path
        Must not exist, be empty, or hold parts that ``options`` allow to be replaced. Files
        for a while are put into a folder beside it.
    enrichment : Enrichment, optional
        The sources of derived fields; the default ones if not given.
    allowed_lateness_ms : int, optional
        As for `fraudkit.features.offline.feature_rows`.
    options : SinkOptions, optional
        How it is done.

    Returns
    -------
    polars.LazyFrame
        A scan of the parts, in order.

    Raises
    ------
    InputError
        If a table lacks a column, or the folder must not be written.
    """
    options = SinkOptions() if options is None else options
    check_lateness(allowed_lateness_ms)
    if "transaction_id" in features.names:
        raise InputError("no feature may be named transaction_id, as a column of the parts is")
    for held in columns_of(orders):
        check_columns("orders", held, ORDER_COLUMNS)
    for held in columns_of(outcomes):
        check_columns("outcomes", held, OUTCOME_COLUMNS)
    folder = Path(folder)
    target = _target(folder, may_replace=options.overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as name:
        sink = _Sink(features, Path(name), options)
        sink.read_orders(orders, rates, enrichment or Enrichment.default())
        sink.note_outcomes(outcomes, allowed_lateness_ms)
        parts = sink.write_parts(sink.windows())
        _move(parts, _target(folder, may_replace=options.overwrite))
    return pl.scan_parquet(sorted(target.glob(_PART)), glob=False)


class _Sink:
    """The stages, and what one leaves for the next."""

    def __init__(self, features: FeatureSet, folder: Path, options: SinkOptions) -> None:
        self._features = features
        self._folder = folder
        self._options = options
        self._workspace = Workspace(folder, options.memory_bytes)
        self._plan = window_plan(features)
        events, outcomes = ColumnFiles(folder / "events"), ColumnFiles(folder / "outcomes")
        self._log = SpilledLog(events, outcomes)
        self._n_keys = np.zeros(len(self._plan.hashed), np.int64)

    def read_orders(self, orders: TableSource, rates: RateTable, enrichment: Enrichment) -> None:
        work = OrderBatches(self._features, self._plan, rates, enrichment)
        tell = self._progress("orders", lambda: row_count(orders))
        read = checked_batches(
            batches(orders, work.inputs, self._options.batch_rows), checked_orders
        )
        for number, (frame, events) in enumerate(two_at_a_time(work.rows, read)):
            frame.write_parquet(self._batch_path(number), compression="lz4", statistics=False)
            for column in self._noted_columns:
                self._log.columns.append(column, events[column])
            self._n_keys += np.count_nonzero(events[self._plan.first_hash :] != NO_KEY, axis=1)
            tell(len(frame))

    @property
    def _noted_columns(self) -> tuple[int, ...]:
        """The columns of the log that orders alone decide."""
        return (*range(FIRST_STATUS), *range(self._plan.first_hash, self._plan.n_columns))

    def note_outcomes(self, outcomes: TableSource, allowed_lateness_ms: int | None) -> None:
        if not (self._plan.indexed and self._log.columns.n_rows):
            return
        tell = self._progress("outcomes", lambda: row_count(outcomes))
        if self._plan.statuses:
            told = spill_outcomes(
                outcomes, self._plan, self._log.outcomes, self._options.batch_rows
            )
            for n_rows in told:
                tell(n_rows)
        note_acceptance(self._log, self._plan, allowed_lateness_ms, self._workspace)

    def windows(self) -> list[EntityWindows]:
        n_keys = [self._n_keys[self._plan.hashed.index(name)] for name in self._plan.indexed]
        tell = self._progress("windows", lambda: int(sum(n_keys)))
        entities = []
        # One pool for all: the allocator keeps memory for each new thread.
        with ThreadPoolExecutor(THREADS) as pool:
            for place, n_rows in enumerate(n_keys):
                entity = EntityWindows(
                    self._features, place, self._log, int(n_rows), self._workspace
                )
                for n_done in entity.fill(pool):
                    tell(n_done)
                entities.append(entity)
        return entities

    def write_parts(self, entities: list[EntityWindows]) -> Path:
        parts = self._folder / "parts"
        parts.mkdir()
        n_parts = len(list(self._folder.glob("batch-*")))
        digits = max(5, len(str(n_parts)))

        def write(numbered: tuple[int, pl.DataFrame]) -> int:
            number, part = numbered
            part.write_parquet(parts / f"part-{number:0{digits}d}.parquet")
            return len(part)

        tell = self._progress("parts", lambda: self._log.columns.n_rows)
        for n_rows in two_at_a_time(write, enumerate(self._parts(n_parts, entities))):
            tell(n_rows)
        return parts

    def _parts(self, n_parts: int, entities: list[EntityWindows]) -> Iterator[pl.DataFrame]:
        """Yield the feature rows of each batch; of no orders one part, for its columns."""
        first = 0
        for number in range(n_parts):
            orders = pl.read_parquet(self._batch_path(number))
            self._batch_path(number).unlink()
            rows = range(first, first + len(orders))
            windows = [entity.values(rows) for entity in entities]
            together = pl.concat([orders, *windows], how="horizontal")
            yield together.select("transaction_id", *self._features.names)
            first = rows.stop
        if not n_parts:
            schema = {"transaction_id": pl.String} | dict.fromkeys(self._features.names, pl.Float64)
            yield pl.DataFrame(schema=schema)

    def _batch_path(self, number: int) -> Path:
        return self._folder / f"batch-{number}"

    def _progress(self, stage: SinkStage, total: Callable[[], int]) -> Callable[[int], None]:
        """Return what is told how many rows more are done."""
        told = self._options.progress
        if told is None:
            return lambda _more: None
        n_rows, n_done = total(), 0

        def tell(more: int) -> None:
            nonlocal n_done
            n_done += more
            told(stage, n_done, n_rows)

        return tell


def _target(folder: Path, *, may_replace: bool) -> Path:
    """Return where the folder is, or refuse it."""
    target = folder.resolve()
    if target.is_mount():
        raise InputError(
            f"the folder for the parts must be inside a file system, got its top, {folder}; "
            "name a folder below it"
        )
    if not target.exists():
        return target
    held = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
    others = held - {path.name for path in target.glob(_PART)}
    if others:
        raise InputError(
            f"the folder for the parts must be new, or hold nothing but parts; {folder} holds "
            f"{min(others)!r}; name another folder"
        )
    if held and not may_replace:
        raise InputError(
            f"the folder for the parts must be empty, got {folder} with {len(held)} parts; name "
            "another folder, or set SinkOptions.overwrite to replace them"
        )
    return target


def _move(parts: Path, target: Path) -> None:
    """Put the folder of parts where it belongs; what is there already stays until then."""
    before = parts.with_name("before")
    if target.exists():
        target.rename(before)
    try:
        parts.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
