"""What comes before a request is known: bytes on a socket of the real server."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
import uvicorn
from uvicorn.server import ServerState

from service import protocol
from service.protocol import HEAD_BYTES_MAX, BoundedProtocol
from service.refusals import CODES
from tests.service.asking import order_with

ORDER: Final = order_with()
CHUNKED: Final = b"POST /v1/score HTTP/1.1\r\ntransfer-encoding: chunked\r\n"


def request_of(*headers: bytes, body: bytes = ORDER) -> bytes:
    lines = (b"POST /v1/score HTTP/1.1", b"host: x", *headers, b"content-length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def answers_to(service: Any, *parts: bytes, seconds: float = 30) -> list[tuple[int, bytes]]:
    """Return status and body of each answer until the connection is closed."""
    host, port = service.url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while chunk := connection.recv(65_536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return list(split(received))


def split(received: bytes) -> Iterator[tuple[int, bytes]]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines[1:])
        length = int(fields[b"content-length"])
        yield int(lines[0].split()[1]), rest[:length]
        received = rest[length:]


CLOSE: Final = b"connection: close"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", "malformed_request", id="TLS"),
        pytest.param(b"nonsense\r\n\r\n", "malformed_request", id="words"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\n\r\n", "malformed_request", id="a tunnel"),
        pytest.param(b"GET /\xff HTTP/1.1\r\n\r\n", "malformed_request", id="a raw byte"),
        pytest.param(
            b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", "malformed_request", id="a long path"
        ),
        pytest.param(CHUNKED + b"\r\nzz\r\n", "malformed_request", id="no chunk"),
        pytest.param(
            CHUNKED + b"content-length: 5\r\n\r\n0\r\n\r\n", "malformed_request", id="two lengths"
        ),
        pytest.param(
            b"POST /v1/score HTTP/1.1\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n",
            "malformed_request",
            id="an absurd length",
        ),
    ],
)
def test_what_is_no_request_is_refused_in_our_own_form(
    service: Any, sent: bytes, code: str
) -> None:
    [(status, body)] = answers_to(service, sent)
    error = msgspec.json.decode(body)["error"]
    assert (status, error["code"], error["pointer"]) == (CODES[code][0], code, "")
    assert error["hint"]
    assert answers_to(service, request_of(CLOSE))[0][0] == 200


def refusals_of(service: Any, code: str) -> float:
    with service.client() as client:
        lines = client.get("/metrics").text.splitlines()
    [line] = [line for line in lines if f'errors_total{{code="{code}"}}' in line]
    return float(line.split()[-1])


def test_refusals_are_counted(service: Any) -> None:
    before = refusals_of(service, "malformed_request")
    answers_to(service, b"nonsense\r\n\r\n")
    assert refusals_of(service, "malformed_request") == before + 1


@pytest.mark.parametrize("rest", [b"x: " + b"a" * 4_000_000, b"x: y\r\n" * 500_000])
def test_headers_without_end_are_refused_and_read_no_further(service: Any, rest: bytes) -> None:
    before = refusals_of(service, "head_too_large")
    answers = answers_to(service, b"GET /healthz HTTP/1.1\r\n" + rest)
    # Who goes on sending may lose the answer: the connection is closed meanwhile.
    assert [status for status, _ in answers] in ([], [431])
    assert refusals_of(service, "head_too_large") == before + 1


def test_long_headers_that_are_just_allowed_are_read(service: Any) -> None:
    long = b"x: " + b"a" * (HEAD_BYTES_MAX - 1000)
    assert answers_to(service, request_of(long, CLOSE))[0][0] == 200


@pytest.mark.parametrize("offer", [b"h2c", b"websocket", b"TLS/1.0"])
def test_an_offer_of_another_protocol_is_ignored_and_the_body_read(
    service: Any, offer: bytes
) -> None:
    offered = (b"connection: upgrade, http2-settings", b"upgrade: " + offer)
    first = request_of(*offered)
    answers = answers_to(service, first, request_of(CLOSE))
    assert [status for status, _ in answers] == [200, 200]
    split_in_body = answers_to(service, first[:-40], first[-40:], request_of(CLOSE))
    assert [status for status, _ in split_in_body] == [200, 200]


def test_requests_in_a_row_are_answered_in_their_order(service: Any) -> None:
    ids = [f"in-a-row-{number}" for number in range(40)]
    sent = b"".join(request_of(body=order_with(transaction_id=name)) for name in ids)
    answers = answers_to(service, sent + request_of(CLOSE))
    assert [status for status, _ in answers] == [200] * 41
    assert [msgspec.json.decode(body)["transaction_id"] for _, body in answers[:-1]] == ids


def test_an_order_that_may_have_been_decided_gets_no_refusal(service: Any) -> None:
    """What follows it is no request; its own answer may be lost, and is never a 4xx."""
    answers = answers_to(service, request_of() + b"\x00\x01")
    assert [status for status, _ in answers if status != 200] == []


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GET / HTTP/1.1\r\nx: y", [b"408"]),
        (b"GET / HTTP/1.1\r\n\r\nGET /", [b"204", b"408"]),
        (b"", []),
    ],
)
def test_a_head_that_does_not_come_to_its_end_is_refused_in_time(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, statuses: list[bytes]
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS_MAX", 0.2)
    received = asyncio.run(answered_in_process(sent))
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == statuses
    assert (b"head_timeout" in received) is (b"408" in statuses)


async def answered_in_process(sent: bytes) -> bytes:
    """Return all that an application, which answers nothing but 204, sends on one connection."""

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config, state = uvicorn.Config(application, log_config=None), ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(
            config=config, server_state=state, app_state={}, refused=lambda _: None
        ),
        "127.0.0.1",
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        received = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    return received
