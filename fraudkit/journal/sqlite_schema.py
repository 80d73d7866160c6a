"""The tables of the SQLite journal, and how those of an older version are brought up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from fraudkit.errors import JournalError

__all__ = ["SCHEMA_VERSION", "bring_up_to_date", "check_schema"]

SCHEMA_VERSION: Final = 2
"""The version of the tables, in the file's ``user_version``."""

_OLDEST_READ: Final = 1

_ONCE: Final = """
CREATE UNIQUE INDEX record_by_decided ON record (transaction_id) WHERE kind = 'decision'{since};
CREATE INDEX record_by_told ON record (transaction_id) WHERE kind = 'outcome';
"""

_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('decision', 'outcome')),
    transaction_id TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    outcome_id TEXT,
    outcome BLOB,
    event_time_ms INTEGER,
    amount_minor INTEGER,
    entities TEXT,
    request_digest BLOB,
    features_version TEXT,
    features BLOB,
    decision BLOB,
    CHECK ((kind = 'outcome') = (outcome_id IS NOT NULL AND outcome IS NOT NULL)),
    CHECK ((kind = 'decision') = (decision IS NOT NULL AND features IS NOT NULL))
) STRICT;
{_ONCE.format(since="")}
CREATE UNIQUE INDEX record_by_outcome_id ON record (outcome_id) WHERE outcome_id IS NOT NULL;
CREATE TRIGGER record_is_never_changed BEFORE UPDATE ON record
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER record_is_never_removed BEFORE DELETE ON record
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_MANY_DECISIONS: Final = """
SELECT 1 FROM record WHERE kind = 'decision' GROUP BY transaction_id HAVING count(*) > 1 LIMIT 1
"""


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty file; index those of version 1, whose decisions all stay."""
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if objects == 0 and version == 0:
        connection.executescript(_TABLES)
    elif version == 1:
        connection.executescript(_from_version_1(connection))


def check_schema(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    """Raise `JournalError` if the file holds the tables of another version.

    Version 1 has the same tables, and may be read.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION and not (read_only and version == _OLDEST_READ):
        raise JournalError(
            f"The journal {path} must have schema version {SCHEMA_VERSION}. Got {version}: it was "
            "written by another version of fraudkit, or is another program's database"
        )


def _from_version_1(connection: sqlite3.Connection) -> str:
    """Return what makes version 2: a transaction is decided once from here on."""
    once = "DROP INDEX record_by_transaction_id;" + _ONCE.format(since="")
    if connection.execute(_MANY_DECISIONS).fetchone() is not None:
        (newest,) = connection.execute("SELECT max(sequence) FROM record").fetchone()
        once = _ONCE.format(since=f" AND sequence > {newest}")
    return f"BEGIN IMMEDIATE; {once} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
