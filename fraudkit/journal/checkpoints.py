"""Checkpoints of SQLite's write-ahead log, made beside the writer.

SQLite's own are made by the commit that makes the log long: every so often an order would wait
for megabytes to be copied and synced. Here a thread with a connection of its own copies what is
there once a second; only a log that has grown long all the same holds the writer, for the rest.

The commit that begins a copied log anew syncs its header, and waits for a busy disk for seconds.
So one of two readers always holds the log, and the writer goes on at its end until it is long.

References
----------
SQLite, "Write-Ahead Logging", https://sqlite.org/wal.html, sections 2.2 and 6; the header is
synced in ``sqlite3WalFrames`` of https://sqlite.org/src/file/src/wal.c.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
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
        self._is_closed = Event()
        self._is_dirty = Event()
        self._turn = Lock()
        self._connection, *self._readers = (_connected(path) for _ in range(3))
        self._thread = Thread(target=self._run, name="journal-checkpoints", daemon=True)
        self._thread.start()

    def note_commit(self) -> None:
        """Say that the log has grown."""
        self._is_dirty.set()

    def close(self) -> None:
        """Stop, after a checkpoint under way."""
        self._is_closed.set()
        self._thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold no place in the log and copy nothing while the block runs."""
        with self._turn:
            for reader in self._readers:
                _let_go(reader)
            yield

    def _run(self) -> None:
        connection, readers = self._connection, self._readers
        try:
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
            while not self._is_closed.wait(_INTERVAL_S):
                if self._is_dirty.is_set():
                    self._is_dirty.clear()
                    with self._turn, suppress(sqlite3.Error):
                        _hold_the_end(connection, readers)
                        _checkpoint(connection, _LOG_BYTES_MAX // page_bytes, readers)
        finally:
            for opened in (connection, *readers):
                opened.close()


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )


def _hold_the_end(connection: sqlite3.Connection, readers: list[sqlite3.Connection]) -> None:
    """Let one reader hold the end of the log, then the other its earlier place no more.

    A reader holds a log only where it begins before all of it was copied, so where it was, the
    other goes on.
    """
    ahead, behind = readers
    if behind.in_transaction:
        _busy, log_pages, copied = connection.execute(_BESIDE).fetchone()
        if log_pages <= copied:
            return
    _let_go(ahead)
    ahead.execute("BEGIN")
    ahead.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    _let_go(behind)
    readers.reverse()


def _let_go(reader: sqlite3.Connection) -> None:
    if reader.in_transaction:
        reader.execute("ROLLBACK")


def _checkpoint(
    connection: sqlite3.Connection, log_pages_max: int, readers: Iterable[sqlite3.Connection]
) -> None:
    _busy, log_pages, _copied = connection.execute(_BESIDE).fetchone()
    if log_pages > log_pages_max:
        for reader in readers:
            _let_go(reader)
        # Each copies what was written during the one before, so the last finds little.
        for _again in range(_COPIES_BEFORE_RESTART):
            connection.execute(_BESIDE)
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
