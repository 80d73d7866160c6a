"""Files that are there whole or not at all, and reading that is not led astray.

Invariant: what a function here returned for is on the disk, and survives the end of the process.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree

from fraudkit.errors import BundleError

if sys.platform != "win32":
    import fcntl

__all__ = ["append_line", "locked", "read_plain", "replace_file", "replace_folder", "sync_folder"]

_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def read_plain(path: Path, bytes_max: int) -> bytes:
    """Return the content of a plain file: no link is followed, no pipe or device is waited for.

    Raises
    ------
    BundleError
        If it is missing, is no plain file, or is longer than ``bytes_max``.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _PLAIN), "rb") as file:
            is_plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode) and not path.is_symlink()
            content = file.read(bytes_max + 1) if is_plain else b""
    except OSError as error:
        wanted = "a plain file, it is a link" if path.is_symlink() else "readable"
        raise BundleError(f"{path} must be {wanted}: {error.strerror}") from error
    if not is_plain or len(content) > bytes_max:
        raise BundleError(f"{path} must be a plain file of at most {bytes_max:,} bytes")
    return content


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new one, and nothing between."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    _write(draft, content)
    draft.replace(path)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line; what an earlier process left without a line end is cut off first."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
        held = file.read()
        file.truncate(held.rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder beside its place and move it there whole.

    A folder that is in the place is moved away first and removed afterwards, so between the two
    moves there is none: a process that ends just then leaves both, whole, beside the place under
    names that begin with a dot.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = _new_folder(folder, "new")
    try:
        for name, content in files.items():
            _write(draft / name, content)
        sync_folder(draft)
        _move_into_place(draft, folder)
    except BaseException:
        rmtree(draft, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def _move_into_place(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    replaced = _new_folder(folder, "old")
    folder.rename(replaced)
    try:
        draft.rename(folder)
    except BaseException:
        replaced.rename(folder)
        raise
    rmtree(replaced)


def _new_folder(folder: Path, ending: str) -> Path:
    """Make an empty folder beside, with the permissions that the process gives its folders."""
    for number in count():
        made = folder.with_name(f".{folder.name}.{os.getpid()}-{number}.{ending}")
        try:
            made.mkdir()
        except FileExistsError:
            continue
        return made
    raise AssertionError("the numbers do not end")


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; Windows has no such call."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made; waits for another process that holds it.

    The lock ends with the process, however it ends. Windows has no lock of this kind: there,
    keeping to one writer is up to the operator.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
