"""Decisions that are made and not yet in the journal.

Orders that follow see them at once; nobody is answered before they are written. All that wait are
written together, in the order in which they were decided, or none of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Transaction
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.online import OnlineRow
from fraudkit.features.window_arrays import NO_KEY
from fraudkit.journal.record import DecisionRecord, Journal, OutcomeRecord, Record
from fraudkit.past import Asked

__all__ = ["Noted", "NotedDecisions"]

_encode = msgspec.json.Encoder().encode


class Noted(Struct, frozen=True):
    """A decision, and what has to be taken back if it cannot be written.

    Attributes
    ----------
    decision : Decision
    encoded : bytes
        The same as JSON, as the journal holds it; ``b""`` without a journal.
    row : OnlineRow or None
    asked : Asked or None
        ``None`` where the decision stands already.
    """

    decision: Decision
    encoded: bytes = b""
    row: OnlineRow | None = None
    asked: Asked | None = None

    @property
    def body(self) -> bytes:
        """The decision as JSON."""
        return self.encoded or _encode(self.decision)

    @property
    def is_repeated(self) -> bool:
        """Whether it stood already."""
        return self.row is None and self.encoded != b""


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

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

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
        records += more
        written = self._journal.append_many(records)
        if self._followed is not None:
            self._followed.extend(records)
        n_decided = len(self._waiting)
        self._waiting.clear()
        self._by_id.clear()
        return all(written[n_decided:])

    def forgotten(self) -> Iterator[Noted]:
        """Yield all that wait, the newest first, and let them wait no longer."""
        while self._waiting:
            record, noted = self._waiting.pop()
            self._by_id.pop(record.transaction_id, None)
            yield noted
