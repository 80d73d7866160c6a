"""How long a request may take: what its caller says in a header, and no longer than the setting.

Time counts from the head of the request. A small part of it is kept back for what follows the
score: the rest of the turn, the journal's commit and the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from fraudkit.deciding import IsLate
from service.refusals import Answer, refusal

__all__ = ["DEADLINE_HEADER", "DEADLINE_MS_MAX", "RESERVE_MS_MAX", "Deadlines"]

DEADLINE_HEADER: Final = b"x-deadline-ms"
"""How many milliseconds the caller waits for the answer."""

DEADLINE_MS_MAX: Final = 60_000
"""The most that the header and the setting may say."""

RESERVE_MS_MAX: Final = 5.0
"""What is kept back, in milliseconds; of a deadline below twice of it, half."""

_DIGITS_MAX: Final = len(str(DEADLINE_MS_MAX))
_REFUSED: Final = refusal(
    "invalid_header",
    f"x-deadline-ms of 1 to {DEADLINE_MS_MAX:,} whole milliseconds",
    "another value",
    "send how long you wait for the answer, such as 200, or leave the header out",
)


class Deadlines:
    """Tells by when the requests of a service are to be answered.

    Parameters
    ----------
    longest_ms : int
        For a request that brings no shorter one, 1 to 60,000.
    clock_s : callable
        Seconds of a clock that only goes on.

    Examples
    --------
    >>> now_s = [10.0]
    >>> is_late = Deadlines(300, clock_s=lambda: now_s[0]).of({b"x-deadline-ms": b"100"})
    >>> is_late()
    False
    >>> now_s[0] = 10.095
    >>> is_late()
    True
    """

    def __init__(
        self, longest_ms: int = DEADLINE_MS_MAX, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._longest_ms = longest_ms
        self._longest_s = _usable_s(longest_ms)
        self._clock_s = clock_s

    def of(self, headers: Mapping[bytes, bytes]) -> IsLate | Answer:
        """Return what says whether a request whose head is here now is late, or its refusal."""
        clock_s, usable_s = self._clock_s, self._longest_s
        given = headers.get(DEADLINE_HEADER)
        if given is not None:
            waits_ms = int(given) if given.isdigit() and len(given) <= _DIGITS_MAX else 0
            if not 1 <= waits_ms <= DEADLINE_MS_MAX:
                return _REFUSED
            usable_s = _usable_s(min(waits_ms, self._longest_ms))
        until_s = clock_s() + usable_s
        return lambda: clock_s() >= until_s


def _usable_s(deadline_ms: int) -> float:
    return (deadline_ms - min(RESERVE_MS_MAX, deadline_ms / 2)) / 1000
