"""What is asked of Redis: each command packed, and each touching one key."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fraudkit.features.plan import WindowPlan
from fraudkit.features.window_arrays import EVENT_ID, FIRST_STATUS, NEVER
from fraudkit.stores.redis_nodes import Command, bulk, pack
from fraudkit.stores.redis_rows import EntityRows, RowLayout, RowLimits

__all__ = ["RedisCommands"]

_CLOCK_KEPT: Final = 64
"""The newest events of which some may turn out to have been there before, with another time."""

_MAY_BE_TAKEN_BACK: Final = 8
"""How many rows of a key workers may take back at a time without a window missing them."""

_CHANGED_AT_ONCE: Final = 200
"""How many keys a command changes at most: while it does, a server answers nobody else."""


class RedisCommands:
    """Makes the commands for one layout.

    Parameters
    ----------
    plan : WindowPlan
        The windows that will be read.
    layout : RowLayout
        Its keys and rows.
    limits : RowLimits
        What is kept.

    Attributes
    ----------
    scripts : list of bytes
        The Lua sources that the commands name.
    newest : Command
        Asks for the newest event: its id and its time.
    """

    def __init__(self, plan: WindowPlan, layout: RowLayout, limits: RowLimits) -> None:
        self._layout = layout
        self._ttl_ms = plan.retention_ms + limits.allowed_lateness_ms
        self._clock_key = layout.prefix + b"clock"
        self._counters_key = layout.prefix + b"counters"
        self._row_bytes, self._waiting_bytes = 8 * plan.n_columns, 8 * len(plan.statuses)
        self._widths = [8 * len(columns) for columns in layout.columns]
        self._n_statuses = [
            layout.n_statuses(entity, plan.first_hash) for entity in range(len(self._widths))
        ]
        self.scripts = [self._rows_script(plan, limits), self._event_script(len(plan.statuses))]
        self._rows_sha, self._event_sha = (_sha(script).encode() for script in self.scripts)
        self._nothing_told = np.full(len(plan.statuses), NEVER, np.int64).tobytes()
        self.newest: Command = (
            self._clock_key,
            pack("ZRANGE", self._clock_key, 0, 0, "REV", "WITHSCORES"),
        )

    def _rows_script(self, plan: WindowPlan, limits: RowLimits) -> bytes:
        widths = sorted(set(self._widths))
        return _script(
            "redis_rows.lua",
            FROM=_table({width: -width for width in widths}),
            TO=_table({width: 15 - width for width in widths}),
            REACH_MS=plan.retention_ms + limits.allowed_lateness_ms,
            LATENESS_MS=limits.allowed_lateness_ms,
            KEPT=plan.max_events + _MAY_BE_TAKEN_BACK,
            CAPACITY=limits.capacity_events,
            TTL_MS=f"'{self._ttl_ms}'",
        )

    def _event_script(self, n_statuses: int) -> bytes:
        return _script(
            "redis_event.lua",
            ROW_BYTES=self._row_bytes,
            STATUSES=n_statuses,
            TTL_MS=f"'{self._ttl_ms}'",
        )

    def is_row(self, value: bytes | None) -> bool:
        """Whether an event id holds its event."""
        return value is not None and len(value) == self._row_bytes

    def is_waiting(self, value: bytes | None) -> bool:
        """Whether an event id holds outcomes that wait for its event."""
        return value is not None and len(value) == self._waiting_bytes

    def is_same(self, event: NDArray[np.int64], row: bytes) -> bool:
        """Whether a row is of this very event, whatever is known of it by now."""
        sent, first = event.tobytes(), 8 * FIRST_STATUS
        last = first + self._waiting_bytes
        return sent[:first] == row[:first] and sent[last:] == row[last:]

    def claim(self, event: NDArray[np.int64]) -> Command:
        """Take an event's id, if it is free; the reply is what holds it already, or nil."""
        key = self._layout.event_key(int(event[EVENT_ID]))
        return key, pack(b"SET", key, event.tobytes(), b"NX", b"GET", b"PX", self._ttl_ms)

    def put_and_get(self, held: EntityRows, *, is_plain: bool) -> list[Command]:
        """Put rows in where they belong, then get all rows of the keys: replies by turns.

        ``is_plain`` says that one server has all keys: then it is one command for all of them.
        """
        n_keys = len(held.keys)
        if is_plain and n_keys:
            keys = bulk(held.keys)
            put = bulk((b"EVALSHA", self._rows_sha, b"%d" % n_keys)) + keys + bulk(held.rows)
            get = bulk((b"MGET",)) + keys
            return [(b"", b"*%d\r\n%b" % (3 + 2 * n_keys, put), b"*%d\r\n%b" % (1 + n_keys, get))]
        return [
            (key, pack(b"EVALSHA", self._rows_sha, 1, key, row), pack(b"GET", key))
            for key, row in zip(held.keys, held.rows, strict=True)
        ]

    def get(self, held: EntityRows, *, is_plain: bool) -> list[Command]:
        """Get all rows of the keys."""
        if is_plain and held.keys:
            return [(b"", pack(b"MGET", *held.keys))]
        return [(key, pack(b"GET", key)) for key in held.keys]

    def changes(
        self, held: EntityRows, mode: Literal["merge", "note", "remove"], *, is_plain: bool
    ) -> list[Command]:
        """Change the rows of keys; see ``redis_rows.lua``. A key may have several rows."""
        size = _CHANGED_AT_ONCE if is_plain else 1
        commands: list[Command] = []
        for first in range(0, len(held.keys), size):
            some = slice(first, first + size)
            entities, keys, rows = held.entities[some], held.keys[some], held.rows[some]
            widths = [b"%d" % self._widths[entity] for entity in entities]
            n_statuses = [b"%d" % self._n_statuses[entity] for entity in entities]
            parts = (*keys, *rows, mode.encode(), *widths, *n_statuses)
            commands.append((keys[0], pack(b"EVALSHA", self._rows_sha, len(keys), *parts)))
        return commands

    def tell(self, event_id: int, place: int, known_at_ms: int) -> Command:
        """Note an outcome with an event id; the reply is the row, or nil where it waits.

        ``place`` is that of the status among the plan's.
        """
        told = bytearray(self._nothing_told)
        told[8 * place : 8 * place + 8] = np.int64(known_at_ms).tobytes()
        key = self._layout.event_key(event_id)
        return key, pack(b"EVALSHA", self._event_sha, 1, key, bytes(told))

    def adopt(self, event: NDArray[np.int64]) -> Command:
        """Put an event in whose outcomes waited; the reply is its row with them."""
        key = self._layout.event_key(int(event[EVENT_ID]))
        parts = (b"EVALSHA", self._event_sha, 1, key, self._nothing_told, event.tobytes())
        return key, pack(*parts)

    def held(self, event_id: int) -> Command:
        """Get what an event id holds."""
        key = self._layout.event_key(event_id)
        return key, pack(b"GET", key)

    def free(self, event_id: int) -> Command:
        """Let go of what an event id holds."""
        key = self._layout.event_key(event_id)
        return key, pack(b"DEL", key)

    def unsettle(self, event: NDArray[np.int64]) -> Command:
        """Have what was told of an event wait with its id, and nothing else be held there."""
        first = 8 * FIRST_STATUS
        told = event.tobytes()[first : first + self._waiting_bytes]
        event_id = int(event[EVENT_ID])
        if told == self._nothing_told:
            return self.free(event_id)
        key = self._layout.event_key(event_id)
        return key, pack(b"SET", key, told, b"PX", self._ttl_ms)

    def advance(self, event_id: int, time_ms: int) -> Command:
        """Make an event the newest, if it is."""
        return self._clock_key, pack(b"ZADD", self._clock_key, b"GT", time_ms, b"%d" % event_id)

    def set_back(self, event_id: int, time_ms: int) -> Command:
        """Give an event among the newest its first time again."""
        return self._clock_key, pack(b"ZADD", self._clock_key, time_ms, b"%d" % event_id)

    def unname(self, event_id: int, time_ms: int) -> Command:
        """Take an event out of the clock, which does not go back; nobody's id is 0."""
        key = self._clock_key
        kept = pack(b"ZADD", key, b"GT", time_ms, b"0")
        return key, kept, pack(b"ZREM", key, b"%d" % event_id)

    def count(self, name: str, by: int) -> Command:
        """Add to a counter that all workers share."""
        key = self._counters_key
        return key, pack(b"HINCRBY", key, name, by), pack(b"PEXPIRE", key, self._ttl_ms)

    @property
    def counters(self) -> Command:
        """Asks for all shared counters."""
        return self._counters_key, pack("HGETALL", self._counters_key)

    @property
    def upkeep(self) -> Command:
        """Forget all but the newest events' times, and let those live on."""
        key = self._clock_key
        return (
            key,
            pack(b"ZREMRANGEBYRANK", key, 0, -_CLOCK_KEPT - 1),
            pack(b"PEXPIRE", key, self._ttl_ms),
        )


def _script(name: str, **constants: int | str) -> bytes:
    """Return a script with its constants before it."""
    text = resources.files("fraudkit.stores").joinpath(name).read_text("utf-8")
    names, values = ", ".join(constants), ", ".join(map(str, constants.values()))
    return f"local {names} = {values}\n{text}".encode()


def _table(values: dict[int, int]) -> str:
    """Return a table of Lua from numbers to numbers as text, which commands take as it is."""
    return "{" + ", ".join(f"[{key}] = '{value}'" for key, value in values.items()) + "}"


def _sha(script: bytes) -> str:
    """Return the name that Redis gives a script."""
    return hashlib.sha1(script, usedforsecurity=False).hexdigest()
