"""What clients were promised, held against what they are answered later and what is written."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

import msgspec

from fraudkit.journal.record import DecisionRecord, Record
from tests.crash.asking import Answer, Request

__all__ = ["Ledger", "name_of_record"]


class Ledger:
    """Keeps every acknowledged answer, and every request that must be sent again.

    Attributes
    ----------
    acknowledged : dict
        By name, the request and the body of its first answer of success.
    settled : list of Request
        What was acknowledged, in this order.
    unsettled : deque of Request
        Refused with 503, or without an answer: it may stand or not.
    refused : Counter of str
        How many were refused, by code.
    degraded : Counter of str
        How many decisions named a source that was missing, by source.
    whole : int
        How many decisions in a row named none.
    slowest_s : float
        The longest that anybody waited for an answer.
    forgets_outcomes : bool
        Whether an outcome may be called new again, as one is that a journal elsewhere holds which
        cannot be asked. It stands once all the same.
    """

    def __init__(self, *, forgets_outcomes: bool = False) -> None:
        self.forgets_outcomes = forgets_outcomes
        self.acknowledged: dict[tuple[str, str], tuple[Request, bytes]] = {}
        self.settled: list[Request] = []
        self.unsettled: deque[Request] = deque()
        self.refused: Counter[str] = Counter()
        self.degraded: Counter[str] = Counter()
        self.whole = 0
        self.slowest_s = 0.0

    def take_in(self, request: Request, answer: Answer) -> bool:
        """Hold an answer to the rules; return whether it was a success."""
        self.slowest_s = max(self.slowest_s, answer.seconds)
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1, answer
            self.refused[msgspec.json.decode(answer.body)["error"]["code"]] += 1
            self.leave_unsettled(request)
            return False
        assert answer.status == (202 if request.path == "/v1/outcomes" else 200), answer
        if request.name not in self.acknowledged:
            self.acknowledged[request.name] = request, answer.body
            self.settled.append(request)
            self._note_degraded(request, answer.body)
        self._hold_to(request, self.acknowledged[request.name][1], answer.body)
        return True

    def leave_unsettled(self, request: Request) -> None:
        """Note a request that has to be sent again; what was acknowledged stands already."""
        if request.name not in self.acknowledged:
            self.unsettled.append(request)

    def _note_degraded(self, request: Request, body: bytes) -> None:
        if request.path == "/v1/score":
            missing = msgspec.json.decode(body)["degraded"]
            self.degraded.update(missing)
            self.whole = 0 if missing else self.whole + 1

    def _hold_to(self, request: Request, first: bytes, body: bytes) -> None:
        if request.path == "/v1/score":
            assert body == first, f"{request.name} was answered otherwise than before"
            return
        told = msgspec.json.decode(body)
        assert told["accepted"], told
        is_known = told["duplicate"] or body is first or self.forgets_outcomes
        assert is_known, f"{request.name} was taken in twice"

    def assert_held_once(self, records: Iterable[Record]) -> None:
        """Hold that each acknowledged decision and outcome is written once, as it was answered."""
        held: dict[tuple[str, str], Record] = {}
        for record in records:
            name = name_of_record(record)
            assert name not in held, f"{name} is written twice"
            held[name] = record
        missing = self.acknowledged.keys() - held.keys()
        assert not missing, f"{len(missing)} acknowledged are not written: {sorted(missing)[:5]}"
        for name, (_request, answer) in self.acknowledged.items():
            record = held[name]
            if isinstance(record, DecisionRecord):
                assert record.decision == answer


def name_of_record(record: Record) -> tuple[str, str]:
    if isinstance(record, DecisionRecord):
        return "decision", record.transaction_id
    return "outcome", record.outcome_id
