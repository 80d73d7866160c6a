"""Disks that are full or cannot be written, made with what this machine and this user may do."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.outage import Fault

__all__ = [
    "filled",
    "held_by_another",
    "immutable",
    "mounted",
    "remounted",
    "too_long_files",
    "why_no_mount",
    "why_not_immutable",
]


def _why_not(*command: str) -> str | None:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    return None if ran.returncode == 0 else ran.stderr.strip() or f"{command[0]} failed"


def _must(*command: str) -> None:
    assert _why_not(*command) is None, _why_not(*command)


def why_no_mount() -> str | None:
    """Return why no file system can be mounted here, or ``None``."""
    if sys.platform != "linux":
        return "a tmpfs is mounted on Linux only"
    with TemporaryDirectory() as folder:
        why = _why_not("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        if why is None:
            _must("umount", folder)
        return why


@contextmanager
def mounted(folder: Path, *, size: str) -> Iterator[Path]:
    """Mount a small disk."""
    folder.mkdir(parents=True)
    _must("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _must("umount", str(folder))


def remounted(folder: Path, how: str) -> None:
    """Make a mounted disk read-only, ``"ro"``, or writable, ``"rw"``."""
    _must("mount", "-o", f"remount,{how}", str(folder))


def filled(folder: Path) -> Fault:
    """No byte is free on the disk of a folder."""
    path = folder / "filling"

    def fill() -> None:
        with path.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    return fill, path.unlink


def too_long_files(process_id: int) -> Fault:
    """No file of a process may become longer: a write beyond its limit fails."""
    _soft, hard = resource.prlimit(process_id, resource.RLIMIT_FSIZE)

    def limited(soft: int) -> None:
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (soft, hard))

    return (lambda: limited(4096)), (lambda: limited(_soft))


def why_not_immutable(folder: Path) -> str | None:
    """Return why a file cannot be made immutable here, or ``None``."""
    path = folder / "immutable"
    path.touch()
    why = _why_not("chattr", "+i", str(path))
    if why is None:
        _must("chattr", "-i", str(path))
    return why


def immutable(data_dir: Path) -> Fault:
    """Nobody may write the journal and its log.

    The index of the log stays as it is: the kernel ends a process that writes to a mapped file
    that has become read-only.
    """
    paths = [str(data_dir / name) for name in ("journal.sqlite3", "journal.sqlite3-wal")]
    return (lambda: _must("chattr", "+i", *paths)), (lambda: _must("chattr", "-i", *paths))


def held_by_another(path: Path) -> Fault:
    """Another program has begun to write the database and does not end."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)

    def end() -> None:
        connection.execute("ROLLBACK")
        connection.close()

    return (lambda: connection.execute("BEGIN EXCLUSIVE")), end
