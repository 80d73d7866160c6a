"""The tables of the PostgreSQL journal: numbered migrations, applied one writer at a time."""

from __future__ import annotations

from typing import Final

from psycopg import sql

from fraudkit.errors import JournalError
from fraudkit.journal.postgres_link import BoundedConnection

__all__ = ["MIGRATIONS", "TURN_LOCK", "bring_up_to_date"]

TURN_LOCK: Final = 1_718_841_965
"""The first half of the key of the lock under which records get their numbers."""

_MIGRATION_LOCK: Final = 1_718_841_966
_MIGRATION_TIMEOUT_MS: Final = 60_000

_RECORDS: Final = """
CREATE SEQUENCE {schema}.writer;

-- Identifiers are the bytes of their UTF-8, because PostgreSQL's text cannot hold U+0000.
CREATE TABLE {schema}.record (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    writer bigint NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('decision', 'outcome')),
    transaction_id bytea NOT NULL,
    received_at_ms bigint NOT NULL,
    outcome_id bytea,
    outcome bytea,
    event_time_ms bigint,
    amount_minor bigint,
    entities bytea,
    request_digest bytea,
    features_version bytea,
    features bytea,
    decision bytea,
    CONSTRAINT record_by_writer UNIQUE (writer, number),
    CHECK ((kind = 'outcome') = (outcome_id IS NOT NULL AND outcome IS NOT NULL)),
    CHECK ((kind = 'decision') = (decision IS NOT NULL AND features IS NOT NULL))
);
CREATE TABLE {schema}.hash_key (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    fingerprint bytea NOT NULL
);
CREATE INDEX record_by_transaction_id ON {schema}.record (transaction_id, sequence)
    WHERE kind = 'decision';
CREATE UNIQUE INDEX record_by_outcome_id ON {schema}.record (outcome_id)
    WHERE outcome_id IS NOT NULL;

-- A number is drawn before its row can be seen, so without this a record could appear below one
-- that a reader has passed already. The lock is taken before the first number of a transaction is
-- drawn and given back after its commit can be seen: the order of numbers is that of commits.
CREATE FUNCTION {schema}.wait_for_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock({turn_lock}, TG_RELID::integer);
    RETURN NULL;
END $$;
CREATE TRIGGER record_waits_for_its_turn BEFORE INSERT ON {schema}.record
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.wait_for_turn();

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER record_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.record
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
"""

# Of decisions that were written before, each stays.
_DECIDED_ONCE: Final = """
DO $$
DECLARE since bigint;
BEGIN
    LOCK TABLE {schema}.record IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM {schema}.record WHERE kind = 'decision'
               GROUP BY transaction_id HAVING count(*) > 1) THEN
        SELECT max(sequence) INTO since FROM {schema}.record;
        EXECUTE $sql$CREATE UNIQUE INDEX record_by_decided ON {schema}.record (transaction_id)
                     WHERE kind = 'decision' AND sequence > $sql$ || since;
    ELSE
        DROP INDEX {schema}.record_by_transaction_id;
        CREATE UNIQUE INDEX record_by_decided ON {schema}.record (transaction_id)
            WHERE kind = 'decision';
    END IF;
END $$;
CREATE INDEX record_by_told ON {schema}.record (transaction_id) WHERE kind = 'outcome';
"""

MIGRATIONS: Final[tuple[str, ...]] = (_RECORDS, _DECIDED_ONCE)
"""Statements with ``{schema}``; the version of a schema is how many of them it has had."""

_CREATE_VERSIONS: Final = """
CREATE TABLE {schema}.schema_version (
    version integer PRIMARY KEY CHECK (version > 0),
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def bring_up_to_date(
    connection: BoundedConnection,
    schema: str,
    *,
    name: str,
    migrate: bool,
    migrations: tuple[str, ...] | None = None,
) -> int:
    """Apply the migrations that a schema has not had; return its version.

    All of them or none, and one process at a time: another that comes meanwhile waits, at most a
    minute, and finds them done.

    Parameters
    ----------
    connection : BoundedConnection
        In autocommit mode.
    schema : str
        The namespace of the tables; made if it is missing.
    name : str
        What errors call the journal.
    migrate : bool
        Whether the schema may be changed; otherwise an old one is refused.
    migrations : tuple of str, optional
        `MIGRATIONS` if not given.

    Raises
    ------
    fraudkit.errors.JournalError
        If the schema is newer than the migrations, or older and ``migrate`` is not set.
    psycopg.Error
        If the database refuses.
    """
    known = MIGRATIONS if migrations is None else migrations
    version = _version(connection, schema)
    if version < len(known) and migrate:
        version = _migrate(connection, schema, known)
    if version < len(known):
        raise JournalError(
            f"The journal {name} must have schema version {len(known)}. Got {version}; run "
            "fraudkit journal migrate with a user that may create tables in it"
        )
    if version > len(known):
        raise JournalError(
            f"The journal {name} must have schema version {len(known)}. Got {version}: a newer "
            "fraudkit made it; install that version here"
        )
    return version


def _version(connection: BoundedConnection, schema: str) -> int:
    """Return how many migrations the schema has had; 0 where there is none."""
    # Not to_regclass: it may answer from what was so before the wait for the lock.
    found = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'schema_version'", (schema,)
    )
    if found.fetchone() is None:
        return 0
    table = sql.Identifier(schema, "schema_version")
    newest = sql.SQL("SELECT coalesce(max(version), 0) FROM {table}").format(table=table)
    [(version,)] = connection.execute(newest).fetchall()
    return int(version)


def _migrate(connection: BoundedConnection, schema: str, known: tuple[str, ...]) -> int:
    namespace = sql.Identifier(schema)
    with connection.waiting_for(_MIGRATION_TIMEOUT_MS / 1000 + 1), connection.transaction():
        connection.execute(
            "SELECT set_config('statement_timeout', %s, true)", (str(_MIGRATION_TIMEOUT_MS),)
        )
        connection.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_MIGRATION_LOCK, schema)
        )
        version = _version(connection, schema)
        if version == 0:
            _make_namespace(connection, schema)
            connection.execute(sql.SQL(_CREATE_VERSIONS).format(schema=namespace))
        for number, statements in enumerate(known[version:], start=version + 1):
            connection.execute(_filled_in(statements, namespace))
            connection.execute(
                sql.SQL("INSERT INTO {schema}.schema_version (version) VALUES ({number})").format(
                    schema=namespace, number=sql.Literal(number)
                )
            )
    return max(version, len(known))


def _make_namespace(connection: BoundedConnection, schema: str) -> None:
    # CREATE SCHEMA IF NOT EXISTS asks for the right to create even where there is nothing to do.
    found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,))
    if found.fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def _filled_in(statements: str, namespace: sql.Identifier) -> sql.Composed:
    return sql.SQL(statements).format(schema=namespace, turn_lock=sql.Literal(TURN_LOCK))
