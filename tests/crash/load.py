"""Clients that ask one service or several at once, and send again what was not settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

import numpy as np

from tests.crash.asking import GONE, Asker, Request
from tests.crash.ledger import Ledger

__all__ = ["Load", "ask_all"]

_CONNECTIONS = 8
_AGAIN_SHARE = 0.1
_PAUSE_SECONDS = 0.003
_RECOVERED = 100
_PAUSE_AFTER_REFUSAL_SECONDS = 0.02


class Load:
    """Closed-loop clients over requests that never end.

    Parameters
    ----------
    requests : iterator of Request
        What is sent, in this order but for what is sent again.
    ledger : Ledger
        What comes of it.
    generator : numpy.random.Generator
        Draws who is asked again.
    """

    def __init__(
        self, requests: Iterator[Request], ledger: Ledger, generator: np.random.Generator
    ) -> None:
        self.ledger = ledger
        self._requests = requests
        self._generator = generator
        self._is_over = False
        self._clients: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(
        self, *ports: int, connections: int = _CONNECTIONS, pause_s: float = _PAUSE_SECONDS
    ) -> AsyncIterator[None]:
        """Ask as long as the block runs; end with what is under way."""
        self._is_over = False
        self._clients = [
            asyncio.create_task(self._client(ports[place % len(ports)], pause_s))
            for place in range(connections)
        ]
        try:
            yield
        finally:
            self._is_over = True
            await asyncio.gather(*self._clients)

    async def acknowledged(self, more: int, *, seconds_max: float = 60.0) -> None:
        """Wait until so many more were acknowledged."""
        until = len(self.ledger.acknowledged) + more
        await self._until(
            lambda: len(self.ledger.acknowledged) >= until,
            f"{more} more acknowledged",
            seconds_max,
        )

    async def recovered(self, *, seconds_max: float) -> None:
        """Wait until so many more were acknowledged and no source is missing any more."""
        until = len(self.ledger.acknowledged) + _RECOVERED
        await self._until(
            lambda: len(self.ledger.acknowledged) >= until and self.ledger.whole >= _RECOVERED,
            f"{_RECOVERED} more acknowledged, and decided with all sources",
            seconds_max,
        )

    async def _until(self, is_so: Callable[[], bool], what: str, seconds_max: float) -> None:
        deadline_s = perf_counter() + seconds_max
        while not is_so():
            for client in self._clients:
                if client.done():
                    client.result()
            assert not all(client.done() for client in self._clients), "the service is gone"
            assert perf_counter() < deadline_s, f"not within {seconds_max} s: {what}"
            await asyncio.sleep(0.001)

    async def _client(self, port: int, pause_s: float) -> None:
        asker = Asker(port)
        try:
            while not self._is_over:
                request = self._next()
                try:
                    answer = await asker.ask(request)
                except TimeoutError:
                    raise AssertionError(f"no answer to {request.name}") from None
                except GONE:
                    self.ledger.leave_unsettled(request)
                    return
                is_well = self.ledger.take_in(request, answer)
                await asyncio.sleep(pause_s if is_well else _PAUSE_AFTER_REFUSAL_SECONDS)
        finally:
            asker.close()

    def _next(self) -> Request:
        ledger, drawn = self.ledger, self._generator.random()
        if drawn < _AGAIN_SHARE and ledger.acknowledged:
            return ledger.settled[int(self._generator.integers(len(ledger.settled)))]
        if ledger.unsettled and drawn < 0.5:
            return ledger.unsettled.popleft()
        return next(self._requests)


async def ask_all(
    port: int, requests: Sequence[Request], ledger: Ledger, *, connections: int = _CONNECTIONS
) -> None:
    """Ask each once, and hold the answers to what was acknowledged; all must succeed."""

    async def client(share: Sequence[Request]) -> None:
        asker = Asker(port)
        try:
            for request in share:
                assert ledger.take_in(request, await asker.ask(request)), request.name
        finally:
            asker.close()

    await asyncio.gather(*(client(requests[place::connections]) for place in range(connections)))
