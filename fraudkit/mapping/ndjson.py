"""NDJSON lines as flat columns of cells.

Invariant: a line that is no JSON object is an error of that row, worded as online, and the rest
go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from fraudkit.domain.decoding import BODY_BYTES_MAX, decode_transaction
from fraudkit.domain.explaining import shown
from fraudkit.errors import InvalidField

__all__ = ["Cells", "Lines", "read_lines"]

_INTEGER_MAX: Final = 2**63
_PROGRESS_ROWS: Final = 10_000
_ENCODING_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Cells:
    """The values of one key, and the rows they stand in; other rows lack the key."""

    rows: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def spread(self, row_count: int, values: list[Any] | None = None) -> list[Any]:
        """Return ``row_count`` values, ``None`` where the key is absent."""
        if len(self.rows) == row_count:
            return self.values if values is None else values
        column: list[Any] = [None] * row_count
        for row, value in zip(self.rows, self.values if values is None else values, strict=True):
            column[row] = value
        return column

    def series(self, name: str, row_count: int) -> pl.Series:
        """Return the values as a series of their own type, or as text where types mix."""
        kinds = {type(value) for value in self.values} - {type(None)}
        values = self.spread(row_count)
        if kinds <= {int} and all(abs(value or 0) < _INTEGER_MAX for value in self.values):
            return pl.Series(name, values, pl.Int64)
        if kinds <= {int, float}:
            numbers = [None if value is None else float(value) for value in values]
            return pl.Series(name, numbers, pl.Float64)
        if kinds in ({str}, {bool}):
            return pl.Series(name, values, pl.String if kinds == {str} else pl.Boolean)
        return pl.Series(name, [_text(value) for value in values], pl.String)


@dataclass(frozen=True)
class Lines:
    """What a file of NDJSON holds: cells by dotted name, and the rows that are no object."""

    row_count: int
    columns: dict[str, Cells]
    broken: dict[int, InvalidField]


def read_lines(
    path: Path, opened: Collection[str] | None, progress: Callable[[int], None]
) -> Lines:
    """Return the cells of a file; see `fraudkit.mapping.files.read_table`."""
    columns: dict[str, Cells] = {}
    broken: dict[int, InvalidField] = {}
    decode = msgspec.json.Decoder().decode
    is_strict = opened is not None
    row = -1
    for row, line in enumerate(_lines(path, progress)):
        if is_strict and len(line) > BODY_BYTES_MAX:
            broken[row] = _online_error(line)
            continue
        try:
            document = decode(line)
            if type(document) is dict:
                _flatten(document, "", row, columns, opened)
                continue
            error = InvalidField("", "an object", shown(document))
        except msgspec.DecodeError as malformed:
            error = InvalidField("", "a JSON document", f"malformed JSON ({malformed})")
        except UnicodeDecodeError as wrong:
            error = InvalidField("", "UTF-8 text", f"a wrong byte at {wrong.start}")
        except RecursionError:
            error = _deep()
        broken[row] = _online_error(line) if is_strict else error
    return Lines(row + 1, columns, broken)


def _lines(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the lines that are not blank."""
    read = 0
    with path.open("rb") as handle:
        for count, raw in enumerate(handle):
            read += len(raw)
            if count % _PROGRESS_ROWS == 0:
                progress(read)
            line = (raw.removeprefix(_ENCODING_MARK) if count == 0 else raw).strip()
            if line:
                yield line


def _flatten(
    document: dict[str, Any],
    prefix: str,
    row: int,
    columns: dict[str, Cells],
    opened: Collection[str] | None,
) -> None:
    for key, value in document.items():
        name = prefix + key
        if type(value) is dict and value and (opened is None or name in opened):
            _flatten(value, f"{name}.", row, columns, opened)
            continue
        cells = columns.get(name)
        if cells is None:
            cells = columns[name] = Cells()
        if cells.rows and cells.rows[-1] == row:
            cells.values[-1] = value
            continue
        cells.rows.append(row)
        cells.values.append(value)


def _online_error(line: bytes) -> InvalidField:
    """Return what online decoding says of a line that cannot be read."""
    try:
        decode_transaction(line)
    except InvalidField as error:
        return error
    return _deep()


def _deep() -> InvalidField:
    return InvalidField("", "a document nested a few levels deep", "deep nesting")


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode()
