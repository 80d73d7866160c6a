"""Removing orders: those of one customer, or old ones; the windows follow.

Invariant: once an erasure returned, journal and windows are as if the orders had never come. One
that was cut short is completed by doing it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from threading import Lock
from typing import Final

from msgspec import Struct

from fraudkit.errors import InputError
from fraudkit.features.entity_key import entity_key
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import ALLOWED_LATENESS_MS
from fraudkit.journal.record import DecisionRecord, Journal, OutcomeRecord, Record
from fraudkit.past import Past

__all__ = ["Erased", "Erasure"]

_FOUND_AT_ONCE: Final = 512
_ORDERS_AT_ONCE: Final = 32


class Erased(Struct, frozen=True, kw_only=True):
    """How much was removed, or would be.

    Attributes
    ----------
    orders : int
        Orders that were decided.
    outcomes : int
        Outcomes of these, or of none.
    """

    orders: int = 0
    outcomes: int = 0

    def __add__(self, other: Erased) -> Erased:
        return Erased(orders=self.orders + other.orders, outcomes=self.outcomes + other.outcomes)


class Erasure:
    """Removes orders from a journal and from the windows that were made of it.

    `fraudkit.Engine.erasure` is that of an engine. Orders are decided meanwhile; one waits for at
    most 32 orders to be removed.

    Parameters
    ----------
    journal : Journal or None
        Without one nothing can be found.
    features : FeatureSet
        Names the entities.
    identifier_hash : IdentifierHash
        With the key that the journal is kept with.
    past : callable
        Returns the windows' past; ``None`` where there is none, as where no engine is open.
    lock : Lock, optional
        Held while orders are removed; whoever decides orders holds it too.
    alone : Lock, optional
        Held while orders are removed; whoever fills other windows from the journal holds it too.
    write : callable, optional
        Writes what waits to be written to the journal, while the lock is held; leaves it waiting
        where that fails.
    """

    def __init__(
        self,
        journal: Journal | None,
        features: FeatureSet,
        identifier_hash: IdentifierHash,
        past: Callable[[], Past | None],
        *,
        lock: Lock | None = None,
        alone: Lock | None = None,
        write: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._features = features
        self._hash = identifier_hash
        self._past = past
        self._lock = Lock() if lock is None else lock
        self._alone = Lock() if alone is None else alone
        self._write = write

    @property
    def retention_ms_min(self) -> int:
        """How long orders must be kept at least, for the longest window of the latest order."""
        return self._features.retention_ms + ALLOWED_LATENESS_MS

    def fingerprint(self, entity: str, parts: Sequence[str]) -> str:
        """Return what an erasure is noted by: 16 hexadecimal digits.

        A keyed hash of the hash that the journal held: who has the key can tell whether an
        erasure was this identifier's; it leads back neither to it nor to its orders.

        Raises
        ------
        fraudkit.errors.InputError
            As of `erase`.
        """
        key = entity_key(self._features, entity, parts, self._hash)
        return self._hash.digest(b"fraudkit: erased" + key.to_bytes(8, "little", signed=True)).hex()

    def erase(self, entity: str, parts: Sequence[str], *, dry_run: bool = False) -> Erased:
        """Remove all orders of one customer that were decided before this call.

        With an order go its outcomes, and its events leave the windows of everybody whom it
        names: also those of a card that others use. Its id may then be decided anew.

        Reads through the whole journal, which grows with it: tens of thousands of records a
        second at the least.

        Parameters
        ----------
        entity : str
            Which identifier is given: the name of an entity of the bundle, as ``"account"``.
        parts : sequence of str
            The identifier as orders say it; see `fraudkit.features.entity_key.entity_key`.
        dry_run : bool
            Remove nothing; say how much there is.

        Raises
        ------
        fraudkit.errors.InputError
            If there is no such entity, the parts are not its own, or there is no journal.
        fraudkit.errors.StoreError
            If the journal or the windows' store cannot serve. Some may be removed; do it again.

        Examples
        --------
        >>> import fraudkit as fk
        >>> engine = fk.Engine.open("models/current")
        >>> engine.erasure.erase("account", ["customer-1"])
        Traceback (most recent call last):
        ...
        fraudkit.errors.InputError: There must be a journal to erase from. Got an engine ...
        """
        journal = self._held_journal()
        key = entity_key(self._features, entity, parts, self._hash)
        with self._lock:
            self._write()
        total, seen = Erased(), set[str]()
        decisions = journal.decisions_of(entity, key)
        while found := list(islice(decisions, _FOUND_AT_ONCE)):
            new = [record for record in found if record.transaction_id not in seen]
            seen.update(record.transaction_id for record in new)
            outcomes = journal.outcomes_of({record.transaction_id for record in new})
            total += self._taken(journal, [*new, *outcomes], dry_run=dry_run)
        if not dry_run:
            journal.scrub()
        return total

    def expire(self, before_ms: int, *, limit: int = 256) -> Erased:
        """Remove the oldest of what was received before a time; about ``limit`` records.

        An order goes with all its outcomes, whenever these came. Call it again until it removes
        nothing, and then `scrub`.

        Parameters
        ----------
        before_ms : int
            UTC epoch milliseconds.
        limit : int
            How many are looked for.

        Raises
        ------
        fraudkit.errors.InputError
            If there is no journal.
        fraudkit.errors.StoreError
            If the journal or the windows' store cannot serve. Some may be removed; do it again.
        """
        journal = self._held_journal()
        found = journal.expired(before_ms, limit)
        decisions = [record for record in found if isinstance(record, DecisionRecord)]
        decided = {record.transaction_id for record in decisions}
        alone = [record for record in found if record.transaction_id not in decided]
        records = [*decisions, *journal.outcomes_of(decided), *alone]
        return self._taken(journal, records, dry_run=False)

    def scrub(self) -> None:
        """Let go of copies of what expired; see `fraudkit.journal.record.Journal.scrub`."""
        self._held_journal().scrub()

    def _held_journal(self) -> Journal:
        if self._journal is None:
            raise InputError(
                "There must be a journal to erase from. Got an engine without one; it forgets "
                "everything when its process ends"
            )
        return self._journal

    def _taken(self, journal: Journal, records: list[Record], *, dry_run: bool) -> Erased:
        """Remove records, those of an order at once, a few orders at a time."""
        of_order: dict[str, list[Record]] = {}
        for record in records:
            of_order.setdefault(record.transaction_id, []).append(record)
        orders = iter(() if dry_run else of_order.values())
        while some := list(islice(orders, _ORDERS_AT_ONCE)):
            with self._alone, self._lock:
                self._write()
                self._remove(journal, [record for order in some for record in order])
        decided = {held.transaction_id for held in records if isinstance(held, DecisionRecord)}
        n_outcomes = sum(isinstance(record, OutcomeRecord) for record in records)
        return Erased(orders=len(decided), outcomes=n_outcomes)

    def _remove(self, journal: Journal, records: list[Record]) -> None:
        past = self._past()
        # What is cut short is found again by the journal, so it is the last to lose it, unless
        # the windows end with the process.
        if past is not None and past.outlives_process:
            past.erase(records)
        journal.erase(records)
        if past is not None and not past.outlives_process:
            past.erase(records)
