"""Servers under test: each a process of its own on a free loopback port.

Invariant: a server that was started is stopped, whatever happens in between.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Final

from benchmarks.harness import ROOT
from fraudkit.errors import StoreError

__all__ = ["bare_asgi", "our_service"]

_START_SECONDS_MAX: Final = 120.0
_STOP_SECONDS_MAX: Final = 15.0
_URL: Final = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def our_service(bundle: Path, data_dir: Path) -> Iterator[str]:
    """Serve a bundle with its journal in a folder; give the URL."""
    settings = {
        "FRAUDKIT_BUNDLE": str(bundle),
        "FRAUDKIT_DATA_DIR": str(data_dir),
        "FRAUDKIT_PORT": "0",
    }
    with _running("service", settings) as url:
        yield url


@contextmanager
def bare_asgi() -> Iterator[str]:
    """Serve `benchmarks.bare_app`; give the URL."""
    with _running("benchmarks.bare_app", {}) as url:
        yield url


@contextmanager
def _running(module: str, settings: dict[str, str]) -> Iterator[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FRAUDKIT_")}
    with TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own modules, by name
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=clean | settings,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            url = _url_of(process)
            if url is None:
                log.seek(0)
                raise StoreError(
                    f"`python -m {module}` must start and say its URL. It did not: "
                    + log.read().decode(errors="replace")[-2_000:]
                )
            yield url
        finally:
            _stop(process)


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
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
