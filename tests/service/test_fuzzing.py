"""Almost right bodies, by the thousand: each is taken or refused with the place and the fix.

No answer is a 5xx, none takes long, none tells what stood in the body, and the memory stays flat.
``FRAUDKIT_SLOW=1`` sends twenty times as many.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from fraudkit.domain.codes import COUNTRIES
from fraudkit.domain.decision import Action
from fraudkit.domain.transaction import PaymentMethod
from fraudkit.engine import Engine
from fraudkit.journal.sqlite import SqliteJournal
from service.app import create_app
from service.counting import OTHER, STATUS_CLASSES, UNKNOWN
from service.metrics import ROUTES
from service.openapi import openapi_document
from service.refusals import CODES, ErrorBody
from service.settings import Settings
from service.stages import STAGES
from tests.service.asking import order_with
from tests.service.mutating import SECRETS, bodies
from tests.service.test_protocol import answers_to

TIMES: Final = 20 if os.environ.get("FRAUDKIT_SLOW") == "1" else 1
SECONDS_MAX: Final = 2.0
"""How long one answer may take; a median one takes less than a millisecond."""
GROWTH_BYTES_MAX: Final = 24 * 2**20
"""The tables of the windows double now and then, as orders are taken."""
STATUSES: Final = (200, 202, 400, 413, 422)
ACTIONS: Final = set(get_args(Action))
METHODS: Final = set(get_args(PaymentMethod))
POSTS: Final = ("/v1/score", "/v1/outcomes", "/v1/payment-methods")
PATHS: Final = openapi_document("1", needs_key=False)["paths"]
_ENCODED: Final = [msgspec.json.encode(secret)[1:-1].decode() for secret in SECRETS]


class Application:
    """One application, asked without a socket."""

    def __init__(self, app: Any, engine: Engine) -> None:
        self.features = engine.bundle.features.features
        self._app = app
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Return status, headers and body of the answer."""
        return self._loop.run_until_complete(self._ask(method, path, body, headers))

    async def _ask(self, method: str, path: str, body: bytes, headers: Any) -> Any:
        sent: list[Any] = []
        half = len(body) // 2
        parts = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]

        async def receive() -> Any:
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": quote(path, safe="/", errors="replace").encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("service", 80),
            "client": ("127.0.0.1", 1),
            "headers": list(headers),
            "http_version": "1.1",
        }
        await self._app(scope, receive, send)
        answer = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], dict(sent[0]["headers"]), answer


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("fuzzing")
    with SqliteJournal(folder / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
        app = create_app(Settings(), engine=engine, journal=journal)
        application = Application(app, engine)
        yield application
        application.close()


def check(path: str, body: bytes, status: int, answer: bytes) -> None:
    """Hold an answer to what every answer promises."""
    responses = next(iter(PATHS[path].values()))["responses"]
    assert str(status) in responses
    assert status < 500
    if status < 400:
        return
    error = msgspec.json.decode(answer, type=ErrorBody).error
    assert CODES[error.code][0] == status
    assert all((error.expected, error.received, error.hint, error.message))
    assert is_led_into(body, error.pointer, is_missing=error.received == "nothing"), error
    for secret in (*SECRETS, *_ENCODED):
        assert secret not in answer.decode()


def is_led_into(body: bytes, pointer: str, *, is_missing: bool) -> bool:
    """Return whether a JSON pointer (RFC 6901) leads to something in a body."""
    if pointer == "":
        return True
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]
    value = json.loads(body)
    assert steps.pop(0) == ""
    last = steps.pop() if is_missing else None
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False
    return last is None or (isinstance(value, dict) and last not in value)


def test_every_body_is_taken_or_refused_with_the_place_and_the_fix(
    asked: Application, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = dict.fromkeys(STATUSES, 0)
    with caplog.at_level(logging.DEBUG):
        for path, body in bodies(1, 3_000 * TIMES):
            start = time.perf_counter()
            status, _, answer = asked.ask("POST", path, body)
            assert time.perf_counter() - start < SECONDS_MAX
            check(path, body, status, answer)
            statuses[status] = statuses.get(status, 0) + 1
    assert min(statuses.values()) > 0, statuses
    _, _, metrics = asked.ask("GET", "/metrics")
    told = caplog.text + metrics.decode()
    assert [secret for secret in SECRETS if secret in told] == []


@given(body=st.binary(max_size=400), path=st.sampled_from(sorted(POSTS)))
def test_any_bytes_are_refused(asked: Application, path: str, body: bytes) -> None:
    status, _, answer = asked.ask("POST", path, body)
    assert status in (400, 422)
    check(path, body, status, answer)


HEADER_VALUES: Final = st.binary(max_size=40) | st.sampled_from(
    [
        *(b"9" * 5000, b"-1", b"0x10", b"identity", b"gzip, br", b"*/*", b";;;", b"\xff"),
        *(b'application/json; charset="', b"application/openmetrics-text; version=1.0.0; q=0.9"),
        *(b"text/plain; q=nan", b"00-" + b"0" * 32 + b"-" + b"f" * 16 + b"-01", b"x" * 70_000),
        *(b"5500005555555559", b"Bearer "),
    ]
)
HEADER_NAMES: Final = st.sampled_from(
    [
        *(b"content-type", b"content-length", b"content-encoding", b"accept", b"authorization"),
        *(b"x-request-id", b"traceparent", b"transfer-encoding", b"if-none-match", b"range", b"x"),
    ]
)
METHODS_ASKED: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY", "x")


@given(
    route=st.sampled_from(sorted(PATHS)), headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES))
)
@example(route="/v1/score", headers=[(b"content-length", b"9" * 5000)])
def test_any_headers_are_taken_or_refused(
    asked: Application, route: str, headers: list[tuple[bytes, bytes]]
) -> None:
    method = next(iter(PATHS[route])).upper()
    status, sent, answer = asked.ask(method, route, order_with(), tuple(headers))
    check(route, order_with(), status, answer)
    request_id = sent[b"x-request-id"]
    assert 1 <= len(request_id) <= 64
    assert request_id.isascii()


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=80) | st.just("a" * 70_000))
def test_any_id_can_be_asked_for(asked: Application, name: str) -> None:
    status, _, answer = asked.ask("GET", f"/v1/decisions/{name}")
    assert status == 404
    check("/v1/decisions/{transaction_id}", b"", status, answer)


@given(
    path=st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(
        lambda text: f"/static-offline-docs/{text}"
    )
    | st.text(max_size=40).map(lambda text: f"/{text}"),
    method=st.sampled_from(
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY", "x"]
    ),
)
def test_any_path_and_method_are_answered(asked: Application, path: str, method: str) -> None:
    status, _, answer = asked.ask(method, path)
    assert status in (200, 400, 404, 405, 422)
    if status in (404, 405) and method != "HEAD":
        error = msgspec.json.decode(answer, type=ErrorBody).error
        assert error.hint
        assert error.pointer == ""


def test_no_label_is_chosen_by_who_asks(asked: Application) -> None:
    for path, body in bodies(2, 500):
        asked.ask("POST", path, body, ((b"x-request-id", b"chosen"),))
    for path in (
        "/chosen",
        "/v1/decisions/chosen",
        "/v1/score/chosen",
        "/static-offline-docs/chosen",
    ):
        asked.ask("CHOSEN", path)
        asked.ask("GET", path)
    _, _, text = asked.ask("GET", "/metrics")
    decided = {"action": ACTIONS, "country": COUNTRIES | {UNKNOWN}, "method": METHODS | {UNKNOWN}}
    known = {**decided, "route": {*ROUTES, OTHER}, "status": set(STATUS_CLASSES)}
    known |= {"code": set(CODES) | {f.reason_code for f in asked.features}, "stage": set(STAGES)}
    seen: set[str] = set()
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            for label in known.keys() & sample.labels.keys():
                seen.add(label)
                assert sample.labels[label] in known[label]
    assert seen == set(known)
    assert b"chosen" not in text.lower()


def requests_of(sent: list[tuple[str, bytes]]) -> bytes:
    """Return requests to be sent one after the other on one connection, the last closing it."""
    ends = [b"keep-alive"] * (len(sent) - 1) + [b"close"]
    return b"".join(
        b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\nconnection: %s\r\n\r\n%s"
        % (path.encode(), len(body), end, body)
        for (path, body), end in zip(sent, ends, strict=True)
    )


def resident_bytes(service: Any) -> float:
    with service.client() as client:
        lines = client.get("/metrics").text.splitlines()
    [line] = [line for line in lines if line.startswith("process_resident_memory_bytes ")]
    return float(line.split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="the process tells its memory on Linux only")
def test_the_memory_is_flat_and_no_answer_is_missing(service: Any) -> None:
    """After four thousand bodies, four thousand more, or sixty: a leak of 6 KiB each would show."""
    batches = 600 if TIMES > 1 else 40
    stream = bodies(3, 4_000 + 100 * batches)
    before = 0.0
    for batch in range(40 + batches):
        sent = [next(stream) for _ in range(100)]
        answers = answers_to(service, requests_of(sent), seconds=60)
        assert len(answers) == len(sent)
        assert [status for status, _ in answers if status not in (*STATUSES, 409)] == []
        if batch == 39:
            before = resident_bytes(service)
    assert resident_bytes(service) - before < GROWTH_BYTES_MAX


def test_slow_bodies_hold_up_nobody(service: Any) -> None:
    """A hundred bodies that come byte by byte, and orders that are answered between."""
    body = order_with(transaction_id="slow")
    head = b"POST /v1/score HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    host, port = service.url.removeprefix("http://").split(":")
    with ExitStack() as held:
        slow = [
            held.enter_context(socket.create_connection((host, int(port)), timeout=30))
            for _ in range(100)
        ]
        for connection in slow:
            connection.sendall(head)
        for place in range(10):
            for connection in slow:
                connection.sendall(body[place : place + 1])
            start = time.perf_counter()
            with service.client() as client:
                assert client.post("/v1/score", content=order_with()).status_code == 200
            assert time.perf_counter() - start < SECONDS_MAX
        for connection in slow:
            connection.sendall(body[10:])
            assert connection.recv(12) == b"HTTP/1.1 200"
