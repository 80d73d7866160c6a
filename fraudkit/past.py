"""What an engine remembers: the windows' store, and the clock by which things become known.

Time never runs backwards here: what is received after something else is known after it. So what
an order saw can be computed again from the journal alone, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from fraudkit.domain.decision import Action
from fraudkit.domain.decoding import decode_outcome
from fraudkit.domain.outcome import DECISION_STATUS, Outcome, Status, statuses_of
from fraudkit.errors import StoreError
from fraudkit.features.keys import event_id
from fraudkit.features.online import OnlineRow
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import Appended, StateStore
from fraudkit.features.window_arrays import AVAILABLE_AT, EVENT_ID, NO_AMOUNT, NO_KEY
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record

__all__ = ["STORE", "TOO_LATE_WARNING", "Asked", "Past"]

STORE: Final = "store"
"""The name of the store among the sources that may be missing."""

TOO_LATE_WARNING: Final = "event_too_late"
"""The code of the warning that an order is decided and not remembered."""

_BEGINNING_OF_TIME: Final = -(2**62)


class Asked(Struct, frozen=True):
    """What came of asking the store about an order.

    Attributes
    ----------
    found : Appended
        What became of its event.
    missing : tuple of str
        `STORE` if the store could not be reached, and what else the engine went without.
    """

    found: Appended
    missing: tuple[str, ...] = ()


class _Decided(Struct):
    """What is read of a journalled decision."""

    action: Action
    currency: str


class Past:
    """The events and outcomes that decisions are made of.

    Parameters
    ----------
    features : FeatureSet
        What is computed of it.
    plan : WindowPlan
        Of these features.
    store : StateStore
        Where it is held.
    currency : str
        The reference currency of amounts. One that was journalled in another is unknown.
    """

    def __init__(
        self, features: FeatureSet, plan: WindowPlan, store: StateStore, currency: str
    ) -> None:
        self._names = features.entity_names
        self._plan = plan
        self._store = store
        self._currency = currency
        self._as_of_ms = _BEGINNING_OF_TIME

    @property
    def outlives_process(self) -> bool:
        """Whether the store does."""
        return self._store.outlives_process

    def received(self, now_ms: int) -> int:
        """Return when an order that comes at ``now_ms`` counts as received: after all others.

        Of two that come within a millisecond, the second counts as received a millisecond later;
        so it sees the first, however fast they follow.
        """
        self._as_of_ms = max(self._as_of_ms + 1, now_ms)
        return self._as_of_ms

    def received_outcome(self, outcome: Outcome, now_ms: int | None) -> int:
        """Return when an outcome counts as received: not before the newest order was.

        One that comes at ``now_ms`` is seen by all orders that come after it. Where that is
        ``None``, it counts as received when it was available, which may be long after the orders
        that come next.
        """
        if now_ms is None:
            return max(self._as_of_ms, outcome.available_at_ms)
        self._as_of_ms = max(self._as_of_ms, now_ms)
        return self._as_of_ms

    def go_on_from(self, earlier: Past) -> None:
        """Let time go on from where it was with another."""
        self._as_of_ms = max(self._as_of_ms, earlier._as_of_ms)

    def exchange(self, row: OnlineRow, *, is_late: bool = False) -> Asked:
        """Fill a row's windows and take its event in; unknown where the store is not reached.

        Parameters
        ----------
        is_late : bool
            Whether a store in another process must not be waited for.
        """
        ask = self._store.exchange_at_once if is_late else self._store.exchange
        with suppress(StoreError):
            found = ask(row.event, row.values)
            if found is not None:
                return Asked(found)
        row.values[self._plan.first_out :] = np.nan
        return Asked(Appended.ACCEPTED, (STORE,))

    def take_back(self, row: OnlineRow, asked: Asked, action: Action | None = None) -> None:
        """Forget an event that was taken in, and what was noted to be decided about it.

        Where the store is not reached they stay.
        """
        if asked.found is not Appended.ACCEPTED:
            return
        status = None if action is None else DECISION_STATUS.get(action)
        unsaid = None if status is None else (status, int(row.event[AVAILABLE_AT]))
        with suppress(StoreError):
            self._store.forget(int(row.event[EVENT_ID]), unsaid=unsaid)

    def note_decision(self, row: OnlineRow, asked: Asked, action: Action) -> None:
        """Note what was decided about an order."""
        if asked.found is not Appended.TOO_LATE:
            self._note_action(int(row.event[EVENT_ID]), action, int(row.event[AVAILABLE_AT]))

    def _note_action(self, identifier: int, action: Action, known_at_ms: int) -> None:
        status = DECISION_STATUS.get(action)
        if status is not None and status in self._plan.statuses:
            self._record(identifier, status, known_at_ms)

    def note_outcome(self, outcome: Outcome, received_at_ms: int) -> None:
        """Note what became of an event; it counts as known once it was received."""
        known_at_ms = max(outcome.available_at_ms, received_at_ms)
        for status in statuses_of(outcome):
            self._record(event_id(outcome.transaction_id), status, known_at_ms)

    def _record(self, identifier: int, status: Status, known_at_ms: int) -> None:
        """Note a status; a store that cannot be reached has kept it for when it can."""
        with suppress(StoreError):
            self._store.record(identifier, status, known_at_ms)

    def restore(self, record: Record) -> None:
        """Take in again what a journal holds."""
        if isinstance(record, OutcomeRecord):
            outcome = decode_outcome(record.outcome)
            if record.received_at_ms != outcome.available_at_ms:  # else it may be of a later day
                self._as_of_ms = max(self._as_of_ms, record.received_at_ms)
            self.note_outcome(outcome, record.received_at_ms)
        else:
            self._restore_decision(record)

    def erase(self, records: Sequence[Record]) -> None:
        """Take the orders that records are about out of the windows, with all told of them.

        Raises
        ------
        fraudkit.errors.StoreError
            If the store cannot be reached; some may be taken out. Do it again.
        """
        # Of an outcome alone the order is not known; nothing but its id is looked for.
        orders: dict[str, DecisionRecord | None] = {held.transaction_id: None for held in records}
        orders |= {
            held.transaction_id: held for held in records if isinstance(held, DecisionRecord)
        }
        for transaction_id, record in orders.items():
            time_ms = 0 if record is None else record.event_time_ms
            entities = {} if record is None else record.entities
            hashes = [entities.get(name, NO_KEY) for name in self._plan.hashed]
            identifier = event_id(transaction_id)
            row = self._plan.event_row(identifier, time_ms, time_ms, NO_AMOUNT, hashes)
            self._store.erase(row)

    def _restore_decision(self, record: DecisionRecord) -> None:
        as_of_ms = max(self._as_of_ms, record.received_at_ms)
        self._as_of_ms = as_of_ms
        identifier = event_id(record.transaction_id)
        decided = msgspec.json.decode(record.decision, type=_Decided)
        amount = record.amount_minor if decided.currency == self._currency else None
        amount = NO_AMOUNT if amount is None else amount
        hashes = [record.entities.get(name, NO_KEY) for name in self._plan.hashed]
        event = self._plan.event_row(identifier, record.event_time_ms, as_of_ms, amount, hashes)
        if self._store.append(event) is not Appended.TOO_LATE:
            self._note_action(identifier, decided.action, as_of_ms)
