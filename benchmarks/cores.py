"""Which core a process runs on: servers on one, what drives them on another.

Invariant: the process that asked runs where it ran before once the block is left.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["LOAD_CORE", "SERVER_CORE", "pinned"]


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


_CORES: Final = _cores()
SERVER_CORE: Final = _CORES[0] if len(_CORES) > 1 else None
"""Where every server runs; ``None`` where there is one core or none can be chosen."""
LOAD_CORE: Final = _CORES[1] if len(_CORES) > 1 else None
"""Where the driver runs; ``None`` as above."""


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run this thread, and the processes that it starts in the block, on one core.

    Parameters
    ----------
    core : int or None
        The core; ``None`` leaves all as it is.
    """
    if core is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
