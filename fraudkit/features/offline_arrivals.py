"""Which rows of a file come too late, by the order in which they arrived, on disk.

The file is cut into runs that are each put in order of arrival; merging the runs gives the
order of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
from fraudkit.features.offline_shuffle import ColumnFiles, Workspace
from fraudkit.features.window_arrays import AVAILABLE_AT, EVENT_TIME

__all__ = ["Arrivals", "accept_by_arrival"]

_AVAILABLE: Final = 0
_TIME: Final = 1
_NUMBER: Final = 2
_PLACE: Final = 3
_IS_EVENT: Final = 4
_LONG_AGO: Final = -(2**62)
_RUN_WORDS: Final = 16
"""What a row takes while its run is put in order, or while runs are merged."""


class Arrivals(NamedTuple):
    """The rows of a file, and which of them bear the same id.

    Attributes
    ----------
    columns : ColumnFiles
        See `fraudkit.features.offline_acceptance.SpilledLog`.
    number : int
        The column with a number, from 1, for each id that comes more than once; 0 for others.
    n_repeated : int
        The greatest such number.
    """

    columns: ColumnFiles
    number: int
    n_repeated: int


def accept_by_arrival(
    arrivals: Arrivals, accepted: int, allowed_lateness_ms: int, workspace: Workspace
) -> None:
    """Write which rows are events: 1 for those that a store would have taken in, else 0.

    A row is taken in unless its event time is older than the newest one taken in by more than
    the allowed lateness, or its id was taken in before. Rows arrive by (available at, row).

    Parameters
    ----------
    accepted : int
        The column that is written.
    """
    runs = [
        _Run(workspace.folder / f"run-{place}", arrivals, block)
        for place, block in enumerate(workspace.blocks(arrivals.columns.n_rows, _RUN_WORDS))
    ]
    ahead_rows = max(arrivals.columns.n_rows // max(len(runs), 1) ** 2, 1)
    is_taken = np.zeros(arrivals.n_repeated + 1, np.bool_)
    newest_ms = np.full(1, _LONG_AGO)
    while sum(counts := _ready(runs, ahead_rows)):
        rows = np.concatenate([run.take(n) for run, n in zip(runs, counts, strict=True)], axis=1)
        order = np.argsort(rows[_AVAILABLE], kind="stable")
        is_event = np.empty(len(order), np.int64)
        is_event[order] = _in_time(rows[:, order], allowed_lateness_ms, is_taken, newest_ms)
        for run, noted in zip(runs, np.split(is_event, np.cumsum(counts)[:-1]), strict=True):
            run.note(noted)
    for run in runs:
        arrivals.columns.append(accepted, run.noted())


class _Run:
    """Some rows of the file that follow each other, by arrival, on disk.

    Attributes
    ----------
    head : ndarray of int64, shape (3, n)
        The next rows: available at, event time, number of the id.
    """

    __slots__ = ("_files", "_n_read", "_n_rows", "head")

    def __init__(self, folder: Path, arrivals: Arrivals, block: range) -> None:
        columns = (AVAILABLE_AT, EVENT_TIME, arrivals.number)
        rows = arrivals.columns.read(columns, block)
        order = np.argsort(rows[_AVAILABLE], kind="stable")
        self._files = ColumnFiles(folder)
        for column, values in enumerate((*rows[:, order], order)):
            self._files.append(column, values)
        self._n_rows = len(order)
        self._n_read = 0
        self.head = rows[:, :0]

    @property
    def is_read(self) -> bool:
        """Whether the head holds all rows that are left."""
        return self._n_read == self._n_rows

    def read_on(self, n_rows: int) -> None:
        """Read some rows more if the head is empty."""
        if not self.head.size:
            rows = range(self._n_read, min(self._n_read + n_rows, self._n_rows))
            self.head = self._files.read((_AVAILABLE, _TIME, _NUMBER), rows)
            self._n_read = rows.stop

    def take(self, n_rows: int) -> NDArray[np.int64]:
        """Return the next rows and let them go."""
        taken, self.head = self.head[:, :n_rows], self.head[:, n_rows:]
        return taken

    def note(self, is_event: NDArray[np.int64]) -> None:
        """Keep what was found for the rows taken last."""
        self._files.append(_IS_EVENT, is_event)

    def noted(self) -> NDArray[np.int64]:
        """Return what was found for all rows, in the file's order."""
        places, is_event = self._files.read((_PLACE, _IS_EVENT), range(self._n_rows))
        found = np.empty(self._n_rows, np.int64)
        found[places] = is_event
        return found


def _ready(runs: Sequence[_Run], ahead_rows: int) -> list[int]:
    """Return how many rows of each run's head arrive before any row that is not read yet."""
    for run in runs:
        run.read_on(ahead_rows)
    unread = [
        (run.head[_AVAILABLE, -1], place) for place, run in enumerate(runs) if not run.is_read
    ]
    if not unread:
        return [run.head.shape[1] for run in runs]
    last_ms, last = min(unread)
    return [
        int(np.searchsorted(run.head[_AVAILABLE], last_ms, "right" if place <= last else "left"))
        for place, run in enumerate(runs)
    ]


@compiled
def _in_time(
    rows: NDArray[np.int64],
    allowed_lateness_ms: int,
    is_taken: NDArray[np.bool_],
    newest_ms: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which rows are taken in, and note their ids and the newest event time."""
    found = np.zeros(rows.shape[1], np.bool_)
    for place in range(rows.shape[1]):
        number, time_ms = rows[_NUMBER, place], rows[_TIME, place]
        if (number > 0 and is_taken[number]) or time_ms < newest_ms[0] - allowed_lateness_ms:
            continue
        found[place] = True
        is_taken[number] = True
        newest_ms[0] = max(newest_ms[0], time_ms)
    return found
