"""What all workers hold together in Redis, and what they let go."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from fraudkit.features.state import StoreCounters
from fraudkit.features.window_arrays import NEVER
from fraudkit.stores.redis_commands import RedisCommands
from fraudkit.stores.redis_link import RedisLink
from fraudkit.stores.redis_nodes import pack
from fraudkit.stores.redis_rows import RowLayout

__all__ = ["RedisCounters"]

_SAMPLE_KEYS: Final = 10_000


class RedisCounters:
    """Counts what is not taken in and what is let go; samples the keys for what is held.

    Parameters
    ----------
    layout : RowLayout
        The keys.
    commands : RedisCommands
        Of this layout.
    link : RedisLink
        The line.
    """

    def __init__(self, layout: RowLayout, commands: RedisCommands, link: RedisLink) -> None:
        self._layout = layout
        self._commands = commands
        self._link = link
        self._tally: Counter[str] = Counter()

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter of `StoreCounters`; `send` tells the others."""
        if by:
            self._tally[name] += by

    def send(self) -> None:
        """Let what was counted go with the next batch."""
        if self._tally:
            counted = [self._commands.count(name, by) for name, by in self._tally.items()]
            self._tally.clear()
            self._link.post(counted, at_once=False)

    def read(self) -> StoreCounters:
        """Return what is held and what was let go; what is held is estimated from a sample.

        Raises
        ------
        fraudkit.errors.StoreError
            If Redis cannot serve.
        """
        self.send()
        (told,) = self._link.run([self._commands.counters])
        counted = dict(zip(map(bytes.decode, told[::2]), map(int, told[1::2]), strict=True))
        keys, weight = self._link.sample_keys(_SAMPLE_KEYS)
        of_entities = tuple(self._layout.entity_prefixes)
        of_ids = [key for key in keys if key.startswith(self._layout.id_prefix)]
        values = self._link.run([(key, pack(b"GET", key)) for key in of_ids])
        rows = [value for value in values if self._commands.is_row(value)]
        waiting = b"".join(value for value in values if self._commands.is_waiting(value))
        n_waiting = int((np.frombuffer(waiting, np.int64) != NEVER).sum())
        return StoreCounters(
            events=round(weight * len(rows)),
            keys=round(weight * sum(key.startswith(of_entities) for key in keys)),
            duplicates=counted.get("duplicates", 0),
            too_late=counted.get("too_late", 0),
            evicted_by_age=0,
            evicted_by_capacity=counted.get("evicted_by_capacity", 0),
            outcomes_pending=round(weight * n_waiting),
            outcomes_dropped=counted.get("outcomes_dropped", 0),
        )
