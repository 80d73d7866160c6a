"""Facts about IP addresses from files in MaxMind's format.

https://maxmind.github.io/MaxMind-DB/ describes the format; several houses publish in it, each
with key names of its own. Those of MaxMind (GeoIP, GeoLite), DB-IP and IPinfo are understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fraudkit.domain.codes import COUNTRIES
from fraudkit.errors import DataFileError, StoreError
from fraudkit.features.enrichment import IpFacts
from fraudkit.features.ip_address import address_text, is_public, packed_ip

if TYPE_CHECKING:
    from maxminddb import Reader

__all__ = ["MaxMindFile"]


class _File(NamedTuple):
    """An open file.

    Attributes
    ----------
    lists_anonymous : bool
        Whether an address that is not in it is not anonymous.
    """

    path: str
    reader: Reader
    reads_ipv6: bool
    lists_anonymous: bool
    version: str


class MaxMindFile:
    """One or several ``.mmdb`` files as a `fraudkit.features.enrichment.IpSource`.

    Files are mapped into memory, not loaded. Where two know the same fact the one named first
    counts; an address is anonymous where any of them says so.

    Parameters
    ----------
    *paths : str or PathLike
        At least one file.

    Raises
    ------
    fraudkit.errors.DataFileError
        If a file is missing, damaged or of another format, or the package ``maxminddb`` is not
        installed.
    """

    __slots__ = ("_files",)

    answers_at_once = True

    def __init__(self, *paths: str | PathLike[str]) -> None:
        if not paths:
            raise DataFileError("there must be at least one .mmdb file, got none")
        self._files = tuple(_opened(str(path)) for path in paths)

    @property
    def name(self) -> str:
        """What the source is, for people."""
        return "MaxMind-format files"

    @property
    def version(self) -> str:
        """Each file's type and the time it was built at."""
        return ", ".join(file.version for file in self._files)

    def facts(self, ip_address: str) -> IpFacts | None:
        """Return what is known of an address; ``None`` where it is garbage or not public.

        Raises
        ------
        fraudkit.errors.StoreError
            If a file is damaged.
        """
        packed = packed_ip(ip_address)
        if packed is None or not is_public(packed):
            return None
        text, is_ipv6 = address_text(packed), len(packed) == 16
        records = [
            (file, _record(file, text)) for file in self._files if file.reads_ipv6 or not is_ipv6
        ]
        return IpFacts(
            country=_first(_country(record) for _, record in records),
            network_operator=_first(_network_operator(record) for _, record in records),
            is_anonymous=_any(_is_anonymous(file, record) for file, record in records),
        )

    def close(self) -> None:
        """Let go of the files; nothing can be asked afterwards."""
        for file in self._files:
            file.reader.close()


def _opened(path: str) -> _File:
    try:
        import maxminddb
    except ImportError as error:
        raise DataFileError(
            f"the package maxminddb must be installed to read {path}; "
            "run `pip install 'fraudkit[ip]'`"
        ) from error
    try:
        reader = maxminddb.open_database(path)
        metadata = reader.metadata()
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise DataFileError(
            f"{path} must be a readable file in MaxMind's format (.mmdb, unpacked): {error}; "
            "download it again, or name another"
        ) from error
    kind = metadata.database_type
    built = datetime.fromtimestamp(metadata.build_epoch, UTC)
    return _File(
        path=path,
        reader=reader,
        reads_ipv6=metadata.ip_version == 6,
        lists_anonymous="anonymous" in kind.lower() or "privacy" in kind.lower(),
        version=f"{kind} {built:%Y-%m-%dT%H:%M:%SZ}",
    )


def _record(file: _File, address: str) -> Mapping[str, Any]:
    """Return a file's record of an address, with its traits beside the other keys."""
    try:
        record = file.reader.get(address)
    except (RuntimeError, ValueError):  # the package's own error is a RuntimeError
        # What was raised shows the address, which must not reach a log.
        raise StoreError(
            f"{file.path} must be open and whole, and cannot be read; download it again"
        ) from None
    if not isinstance(record, dict):
        return {}
    traits = record.get("traits")
    return {**record, **traits} if isinstance(traits, dict) else record


def _country(record: Mapping[str, Any]) -> str | None:
    """Return the country: MaxMind and DB-IP nest it, IPinfo writes a code, or name and code."""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else country
    found = record.get("country_code", code)
    return found if isinstance(found, str) and found in COUNTRIES else None


def _network_operator(record: Mapping[str, Any]) -> str | None:
    """Return the autonomous system: a number at MaxMind and DB-IP, ``"AS64500"`` at IPinfo.

    The number 0 says that a network is not routed (RFC 7607).
    """
    number = record.get("autonomous_system_number", record.get("asn"))
    digits = str(number).removeprefix("AS")
    known = digits.isascii() and digits.isdecimal() and int(digits) > 0
    return f"AS{int(digits)}" if known else None


_ANONYMOUS_KEYS: Final = (
    "is_anonymous_proxy",
    "is_anonymous_vpn",
    "is_hosting_provider",
    "is_public_proxy",
    "is_residential_proxy",
    "is_tor_exit_node",
    "hosting",
    "proxy",
    "relay",
    "tor",
    "vpn",
)
_TRUE: Final = (True, "true", "1")


def _is_anonymous(file: _File, record: Mapping[str, Any]) -> bool | None:
    """Return the file's own verdict, or else whether it names a way of hiding."""
    if "is_anonymous" in record:
        return record["is_anonymous"] in _TRUE
    told = [record[key] in _TRUE for key in _ANONYMOUS_KEYS if key in record]
    return any(told) if told or file.lists_anonymous else None


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _any(values: Iterable[bool | None]) -> bool | None:
    known = [value for value in values if value is not None]
    return any(known) if known else None
