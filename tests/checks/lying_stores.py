"""Stores that keep all of the contract but one clause, and the check that each must fail."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.state import Appended, StoreCounters
from fraudkit.features.window_arrays import (
    AVAILABLE_AT,
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NO_KEY,
)
from tests.checks.plain_store import PlainStore, Row

__all__ = ["LIES", "CountsTies", "LoadsRepeats"]

Out = NDArray[np.float64]
DAY_MS = 86_400_000


def changed(row: Row, column: int, by: int) -> Row:
    other = row.copy()
    other[column] += by
    return other


class AppendsTwice(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        if appended is Appended.ACCEPTED:
            self.rows.append(changed(event, EVENT_ID, 1))
        return appended


class TakesRepeats(PlainStore):
    def append(self, event: Row) -> Appended:
        held = self.find(int(event[EVENT_ID])) is not None
        super().append(changed(event, EVENT_ID, len(self.rows)))
        return Appended.DUPLICATE if held else Appended.ACCEPTED


class LastContentStands(PlainStore):
    def append(self, event: Row) -> Appended:
        if (held := self.find(int(event[EVENT_ID]))) is not None:
            held[:] = event
        return super().append(event)


class LosesOne(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        if len(self.rows) == 5:
            self.rows[2] = changed(self.rows[2], EVENT_TIME, -300 * DAY_MS)
        return appended


class LeaksTheOrder(PlainStore):
    def exchange(self, event: Row, out: Out) -> Appended:
        appended = super().exchange(event, out)
        if appended is Appended.ACCEPTED:
            later = changed(changed(event, EVENT_TIME, 1), AVAILABLE_AT, 1)
            super().read(changed(later, EVENT_ID, 1), out)
        return appended


class CountsARepeat(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(changed(query, EVENT_ID, 1), out)


class CountsTies(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(changed(query, EVENT_TIME, 1), out)


class CountsWhatComesNow(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(changed(query, AVAILABLE_AT, 1), out)


class SeesWhatComesLater(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(changed(query, AVAILABLE_AT, DAY_MS), out)


class _OtherWidths(PlainStore):
    wider_ms = 0

    def read(self, query: Row, out: Out) -> None:
        widths = self.plan.arrays.windows
        widths += self.wider_ms
        super().read(query, out)
        widths -= self.wider_ms


class LosesTheEdge(_OtherWidths):
    wider_ms = -1


class CountsBeyondTheEdge(_OtherWidths):
    wider_ms = 1


class LosesTheNewest(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(changed(query, EVENT_TIME, -1), out)


class DropsLate(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        if appended is Appended.ACCEPTED and event[EVENT_TIME] < self.newest_ms:
            self.rows[-1][EVENT_TIME] -= 300 * DAY_MS
        return appended


class MovesLate(PlainStore):
    def append(self, event: Row) -> Appended:
        is_late = not self.is_too_late(event) and event[EVENT_TIME] < self.newest_ms
        return super().append(
            changed(event, EVENT_TIME, self.newest_ms - int(event[EVENT_TIME]))
            if is_late
            else event
        )


class TakesTooLate(PlainStore):
    def is_too_late(self, event: Row) -> bool:
        del event
        return False


class LeavesOutTheLast(PlainStore):
    def is_too_late(self, event: Row) -> bool:
        return super().is_too_late(changed(event, EVENT_TIME, -1))


class TooLateUncounted(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        self.too_late = 0
        return appended


class LetsGoTooEarly(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        oldest_ms = self.newest_ms - self.plan.retention_ms
        self.rows = [row for row in self.rows if row[EVENT_TIME] >= oldest_ms]
        return appended


class LosesWhatIsOldest(PlainStore):
    def append(self, event: Row) -> Appended:
        is_oldest = all(event[EVENT_TIME] < row[EVENT_TIME] for row in self.rows)
        appended = super().append(event)
        if is_oldest and len(self.rows) > 2 and appended is Appended.ACCEPTED:
            self.rows[-1][EVENT_TIME] -= 7 * DAY_MS
        return appended


class LooksAtLastComers(PlainStore):
    def log(self) -> Row:
        return super().log()[-self.plan.max_events :]


class ReadsAreRemembered(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(query, out)
        self.asked = {*getattr(self, "asked", ()), int(query[EVENT_ID])}

    def append(self, event: Row) -> Appended:
        asked = int(event[EVENT_ID]) in getattr(self, "asked", ())
        return Appended.DUPLICATE if asked else super().append(event)

    def exchange(self, event: Row, out: Out) -> Appended:
        PlainStore.read(self, event, out)
        return super().append(event)


class ReadsMoveTime(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(query, out)
        self.newest_ms = max(self.newest_ms, int(query[EVENT_TIME]) - 300 * DAY_MS)


class ReadsTakeSpace(PlainStore):
    n_more = 0

    @property
    def counters(self) -> StoreCounters:
        told = super().counters
        return StoreCounters(
            **{name: getattr(told, name) for name in told.__struct_fields__ if name != "keys"},
            keys=told.keys + self.n_more,
        )

    def read(self, query: Row, out: Out) -> None:
        super().read(query, out)
        self.n_more += 1


class KnowsTheFuture(PlainStore):
    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        return super().record(event_id, status, min(known_at_ms, 0))


class KnowsAtOnce(PlainStore):
    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        return super().record(event_id, status, known_at_ms - 1)


class _OtherTimeStands(PlainStore):
    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        row, column = self.find(event_id), self.plan.status_column(status)
        if row is not None and column is not None:
            row[column] = self.chosen(int(row[column]), known_at_ms)
        return row is not None or super().record(event_id, status, known_at_ms)

    def chosen(self, before_ms: int, known_at_ms: int) -> int:
        del before_ms
        return known_at_ms


class LastTimeStands(_OtherTimeStands):
    pass


class FirstTimeStands(_OtherTimeStands):
    def chosen(self, before_ms: int, known_at_ms: int) -> int:
        return before_ms if before_ms < 2**62 else known_at_ms


class LosesEarlyOutcomes(PlainStore):
    def append(self, event: Row) -> Appended:
        self.waiting = []
        return super().append(event)


class ExchangesWithoutAppending(PlainStore):
    def exchange(self, event: Row, out: Out) -> Appended:
        self.read(event, out)
        return Appended.ACCEPTED if self.find(int(event[EVENT_ID])) is None else Appended.DUPLICATE


class LoadsRepeats(PlainStore):
    def load(self, events: Row) -> None:
        self.rows.extend(row.copy() for row in events)


class LoadsWithoutOutcomes(PlainStore):
    def load(self, events: Row) -> None:
        rows = events.copy()
        rows[:, FIRST_STATUS : self.plan.first_hash] = 2**63 - 1
        super().load(rows)


class ForgetsNothing(PlainStore):
    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        del unsaid
        return self.find(event_id) is not None


class RemembersWhatWasUnsaid(PlainStore):
    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        del unsaid
        return super().forget(event_id)


class ForgetsForGood(PlainStore):
    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        del unsaid
        if (row := self.find(event_id)) is not None:
            row[EVENT_TIME] = -1
        return row is not None and super().forget(event_id - 1) is False


class ZeroWithoutKey(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(query, out)
        out[np.isnan(out)] = 0.0


class NoKeyIsAKey(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        known = query.copy()
        known[self.plan.first_hash :][query[self.plan.first_hash :] == NO_KEY] = 1
        super().read(known, out)


class MixesEntities(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        rows, first = self.rows, self.plan.first_hash
        self.rows = [row.copy() for row in rows]
        for row in self.rows:
            if row[first] == query[first + 1]:
                row[first + 1] = row[first]
        super().read(query, out)
        self.rows = rows


class CountsNothing(PlainStore):
    @property
    def counters(self) -> StoreCounters:
        return replace(super().counters, duplicates=0, outcomes_pending=0, outcomes_dropped=0)


class KeepsTheArray(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        if appended is Appended.ACCEPTED:
            event[:] = self.rows[-1]
            self.rows[-1] = event
        return appended


class ChangesTheArray(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        event[AVAILABLE_AT] = 0
        return appended


class WritesTheWholeRow(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        out[:] = 0.0
        super().read(query, out)


class Drifts(PlainStore):
    def read(self, query: Row, out: Out) -> None:
        super().read(query, out)
        windows = out[self.plan.first_out :]
        fractions = windows % 1 != 0
        windows[fractions] = np.nextafter(windows[fractions], np.inf)


class TrimsTheWholeLog(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        self.rows = self.rows[-2 * self.plan.max_events :]
        return appended


LIES = {
    AppendsTwice: "an event counts once",
    TakesRepeats: "an event counts once",
    LastContentStands: "an event counts once",
    LosesOne: "no event is lost",
    LeaksTheOrder: "no order is in its own past",
    CountsARepeat: "no order is in its own past",
    CountsTies: "ties in event time are invisible",
    CountsWhatComesNow: "ties in receipt are invisible",
    SeesWhatComesLater: "ties in receipt are invisible",
    LosesTheEdge: "windows are half open",
    CountsBeyondTheEdge: "windows are half open",
    LosesTheNewest: "windows are half open",
    DropsLate: "late events stand where they belong",
    MovesLate: "late events stand where they belong",
    TakesTooLate: "what is too late is left out",
    LeavesOutTheLast: "what is too late is left out",
    TooLateUncounted: "what is too late is left out",
    LetsGoTooEarly: "what counts is kept",
    LosesWhatIsOldest: "delivery in any order",
    LooksAtLastComers: "the newest max_events",
    ReadsAreRemembered: "reads change nothing",
    ReadsMoveTime: "reads change nothing",
    ReadsTakeSpace: "reads change nothing",
    KnowsTheFuture: "outcomes count once known",
    KnowsAtOnce: "outcomes count once known",
    LastTimeStands: "the earliest known time stands",
    FirstTimeStands: "the earliest known time stands",
    LosesEarlyOutcomes: "an outcome may come first",
    ExchangesWithoutAppending: "exchange reads, then appends",
    LoadsRepeats: "load is many appends",
    LoadsWithoutOutcomes: "load is many appends",
    ForgetsNothing: "forget takes out",
    RemembersWhatWasUnsaid: "forget takes out",
    ForgetsForGood: "forget takes out",
    ZeroWithoutKey: "no key, no value",
    NoKeyIsAKey: "no key, no value",
    MixesEntities: "entities do not mix",
    CountsNothing: "counters tell",
    KeepsTheArray: "arrays stay the caller's",
    ChangesTheArray: "arrays stay the caller's",
    WritesTheWholeRow: "arrays stay the caller's",
    Drifts: "every operation equals the contract's",
    TrimsTheWholeLog: "every operation of a hot key",
}
