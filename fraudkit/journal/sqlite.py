"""The journal in one SQLite file: the embedded default, for one writing process.

Invariant: a record that `SqliteJournal.append` returned for is in the file, in the order in which
it was appended; nothing changes it, and nothing but an erasure removes it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from fraudkit.errors import JournalError, RecordRefused
from fraudkit.journal.checkpoints import Checkpoints
from fraudkit.journal.record import (
    DecisionRecord,
    Durability,
    OutcomeRecord,
    Record,
    check_durability,
)
from fraudkit.journal.rows import decision_of, outcome_of, record_of
from fraudkit.journal.sqlite_erasing import SqliteErasing
from fraudkit.journal.sqlite_errors import wrapped
from fraudkit.journal.sqlite_rows import SELECT, insertion
from fraudkit.journal.sqlite_schema import bring_up_to_date, check_schema
from fraudkit.journal.writer_lock import open_private, writer_lock

__all__ = ["SqliteJournal"]

_PAGE_RECORDS = 512
_SQLITE_OLDEST = (3, 37)  # the first with strict tables
_FREE_BYTES_MIN = 16 * 1024 * 1024
_LOG_BYTES_KEPT = 16 * 1024 * 1024

_SYNCHRONOUS: dict[Durability, str] = {"process_kill": "NORMAL", "power_loss": "FULL"}

_LAST_DECISION = (
    SELECT + "WHERE transaction_id = ? AND kind = 'decision' ORDER BY sequence DESC LIMIT 1"
)
_PAGE = SELECT + "WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?"


class SqliteJournal(SqliteErasing):
    """A journal in one SQLite file; implements `fraudkit.journal.record.Journal`.

    One process writes at a time: it holds an exclusive lock on ``<path>.lock`` until `close` or
    its end, however it ends. Where the operating system has no ``fcntl`` (Windows) there is no
    such lock, and keeping to one writer is up to the operator. Files are created with mode 0600.
    Methods may be called from several threads.

    Parameters
    ----------
    path : str or Path
        The file; made if it is missing, its directory is not.
    durability : {"process_kill", "power_loss"}
        What an append survives. Both survive the end of the process, also by ``kill -9``, and
        both leave a file that is whole. After a power loss or a crash of the operating system,
        ``"process_kill"`` may have lost the newest appends; ``"power_loss"`` has lost none, and
        waits for the disk on every append (milliseconds instead of microseconds).
    read_only : bool
        Take no lock and write nothing; see `open_readonly`.
    busy_timeout_ms : int
        How long another program that holds the file is waited for.

    Raises
    ------
    fraudkit.errors.JournalLocked
        If another process, or another journal in this one, is writing the file.
    fraudkit.errors.JournalError
        If the file cannot be opened, is no journal, or has another schema version.

    Notes
    -----
    An append is one commit to the write-ahead log, so its cost does not grow with the file.
    Reading goes page by page, so it holds a bounded number of records in memory and never keeps
    a writer waiting for longer than one page.

    References
    ----------
    SQLite, "Write-Ahead Logging", https://sqlite.org/wal.html, section 2; SQLite, "PRAGMA
    synchronous", https://sqlite.org/pragma.html#pragma_synchronous.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, SqliteJournal(f"{folder}/journal.sqlite3") as journal:
    ...     refund = OutcomeRecord(
    ...         outcome_id="o-1", transaction_id="t-1", received_at_ms=0, outcome=b"{}"
    ...     )
    ...     journal.append(refund), journal.append(refund), list(journal.records()) == [refund]
    (True, False, True)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        durability: Durability = "process_kill",
        read_only: bool = False,
        busy_timeout_ms: int = 1_000,
    ) -> None:
        self.path = Path(path).resolve()
        self._guard = Lock()
        self._read_only = read_only
        self._lock_file: int | None = None
        try:
            if not read_only:
                os.close(open_private(self.path))
                self._lock_file = writer_lock(self.path)
            self._connection = _connect(self.path, durability, busy_timeout_ms, read_only=read_only)
            self._checkpoints = None if read_only else Checkpoints(self.path)
        except BaseException:
            self._unlock()
            raise

    @classmethod
    def open_readonly(cls, path: str | Path) -> SqliteJournal:
        """Open a journal to read it, also while another process writes it.

        Takes no lock. `append` on it raises `JournalError`.
        """
        return cls(path, read_only=True)

    @property
    def is_away(self) -> bool:
        """``False``: nothing waits elsewhere."""
        return False

    def append(self, record: Record) -> bool:
        """Write a record; durable when this returns, as ``durability`` says.

        Returns ``False``, and writes nothing, where an outcome of the same id, or a decision about
        the same transaction, is already there.

        Raises
        ------
        fraudkit.errors.JournalError
            If it cannot be made durable (disk full, read only, closed); nothing was written.
        """
        return self.append_many((record,))[0]

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        """Write records in their order in one commit, all or none; see `Journal.append_many`."""
        try:
            insertions = [insertion(record) for record in records]
            with self._guard:
                written = self._written(insertions)
        except sqlite3.Error as error:
            raise wrapped(error, self.path, "written") from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise RecordRefused(f"The journal {self.path} cannot be written: {error}") from error
        if self._checkpoints is not None:
            self._checkpoints.note_commit()
        return written

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        """Return the newest decision about a transaction, or ``None``."""
        rows = self._rows(_LAST_DECISION, (transaction_id,))
        return decision_of(rows[0], self.path) if rows else None

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        """Return the outcome of an id, or ``None``."""
        rows = self._rows(SELECT + "WHERE outcome_id = ?", (outcome_id,))
        return outcome_of(rows[0]) if rows else None

    def records(self) -> Iterator[Record]:
        """Yield every record appended before this call, in the order in which it was written."""
        [(newest,)] = self._rows("SELECT ifnull(max(sequence), 0) FROM record", ())
        return self._pages(newest)

    def check_writable(self) -> None:
        """Raise `JournalError` if an append would be refused now; writes nothing.

        It also asks for 16 MiB of free room on the disk, so that it warns before appends fail.
        """
        if self._read_only:
            raise JournalError(
                f"The journal {self.path} cannot be written: it was opened to be read; open it "
                "without read_only"
            )
        try:
            with self._guard:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("ROLLBACK")
            free_bytes = shutil.disk_usage(self.path.parent).free
        except (sqlite3.Error, OSError) as error:
            raise wrapped(error, self.path, "written") from error
        if free_bytes < _FREE_BYTES_MIN:
            raise JournalError(
                f"The journal {self.path} must have {_FREE_BYTES_MIN:,} free bytes on its disk. "
                f"Got {free_bytes:,}; make room on it"
            )

    def close(self) -> None:
        """Close the file and release the lock; closing twice does nothing."""
        if self._checkpoints is not None:
            self._checkpoints.close()
        with self._guard:
            self._connection.close()
        self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _written(self, insertions: Sequence[tuple[str, tuple[object, ...]]]) -> list[bool]:
        connection = self._connection
        if len(insertions) == 1:
            return [connection.execute(*insertions[0]).rowcount == 1]
        connection.execute("BEGIN IMMEDIATE")
        try:
            written = [connection.execute(*held).rowcount == 1 for held in insertions]
            connection.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return written

    def _pages(self, newest: int) -> Iterator[Record]:
        sequence = 0
        while sequence < newest:
            rows = self._rows(_PAGE, (sequence, newest, _PAGE_RECORDS))
            if not rows:
                return
            for row in rows:
                yield record_of(row, self.path)
            sequence = rows[-1][0]

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def _connect(
    path: Path, durability: Durability, busy_timeout_ms: int, *, read_only: bool
) -> sqlite3.Connection:
    check_durability(durability)
    if sqlite3.sqlite_version_info < _SQLITE_OLDEST:
        raise JournalError(f"SQLite must be 3.37 or later. Got {sqlite3.sqlite_version}.")
    connection = None
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={'ro' if read_only else 'rw'}",
            uri=True,
            timeout=busy_timeout_ms / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        if not read_only:
            _prepare(connection, durability)
        check_schema(connection, path, read_only=read_only)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise wrapped(error, path, "opened") from error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, durability: Durability) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
    connection.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # see fraudkit.journal.checkpoints
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT}")
    bring_up_to_date(connection)
