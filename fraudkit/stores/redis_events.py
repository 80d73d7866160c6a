"""Events and outcomes over a line to Redis, with what the port says of them.

Every worker asks the same three things of what they share: the key of the event's id says who
came first, the clock says which event is the newest, the entities' keys hold the rows. They may
lie on different nodes, so one round trip cannot make one depend on another. `RedisEvents.exchange`
therefore puts the rows in as if all were well and takes them back, with commands that are posted
at once, where the replies say otherwise: an id that was there with other content, or an event
that only the clock knew to be too late. `RedisEvents.take_in` asks first and needs two trips.

Invariant: every command may be carried out twice without harm, so that whatever was left half
done is mended by sending it again. Counters alone may then count twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import Appended, StoreCounters
from fraudkit.features.window_arrays import (
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
    NO_KEY,
    new_scratch,
)
from fraudkit.stores.redis_commands import RedisCommands
from fraudkit.stores.redis_counters import RedisCounters
from fraudkit.stores.redis_link import RedisLink
from fraudkit.stores.redis_nodes import Command, Reply
from fraudkit.stores.redis_rows import EntityRows, RowLayout, RowLimits, write_windows

__all__ = ["RedisEvents", "Told"]

_UPKEEP_EVERY: Final = 64
_UNREAD_MAX: Final = 256
_BEGINNING_OF_TIME: Final = -(2**62)


class Told(NamedTuple):
    """An outcome: the event, the place of the status among the plan's, when it was known."""

    event_id: int
    place: int
    known_at_ms: int


class RedisEvents:
    """Takes events in, reads windows, notes outcomes.

    Every method raises `fraudkit.errors.StoreError` if Redis cannot serve; what it was to do may
    then have been done in part, and may be asked for again.

    Parameters
    ----------
    plan : WindowPlan
        The windows that are read.
    layout : RowLayout
        Its keys and rows.
    limits : RowLimits
        What is kept.
    commands : RedisCommands
        Of this layout.
    link : RedisLink
        The line.

    Attributes
    ----------
    counters : RedisCounters
        What is held, and what was let go.
    """

    def __init__(
        self,
        plan: WindowPlan,
        layout: RowLayout,
        limits: RowLimits,
        commands: RedisCommands,
        link: RedisLink,
    ) -> None:
        self._plan = plan
        self._layout = layout
        self._lateness_ms = limits.allowed_lateness_ms
        self._commands = commands
        self._link = link
        self._scratch = new_scratch(layout.arrays, plan.max_events)
        self._newest_ms = _BEGINNING_OF_TIME
        self._latest: NDArray[np.int64] | None = None
        self.counters = RedisCounters(layout, commands, link)
        self._n_exchanges = 0
        nobody = np.full(plan.n_columns, NO_KEY, np.int64)
        self._write(nobody, layout.entity_rows(nobody), [], np.zeros(plan.n_out))

    def read(self, query: NDArray[np.int64], out: NDArray[np.float64]) -> None:
        """Write the value of every window for a query; see `StateStore.read`."""
        self._latest = None
        held, is_plain = self._layout.entity_rows(query), self._link.is_plain
        replies = self._link.run(self._commands.get(held, is_plain=is_plain))
        self._write(query, held, replies[0] if is_plain and replies else replies, out)

    def exchange(
        self, event: NDArray[np.int64], out: NDArray[np.float64], *, is_again: bool
    ) -> Appended:
        """Take an event in and read for it, in one round trip.

        ``is_again`` says that it may have been taken in by a call that failed.
        """
        event_id, time_ms = int(event[EVENT_ID]), int(event[EVENT_TIME])
        if time_ms < self._newest_ms - self._lateness_ms:
            self.read(event, out)
            return self.take_in([event], is_again=is_again)[0]
        self._latest = None
        commands, held = self._commands, self._layout.entity_rows(event)
        is_plain = self._link.is_plain
        claim, _, newest, *replies = self._link.run(
            [
                commands.claim(event),
                commands.advance(event_id, time_ms),
                commands.newest,
                *commands.put_and_get(held, is_plain=is_plain),
            ]
        )
        self._newest_ms = _time_of(newest)
        found = self._settled(event, held, claim, is_again=is_again or self._link.has_resent)
        self.counters.count("evicted_by_capacity", sum(replies[::2]))
        self._keep_up()
        values = replies[1] if is_plain and replies else replies[1::2]
        self._write(event, held, values, out)
        return found

    def take_in(self, events: Sequence[NDArray[np.int64]], *, is_again: bool) -> list[Appended]:
        """Take in events with different ids, in their order; the ids are asked for first."""
        commands, self._latest = self._commands, None
        *claims, newest = self._link.run([*map(commands.claim, events), commands.newest])
        may_be_ours = is_again or self._link.has_resent
        self._newest_ms = _time_of(newest)
        found, taken, adopted, refused = [], [], [], []
        for place, (event, claim) in enumerate(zip(events, claims, strict=True)):
            appended = self._judged(event, claim, may_be_ours=may_be_ours)
            found.append(appended)
            if appended is Appended.TOO_LATE:
                refused += [commands.free(int(event[EVENT_ID]))] if claim is None else []
            elif commands.is_waiting(claim):
                adopted.append(place)
            elif claim is None:
                taken.append(event)
            elif commands.is_same(event, claim):
                taken.append(_event_of(claim))
        self._link.post(refused)
        for place, row in zip(adopted, self._adopt([events[p] for p in adopted]), strict=True):
            taken.append(_event_of(row))
            if not commands.is_same(events[place], row):
                self.counters.count("duplicates")
                found[place] = Appended.DUPLICATE
        self._put(taken)
        if len(events) == 1 and taken:
            self._latest = taken[0].copy()
        self._keep_up()
        return found

    def tell(self, told: Sequence[Told]) -> list[bool]:
        """Note outcomes; return of each whether its event is held."""
        commands, self._latest = self._commands, None
        held = self._link.run([commands.tell(*outcome) for outcome in told])
        changed = self._merged(
            self._looked_at(event, columns) for event, columns in _changed_by(told, held)
        )
        if changed:
            self._link.run(changed)
        return [row is not None for row in held]

    def tell_of_latest(self, told: Told) -> bool:
        """Note an outcome of the event that the last call took in, without waiting.

        Returns whether it was that event and could be sent.
        """
        event = self._latest
        is_latest = event is not None and event[EVENT_ID] == told.event_id
        if event is None or not is_latest or not 0 <= self._link.n_unread < _UNREAD_MAX:
            return False
        column = FIRST_STATUS + told.place
        self._latest = event = event.copy()
        event[column] = min(event[column], told.known_at_ms)
        self._link.post([self._commands.tell(*told), *self._noted(event, told.place)])
        return True

    def read_counters(self) -> StoreCounters:
        """Return what is held and what was let go."""
        self._latest = None
        return self.counters.read()

    def holds(self, event_id: int) -> bool:
        """Return whether an event is held."""
        self._latest = None
        (value,) = self._link.run([self._commands.held(event_id)])
        return self._commands.is_row(value)

    def forget(self, event_id: int, unsaid: Told | None) -> bool:
        """Take an event out; what was told of it waits, but for ``unsaid``.

        Returns whether it was held.
        """
        self._latest = None
        (value,) = self._link.run([self._commands.held(event_id)])
        if not self._commands.is_row(value):
            return False
        event = _event_of(value)
        removals = self._removals(event)
        if unsaid is not None and event[FIRST_STATUS + unsaid.place] == unsaid.known_at_ms:
            event = event.copy()
            event[FIRST_STATUS + unsaid.place] = NEVER
        self._link.run([*removals, self._commands.unsettle(event)])
        return True

    def erase(self, event: NDArray[np.int64]) -> bool:
        """Take an event out, and all that was told of it; return whether it was held.

        Its rows may outlive what its id holds, so they are looked for by the event as well.
        """
        self._latest, event_id = None, int(event[EVENT_ID])
        (value,) = self._link.run([self._commands.held(event_id)])
        is_held = self._commands.is_row(value)
        known = [event, _event_of(value)] if is_held else [event]
        changes = [removal for held in known for removal in self._removals(held)]
        if is_held:
            changes.append(self._commands.unname(event_id, int(known[1][EVENT_TIME])))
        self._link.run([*changes, self._commands.free(event_id)])
        return is_held

    def _settled(
        self, event: NDArray[np.int64], held: EntityRows, claim: Reply, *, is_again: bool
    ) -> Appended:
        """Return what became of an event whose rows were put in, having taken back what must."""
        commands, event_id = self._commands, int(event[EVENT_ID])
        found = self._judged(event, claim, may_be_ours=is_again)
        self._latest = event.copy()
        if found is Appended.TOO_LATE:
            self._latest = None
            removals = self._changes(held, "remove")
            self._link.post([*removals, commands.free(event_id)] if claim is None else removals)
        elif found is Appended.ACCEPTED and commands.is_waiting(claim):
            (claim,) = self._adopt([event])
            self._latest = _event_of(claim)
            self._link.post(self._changes(self._layout.entity_rows(self._latest), "merge"))
            if not commands.is_same(event, claim):
                self.counters.count("duplicates")
                found = Appended.DUPLICATE
        if found is Appended.DUPLICATE:
            self._latest = first = _event_of(claim)
            self._link.post(self._takings_back(event, held, first))
            if event[EVENT_TIME] > first[EVENT_TIME]:
                self._newest_ms = _BEGINNING_OF_TIME
        return found

    def _adopt(self, events: Sequence[NDArray[np.int64]]) -> list[bytes]:
        """Put events in whose outcomes waited; return what their ids hold now."""
        return self._link.run(list(map(self._commands.adopt, events))) if events else []

    def _takings_back(
        self, event: NDArray[np.int64], held: EntityRows, first: NDArray[np.int64]
    ) -> list[Command]:
        """Return what takes an event back that was there before with other content."""
        right: set[bytes] = set()
        if first[EVENT_TIME] == event[EVENT_TIME]:
            right.update(self._layout.entity_rows(first).keys)
        wrong = held.where([key not in right for key in held.keys])
        taken_back = self._changes(wrong, "remove")
        if event[EVENT_TIME] > first[EVENT_TIME]:
            event_id, first_ms = int(first[EVENT_ID]), int(first[EVENT_TIME])
            taken_back.append(self._commands.set_back(event_id, first_ms))
        return taken_back

    def _judged(self, event: NDArray[np.int64], claim: Reply, *, may_be_ours: bool) -> Appended:
        """Return what becomes of an event by its claim and the clock; count and advance them."""
        commands = self._commands
        if commands.is_row(claim):
            if may_be_ours and commands.is_same(event, claim):
                return Appended.ACCEPTED
            self.counters.count("duplicates")
            return Appended.DUPLICATE
        if event[EVENT_TIME] < self._newest_ms - self._lateness_ms:
            self.counters.count("too_late")
            return Appended.TOO_LATE
        self._newest_ms = max(self._newest_ms, int(event[EVENT_TIME]))
        return Appended.ACCEPTED

    def _put(self, events: Iterable[NDArray[np.int64]]) -> None:
        """Put rows in, or what is known of them, a key by a command, and advance the clock."""
        ordered = sorted(events, key=_place_in_time)
        if not ordered:
            return
        newest = ordered[-1]
        advance = self._commands.advance(int(newest[EVENT_ID]), int(newest[EVENT_TIME]))
        merged = self._merged(map(self._layout.entity_rows, ordered))
        _, *let_go = self._link.run([advance, *merged])
        self.counters.count("evicted_by_capacity", sum(let_go))

    def _merged(self, held: Iterable[EntityRows]) -> list[Command]:
        """Return what merges the rows of several events, in their order, a key by a command."""
        blocks: dict[bytes, tuple[int, list[bytes]]] = {}
        for one in held:
            for entity, key, row in zip(*one, strict=True):
                blocks.setdefault(key, (entity, []))[1].append(row)
        together = EntityRows(
            [entity for entity, _ in blocks.values()],
            list(blocks),
            [b"".join(rows) for _, rows in blocks.values()],
        )
        return self._changes(together, "merge")

    def _noted(self, event: NDArray[np.int64], place: int) -> list[Command]:
        """Return the commands that note an event's "known at" times where one is looked at."""
        return self._changes(self._looked_at(event, [FIRST_STATUS + place]), "note")

    def _looked_at(self, event: NDArray[np.int64], columns: Iterable[int]) -> EntityRows:
        """Return an event for those of its entities whose windows need one of the columns."""
        held, wanted = self._layout.entity_rows(event), set(columns)
        return held.where(
            [not wanted.isdisjoint(self._layout.columns[entity]) for entity in held.entities]
        )

    def _removals(self, event: NDArray[np.int64]) -> list[Command]:
        return self._changes(self._layout.entity_rows(event), "remove")

    def _changes(self, held: EntityRows, mode: Literal["merge", "note", "remove"]) -> list[Command]:
        return self._commands.changes(held, mode, is_plain=self._link.is_plain)

    def _write(
        self,
        query: NDArray[np.int64],
        held: EntityRows,
        values: Sequence[bytes | None],
        out: NDArray[np.float64],
    ) -> None:
        """Write the windows from the rows of each key."""
        ends, end = [-1] * len(self._layout.columns), 0
        rows = [value or b"" for value in values]
        for entity, value in zip(held.entities, rows, strict=True):
            end += len(value) // 8
            ends[entity] = end
        packed = np.frombuffer(b"".join(rows), np.int64)
        write_windows(
            packed, np.array(ends, np.int64), query, self._plan.max_events,
            *self._layout.arrays, *self._scratch, out,
        )  # fmt: skip

    def _keep_up(self) -> None:
        """See to the shared keys now and then; the commands go with the next batch."""
        if self._n_exchanges % _UPKEEP_EVERY == 0:
            self._link.post([self._commands.upkeep], at_once=False)
        self._n_exchanges += 1
        self.counters.send()


def _changed_by(
    told: Sequence[Told], held: Sequence[bytes | None]
) -> list[tuple[NDArray[np.int64], set[int]]]:
    """Return the events that are held, in order, each with the columns that were told of it."""
    events: dict[int, NDArray[np.int64]] = {}
    columns: dict[int, set[int]] = {}
    for outcome, row in zip(told, held, strict=True):
        if row is not None:  # of several outcomes of an event the last reply has them all
            events[outcome.event_id] = _event_of(row)
            columns.setdefault(outcome.event_id, set()).add(FIRST_STATUS + outcome.place)
    ordered = sorted(events.values(), key=_place_in_time)
    return [(event, columns[int(event[EVENT_ID])]) for event in ordered]


def _place_in_time(event: NDArray[np.int64]) -> tuple[int, int]:
    return int(event[EVENT_TIME]), int(event[EVENT_ID])


def _event_of(row: bytes) -> NDArray[np.int64]:
    return np.frombuffer(row, np.int64).copy()


def _time_of(newest: Reply) -> int:
    """Return the time of the newest event, from its id and its time as text."""
    return int(float(newest[1])) if newest else _BEGINNING_OF_TIME
