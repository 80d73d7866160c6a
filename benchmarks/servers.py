"""Servers under test: each a process of its own on a free loopback port.

Invariant: a server that was started is stopped, whatever happens in between.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, Final, NamedTuple

from benchmarks.cores import SERVER_CORE, pinned
from benchmarks.harness import ROOT
from fraudkit.errors import StoreError

__all__ = ["Running", "bare_asgi", "our_service", "started", "tail_of"]

_START_SECONDS_MAX: Final = 120.0
_STOP_SECONDS_MAX: Final = 15.0
_URL: Final = re.compile(r"http://127\.0\.0\.1:\d+")


class Running(NamedTuple):
    """A server that runs.

    Attributes
    ----------
    url : str
        Where it listens.
    process_id : int
        Of its process.
    """

    url: str
    process_id: int


@contextmanager
def our_service(bundle: Path, data_dir: Path) -> Iterator[Running]:
    """Serve a bundle with its journal in a folder."""
    settings = {
        "FRAUDKIT_BUNDLE": str(bundle),
        "FRAUDKIT_DATA_DIR": str(data_dir),
        "FRAUDKIT_PORT": "0",
    }
    with _running("service", settings) as running:
        yield running


@contextmanager
def bare_asgi() -> Iterator[Running]:
    """Serve `benchmarks.bare_app`."""
    with _running("benchmarks.bare_app", {}) as running:
        yield running


@contextmanager
def _running(module: str, settings: dict[str, str]) -> Iterator[Running]:
    with started([sys.executable, "-m", module], settings, reads_output=True) as (process, log):
        url = _url_of(process)
        if url is None:
            raise StoreError(
                f"`python -m {module}` must start and say its URL. It did not: {tail_of(log)}"
            )
        yield Running(url, process.pid)


@contextmanager
def started(
    command: Sequence[str], settings: Mapping[str, str], *, reads_output: bool = False
) -> Iterator[tuple[subprocess.Popen[str], IO[bytes]]]:
    """Start a server on `SERVER_CORE`; give its process and the file of what it says.

    Parameters
    ----------
    command : sequence of str
        Run in the checkout's folder.
    settings : mapping of str
        Environment variables beyond those of this process, of which the service's are left out.
    reads_output : bool
        Whether its standard output is read from the process instead of going to the file.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FRAUDKIT_")}
    with TemporaryFile() as log:
        with pinned(SERVER_CORE):
            process = subprocess.Popen(  # noqa: S603 - commands of this folder
                command,
                cwd=ROOT,
                env={**clean, **settings},
                stdout=subprocess.PIPE if reads_output else log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        try:
            yield process, log
        finally:
            _stop(process)


def tail_of(log: IO[bytes]) -> str:
    """Return the end of what a server said."""
    log.seek(0)
    return log.read().decode(errors="replace")[-2_000:]


def _url_of(process: subprocess.Popen[str]) -> str | None:
    """Return the URL that the process prints; ``None`` where it ends or takes too long."""
    too_long = Timer(_START_SECONDS_MAX, process.kill)
    too_long.start()
    try:
        for line in process.stdout or ():
            found = _URL.search(line)
            if found is not None:
                return found.group()
        return None
    finally:
        too_long.cancel()


def _stop(process: subprocess.Popen[str]) -> None:
    """End a server and what it started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_STOP_SECONDS_MAX)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
