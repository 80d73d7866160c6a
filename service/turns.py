"""Requests take turns: decided in the order of arrival, written together, answered after.

All that came while the journal was written goes into its next commit. Nobody waits behind more
than a stated number: who comes then is turned away at once.

Invariant: an answer of success leaves only after what it says is in the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

from fraudkit.errors import FraudkitError
from service.refusals import Answer

__all__ = ["TURN_SECONDS_MAX", "Turns"]

TURN_SECONDS_MAX: Final = 0.002
"""How long requests are decided before those that came meanwhile are looked at."""


class Turns:
    """A line of requests of one event loop.

    Parameters
    ----------
    write : callable
        Makes durable what the requests before it did.
    waiting_max : int
        How many requests may stand in line.
    refused : callable
        The answer where `write` raised this.
    """

    def __init__(
        self,
        write: Callable[[], None],
        *,
        waiting_max: int,
        refused: Callable[[FraudkitError], Answer],
    ) -> None:
        self._write = write
        self._waiting_max = waiting_max
        self._refused = refused
        self._line: deque[tuple[Callable[[], Answer], asyncio.Future[Answer]]] = deque()
        self._is_called = False

    def join(self, work: Callable[[], Answer]) -> asyncio.Future[Answer] | None:
        """Stand in line with work that never raises; ``None`` where the line is full."""
        if len(self._line) >= self._waiting_max:
            return None
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        self._line.append((work, answered))
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._take_turn)
        return answered

    def _take_turn(self) -> None:
        self._is_called = False
        done = self._worked()
        error = None
        try:
            self._write()
        except FraudkitError as raised:
            error = raised
        for made, answered in done:
            answer = made
            if not answered.done():
                if error is not None and answer.status < 300:
                    answer = self._refused(error)
                answered.set_result(answer)
        if self._line and not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _worked(self) -> list[tuple[Answer, asyncio.Future[Answer]]]:
        line, done = self._line, []
        until = perf_counter() + TURN_SECONDS_MAX
        while line:
            work, answered = line.popleft()
            if not answered.done():  # else whoever asked has left
                done.append((work(), answered))
            if perf_counter() > until:
                break
        return done
