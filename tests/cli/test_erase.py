"""``fraudkit erase`` on the data folder of a stopped service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from fraudkit.access import read_audit
from fraudkit.domain.transaction import Account, Email, Order, Transaction
from fraudkit.engine import Engine
from fraudkit.journal.spool import Spool
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.stores.memory import MemoryStore
from fraudkit.stores.redis import RedisStore
from tests.architecture.files import ROOT
from tests.cli.conftest import Run
from tests.journal.postgres_server import postgres_server, why_none
from tests.stores.redis_server import BINARY, RedisServer, redis_server

BUNDLE = ROOT / "models" / "current"
KEY = b"k" * 32
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "FRAUDKIT_JOURNAL_URL",
        "FRAUDKIT_STORE_URL",
        "FRAUDKIT_SPOOL_DIR",
        "FRAUDKIT_TRUSTED_KEYS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FRAUDKIT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FRAUDKIT_BUNDLE", str(BUNDLE))
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "hash.key").write_bytes(KEY)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def decide(journal: Any, store: Any = MemoryStore) -> None:
    """Decide two orders of one customer, and one of another."""
    with Engine.open(BUNDLE, journal=journal, store=store, hash_key=KEY) as engine:
        for number, user_id in enumerate(["a", "a", "b"]):
            transaction = Transaction(
                transaction_id=f"t-{number}",
                event_time=START + timedelta(minutes=number),
                order=Order(amount_minor=1000, currency="EUR"),
                account=Account(user_id=user_id),
                email=Email(address=f"{user_id}@example.com"),
            )
            engine.score(transaction)


def ids_in(data: Path) -> list[str]:
    with SqliteJournal.open_readonly(data / "journal.sqlite3") as journal:
        return [record.transaction_id for record in journal.records()]


def test_a_customer_is_counted_then_erased_then_gone(run: Run, data: Path) -> None:
    decide(SqliteJournal(data / "journal.sqlite3"))
    tried = run("erase", "email", "A@example.com", "--dry-run", "--json")
    assert (tried.status, tried.json["orders"], tried.json["dry_run"]) == (0, 2, True)
    assert ids_in(data) == ["t-0", "t-1", "t-2"]
    assert not (data / "audit.ndjson").exists()
    erased = run("erase", "email", "A@example.com", "--yes", "--by", "ann")
    assert (erased.status, erased.err) == (0, "")
    assert " 2 " in erased.out
    assert ids_in(data) == ["t-2"]
    begun, ended = read_audit(data / "audit.ndjson")
    assert (begun.action, ended.action, ended.by) == ("erasures.begin", "erasures.end", "ann")
    assert begun.subject in erased.out
    assert "example.com" not in (data / "audit.ndjson").read_text() + erased.out
    assert run("erase", "email", "a@example.com", "--yes", "--json").json["orders"] == 0
    again = run("explain", "t-0", "--journal", data / "journal.sqlite3", "--bundle", BUNDLE)
    assert (again.status, "ExplanationError" in again.err) == (2, True)
    again = run("replay", "t-0", "--journal", data / "journal.sqlite3", "--bundle", BUNDLE)
    assert (again.status, "ReplayError" in again.err) == (2, True)


@pytest.mark.parametrize(("said", "left"), [("n\n", 3), ("y\n", 1)])
def test_it_asks_before(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch, said: str, left: int
) -> None:
    decide(SqliteJournal(data / "journal.sqlite3"))
    monkeypatch.setattr("sys.stdin", StringIO(said))
    ran = run("erase", "account", "a")
    assert "Erase 2 orders and 0 outcomes for good?" in ran.err
    assert (ran.status == 0) is (left == 1)
    assert len(ids_in(data)) == left


def test_the_identifier_may_come_from_standard_input(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(SqliteJournal(data / "journal.sqlite3"))
    monkeypatch.setattr("sys.stdin", StringIO("a\n"))
    refused = run("erase", "account", "-")
    assert (refused.status, "--yes or --dry-run" in refused.err) == (2, True)
    monkeypatch.setattr("sys.stdin", StringIO("a\n"))
    assert run("erase", "account", "-", "--yes", "--json").json["orders"] == 2


def test_what_does_not_hold_is_told_and_nothing_is_made(run: Run, data: Path) -> None:
    missing = run("erase", "account", "a", "--yes")
    assert (missing.status, "must be the journal of the service" in missing.err) == (2, True)
    assert not (data / "journal.sqlite3").exists()
    journal = SqliteJournal(data / "journal.sqlite3")
    locked = run("erase", "account", "a", "--yes")
    journal.close()
    assert (locked.status, "or let the service erase, with --url" in locked.err) == (2, True)
    unknown = run("erase", "customer", "erika", "--yes")
    assert (unknown.status, "must be one of card, account" in unknown.err) == (2, True)
    assert "erika" not in unknown.err
    (data / "hash.key").unlink()
    keyless = run("erase", "account", "a", "--yes")
    assert (keyless.status, "must be the hash key" in keyless.err) == (2, True)
    assert not (data / "audit.ndjson").exists()


def test_what_a_killed_service_left_in_its_spool_is_erased_too(
    run: Run, data: Path, tmp_path: Path
) -> None:
    decide(SqliteJournal(tmp_path / "other.sqlite3"))
    with SqliteJournal.open_readonly(tmp_path / "other.sqlite3") as other:
        records = list(other.records())
    with SqliteJournal(data / "journal.sqlite3") as journal:
        journal.append(records[0])
    spool = Spool(data / "journal.spool")
    spool.append(records[1:])
    spool.close()
    assert run("erase", "account", "a", "--yes", "--json").json["orders"] == 2
    assert ids_in(data) == ["t-2"]
    assert b"t-1" not in b"".join(path.read_bytes() for path in data.glob("journal*"))


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as running:
        yield running


def test_the_windows_in_redis_follow(
    run: Run, data: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(SqliteJournal(data / "journal.sqlite3"), lambda plan: RedisStore(plan, server.url))
    monkeypatch.setenv("FRAUDKIT_STORE_URL", server.url)
    assert run("erase", "account", "a", "--yes", "--json").json["orders"] == 2
    assert ids_in(data) == ["t-2"]
    with Engine.open(BUNDLE, store=lambda plan: RedisStore(plan, server.url)) as engine:
        assert engine.counters.events == 1
    with Redis.from_url(server.url) as client:
        names = [name for name in client.scan_iter() if b":id:" in name]
    assert len(names) == 1


def test_a_journal_in_postgres_is_erased_from(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg", reason="the package psycopg is not installed")
    from fraudkit.journal.postgres import PostgresJournal

    reason = why_none()
    if reason is not None:
        pytest.skip(reason)
    with postgres_server("-c", "fsync=off") as postgres:
        url = postgres.new_database()
        with PostgresJournal(url) as journal:
            journal.check_key(KEY)
        decide(PostgresJournal(url))
        monkeypatch.setenv("FRAUDKIT_JOURNAL_URL", url)
        assert run("erase", "account", "a", "--yes", "--json").json["orders"] == 2
        with PostgresJournal(url) as journal:
            assert [record.transaction_id for record in journal.records()] == ["t-2"]
        (data / "hash.key").write_bytes(b"x" * 32)
        other = run("erase", "account", "b", "--yes")
        assert (other.status, "hash key that it was begun with" in other.err) == (2, True)


@pytest.mark.parametrize("url", ["file:///etc", "localhost:8000", "http://127.0.0.1:1"])
def test_a_service_that_is_not_there_is_told(run: Run, url: str) -> None:
    ran = run("erase", "account", "a", "--yes", "--url", url)
    assert ran.status == 2
    assert "error" in ran.err
    assert "Traceback" not in ran.err
