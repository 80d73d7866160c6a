"""Decisions that are made and not yet in the journal.

Orders that follow see them at once; nobody is answered before they are written. All that wait are
written together, in the order in which they were decided, or none of them. Of an order that another
service decided meanwhile, the decision that was written first stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import FraudkitError
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.online import OnlineRow
from fraudkit.features.state import Appended
from fraudkit.features.window_arrays import NO_KEY
from fraudkit.journal.record import DecisionRecord, Journal, OutcomeRecord, Record
from fraudkit.past import Asked

__all__ = ["Doubtful", "Noted", "NotedDecisions"]

_encode = msgspec.json.Encoder().encode


class Noted(Struct):
    """A decision, and what has to be taken back if it cannot be written.

    Attributes
    ----------
    decision : Decision
    encoded : bytes
        The same as JSON, as the journal holds it; ``b""`` without a journal.
    row : OnlineRow or None
    asked : Asked or None
        ``None`` where the decision stood already.
    refusal : FraudkitError or None
        Why there is no decision after all: another service decided other content under its id.
    """

    decision: Decision
    encoded: bytes = b""
    row: OnlineRow | None = None
    asked: Asked | None = None
    refusal: FraudkitError | None = None

    @property
    def body(self) -> bytes:
        """The decision as JSON."""
        return self.encoded or _encode(self.decision)

    @property
    def is_repeated(self) -> bool:
        """Whether it stood already."""
        return self.row is None and self.encoded != b""

    @property
    def settled(self) -> Decision:
        """The decision, once it is written.

        Raises
        ------
        fraudkit.errors.TransactionConflict
            If another service decided other content under its id.
        fraudkit.errors.JournalError
            If another service decided it, and its decision cannot be read.
        """
        if self.refusal is not None:
            raise self.refusal
        return self.decision

    def stand_as(self, record: DecisionRecord) -> None:
        """Be the decision that a journal holds."""
        self.decision = msgspec.json.decode(record.decision, type=Decision)
        self.encoded = record.decision
        self.row = self.asked = None


class Doubtful(NamedTuple):
    """A decision about an order that had come before, or that somebody else decided meanwhile.

    Attributes
    ----------
    record : DecisionRecord
    noted : Noted
    row : OnlineRow
    asked : Asked
    is_written : bool
        Whether it stands; otherwise another does.
    """

    record: DecisionRecord
    noted: Noted
    row: OnlineRow
    asked: Asked
    is_written: bool


class NotedDecisions:
    """What waits to be written to a journal, and what stands there.

    Parameters
    ----------
    journal : Journal
    entity_names : sequence of str
        Of the feature set.
    identifier_hash : IdentifierHash
        With the merchant's key.
    """

    def __init__(
        self, journal: Journal, entity_names: Sequence[str], identifier_hash: IdentifierHash
    ) -> None:
        self._journal = journal
        self._entity_names = entity_names
        self._hash = identifier_hash
        self._waiting: list[tuple[DecisionRecord, Noted]] = []
        self._followed: deque[Record] | None = None
        self._by_id: dict[str, DecisionRecord] = {}
        self._doubtful: list[Doubtful] = []

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    @property
    def is_journal_away(self) -> bool:
        """Whether what is written waits elsewhere for the journal."""
        return self._journal.is_away

    def standing(self, transaction_id: str) -> DecisionRecord | None:
        """Return the newest decision about a transaction, written or not."""
        return self._by_id.get(transaction_id) or self._journal.last_decision(transaction_id)

    def records(self) -> Iterator[Record]:
        """Return all that is written by now, oldest first."""
        return self._journal.records()

    @property
    def waiting(self) -> Iterator[DecisionRecord]:
        """What waits to be written, in its order."""
        return (record for record, _noted in self._waiting)

    def name_entities(self, entity_names: Sequence[str]) -> None:
        """Take rows of another feature set from now on; what waits stays as it is."""
        self._entity_names = entity_names

    def follow(self) -> deque[Record]:
        """Return a line into which goes what is written from now on, until `unfollow`."""
        self._followed = deque()
        return self._followed

    def unfollow(self) -> None:
        """Write without telling again."""
        self._followed = None

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        """Return the outcome of an id, or ``None``."""
        return self._journal.outcome(outcome_id)

    def note(
        self,
        transaction: Transaction,
        decision: Decision,
        row: OnlineRow,
        asked: Asked,
        received_at_ms: int,
    ) -> Noted:
        """Let a decision wait, and return it."""
        noted = Noted(decision, _encode(decision), row, asked)
        names = self._entity_names
        record = DecisionRecord(
            transaction_id=transaction.transaction_id,
            received_at_ms=received_at_ms,
            event_time_ms=transaction.event_time_ms,
            amount_minor=row.reference_amount_minor,
            entities={
                name: key
                for name, key in zip(names, row.keys.tolist(), strict=True)
                if key != NO_KEY
            },
            request_digest=self.request_digest(transaction),
            features_version=decision.versions.features,
            features=row.values.astype("<f8").tobytes(),
            decision=noted.encoded,
        )
        self._waiting.append((record, noted))
        self._by_id[record.transaction_id] = record
        return noted

    def request_digest(self, transaction: Transaction) -> bytes:
        """Return the keyed digest of all that a transaction says."""
        return self._hash.digest(_encode(transaction))

    def write(self, *more: Record) -> bool:
        """Write all that wait, then more; return whether all of these are new.

        Raises
        ------
        fraudkit.errors.JournalError
            If it cannot be written; nothing was, and all still wait.
        """
        records: list[Record] = [record for record, _noted in self._waiting]
        if not records and not more:
            return True
        n_decided = len(records)
        records += more
        written = self._journal.append_many(records)
        if self._followed is not None:
            self._followed.extend(
                record for record, is_new in zip(records, written, strict=True) if is_new
            )
        for (record, noted), is_written in zip(self._waiting, written, strict=False):
            row, asked = noted.row, noted.asked
            if (
                row is not None
                and asked is not None
                and not (is_written and asked.found is Appended.ACCEPTED)
            ):
                self._doubtful.append(Doubtful(record, noted, row, asked, is_written))
        self._waiting.clear()
        self._by_id.clear()
        return all(written[n_decided:])

    def doubtful(self) -> Iterator[Doubtful]:
        """Yield, once, what was written of orders that had come before, and what was not."""
        while self._doubtful:
            yield self._doubtful.pop(0)

    def forgotten(self) -> Iterator[Noted]:
        """Yield all that wait, the newest first, and let them wait no longer."""
        while self._waiting:
            record, noted = self._waiting.pop()
            self._by_id.pop(record.transaction_id, None)
            yield noted
