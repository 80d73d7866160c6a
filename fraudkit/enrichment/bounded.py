"""`Bounded`: a source that may block, asked in a thread of its own with a time limit."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Literal

from fraudkit.errors import InputError, StoreError
from fraudkit.features.enrichment import (
    CardRange,
    CardRangeSource,
    IpFacts,
    IpSource,
    MailDomains,
    MailKind,
)

__all__ = ["Bounded"]

_Method = Literal["facts", "range_of", "kind"]


class _Question:
    """One question, and its answer once it is there."""

    def __init__(self, method: _Method, value: str) -> None:
        self.method = method
        self.value = value
        self.is_answered = Event()
        self.answer: Any = None
        self.error: Exception | None = None


class Bounded:
    """Asks a source and waits no longer than stated, even where it never answers.

    For a source that asks over a network, say. An answer costs two thread switches, some tens of
    microseconds; a source that answers from memory needs none of this. While a question is not
    answered the next fails at once. Of the three methods those work that the source has.

    Parameters
    ----------
    source : IpSource, CardRangeSource or MailDomains
        Asked in one thread, never at the same time.
    timeout_ms : float
        How long an answer is waited for, above 0.

    Attributes
    ----------
    budget_ms : float
        ``timeout_ms``; a shorter answer is not slow.

    Raises
    ------
    fraudkit.errors.InputError
        If the time is not above 0.

    Examples
    --------
    >>> from fraudkit.features.mail_domains import MailDomainLists
    >>> Bounded(MailDomainLists(), timeout_ms=10_000).kind("mailinator.com")
    'disposable'
    """

    def __init__(
        self, source: IpSource | CardRangeSource | MailDomains, *, timeout_ms: float
    ) -> None:
        if not timeout_ms > 0:
            raise InputError(
                f"timeout_ms must be above 0, got {timeout_ms:g}; give it milliseconds"
            )
        self.budget_ms = timeout_ms
        self._source: Any = source
        self._questions: SimpleQueue[_Question] = SimpleQueue()
        self._asked: _Question | None = None
        self._lock = Lock()
        Thread(target=self._answer_all, name=f"bounded-{source.name}", daemon=True).start()

    @property
    def name(self) -> str:
        """That of the source."""
        return str(self._source.name)

    @property
    def version(self) -> str:
        """That of the source."""
        return str(self._source.version)

    def facts(self, ip_address: str) -> IpFacts | None:
        """Return what the source knows of an IP address.

        Raises
        ------
        fraudkit.errors.StoreError
            If it does not answer in time, or raised.
        """
        found: IpFacts | None = self._ask("facts", ip_address)
        return found

    def range_of(self, issuer_id_number: str) -> CardRange | None:
        """Return what the source knows of a card's range; errors as `facts`."""
        found: CardRange | None = self._ask("range_of", issuer_id_number)
        return found

    def kind(self, domain: str) -> MailKind:
        """Return what the source says of a mail domain; errors as `facts`."""
        found: MailKind = self._ask("kind", domain)
        return found

    def _ask(self, method: _Method, value: str) -> Any:
        with self._lock:
            if self._asked is not None and not self._asked.is_answered.is_set():
                raise StoreError(
                    f"The source {self.name} must answer within {self.budget_ms:g} ms. Got no "
                    "answer yet to an earlier question; see what holds it up"
                )
            self._asked = question = _Question(method, value)
            self._questions.put(question)
            if not question.is_answered.wait(self.budget_ms / 1000):
                raise StoreError(
                    f"The source {self.name} must answer within {self.budget_ms:g} ms. Got no "
                    "answer; see what holds it up"
                )
        if question.error is not None:
            raise StoreError(
                f"The source {self.name} must answer. Got {type(question.error).__name__}; see its "
                "own log"
            ) from question.error
        return question.answer

    def _answer_all(self) -> None:
        while True:
            question = self._questions.get()
            try:
                question.answer = getattr(self._source, question.method)(question.value)
            except Exception as error:  # noqa: BLE001 - it is told to who asked
                question.error = error
            question.is_answered.set()
