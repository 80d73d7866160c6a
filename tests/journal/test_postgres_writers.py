"""Several writers of one PostgreSQL journal: one order, and nothing lost or twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from fraudkit.errors import JournalError
from fraudkit.journal.postgres import PostgresJournal
from fraudkit.journal.postgres_link import PostgresTimeouts
from fraudkit.journal.record import OutcomeRecord, Record
from tests.journal.postgres_server import PostgresServer
from tests.journal.records import decision, outcome


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def journal(url: str) -> Iterator[PostgresJournal]:
    with PostgresJournal(url, timeouts=PostgresTimeouts(statement_ms=5000)) as opened:
        yield opened


def names_of(journal: PostgresJournal) -> list[str]:
    return [record.transaction_id for record in journal.records()]


def insert(connection: psycopg.Connection[Any], transaction_id: str, number: int) -> None:
    connection.execute(
        "INSERT INTO fraudkit.record (writer, number, kind, transaction_id, received_at_ms, "
        "features, decision, entities, features_version, request_digest) "
        "VALUES (0, %s, 'decision', %s, 0, '', '', '{}', '', '')",
        (number, transaction_id.encode()),
    )


def test_a_record_never_appears_before_one_that_could_be_seen(
    url: str, journal: PostgresJournal
) -> None:
    with psycopg.connect(url) as slow:
        insert(slow, "first", 1)
        appending = threading.Thread(target=journal.append, args=(decision("last"),))
        appending.start()
        with PostgresJournal.open_readonly(url) as reader:
            wait_for_a_waiting_backend(url)
            assert names_of(reader) == []
            insert(slow, "second", 2)
            slow.commit()
            appending.join()
            assert names_of(reader) == ["first", "second", "last"]


def wait_for_a_waiting_backend(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as watcher:
        for _ in range(500):
            waiting = watcher.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone()
            if waiting is not None:
                return
            time.sleep(0.01)
    raise AssertionError("the append did not wait for its turn")


def test_a_writer_that_holds_its_turn_too_long_is_an_error_and_nothing_is_written(
    url: str, journal: PostgresJournal
) -> None:
    with (
        psycopg.connect(url) as stuck,
        PostgresJournal(url, timeouts=PostgresTimeouts(statement_ms=100)) as hasty,
    ):
        insert(stuck, "stuck", 1)
        for attempt in (lambda: hasty.append(decision()), hasty.check_writable):
            with pytest.raises(JournalError, match=r"longer than statement_timeout_ms"):
                attempt()
        stuck.rollback()
        assert names_of(journal) == []
        hasty.check_writable()
        assert hasty.append(decision()) is True


WRITER = """
import sys
from fraudkit.journal.postgres import PostgresJournal, PostgresTimeouts
from tests.journal.records import decision, outcome

timeouts = PostgresTimeouts(connect_ms=20_000, statement_ms=20_000)
with PostgresJournal(sys.argv[1], timeouts=timeouts) as journal:
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(300):
        name = f"{sys.argv[2]}-{number}"
        if number % 10 == 0:
            told = journal.append_many([decision(name), outcome(f"o-{number}"), decision(name)])[1]
        else:
            journal.append(decision(name))
            told = journal.append(outcome(f"o-{number}"))
        print(told, flush=True)
"""


def test_processes_that_write_at_once_lose_nothing_and_agree_on_one_order(
    url: str, journal: PostgresJournal
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    seen: list[list[Record]] = []
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    while any(writer.poll() is None for writer in writers):
        seen.append(list(journal.records()))
        time.sleep(0.01)
    told = [writer.communicate()[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    records = list(journal.records())
    assert all(part == records[: len(part)] for part in seen)
    assert len({len(part) for part in seen}) > 2
    assert [sum(line[number] == "True" for line in told) for number in range(300)] == [1] * 300
    assert Counter(
        record.outcome_id for record in records if isinstance(record, OutcomeRecord)
    ) == {f"o-{number}": 1 for number in range(300)}
    for name in ("a", "b", "c"):
        own = [record.transaction_id for record in records if record.transaction_id[0] == name]
        assert own == [f"{name}-{number}" for number in range(300)]


Inserted = Callable[..., set[int]]


def lose_the_answers(
    monkeypatch: pytest.MonkeyPatch, journal: PostgresJournal, n_lost: int, *, is_written: bool
) -> None:
    """Break the connection of the next appends, after they were written or before."""
    insert_rows: Inserted = journal._inserted
    left = [n_lost]

    def inserted(connection: psycopg.Connection[Any], rows: list[tuple[object, ...]]) -> set[int]:
        if not left[0]:
            return insert_rows(connection, rows)
        left[0] -= 1
        if is_written:
            insert_rows(connection, rows)
        connection.close()
        raise psycopg.OperationalError("the connection was lost")

    monkeypatch.setattr(journal, "_inserted", inserted)


@pytest.mark.parametrize("is_written", [True, False])
def test_an_append_whose_connection_breaks_stands_once(
    monkeypatch: pytest.MonkeyPatch,
    journal: PostgresJournal,
    is_written: bool,  # noqa: FBT001
) -> None:
    group = [decision(), outcome("o-1"), outcome("o-2"), outcome("o-1"), decision()]
    journal.append(outcome("o-2", transaction_id="another"))
    lose_the_answers(monkeypatch, journal, 1, is_written=is_written)
    assert journal.append_many(group) == [True, True, False, False, False]
    assert list(journal.records())[1:] == group[:2]
    lose_the_answers(monkeypatch, journal, 1, is_written=is_written)
    assert journal.append(decision("t-3")) is True
    assert names_of(journal).count("t-3") == 1


@pytest.mark.parametrize("is_written", [True, False])
def test_an_outcome_that_was_written_without_an_answer_is_new_to_who_appends_it_again(
    monkeypatch: pytest.MonkeyPatch,
    journal: PostgresJournal,
    is_written: bool,  # noqa: FBT001
) -> None:
    lose_the_answers(monkeypatch, journal, 2, is_written=is_written)
    with pytest.raises(JournalError, match=r"cannot be written: the connection was lost"):
        journal.append(outcome())
    assert len(names_of(journal)) == is_written
    if is_written:
        other = OutcomeRecord(
            outcome_id="o-1", transaction_id="t-1", received_at_ms=2, outcome=b"[]"
        )
        assert journal.append(other) is False
    assert journal.append_many([outcome(), outcome()]) == [True, False]
    assert journal.append(outcome()) is False
    assert names_of(journal) == ["t-1"]


def test_a_long_group_whose_connection_breaks_between_two_statements_stands_once(
    monkeypatch: pytest.MonkeyPatch, journal: PostgresJournal
) -> None:
    insert_part = journal._inserted_part
    calls: list[int] = []

    def inserted_part(connection: Any, rows: list[tuple[object, ...]]) -> set[int]:
        calls.append(len(rows))
        if len(calls) == 2:
            connection.close()
        return insert_part(connection, rows)

    monkeypatch.setattr(journal, "_inserted_part", inserted_part)
    written = [outcome(f"o-{number}") for number in range(700)]
    assert journal.append_many(written) == [True] * 700
    assert list(journal.records()) == written
    assert calls == [512, 188, 512, 188]


def test_an_outcome_of_another_writer_is_not_new(
    monkeypatch: pytest.MonkeyPatch, url: str, journal: PostgresJournal
) -> None:
    with PostgresJournal(url) as other:
        assert other.append(outcome()) is True
    lose_the_answers(monkeypatch, journal, 2, is_written=False)
    with pytest.raises(JournalError):
        journal.append(outcome())
    assert journal.append(outcome()) is False


def test_a_connection_that_the_server_ended_is_opened_again(
    url: str, journal: PostgresJournal
) -> None:
    for call in (
        lambda: journal.append(decision()),
        lambda: journal.last_decision("t-1"),
        journal.check_writable,
    ):
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        call()
    assert list(journal.records()) == [decision()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_stops_and_starts_again_has_lost_nothing(
    own_postgres: PostgresServer, how: signal.Signals
) -> None:
    url = own_postgres.new_database()
    with PostgresJournal(url, durability="power_loss") as journal:
        for number in range(200):
            journal.append(decision(f"t-{number}"))
        own_postgres.stop(how)
        for attempt in (lambda: journal.append(decision("lost")), lambda: names_of(journal)):
            with pytest.raises(JournalError, match=r"see that the server runs"):
                attempt()
        own_postgres.start()
        assert names_of(journal) == [f"t-{number}" for number in range(200)]
        own_postgres.stop()
        own_postgres.start()
        assert journal.append(decision("later")) is True
        assert names_of(journal)[200:] == ["later"]


def test_a_server_that_does_not_answer_is_given_up_and_found_again(
    url: str, journal: PostgresJournal
) -> None:
    del journal
    timeouts = PostgresTimeouts(connect_ms=500, statement_ms=200)
    with PostgresJournal(url, timeouts=timeouts) as hasty:
        frozen = hasty._rows(b"SELECT pg_backend_pid()", ())[0][0]  # type: ignore[arg-type]
        os.kill(frozen, signal.SIGSTOP)
        try:
            started_s = time.monotonic()
            with pytest.raises(JournalError, match=r"cannot be written"):
                hasty.append(outcome())
            assert time.monotonic() - started_s < 10
        finally:
            os.kill(frozen, signal.SIGCONT)
        # The server may do it yet; whichever comes first, it stands once and was new.
        assert hasty.append(outcome()) is True
        assert hasty.append(outcome()) is False
        assert len(names_of(hasty)) == 1


def test_a_killed_writer_keeps_nobody_waiting(url: str, journal: PostgresJournal) -> None:
    program = (
        "import psycopg, sys\n"
        "connection = psycopg.connect(sys.argv[1])\n"
        'connection.execute("SELECT pg_advisory_xact_lock(1718841965, '
        "'fraudkit.record'::regclass::integer)\")\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            PostgresJournal(url, timeouts=PostgresTimeouts(statement_ms=100)) as hasty,
            pytest.raises(JournalError, match=r"longer than"),
        ):
            hasty.append(decision())
        holder.kill()
    assert journal.append(decision()) is True
