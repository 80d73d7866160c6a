"""A client that keeps its connection, and what it may be answered."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import NamedTuple, Self

import msgspec

__all__ = ["GONE", "Answer", "Asker", "Request"]

GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
"""What a client sees of a server that is not there any more, or does not answer."""

ANSWER_SECONDS_MAX = 30.0
"""A client gives up then, and the test has failed: nothing may hang."""


class Request(NamedTuple):
    """An order or an outcome, under the name that the journal knows it by."""

    path: str
    body: bytes
    name: tuple[str, str]

    @classmethod
    def of(cls, path: str, body: bytes) -> Self:
        fields = msgspec.json.decode(body)
        if "outcome_id" in fields:
            return cls(path, body, ("outcome", fields["outcome_id"]))
        return cls(path, body, ("decision", fields["transaction_id"]))


class Answer(NamedTuple):
    """An answer, and how long it took from the last byte sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class Asker:
    """One connection: a request, its answer, then the next."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> Answer:
        """Raise one of `GONE` where no whole answer comes."""
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(_bytes_of(request))
            sent_at = perf_counter()
            head = await reader.readuntil(b"\r\n\r\n")
            status, headers = _head_of(head)
            body = await reader.readexactly(int(headers["content-length"]))
        return Answer(status, headers, body, perf_counter() - sent_at)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _bytes_of(request: Request) -> bytes:
    return b"POST %s HTTP/1.1\r\nhost: test\r\ncontent-length: %d\r\n\r\n%s" % (
        request.path.encode(),
        len(request.body),
        request.body,
    )


def _head_of(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return int(first.split(" ", 2)[1]), {name.lower(): value for name, value in pairs}
