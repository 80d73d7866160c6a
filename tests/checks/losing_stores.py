"""Stores that lose something, mostly where there is much, and the check that each must fail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.state import Appended
from fraudkit.features.window_arrays import EVENT_ID, FIRST_STATUS
from tests.checks.plain_store import PlainStore, Row

__all__ = ["LOSSES"]


class HasLittleRoom(PlainStore):
    def append(self, event: Row) -> Appended:
        appended = super().append(event)
        self.rows = self.rows[-60:]
        return appended


class LoadsSome(PlainStore):
    def load(self, events: Row) -> None:
        super().load(events[:64])


class LooksAtSeventy(PlainStore):
    def log(self) -> Row:
        return super().log()[-70:]


class FewMayWait(PlainStore):
    def record(self, event_id: int, status: Status, known_at_ms: int) -> bool:
        held = super().record(event_id, status, known_at_ms)
        self.waiting = self.waiting[-4:]
        return held


class RepeatsBringOutcomes(PlainStore):
    def append(self, event: Row) -> Appended:
        held = self.find(int(event[EVENT_ID]))
        if held is not None:
            known = slice(FIRST_STATUS, self.plan.first_hash)
            held[known] = np.minimum(held[known], event[known])
        return super().append(event)


class ForgetsWhatWasTold(PlainStore):
    def forget(self, event_id: int, *, unsaid: tuple[Status, int] | None = None) -> bool:
        held = super().forget(event_id, unsaid=unsaid)
        self.waiting = [told for told in self.waiting if told[0] != event_id]
        return held


class ErasesTheEventAlone(PlainStore):
    def erase(self, event: Row) -> bool:
        return self.forget(int(event[EVENT_ID]))


class ErasesNothing(PlainStore):
    def erase(self, event: Row) -> bool:
        return self.find(int(event[EVENT_ID])) is not None


class KeepsWhatWaits(PlainStore):
    def erase(self, event: Row) -> bool:
        waiting = self.waiting
        held = super().erase(event)
        self.waiting = waiting
        return held


class LosesWhatIsNotWaitedFor(PlainStore):
    def exchange_at_once(self, _event: Row, _out: NDArray[np.float64]) -> Appended | None:
        return None


LOSSES = {
    LosesWhatIsNotWaitedFor: "exchange reads, then appends",
    HasLittleRoom: "many events are held",
    LoadsSome: "many events are held",
    LooksAtSeventy: "many events are held",
    FewMayWait: "many outcomes may wait",
    RepeatsBringOutcomes: "a repeat brings nothing",
    ForgetsWhatWasTold: "forget takes out",
    ErasesTheEventAlone: "erase takes out for good",
    ErasesNothing: "erase takes out for good",
    KeepsWhatWaits: "erase takes out for good",
}
