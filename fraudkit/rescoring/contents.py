"""What decides the scores of orders, as digests: equal ones, and the same scores come out.

Invariant: nothing of the orders can be read from a digest but whether it is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import polars as pl

from fraudkit.errors import InputError
from fraudkit.features.enrichment import Enrichment
from fraudkit.mapping import MappedData
from fraudkit.scoring.bundle import Bundle

__all__ = ["deciding_contents", "frame_digest"]

_PACKAGE: Final = Path(__file__).parents[1]
_LIBRARIES: Final = ("lightgbm", "numba", "numpy", "polars")


def deciding_contents(
    bundle: Bundle,
    data: MappedData,
    history: MappedData | None,
    enrichment: Enrichment | None,
    sources: Sequence[Path] = (),
) -> dict[str, str]:
    """Return what decides scores and reasons: its name → a version or a digest.

    Of files that were read it is what was read that counts, so the same orders from another file
    are the same. The code of features of the user's own is not among it.

    Parameters
    ----------
    sources : sequence of Path
        Files that the enrichment reads, whose contents count beside its versions.

    Raises
    ------
    InputError
        If one of these files cannot be read.
    """
    given = Enrichment.default() if enrichment is None else enrichment
    contents = {
        "bundle": bundle.version,
        "version of fraudkit": f"{version('fraudkit')} {_code_digest()}",
        "versions of libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "versions of sources": ", ".join(map(" ".join, given.versions().items())),
        "files of sources": ", ".join(map(_file_digest, sources)),
        "orders": frame_digest(data.frame),
        "outcomes": _outcomes_digest(data),
    }
    if history is not None:
        contents["history"] = f"{frame_digest(history.frame)} {_outcomes_digest(history)}"
    return contents


def frame_digest(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of a frame's names, types and values, as hexadecimal digits.

    It does not depend on how the frame is laid out in memory.

    Parameters
    ----------
    frame : polars.DataFrame
        With columns of text, numbers and truth values.

    Examples
    --------
    >>> one, other = pl.DataFrame({"a": ["x", None]}), pl.DataFrame({"a": ["x", ""]})
    >>> frame_digest(one) == frame_digest(pl.concat([one[:1], one[1:]]))
    True
    >>> frame_digest(one) == frame_digest(other)
    False
    """
    digest = hashlib.sha256()
    for column in frame.iter_columns():
        head = f"{len(column.name)} {column.name} {column.dtype} {len(column)}\n"
        digest.update(head.encode())
        for part in _parts(column):
            digest.update(part)
    return digest.hexdigest()


def _parts(column: pl.Series) -> Iterator[bytes | memoryview]:
    """Yield a column's bytes in the one form that equal columns have."""
    yield column.is_null().cast(pl.UInt8).to_numpy().data
    if column.dtype == pl.String:
        yield column.str.len_bytes().fill_null(0).to_numpy().data
        yield (column.str.join("").item() or "").encode()
    else:
        numbers = column.cast(pl.UInt8) if column.dtype == pl.Boolean else column
        yield numbers.fill_null(0).to_numpy().data


def _outcomes_digest(data: MappedData) -> str:
    return frame_digest(data.outcomes.sort(data.outcomes.columns))


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} must be a readable file: {error.strerror}") from error


def _code_digest() -> str:
    """Return a digest of the package's code: between releases it changes, its version does not."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
