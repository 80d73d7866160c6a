"""LightGBM's OpenMP runtime, where the system has none.

LightGBM links to the system's ``libgomp.so.1`` (Debian: package libgomp1), which a slim system
lacks. ``make`` then links the copy that scikit-learn brings into the virtual environment; a
process must be started with that folder on its library path to find it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

__all__ = ["restart_with_openmp"]


def restart_with_openmp() -> None:
    """Start this process again with the linked runtime on its path, if it is needed and there.

    Call it first thing in a program that trains; it does nothing where the runtime is found.
    """
    if not sys.platform.startswith("linux") or _is_found():
        return
    folder = Path(sys.prefix) / "lib" / "openmp"
    path = os.environ.get("LD_LIBRARY_PATH", "")
    if (folder / "libgomp.so.1").exists() and str(folder) not in path.split(":"):
        environment = {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{path}".rstrip(":")}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - ourselves, as we were started


def _is_found() -> bool:
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return False
    return True
