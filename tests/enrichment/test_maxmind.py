"""Facts come out of files of several houses; a file that is not whole is refused."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from fraudkit.enrichment.maxmind import MaxMindFile
from fraudkit.errors import DataFileError, StoreError
from fraudkit.features.enrichment import IpFacts
from tests.enrichment.files import COUNTRY_RECORDS, OPERATOR_RECORDS, write_mmdb

HERE = "81.2.69.160"
NETWORK = "81.2.69.0/24"
ELSEWHERE = "81.2.70.1"
IPINFO_PRIVACY = {"hosting": "", "proxy": "", "relay": "", "service": "", "tor": "", "vpn": ""}


def facts_of(folder: Path, kind: str, record: dict[str, Any], address: str = HERE) -> IpFacts:
    facts = MaxMindFile(write_mmdb(folder / "ip.mmdb", kind, {NETWORK: record})).facts(address)
    assert facts is not None
    return facts


@pytest.mark.parametrize(
    ("kind", "record", "expected"),
    [
        ("GeoIP2-City", {"country": {"iso_code": "GB"}, "city": {"geoname_id": 1}}, "GB"),
        ("GeoLite2-Country", {"registered_country": {"iso_code": "GB"}}, None),
        ("DBIP-Country-Lite", {"country": {"iso_code": "FR", "is_in_european_union": True}}, "FR"),
        ("ipinfo country_asn.mmdb", {"country": "JP", "country_name": "Japan"}, "JP"),
        ("ipinfo lite", {"country": "Canada", "country_code": "CA"}, "CA"),
        ("GeoLite2-Country", {"country": {"iso_code": "XK"}}, None),
        ("GeoLite2-Country", {"country": {"geoname_id": 6255148}}, None),
        ("something else", {"country": ["GB"]}, None),
    ],
)
def test_the_country(
    tmp_path: Path, kind: str, record: dict[str, Any], expected: str | None
) -> None:
    assert facts_of(tmp_path, kind, record) == IpFacts(country=expected)


@pytest.mark.parametrize(
    ("kind", "record", "expected"),
    [
        ("GeoLite2-ASN", {"autonomous_system_number": 20712}, "AS20712"),
        ("DBIP-ASN-Lite (compat=GeoLite2-ASN)", {"autonomous_system_number": 15169}, "AS15169"),
        ("GeoIP2-Enterprise", {"traits": {"autonomous_system_number": 64500}}, "AS64500"),
        ("ipinfo lite", {"asn": "AS2519", "as_name": "ARTERIA Networks Corporation"}, "AS2519"),
        ("ipinfo lite", {"asn": ""}, None),
        ("GeoLite2-ASN", {"autonomous_system_number": 0}, None),
        ("GeoLite2-ASN", {"autonomous_system_organization": "nobody"}, None),
    ],
)
def test_the_network_operator(
    tmp_path: Path, kind: str, record: dict[str, Any], expected: str | None
) -> None:
    assert facts_of(tmp_path, kind, record) == IpFacts(network_operator=expected)


@pytest.mark.parametrize(
    ("kind", "record", "address", "expected"),
    [
        ("GeoIP2-Anonymous-IP", {"is_anonymous": True, "is_public_proxy": True}, HERE, True),
        ("GeoIP2-Anonymous-IP", {"is_anonymous": True}, ELSEWHERE, False),
        ("GeoIP2-Anonymous-IP", {"is_tor_exit_node": True}, HERE, True),
        ("GeoIP2-City", {"traits": {"is_anonymous_proxy": True}}, HERE, True),
        ("GeoIP2-City", {"country": {"iso_code": "GB"}}, HERE, None),
        ("GeoIP2-City", {"country": {"iso_code": "GB"}}, ELSEWHERE, None),
        ("ipinfo standard_privacy.mmdb", {**IPINFO_PRIVACY, "vpn": "true"}, HERE, True),
        ("ipinfo standard_privacy.mmdb", IPINFO_PRIVACY, HERE, False),
        ("ipinfo standard_privacy.mmdb", IPINFO_PRIVACY, ELSEWHERE, False),
        ("somebody's", {"is_anonymous": False, "is_hosting_provider": True}, HERE, False),
        ("somebody's", {"is_anonymous": False}, ELSEWHERE, None),
    ],
)
def test_whether_it_is_anonymous(
    tmp_path: Path,
    kind: str,
    record: dict[str, Any],
    address: str,
    expected: bool | None,  # noqa: FBT001 - what is expected
) -> None:
    assert facts_of(tmp_path, kind, record, address).is_anonymous is expected


def test_several_files_are_read_together(tmp_path: Path) -> None:
    anonymous = {NETWORK: {"is_anonymous": True, "country": {"iso_code": "SE"}}}
    source = MaxMindFile(
        write_mmdb(tmp_path / "country.mmdb", "GeoLite2-Country", COUNTRY_RECORDS),
        write_mmdb(tmp_path / "asn.mmdb", "GeoLite2-ASN", OPERATOR_RECORDS, ip_version=4),
        write_mmdb(tmp_path / "anonymous.mmdb", "GeoIP2-Anonymous-IP", anonymous),
        write_mmdb(tmp_path / "other.mmdb", "somebody's", {NETWORK: {"is_anonymous": False}}),
    )
    assert source.facts(HERE) == IpFacts(
        country="GB", network_operator="AS20712", is_anonymous=True
    )
    assert source.facts("2a02:cf00::1") == IpFacts(country="RU", is_anonymous=False)
    assert source.facts(ELSEWHERE) == IpFacts(is_anonymous=False)


@pytest.mark.parametrize("address", [f" {HERE} ", f"::ffff:{HERE}", "::FFFF:5102:45a0"])
def test_the_form_of_an_address_does_not_matter(tmp_path: Path, address: str) -> None:
    records = {NETWORK: {"country": "GB"}}
    source = MaxMindFile(write_mmdb(tmp_path / "ip.mmdb", "any", records, ip_version=4))
    assert source.facts(address) == IpFacts(country="GB")


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "192.168.1.1", "127.0.0.1", "192.0.2.7", "fe80::1", "::1", "::ffff:10.0.0.1"],
)
def test_an_address_that_is_not_public_has_no_facts(tmp_path: Path, address: str) -> None:
    everything = {"0.0.0.0/0": {"country": "GB"}, "8000::/1": {"country": "GB"}}
    source = MaxMindFile(write_mmdb(tmp_path / "ip.mmdb", "GeoIP2-Anonymous-IP", everything))
    assert source.facts(address) is None


@pytest.mark.parametrize(
    "text", ["", "garbage", "81.2.69", "81.2.69.160:443", "81.2.69.1\0", "::g"]
)
def test_text_that_is_no_address_has_no_facts(tmp_path: Path, text: str) -> None:
    source = MaxMindFile(write_mmdb(tmp_path / "ip.mmdb", "GeoLite2-Country", COUNTRY_RECORDS))
    assert source.facts(text) is None


def test_the_version_names_each_file(tmp_path: Path) -> None:
    paths = [
        write_mmdb(tmp_path / f"{kind}.mmdb", kind, COUNTRY_RECORDS)
        for kind in ("GeoLite2-Country", "GeoLite2-ASN")
    ]
    first, second = MaxMindFile(*paths).version.split(", ")
    assert first.startswith("GeoLite2-Country 20")
    assert second.startswith("GeoLite2-ASN 20")
    assert first.endswith("Z")


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nowhere\.mmdb must be a readable file in MaxMind's"):
        MaxMindFile(tmp_path / "nowhere.mmdb")


@pytest.mark.parametrize("content", [b"", b"prefix,country\n4,DE\n", bytes(100_000)])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ip.mmdb"
    path.write_bytes(content)
    with pytest.raises(DataFileError, match="download it again, or name another"):
        MaxMindFile(path)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "ip.mmdb", "GeoLite2-Country", COUNTRY_RECORDS)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataFileError, match="download it again, or name another"):
        MaxMindFile(path)


def test_a_file_damaged_inside_says_so_when_it_is_asked_and_shows_no_address(
    tmp_path: Path,
) -> None:
    path = write_mmdb(tmp_path / "ip.mmdb", "any", {NETWORK: {"country": "GB"}})
    path.write_bytes(path.read_bytes().replace(b"country", b"c\xffuntry"))
    source = MaxMindFile(path)
    with pytest.raises(StoreError, match=r"ip\.mmdb must be open and whole") as refused:
        source.facts(HERE)
    assert HERE not in "".join(traceback.format_exception(refused.value))


def test_without_the_package_it_is_said_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(DataFileError, match=r"run `pip install 'fraudkit\[ip\]'`"):
        MaxMindFile(tmp_path / "ip.mmdb")


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(DataFileError, match="at least one"):
        MaxMindFile()


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    source = MaxMindFile(write_mmdb(tmp_path / "ip.mmdb", "any", COUNTRY_RECORDS))
    source.close()
    with pytest.raises(StoreError, match="must be open and whole"):
        source.facts(HERE)
