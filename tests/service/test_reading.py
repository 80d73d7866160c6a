"""A decision read again, with its explanation."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from fraudkit.engine import Engine
from fraudkit.errors import JournalError
from fraudkit.journal.sqlite import SqliteJournal
from service import examples, reading
from service.app import create_app
from service.openapi import openapi_document
from service.reading import EXPLAINED_AT_ONCE_MAX, DecisionEndpoint, ExplainedDecision
from service.refusals import Answer
from service.settings import Settings
from tests.service.asking import error_of, get, in_process, order_with, post

KEY = "correct-horse-battery"


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(tmp_path / "journal")


@pytest.fixture
def engine(journal: SqliteJournal, bundle: Path) -> Engine:
    return Engine.open(bundle, journal=journal, hash_key=b"k" * 32)


@pytest.fixture
def app(engine: Engine, journal: SqliteJournal) -> Any:
    return create_app(Settings(), engine=engine, journal=journal)


def test_a_decision_is_read_as_it_was_answered_and_explained(
    tmp_path: Path, start_service: Callable[..., Any]
) -> None:
    with start_service(tmp_path / "data") as service, service.client() as client:
        scored = client.post("/v1/score", content=order_with())
        answer = client.get("/v1/decisions/order-1001-attempt-1")
    assert answer.status_code == 200
    read = msgspec.json.decode(answer.content, type=ExplainedDecision)
    assert msgspec.json.encode(read.decision) == scored.content
    assert read.explanation.raw_score == read.decision.raw_score
    assert read.explanation.action == read.decision.action
    assert len(read.explanation.features) > 50
    order = examples.ORDER
    for secret in (
        order["account"]["user_id"],
        order["email"]["address"],
        order["billing"]["last_name"],
        order["payment"]["card"]["fingerprint"],
        order["device"]["ip_address"],
    ):
        assert secret not in answer.text


@pytest.mark.parametrize("transaction_id", ["a/b", "a b", "ä?#%", "../x"])
def test_any_id_can_be_asked_for(app: Any, transaction_id: str) -> None:
    _, answer = in_process(
        app,
        post("/v1/score", order_with(transaction_id=transaction_id)),
        get(f"/v1/decisions/{quote(transaction_id, safe='')}"),
    )
    assert answer.status_code == 200
    assert answer.json()["decision"]["transaction_id"] == transaction_id


@pytest.mark.parametrize("path", ["/v1/decisions/nobody", "/v1/decisions/", "/v1/decisions/%00"])
def test_an_unknown_decision_is_a_404_with_the_fix(app: Any, path: str) -> None:
    [answer] = in_process(app, get(path))
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (404, "decision_not_found")
    assert "transaction_id of /v1/score" in error["hint"]


def test_without_a_journal_no_decision_is_known(bundle: Path) -> None:
    app = create_app(Settings(), engine=Engine.open(bundle))
    scored, answer = in_process(
        app, post("/v1/score", order_with()), get("/v1/decisions/order-1001-attempt-1")
    )
    assert (scored.status_code, answer.status_code) == (200, 404)


def altered(journal: SqliteJournal, change: Callable[[dict[str, Any]], None]) -> None:
    record = journal.last_decision("order-1001-attempt-1")
    assert record is not None
    decision = msgspec.json.decode(record.decision)
    change(decision)
    journal._connection.execute("DROP TRIGGER record_is_never_changed")
    journal._connection.execute(
        "UPDATE record SET decision = ? WHERE kind = 'decision'", (msgspec.json.encode(decision),)
    )


def test_a_decision_of_another_bundle_is_a_409_that_names_it(
    app: Any, journal: SqliteJournal
) -> None:
    in_process(app, post("/v1/score", order_with()))
    altered(journal, lambda decision: decision["versions"].update(bundle="another1"))
    [answer] = in_process(app, get("/v1/decisions/order-1001-attempt-1"))
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (409, "not_explained")
    assert "another1" in error["received"]
    assert "fraudkit explain" in error["hint"]


def test_a_decision_that_does_not_come_out_again_is_a_409(app: Any, journal: SqliteJournal) -> None:
    in_process(app, post("/v1/score", order_with()))
    altered(journal, lambda decision: decision.update(raw_score=3.25))
    [answer] = in_process(app, get("/v1/decisions/order-1001-attempt-1"))
    assert (answer.status_code, error_of(answer)["code"]) == (409, "not_explained")


def test_a_journal_that_cannot_be_read_is_a_503(
    app: Any, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise JournalError("The journal cannot be read")

    monkeypatch.setattr(journal, "last_decision", broken)
    [answer] = in_process(app, get("/v1/decisions/t-1"))
    assert (answer.status_code, error_of(answer)["code"]) == (503, "store_unavailable")


def test_a_fault_tells_nothing(
    app: Any, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(_: str) -> None:
        raise KeyError("erika@example.com")

    monkeypatch.setattr(journal, "last_decision", faulty)
    [answer] = in_process(app, get("/v1/decisions/t-1"))
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal_error")
    assert "erika" not in answer.text


def test_with_a_key_a_decision_asks_for_it(engine: Engine, journal: SqliteJournal) -> None:
    app = create_app(Settings(api_key=KEY), engine=engine, journal=journal)
    refused, told = in_process(
        app,
        get("/v1/decisions/t-1"),
        get("/v1/decisions/t-1", authorization=f"Bearer {KEY}"),
    )
    assert (refused.status_code, error_of(refused)["code"]) == (401, "unauthorized")
    assert told.status_code == 404


def test_only_two_are_explained_at_once_and_the_loop_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    threads: set[int] = set()

    def slow(*_: Any) -> Answer:
        threads.add(threading.get_ident())
        assert may_end.wait(timeout=30)
        return Answer(200, b"{}")

    monkeypatch.setattr(reading, "explained", slow)
    endpoint = DecisionEndpoint(engine, None, lambda _: None)

    async def ask() -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        scope = {"type": "http", "headers": [], "path_params": {"transaction_id": "t"}}
        await endpoint(scope, receive, send)
        status: int = sent[0]["status"]
        return status

    async def ask_many() -> list[int]:
        first = [asyncio.create_task(ask()) for _ in range(EXPLAINED_AT_ONCE_MAX)]
        await asyncio.sleep(0)
        too_many = await ask()
        may_end.set()
        statuses = [await task for task in first]
        return [*statuses, too_many, await ask()]

    assert asyncio.run(ask_many()) == [200, 200, 503, 200]
    assert threading.get_ident() not in threads


def test_the_document_tells_the_route() -> None:
    paths = openapi_document("1.2.3", needs_key=True)["paths"]
    operation = paths["/v1/decisions/{transaction_id}"]["get"]
    assert set(operation["responses"]) == {
        *("200", "400", "401", "403", "404", "408", "409", "429", "431", "500", "503")
    }
    assert operation["security"] == [{"key": ["admin"]}]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["transaction_id"]
    assert paths["/metrics"]["get"]["security"] == [{"key": ["admin"]}]
    without = openapi_document("1.2.3", needs_key=False)["paths"]
    assert "security" not in without["/metrics"]["get"]
    assert "401" not in without["/v1/decisions/{transaction_id}"]["get"]["responses"]


def test_a_write_to_it_is_refused(app: Any) -> None:
    [answer] = in_process(app, httpx.Request("DELETE", "http://service/v1/decisions/t-1"))
    assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")
