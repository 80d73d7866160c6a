"""The command line, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["run_fraudkit"]


def run_fraudkit(*words: object) -> dict[str, Any]:
    """Return what a command printed with ``--json``."""
    program = Path(sys.executable).with_name("fraudkit")
    ran = subprocess.run(  # noqa: S603 - our own program
        [program, *map(str, words), "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    found: dict[str, Any] = msgspec.json.decode(ran.stdout)
    return found
