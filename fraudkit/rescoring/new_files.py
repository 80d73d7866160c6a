"""Files that are made under another name first, with the permissions of what they stand in for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from fraudkit.scoring.durable_files import sync_folder

__all__ = ["permissions", "placed_file"]

_NEW: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@contextmanager
def placed_file(path: Path, draft: Path, mode: int) -> Iterator[BinaryIO]:
    """Give a file to write to, which has its name when all of it is on the disk.

    Parameters
    ----------
    path : Path
        Its name in the end; what is there, a link too, is replaced.
    draft : Path
        Its name until then, in the same file system. Something of an earlier run that is there
        is removed; if writing fails, the draft is.
    mode : int
        Permissions, of which the process's mask is taken away.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(draft, _NEW, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def permissions(path: Path) -> int:
    """Return a file's permissions; of none, those that a new file is asked for with."""
    try:
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    except OSError:
        return 0o666
