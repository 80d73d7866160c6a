"""Tables that are read and worked on some rows at a time, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import polars as pl

__all__ = ["TableSource", "batches", "columns_of", "row_count", "two_at_a_time"]

Item = TypeVar("Item")
Result = TypeVar("Result")

TableSource = pl.DataFrame | pl.LazyFrame | Path | str | Sequence[Path | str]
"""A frame, a query, or Parquet files, read one after the other.

A query runs in polars' streaming engine, which reads ahead as it sees fit: of a Parquet file
tens of row groups. Given as a path, no more of it is read than the row groups at hand.
"""

_AT_A_TIME: Final = 2


def batches(
    source: TableSource, columns: Collection[str], batch_rows: int
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in its order, those of the named columns that it has.

    Parameters
    ----------
    columns : collection of str
        Others are not read.
    batch_rows : int
        The most rows of a batch; only the last one of a table or file has fewer.
    """
    if isinstance(source, pl.DataFrame):
        yield from source.select(_held(source, columns)).iter_slices(batch_rows)
    elif isinstance(source, pl.LazyFrame):
        query = source.select(_held(source, columns))
        yield from query.collect_batches(chunk_size=batch_rows, lazy=True, engine="streaming")
    else:
        for scan in _scans(source):
            kept = scan.select(_held(scan, columns))
            for first in range(0, row_count(scan), batch_rows):
                yield kept.slice(first, batch_rows).collect(engine="streaming")


def columns_of(source: TableSource) -> list[list[str]]:
    """Return the columns of a table, or of each of its files."""
    frames = [source] if isinstance(source, pl.DataFrame | pl.LazyFrame) else _scans(source)
    return [frame.collect_schema().names() for frame in frames]


def row_count(source: TableSource) -> int:
    """Return how many rows a table has; a query is run for it."""
    if isinstance(source, pl.DataFrame):
        return len(source)
    if isinstance(source, pl.LazyFrame):
        return int(source.select(pl.len()).collect(engine="streaming").item())
    return sum(map(row_count, _scans(source)))


def two_at_a_time(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield what a function returns for each item, in their order, from two threads.

    More would not help: what Python computes waits for its lock. The second thread does what
    polars and numpy do meanwhile. At most three items are held.

    Examples
    --------
    >>> list(two_at_a_time(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        begun: deque[Future[Result]] = deque()
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) == _AT_A_TIME:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


def _scans(source: Path | str | Sequence[Path | str]) -> list[pl.LazyFrame]:
    paths = [source] if isinstance(source, Path | str) else source
    return [pl.scan_parquet(path, glob=False) for path in paths]


def _held(frame: pl.DataFrame | pl.LazyFrame, columns: Collection[str]) -> list[str]:
    return [name for name in frame.collect_schema() if name in columns]
