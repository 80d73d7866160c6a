"""What removes records from the SQLite journal, and finds those to remove.

Invariant: the trigger that refuses removals is away only inside the commit that removes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Any, Final

from fraudkit.errors import JournalError
from fraudkit.journal.checkpoints import Checkpoints
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.journal.rows import COLUMNS, decision_of, entity_text, outcome_of, record_of
from fraudkit.journal.sqlite_errors import wrapped
from fraudkit.journal.sqlite_rows import SELECT

__all__ = ["SqliteErasing"]

_PAGE_SEQUENCES: Final = 4096
_READ_WAIT_S: Final = 5.0
_SCRUBS_MAX: Final = 40
_SCRUB_PAUSE_S: Final = 0.05
_SCRUB_WAIT_S: Final = 0.02
"""How long one try waits for readers; appends wait for it meanwhile."""

_ENDS: Final = "SELECT ifnull(min(sequence), 1) - 1, ifnull(max(sequence), 0) FROM record"
_OF_ENTITY: Final = SELECT + (
    "WHERE sequence > ? AND sequence <= ? AND kind = 'decision' AND instr(entities, ?) "
    "ORDER BY sequence"
)
_OUTCOMES: Final = SELECT + "WHERE transaction_id = ? AND kind = 'outcome'"
_EXPIRED: Final = f"""
SELECT {", ".join(COLUMNS)} FROM record AS oldest
WHERE sequence < ifnull((SELECT sequence FROM record WHERE kind = 'decision'
                         AND received_at_ms >= ?2 ORDER BY sequence LIMIT 1), {2**63 - 1})
AND received_at_ms < ?2 AND (kind = 'decision' OR NOT EXISTS (
    SELECT 1 FROM record WHERE record.transaction_id = oldest.transaction_id
    AND record.kind = 'decision' AND record.received_at_ms >= ?2))
ORDER BY sequence LIMIT ?1
"""  # noqa: S608 - names of ours
_GUARD: Final = "SELECT sql FROM sqlite_schema WHERE name = 'record_is_never_removed'"
_REMOVE_DECISIONS: Final = "DELETE FROM record WHERE transaction_id = ? AND kind = 'decision'"
_REMOVE_OUTCOME: Final = "DELETE FROM record WHERE outcome_id = ?"


class SqliteErasing:
    """The part of `fraudkit.journal.sqlite.SqliteJournal` that finds and removes."""

    path: Path
    _checkpoints: Checkpoints | None
    _guard: Lock
    _connection: sqlite3.Connection

    def decisions_of(self, entity: str, key: int) -> Iterator[DecisionRecord]:
        """Yield the decisions whose entities hold a hash; see `Journal.decisions_of`.

        It reads over a connection of its own, so no append waits for it.
        """
        text = entity_text(entity, key)
        try:
            with closing(self._opened("ro", _READ_WAIT_S)) as connection:
                first, newest = connection.execute(_ENDS).fetchone()
                for start in range(first, newest, _PAGE_SEQUENCES):
                    page = (start, min(start + _PAGE_SEQUENCES, newest), text)
                    for row in connection.execute(_OF_ENTITY, page).fetchall():
                        record = decision_of(row, self.path)
                        if record.entities.get(entity) == key:
                            yield record
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise wrapped(error, self.path, "read") from error

    def outcomes_of(self, transaction_ids: Collection[str]) -> Iterator[OutcomeRecord]:
        """Yield the outcomes of these transactions; see `Journal.outcomes_of`."""
        for transaction_id in dict.fromkeys(transaction_ids):
            for row in self._rows(_OUTCOMES, (transaction_id,)):
                yield outcome_of(row)

    def expired(self, before_ms: int, limit: int) -> list[Record]:
        """Return what was received before a time, of the oldest; see `Journal.expired`."""
        rows = self._rows(_EXPIRED, (limit, before_ms))
        return [record_of(row, self.path) for row in rows]

    def erase(self, records: Sequence[Record]) -> int:
        """Remove records in one commit, all or none; see `Journal.erase`."""
        removals = [_removal(record) for record in records]
        try:
            with self._guard:
                return _removed(self._connection, removals)
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise wrapped(error, self.path, "written") from error

    def scrub(self) -> None:
        """Empty the write-ahead log, which holds pages as they were; see `Journal.scrub`.

        The pages of the file itself were overwritten by `erase`.
        """
        try:
            paused = nullcontext() if self._checkpoints is None else self._checkpoints.paused()
            with paused, closing(self._opened("rw", _SCRUB_WAIT_S)) as connection:
                for _ in range(_SCRUBS_MAX):
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    if not is_busy:
                        return
                    sleep(_SCRUB_PAUSE_S)
        except sqlite3.Error as error:
            raise wrapped(error, self.path, "written") from error
        raise JournalError(
            f"The journal {self.path} must be read by nobody for a moment, so that its write-ahead "
            "log can be emptied. What was erased is removed, but the log still holds it; end the "
            "programs that read the journal, and erase again"
        )

    def _opened(self, mode: str, wait_s: float) -> sqlite3.Connection:
        uri = f"{self.path.as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=wait_s, isolation_level=None)

    def _rows(self, statement: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._guard:
                return self._connection.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise wrapped(error, self.path, "read") from error


def _removal(record: Record) -> tuple[str, tuple[str]]:
    if isinstance(record, OutcomeRecord):
        return _REMOVE_OUTCOME, (record.outcome_id,)
    return _REMOVE_DECISIONS, (record.transaction_id,)


def _removed(connection: sqlite3.Connection, removals: Sequence[tuple[str, tuple[str]]]) -> int:
    connection.execute("BEGIN IMMEDIATE")
    try:
        guards = connection.execute(_GUARD).fetchall()
        connection.execute("DROP TRIGGER IF EXISTS record_is_never_removed")
        n_removed = sum(connection.execute(*removal).rowcount for removal in removals)
        for (guard,) in guards:
            connection.execute(guard)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return n_removed
