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

__all__ = ["TURN_SECONDS_MAX", "WAIT_SECONDS_MAX", "Made", "Turns", "Work"]

TURN_SECONDS_MAX: Final = 0.002
"""How long requests are decided before those that came meanwhile are looked at."""

WAIT_SECONDS_MAX: Final = 1.0
"""How long a request may have stood in line when its turn comes."""


Made = Answer | Callable[[], Answer]
"""An answer; or where it is known only once it is written, what then gives it and never raises."""

Work = Callable[[], Made]
"""What a request asks for; it never raises."""


class Turns:
    """A line of requests of one event loop.

    Parameters
    ----------
    write : callable
        Makes durable what the requests before it did.
    waiting_max : int
        How many requests may stand in line.
    refused : callable
        The answer where ``write`` raised this.
    clock : callable
        Seconds, for the length of a turn and of a wait.
    """

    def __init__(
        self,
        write: Callable[[], None],
        *,
        waiting_max: int,
        refused: Callable[[FraudkitError], Answer],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._write = write
        self._clock = clock
        self._waiting_max = waiting_max
        self._refused = refused
        self._line: deque[tuple[Work, asyncio.Future[Answer | None], float]] = deque()
        self._is_called = False

    @property
    def is_full(self) -> bool:
        """Whether nobody may join."""
        return len(self._line) >= self._waiting_max

    def join(self, work: Work) -> asyncio.Future[Answer | None] | None:
        """Stand in line; ``None`` where the line is full.

        The answer is ``None``, and the work is not done, where that took longer than
        `WAIT_SECONDS_MAX`: a journal that keeps each turn waiting does not keep the whole line.
        """
        if self.is_full:
            return None
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer | None] = loop.create_future()
        self._line.append((work, answered, self._clock()))
        self._call_again()
        return answered

    def _call_again(self) -> None:
        if self._line and not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_called = False
        done = self._worked()
        try:
            self._write()
        except FraudkitError as error:
            lost = self._refused(error)
            done = [(lost if _needs_write(made) else made, asked) for made, asked in done]
        except BaseException as error:
            for _made, asked in done:
                asked.set_exception(error)
            raise
        for made, asked in done:
            if not asked.done():
                asked.set_result(made if isinstance(made, Answer) else made())
        self._call_again()

    def _worked(self) -> list[tuple[Made, asyncio.Future[Answer | None]]]:
        line, done = self._line, []
        start = self._clock()
        while line:
            work, answered, joined = line.popleft()
            if answered.done():  # whoever asked has left
                continue
            if start - joined > WAIT_SECONDS_MAX:
                answered.set_result(None)
                continue
            try:
                done.append((work(), answered))
            except Exception as error:  # noqa: BLE001 - it is told to who asked; the line goes on
                answered.set_exception(error)
            if self._clock() > start + TURN_SECONDS_MAX:
                break
        return done


def _needs_write(made: Made) -> bool:
    return not isinstance(made, Answer) or made.status < 300
