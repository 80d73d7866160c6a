"""Derived fields: what features and entities may read besides the fields of the order.

A derived field is a function of a few other paths. Those are fields of the vocabulary, the
order's time, or derived fields themselves, so `derived_fields` gives them in an order in which
each stands after what it reads. Both drivers compute the same function: online once an order,
offline once for each distinct combination of its inputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from fraudkit.features.enrichment import NO_SOURCES, Enrichment, SourceName, source_of
from fraudkit.features.ip_address import ip_network
from fraudkit.features.spec import Value

__all__ = [
    "DERIVED_PATHS",
    "DerivedField",
    "derived_field",
    "derived_fields",
    "local_offset_minutes",
    "mail_domain",
]

_Kind = type[str] | type[int] | type[bool]


class DerivedField(Struct, frozen=True, kw_only=True):
    """A path and how its value is made.

    Attributes
    ----------
    path : str
        What features and entities name it by.
    inputs : tuple of str
        The paths whose values the function takes, in this order; they may be derived too.
    kind : type
        ``str``, ``int`` or ``bool``: what the value is where it is not ``None``.
    function : callable
        Takes the inputs' values, ``None`` where absent.
    part : str
        The attribute of the function's answer that is the value; ``""`` where the answer is.
        Fields with one function and the same inputs differ by it, and share one call.
    """

    path: str
    inputs: tuple[str, ...]
    kind: _Kind
    function: Callable[..., Any]
    part: str = ""

    def compute(self, *values: Value) -> Value:
        """Return the field's value for the values of its inputs."""
        found: Value = self.function(*values)
        return getattr(found, self.part) if self.part else found


_DOMAIN: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*").fullmatch
_DOMAIN_LENGTH_MAX: Final = 253
_ZONE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*").fullmatch
_MINUTE: Final = timedelta(minutes=1)


def mail_domain(address: str | None, domain: str | None) -> str | None:
    """Return the mail domain as lower-case ASCII (RFC 5891, mapped by UTS #46).

    It is what stands after the last ``@`` of the address, or else the domain that came by
    itself. Text that cannot be a domain name gives ``None``.

    Examples
    --------
    >>> mail_domain("Ann@Example.COM", None), mail_domain("5f3a09", "m\u00fcller.example")
    ('example.com', 'xn--mller-kva.example')
    """
    if address is not None:
        _, at, after = address.rpartition("@")
        found = _ascii_domain(after) if at else None
        if found is not None:
            return found
    return None if domain is None else _ascii_domain(domain.rpartition("@")[2])


@lru_cache(maxsize=4096)
def _ascii_domain(text: str) -> str | None:
    name = text.strip().removesuffix(".").lower()
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    return name if len(name) <= _DOMAIN_LENGTH_MAX and _DOMAIN(name) else None


def local_offset_minutes(
    event_time_ms: int, utc_offset_minutes: int | None, time_zone: str | None
) -> int | None:
    """Return how far the customer's clock is ahead of UTC, in whole minutes.

    Parameters
    ----------
    event_time_ms : int
        When the order was made, UTC epoch milliseconds.
    utc_offset_minutes : int or None
        The answer where the zone is absent or not known.
    time_zone : str or None
        A name of the IANA time zone database.

    Examples
    --------
    >>> local_offset_minutes(1_767_225_600_000, 60, "America/New_York")
    -300
    >>> local_offset_minutes(1_767_225_600_000, 60, "Mars/Olympus_Mons")
    60
    """
    zone = None if time_zone is None else _zone(time_zone)
    if zone is None:
        return utc_offset_minutes
    try:
        offset = datetime.fromtimestamp(event_time_ms // 1000, zone).utcoffset()
    except (OverflowError, ValueError):  # the first or last day of the calendar
        return utc_offset_minutes
    return utc_offset_minutes if offset is None else offset // _MINUTE


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    """Return a zone; other files that stand beside the zones begin with a small letter."""
    if not _ZONE_NAME(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return None


class _Pure(NamedTuple):
    """A derived field that needs no source."""

    inputs: tuple[str, ...]
    kind: _Kind
    function: Callable[..., Value]


class _Asked(NamedTuple):
    """A derived field that a source is asked for, with the value of one path."""

    asked_with: str
    kind: _Kind
    part: str


_PURE: Final = {
    "device.ip_network": _Pure(("device.ip_address",), str, ip_network),
    "email.domain_name": _Pure(("email.address", "email.domain"), str, mail_domain),
    "local_offset_minutes": _Pure(
        ("event_time_ms", "utc_offset_minutes", "device.time_zone"), int, local_offset_minutes
    ),
}

_IP: Final = "device.ip_address"
_CARD: Final = "payment.card.issuer_id_number"

_ASKED: Final = {
    "email.domain_kind": _Asked("email.domain_name", str, ""),
    "ip.country": _Asked(_IP, str, "country"),
    "ip.network_operator": _Asked(_IP, str, "network_operator"),
    "ip.is_anonymous": _Asked(_IP, bool, "is_anonymous"),
    "card_range.country": _Asked(_CARD, str, "country"),
    "card_range.brand": _Asked(_CARD, str, "brand"),
    "card_range.funding": _Asked(_CARD, str, "funding"),
    "card_range.issuer": _Asked(_CARD, str, "issuer"),
}

DERIVED_PATHS: Final = (*_PURE, *_ASKED)
"""Every derived path that a function of other paths makes."""


def derived_field(path: str, enrichment: Enrichment) -> DerivedField | None:
    """Return how a derived path is made, or ``None`` where the path is none.

    A path whose source is not given reads nothing, and is ``None`` always.

    Examples
    --------
    >>> derived_field("ip.country", Enrichment()).inputs
    ()
    >>> derived_field("billing.country", Enrichment()) is None
    True
    """
    if path in _PURE:
        inputs, kind, function = _PURE[path]
        return DerivedField(path=path, inputs=inputs, kind=kind, function=function)
    source = source_of(path)
    if source is None:
        return None
    asked_with, kind, part = _ASKED[path]
    if enrichment.missing([path]):
        return DerivedField(path=path, inputs=(), kind=kind, function=_nothing)
    ask = _question(source, enrichment)
    return DerivedField(path=path, inputs=(asked_with,), kind=kind, function=ask, part=part)


def _question(source: SourceName, enrichment: Enrichment) -> Callable[..., Any]:
    """Return the method that asks a source; for one source it is always an equal one."""
    if source == "ip":
        return enrichment.ip_facts
    return enrichment.card_range if source == "card_ranges" else enrichment.mail_kind


def derived_fields(
    paths: Iterable[str], enrichment: Enrichment = NO_SOURCES
) -> tuple[DerivedField, ...]:
    """Return the derived fields among the paths and among all that they read.

    Each stands once, after the derived fields that it reads.

    Examples
    --------
    >>> kept = derived_fields(["email.domain_kind", "channel"], Enrichment.default())
    >>> [field.path for field in kept]
    ['email.domain_name', 'email.domain_kind']
    """
    found: dict[str, DerivedField] = {}
    for path in paths:
        field = derived_field(path, enrichment)
        if field is not None:
            found |= {inner.path: inner for inner in derived_fields(field.inputs, enrichment)}
            found[path] = field
    return tuple(found.values())


def _nothing() -> None:
    return None
