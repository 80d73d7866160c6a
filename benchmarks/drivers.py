"""What drives a server: wrk where it is installed, else asyncio streams.

Invariant: every request carries an id that no other has, so that each is scored, not repeated.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter_ns
from typing import Final
from urllib.parse import urlsplit

import msgspec

from fraudkit.domain.transaction import Transaction
from fraudkit.errors import StoreError

__all__ = [
    "CONNECTIONS",
    "Driven",
    "Orders",
    "drive",
    "drive_with_asyncio",
    "drive_with_wrk",
    "driver_name",
    "write_tails",
]

CONNECTIONS: Final = 16
"""Connections that are open at once; each sends its next order when it has its answer."""

_SCRIPT: Final = Path(__file__).with_name("rotate.lua")
_PATH: Final = "/v1/score"


class Driven(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of driving saw.

    Attributes
    ----------
    requests, failed : int
        Answered, and answered with an error or not at all.
    duration_us : int
        From the first request to the last answer.
    latency_us : tuple of (int, int)
        Microseconds from a request to its answer → how many took so long.
    """

    requests: int
    failed: int
    duration_us: int
    latency_us: tuple[tuple[int, int], ...]


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """The orders of one round.

    Attributes
    ----------
    tails : Path
        File of prepared orders, one a line, each without its id and time.
    prefix : str
        Of the ids; another one for every round.
    first_at : datetime
        Time of the first order.
    step_s : int
        Seconds from each order to the next.
    """

    tails: Path
    prefix: str
    first_at: datetime
    step_s: int


def write_tails(path: Path, transactions: Iterable[Transaction]) -> None:
    """Write orders, one a line, without their first two fields, the id and the time."""
    lines = []
    for transaction in transactions:
        document = msgspec.json.decode(msgspec.json.encode(transaction), type=dict[str, object])
        del document["transaction_id"], document["event_time"]
        lines.append(b"," + msgspec.json.encode(document)[1:] + b"\n")
    path.write_bytes(b"".join(lines))


def driver_name() -> str:
    """Return which driver `drive` uses here."""
    return "asyncio" if shutil.which("wrk") is None else "wrk"


def drive(url: str, orders: Orders, seconds: int) -> Driven:
    """Send orders for some seconds, as fast as they are answered.

    Raises
    ------
    fraudkit.errors.StoreError
        If any request was not answered well.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        driven = asyncio.run(drive_with_asyncio(url, orders, seconds))
    else:
        driven = drive_with_wrk(wrk, url, orders, seconds)
    if driven.failed or not driven.requests:
        raise StoreError(
            f"{url}{_PATH} must answer every order with 200. Got {driven.failed} failures among "
            f"{driven.requests} requests; figures of a failing server mean nothing"
        )
    return driven


def drive_with_wrk(wrk: str, url: str, orders: Orders, seconds: int) -> Driven:
    """Drive with wrk, on one thread."""
    script = [str(orders.tails), orders.prefix, str(int(orders.first_at.timestamp()))]
    ran = subprocess.run(  # noqa: S603 - wrk with our own arguments
        [
            *(wrk, "--threads", "1", "--connections", str(CONNECTIONS)),
            *("--duration", f"{seconds}s", "--script", str(_SCRIPT), f"{url}{_PATH}", "--"),
            *(*script, str(orders.step_s)),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    said = [line for line in ran.stdout.splitlines() if line.startswith("{")]
    if ran.returncode != 0 or not said:
        raise StoreError(f"wrk must run. It said: {(ran.stderr or ran.stdout)[-500:]}")
    return msgspec.json.decode(said[-1], type=Driven)


async def drive_with_asyncio(url: str, orders: Orders, seconds: float) -> Driven:
    """Drive with asyncio streams; slower than wrk, so a fast server waits for it."""
    round_ = _Round(urlsplit(url).netloc, orders)
    start = perf_counter_ns()
    deadline = start + int(seconds * 1e9)
    failed = await asyncio.gather(*(round_.drive(deadline) for _ in range(CONNECTIONS)))
    return Driven(
        requests=round_.latency_us.total(),
        failed=sum(failed),
        duration_us=(perf_counter_ns() - start) // 1000,
        latency_us=tuple(sorted(round_.latency_us.items())),
    )


class _Round:
    """One round of orders over several connections."""

    def __init__(self, address: str, orders: Orders) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._orders = orders
        self._tails: Sequence[bytes] = orders.tails.read_bytes().splitlines()
        self._head = f"POST {_PATH} HTTP/1.1\r\nhost: {address}\r\n".encode()
        self._sent = 0
        self.latency_us: Counter[int] = Counter()

    async def drive(self, deadline_ns: int) -> int:
        """Send orders over one connection until the deadline; return the failures.

        A server that hangs up has failed once, and gets no more over this connection.
        """
        reader, writer = await asyncio.open_connection(self._host, self._port)
        failed = 0
        try:
            while perf_counter_ns() < deadline_ns:
                failed += not await self._ask(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            failed += 1
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        return failed

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one order and return whether it was answered with 200."""
        request = self._next()
        sent_at = perf_counter_ns()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_content_length(head))
        self.latency_us[(perf_counter_ns() - sent_at) // 1000] += 1
        return head.startswith(b"HTTP/1.1 200 ")

    def _next(self) -> bytes:
        orders, number = self._orders, self._sent
        self._sent += 1
        made_at = orders.first_at.astimezone(UTC) + timedelta(seconds=number * orders.step_s)
        body = b'{"transaction_id":"%s%d","event_time":"%s"%s' % (
            orders.prefix.encode(),
            number,
            made_at.isoformat(timespec="seconds").encode(),
            self._tails[number % len(self._tails)],
        )
        headers = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        return self._head + headers + body


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise StoreError("an answer must state its content-length")
