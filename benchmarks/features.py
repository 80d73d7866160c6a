"""``python -m benchmarks.features``: the feature engine online, offline, in memory and on Redis.

Each part is a module of its own; here they are run one after another and put together.
`benchmarks.feature_online` times rows of single orders, `benchmarks.feature_memory` weighs and
warms the embedded store, `benchmarks.feature_offline` computes whole files against the same
columns by hand, `benchmarks.feature_redis` times the shared store.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray

from benchmarks.feature_baselines import has_duckdb
from benchmarks.feature_memory import measure_flat, measure_held, reads_resident_memory
from benchmarks.feature_offline import HANDBOOK, measure_catalogue, measure_handbook, read_handbook
from benchmarks.feature_online import HOT_SHARE, RUSH, SHOPS, measure_online
from benchmarks.feature_redis import measure_redis, why_no_redis
from benchmarks.feature_stream import (
    SimulatedShop,
    at_pace,
    event_rows,
    online_features,
    read_shop,
    with_hot_address,
)
from benchmarks.feature_tables import tables
from benchmarks.harness import Report, context, options, print_report
from fraudkit.domain.transaction import Transaction
from fraudkit.features.plan import window_plan
from fraudkit.stores.memory import MemoryStore

__all__ = ["FULL", "PARTS", "QUICK", "Found", "Sizes", "main", "measure"]

CAVEATS: Final = (
    "One process and one order at a time; offline uses all cores.",
    "Orders are simulated; those of the Handbook are too, by another simulator.",
    f"Online: {SHOPS} shops share a store; in a rush, all happens {RUSH} times as fast.",
    "Online: one shop's orders are timed; the other shops' come in between.",
    f"Online, Redis: {HOT_SHARE:.0%} of all orders come from one IP address and network.",
    "Online: a row is order features, keyed hashes and windows; decoding is not in it.",
    "Online: garbage collection stays on; what was loaded before is frozen out of it.",
    "Memory: resident bytes of a process that holds the store, less those before it was filled.",
    "Memory: bytes an event and bytes a key each divide all of it: by events, and by keys.",
    "Memory: the events are those of many shops; each is a copy of a simulated one.",
    "Memory: a copy has its own cards, devices and so on, used again as often as in the shop.",
    "Offline: every way takes one frame ordered by time, and returns the columns in its order.",
    "Offline: they were found equal before they were timed; the faster way of each tool counts.",
    "Offline: each runs twice in a row and the second counts; the first waits for fresh memory.",
    "Redis: the server shares this machine; over a network the round trip counts for more.",
    "A p99.9 rests on one sample in a thousand: look at n.",
)


class Sizes(NamedTuple):
    """How much is measured.

    Attributes
    ----------
    orders, timed : int
        Of the simulated shop, and how many of them are timed online.
    events : int
        In the store that is weighed.
    capacity, past : int
        Bound of the store that must not grow, and orders that come after it is reached.
    payments : int or None
        Of the Handbook; ``None`` is all.
    rounds : int
        How often each way goes over a file.
    redis : int
        Orders timed against Redis.
    """

    orders: int
    timed: int
    events: int
    capacity: int
    past: int
    payments: int | None
    rounds: int
    redis: int


FULL: Final = Sizes(100_000, 20_000, 5_000_000, 1_000_000, 2_000_000, None, 5, 5_000)
QUICK: Final = Sizes(3_000, 400, 20_000, 4_000, 8_000, 30_000, 1, 200)

_DATA: Final = "FRAUDKIT_DATA"

_PACE_IN_MEMORY: Final = 2
"""So that all events are younger than the retention, and only the bound lets any go."""


class Found(NamedTuple):
    """What a part found.

    Attributes
    ----------
    figures, context : dict
        As in `Report`.
    skipped : sequence of str
        What could not be measured here, and why.
    """

    figures: dict[str, float]
    context: dict[str, Any]
    skipped: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("The feature engine: online, offline, in memory, on Redis.")
    parser.add_argument("--quick", action="store_true", help="small sizes: for tests, not figures")
    parser.add_argument("--part", action="append", choices=tuple(PARTS), help="only this, or these")
    given = parser.parse_args(arguments)
    report = measure(QUICK if given.quick else FULL, given.seed, given.part or tuple(PARTS))
    skipped = [f"Skipped: {reason}." for reason in report.context["skipped"]]
    print_report(report, tables(report), [*CAVEATS, *skipped], as_json=given.json)
    return 0


def measure(sizes: Sizes, seed: int, parts: Collection[str]) -> Report:
    """Return the figures of some parts, or of all.

    Raises
    ------
    fraudkit.errors.ArtifactError
        If a way by hand does not give the library's values.
    """
    shop = read_shop(sizes.orders, seed)
    found = [part(shop, sizes, seed) for name, part in PARTS.items() if name in parts]
    figures = {name: value for each in found for name, value in each.figures.items()}
    particular = {name: value for each in found for name, value in each.context.items()}
    return Report(
        benchmark="features",
        figures=figures,
        context=context(
            n=sizes.timed,
            seed=seed,
            packages="fraudkit numpy numba polars duckdb pyarrow redis hiredis".split(),
            sizes=sizes._asdict(),
            skipped=[reason for each in found for reason in each.skipped],
            **particular,
        ),
    )


def _online(shop: SimulatedShop, sizes: Sizes, seed: int) -> Found:
    return Found(*measure_online(shop, sizes.timed, seed), ())


def _offline(shop: SimulatedShop, sizes: Sizes, seed: int) -> Found:
    figures, particular = measure_catalogue(shop, sizes.rounds, seed)
    skipped = []
    folder = os.environ.get(_DATA)
    if folder is None or not (Path(folder) / HANDBOOK).exists():
        skipped.append(f"polars and DuckDB, as {_DATA} names no folder with {HANDBOOK}")
    else:
        frame, rates = read_handbook(Path(folder), sizes.payments)
        by_hand = measure_handbook(frame, rates, sizes.rounds, seed)
        figures, particular = figures | by_hand[0], particular | by_hand[1]
        if not has_duckdb():
            skipped.append("DuckDB, as duckdb or pyarrow is not installed")
    return Found(figures, particular, skipped)


def _memory(shop: SimulatedShop, sizes: Sizes, _seed: int) -> Found:
    if not reads_resident_memory():
        return Found({}, {}, ["memory, as this system has no /proc/self/statm"])
    plan = window_plan(shop.features)
    rows = at_pace(_rows(shop, shop.shop.transactions), plan, _PACE_IN_MEMORY)
    held = measure_held(rows, sizes.events)
    flat = measure_flat(rows, sizes.capacity, sizes.past)
    grown = held.resident_after - held.resident_before
    figures = {
        "bytes_per_event": grown / held.counters.events,
        "bytes_per_key": grown / held.counters.keys,
        "array_bytes_per_event": held.bytes_of_arrays / held.counters.events,
        "most_bytes_per_event": (held.resident_most - held.resident_before) / held.counters.events,
        "warm_start_events_per_s": sizes.events / held.load_s,
        "memory_past_bound_over_at_bound": flat.resident_most / flat.resident_full,
        "exchange_us_mean": flat.exchange_s / (flat.capacity + flat.past) * 1e6,
    }
    return Found(figures, {"held": to_builtins(held), "flat": to_builtins(flat)}, ())


def _redis(shop: SimulatedShop, sizes: Sizes, seed: int) -> Found:
    reason = why_no_redis()
    if reason is not None:
        return Found({}, {}, [f"Redis, as {reason}"])
    plan = window_plan(shop.features)
    orders, _ = with_hot_address(shop.shop.transactions, HOT_SHARE, np.random.default_rng(seed))
    return Found(*measure_redis(_rows(shop, orders), plan, sizes.redis, seed), ())


PARTS: Final[dict[str, Callable[[SimulatedShop, Sizes, int], Found]]] = {
    "online": _online,
    "offline": _offline,
    "memory": _memory,
    "redis": _redis,
}


def _rows(shop: SimulatedShop, orders: Sequence[Transaction]) -> NDArray[np.int64]:
    plan = window_plan(shop.features)
    online = online_features(shop.features, plan, MemoryStore(plan, capacity_events=1), shop.rates)
    return event_rows(orders, shop.shop.outcomes, online, plan)


if __name__ == "__main__":
    sys.exit(main())
