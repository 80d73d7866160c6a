"""`compiled`: Numba's compiler with a cache that can be trusted.

Numba's own cache looks at the file of the cached function alone. A kernel in one file that calls
a kernel in another would keep the old machine code after the other was changed. Here the cache
folder is named by a digest of the sources of all kernels, so any change compiles anew.

The folder is the first that can be written: where ``NUMBA_CACHE_DIR`` says, beside the package,
in the user's cache. Where none can be, every process compiles for itself.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from numba import config, njit

__all__ = ["cache_folder", "compiled", "compiled_part"]

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE: Final = Path(__file__).parent
_ROOMS_WITH_KERNELS: Final = ("decisions", "features", "scoring", "stores")


def compiled(function: Function) -> Function:
    """Return the function compiled on its first call, without the interpreter's lock."""
    return _compiled(function, is_part=False)


def compiled_part(function: Function) -> Function:
    """Return a function compiled into each compiled function that calls it.

    For what is called in an inner loop with many arrays: passing them costs more than the work.
    """
    return _compiled(function, is_part=True)


def _compiled(function: Function, *, is_part: bool) -> Function:
    folder = cache_folder()
    with _caching_in(folder):
        compiler = njit(cache=folder is not None, nogil=True, forceinline=is_part)
        result: Function = compiler(function)
    return result


@functools.cache
def cache_folder() -> Path | None:
    """Return the folder of this version's machine code, made if need be; ``None`` if none can be.

    Examples
    --------
    >>> folder = cache_folder()
    >>> folder is None or folder.name.startswith("fraudkit-")
    True
    """
    name = f"fraudkit-{_sources_digest()}"
    for parent in _parents():
        folder = parent / name
        try:
            if not folder.exists():
                _remove_outdated(parent)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


def _remove_outdated(parent: Path) -> None:
    """Remove the machine code of other sources, but only beside the package: it is ours alone."""
    if parent == _PACKAGE / "__pycache__":
        for outdated in parent.glob("fraudkit-*"):
            shutil.rmtree(outdated, ignore_errors=True)


def _parents() -> Iterator[Path]:
    stated = os.environ.get("NUMBA_CACHE_DIR")
    if stated:
        yield Path(stated)
    yield _PACKAGE / "__pycache__"
    try:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home
        return


def _sources_digest() -> str:
    digest = hashlib.sha256()
    for room in _ROOMS_WITH_KERNELS:
        for source in sorted((_PACKAGE / room).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _caching_in(folder: Path | None) -> Iterator[None]:
    """Point Numba at the folder while one function is decorated, and back again."""
    before = config.CACHE_DIR
    if folder is not None:
        config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before
