"""Card ranges from the merchant's own CSV file."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Final

from fraudkit.domain.codes import COUNTRIES
from fraudkit.errors import DataFileError
from fraudkit.features.enrichment import CardRange

__all__ = ["CardRangeFile"]

_BYTES_MAX: Final = 128 * 2**20
_RANGES_MAX: Final = 1_000_000
_TEXT_LENGTH_MAX: Final = 255
_PREFIX: Final = "prefix"
_COLUMNS: Final = frozenset({_PREFIX, "country", "brand", "funding", "issuer"})
_DIGITS: Final = re.compile(r"[0-9]{1,8}").fullmatch
_FUNDINGS: Final = ("credit", "debit", "prepaid", "unknown")


class CardRangeFile:
    """A CSV file of card ranges as a `fraudkit.features.enrichment.CardRangeSource`.

    The file is UTF-8 and begins with a header: ``prefix`` and any of ``country``, ``brand``,
    ``funding`` and ``issuer``, in any order, separated by commas. It is read once and held in
    memory. An empty cell is unknown. Of two prefixes that a card begins with, the longer counts.

    Parameters
    ----------
    path : str or PathLike
        At most 128 MiB and a million ranges.

    Raises
    ------
    fraudkit.errors.DataFileError
        If the file cannot be read, or a value in it does not hold; the line and the column are
        named.
    """

    __slots__ = ("_lengths", "_ranges", "_version")

    answers_at_once = True

    def __init__(self, path: str | PathLike[str]) -> None:
        content = _content(Path(path))
        self._version = hashlib.sha256(content).hexdigest()[:16]
        self._ranges = _ranges(str(path), content)
        self._lengths = sorted({len(prefix) for prefix in self._ranges}, reverse=True)

    @property
    def name(self) -> str:
        """What the source is, for people."""
        return "card range file"

    @property
    def version(self) -> str:
        """The first 16 hexadecimal digits of the file's SHA-256."""
        return self._version

    def range_of(self, issuer_id_number: str) -> CardRange | None:
        """Return the range with the longest prefix that a card's first digits begin with."""
        for length in self._lengths:
            found = self._ranges.get(issuer_id_number[:length])
            if found is not None:
                return found
        return None


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _BYTES_MAX:
            raise DataFileError(
                f"{path} must be at most {_BYTES_MAX} bytes, got {size}; "
                "leave out ranges that no order has"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{path} must be a readable file: {error.strerror}") from error


def _ranges(path: str, content: bytes) -> dict[str, CardRange]:
    """Return each prefix's range; ranges that say the same are one object."""
    ranges: dict[str, CardRange] = {}
    same: dict[CardRange, CardRange] = {}
    for line, cells in _rows(path, content):
        prefix, held = _range(f"{path}, line {line}", cells)
        if prefix in ranges:
            raise DataFileError(
                f"{path}, line {line}, prefix: must stand once in the file, "
                f"got {prefix!r} again; keep one of the lines"
            )
        ranges[prefix] = same.setdefault(held, held)
        if len(ranges) > _RANGES_MAX:
            raise DataFileError(f"{path} must have at most {_RANGES_MAX} ranges, got more")
    return ranges


def _rows(path: str, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each line's number and its cells by column."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path} must be UTF-8; save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header)
        for cells in reader:
            if cells and len(cells) != len(header):
                raise DataFileError(
                    f"{path}, line {reader.line_num}: must have {len(header)} cells, "
                    f"got {len(cells)}; put a cell that holds a comma in double quotes"
                )
            if cells:
                yield reader.line_num, dict(zip(header, map(str.strip, cells), strict=True))
    except csv.Error as error:
        raise DataFileError(f"{path}, line {reader.line_num}: must be CSV: {error}") from error


def _check_header(path: str, header: Sequence[str]) -> None:
    if _PREFIX not in header or not _COLUMNS.issuperset(header) or len(set(header)) < len(header):
        raise DataFileError(
            f"{path}, line 1: must be a header of prefix and any of country, brand, funding, "
            f"issuer, got {header}; rename or remove the other columns"
        )


def _range(where: str, cells: dict[str, str]) -> tuple[str, CardRange]:
    prefix, country = cells[_PREFIX], cells.get("country") or None
    funding = (cells.get("funding") or "").lower() or None
    if not _DIGITS(prefix):
        raise DataFileError(
            f"{where}, prefix: must be 1 to 8 digits, got {len(prefix)} characters; "
            "an order names at most the first 8 digits of a card"
        )
    if country is not None and country not in COUNTRIES:
        raise DataFileError(
            f"{where}, country: must be an ISO 3166-1 alpha-2 code in upper case, "
            f"got {country[:40]!r}; leave the cell empty where it is not known"
        )
    if funding is not None and funding not in _FUNDINGS:
        raise DataFileError(
            f"{where}, funding: must be one of {', '.join(_FUNDINGS)}, got {funding[:40]!r}; "
            "leave the cell empty where it is not known"
        )
    for column in ("brand", "issuer"):
        length = len(cells.get(column, ""))
        if length > _TEXT_LENGTH_MAX:
            raise DataFileError(
                f"{where}, {column}: must be at most {_TEXT_LENGTH_MAX} characters, got {length}"
            )
    brand, issuer = cells.get("brand") or None, cells.get("issuer") or None
    return prefix, CardRange(country=country, brand=brand, funding=funding, issuer=issuer)
