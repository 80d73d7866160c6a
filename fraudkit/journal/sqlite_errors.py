"""What SQLite says, as an error that names the journal and the likely fix."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fraudkit.errors import JournalError

__all__ = ["wrapped"]


def wrapped(error: Exception, path: Path, attempt: str) -> JournalError:
    """Return the error to raise in the place of one of SQLite's; ``attempt`` is ``"read"``."""
    return JournalError(f"The journal {path} cannot be {attempt}: {error}; {_fix(error)}")


def _fix(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _FIXES.get(code, "see what SQLite says, and keep a copy of the file before any repair")


_FIXES = {
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "it was opened to be read, or its file is not writable",
    sqlite3.SQLITE_CANTOPEN: "the file must exist and be readable by this user",
    sqlite3.SQLITE_BUSY: "another program holds it: end that program's transaction",
    sqlite3.SQLITE_NOTADB: "this file is no journal, or it is damaged: restore it from a copy",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a copy",
}
