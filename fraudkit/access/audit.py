"""The record of administrative changes: who did what, when. It is only ever appended to.

A file of one JSON object a line. A last line without its line end is what a process left that
ended while it wrote; it never counted.

Invariant: a row holds no secret and no personal data of customers; its caller sees to that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from fraudkit.access.private_files import append_private_line, read_regular
from fraudkit.errors import StoreError

__all__ = ["AuditRow", "append_audit", "read_audit"]

_BYTES_MAX: Final = 256 * 1024 * 1024


class AuditRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One administrative change.

    Attributes
    ----------
    at_ms : int
        When, UTC epoch milliseconds.
    action : str
        What kind of change: the thing and the verb, as ``keys.revoke``.
    by : str
        Who wanted it.
    subject : str
        What was changed: the id of a key, the name of a bundle.
    details : dict
        What else is to be known, as JSON has it.
    """

    at_ms: int
    action: Annotated[str, Meta(pattern=r"^[a-z_]+\.[a-z_]+$")]
    by: str
    subject: str
    details: dict[str, Any] = {}


def append_audit(path: Path, row: AuditRow) -> None:
    """Append a row; several processes may do so at once.

    Call it before the change: then none is without its row. A change that fails afterwards has
    one too.

    Raises
    ------
    fraudkit.errors.StoreError
        If the row cannot be written; then do not make the change.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "audit.ndjson"
    ...     append_audit(path, AuditRow(at_ms=0, action="keys.revoke", by="ann", subject="0123"))
    ...     path.read_text().splitlines()
    ['{"at_ms":0,"action":"keys.revoke","by":"ann","subject":"0123"}']
    """
    append_private_line(path, msgspec.json.encode(row))


def read_audit(path: Path) -> tuple[AuditRow, ...]:
    """Return the rows, oldest first; none where there is no file.

    Raises
    ------
    fraudkit.errors.StoreError
        If the file cannot be read, naming the line.
    """
    if not path.exists():
        return ()
    lines = read_regular(path, _BYTES_MAX)[0].split(b"\n")[:-1]
    return tuple(_row(path, number, line) for number, line in enumerate(lines, 1))


def _row(path: Path, number: int, line: bytes) -> AuditRow:
    try:
        return msgspec.json.decode(line, type=AuditRow)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{path}, line {number}, must be a row of the audit log: {error}; put the file back "
            "from a backup, or move it away to begin anew"
        ) from error
