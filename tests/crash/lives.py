"""The service as a process that starts, is killed, and starts again on the same folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.service.conftest import ROOT, environment, running

__all__ = ["SLOW", "Life", "killed_while_it_starts", "life"]

SLOW = os.environ.get("FRAUDKIT_SLOW") == "1"
"""Whether the tests may take minutes."""


class Life(NamedTuple):
    """One process of the service."""

    port: int
    process_id: int
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def life(data_dir: Path, **settings: str) -> Iterator[Life]:
    """Run the service until the block ends, or until it is killed."""
    with running(data_dir, **settings) as service:
        port = int(service.url.rsplit(":", 1)[1])
        yield Life(port, service.process.pid, service.process)


def killed_while_it_starts(data_dir: Path, after_s: float, **settings: str) -> None:
    """Start the service and kill it so soon."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env=environment(data_dir, **settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
