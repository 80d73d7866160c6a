"""What the routes do when something under them fails, or a client misbehaves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fraudkit.domain.decoding import (
    BODY_BYTES_MAX,
)
from fraudkit.engine import Engine
from fraudkit.journal.sqlite import SqliteJournal
from service.app import create_app
from service.refusals import Answer
from service.routes import Endpoint
from service.settings import Settings
from tests.service.asking import error_of, order_with


def in_process(app: Any, requests: list[tuple[str, bytes]]) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return [
                await (client.post(path, content=body) if body else client.get(path))
                for path, body in requests
            ]

    return asyncio.run(ask())


def test_what_cannot_be_written_is_not_acknowledged(
    tmp_path: Path, bundle: Path, make_stream: Callable[..., Any]
) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
        app = create_app(Settings(), engine=engine, journal=journal)
        journal._connection.execute("PRAGMA max_page_count = 40")
        responses = in_process(app, make_stream(2, 400))
        accepted = [response for response in responses if response.status_code < 300]
        refused = [response for response in responses if response.status_code >= 300]
        assert accepted
        assert {response.status_code for response in refused} == {503}
        assert {error_of(response)["code"] for response in refused} == {"store_unavailable"}
        assert len(list(journal.records())) == len(accepted)
        journal._connection.execute("PRAGMA max_page_count = 1000000")
        assert in_process(app, [("/v1/score", order_with())])[0].status_code == 200


def test_a_journal_that_cannot_be_written_is_not_ready(tmp_path: Path, bundle: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
    app = create_app(Settings(), engine=engine, journal=journal)
    journal.close()
    response, scored = in_process(app, [("/readyz", b""), ("/v1/score", order_with())])
    assert (response.status_code, scored.status_code) == (503, 503)
    assert response.json()["journal_writable"] is False
    assert response.json()["store_reachable"] is True
    problems = response.json()["problems"]
    assert set(problems) == {"journal_writable"}
    assert "cannot be written" in problems["journal_writable"]


def ask_endpoint(endpoint: Endpoint, messages: Iterator[dict[str, Any]]) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(endpoint({"type": "http", "headers": []}, receive, send))
    return sent


def test_an_endless_body_is_not_read_to_its_end() -> None:
    read = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 50_000
            yield {"type": "http.request", "body": b"x" * 50_000, "more_body": True}

    start, _ = ask_endpoint(Endpoint(lambda *_: Answer(200, b""), None), endless())
    assert start["status"] == 413
    assert read <= BODY_BYTES_MAX + 50_000


def test_a_client_that_leaves_early_is_not_answered_and_nothing_is_decided() -> None:
    decided: list[bytes] = []

    def decide(body: bytes, *_: object) -> Answer:
        decided.append(body)
        return Answer(200, b"")

    part = {"type": "http.request", "body": b"{", "more_body": True}
    gone = {"type": "http.disconnect"}
    assert ask_endpoint(Endpoint(decide, None), iter([part, gone])) == []
    assert ask_endpoint(Endpoint(decide, None), iter([gone])) == []
    assert decided == []


def test_a_fault_is_answered_without_a_trace_and_logged_without_the_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def faulty(body: bytes, *_: object) -> Answer:
        raise KeyError(body)

    order = {"type": "http.request", "body": b"erika@example.com", "more_body": False}
    with caplog.at_level(logging.ERROR):
        start, content = ask_endpoint(Endpoint(faulty, None), iter([order]))
    assert start["status"] == 500
    assert b"internal_error" in content["body"]
    assert b"erika" not in content["body"]
    assert "KeyError" in caplog.text
    assert "erika" not in caplog.text
