"""Sources of others that must not hold up an order: timed, and left out while they are ill."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from fraudkit.circuit_breaker import CircuitBreaker
from fraudkit.features.enrichment import CardRange, Enrichment, IpFacts, SourceName

__all__ = ["BUDGET_MS", "RETRY_AFTER_MS", "GuardedSource", "guarded", "guards_of"]

BUDGET_MS: Final = 20.0
"""How long a source may take for an answer, unless it says ``budget_ms`` itself."""

RETRY_AFTER_MS: Final = 1_000.0
"""How long one is left out that failed or took longer."""

_NAMES: Final[tuple[SourceName, ...]] = ("ip", "card_ranges", "mail_domains")


class GuardedSource:
    """Asks a source, and leaves it out for a while after it raised or took too long.

    It stands for any of the three kinds. An answer that came too late is used; what is left out
    is unknown.

    Parameters
    ----------
    kind : {"ip", "card_ranges", "mail_domains"}
    source : IpSource, CardRangeSource or MailDomains
    monotonic_s : callable
        Returns seconds from a clock that never runs back.

    Attributes
    ----------
    is_missing : bool
        Whether it was asked and could not answer, since this was last set to ``False``.
    """

    answers_at_once = True

    def __init__(self, kind: SourceName, source: Any, monotonic_s: Callable[[], float]) -> None:
        self.kind_of_source: Final = kind
        self._source = source
        self._monotonic_s = monotonic_s
        self._budget_s = getattr(source, "budget_ms", BUDGET_MS) / 1000
        self._breaker = CircuitBreaker(
            retry_after_ms=RETRY_AFTER_MS, slow_ms=float("inf"), monotonic_s=monotonic_s
        )
        self.is_missing = False

    @property
    def name(self) -> str:
        """That of the source."""
        return str(self._source.name)

    @property
    def version(self) -> str:
        """That of the source."""
        return str(self._source.version)

    def facts(self, ip_address: str) -> IpFacts | None:
        """Return what is known of an IP address, or ``None``."""
        found: IpFacts | None = self._asked(self._source.facts, ip_address)
        return found

    def range_of(self, issuer_id_number: str) -> CardRange | None:
        """Return what is known of a card's range, or ``None``."""
        found: CardRange | None = self._asked(self._source.range_of, issuer_id_number)
        return found

    def kind(self, domain: str) -> Any:
        """Return the kind of a mail domain, or ``None``."""
        return self._asked(self._source.kind, domain)

    def _asked(self, ask: Callable[[str], Any], value: str) -> Any:
        if self._breaker.is_open:
            self.is_missing = True
            return None
        began_s = self._monotonic_s()
        try:
            found = ask(value)
        except Exception:  # noqa: BLE001 - whatever its owner let through, orders go on
            self._breaker.failed()
            self.is_missing = True
            return None
        if self._monotonic_s() - began_s > self._budget_s:
            self._breaker.failed()
        return found


def guarded(
    enrichment: Enrichment, monotonic_s: Callable[[], float] = time.monotonic
) -> Enrichment:
    """Return the same sources, guarded but for those that say ``answers_at_once``."""
    for name in _NAMES:
        source = getattr(enrichment, name)
        if source is None or getattr(source, "answers_at_once", False):
            continue
        enrichment = replace(enrichment, **{name: GuardedSource(name, source, monotonic_s)})
    return enrichment


def guards_of(enrichment: Enrichment) -> tuple[GuardedSource, ...]:
    """Return the guards among the sources."""
    held = (getattr(enrichment, name) for name in _NAMES)
    return tuple(source for source in held if isinstance(source, GuardedSource))
