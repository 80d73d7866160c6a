"""`Scene`: the events that the checked streams are made of, and the windows' widths."""

from __future__ import annotations

from typing import Final

import numpy as np

from fraudkit.checks.contract import Event
from fraudkit.domain.outcome import Status

__all__ = ["DAY_MS", "HOUR_MS", "MINUTE_MS", "WIDTHS_MS", "Scene"]

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
WIDTHS_MS: Final = (MINUTE_MS, HOUR_MS, 7 * DAY_MS)
"""The widths of the checked windows; the last is also the retention."""

_START_MS: Final = 1_700_000_000_000


class Scene:
    """Makes events with random ids and keys; the same generator gives the same events.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where all chance comes from.
    allowed_lateness_ms : int
        Of the store that is checked.

    Attributes
    ----------
    start_ms : int
        A time to count from.
    card, email : int
        The keys of an event that names no others.
    """

    def __init__(self, rng: np.random.Generator, allowed_lateness_ms: int) -> None:
        self.rng = rng
        self.allowed_lateness_ms = allowed_lateness_ms
        self.start_ms = _START_MS + self.up_to(DAY_MS)
        self.card, self.email = self.hash(), self.hash()

    def hash(self) -> int:
        """Return a signed 64-bit number that is not 0 and comes once."""
        return int(self.rng.integers(1, 2**63 - 1)) * int(self.rng.choice((-1, 1)))

    def up_to(self, most: int) -> int:
        """Return a number from 0 to ``most``."""
        return int(self.rng.integers(0, most, endpoint=True))

    def event(
        self,
        time_ms: int,
        *,
        available_at_ms: int | None = None,
        event_id: int | None = None,
        card: int | None = None,
        email: int | None = None,
        amount: int | None = None,
        known: tuple[tuple[Status, int], ...] = (),
    ) -> Event:
        """Return an event; what is not given is new, or the scene's own."""
        return Event(
            self.hash() if event_id is None else event_id,
            time_ms,
            time_ms if available_at_ms is None else available_at_ms,
            (
                self.card if card is None else card,
                self.email if email is None else email,
                self.hash(),
            ),
            self.up_to(10_000) if amount is None else amount,
            known,
        )

    def later(self, time_ms: int) -> int:
        """Return a time 2 ms to 20 s later, so that no two events tie."""
        return time_ms + 2 + self.up_to(20_000)

    def times(self, count: int) -> list[int]:
        """Return ascending times from the scene's start on."""
        times = [self.start_ms]
        while len(times) < count:
            times.append(self.later(times[-1]))
        return times
