"""A journal of an older version: its decisions stay, and each transaction is decided once more."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fraudkit.errors import JournalError
from fraudkit.journal.sqlite import SqliteJournal
from tests.journal.records import decision, outcome

VERSION_1 = """
DROP INDEX record_by_decided;
DROP INDEX record_by_told;
CREATE INDEX record_by_transaction_id ON record (transaction_id);
PRAGMA user_version = 1;
"""


def made_by_version_1(path: Path, *transaction_ids: str) -> None:
    SqliteJournal(path).close()
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    with SqliteJournal.open_readonly(path) as journal:
        assert list(journal.records()) == []
    connection = sqlite3.connect(path)
    for transaction_id in transaction_ids:
        connection.execute(
            "INSERT INTO record (kind, transaction_id, received_at_ms, event_time_ms, entities, "
            "request_digest, features_version, features, decision) "
            "VALUES ('decision', ?, 7, 0, '{}', x'', '', x'', x'')",
            (transaction_id,),
        )
    connection.commit()
    connection.close()


@pytest.mark.parametrize("before", [(), ("t-1", "t-2"), ("t-1", "t-2", "t-1")])
def test_decisions_of_version_1_stay_and_the_next_count_once(
    tmp_path: Path, before: tuple[str, ...]
) -> None:
    path = tmp_path / "journal"
    made_by_version_1(path, *before)
    for is_first in (True, False):
        with SqliteJournal(path) as journal:
            assert journal.append(decision("new")) is is_first
            assert journal.append(outcome("o-1", transaction_id="t-1")) is is_first
            held = [record.transaction_id for record in journal.records()]
            assert held == [*before, "new", "t-1"]
            assert journal.last_decision("new") == decision("new")


def test_of_a_transaction_that_version_1_decided_once_that_decision_stands(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    made_by_version_1(path, "t-1")
    with SqliteJournal(path) as journal:
        assert journal.append(decision("t-1")) is False


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    made_by_version_1(path, "t-1")
    connection = sqlite3.connect(path)
    connection.execute("CREATE INDEX record_by_told ON record (kind)")
    connection.close()
    for _ in range(2):
        with pytest.raises(JournalError, match=r"already exists"):
            SqliteJournal(path)
    with SqliteJournal.open_readonly(path) as journal:
        assert len(list(journal.records())) == 1
