"""Files that only the service's user may read: written whole, appended to durably.

Invariant: what a function here returned for is on the disk.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fraudkit.errors import StoreError
from fraudkit.scoring.durable_files import sync_folder

if sys.platform != "win32":
    import fcntl

__all__ = ["append_private_line", "locked_folder", "read_regular", "replace_private"]

_LINE_BYTES_MAX: Final = 65_536
_BINARY: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read_regular(path: Path, bytes_max: int) -> tuple[bytes, os.stat_result]:
    """Return what a file holds, and its state when it was opened; links are followed.

    Raises
    ------
    fraudkit.errors.StoreError
        If it is missing, is no file, is longer than ``bytes_max``, or others may write it.
    """
    waits = getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _BINARY | waits), "rb") as file:
            state = os.fstat(file.fileno())
            is_regular = stat.S_ISREG(state.st_mode)
            content = file.read(bytes_max + 1) if is_regular else b""
    except OSError as error:
        raise StoreError(f"{path} must be readable: {error.strerror}") from error
    if not is_regular or len(content) > bytes_max:
        raise StoreError(f"{path} must be a file of at most {bytes_max:,} bytes")
    if sys.platform != "win32" and state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(f"{path} must be writable by its owner alone; run chmod 600 {path}")
    return content, state


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; a reader finds the old content or the new one.

    A new file can be read by its owner alone. One that is replaced keeps its owner and mode. What
    root makes belongs to the owner of the folder, so that the service can read it.

    Raises
    ------
    fraudkit.errors.StoreError
        If it cannot be written.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(_opened(draft, os.O_EXCL | os.O_WRONLY), "wb") as file:
            _take_over(file.fileno(), path, is_replaced=path.exists())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def append_private_line(path: Path, line: bytes) -> None:
    """Append a line; several processes may do so at once. The file and its folder are made.

    What a process left without a line end, because it ended while it wrote, is cut off first.

    Raises
    ------
    fraudkit.errors.StoreError
        If it cannot be written, or the line is longer than a line may be.
    """
    if len(line) >= _LINE_BYTES_MAX:
        raise StoreError(f"A line of {path} must be shorter than {_LINE_BYTES_MAX:,} bytes")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        with os.fdopen(_opened(path, os.O_RDWR), "r+b") as file:
            if sys.platform != "win32":
                fcntl.flock(file, fcntl.LOCK_EX)
            if is_new:
                _take_over(file.fileno(), path, is_replaced=False)
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _LINE_BYTES_MAX)
            file.seek(start)
            whole = start + file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.seek(whole)
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made; waits for another process that holds it.

    The lock ends with the process, however it ends. Windows has none of this kind.

    Raises
    ------
    fraudkit.errors.StoreError
        If the folder cannot be made or opened.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = -1 if sys.platform == "win32" else os.open(folder, os.O_RDONLY | _BINARY)
    except OSError as error:
        raise StoreError(f"The folder {folder} cannot be used: {error.strerror}") from error
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _opened(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | _BINARY, 0o600)


def _take_over(descriptor: int, path: Path, *, is_replaced: bool) -> None:
    """Give an open new file the owner of what it replaces, or of the folder that it comes into."""
    if sys.platform == "win32":
        return
    before, made = (path if is_replaced else path.parent).stat(), os.fstat(descriptor)
    differs = (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid)
    if differs and (is_replaced or os.geteuid() == 0):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    if is_replaced:
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
