"""Files to look things up in, for the tests of this folder and of the features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from fraudkit.enrichment.card_ranges import CardRangeFile
from fraudkit.enrichment.maxmind import MaxMindFile
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.mail_domains import MailDomainLists

__all__ = ["COUNTRY_RECORDS", "OPERATOR_RECORDS", "full_enrichment", "write_mmdb"]

COUNTRY_RECORDS: dict[str, dict[str, Any]] = {
    "81.2.69.0/24": {"country": {"iso_code": "GB", "names": {"en": "United Kingdom"}}},
    "2a02:cf00::/29": {"country": {"iso_code": "RU"}},
}
OPERATOR_RECORDS: dict[str, dict[str, Any]] = {
    "81.2.69.0/24": {"autonomous_system_number": 20712, "autonomous_system_organization": "A&A"},
}
RANGES = """prefix,country,brand,funding,issuer
4,,visa,,
411111,PL,visa,credit,Example Bank
41111122,DE,visa,prepaid,Example Bank
"""


def write_mmdb(
    path: Path, kind: str, records: Mapping[str, dict[str, Any]], ip_version: int = 6
) -> Path:
    """Write a file in MaxMind's format and return its path."""
    writer = MMDBWriter(ip_version, kind, ipv4_compatible=ip_version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def full_enrichment(folder: Path) -> Enrichment:
    """Return every source, read from files in a folder."""
    (folder / "ranges.csv").write_text(RANGES, "utf-8")
    return Enrichment(
        ip=MaxMindFile(
            write_mmdb(folder / "country.mmdb", "GeoLite2-Country", COUNTRY_RECORDS),
            write_mmdb(folder / "asn.mmdb", "GeoLite2-ASN", OPERATOR_RECORDS),
        ),
        card_ranges=CardRangeFile(folder / "ranges.csv"),
        mail_domains=MailDomainLists(),
    )
