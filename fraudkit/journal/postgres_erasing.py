"""What removes records from the PostgreSQL journal, and finds those to remove.

Invariant: the trigger that refuses removals is off only inside the commit that removes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from threading import Lock
from typing import Any, Final

from psycopg import errors, sql

from fraudkit.errors import JournalError
from fraudkit.journal.postgres_link import BoundedConnection, PostgresLink
from fraudkit.journal.postgres_rows import PostgresStatements, row_of
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.journal.rows import COLUMNS, decision_of, entity_text, outcome_of, record_of

__all__ = ["PostgresErasing"]

_PAGE_SEQUENCES: Final = 4096

_ENDS: Final = "SELECT coalesce(min(sequence), 1) - 1, coalesce(max(sequence), 0) FROM {table}"
_OF_ENTITY: Final = (
    "SELECT {columns} FROM {table} WHERE sequence > %s AND sequence <= %s "
    "AND kind = 'decision' AND position(%s::bytea in entities) > 0 ORDER BY sequence"
)
_OUTCOMES: Final = (
    "SELECT {columns} FROM {table} WHERE kind = 'outcome' AND transaction_id = ANY(%s::bytea[])"
)
_EXPIRED: Final = """
SELECT {columns} FROM {table} AS oldest
WHERE sequence < coalesce((SELECT sequence FROM {table} WHERE kind = 'decision'
                           AND received_at_ms >= %s ORDER BY sequence LIMIT 1), 9223372036854775807)
AND received_at_ms < %s AND (kind = 'decision' OR NOT EXISTS (
    SELECT 1 FROM {table} AS decided WHERE decided.transaction_id = oldest.transaction_id
    AND decided.kind = 'decision' AND decided.received_at_ms >= %s))
ORDER BY sequence LIMIT %s
"""
_OPEN: Final = "ALTER TABLE {table} DISABLE TRIGGER record_is_never_changed"
_CLOSE: Final = "ALTER TABLE {table} ENABLE TRIGGER record_is_never_changed"
_REMOVE_DECISIONS: Final = (
    "DELETE FROM {table} WHERE kind = 'decision' AND transaction_id = ANY(%s::bytea[])"
)
_REMOVE_OUTCOMES: Final = "DELETE FROM {table} WHERE outcome_id = ANY(%s::bytea[])"


class PostgresErasing:
    """The part of `fraudkit.journal.postgres.PostgresJournal` that finds and removes."""

    _guard: Lock
    _link: PostgresLink
    _statements: PostgresStatements

    def decisions_of(self, entity: str, key: int) -> Iterator[DecisionRecord]:
        """Yield the decisions whose entities hold a hash; see `Journal.decisions_of`."""
        try:
            text = entity_text(entity, key).encode()
        except UnicodeEncodeError as error:
            raise self._link.wrapped(error, "read") from error
        [(first, newest)] = self._rows(self._filled(_ENDS), ())
        for start in range(first, newest, _PAGE_SEQUENCES):
            page = (start, min(start + _PAGE_SEQUENCES, newest), text)
            for row in self._rows(self._filled(_OF_ENTITY), page):
                record = decision_of(row_of(row), self._link.name)
                if record.entities.get(entity) == key:
                    yield record

    def outcomes_of(self, transaction_ids: Collection[str]) -> Iterator[OutcomeRecord]:
        """Yield the outcomes of these transactions; see `Journal.outcomes_of`."""
        rows = self._rows(self._filled(_OUTCOMES), (self._encoded(transaction_ids),))
        yield from (outcome_of(row_of(row)) for row in rows)

    def expired(self, before_ms: int, limit: int) -> list[Record]:
        """Return what was received before a time, of the oldest; see `Journal.expired`."""
        rows = self._rows(self._filled(_EXPIRED), (before_ms, before_ms, before_ms, limit))
        return [record_of(row_of(row), self._link.name) for row in rows]

    def erase(self, records: Sequence[Record]) -> int:
        """Remove records in one commit, all or none; see `Journal.erase`.

        Only the owner of the table may. Appends wait meanwhile.
        """
        decided = [held.transaction_id for held in records if isinstance(held, DecisionRecord)]
        told = [held.outcome_id for held in records if isinstance(held, OutcomeRecord)]
        removals = [
            (self._filled(_REMOVE_DECISIONS), self._encoded(decided)),
            (self._filled(_REMOVE_OUTCOMES), self._encoded(told)),
        ]
        with self._guard:
            return self._link.ask(lambda held, _: self._removed(held, removals), "written")

    def scrub(self) -> None:
        """Do nothing: the server overwrites removed rows when it vacuums the table."""

    def _removed(
        self, connection: BoundedConnection, removals: Sequence[tuple[sql.Composed, list[bytes]]]
    ) -> int:
        try:
            with connection.transaction():
                connection.execute(self._filled(_OPEN))
                n_removed = sum(
                    connection.execute(statement, (ids,)).rowcount for statement, ids in removals
                )
                connection.execute(self._filled(_CLOSE))
        except errors.InsufficientPrivilege as error:
            raise JournalError(
                f"The journal {self._link.name} must be erased from by the owner of the table "
                "record, and this user is another. Nothing was removed; let FRAUDKIT_JOURNAL_URL "
                "name its owner"
            ) from error
        return n_removed

    def _filled(self, statement: str) -> sql.Composed:
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        return sql.SQL(statement).format(table=self._statements.table, columns=columns)

    def _encoded(self, identifiers: Collection[str]) -> list[bytes]:
        try:
            return [identifier.encode() for identifier in identifiers]
        except UnicodeEncodeError as error:
            raise self._link.wrapped(error, "read") from error

    def _rows(self, statement: sql.Composed, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._guard:
            return self._link.ask(
                lambda connection, _: connection.execute(statement, values, binary=True).fetchall(),
                "read",
            )
