"""An erasure has its rows in the audit log: before, and after with the counts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from fraudkit.access import read_audit
from fraudkit.access.erasures import erase_customer
from fraudkit.erasure import Erased, Erasure
from fraudkit.errors import InputError, JournalError, StoreError
from fraudkit.features.catalog import default_features
from fraudkit.features.entity_key import entity_key
from fraudkit.features.keys import IdentifierHash
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal

HASH = IdentifierHash(b"k" * 16)
FEATURES = default_features()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.sqlite3") as opened:
        opened.append(
            DecisionRecord(
                transaction_id="t-1",
                received_at_ms=1,
                event_time_ms=1,
                amount_minor=1,
                entities={"account": entity_key(FEATURES, "account", ["erika"], HASH)},
                request_digest=b"",
                features_version="",
                features=b"",
                decision=b"{}",
            )
        )
        yield opened


def erased(journal: SqliteJournal, audit: Path, entity: str = "account") -> Erased:
    clock = count(5)
    erasure = Erasure(journal, FEATURES, HASH, lambda: None)
    return erase_customer(
        erasure, entity, ["erika"], audit=audit, by="ann", now_ms=lambda: next(clock)
    )


def test_a_row_before_and_one_after_with_the_counts(journal: SqliteJournal, tmp_path: Path) -> None:
    audit = tmp_path / "audit.ndjson"
    assert erased(journal, audit) == Erased(orders=1)
    begun, ended = read_audit(audit)
    assert (begun.at_ms, begun.action, begun.by) == (5, "erasures.begin", "ann")
    assert (ended.at_ms, ended.action, ended.by) == (6, "erasures.end", "ann")
    assert begun.details == {"entity": "account"}
    assert ended.details == {"entity": "account", "orders": 1, "outcomes": 0}
    assert begun.subject == ended.subject
    assert "erika" not in audit.read_text()


def test_without_a_row_nothing_is_erased(journal: SqliteJournal, tmp_path: Path) -> None:
    (tmp_path / "audit.ndjson").mkdir()
    with pytest.raises(StoreError, match=r"audit\.ndjson cannot be written"):
        erased(journal, tmp_path / "audit.ndjson")
    assert journal.last_decision("t-1") is not None


def test_one_that_names_nobody_has_no_row_and_one_that_fails_no_end(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.ndjson"
    with pytest.raises(InputError):
        erased(journal, audit, "nobody")
    assert read_audit(audit) == ()
    journal.close()
    with pytest.raises(JournalError):
        erased(journal, audit)
    assert [row.action for row in read_audit(audit)] == ["erasures.begin"]
