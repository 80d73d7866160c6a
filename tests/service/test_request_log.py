"""The log: what has a line, what stands in it, and what never does."""

from __future__ import annotations

import io
import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.deciding import in_time
from fraudkit.errors import JournalError
from service.refusals import Answer
from service.request_log import (
    REFUSALS_LOGGED_1_IN,
    RequestIds,
    RequestLog,
    configure_log,
    shown_id,
)
from service.routes import Endpoint
from tests.service.asking import order_with

CARD_NUMBER = "4111111111111111"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.usefixtures("root")
def test_a_line_is_one_json_object_with_the_facts_of_the_request() -> None:
    stream = io.StringIO()
    configure_log("auto", stream)
    RequestLog().write(b"checkout-17", "/v1/score", 503, 0.0123456, "store_unavailable")
    logging.getLogger("uvicorn.error").error("a line of the server")
    ours, server = lines(stream)
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {
        "level": "error",
        "logger": "service.requests",
        "message": "A request failed",
        "request_id": "checkout-17",
        "route": "/v1/score",
        "status": 503,
        "code": "store_unavailable",
        "duration_ms": 12.346,
    }
    assert (server["logger"], server["message"]) == ("uvicorn.error", "a line of the server")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("form", "stream"), [("text", io.StringIO()), ("auto", Terminal())])
def test_on_a_terminal_a_line_is_key_and_value(form: Any, stream: io.StringIO) -> None:
    configure_log(form, stream)
    RequestLog().write(b"checkout-17", "/v1/score", 422, 0.001, "invalid_field")
    [line] = stream.getvalue().splitlines()
    assert line.startswith("timestamp=")
    assert 'level=warning logger=service.requests message="A request was refused"' in line
    assert "request_id=checkout-17" in line
    assert "code=invalid_field" in line


@pytest.mark.usefixtures("root")
def test_on_a_terminal_json_can_be_had() -> None:
    stream = Terminal()
    configure_log("json", stream)
    logging.getLogger("service").error("two\nlines")
    assert lines(stream)[0]["message"] == "two\nlines"


@pytest.mark.usefixtures("root")
def test_a_fault_keeps_the_name_of_its_request() -> None:
    stream = io.StringIO()
    configure_log("json", stream)

    def fails(*_: Any) -> Answer:
        raise JournalError("The disk is full")

    def faulty(body: bytes, *_: object) -> Answer:
        raise KeyError(body)

    for work in (fails, faulty):
        Endpoint(work, None)._answered(order_with(), b"checkout-17", in_time)
    full, fault = lines(stream)
    assert full["message"] == "JournalError: The disk is full"
    assert fault["message"].startswith("A fault of the service, KeyError at:")
    assert full["request_id"] == fault["request_id"] == "checkout-17"
    assert "Erika" not in stream.getvalue()


def test_refusals_are_sampled_by_code_and_failures_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = RequestLog()
    for _ in range(2 * REFUSALS_LOGGED_1_IN + 1):
        log.write(b"r", "/v1/score", 422, 0.001, "invalid_field")
    log.write(b"r", "/v1/score", 401, 0.001, "unauthorized")
    told = [(record.status, record.levelname) for record in caplog.records]  # type: ignore[attr-defined]
    assert told == [*[(422, "WARNING")] * 3, (401, "WARNING")]
    caplog.clear()
    for _ in range(3):
        log.write(b"r", "/v1/score", 503, 0.001, "store_unavailable")
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    caplog.clear()
    for _ in range(REFUSALS_LOGGED_1_IN + 1):
        log.write(b"r", "/v1/score", 503, 0.001, "overloaded")
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2


@given(st.binary(max_size=80))
def test_a_name_is_taken_if_it_is_1_to_64_visible_characters(given_id: bytes) -> None:
    ids = RequestIds("ab12")
    is_fit = 1 <= len(given_id) <= 64 and all(33 <= byte <= 126 for byte in given_id)
    assert ids.of(given_id) == (given_id if is_fit else b"ab12-1")


@pytest.mark.parametrize("length", [1, 64])
def test_the_bounds_of_a_name_are_within(length: int) -> None:
    assert RequestIds("ab").of(b"~" * length) == b"~" * length
    assert RequestIds("ab").of(b"~" * 65) == b"ab-1"


def test_a_name_that_looks_like_a_card_number_is_not_logged() -> None:
    assert shown_id(b"checkout-17") == "checkout-17"
    assert shown_id(CARD_NUMBER.encode()) == "card number"


def test_a_service_logs_refusals_and_no_success(
    tmp_path: Path, start_service: Callable[..., Any]
) -> None:
    with start_service(tmp_path / "data") as service, service.client() as client:
        named = {"x-request-id": "checkout-17"}
        assert client.post("/v1/score", content=order_with(), headers=named).status_code == 200
        refused = client.post("/v1/score", content=order_with(emial={}), headers=named)
        assert (refused.status_code, refused.headers["x-request-id"]) == (422, "checkout-17")
        again = client.post("/v1/score", content=order_with(emial={}))
        assert again.status_code == 422
        said_by_the_server(service.url)
    *log, server = (tmp_path / "data.log").read_text().splitlines()
    assert json.loads(server)["code"] == "malformed_request"
    told = [json.loads(line) for line in log]
    assert [(line["request_id"], line["code"]) for line in told] == [
        ("checkout-17", "invalid_field")
    ]


def said_by_the_server(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"this is no HTTP\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 400")
