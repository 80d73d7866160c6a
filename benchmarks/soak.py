"""Whether the memory of the service stays flat under half of its load for a long time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.cores import LOAD_CORE, pinned
from benchmarks.drivers import drive_with_asyncio
from benchmarks.targets import Target
from fraudkit.errors import StoreError

__all__ = ["Soaked", "resident_mb", "soak", "warm_up_seconds"]

_WARM_UP_SECONDS_MAX: Final = 60
_CONNECTIONS: Final = 8
_BYTES_IN_KB: Final = 1024


class Soaked(NamedTuple):
    """What was seen.

    Attributes
    ----------
    rps : float
        Good answers a second; at most the rate that was asked for.
    memory_growth_mb : float
        Resident memory of the server's process at the end over that after the warm-up, in 10⁶
        bytes; may be negative.
    """

    rps: float
    memory_growth_mb: float


def soak(target: Target, process_id: int, seconds: int, rate_rps: float) -> Soaked:
    """Send requests at a steady rate and see what memory does.

    Parameters
    ----------
    target : Target
        The server.
    process_id : int
        Of the server.
    seconds : int
        How long after the warm-up; at least 1.
    rate_rps : float
        Requests a second.
    """
    _drive(target, warm_up_seconds(seconds), rate_rps)
    before_mb = resident_mb(process_id)
    rps = _drive(target, seconds, rate_rps)
    return Soaked(rps, resident_mb(process_id) - before_mb)


def warm_up_seconds(seconds: int) -> int:
    """Return how long the load runs before memory is first read: a minute, or as long as after.

    Examples
    --------
    >>> warm_up_seconds(600), warm_up_seconds(5)
    (60, 5)
    """
    return min(_WARM_UP_SECONDS_MAX, seconds)


def _drive(target: Target, seconds: int, rate_rps: float) -> float:
    sending = drive_with_asyncio(
        target.url, target.sent, seconds, connections=_CONNECTIONS, rate_rps=rate_rps
    )
    with pinned(LOAD_CORE):
        driven = asyncio.run(sending)
    target.take_in(driven, _CONNECTIONS)
    return (driven.requests - driven.failed) / driven.duration_us * 1e6


def resident_mb(process_id: int) -> float:
    """Return the resident memory of a process, in 10⁶ bytes.

    Raises
    ------
    fraudkit.errors.StoreError
        Where the system does not tell it under ``/proc``, or there is no such process.
    """
    try:
        status = Path(f"/proc/{process_id}/status").read_text("utf-8")
    except OSError as error:
        raise StoreError(
            f"/proc/{process_id}/status must tell the memory of the server. Got {error}; leave "
            "--soak out, or run on Linux"
        ) from error
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields["VmRSS"].split()[0]) * _BYTES_IN_KB / 1e6
