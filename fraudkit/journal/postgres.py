"""The journal in PostgreSQL: for several writers, on several machines.

Invariant: a record that `PostgresJournal.append` returned for is in the table; nothing changes it,
nothing but an erasure removes it, and no record ever appears before one that a reader could
already see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count
from threading import Lock
from types import TracebackType
from typing import Any, Final, Self

from psycopg import sql

from fraudkit.errors import JournalError
from fraudkit.journal.postgres_erasing import PostgresErasing
from fraudkit.journal.postgres_link import BoundedConnection, PostgresLink, PostgresTimeouts
from fraudkit.journal.postgres_rows import PostgresStatements, row_of, values_of
from fraudkit.journal.postgres_schema import TURN_LOCK, bring_up_to_date
from fraudkit.journal.record import (
    DecisionRecord,
    Durability,
    OutcomeRecord,
    Record,
    check_durability,
)
from fraudkit.journal.rows import decision_of, outcome_of, record_of

__all__ = ["PostgresJournal"]

_PAGE_RECORDS: Final = 128  # a page is read within the time of a statement
_STATEMENT_RECORDS: Final = 512  # a statement has at most 65,535 values, a record 14
_UNSETTLED_MAX: Final = 10_000
_DEFAULT_TIMEOUTS: Final = PostgresTimeouts()
_SYNCHRONOUS_COMMIT: Final = {
    "process_kill": "'off'",
    # A server that promises more than "on" keeps its promise.
    "power_loss": "CASE current_setting('synchronous_commit') WHEN 'remote_apply' "
    "THEN 'remote_apply' ELSE 'on' END",
}

_WRITABILITY: Final = (
    "SELECT current_setting('transaction_read_only')::boolean, has_table_privilege(%s, 'INSERT')"
)


class PostgresJournal(PostgresErasing):
    """A journal in PostgreSQL 14 or later; implements `fraudkit.journal.record.Journal`.

    Any number of processes and machines may write it at once. Its tables stand in a schema of
    their own and need no superuser. Methods may be called from several threads; they share one
    connection.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:5432/database``. Options after the ``?`` are libpq's:
        ``sslmode=verify-full&sslrootcert=/etc/ssl/postgres.pem`` encrypts and checks the server.
        Several hosts with commas between them are tried in turn, with
        ``target_session_attrs=read-write`` until one that can be written.
    schema : str
        The namespace of the tables.
    durability : {"process_kill", "power_loss"}
        What an append survives. Both survive the end of the process that appends, and of its
        machine. After a crash of the database server, or of its machine, ``"process_kill"`` may
        have lost the newest appends, those of less than a second by PostgreSQL's defaults;
        ``"power_loss"`` has lost none, and waits for the server's disk on every append.
    migrate : bool
        Make the tables, or bring those of an older version up to date; otherwise such a database
        is refused.
    timeouts : PostgresTimeouts
        1,000 ms for a connection and 1,000 ms for a statement, if not given.
    read_only : bool
        Write nothing; see `open_readonly`.

    Attributes
    ----------
    schema_version : int
        How many migrations the tables have had.

    Raises
    ------
    fraudkit.errors.JournalError
        If the database cannot be reached, or its tables cannot be used.

    Notes
    -----
    Writers take turns, from the first row of a commit until it is done, so that the order of the
    records is the order in which they could be seen. Group what can be grouped: `append_many`
    takes one turn.

    Every append carries a number of its writer. So one that was sent over a connection that broke
    is sent again, and stands once, whether or not the first arrived. Where even that is not
    answered, the error leaves open whether it was written; append it again.

    References
    ----------
    PostgreSQL, "Explicit Locking", section "Advisory Locks",
    https://www.postgresql.org/docs/current/explicit-locking.html; "Asynchronous Commit",
    https://www.postgresql.org/docs/current/wal-async-commit.html.

    Examples
    --------
    >>> PostgresJournal("postgresql://shop:secret@127.0.0.1:1/orders")
    Traceback (most recent call last):
    ...
    fraudkit.errors.JournalError: The journal 127.0.0.1:1/orders cannot be opened: ...
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "fraudkit",
        durability: Durability = "process_kill",
        migrate: bool = True,
        timeouts: PostgresTimeouts = _DEFAULT_TIMEOUTS,
        read_only: bool = False,
    ) -> None:
        check_durability(durability)
        self._durability = durability
        self._timeouts = timeouts
        self._read_only = read_only
        self._guard = Lock()
        self._statements = PostgresStatements(schema)
        self._link = PostgresLink(url, timeouts, self._prepare)
        self._numbers = count(1)
        self._unsettled: dict[int, OutcomeRecord] = {}
        self._writer = 0
        try:
            self._open(schema, migrate=migrate and not read_only)
        except BaseException:
            self._link.close()
            raise

    @classmethod
    def open_readonly(cls, url: str, *, schema: str = "fraudkit") -> PostgresJournal:
        """Open a journal to read it, also at a standby. `append` on it raises `JournalError`."""
        return cls(url, schema=schema, read_only=True)

    @property
    def name(self) -> str:
        """Host, port and database, as errors name them."""
        return self._link.name

    def set_timeouts(self, timeouts: PostgresTimeouts) -> None:
        """Wait so long from now on, and connect anew."""
        with self._guard:
            self._timeouts = self._link.timeouts = timeouts
            self._link.ask(lambda _connection, _is_again: None, "opened")

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
            If it cannot be made durable, or if it is not known whether it was; append it again.
        """
        return self.append_many((record,))[0]

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        """Write records in their order in one commit, all or none; see `Journal.append_many`."""
        with self._guard:
            numbered = {next(self._numbers): record for record in records}
            try:
                rows = [values_of(self._writer, *held) for held in numbered.items()]
            except UnicodeEncodeError as error:
                raise self._link.wrapped(error, "written") from error
            return self._appended(numbered, rows)

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        """Return the newest decision about a transaction, or ``None``."""
        rows = self._rows(self._statements.last_decision, (_bytes_of(transaction_id, self.name),))
        return decision_of(row_of(rows[0]), self.name) if rows else None

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        """Return the outcome of an id, or ``None``."""
        rows = self._rows(self._statements.outcome, (_bytes_of(outcome_id, self.name),))
        return outcome_of(row_of(rows[0])) if rows else None

    def records(self) -> Iterator[Record]:
        """Yield every record appended before this call, in the order in which it was written.

        In memory are 128 at a time; other programs may write meanwhile.
        """
        [(newest,)] = self._rows(self._statements.newest, ())
        return self._pages(newest)

    def check_writable(self) -> None:
        """Raise `JournalError` if an append would be refused now; writes nothing."""
        with self._guard:
            [(only_reads, may_append)] = self._link.ask(self._writability, "written")
        if only_reads:
            raise JournalError(
                f"The journal {self.name} cannot be written: this server, or this journal, only "
                "reads; name the primary in the URL"
            )
        if not may_append:
            raise JournalError(
                f"The journal {self.name} cannot be written: this user may not insert into it; "
                "grant it INSERT on the table record"
            )

    def check_key(self, hash_key: bytes) -> None:
        """Raise `JournalError` if the journal is kept with another key of the identity hashes.

        The first key it is asked about becomes the journal's; of a key it holds a fingerprint.
        Under two keys one customer would be two.
        """
        fingerprint = blake2b(b"fraudkit: fingerprint", key=hash_key, digest_size=16).digest()
        with self._guard:
            held = self._link.ask(
                lambda connection, _: self._keyed(connection, fingerprint), "read"
            )
        if held not in ([], [(fingerprint,)]):
            raise JournalError(
                f"The journal {self.name} must be used with the hash key that it was begun with. "
                "Got another one; copy the key of the service that began it"
            )

    def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        with self._guard:
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, schema: str, *, migrate: bool) -> None:
        self.schema_version = self._link.ask(
            lambda connection, _: bring_up_to_date(
                connection, schema, name=self.name, migrate=migrate
            ),
            "opened",
        )
        if not self._read_only:
            [(self._writer,)] = self._rows(self._statements.next_writer, ())

    def _keyed(self, connection: BoundedConnection, fingerprint: bytes) -> list[tuple[Any, ...]]:
        held = connection.execute(self._statements.key).fetchall()
        if held or self._read_only:
            return held
        connection.execute(self._statements.add_key, (fingerprint,))
        return connection.execute(self._statements.key).fetchall()

    def _prepare(self, connection: BoundedConnection) -> None:
        """Set what holds for a connection, whatever the defaults of the database are."""
        settings = {
            "statement_timeout": str(self._timeouts.statement_ms),
            "idle_in_transaction_session_timeout": str(self._timeouts.statement_ms),
            "default_transaction_isolation": "read committed",
            "default_transaction_read_only": "on" if self._read_only else "off",
        }
        level = sql.SQL(_SYNCHRONOUS_COMMIT[self._durability])
        [(fsync, *_)] = connection.execute(
            sql.SQL(
                "SELECT current_setting('fsync'), set_config('synchronous_commit', {}, false), {}"
            ).format(
                level,
                sql.SQL(", ").join(
                    sql.SQL("set_config({}, {}, false)").format(*held) for held in settings.items()
                ),
            )
        ).fetchall()
        if fsync == "off" and self._durability == "power_loss":
            raise JournalError(
                f"The journal {self.name} must be on a server with fsync = on to survive a power "
                "loss. Got off; set it in postgresql.conf, or durability to 'process_kill'"
            )

    def _appended(self, numbered: dict[int, Record], rows: list[tuple[object, ...]]) -> list[bool]:
        was_sent = False

        def append(connection: BoundedConnection, is_again: bool) -> set[int]:  # noqa: FBT001
            nonlocal was_sent
            was_sent = True
            written = self._inserted(connection, rows)
            if len(written) < len(rows) and (is_again or self._unsettled):
                written |= self._settled(connection, numbered)
            return written

        try:
            written = self._link.ask(append, "written")
        except JournalError:
            if was_sent:
                self._leave_unsettled(numbered)
            raise
        for number in written:
            self._unsettled.pop(number, None)
        return [number in written for number in numbered]

    def _inserted(self, connection: BoundedConnection, rows: list[tuple[object, ...]]) -> set[int]:
        starts = range(0, len(rows), _STATEMENT_RECORDS)
        parts = [rows[start : start + _STATEMENT_RECORDS] for start in starts]
        if len(parts) == 1:
            return self._inserted_part(connection, parts[0])
        with connection.transaction():
            return {number for part in parts for number in self._inserted_part(connection, part)}

    def _inserted_part(
        self, connection: BoundedConnection, rows: list[tuple[object, ...]]
    ) -> set[int]:
        statement = self._statements.insertion(len(rows))
        values = [value for row in rows for value in row]
        return {number for (number,) in connection.execute(statement, values).fetchall()}

    def _settled(self, connection: BoundedConnection, numbered: dict[int, Record]) -> set[int]:
        """Return the numbers of these records that are there though no answer told so."""
        outcomes = {
            record.outcome_id.encode(): (number, record)
            for number, record in reversed(numbered.items())
            if isinstance(record, OutcomeRecord)
        }
        found = connection.execute(
            self._statements.of_writer, (self._writer, list(numbered), list(outcomes))
        ).fetchall()
        there: set[int] = set()
        for number, outcome_id in found:
            if number in numbered:
                there.add(number)
                continue
            # An earlier append of this writer that nobody was told about: it counts as this one.
            earlier = self._unsettled.get(number)
            again, record = outcomes[bytes(outcome_id)]
            if earlier is not None and _says_the_same(earlier, record):
                del self._unsettled[number]
                there.add(again)
        return there

    def _leave_unsettled(self, numbered: dict[int, Record]) -> None:
        for number, record in numbered.items():
            if isinstance(record, OutcomeRecord):
                self._unsettled[number] = record
        while len(self._unsettled) > _UNSETTLED_MAX:
            del self._unsettled[next(iter(self._unsettled))]

    def _writability(
        self,
        connection: BoundedConnection,
        is_again: bool,  # noqa: ARG002, FBT001 - reads only
    ) -> list[tuple[Any, ...]]:
        table = self._statements.table.as_string(connection)
        found = connection.execute(_WRITABILITY, (table,)).fetchall()
        if found == [(False, True)]:
            # As an append does: another writer that holds its turn too long is told.
            connection.execute(
                "SELECT pg_advisory_xact_lock(%s, %s::regclass::integer)", (TURN_LOCK, table)
            )
        return found

    def _pages(self, newest: int) -> Iterator[Record]:
        sequence = 0
        while sequence < newest:
            rows = self._rows(self._statements.page, (sequence, newest, _PAGE_RECORDS))
            if not rows:
                return
            for row in rows:
                yield record_of(row_of(row), self.name)
            sequence = rows[-1][0]


def _says_the_same(one: OutcomeRecord, other: OutcomeRecord) -> bool:
    return (one.transaction_id, one.outcome) == (other.transaction_id, other.outcome)


def _bytes_of(identifier: str, name: str) -> bytes:
    try:
        return identifier.encode()
    except UnicodeEncodeError as error:
        raise JournalError(
            f"The journal {name} cannot be read: {error}; identifiers must be valid Unicode"
        ) from error
