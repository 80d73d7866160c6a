"""Every journal: what is erased is gone, all else stands, and nothing else can remove."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraudkit.errors import JournalError
from fraudkit.journal import checkpoints
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.journal.sqlite import SqliteJournal
from tests.journal.conftest import Place
from tests.journal.records import decision, outcome

if TYPE_CHECKING:
    from tests.journal.postgres_server import PostgresServer

PROPERTY = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Few ids, names and hashes, so that records have them in common; one name and hash begin another.
IDS = st.sampled_from(["a", "b", "c", "\0", "é"])
DECIDED = st.builds(
    lambda transaction_id, at_ms, entities: msgspec.structs.replace(
        decision(transaction_id, received_at_ms=at_ms), entities=entities
    ),
    IDS,
    st.integers(0, 6),
    st.dictionaries(st.sampled_from(["card", "a card", '"']), st.sampled_from([1, 12, -1, 2**63])),
)
TOLD = st.builds(
    lambda outcome_id, transaction_id, at_ms: msgspec.structs.replace(
        outcome(outcome_id, transaction_id=transaction_id), received_at_ms=at_ms
    ),
    st.text(max_size=3),
    IDS,
    st.integers(0, 6),
)
WRITTEN = st.lists(DECIDED | TOLD, max_size=12)


def is_decision(record: Record) -> bool:
    return isinstance(record, DecisionRecord)


@PROPERTY
@given(written=WRITTEN)
def test_decisions_are_found_by_hash_and_outcomes_by_transaction(
    place: Place, written: list[Record]
) -> None:
    with place.open_new() as journal:
        journal.append_many(written)
        held = list(journal.records())
        for entity in ("card", "a card", '"', "nobody"):
            for key in (1, 12, -1, 2**63, 2):
                assert list(journal.decisions_of(entity, key)) == [
                    record
                    for record in held
                    if isinstance(record, DecisionRecord) and record.entities.get(entity) == key
                ]
        for sought in ([], ["a"], ["\0", "é", "a", "a"]):
            assert ids_of(journal.outcomes_of(sought)) == ids_of(
                record
                for record in held
                if not is_decision(record) and record.transaction_id in sought
            )


def ids_of(outcomes: Any) -> list[str]:
    return sorted(held.outcome_id for held in outcomes)


@PROPERTY
@given(written=WRITTEN, before_ms=st.integers(0, 7), limit=st.integers(1, 13))
def test_the_oldest_expire_and_an_outcome_not_before_its_decision(
    place: Place, written: list[Record], before_ms: int, limit: int
) -> None:
    with place.open_new() as journal:
        journal.append_many(written)
        held = list(journal.records())
        places = [
            number
            for number, record in enumerate(held)
            if is_decision(record) and record.received_at_ms >= before_ms
        ]
        still_kept = {held[number].transaction_id for number in places}
        expired = [
            record
            for record in held[: min(places, default=len(held))]
            if record.received_at_ms < before_ms
            and (is_decision(record) or record.transaction_id not in still_kept)
        ]
        assert journal.expired(before_ms, limit) == expired[:limit]


@PROPERTY
@given(written=WRITTEN, erased=WRITTEN, data=st.data())
def test_what_is_erased_is_gone_and_all_else_stands(
    place: Place, written: list[Record], erased: list[Record], data: st.DataObject
) -> None:
    if written:
        erased += data.draw(st.lists(st.sampled_from(written)))
    decided = {record.transaction_id for record in erased if is_decision(record)}
    told = {record.outcome_id for record in erased if isinstance(record, OutcomeRecord)}
    with place.open_new() as journal:
        journal.append_many(written)
        held = list(journal.records())
        left = [
            record
            for record in held
            if (
                record.transaction_id not in decided
                if isinstance(record, DecisionRecord)
                else record.outcome_id not in told
            )
        ]
        assert journal.erase(erased) == len(held) - len(left)
        assert list(journal.records()) == left
        assert journal.erase(erased) == 0
        journal.scrub()
        assert list(journal.records()) == left
        for transaction_id in decided:
            assert journal.last_decision(transaction_id) is None
        # What was erased may come again, as if it had never been there.
        assert all(journal.append_many(erased[:1]))


def test_pages_are_walked_from_the_first_record_that_is_left_to_the_last(journal: Any) -> None:
    written = [decision(f"t-{number}") for number in range(5_000)]
    journal.append_many([*written, outcome(), outcome("o-2", transaction_id="t-4999")])
    journal.erase(written[:300])
    assert list(journal.decisions_of("card", 2**64 - 1)) == written[300:]
    assert ids_of(journal.outcomes_of(["t-1", "t-4999"])) == ["o-1", "o-2"]
    found = journal.decisions_of("card", 2**64 - 1)
    assert next(found) == written[300]
    journal.append(decision("later"))
    assert [record.transaction_id for record in found][-1] == "t-4999"


def test_an_erasure_that_fails_removes_nothing(journal: Any) -> None:
    journal.append_many([decision(), outcome()])
    with pytest.raises(JournalError):
        journal.erase([decision(), outcome(), decision("\ud800")])
    assert list(journal.records()) == [decision(), outcome()]
    assert journal.erase([decision(), outcome()]) == 2


def test_a_journal_that_is_only_read_or_closed_is_not_erased_from(
    place: Place, journal: Any
) -> None:
    journal.append(decision())
    with (
        place.open(read_only=True) as reader,
        pytest.raises(JournalError, match="cannot be written"),
    ):
        reader.erase([decision()])
    assert list(journal.records()) == [decision()]
    journal.close()
    with pytest.raises(JournalError, match="closed database"):
        journal.erase([decision()])


def test_only_an_erasure_removes(place: Place, journal: Any) -> None:
    """The guard stands again after an erasure, and after one that failed."""
    journal.append_many([decision(), decision("t-2")])
    journal.erase([decision()])
    with pytest.raises(JournalError):
        journal.erase([decision("t-2"), decision("\ud800")])
    if place.database == "sqlite":
        with closing(sqlite3.connect(place.held)) as connection:
            for statement in ("DELETE FROM record", "UPDATE record SET transaction_id = 'x'"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(statement)
    else:
        import psycopg

        table = psycopg.sql.Identifier(str(place.held), "record")
        statement = psycopg.sql.SQL("DELETE FROM {}").format(table)
        with psycopg.connect(place.database) as connection, pytest.raises(psycopg.Error) as raised:
            connection.execute(statement)
        assert "append-only" in str(raised.value)
    assert list(journal.records()) == [decision("t-2")]


def test_nothing_of_what_was_erased_is_left_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    secrets = [b"the-transaction", b"7340123401234012340", b"a-decision", b"an-outcome", b"A-ROW-"]
    erased = [
        msgspec.structs.replace(
            decision(f"the-transaction-{number}"),
            entities={"card": 7340123401234012340},
            features=b"A-ROW-" * 50,
            decision=b"a-decision" * 30 * number,  # also longer than a page
        )
        for number in range(1, 41)
    ]
    told = [
        msgspec.structs.replace(
            outcome(f"an-outcome-{number}", transaction_id=f"the-transaction-{number}"),
            outcome=b"an-outcome" * 10,
        )
        for number in range(1, 41)
    ]
    with SqliteJournal(path) as journal:
        for number, pair in enumerate(zip(erased, told, strict=True)):
            journal.append_many([*pair, decision(f"other-{number}"), outcome(f"other-{number}")])
        assert all(secret in bytes_in(tmp_path) for secret in secrets)
        others = [record for record in journal.records() if record not in [*erased, *told]]
        journal.erase([*erased, *told])
        journal.scrub()
        assert [secret for secret in secrets if secret in bytes_in(tmp_path)] == []
        assert list(journal.records()) == others


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_a_log_that_a_reader_holds_is_told_and_emptied_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fraudkit.journal.sqlite_erasing._SCRUBS_MAX", 2)
    path = tmp_path / "journal.sqlite3"
    with SqliteJournal(path) as journal:
        journal.append(decision("the-transaction"))
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM record").fetchall()
            journal.erase([decision("the-transaction")])
            with pytest.raises(JournalError, match="end the programs that read the journal"):
                journal.scrub()
        journal.append(decision("t-2"))
        journal.scrub()
        assert b"the-transaction" not in bytes_in(tmp_path)
        assert list(journal.records()) == [decision("t-2")]


def test_who_does_not_own_the_table_is_told_who_may(postgres: PostgresServer) -> None:
    from fraudkit.journal.postgres import PostgresJournal

    url = postgres.new_database()
    name = url.split("/")[3].split("?")[0]
    with PostgresJournal(url) as journal:
        journal.append(decision())
    postgres.execute("CREATE ROLE only_serves LOGIN")
    for grant in (
        "GRANT USAGE ON SCHEMA fraudkit TO only_serves",
        "GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA fraudkit TO only_serves",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA fraudkit TO only_serves",
    ):
        postgres.execute(grant, name)
    with PostgresJournal(url.replace("owner@", "only_serves@")) as journal:
        with pytest.raises(JournalError, match="by the owner of the table"):
            journal.erase([decision()])
        assert list(journal.records()) == [decision()]


def test_a_log_that_is_held_is_emptied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_INTERVAL_S", 0.01)
    with SqliteJournal(tmp_path / "journal") as journal:
        for number in range(40):
            journal.append(decision(f"t-{number}"))
            time.sleep(0.005)
        assert any(reader.in_transaction for reader in held_by(journal))
        journal.scrub()
        assert (tmp_path / "journal-wal").stat().st_size == 0


def held_by(journal: SqliteJournal) -> list[sqlite3.Connection]:
    assert journal._checkpoints is not None
    return journal._checkpoints._readers
