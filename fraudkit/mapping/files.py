"""Parquet, CSV and NDJSON files as flat tables of raw values.

Invariant: a row that cannot be read is an error of that row, and a file that cannot be read is
an error of the call; nothing is skipped.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import polars as pl

from fraudkit.errors import DataFileError, InvalidField
from fraudkit.mapping.ndjson import Cells, Lines, read_lines

__all__ = ["RawTable", "read_table"]

_Format = Literal["parquet", "csv", "ndjson"]

_FORMATS: Final[dict[str, _Format]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_SEPARATORS: Final = ",;\t|"
_HEADER_BYTES_MAX: Final = 1 << 20


@dataclass(frozen=True)
class RawTable:
    """A file as it came: flat columns and the rows that could not be read.

    Attributes
    ----------
    path : Path
        The file.
    format : {"parquet", "csv", "ndjson"}
        How it was written; CSV holds text only.
    row_count : int
        Rows in the file, the broken ones included.
    columns : dict[str, polars.Series or Cells]
        By dotted name. A series has ``row_count`` values.
    broken : dict[int, InvalidField]
        Row → why it could not be read.
    """

    path: Path
    format: _Format
    row_count: int
    columns: dict[str, pl.Series | Cells]
    broken: dict[int, InvalidField] = field(default_factory=dict)


def read_table(
    path: Path,
    *,
    wanted: Callable[[str], bool],
    opened: Collection[str] | None,
    progress: Callable[[int], None],
) -> RawTable:
    """Return a file as a flat table.

    Parameters
    ----------
    path : Path
        Ends in ``.parquet``, ``.pq``, ``.csv``, ``.ndjson`` or ``.jsonl``.
    wanted : callable
        Whether a column's values are needed, by dotted name; the others are only named.
    opened : collection of str or None
        The NDJSON objects that are flattened, by dotted name, where NDJSON is read as strictly
        as online; ``None`` flattens all.
    progress : callable
        Told the number of bytes read so far.

    Raises
    ------
    DataFileError
        If the file is absent, of another format, or broken as a whole.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(_FORMATS)
        raise DataFileError(f"a data file must end in one of {known}, got {path}")
    try:
        if kind == "parquet":
            return _parquet(path, wanted)
        if kind == "csv":
            return _csv(path)
        lines = read_lines(path, opened, progress)
    except OSError as error:
        raise DataFileError(
            f"a data file must be readable, {path}: {error.strerror or error}"
        ) from error
    except pl.exceptions.PolarsError as error:
        first = str(error).partition("\n")[0]
        raise DataFileError(f"{path} must be a whole {kind} file: {first}") from error
    return _of_lines(path, lines)


def _of_lines(path: Path, lines: Lines) -> RawTable:
    return RawTable(path, "ndjson", lines.row_count, dict(lines.columns), lines.broken)


def _parquet(path: Path, wanted: Callable[[str], bool]) -> RawTable:
    schema = pl.read_parquet_schema(path)
    roots = [name for name, kind in schema.items() if any(map(wanted, _leaves(name, kind)))]
    frame = pl.read_parquet(path, columns=roots) if roots else pl.DataFrame()
    row_count = frame.height if roots else pl.scan_parquet(path).select(pl.len()).collect().item()
    columns: dict[str, pl.Series | Cells] = {}
    for name, kind in schema.items():
        if name in roots:
            columns |= _flat(frame.get_column(name))
        else:
            columns |= {leaf: pl.Series(leaf, [], pl.Null) for leaf in _leaves(name, kind)}
    return RawTable(path, "parquet", row_count, columns)


def _leaves(name: str, kind: object) -> list[str]:
    if not isinstance(kind, pl.Struct):
        return [name]
    return [leaf for held in kind.fields for leaf in _leaves(f"{name}.{held.name}", held.dtype)]


def _flat(series: pl.Series) -> dict[str, pl.Series]:
    if not isinstance(series.dtype, pl.Struct):
        return {series.name: series}
    flat: dict[str, pl.Series] = {}
    for held in series.dtype.fields:
        inner = series.struct.field(held.name).rename(f"{series.name}.{held.name}")
        flat |= _flat(inner)
    return flat


def _csv(path: Path) -> RawTable:
    separator = _separator(path)
    try:
        frame = pl.read_csv(path, infer_schema=False, separator=separator)
    except pl.exceptions.NoDataError as error:
        raise DataFileError(
            f"a CSV file must begin with a line of names, {path} is empty"
        ) from error
    except pl.exceptions.ComputeError:
        return _ragged_csv(path, separator)
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    return RawTable(path, "csv", frame.height, {held.name: held for held in frame})


def _separator(path: Path) -> str:
    """Return the separator that the first line has most of."""
    with path.open("rb") as handle:
        header = handle.readline(_HEADER_BYTES_MAX).decode("utf-8", "replace")
    return max(_SEPARATORS, key=header.count)


def _ragged_csv(path: Path, separator: str) -> RawTable:
    """Read line by line what polars refuses as a whole, to tell the rows that do not hold."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        reader = csv.reader(handle, delimiter=separator)
        header = [_well_formed(name) for name in next(reader)]
        rows: list[list[str | None]] = []
        broken: dict[int, InvalidField] = {}
        for cells in _rows(reader, path):
            error = _row_error(cells, len(header))
            if error is not None:
                broken[len(rows)] = error
            rows.append([None] * len(header) if error else [cell or None for cell in cells])
    frame = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String), orient="row")
    return RawTable(path, "csv", len(rows), {held.name: held for held in frame}, broken)


def _rows(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    try:
        yield from (cells for cells in reader if cells)
    except csv.Error as error:
        raise DataFileError(f"{path} must be a CSV file: {error}") from error


def _row_error(cells: list[str], width: int) -> InvalidField | None:
    if len(cells) != width:
        return InvalidField(
            "", f"{width} values", f"{len(cells)} values", "quote text that holds the separator"
        )
    if any(_well_formed(cell) != cell for cell in cells):
        return InvalidField("", "UTF-8 text", "wrong bytes", "write the file as UTF-8")
    return None


def _well_formed(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
