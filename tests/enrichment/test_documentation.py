"""``docs/enrichment.md`` says what is so: its table, its snippets, its file and its error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fraudkit.enrichment.card_ranges import CardRangeFile
from fraudkit.errors import DataFileError
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.enrichment import source_of
from tests.enrichment.files import COUNTRY_RECORDS, OPERATOR_RECORDS, write_mmdb

PAGE = (Path(__file__).parents[2] / "docs" / "enrichment.md").read_text("utf-8")
SOURCES = {"IP files": "ip", "card ranges": "card_ranges", "mail lists": "mail_domains", "": None}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_names_every_derived_path_and_its_source() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| .* \|(.*)\|$", PAGE, re.MULTILINE)
    assert [path for path, _ in rows] == list(DERIVED_PATHS)
    assert {path: SOURCES[source.strip()] for path, source in rows} == {
        path: source_of(path) for path in DERIVED_PATHS
    }


def test_the_snippets_run_on_the_file_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card-ranges.csv").write_text(blocks("csv")[0], "utf-8")
    write_mmdb(Path("GeoLite2-Country.mmdb"), "GeoLite2-Country", COUNTRY_RECORDS)
    write_mmdb(Path("GeoLite2-ASN.mmdb"), "GeoLite2-ASN", OPERATOR_RECORDS)
    names: dict[str, object] = {}
    for snippet in blocks("python"):
        exec(compile(snippet, "a page", "exec"), names)  # noqa: S102 - our own page
    versions, facts, card_range, missing, country = capsys.readouterr().out.splitlines()
    assert "GeoLite2-Country" in versions
    assert facts == "IpFacts(country='GB', network_operator='AS20712', is_anonymous=None)"
    assert card_range.startswith("CardRange(country='DE', brand='visa', funding='prepaid'")
    assert missing == "('ip',)"
    assert country == "SE"


def test_the_error_is_the_one_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card-ranges.csv").write_text(blocks("csv")[0].replace("PL", "pl"), "utf-8")
    with pytest.raises(DataFileError) as refused:
        CardRangeFile("card-ranges.csv")
    assert f"{refused.value}\n" == blocks("text")[0]
