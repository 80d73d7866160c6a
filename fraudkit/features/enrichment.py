"""The ports to what others know: of an IP address, a card's range, a mail domain.

A source is asked with one value of the order and answers at once, from memory or a local file.
Where no source is given, what it would tell is ``None``: unknown, never harmless. One that has
no attribute ``answers_at_once`` that is true is timed, see `fraudkit.features.guarded_sources`;
one that may block has to be wrapped in `fraudkit.enrichment.bounded.Bounded`.
`fraudkit.enrichment` holds the adapters for a merchant's own files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Protocol

from msgspec import Struct

__all__ = [
    "NO_SOURCES",
    "CardRange",
    "CardRangeSource",
    "Enrichment",
    "IpFacts",
    "IpSource",
    "MailDomains",
    "MailKind",
    "SourceName",
    "source_of",
]

MailKind = Literal["disposable", "free", "other"]
"""A mail domain: of addresses made to be thrown away, of a provider open to anyone, or neither."""

SourceName = Literal["ip", "card_ranges", "mail_domains"]
"""The sources, by the names of `Enrichment`'s fields."""


class IpFacts(Struct, frozen=True, kw_only=True):
    """What is known of an IP address.

    Attributes
    ----------
    country : str or None
        Where it is used, ISO 3166-1 alpha-2.
    network_operator : str or None
        The autonomous system that it is routed by: ``"AS64500"`` (RFC 5396, asplain).
    is_anonymous : bool or None
        Whether it hides who uses it: a VPN, a proxy, Tor, a relay, rented servers.
    """

    country: str | None = None
    network_operator: str | None = None
    is_anonymous: bool | None = None


class CardRange(Struct, frozen=True, kw_only=True):
    """What is known of the cards whose numbers begin alike.

    Attributes
    ----------
    country : str or None
        The issuer's country, ISO 3166-1 alpha-2.
    brand, issuer : str or None
        The card scheme, the bank.
    funding : str or None
        ``"credit"``, ``"debit"``, ``"prepaid"`` or ``"unknown"``.
    """

    country: str | None = None
    brand: str | None = None
    funding: str | None = None
    issuer: str | None = None


class _Source(Protocol):
    """What every source says of itself."""

    @property
    def name(self) -> str:
        """What the source is, for people."""
        ...

    @property
    def version(self) -> str:
        """What tells two states of its data apart."""
        ...


class IpSource(_Source, Protocol):
    """Knows IP addresses."""

    def facts(self, ip_address: str) -> IpFacts | None:
        """Return what is known of an address; ``None`` where it is garbage or not public.

        Raises
        ------
        fraudkit.errors.StoreError
            If the source is damaged.
        """
        ...


class CardRangeSource(_Source, Protocol):
    """Knows card ranges."""

    def range_of(self, issuer_id_number: str) -> CardRange | None:
        """Return the narrowest range that holds a card's first 6 to 8 digits."""
        ...


class MailDomains(_Source, Protocol):
    """Knows mail domains."""

    def kind(self, domain: str) -> MailKind:
        """Return the kind of a domain, which is lower-case ASCII."""
        ...


_READ_FROM: Final[dict[str, SourceName]] = {
    "ip.country": "ip",
    "ip.network_operator": "ip",
    "ip.is_anonymous": "ip",
    "card_range.country": "card_ranges",
    "card_range.brand": "card_ranges",
    "card_range.funding": "card_ranges",
    "card_range.issuer": "card_ranges",
    "email.domain_kind": "mail_domains",
}


def source_of(path: str) -> SourceName | None:
    """Return the source that a derived path is read from, or ``None`` where it needs none.

    Examples
    --------
    >>> source_of("ip.country"), source_of("email.domain_name")
    ('ip', None)
    """
    return _READ_FROM.get(path)


class Enrichment(Struct, frozen=True, kw_only=True):
    """The sources that derived fields are read from; any of them may be missing.

    Attributes
    ----------
    ip : IpSource or None
        For ``ip.country``, ``ip.network_operator``, ``ip.is_anonymous``.
    card_ranges : CardRangeSource or None
        For ``card_range.country``, ``.brand``, ``.funding``, ``.issuer``.
    mail_domains : MailDomains or None
        For ``email.domain_kind``.

    Examples
    --------
    >>> Enrichment.default().missing(["ip.country", "email.domain_kind", "billing.country"])
    ('ip',)
    """

    ip: IpSource | None = None
    card_ranges: CardRangeSource | None = None
    mail_domains: MailDomains | None = None

    @classmethod
    def default(cls) -> Enrichment:
        """Return what works without a file: the kept lists of mail domains."""
        from fraudkit.features.mail_domains import MailDomainLists

        return cls(mail_domains=MailDomainLists())

    def missing(self, paths: Iterable[str]) -> tuple[SourceName, ...]:
        """Return the sources that some path is read from and that are not given."""
        read = {source_of(path) for path in paths}
        given = self._sources()
        return tuple(name for name, source in given.items() if source is None and name in read)

    def versions(self) -> dict[str, str]:
        """Return the name and version of each source that is given."""
        return {
            name: f"{source.name} {source.version}"
            for name, source in self._sources().items()
            if source is not None
        }

    def ip_facts(self, ip_address: str | None) -> IpFacts:
        """Return what is known of an IP address; nothing where it, or the source, is absent."""
        found = None if self.ip is None or ip_address is None else self.ip.facts(ip_address)
        return found or _NO_FACTS

    def card_range(self, issuer_id_number: str | None) -> CardRange:
        """Return what is known of a card's range; nothing where it, or the source, is absent."""
        if self.card_ranges is None or issuer_id_number is None:
            return _NO_RANGE
        return self.card_ranges.range_of(issuer_id_number) or _NO_RANGE

    def mail_kind(self, domain: str | None) -> MailKind | None:
        """Return the kind of a mail domain; ``None`` where it, or the source, is absent."""
        if self.mail_domains is None or domain is None:
            return None
        return self.mail_domains.kind(domain)

    def _sources(self) -> dict[SourceName, _Source | None]:
        return {
            "ip": self.ip,
            "card_ranges": self.card_ranges,
            "mail_domains": self.mail_domains,
        }


NO_SOURCES: Final = Enrichment()
"""Without any source."""

_NO_FACTS: Final = IpFacts()
_NO_RANGE: Final = CardRange()
