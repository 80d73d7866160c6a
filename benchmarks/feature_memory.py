"""What the embedded store weighs and how fast it warms: each measured in a process of its own.

The process is given the events of one simulated shop and makes many shops side by side of them,
block by block, so that it holds little besides the store. Resident memory is the kernel's count
(``/proc/self/statm``), before and after.

``python -m benchmarks.feature_memory`` is that process; `benchmarks.features` starts it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks.feature_stream import side_by_side
from benchmarks.harness import ROOT
from fraudkit.errors import StoreError
from fraudkit.features.catalog import default_features
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.state import StoreCounters
from fraudkit.stores.memory import MemoryStore

__all__ = ["Flat", "Held", "main", "measure_flat", "measure_held", "reads_resident_memory"]

_STATM: Final = Path("/proc/self/statm")
_BLOCK_EVENTS: Final = 50_000
_SAMPLE_EVERY: Final = 50_000
_GIVES_BACK: Final = {"MALLOC_MMAP_THRESHOLD_": str(1024 * 1024)}
"""Has glibc return every array of a megabyte or more at once, so that none hides in its pools."""


class Held(Struct, frozen=True, kw_only=True):
    """A store filled by `MemoryStore.load`.

    Attributes
    ----------
    counters : StoreCounters
        What it holds.
    load_s : float
        Seconds in `load` alone.
    resident_before, resident_after, resident_most : int
        Bytes: before the first event, after the last, and the most seen in between.
    bytes_of_arrays : int
        As the store itself counts them.
    columns : int
        Of an event row, 8 bytes each.
    """

    counters: StoreCounters
    load_s: float
    resident_before: int
    resident_after: int
    resident_most: int
    bytes_of_arrays: int
    columns: int


class Flat(Struct, frozen=True, kw_only=True):
    """A store that took orders, one by one, long after it was full.

    Attributes
    ----------
    capacity, past : int
        The bound, and how many orders came after it was reached.
    counters : StoreCounters
        What it holds and what left.
    resident_full, resident_after, resident_most : int
        Bytes: at the bound, after the last order, and the most sampled in between.
    exchange_s : float
        Seconds that all took.
    """

    capacity: int
    past: int
    counters: StoreCounters
    resident_full: int
    resident_after: int
    resident_most: int
    exchange_s: float


def reads_resident_memory() -> bool:
    """Return whether this system says how much memory a process has."""
    return _STATM.exists()


def measure_held(rows: NDArray[np.int64], n_events: int) -> Held:
    """Return what ``n_events`` events weigh, and how fast they are loaded."""
    return msgspec.json.decode(_apart(rows, "held", n_events, 0), type=Held)


def measure_flat(rows: NDArray[np.int64], capacity: int, past: int) -> Flat:
    """Return what a store of ``capacity`` events does when ``past`` more orders come."""
    return msgspec.json.decode(_apart(rows, "flat", capacity, past), type=Flat)


def _apart(rows: NDArray[np.int64], mode: str, n_events: int, past: int) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, rows)
        ran = subprocess.run(  # noqa: S603 - our own module, by name
            [sys.executable, "-m", __name__, mode, str(file), str(n_events), str(past)],
            cwd=ROOT,
            env=os.environ | _GIVES_BACK,
            capture_output=True,
            check=False,
        )
    if ran.returncode != 0:
        raise StoreError(
            f"`python -m {__name__}` must run. It said: {ran.stderr.decode()[-2_000:]}"
        )
    return ran.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in this process and print one JSON object."""
    parser = argparse.ArgumentParser(description="What the embedded store weighs.")
    parser.add_argument("mode", choices=["held", "flat"])
    parser.add_argument("rows", type=Path, help="one shop's event rows, by time")
    parser.add_argument("events", type=int, help="how many fill the store")
    parser.add_argument("past", type=int, help="how many orders come after that")
    given = parser.parse_args(arguments)
    rows, plan = np.load(given.rows), window_plan(default_features())
    if given.mode == "held":
        measured: Held | Flat = _held(rows, plan, given.events)
    else:
        measured = _flat(rows, plan, given.events, given.past)
    sys.stdout.buffer.write(msgspec.json.encode(measured))
    return 0


def _blocks(
    rows: NDArray[np.int64], plan: WindowPlan, n_events: int
) -> Iterator[NDArray[np.int64]]:
    """Yield ``n_events`` events of as many shops as that takes."""
    copies = -(-n_events // len(rows))
    block = max(_BLOCK_EVENTS // copies, 1)
    left = n_events
    for events in side_by_side(rows, plan, range(copies), block=block):
        yield events[:left]
        left -= len(events)
        if left <= 0:
            return


def _warmed_up(rows: NDArray[np.int64], plan: WindowPlan, n_events: int) -> int:
    """Compile what will run and fill the allocator's pools; return the resident bytes."""
    store = MemoryStore(plan, capacity_events=n_events // 10)
    out = np.empty(plan.n_out)
    for _, events in zip(range(5), _blocks(rows, plan, n_events), strict=False):
        store.load(events)
        store.exchange(events[0], out)
    return _resident()


def _held(rows: NDArray[np.int64], plan: WindowPlan, n_events: int) -> Held:
    before = most = _warmed_up(rows, plan, n_events)
    store = MemoryStore(plan, capacity_events=n_events)
    taken = 0.0
    for events in _blocks(rows, plan, n_events):
        start = perf_counter()
        store.load(events)
        taken += perf_counter() - start
        most = max(most, _resident())
        del events
    return Held(
        counters=store.counters,
        load_s=taken,
        resident_before=before,
        resident_after=_resident(),
        resident_most=most,
        bytes_of_arrays=store.bytes_held,
        columns=plan.n_columns,
    )


def _flat(rows: NDArray[np.int64], plan: WindowPlan, capacity: int, past: int) -> Flat:
    _warmed_up(rows, plan, capacity)
    store = MemoryStore(plan, capacity_events=capacity)
    out = np.empty(plan.n_out)
    full = most = came = 0
    start = perf_counter()
    for events in _blocks(rows, plan, capacity + past):
        for event in events:
            store.exchange(event, out)
            came += 1
            if came == capacity:
                full = _resident()
            elif came > capacity and came % _SAMPLE_EVERY == 0:
                most = max(most, _resident())
    after = _resident()
    return Flat(
        capacity=capacity,
        past=past,
        counters=store.counters,
        resident_full=full,
        resident_after=after,
        resident_most=max(most, full, after),
        exchange_s=perf_counter() - start,
    )


def _resident() -> int:
    """Return this process's resident bytes; the second number of statm is in pages."""
    return int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
