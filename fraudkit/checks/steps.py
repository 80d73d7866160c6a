"""Streams of steps: walked by a store and by the contract side by side, cut down to the least."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.checks.contract import Contract, Event, as_row
from fraudkit.domain.outcome import Status
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import Appended, StateStore
from fraudkit.features.window_arrays import NO_AMOUNT, NO_KEY

__all__ = ["Difference", "Step", "Walk", "first_difference", "least_steps", "lines_of"]

_UNTOUCHED: Final = -1.5
_OVERWRITTEN: Final = 7


class Step(NamedTuple):
    """One call of a store.

    Attributes
    ----------
    call : str
        The port's method; ``"counters"`` compares the counters, ``"reopen"`` closes the store
        and opens it anew.
    events : tuple of Event
        What is appended or erased, or the query; one but for ``"load"``.
    event_id, status, known_at_ms : int, Status, int
        Of ``"record"`` and ``"forget"``; what is forgotten with its event, if it is known at
        another time than 0.
    """

    call: Literal[
        "append", "exchange", "exchange_at_once", "load", "read", "record", "forget", "erase",
        "counters", "reopen",
    ]  # fmt: skip
    events: tuple[Event, ...] = ()
    event_id: int = 0
    status: Status = Status.FRAUD
    known_at_ms: int = 0


class Difference(NamedTuple):
    """Where a store and the contract part."""

    place: int
    expected: str
    received: str


class Walk(NamedTuple):
    """How streams are walked.

    Attributes
    ----------
    features : FeatureSet
        What is computed.
    plan : WindowPlan
        Its windows, compiled.
    make_store : callable
        Takes the plan, returns a store that is empty.
    reopen : callable or None
        Takes a store that was closed, returns another over what the first one held.
    allowed_lateness_ms : int
        What the stores were made with.
    watches_arrays : bool
        Whether rows must stay as they were, and be overwritten once they were handed over.
    watches_counters : bool
        Whether a read must leave the counters as they were.
    """

    features: FeatureSet
    plan: WindowPlan
    make_store: Callable[[WindowPlan], StateStore]
    reopen: Callable[[StateStore], StateStore] | None
    allowed_lateness_ms: int
    watches_arrays: bool = False
    watches_counters: bool = False


def first_difference(walk: Walk, steps: Sequence[Step]) -> Difference | None:
    """Walk a new store through the steps; return where it first parts from the contract."""
    pair = _Pair(walk)
    try:
        for place, step in enumerate(steps):
            try:
                parted = pair.take(step)
            except Exception as error:  # noqa: BLE001 - what a store raises is its answer
                parted = "an answer", f"{type(error).__name__}: {error}"
            if parted is not None:
                return Difference(place, *parted)
    finally:
        pair.store.close()
    return None


def least_steps(
    walk: Walk, steps: Sequence[Step], found: Difference
) -> tuple[list[Step], Difference]:
    """Return the fewest steps that still show a difference, and the difference.

    Each step, and each event of a bulk load, is left out if the store fails without it.
    """
    least = list(steps[: found.place + 1])
    place = len(least) - 1
    while place >= 0:
        for fewer in _without(least, place):
            shown = first_difference(walk, fewer)
            if shown is not None:
                least, found = list(fewer[: shown.place + 1]), shown
                break
        else:
            place -= 1
    return least, found


def _without(steps: Sequence[Step], place: int) -> Iterator[list[Step]]:
    """Yield the steps without the one at a place, or with fewer events in it, half at first."""
    if place >= len(steps):
        return
    before, step, after = list(steps[:place]), steps[place], list(steps[place + 1 :])
    yield [*before, *after]
    size = len(step.events) if step.call == "load" else 0
    while size > 1:
        size = (size + 1) // 2
        for first in range(0, len(step.events), size):
            fewer = step.events[:first] + step.events[first + size :]
            yield [*before, step._replace(events=fewer), *after]


def lines_of(steps: Sequence[Step], features: FeatureSet) -> str:
    """Return the steps as numbered lines; times are told from the first event's."""
    start_ms = min((event.event_time_ms for step in steps for event in step.events), default=0)
    return "\n".join(
        f"  {place}. {_words(step, features, start_ms)}" for place, step in enumerate(steps, 1)
    )


def _words(step: Step, features: FeatureSet, start_ms: int) -> str:
    if step.call in {"counters", "reopen"}:
        return step.call
    if step.call == "forget":
        told = f" and {_status(step, start_ms)}" if step.known_at_ms else ""
        return f"forget id {step.event_id}{told}"
    if step.call == "record":
        return f"record id {step.event_id} {_status(step, start_ms)}"
    return f"{step.call} " + ", ".join(_told(e, features, start_ms) for e in step.events)


def _status(step: Step, start_ms: int) -> str:
    return f"{step.status.name} known at {step.known_at_ms - start_ms:+} ms"


def _told(event: Event, features: FeatureSet, start_ms: int) -> str:
    keys = [
        f"{name} {'none' if held == NO_KEY else held}"
        for name, held in zip(features.entity_names, event.hashes, strict=True)
    ]
    known = [f"{status.name} known at {at_ms - start_ms:+} ms" for status, at_ms in event.known]
    return " ".join(
        [
            f"id {event.event_id}",
            f"at {event.event_time_ms - start_ms:+} ms",
            f"available at {event.available_at_ms - start_ms:+} ms",
            *keys,
            f"amount {'none' if event.amount == NO_AMOUNT else event.amount}",
            *known,
        ]
    )


class _Pair:
    """A store and the contract, at the same step."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._plan = walk.plan
        self.store = walk.make_store(walk.plan)
        self._contract = Contract(walk.features, walk.allowed_lateness_ms)

    def take(self, step: Step) -> tuple[str, str] | None:
        """Take a step with both; return what was expected and what came if they part."""
        match step.call:
            case "read":
                return self._read(step.events[0])
            case "append":
                return self._append(step.events[0])
            case "exchange" | "exchange_at_once":
                exchange = self._exchange if step.call == "exchange" else self._exchange_at_once
                return exchange(step.events[0])
            case "load":
                return self._load(step.events)
            case "record" | "forget":
                return self._told(step)
            case "erase":
                return self._erase(step.events[0])
            case "counters":
                return self._counters()
            case "reopen":
                self._reopen()
                return None

    def _read(self, query: Event) -> tuple[str, str] | None:
        before = self.store.counters if self._walk.watches_counters else None
        row, out = self._query_row(query), self._new_out()
        taken = row.copy()
        self.store.read(row, out)
        if before is not None and self.store.counters != before:
            return f"{before} after a read as before it", f"{self.store.counters}"
        return self._array_fault(row, taken, out) or self._row_fault(query, out)

    def _append(self, event: Event) -> tuple[str, str] | None:
        row = as_row(event, self._plan)
        taken = row.copy()
        expected, received = self._contract.append(event), self.store.append(row)
        fault = self._array_fault(row, taken, None)
        self._overwrite(row)
        return fault or _fault("append", _name(expected), _name(received))

    def _exchange(self, event: Event) -> tuple[str, str] | None:
        row, out = as_row(event, self._plan), self._new_out()
        taken = row.copy()
        received = self.store.exchange(row, out)
        fault = self._array_fault(row, taken, out) or self._row_fault(event, out)
        self._overwrite(row)
        expected = self._contract.append(event)
        return fault or _fault("exchange", _name(expected), _name(received))

    def _exchange_at_once(self, event: Event) -> tuple[str, str] | None:
        row, out = as_row(event, self._plan), self._new_out()
        received = self.store.exchange_at_once(row, out)
        fault = None if received is None else self._row_fault(event, out)
        self._overwrite(row)
        expected = self._contract.append(event)
        if received is None:
            return None
        return fault or _fault("exchange_at_once", _name(expected), _name(received))

    def _load(self, events: Sequence[Event]) -> tuple[str, str] | None:
        rows = np.array([as_row(event, self._plan) for event in events], np.int64)
        rows = rows.reshape(-1, self._plan.n_columns)
        taken = rows.copy()
        self.store.load(rows)
        fault = self._array_fault(rows, taken, None)
        self._overwrite(rows)
        for event in events:
            self._contract.append(event)
        return fault

    def _told(self, step: Step) -> tuple[str, str] | None:
        if step.call == "forget":
            unsaid = (step.status, step.known_at_ms) if step.known_at_ms else None
            expected = self._contract.forget(step.event_id, unsaid=unsaid)
            received = self.store.forget(step.event_id, unsaid=unsaid)
        else:
            told = (step.event_id, step.status, step.known_at_ms)
            expected, received = self._contract.record(*told), self.store.record(*told)
        return _fault(step.call, str(expected), str(received))

    def _erase(self, event: Event) -> tuple[str, str] | None:
        row = as_row(event, self._plan)
        taken = row.copy()
        expected, received = self._contract.erase(event), self.store.erase(row)
        fault = self._array_fault(row, taken, None)
        return fault or _fault("erase", str(expected), str(received))

    def _counters(self) -> tuple[str, str] | None:
        expected, counters = self._contract.counters, self.store.counters
        received = {name: getattr(counters, name) for name in expected}
        return _fault("counters", str(expected), str(received))

    def _reopen(self) -> None:
        if self._walk.reopen is not None:
            self.store.close()
            self.store = self._walk.reopen(self.store)

    def _query_row(self, query: Event) -> NDArray[np.int64]:
        """Return the query; its "known at" times mean nothing, so they may be anything."""
        row = as_row(query, self._plan)
        if self._walk.watches_arrays:
            row[self._plan.first_hash - len(self._plan.statuses) : self._plan.first_hash] = 0
        return row

    def _new_out(self) -> NDArray[np.float64]:
        return np.full(self._plan.n_out, _UNTOUCHED)

    def _overwrite(self, rows: NDArray[np.int64]) -> None:
        if self._walk.watches_arrays:
            rows[:] = _OVERWRITTEN

    def _array_fault(
        self,
        row: NDArray[np.int64],
        taken: NDArray[np.int64],
        out: NDArray[np.float64] | None,
    ) -> tuple[str, str] | None:
        if not self._walk.watches_arrays:
            return None
        if not np.array_equal(row, taken):
            return "the event's row as it was handed over", f"{row.tolist()}"
        if out is not None and (out[: self._plan.first_out] != _UNTOUCHED).any():
            return "only the windows' columns written", "a column of an order feature written"
        return None

    def _row_fault(self, query: Event, out: NDArray[np.float64]) -> tuple[str, str] | None:
        first = self._plan.first_out
        names = self._walk.features.names[first:]
        pairs = zip(names, self._contract.read(query), out[first:].tolist(), strict=True)
        for name, expected, received in pairs:
            if expected != received and not (math.isnan(expected) and math.isnan(received)):
                return f"{name} = {expected!r}", f"{received!r}"
        return None


def _fault(call: str, expected: str, received: str) -> tuple[str, str] | None:
    return None if expected == received else (f"{call} to return {expected}", received)


def _name(appended: Appended) -> str:
    return Appended(appended).name
