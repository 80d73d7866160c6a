"""The journal's port and its records: what was seen, what was decided, what was learnt."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, Protocol, get_args

from msgspec import Struct

from fraudkit.errors import JournalError

__all__ = [
    "DecisionRecord",
    "Durability",
    "Journal",
    "OutcomeRecord",
    "Record",
    "check_durability",
]

Durability = Literal["process_kill", "power_loss"]
"""What an acknowledged record survives: the end of this process, also by ``kill -9``; or that,
and a loss of power or a crash of the operating system."""


class DecisionRecord(Struct, frozen=True, kw_only=True, tag="decision"):
    """A transaction and what was decided about it; no personal data.

    Attributes
    ----------
    transaction_id : str
        The shop's identifier.
    received_at_ms : int
        When the transaction was received, UTC epoch milliseconds.
    event_time_ms : int
        When the customer made it.
    amount_minor : int or None
        In minor units of the reference currency; ``None`` where no rate is known.
    entities : dict[str, int]
        Entity name → 64-bit keyed hash of the identifier.
    request_digest : bytes
        Keyed digest of the whole transaction, to tell a repeat from a change.
    features_version : str
        The hash of the feature set that made ``features``.
    features : bytes
        The feature row: little-endian float64.
    decision : bytes
        The decision as JSON, the bytes that were answered.
    """

    transaction_id: str
    received_at_ms: int
    event_time_ms: int
    amount_minor: int | None
    entities: dict[str, int]
    request_digest: bytes
    features_version: str
    features: bytes
    decision: bytes


class OutcomeRecord(Struct, frozen=True, kw_only=True, tag="outcome"):
    """An outcome as it was received; ``outcome`` is its JSON."""

    outcome_id: str
    transaction_id: str
    received_at_ms: int
    outcome: bytes


Record = DecisionRecord | OutcomeRecord
"""Anything in a journal."""


class Journal(Protocol):
    """The durable record. A record is durable when `append` returns.

    It is append-only: nothing changes a record, and only `erase` removes one.
    """

    @property
    def is_away(self) -> bool:
        """Whether records wait elsewhere, because the journal itself cannot be written."""
        ...

    def append(self, record: Record) -> bool:
        """Write a record.

        Returns ``False``, and writes nothing, where an outcome of the same id, or a decision about
        the same transaction, is already there: the first stands.

        Raises
        ------
        fraudkit.errors.JournalError
            If it cannot be made durable; nothing was written.
        """
        ...

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        """Write records in their order, all or none, as one `append` each would.

        Returns for each whether it was written: ``False`` where an outcome of the same id, or a
        decision about the same transaction, is already there, or came before it among these.

        Raises
        ------
        fraudkit.errors.JournalError
            If they cannot be made durable; none was written.
        """
        ...

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        """Return the newest decision about a transaction, or ``None``."""
        ...

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        """Return the outcome of an id, or ``None``."""
        ...

    def records(self) -> Iterator[Record]:
        """Yield every record appended before this call, in the order in which it was written."""
        ...

    def decisions_of(self, entity: str, key: int) -> Iterator[DecisionRecord]:
        """Yield the decisions whose ``entities`` hold a hash, in the order in which they stand.

        Only those that were written before this call. It reads through the whole journal, a page
        at a time; no append waits for more than a page.

        Parameters
        ----------
        entity : str
            The name of the entity.
        key : int
            The hash, as a record holds it.
        """
        ...

    def outcomes_of(self, transaction_ids: Collection[str]) -> Iterator[OutcomeRecord]:
        """Yield the outcomes of these transactions, in no particular order."""
        ...

    def expired(self, before_ms: int, limit: int) -> list[Record]:
        """Return the oldest of what was received before a time, in their order.

        An outcome counts as one only where no decision about its transaction was received since.
        Nothing is looked for behind the first decision that was received since.

        Parameters
        ----------
        before_ms : int
            UTC epoch milliseconds.
        limit : int
            How many are returned at most; at least 1.
        """
        ...

    def erase(self, records: Sequence[Record]) -> int:
        """Remove records in one commit, all or none; return how many it removed.

        With a decision go all decisions about its transaction. What is not there is left out.
        `scrub` then makes that nothing of them is left in the journal's files.

        Raises
        ------
        fraudkit.errors.JournalError
            If they cannot be removed; none was.
        """
        ...

    def scrub(self) -> None:
        """Let go of copies of erased records that the journal's own files may still hold.

        Raises
        ------
        fraudkit.errors.JournalError
            If they cannot be let go of now; call it again.
        """
        ...

    def check_writable(self) -> None:
        """Raise `JournalError` if an append would be refused now; writes nothing."""
        ...

    def close(self) -> None:
        """Release files, locks and connections; closing twice does nothing."""
        ...


def check_durability(durability: str) -> None:
    """Raise `JournalError` if this is no durability.

    Examples
    --------
    >>> check_durability("always")
    Traceback (most recent call last):
    ...
    fraudkit.errors.JournalError: durability must be 'process_kill' or 'power_loss'. Got 'always'
    """
    if durability not in get_args(Durability):
        known = " or ".join(map(repr, get_args(Durability)))
        raise JournalError(f"durability must be {known}. Got {durability!r}")
