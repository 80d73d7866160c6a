"""The road of an order: windows, row, score, policy, journal; and what follows an outcome.

What the journal does not take is taken out of the windows again. Of an order that was decided
before, or elsewhere meanwhile, the decision that stands is the one that is answered.
"""

from __future__ import annotations

import msgspec

from fraudkit.deciding import IsLate
from fraudkit.domain.decision import Decision
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import JournalError, TransactionConflict
from fraudkit.features.online import OnlineRow
from fraudkit.features.state import Appended
from fraudkit.input_checks import refuse_future, refuse_other_content
from fraudkit.journal.record import DecisionRecord, Journal, OutcomeRecord
from fraudkit.journal.spooled import JOURNAL
from fraudkit.noted import Doubtful, Noted, NotedDecisions
from fraudkit.past import STORE, Asked
from fraudkit.repeats import differing_fields
from fraudkit.replacing import Held

__all__ = ["Orders"]


class Orders:
    """Takes in orders and outcomes, each seeing all before it. Calls are one at a time.

    Parameters
    ----------
    held : Held
        What decides, and its past.
    noted : NotedDecisions or None
        Of the journal; ``None`` where there is none.

    Attributes
    ----------
    held : Held
        May be exchanged between two calls.
    """

    def __init__(self, held: Held, noted: NotedDecisions | None) -> None:
        self.held = held
        self._noted = noted

    def restore(self, journal: Journal) -> None:
        """Fill from the journal what does not outlive a process."""
        has_windows = self.held.store.outlives_process
        if has_windows and not self.held.deciding.decider.is_limited:
            return
        for record in journal.records():
            if not has_windows:
                self.held.past.restore(record)
            if isinstance(record, DecisionRecord):
                self.held.deciding.decider.recall(record.decision, record.event_time_ms)

    def decide(self, transaction: Transaction, now_ms: int | None, is_late: IsLate) -> Noted:
        """Decide an order, and let its decision wait to be written; see `Engine.decide`."""
        now_ms = transaction.event_time_ms if now_ms is None else now_ms
        refuse_future("/event_time", transaction.event_time, now_ms)
        received_at_ms = self.held.past.received(now_ms)
        row = self.held.deciding.features.prepare(transaction, received_at_ms)
        asked = self.held.past.exchange(row, is_late=is_late())
        if self._noted is not None and self._noted.is_journal_away:
            asked = Asked(asked.found, (*asked.missing, JOURNAL))
        try:
            return self._stands(transaction, row, asked) or self._made(
                transaction, row, asked, received_at_ms, is_late
            )
        except BaseException:
            self.held.past.take_back(row, asked)
            raise

    def record(self, outcome: Outcome, now_ms: int | None) -> bool:
        """Take in an outcome, once; see `Engine.record`."""
        received_at_ms = self.held.past.received_outcome(outcome, now_ms)
        if self._noted is not None:
            record = OutcomeRecord(
                outcome_id=outcome.outcome_id,
                transaction_id=outcome.transaction_id,
                received_at_ms=received_at_ms,
                outcome=msgspec.json.encode(outcome),
            )
            # What waits is written before it; where that fails, it waits on.
            is_new = self._noted.write(record)
            self._settle(self._noted)
            if not is_new:
                refuse_other_content(record, self._noted.outcome(outcome.outcome_id))
                return False
        self.held.past.note_outcome(outcome, received_at_ms)
        return True

    def write(self) -> None:
        """Write what waits; forget it if it cannot be written."""
        if self._noted is None:
            return
        try:
            self._noted.write()
        except JournalError:
            for noted in self._noted.forgotten():
                if noted.row is not None and noted.asked is not None:
                    self.held.past.take_back(noted.row, noted.asked, noted.decision.action)
            raise
        self._settle(self._noted)

    def write_on(self) -> None:
        """Write what waits; where it cannot be written, it waits on."""
        if self._noted is not None:
            self._noted.write()
            self._settle(self._noted)

    def _stands(self, transaction: Transaction, row: OnlineRow, asked: Asked) -> Noted | None:
        """Return the decision about an order that was decided before.

        Asked is where the windows know the order, or cannot tell; otherwise the journal tells when
        the new decision is written.
        """
        is_known = asked.found is not Appended.ACCEPTED
        if self._noted is None or not (is_known or STORE in asked.missing):
            return None
        earlier = None
        try:
            earlier = self._noted.standing(transaction.transaction_id)
        except JournalError:
            if is_known:
                raise
        if earlier is None:
            return None
        self._refuse_conflict(row, earlier, self._noted.request_digest(transaction))
        return Noted(msgspec.json.decode(earlier.decision, type=Decision), earlier.decision)

    def _refuse_conflict(
        self, row: OnlineRow, earlier: DecisionRecord, request_digest: bytes
    ) -> None:
        if earlier.request_digest != request_digest:
            features = self.held.deciding.bundle.features
            raise TransactionConflict(differing_fields(features, row, earlier))

    def _made(
        self,
        transaction: Transaction,
        row: OnlineRow,
        asked: Asked,
        received_at_ms: int,
        is_late: IsLate,
    ) -> Noted:
        decision = self.held.deciding.decision(transaction, row, asked, is_late=is_late())
        if self._noted is None:
            noted = Noted(decision)
        else:
            noted = self._noted.note(transaction, decision, row, asked, received_at_ms)
        if self._noted is None or asked.found is Appended.ACCEPTED:
            self.held.past.note_decision(row, asked, decision.action)
        return noted

    def _settle(self, noted: NotedDecisions) -> None:
        """Note what was decided of orders that had come before; give way where another decided."""
        for held in noted.doubtful():
            if held.is_written:
                self.held.past.note_decision(held.row, held.asked, held.noted.decision.action)
                continue
            if not self.held.store.outlives_process:  # there the event is that of who decided
                self.held.past.take_back(held.row, held.asked, held.noted.decision.action)
            try:
                self._give_way(held, noted.standing(held.record.transaction_id))
            except (TransactionConflict, JournalError) as error:
                held.noted.refusal = error

    def _give_way(self, held: Doubtful, standing: DecisionRecord | None) -> None:
        if standing is None:
            raise JournalError(
                "The decision that stands must be readable. The journal told that there is one, "
                "and does not hold it; send the order again"
            )
        if not self.held.store.outlives_process:
            self.held.past.restore(standing)
        self._refuse_conflict(held.row, standing, held.record.request_digest)
        held.noted.stand_as(standing)
