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

from benchmarks.cores import LOAD_CORE, pinned
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import StoreError

__all__ = [
    "Bodies",
    "Driven",
    "Orders",
    "drive",
    "drive_with_asyncio",
    "drive_with_wrk",
    "driver_name",
    "write_tails",
]

_SCRIPT: Final = Path(__file__).with_name("rotate.lua")
_FAILED_SHARE_MAX: Final = 0.01


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
    path : str
        Of the URL.
    """

    tails: Path
    prefix: str
    first_at: datetime
    step_s: int
    path: str = "/v1/score"

    @property
    def script_arguments(self) -> tuple[str, ...]:
        """What ``rotate.lua`` is told."""
        first_at = str(int(self.first_at.timestamp()))
        return str(self.tails), self.prefix, first_at, str(self.step_s)

    def lines(self) -> Sequence[bytes]:
        """Return what is sent in turn."""
        return self.tails.read_bytes().splitlines()

    def body(self, number: int, line: bytes) -> bytes:
        """Return the body of a request, counted from 0."""
        made_at = self.first_at.astimezone(UTC) + timedelta(seconds=number * self.step_s)
        return b'{"transaction_id":"%s%d","event_time":"%s"%s' % (
            self.prefix.encode(),
            number,
            made_at.isoformat(timespec="seconds").encode(),
            line,
        )

    def after(self, n_sent: int) -> Orders:
        """Return a later round: other ids, and times after those of so many orders."""
        first_at = self.first_at + timedelta(seconds=n_sent * self.step_s)
        return msgspec.structs.replace(self, prefix=f"{self.prefix}-", first_at=first_at)


class Bodies(msgspec.Struct, frozen=True, kw_only=True):
    """Whole bodies for a server that remembers none: they are sent in turn as they are.

    Attributes
    ----------
    file : Path
        One body a line.
    path : str
        Of the URL.
    """

    file: Path
    path: str

    @property
    def script_arguments(self) -> tuple[str, ...]:
        """What ``rotate.lua`` is told."""
        return (str(self.file),)

    def lines(self) -> Sequence[bytes]:
        """Return what is sent in turn."""
        return self.file.read_bytes().splitlines()

    def body(self, _number: int, line: bytes) -> bytes:
        """Return the body of a request."""
        return line

    def after(self, _n_sent: int) -> Bodies:
        """Return a later round, which is the same."""
        return self


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


def drive(url: str, sent: Orders | Bodies, seconds: int, *, connections: int) -> Driven:
    """Send requests for some seconds, as fast as they are answered, from `LOAD_CORE`.

    Parameters
    ----------
    url : str
        Where the server listens.
    sent : Orders or Bodies
        What is sent.
    seconds : int
        How long.
    connections : int
        Open at once; each sends its next request when it has its answer.

    Raises
    ------
    fraudkit.errors.StoreError
        If nothing was answered, or more than one request in a hundred was not answered well.
    """
    wrk = shutil.which("wrk")
    with pinned(LOAD_CORE):
        if wrk is None:
            driven = asyncio.run(drive_with_asyncio(url, sent, seconds, connections=connections))
        else:
            driven = drive_with_wrk(wrk, url, sent, seconds, connections=connections)
    if driven.failed > _FAILED_SHARE_MAX * driven.requests or not driven.requests:
        raise StoreError(
            f"{url}{sent.path} must answer every order with 200. Got {driven.failed} failures "
            f"among {driven.requests} requests; figures of a failing server mean nothing"
        )
    return driven


def drive_with_wrk(
    wrk: str, url: str, sent: Orders | Bodies, seconds: int, *, connections: int
) -> Driven:
    """Drive with wrk, on one thread."""
    ran = subprocess.run(  # noqa: S603 - wrk with our own arguments
        [
            *(wrk, "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--script", str(_SCRIPT), f"{url}{sent.path}", "--"),
            *sent.script_arguments,
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


async def drive_with_asyncio(
    url: str,
    sent: Orders | Bodies,
    seconds: float,
    *,
    connections: int,
    rate_rps: float | None = None,
) -> Driven:
    """Drive with asyncio streams; slower than wrk, so a fast server waits for it.

    Parameters
    ----------
    url, sent, connections
        As of `drive`.
    seconds : float
        How long.
    rate_rps : float or None
        Requests a second over all connections, at even distances; a connection whose answer is
        late sends at once until it is in time again. ``None``: as fast as they are answered.
    """
    round_ = _Round(urlsplit(url).netloc, sent)
    start = perf_counter_ns()
    deadline = start + int(seconds * 1e9)
    step_ns = 0 if rate_rps is None else int(connections / rate_rps * 1e9)
    failed = await asyncio.gather(
        *(
            round_.drive(start + place * step_ns // connections, deadline, step_ns)
            for place in range(connections)
        )
    )
    return Driven(
        requests=round_.latency_us.total(),
        failed=sum(failed),
        duration_us=(perf_counter_ns() - start) // 1000,
        latency_us=tuple(sorted(round_.latency_us.items())),
    )


class _Round:
    """One round of requests over several connections."""

    def __init__(self, address: str, sent: Orders | Bodies) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._sent = sent
        self._lines = sent.lines()
        self._head = f"POST {sent.path} HTTP/1.1\r\nhost: {address}\r\n".encode()
        self._n_sent = 0
        self.latency_us: Counter[int] = Counter()

    async def drive(self, due_ns: int, deadline_ns: int, step_ns: int) -> int:
        """Send requests over one connection until the deadline; return the failures.

        A server that hangs up has failed once, and gets no more over this connection.
        """
        reader, writer = await asyncio.open_connection(self._host, self._port)
        failed = 0
        try:
            while perf_counter_ns() < deadline_ns:
                early_ns = due_ns - perf_counter_ns()
                if step_ns and early_ns > 0:
                    await asyncio.sleep(early_ns / 1e9)
                failed += not await self._ask(reader, writer)
                due_ns += step_ns
        except (asyncio.IncompleteReadError, ConnectionError):
            failed += 1
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        return failed

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request and return whether it was answered with 200."""
        request = self._next()
        sent_at = perf_counter_ns()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_content_length(head))
        self.latency_us[(perf_counter_ns() - sent_at) // 1000] += 1
        return head.startswith(b"HTTP/1.1 200 ")

    def _next(self) -> bytes:
        number = self._n_sent
        self._n_sent += 1
        body = self._sent.body(number, self._lines[number % len(self._lines)])
        headers = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        return self._head + headers + body


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise StoreError("an answer must state its content-length")
