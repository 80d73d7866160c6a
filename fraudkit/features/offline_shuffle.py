"""Whole numbers on disk: columns that grow, and rows that are shared out by key and come back.

What does not fit into memory goes through here. Files are read and written by plain calls and
never mapped, so that a process holds what it asked for and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.features.window_arrays import NO_KEY

__all__ = ["ColumnFiles", "Shuffle", "Workspace"]

_WORD_BYTES: Final = 8


class Workspace(NamedTuple):
    """Room to work in.

    Work is cut so that what it needs is half of the memory: some keys have more rows than
    others, and the allocator keeps some of what was freed.

    Attributes
    ----------
    folder : Path
        For files.
    memory_bytes : int
        How much memory may be used, by all threads together.
    """

    folder: Path
    memory_bytes: int

    def blocks(self, n_rows: int, words: int) -> Iterator[range]:
        """Yield the rows of a table, as many at a time as fit.

        Parameters
        ----------
        words : int
            How many numbers of 8 bytes a row takes.

        Examples
        --------
        >>> list(Workspace(Path("work"), memory_bytes=160).blocks(5, words=5))
        [range(0, 2), range(2, 4), range(4, 5)]
        """
        size = max(self.memory_bytes // (2 * _WORD_BYTES * words), 1)
        for first in range(0, n_rows, size):
            yield range(first, min(first + size, n_rows))

    def n_partitions(self, words: int, n_threads: int) -> int:
        """Return how many partitions a table needs so that each thread can work on one.

        Parameters
        ----------
        words : int
            How many numbers of 8 bytes all rows take.

        Examples
        --------
        >>> Workspace(Path("work"), memory_bytes=160).n_partitions(words=25, n_threads=1)
        3
        """
        return max(-(-2 * _WORD_BYTES * words * n_threads // self.memory_bytes), 1)


class ColumnFiles:
    """Columns of int64, each a file that is appended to.

    Parameters
    ----------
    folder : Path
        Made here.
    """

    __slots__ = ("_folder",)

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder

    @property
    def n_rows(self) -> int:
        """How many values the first column holds."""
        first = self._path(0)
        return first.stat().st_size // _WORD_BYTES if first.exists() else 0

    def append(self, column: int, values: NDArray[np.int64]) -> None:
        """Write values behind those that a column holds."""
        _append(self._path(column), values)

    def read(self, columns: Sequence[int], rows: range) -> NDArray[np.int64]:
        """Return some rows of some columns, ``ndarray of int64, shape (n_columns, n_rows)``."""
        found = np.empty((len(columns), len(rows)), np.int64)
        for index, column in enumerate(columns):
            found[index] = _read(self._path(column), np.int64, rows.start, len(rows))
        return found

    def _path(self, column: int) -> Path:
        return self._folder / str(column)


class Shuffle:
    """Rows shared out by key over partitions, and what was found for them brought back in order.

    First `put` all rows. Then `take` each partition and `answer` it, in any order and from any
    thread. Last ask for `answers` with the keys of all rows, in the order in which they were put.

    Parameters
    ----------
    folder : Path
        Made here.
    n_partitions : int
        All rows of a key go into one of them.
    absent : numpy scalar
        The answer for rows without a key, which go into none. All answers have its type.
    """

    __slots__ = ("_absent", "_answered", "_folder", "n_partitions")

    def __init__(self, folder: Path, n_partitions: int, absent: np.int64 | np.float64) -> None:
        folder.mkdir()
        self.n_partitions = n_partitions
        self._folder = folder
        self._absent = absent
        self._answered = np.zeros(n_partitions, np.int64)

    def put(
        self, files: ColumnFiles, columns: Sequence[int], key: int, blocks: Iterable[range]
    ) -> None:
        """Share out rows.

        Parameters
        ----------
        columns : sequence of int
            Those that a partition's rows shall have.
        key : int
            The place of the key among them.
        blocks : iterable of range
            All rows, some at a time.
        """
        for block in blocks:
            rows = files.read(columns, block)
            order, edges = self._shares(rows[key])
            shared = np.ascontiguousarray(rows.T[order])
            for partition in np.flatnonzero(np.diff(edges)).tolist():
                share = shared[edges[partition] : edges[partition + 1]]
                _append(self._path("rows", partition), share)

    def take(self, partition: int, n_columns: int) -> NDArray[np.int64]:
        """Return a partition's rows in the order in which they were put, and let them go.

        Returns
        -------
        ndarray of int64, shape (n_columns, n_rows)
        """
        path = self._path("rows", partition)
        if not path.exists():
            return np.empty((n_columns, 0), np.int64)
        rows = np.fromfile(path, np.int64).reshape(-1, n_columns)
        path.unlink()
        return np.ascontiguousarray(rows.T)

    def answer(self, partition: int, values: NDArray[Any]) -> None:
        """Keep what was found for a partition's rows, ``ndarray, shape (n_rows, n_values)``."""
        _append(self._path("answers", partition), values)

    def answers(self, keys: NDArray[np.int64], n_values: int) -> NDArray[Any]:
        """Return the answers for the next rows, ``ndarray, shape (len(keys), n_values)``."""
        found = np.full((len(keys), n_values), self._absent)
        order, edges = self._shares(keys)
        for partition in np.flatnonzero(np.diff(edges)).tolist():
            places = order[edges[partition] : edges[partition + 1]]
            first, path = int(self._answered[partition]), self._path("answers", partition)
            held = _read(path, found.dtype.type, first * n_values, len(places) * n_values)
            found[places] = held.reshape(-1, n_values)
            self._answered[partition] += len(places)
        return found

    def _shares(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the places of keys by partition, and where those of each begin and end."""
        numbers = keys.view(np.uint64) % np.uint64(self.n_partitions) + np.uint64(1)
        numbers[keys == NO_KEY] = 0
        numbers = numbers.astype(np.min_scalar_type(self.n_partitions))
        order = np.argsort(numbers, kind="stable")
        return order, np.searchsorted(numbers[order], np.arange(1, self.n_partitions + 2))

    def _path(self, what: str, partition: int) -> Path:
        return self._folder / f"{what}-{partition}"


def _append(path: Path, values: NDArray[Any]) -> None:
    with path.open("ab") as file:
        np.ascontiguousarray(values).tofile(file)


def _read(path: Path, kind: type[Any], first: int, count: int) -> NDArray[Any]:
    """Return ``count`` numbers of 8 bytes, from the ``first`` on."""
    return np.fromfile(path, kind, count, offset=first * _WORD_BYTES)
