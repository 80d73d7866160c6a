"""Killed with -9 at random moments under load, again and again: nothing acknowledged is lost.

The moments are drawn with a fixed seed; where they fall is the machine's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from tests.crash.ledger import Ledger
from tests.crash.lives import SLOW, killed_while_it_starts, life
from tests.crash.load import Load, ask_all
from tests.crash.stream import Stream, orders_from
from tests.crash.twin import assert_decides_as_its_twin, records_of

SEEDS = (20260302, 20260303)
KILLS_A_SEED = 250 if SLOW else 25
STARTS_KILLED_SHARE = 0.2
ANSWERS_MAX = 120
ASKED_AGAIN = 40
PROBES = 60


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_acknowledged_outlives_every_kill(tmp_path: Path, seed: int) -> None:
    data_dir, ledger, stream = tmp_path / "data", Ledger(), Stream(seed)
    generator = np.random.default_rng(seed)
    for _ in range(KILLS_A_SEED):
        if ledger.acknowledged and generator.random() < STARTS_KILLED_SHARE:
            killed_while_it_starts(data_dir, float(generator.uniform(0.05, 1.0)))
        else:
            asyncio.run(killed_under_load(data_dir, ledger, stream, generator))
        ledger.assert_held_once(records_of(data_dir))
    asyncio.run(settled(data_dir, ledger))
    records = records_of(data_dir)
    ledger.assert_held_once(records)
    probes = orders_from(seed, PROBES, first=stream.n_orders)
    requests = stream.by_name | {probe.name: probe for probe in probes}
    assert_decides_as_its_twin(data_dir, records, requests, probes)


async def killed_under_load(
    data_dir: Path, ledger: Ledger, stream: Stream, generator: np.random.Generator
) -> None:
    """Start, ask again some of what was acknowledged, load, and kill at a random moment."""
    with life(data_dir) as service:
        if ledger.settled:
            places = generator.integers(len(ledger.settled), size=ASKED_AGAIN)
            again = [ledger.settled[place] for place in places.tolist()]
            await ask_all(service.port, again, ledger)
        load = Load(stream, ledger, generator)
        async with load.running(service.port):
            await load.acknowledged(int(generator.integers(1, ANSWERS_MAX)))
            await asyncio.sleep(float(generator.uniform(0, 0.005)))
            service.kill()


async def settled(data_dir: Path, ledger: Ledger) -> None:
    """Ask all again: what was acknowledged stands, and the rest now is."""
    with life(data_dir) as service:
        await ask_all(service.port, ledger.settled[:], ledger)
        unsettled = list(ledger.unsettled)
        ledger.unsettled.clear()
        await ask_all(service.port, unsettled, ledger)
