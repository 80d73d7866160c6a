"""Erasing a customer over HTTP, and orders that are removed because they are old."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from fraudkit.access import read_audit
from fraudkit.cli import app as cli
from fraudkit.domain.decoding import decode_transaction
from fraudkit.domain.transaction import epoch_ms
from fraudkit.engine import Engine
from fraudkit.erasure import Erased, Erasure
from fraudkit.errors import InputError, JournalError
from fraudkit.journal.sqlite import SqliteJournal
from service.app import create_app
from service.erasing import expiring
from service.settings import Settings
from tests.service.asking import error_of, get, in_process, order_with, post

KEY = "correct-horse-battery"
BEARER = {"authorization": f"Bearer {KEY}"}
DAY_MS = 86_400_000
ERASE = msgspec.json.encode({"entity": "account", "identifier": "customer-8821"})


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(tmp_path / "journal.sqlite3")


@pytest.fixture
def engine(journal: SqliteJournal, bundle: Path) -> Engine:
    return Engine.open(bundle, journal=journal, hash_key=b"k" * 32)


@pytest.fixture
def app(engine: Engine, journal: SqliteJournal, tmp_path: Path) -> Any:
    settings = Settings(data_dir=str(tmp_path), api_key=KEY)
    return create_app(settings, engine=engine, journal=journal)


def order(transaction_id: str, user_id: str = "customer-8821") -> bytes:
    return order_with(transaction_id=transaction_id, account={"user_id": user_id})


def told(transaction_id: str) -> bytes:
    outcome = {
        "kind": "authorized",
        "outcome_id": f"of-{transaction_id}",
        "transaction_id": transaction_id,
        "occurred_at": "2026-03-02T20:15:00+01:00",
        "available_at": "2026-03-02T20:15:00+01:00",
    }
    return msgspec.json.encode(outcome)


def asked(path: str, body: bytes) -> httpx.Request:
    return post(path, body, **BEARER)


def test_a_customer_is_erased_and_it_is_noted_and_counted(
    app: Any, engine: Engine, tmp_path: Path
) -> None:
    *_, erased, again, read, kept, metrics, anew = in_process(
        app,
        asked("/v1/score", order("t-1")),
        asked("/v1/score", order("t-2")),
        asked("/v1/score", order("t-3", "another")),
        asked("/v1/outcomes", told("t-1")),
        asked("/v1/erasures", ERASE),
        asked("/v1/erasures", ERASE),
        get("/v1/decisions/t-1", **BEARER),
        get("/v1/decisions/t-3", **BEARER),
        get("/metrics", **BEARER),
        asked("/v1/score", order("t-1")),
    )
    fingerprint = engine.erasure.fingerprint("account", ["customer-8821"])
    assert erased.status_code == 200
    assert erased.json() == {
        "orders": 2, "outcomes": 1, "dry_run": False, "fingerprint": fingerprint
    }  # fmt: skip
    assert (again.json()["orders"], again.json()["outcomes"]) == (0, 0)
    assert (read.status_code, error_of(read)["code"]) == (404, "decision_not_found")
    assert kept.status_code == anew.status_code == 200
    assert 'fraudkit_records_removed_total{reason="erased"} 3.0' in metrics.text
    assert engine.counters.events == 2
    rows = read_audit(tmp_path / "audit.ndjson")
    assert [(row.action, row.by, row.subject) for row in rows] == [
        ("erasures.begin", "environment", fingerprint),
        ("erasures.end", "environment", fingerprint),
    ] * 2
    assert rows[1].details == {"entity": "account", "orders": 2, "outcomes": 1}
    assert "customer-8821" not in (tmp_path / "audit.ndjson").read_text()


def test_a_dry_run_removes_and_notes_nothing(app: Any, tmp_path: Path) -> None:
    body = msgspec.json.encode(
        {"entity": "account", "identifier": ["customer-8821"], "dry_run": True}
    )
    *_, tried, read, metrics = in_process(
        app,
        asked("/v1/score", order("t-1")),
        asked("/v1/erasures", body),
        get("/v1/decisions/t-1", **BEARER),
        get("/metrics", **BEARER),
    )
    assert (tried.json()["orders"], tried.json()["dry_run"]) == (1, True)
    assert read.status_code == 200
    assert 'fraudkit_records_removed_total{reason="erased"} 0.0' in metrics.text
    assert read_audit(tmp_path / "audit.ndjson") == ()


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (b"{", 400, "malformed_json", ""),
        (b"[]", 422, "invalid_field", ""),
        (b'{"entity": "account"}', 422, "invalid_field", "/identifier"),
        (b'{"entity": "account", "identifier": "Erika", "x": 1}', 422, "invalid_field", "/x"),
        (b'{"entity": "account", "identifier": ""}', 422, "invalid_field", "/identifier"),
        (b'{"entity": "nobody", "identifier": "Erika"}', 422, "invalid_field", ""),
        (b'{"entity": "currency", "identifier": "Erika"}', 422, "invalid_field", ""),
        (b'{"entity": "account", "identifier": ["Erika", ""]}', 422, "invalid_field", ""),
    ],
)
def test_what_names_nobody_is_refused_and_not_shown(
    app: Any, tmp_path: Path, body: bytes, status: int, code: str, pointer: str
) -> None:
    [answer] = in_process(app, asked("/v1/erasures", body))
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["pointer"]) == (status, code, pointer)
    assert "Erika" not in answer.text
    assert read_audit(tmp_path / "audit.ndjson") == ()


def test_only_who_administers_may_erase(app: Any, journal: SqliteJournal) -> None:
    _, answer = in_process(app, asked("/v1/score", order("t-1")), post("/v1/erasures", ERASE))
    assert (answer.status_code, error_of(answer)["code"]) == (401, "unauthorized")
    assert journal.last_decision("t-1") is not None
    operation = app.openapi()["paths"]["/v1/erasures"]["post"]
    assert operation["security"] == [{"key": ["admin"]}]


def test_a_journal_that_fails_is_a_503_and_nothing_is_removed(
    app: Any, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> int:
        raise JournalError("The journal cannot be written: the disk is full; make room")

    monkeypatch.setattr(journal, "erase", fails)
    _, answer = in_process(app, asked("/v1/score", order("t-1")), asked("/v1/erasures", ERASE))
    assert (answer.status_code, error_of(answer)["code"]) == (503, "store_unavailable")
    assert journal.last_decision("t-1") is not None


def test_orders_are_decided_while_a_customer_is_erased_and_one_is_at_once(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def waits(*_: object, **__: object) -> Erased:
        begun.set()
        assert may_end.wait(30)
        return Erased()

    monkeypatch.setattr(Erasure, "erase", waits)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport) as client:
            erasing = asyncio.create_task(client.send(asked("/v1/erasures", ERASE)))
            await asyncio.to_thread(begun.wait, 30)
            meanwhile = [
                await client.send(asked("/v1/score", order("t-1"))),
                await client.send(asked("/v1/erasures", ERASE)),
            ]
            may_end.set()
            return [*meanwhile, await erasing]

    scored, second, first = asyncio.run(ask())
    assert (scored.status_code, first.status_code) == (200, 200)
    assert (second.status_code, error_of(second)["code"]) == (503, "overloaded")
    assert second.headers["retry-after"] == "1"


def test_a_retention_shorter_than_the_windows_is_refused(engine: Engine) -> None:
    days_min = engine.erasure.retention_ms_min // DAY_MS
    create_app(Settings(retention_days=days_min), engine=engine)
    with pytest.raises(InputError, match=rf"must be at least {days_min}: .*Got {days_min - 1}"):
        create_app(Settings(retention_days=days_min - 1), engine=engine)


def test_what_is_older_than_the_retention_is_removed_while_it_serves(
    engine: Engine, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = decode_transaction(order("t-0"))
    start_ms = epoch_ms(first.event_time)
    for number in range(600):
        transaction = msgspec.structs.replace(first, transaction_id=f"t-{number}")
        engine.score(transaction, now_ms=start_ms + number * DAY_MS // 100)
    # A failure is told, and tried again.
    expired, failures = journal.expired, [JournalError("The journal cannot be read")]

    def fails_once(before_ms: int, limit: int) -> Any:
        if failures:
            raise failures.pop()
        return expired(before_ms, limit)

    monkeypatch.setattr(journal, "expired", fails_once)
    scrubs: list[int] = []
    monkeypatch.setattr(journal, "scrub", lambda: scrubs.append(1))
    removed = {"erased": 0, "expired": 0}

    async def run(clock_ms: int, until: int) -> None:
        keeping = expiring(
            engine, 200, removed, now_ms=lambda: clock_ms, every_seconds=0.01, pause_s=0.001
        )
        async with keeping:
            for _ in range(2000):
                if removed["expired"] == until and len(scrubs) == 1:
                    return
                await asyncio.sleep(0.01)
        raise AssertionError(removed)

    asyncio.run(run(start_ms + 205 * DAY_MS, 500))
    assert next(record.transaction_id for record in journal.records()) == "t-500"
    assert engine.counters.events == 100
    assert removed == {"erased": 0, "expired": 500}


def test_without_a_retention_nothing_is_removed(engine: Engine, journal: SqliteJournal) -> None:
    engine.score(decode_transaction(order("t-1")))

    async def run() -> None:
        async with expiring(engine, None, {}, now_ms=lambda: 2**60, every_seconds=0.001):
            await asyncio.sleep(0.05)

    asyncio.run(run())
    assert journal.last_decision("t-1") is not None


def test_the_command_asks_a_running_service(
    tmp_path: Path, start_service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        start_service(tmp_path / "data", FRAUDKIT_API_KEY=KEY) as service,
        service.client() as client,
    ):
        for number in range(3):
            client.post("/v1/score", content=order(f"t-{number}"), headers=BEARER)
        words = ["erase", "account", "customer-8821", "--url", service.url, "--yes", "--json"]
        monkeypatch.setenv("FRAUDKIT_API_KEY", "another-key-of-nobody")
        refused = CliRunner().invoke(cli, words)
        assert isinstance(refused.exception, InputError)
        assert "a key of the service" in str(refused.exception)
        monkeypatch.setenv("FRAUDKIT_API_KEY", KEY)
        erased = CliRunner().invoke(cli, words)
        assert msgspec.json.decode(erased.stdout)["orders"] == 3
        assert client.get("/v1/decisions/t-1", headers=BEARER).status_code == 404
