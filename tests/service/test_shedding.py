"""Requests that are turned away before they are requests: at once, counted, the connection kept."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import uvicorn
from uvicorn.server import ServerState

from service.counting import RequestCounts
from service.metrics import ROUTES
from service.refusals import refusal_of
from service.request_log import RequestIds
from service.security_headers import SECURITY_HEADERS
from service.shedding import Shedding, SheddingProtocol
from service.turns import Turns
from tests.service.test_protocol import split

SCORE = b"POST /v1/score HTTP/1.1\r\nhost: x\r\n"
CLOSE = b"connection: close\r\n"


class Door:
    """A server on loopback whose line may be filled, and what it saw."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.served: list[bytes] = []
        self.requests = RequestCounts(ROUTES)
        self.turns = Turns(lambda: None, waiting_max=1, refused=refusal_of)
        self._shedding = Shedding(self.requests, RequestIds("ab"), self.refused.append)
        self._shedding.turns = self.turns

    def fill(self) -> None:
        self.turns._line.append(None)  # type: ignore[arg-type]  # nobody takes this turn

    def empty(self) -> None:
        self.turns._line.clear()

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.served.append(body)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async def ask(self, *parts: bytes, then: Any = None) -> bytes:
        config, state = uvicorn.Config(self, log_config=None), ServerState()  # type: ignore[arg-type]

        def connected() -> SheddingProtocol:
            return SheddingProtocol(
                config=config,
                server_state=state,
                app_state={},
                refused=self.refused.append,
                shedding=self._shedding,
            )

        server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1")
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.05)
                if then is not None:
                    then()
            received = await asyncio.wait_for(reader.read(), 10)
            writer.close()
        return received


def with_body(head: bytes, body: bytes = b"{}") -> bytes:
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def test_while_the_line_is_full_an_order_is_turned_away_and_the_connection_goes_on() -> None:
    door = Door()
    door.fill()
    named = SCORE + b"x-request-id: checkout-7\r\n"
    received = asyncio.run(
        door.ask(with_body(named), with_body(SCORE + CLOSE, b"again"), then=door.empty)
    )
    (status, body), (after, _) = split(received)
    assert (status, after) == (503, 200)
    error = msgspec.json.decode(body)["error"]
    assert error["code"] == "overloaded"
    assert error["hint"]
    head = received.partition(b"\r\n\r\n")[0]
    for name, value in (
        (b"retry-after", b"1"),
        (b"x-request-id", b"checkout-7"),
        *SECURITY_HEADERS,
    ):
        assert b"%s: %s" % (name, value) in head
    assert door.served == [b"again"]
    assert door.refused == ["overloaded"]
    assert door.requests.durations["/v1/score", "5xx"].sum_s == 0.0
    assert not door.requests.durations["/v1/score", "5xx"].is_empty


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /readyz HTTP/1.1\r\nhost: x\r\n" + CLOSE + b"\r\n",
        with_body(b"POST /v1/payment-methods HTTP/1.1\r\nhost: x\r\n" + CLOSE),
        with_body(SCORE + CLOSE + b"expect: 100-continue\r\n"),
        with_body(SCORE.replace(b"POST", b"PUT") + CLOSE),
    ],
)
def test_what_does_not_stand_in_line_passes(sent: bytes) -> None:
    door = Door()
    door.fill()
    received = asyncio.run(door.ask(sent))
    assert b" 200 OK" in received
    assert door.refused == []


def test_the_whole_body_is_read_before_the_answer_and_the_connection_closed_if_asked() -> None:
    door = Door()
    door.fill()
    head = SCORE + CLOSE + b"content-length: 6\r\n\r\n"
    [(status, _)] = split(asyncio.run(door.ask(head, b"abc", b"def")))
    assert (status, door.served) == (503, [])


def test_a_request_behind_one_under_way_waits_for_it_and_is_not_turned_away_here() -> None:
    door = Door()

    async def slowly() -> bytes:
        first = SCORE + b"content-length: 3\r\n\r\nab"
        rest = b"c" + with_body(SCORE + CLOSE, b"second")
        return await door.ask(first, rest, then=door.fill)

    received = asyncio.run(slowly())
    assert received.count(b" 200 OK") == 2
    assert door.served == [b"abc", b"second"]


def test_before_there_is_a_line_nobody_is_turned_away() -> None:
    shedding = Shedding(RequestCounts(ROUTES), RequestIds("ab"), lambda _: None)
    assert not shedding.is_due(b"/v1/score")
