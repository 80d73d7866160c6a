"""A fault under load, from before it begins until the service has come back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from fraudkit.journal.record import Record
from tests.crash.ledger import Ledger
from tests.crash.lives import Life, life
from tests.crash.load import Load, ask_all
from tests.crash.stream import Stream, orders_from
from tests.crash.twin import assert_decides_as_its_twin

__all__ = [
    "PROBES",
    "WAIT_SECONDS_MAX",
    "Fault",
    "assert_all_stands",
    "assert_taught_the_same",
    "during",
    "settle",
    "written",
]

WAIT_SECONDS_MAX = 10.0
"""How long an answer may take while something under the service is broken, here with 8 clients
and on a machine that does other things as well."""

_RECOVERY_SECONDS_MAX = 15.0
_BEFORE = 100
_DRAINED_LOOKS = 200

PROBES = 40
"""So many orders see whether two pasts are the same."""

Fault = tuple[Callable[[], object], Callable[[], object]]
"""How it begins, and how it is put right."""


@asynccontextmanager
async def during(load: Load, fault: Fault, *ports: int, seconds: float) -> AsyncIterator[None]:
    """Load, break, hold for so long, put right, and wait until the service works as before.

    The block runs while it is broken.
    """
    begin, end = fault
    async with load.running(*ports):
        await load.acknowledged(_BEFORE)
        await asyncio.to_thread(begin)
        try:
            until = perf_counter() + seconds
            yield
            await asyncio.sleep(max(0.0, until - perf_counter()))
        finally:
            await asyncio.to_thread(end)
        await load.recovered(seconds_max=_RECOVERY_SECONDS_MAX)
    assert load.ledger.slowest_s <= WAIT_SECONDS_MAX


async def settle(port: int, ledger: Ledger) -> None:
    """Send again what was refused or not answered; now it must be taken."""
    unsettled = list(ledger.unsettled)
    ledger.unsettled.clear()
    await ask_all(port, unsettled, ledger)


async def written(ledger: Ledger, records: Callable[[], list[Record]]) -> list[Record]:
    """Return the journal once it holds all that was acknowledged.

    What was kept elsewhere while the journal could not be written has a while to get there.
    """
    found = records()
    for _ in range(_DRAINED_LOOKS):
        if len(found) >= len(ledger.acknowledged):
            break
        await asyncio.sleep(0.1)
        found = records()
    return found


async def assert_all_stands(
    service: Life,
    data_dir: Path,
    ledger: Ledger,
    records: Callable[[], list[Record]],
    **settings: str,
) -> list[Record]:
    """Settle, kill, start again, hold every answer and the journal to what was acknowledged.

    Returns the journal.
    """
    await settle(service.port, ledger)
    service.kill()
    with life(data_dir, **settings) as restarted:
        await ask_all(restarted.port, ledger.settled[:], ledger)
        found = await written(ledger, records)
    ledger.assert_held_once(found)
    return found


def assert_taught_the_same(
    data_dir: Path, records: list[Record], stream: Stream, seed: int
) -> None:
    """Hold the decisions and the windows against those of an uninterrupted twin."""
    probes = orders_from(seed, PROBES, first=stream.n_orders)
    requests = stream.by_name | {probe.name: probe for probe in probes}
    assert_decides_as_its_twin(data_dir, records, requests, probes)
