"""Requests that are sent at their times, whatever became of those before."""

from __future__ import annotations

import asyncio
from itertools import count
from time import perf_counter_ns
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.drivers import Orders

__all__ = ["Offered", "offer"]

_TICK_SECONDS: Final = 0.0005
_END_SECONDS_MAX: Final = 30.0


class Offered(NamedTuple):
    """What became of one round.

    Attributes
    ----------
    seconds : float
        From the first request sent to the last.
    accepted_us, shed_us : list of int
        Microseconds from the last byte sent to the last byte of the answer, of those answered
        200 and of those answered 503.
    failed : int
        Answered otherwise, or not at all.
    unsent : int
        Due, and not sent because every connection waited for an answer.
    late_us : list of int
        How long after its time each was sent: the driver's own delay.
    drain_seconds : float
        From the last request sent until all were answered.
    """

    seconds: float
    accepted_us: list[int]
    shed_us: list[int]
    failed: int
    unsent: int
    late_us: list[int]
    drain_seconds: float

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return len(self.late_us)


async def offer(
    url: str, orders: Orders, *, rate_rps: float, seconds: float, connections: int
) -> Offered:
    """Send requests at an even rate over as many connections as it takes, up to a number.

    Parameters
    ----------
    url : str
        ``http://host:port``.
    orders : Orders
        What is sent, from its first.
    rate_rps : float
        Requests a second.
    seconds : float
        How long.
    connections : int
        Kept open; a request that finds none idle is not sent, and counted.
    """
    round_ = _Round(urlsplit(url).netloc, orders)
    loop = asyncio.get_running_loop()
    host, _, port = urlsplit(url).netloc.partition(":")
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(round_), host, int(port))
    start = perf_counter_ns()
    end, step_ns, last = start + int(seconds * 1e9), 1e9 / rate_rps, start
    for number in count():
        due = start + int(number * step_ns)
        if due >= end:
            break
        while (now := perf_counter_ns()) < due:  # noqa: ASYNC110 - it waits for a time
            await asyncio.sleep(_TICK_SECONDS if due - now > 1e9 * _TICK_SECONDS else 0)
        if round_.idle:
            round_.late_us.append((now - due) // 1000)
            round_.idle.pop().send(round_.request())
            last = perf_counter_ns()
        else:
            round_.unsent += 1
            await asyncio.sleep(0)
    return await _ended(round_, connections, start, last)


async def _ended(round_: _Round, connections: int, start: int, last: int) -> Offered:
    for _ in range(int(_END_SECONDS_MAX / _TICK_SECONDS)):
        if len(round_.idle) + round_.lost >= connections:
            break
        await asyncio.sleep(_TICK_SECONDS)
    drained = perf_counter_ns()
    waiting = connections - len(round_.idle) - round_.lost
    for connection in round_.idle:
        connection.close()
    return Offered(
        seconds=(last - start) / 1e9,
        accepted_us=round_.taken_us[b"200"],
        shed_us=round_.taken_us[b"503"],
        failed=round_.failed + waiting,
        unsent=round_.unsent,
        late_us=round_.late_us,
        drain_seconds=(drained - last) / 1e9,
    )


class _Round:
    """What all connections of a round share."""

    def __init__(self, address: str, orders: Orders) -> None:
        self._orders, self._lines = orders, orders.lines()
        self._head = f"POST {orders.path} HTTP/1.1\r\nhost: {address}\r\n".encode()
        self._numbers = count()
        self.idle: list[_Connection] = []
        self.taken_us: dict[bytes, list[int]] = {b"200": [], b"503": []}
        self.late_us: list[int] = []
        self.failed = self.unsent = self.lost = 0

    def request(self) -> bytes:
        number = next(self._numbers)
        body = self._orders.body(number, self._lines[number % len(self._lines)])
        return b"%scontent-length: %d\r\n\r\n%s" % (self._head, len(body), body)


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, then it is idle again."""

    def __init__(self, round_: _Round) -> None:
        self._round = round_
        self._answer = b""
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP has no other
        self._transport = transport
        self._round.idle.append(self)

    def send(self, request: bytes) -> None:
        self._transport.write(request)
        self._sent_ns = perf_counter_ns()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        taken_us = (perf_counter_ns() - self._sent_ns) // 1000
        status, self._answer, self._sent_ns = self._answer[9:12], b"", 0
        if status in self._round.taken_us:
            self._round.taken_us[status].append(taken_us)
        else:
            self._round.failed += 1
        self._round.idle.append(self)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._sent_ns:
            self._round.failed += 1
            self._round.lost += 1
        elif self in self._round.idle:
            self._round.idle.remove(self)
            self._round.lost += 1

    def close(self) -> None:
        self._transport.abort()


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])
