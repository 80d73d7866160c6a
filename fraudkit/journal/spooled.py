"""A journal that goes on while it cannot be written: what comes then waits in a local file.

Invariant: a record that `SpooledJournal.append` returned for is in the journal, or in the spool
and on its way into the journal, in the order in which it was appended.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final, TypeVar

from fraudkit.errors import JournalError, RecordRefused
from fraudkit.journal.record import DecisionRecord, Durability, Journal, OutcomeRecord, Record
from fraudkit.journal.spool import RESERVED_BYTES, Spool, name_of

__all__ = ["JOURNAL", "SpooledJournal"]

JOURNAL: Final = "journal"
"""The name of the journal among the sources that may be missing."""

_PAGE_RECORDS: Final = 256
_RECENT_MAX: Final = 2048
_R = TypeVar("_R", DecisionRecord, OutcomeRecord)
_log = logging.getLogger(__name__)


class SpooledJournal:
    """A journal with a spool; implements `fraudkit.journal.record.Journal`.

    While the journal cannot be written, records go to the spool, which is as durable. A thread
    tries the journal again and brings them there; what a process leaves in its spool, the next
    one brings when it opens. Methods may be called from several threads.

    Parameters
    ----------
    journal : Journal
        Closed with this one.
    path : Path
        The spool's file.
    durability : {"process_kill", "power_loss"}
        What an append to the spool survives.
    reads_while_away : bool
        Whether the journal can be read at once while it cannot be written, as a local file can.
        Otherwise it is not asked then; the last 2,048 records are remembered for repeats.
    retry_s : float
        How often the journal is tried while it is away, in seconds.
    reserved_bytes : int
        Held on the spool's disk from the start.

    Raises
    ------
    fraudkit.errors.JournalError
        If the spool cannot be used, or holds records that cannot be brought into the journal.

    Notes
    -----
    Whether an append that failed was written all the same need not be known: the journal takes
    each transaction and each outcome once.
    """

    def __init__(
        self,
        journal: Journal,
        path: Path,
        *,
        durability: Durability = "process_kill",
        reads_while_away: bool = True,
        retry_s: float = 1.0,
        reserved_bytes: int = RESERVED_BYTES,
    ) -> None:
        self._journal = journal
        self._reads_while_away = reads_while_away
        self._retry_s = retry_s
        self._recent: OrderedDict[tuple[str, str], Record] = OrderedDict()
        self._guard = Lock()
        self._problem: str | None = None
        self._takes_records = True
        self._is_closed = Event()
        self._left = Event()
        self._spool = Spool(path, durability=durability, reserved_bytes=reserved_bytes)
        try:
            for page in self._spool.pages(_PAGE_RECORDS):
                journal.append_many(page)
            self._spool.clear()
        except BaseException:
            self._spool.close()
            raise
        self._thread = Thread(target=self._return_when_possible, name="journal-spool", daemon=True)
        self._thread.start()

    @property
    def is_away(self) -> bool:
        """Whether the journal cannot be written, and records wait in the spool."""
        return self._problem is not None and self._takes_records

    @property
    def spooled_records(self) -> int:
        """How many records wait in the spool."""
        return len(self._spool)

    def append(self, record: Record) -> bool:
        """Write a record to the journal or the spool; see `Journal.append`."""
        return self.append_many((record,))[0]

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        """Write records in their order, all or none; see `Journal.append_many`.

        While the journal is away, a record counts as new unless the spool, the memory of the last
        records, or the journal where it can be read, holds its id.

        Raises
        ------
        fraudkit.errors.JournalError
            If neither the journal nor the spool can be written.
        """
        with self._guard:
            if self._problem is None:
                try:
                    written = self._journal.append_many(records)
                except RecordRefused:
                    raise
                except JournalError as error:
                    self._leave(str(error))
                else:
                    self._remember(records, written)
                    return written
            return self._spooled(records)

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        """Return the newest decision about a transaction, or ``None``."""
        waiting = self._spool.decision(transaction_id) or self._remembered(
            "decision", transaction_id, DecisionRecord
        )
        if waiting is None:
            self._refuse_to_read()
            return self._journal.last_decision(transaction_id)
        # One that the journal holds came before one that waits.
        return self._read_while_away(self._journal.last_decision, transaction_id) or waiting

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        """Return the outcome of an id, or ``None``."""
        waiting = self._spool.outcome(outcome_id) or self._remembered(
            "outcome", outcome_id, OutcomeRecord
        )
        if waiting is None:
            self._refuse_to_read()
            return self._journal.outcome(outcome_id)
        return self._read_while_away(self._journal.outcome, outcome_id) or waiting

    def records(self) -> Iterator[Record]:
        """Yield the journal's records in order, then those that wait in the spool."""
        yield from self._journal.records()
        for page in self._spool.pages(_PAGE_RECORDS):
            yield from page

    def decisions_of(self, entity: str, key: int) -> Iterator[DecisionRecord]:
        """Yield the decisions that hold a hash; not while the journal is away."""
        self._refuse_while_away()
        return self._journal.decisions_of(entity, key)

    def outcomes_of(self, transaction_ids: Collection[str]) -> Iterator[OutcomeRecord]:
        """Yield the outcomes of these transactions; not while the journal is away."""
        self._refuse_while_away()
        return self._journal.outcomes_of(transaction_ids)

    def expired(self, before_ms: int, limit: int) -> list[Record]:
        """Return what was received before a time; not while the journal is away."""
        self._refuse_while_away()
        return self._journal.expired(before_ms, limit)

    def erase(self, records: Sequence[Record]) -> int:
        """Remove records; not while the journal is away: what waits is not in it yet."""
        with self._guard:
            self._refuse_while_away()
            removed = self._journal.erase(records)
            for record in records:
                self._recent.pop(name_of(record), None)
        return removed

    def scrub(self) -> None:
        """Let go of copies of erased records; not while the journal is away."""
        self._refuse_while_away()
        self._journal.scrub()

    def check_writable(self) -> None:
        """Raise `JournalError` if an append would not reach the journal now."""
        self._refuse_while_away()
        self._journal.check_writable()

    def close(self) -> None:
        """Close the journal; what waits in the spool stays there for the next to open it."""
        self._is_closed.set()
        self._left.set()
        self._thread.join()
        with self._guard:
            self._spool.close()
            self._journal.close()

    def _spooled(self, records: Sequence[Record]) -> list[bool]:
        if self._is_closed.is_set():
            raise JournalError(f"The journal cannot be written: {self._spool.path} is closed")
        new: dict[tuple[str, str], Record] = {}
        written = []
        for record in records:
            name = name_of(record)
            is_new = name not in new and not self._is_held(record)
            if is_new:
                new[name] = record
            written.append(is_new)
        self._takes_records = False
        self._spool.append(list(new.values()))
        self._takes_records = True
        self._remember(records, written)
        return written

    def _is_held(self, record: Record) -> bool:
        kind, identifier = name = name_of(record)
        if name in self._spool or name in self._recent:
            return True
        if kind == "outcome":
            return self._read_while_away(self._journal.outcome, identifier) is not None
        return self._read_while_away(self._journal.last_decision, identifier) is not None

    def _remembered(self, kind: str, identifier: str, of: type[_R]) -> _R | None:
        record = self._recent.get((kind, identifier))
        return record if isinstance(record, of) else None

    def _read_while_away(self, read: Callable[[str], _R | None], identifier: str) -> _R | None:
        """Return what the journal holds, where it can be read at once."""
        if self._reads_while_away:
            with suppress(JournalError):
                return read(identifier)
        return None

    def _remember(self, records: Sequence[Record], written: Sequence[bool]) -> None:
        if self._reads_while_away:
            return
        for record, is_written in zip(records, written, strict=True):
            if is_written:
                self._recent[name_of(record)] = record
        while len(self._recent) > _RECENT_MAX:
            self._recent.popitem(last=False)

    def _refuse_while_away(self) -> None:
        problem = self._problem
        if problem is not None:
            raise JournalError(f"{problem}; {len(self._spool)} records wait in {self._spool.path}")

    def _refuse_to_read(self) -> None:
        problem = self._problem
        if problem is not None and not self._reads_while_away:
            raise JournalError(problem)

    def _leave(self, problem: str) -> None:
        _log.error("%s; records wait in %s", problem, self._spool.path)
        self._problem = problem
        self._takes_records = True
        self._left.set()

    def _return_when_possible(self) -> None:
        while not self._is_closed.is_set():
            self._left.wait()
            if self._is_closed.wait(self._retry_s):
                return
            try:
                self._return()
            except JournalError as error:
                self._problem = str(error)

    def _return(self) -> None:
        """Bring what waits into the journal, the last of it while nothing can be appended."""
        self._journal.check_writable()
        pages = self._spool.pages(_PAGE_RECORDS)
        page = next(pages, [])
        while len(page) == _PAGE_RECORDS:
            self._bring(page)
            page = next(pages, [])
        with self._guard:
            while page:
                self._bring(page)
                page = next(pages, [])
            _log.warning("The journal is back, with %d records of the spool", len(self._spool))
            self._spool.clear()
            self._problem = None
            self._left.clear()

    def _bring(self, page: Sequence[Record]) -> None:
        for record, is_new in zip(page, self._journal.append_many(page), strict=True):
            if not is_new:  # what stands is the journal's
                self._recent.pop(name_of(record), None)
