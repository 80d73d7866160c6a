"""Checkpoints of SQLite's write-ahead log, made beside the writer.

SQLite's own are made by the commit that makes the log long: every so often an order would wait
for megabytes to be copied and synced. Here a thread with a connection of its own copies what is
there once a second; only a log that has grown long all the same holds the writer, for the rest.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Final

__all__ = ["Checkpoints"]

_INTERVAL_S: Final = 1.0
_LOG_BYTES_MAX: Final = 256 * 1024 * 1024
_COPIES_BEFORE_RESTART: Final = 3
_BESIDE: Final = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """A thread that keeps the log of one file short, until `close`.

    What fails is tried again a second later; the log grows meanwhile, and nothing is lost.

    Parameters
    ----------
    path : Path
        The database's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_closed = Event()
        self._is_dirty = Event()
        self._thread = Thread(target=self._run, name="journal-checkpoints", daemon=True)
        self._thread.start()

    def note_commit(self) -> None:
        """Say that the log has grown."""
        self._is_dirty.set()

    def close(self) -> None:
        """Stop, after a checkpoint under way."""
        self._is_closed.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, isolation_level=None
        )
        try:
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
            while not self._is_closed.wait(_INTERVAL_S):
                if self._is_dirty.is_set():
                    self._is_dirty.clear()
                    with suppress(sqlite3.Error):
                        _checkpoint(connection, _LOG_BYTES_MAX // page_bytes)
        finally:
            connection.close()


def _checkpoint(connection: sqlite3.Connection, log_pages_max: int) -> None:
    _busy, log_pages, _copied = connection.execute(_BESIDE).fetchone()
    if log_pages > log_pages_max:
        # Each copies what was written during the one before, so the last finds little.
        for _again in range(_COPIES_BEFORE_RESTART):
            connection.execute(_BESIDE)
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
