"""The statements of the PostgreSQL journal, and records as their values."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from psycopg import sql

from fraudkit.journal.record import OutcomeRecord, Record
from fraudkit.journal.rows import COLUMNS, encoded_entities

__all__ = ["PostgresStatements", "row_of", "values_of"]

_INSERTED: Final = ("writer", "number", *COLUMNS[1:])
_TEXTS: Final = tuple(
    COLUMNS.index(name) for name in ("transaction_id", "outcome_id", "entities", "features_version")
)


class PostgresStatements:
    """The statements for the tables of one namespace, its name quoted.

    Parameters
    ----------
    schema : str
        The namespace.
    """

    def __init__(self, schema: str) -> None:
        self.table: Final = sql.Identifier(schema, "record")
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        select = sql.SQL("SELECT {} FROM {} ").format(columns, self.table)
        self.last_decision: Final = select + sql.SQL(
            "WHERE transaction_id = %s AND kind = 'decision' ORDER BY sequence DESC LIMIT 1"
        )
        self.outcome: Final = select + sql.SQL("WHERE outcome_id = %s")
        self.page: Final = select + sql.SQL(
            "WHERE sequence > %s AND sequence <= %s ORDER BY sequence LIMIT %s"
        )
        self.newest: Final = sql.SQL("SELECT coalesce(max(sequence), 0) FROM {}").format(self.table)
        self.next_writer: Final = sql.SQL("SELECT nextval({})").format(
            sql.Literal(sql.Identifier(schema, "writer").as_string())
        )
        keys = sql.Identifier(schema, "hash_key")
        self.add_key: Final = sql.SQL(
            "INSERT INTO {} (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING"
        ).format(keys)
        self.key: Final = sql.SQL("SELECT fingerprint FROM {}").format(keys)
        self.of_writer: Final = sql.SQL(
            "SELECT number, outcome_id FROM {} WHERE writer = %s "
            "AND (number = ANY(%s::bigint[]) OR outcome_id = ANY(%s::bytea[]))"
        ).format(self.table)

    @lru_cache(maxsize=64)  # noqa: B019 - a journal lives as long as its process
    def insertion(self, n_records: int) -> sql.Composed:
        """Return the statement that adds some records, but no outcome whose id is there.

        It returns the numbers of those that were written.
        """
        row = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(_INSERTED)))
        return sql.SQL(
            "INSERT INTO {} ({}) VALUES {} ON CONFLICT DO NOTHING RETURNING number"
        ).format(
            self.table,
            sql.SQL(", ").join(map(sql.Identifier, _INSERTED)),
            sql.SQL(", ").join([row] * n_records),
        )


def values_of(writer: int, number: int, record: Record) -> tuple[object, ...]:
    """Return the values of a record for `PostgresStatements.insertion`.

    Raises
    ------
    UnicodeEncodeError
        If an identifier is not valid Unicode.
    """
    head = (writer, number)
    about = (record.transaction_id.encode(), record.received_at_ms)
    if isinstance(record, OutcomeRecord):
        told = (record.outcome_id.encode(), record.outcome)
        return (*head, "outcome", *about, *told, *(None,) * 7)
    return (
        *(*head, "decision", *about, None, None),
        record.event_time_ms,
        record.amount_minor,
        encoded_entities(record).encode(),
        record.request_digest,
        record.features_version.encode(),
        record.features,
        record.decision,
    )


def row_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row with its identifiers as text."""
    values = list(row)
    for place in _TEXTS:
        if values[place] is not None:
            values[place] = values[place].decode()
    return tuple(values)
