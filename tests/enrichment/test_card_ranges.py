"""The longest prefix wins; a file that does not hold is refused by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.enrichment import card_ranges
from fraudkit.enrichment.card_ranges import CardRangeFile
from fraudkit.errors import DataFileError
from fraudkit.features.enrichment import CardRange

HEADER = "prefix,country,brand,funding,issuer\n"
DIGITS = st.text("12", min_size=1, max_size=8)


def read(folder: Path, text: str | bytes) -> CardRangeFile:
    path = folder / "ranges.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CardRangeFile(path)


def test_a_range_is_found_by_its_prefix(tmp_path: Path) -> None:
    ranges = read(tmp_path, HEADER + '411111,PL,visa,credit,"Bank, Example"\n')
    assert ranges.range_of("41111122") == CardRange(
        country="PL", brand="visa", funding="credit", issuer="Bank, Example"
    )
    assert ranges.range_of("411112") is None


@given(prefixes=st.sets(DIGITS, max_size=20), number=st.text("12", min_size=6, max_size=8))
def test_the_longest_prefix_wins(
    tmp_path_factory: pytest.TempPathFactory, prefixes: set[str], number: str
) -> None:
    lines = "".join(f"{prefix},{prefix}\n" for prefix in prefixes)
    ranges = read(tmp_path_factory.mktemp("ranges"), "prefix,issuer\n" + lines)
    beginning = [prefix for prefix in prefixes if number.startswith(prefix)]
    expected = CardRange(issuer=max(beginning, key=len)) if beginning else None
    assert ranges.range_of(number) == expected


def test_an_empty_cell_and_a_missing_column_are_unknown(tmp_path: Path) -> None:
    ranges = read(tmp_path, "country,prefix\n,4\nDE , 5 \n")
    assert ranges.range_of("400000") == CardRange()
    assert ranges.range_of("500000") == CardRange(country="DE")


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_spreadsheets_are_read(tmp_path: Path, start: str, end: str) -> None:
    ranges = read(tmp_path, f"{start}prefix,funding{end}4,DEBIT{end}{end}")
    assert ranges.range_of("400000") == CardRange(funding="debit")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"ranges\.csv, line 1: must be a header of prefix and any of"),
        ("country\nDE\n", r"line 1: must be a header"),
        ("prefix,land\n4,DE\n", r"line 1: must be a header .* got \['prefix', 'land'\]"),
        ("prefix,prefix\n4,4\n", r"line 1: must be a header"),
        (HEADER + "4,DE\n", r"line 2: must have 5 cells, got 2"),
        ("prefix\n4\n4a\n", r"line 3, prefix: must be 1 to 8 digits, got 2 characters"),
        ("prefix\n\u0664\n", r"line 2, prefix: must be 1 to 8 digits"),
        ("prefix\n4111111111\n", r"line 2, prefix: must be 1 to 8 digits, got 10 characters"),
        ("prefix,country\n4,de\n", r"line 2, country: must be an ISO 3166-1 .* got 'de'"),
        ("prefix,funding\n4,charge\n", r"line 2, funding: must be one of .* got 'charge'"),
        ("prefix,issuer\n4," + "x" * 256 + "\n", r"line 2, issuer: must be at most 255"),
        ("prefix,brand\n4," + "x" * 256 + "\n", r"line 2, brand: must be at most 255"),
        ("prefix\n4\n5\n4\n", r"line 4, prefix: must stand once in the file, got '4' again"),
        ('prefix\n"4\n', r"line 2: must be CSV"),
        (b"prefix\n\xff\n", r"ranges\.csv must be UTF-8"),
    ],
)
def test_what_does_not_hold_is_refused_by_line_and_column(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(DataFileError, match=message):
        read(tmp_path, text)


def test_a_card_number_in_the_file_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(DataFileError) as refused:
        read(tmp_path, "prefix\n4111111111111111\n")
    assert "4111" not in str(refused.value)


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nowhere\.csv must be a readable file"):
        CardRangeFile(tmp_path / "nowhere.csv")


def test_a_file_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "prefix\n4\n5\n6\n"
    monkeypatch.setattr(card_ranges, "_RANGES_MAX", 3)
    assert read(tmp_path, text).range_of("600000") == CardRange()
    monkeypatch.setattr(card_ranges, "_RANGES_MAX", 2)
    with pytest.raises(DataFileError, match="must have at most 2 ranges"):
        read(tmp_path, text)
    monkeypatch.setattr(card_ranges, "_BYTES_MAX", len(text) - 1)
    with pytest.raises(DataFileError, match="must be at most 12 bytes, got 13"):
        read(tmp_path, text)


def test_the_version_is_of_the_content(tmp_path: Path) -> None:
    first, same, other = (read(tmp_path, f"prefix\n{n}\n").version for n in (4, 4, 5))
    assert first == same != other
