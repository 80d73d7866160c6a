"""Files of one writing process: made private, and locked as long as it lives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fraudkit.errors import JournalError, JournalLocked

if sys.platform != "win32":
    import fcntl

__all__ = ["open_private", "writer_lock"]


def open_private(path: Path) -> int:
    """Open a file to write, of mode 0600 where it is new."""
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise JournalError(
            f"The journal's file {path} cannot be opened for writing: {error.strerror}; "
            "its directory must exist and be writable by this user"
        ) from error


def writer_lock(path: Path) -> int | None:
    """Return the open lock file, which holds the number of the process that has it."""
    if sys.platform == "win32":
        return None
    lock_path = path.with_name(path.name + ".lock")
    lock_file = open_private(lock_path)
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock_file, 20, 0).decode("ascii", "replace").strip()
        os.close(lock_file)
        raise JournalLocked(
            f"The journal {path} must have one writer, and process {holder or '(unknown)'} holds "
            f"{lock_path}; stop that process, or give this one another journal"
        ) from error
    os.truncate(lock_file, 0)
    os.pwrite(lock_file, f"{os.getpid()}\n".encode(), 0)
    return lock_file
