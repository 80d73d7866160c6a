"""A disk that is full, cannot be written or is held by another program, under load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fraudkit.journal.record import Record
from tests.crash.asking import Request
from tests.crash.disks import (
    filled,
    held_by_another,
    immutable,
    mounted,
    remounted,
    too_long_files,
    why_no_mount,
    why_not_immutable,
)
from tests.crash.ledger import Ledger
from tests.crash.lives import SLOW, Life, life
from tests.crash.load import Load, ask_all
from tests.crash.outage import Fault, assert_all_stands, assert_taught_the_same, during
from tests.crash.stream import Stream
from tests.crash.twin import records_of
from tests.service.conftest import environment
from tests.service.test_opening import started

SEED = 5
FAULT_SECONDS = 20.0 if SLOW else 2.5
WHY_NO_MOUNT = why_no_mount()

needs_mount = pytest.mark.skipif(
    WHY_NO_MOUNT is not None, reason=f"no disk can be mounted here: {WHY_NO_MOUNT}"
)


def broken_and_mended(data_dir: Path, fault: Callable[[Life], Fault]) -> Ledger:
    """Serve under load while a fault begins and ends; hold all that was promised."""
    ledger, stream = Ledger(), Stream(SEED)
    load = Load(stream, ledger, np.random.default_rng(SEED))

    async def lived() -> list[Record]:
        with life(data_dir) as service:
            async with during(load, fault(service), service.port, seconds=FAULT_SECONDS):
                pass
            return await assert_all_stands(service, data_dir, ledger, partial(records_of, data_dir))

    records = asyncio.run(lived())
    assert ledger.refused or ledger.degraded["journal"], "the fault was not felt"
    assert set(ledger.refused) <= {"store_unavailable", "overloaded"}
    assert_taught_the_same(data_dir, records, stream, SEED)
    return ledger


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    broken_and_mended(tmp_path / "data", lambda service: too_long_files(service.process_id))


@needs_mount
def test_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", size="192m") as disk:
        broken_and_mended(disk / "data", lambda _: filled(disk))


def test_files_that_nobody_may_write(tmp_path: Path) -> None:
    why = why_not_immutable(tmp_path)
    if why is not None:
        pytest.skip(f"files cannot be made immutable here: {why}")
    broken_and_mended(tmp_path / "data", lambda _: immutable(tmp_path / "data"))


def test_a_database_that_another_program_holds(tmp_path: Path) -> None:
    path = tmp_path / "data" / "journal.sqlite3"
    broken_and_mended(tmp_path / "data", lambda _: held_by_another(path))


@needs_mount
def test_a_disk_that_is_read_only_at_the_start(tmp_path: Path) -> None:
    ledger, stream = Ledger(), Stream(SEED)
    requests: list[Request] = [next(stream) for _ in range(40)]
    with mounted(tmp_path / "disk", size="192m") as disk:
        with life(disk / "data") as service:
            asyncio.run(ask_all(service.port, requests, ledger))
            service.kill()
        remounted(disk, "ro")
        ended = started(environment(disk / "data"))
        assert ended.returncode == 2
        assert "Read-only file system" in ended.stderr
        assert "Traceback" not in ended.stderr
        remounted(disk, "rw")
        with life(disk / "data") as service:
            read = partial(records_of, disk / "data")
            asyncio.run(assert_all_stands(service, disk / "data", ledger, read))
