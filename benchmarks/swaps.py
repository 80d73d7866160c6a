"""``python -m benchmarks.swaps``: what orders notice of bundles and policies that are exchanged.

The service decides the simulated shop's orders at a steady rate. In every second round another
bundle or policy is put in force again and again, over its own interface.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, timedelta
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter_ns
from typing import Any, Final

import httpx
from rich.table import Table

from benchmarks.cores import LOAD_CORE, pinned
from benchmarks.drivers import Orders, drive_with_asyncio, write_tails
from benchmarks.harness import ROOT, Report, context, options, percentile, print_report
from benchmarks.servers import our_service
from fraudkit.errors import StoreError
from fraudkit.scoring.durable_files import replace_folder
from fraudkit.scoring.manifest import MANIFEST, manifest_of, read_checked
from fraudkit.simulate import simulate

__all__ = ["main", "measure"]

CAVEATS: Final = (
    "Orders come at a steady rate, by four connections; each waits for its answer.",
    "Rounds with and without changes take turns in one run, on the same process.",
    "The service and its changes share one core; the driver and who asks for changes another.",
    "The demo bundle; policies and bundles in turn, each checked, loaded and written durably.",
)

_DISTINCT_ORDERS: Final = 2_000
_CONNECTIONS: Final = 4
_PAUSE_S: Final = 0.2
_SHARES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}
_STEP_S: Final = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("What orders notice of a change of bundle or policy.")
    parser.add_argument("--rounds", type=int, default=6, help="of each kind")
    parser.add_argument("--seconds", type=int, default=5, help="of a round")
    parser.add_argument("--rate", type=float, default=300.0, help="orders a second")
    given = parser.parse_args(arguments)
    report = measure(given.rounds, given.seconds, given.rate, given.seed)
    print_report(report, [_table(report.figures)], CAVEATS, as_json=given.json)
    return 0


def measure(n_rounds: int, seconds: int, rate_rps: float, seed: int) -> Report:
    """Drive the service in turns, with changes and without.

    Raises
    ------
    fraudkit.errors.StoreError
        If an order or a change failed.
    """
    with TemporaryDirectory() as held:
        folder = Path(held)
        shop = simulate(_DISTINCT_ORDERS, seed)
        write_tails(folder / "tails", shop.transactions)
        steps = cycle(_steps(folder / "models"))
        first_at = shop.transactions[0].event_time.astimezone(UTC) - timedelta(days=200)
        orders = Orders(tails=folder / "tails", prefix="o-", first_at=first_at, step_s=_STEP_S)
        seen: dict[str, Counter[int]] = {"steady": Counter(), "changing": Counter()}
        taken_ms: list[float] = []
        with our_service(folder / "models" / "current", folder / "data") as running:
            orders, _ = _driven(running.url, orders, seconds, rate_rps)
            for _ in range(n_rounds):
                for name, counted in seen.items():
                    is_changing = name == "changing"
                    changing = _changing(running.url, steps, taken_ms)
                    with changing if is_changing else nullcontext():
                        orders, latencies = _driven(running.url, orders, seconds, rate_rps)
                    counted.update(latencies)
    figures = _figures(seen) | {
        "changes": float(len(taken_ms)),
        "change_ms_p50": percentile(sorted(taken_ms), 0.5),
    }
    particular: dict[str, Any] = {"rate_rps": rate_rps, "seconds": seconds, "rounds": n_rounds}
    n = sum(seen["changing"].values())
    return Report(
        benchmark="swaps",
        figures=figures,
        context=context(n=n, seed=seed, packages=("fraudkit", "uvicorn"), **particular),
    )


def _steps(models: Path) -> list[tuple[str, dict[str, str]]]:
    """Make a registry of two bundles, and return the changes that go round."""
    shutil.copytree(ROOT / "models" / "demo", models / "demo")
    files = read_checked(models / "demo")
    contents = {**files.contents, "card.md": b"# The same, by another name\n"}
    manifest = manifest_of(contents, files.manifest.features)
    replace_folder(models / "other", {**contents, MANIFEST: manifest})
    (models / "current").write_text("demo\n")
    policy = files.contents["policy.toml"].decode()
    return [
        ("/v1/bundle/promote", {"bundle": "other"}),
        ("/v1/policy/promote", {"policy": f"{policy}# another\n", "override": "a benchmark"}),
        ("/v1/bundle/promote", {"bundle": "demo"}),
        ("/v1/policy/promote", {"policy": f"{policy}# a third\n", "override": "a benchmark"}),
    ]


def _driven(
    url: str, orders: Orders, seconds: int, rate_rps: float
) -> tuple[Orders, dict[int, int]]:
    sending = drive_with_asyncio(url, orders, seconds, connections=_CONNECTIONS, rate_rps=rate_rps)
    with pinned(LOAD_CORE):
        driven = asyncio.run(sending)
    if driven.failed:
        raise StoreError(f"every order must be answered with 200, {driven.failed} were not")
    return orders.after(driven.requests + 2 * _CONNECTIONS), dict(driven.latency_us)


@contextmanager
def _changing(
    url: str, steps: Iterator[tuple[str, dict[str, str]]], taken_ms: list[float]
) -> Iterator[None]:
    """Ask for one change after the other while the block runs."""
    is_over = Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not is_over.wait(_PAUSE_S):
                path, said = next(steps)
                start = perf_counter_ns()
                client.post(path, json=said).raise_for_status()
                taken_ms.append((perf_counter_ns() - start) / 1e6)

    asking = Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        is_over.set()
        asking.join()


def _figures(seen: dict[str, Counter[int]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, counted in seen.items():
        ordered = sorted(counted.elements())
        for suffix, share in _SHARES.items():
            figures[f"{name}_us_{suffix}"] = float(percentile(ordered, share))
    for suffix in _SHARES:
        ratio = figures[f"changing_us_{suffix}"] / figures[f"steady_us_{suffix}"]
        figures[f"changing_over_steady_{suffix}"] = ratio
    return figures


def _table(figures: dict[str, float]) -> Table:
    table = Table("orders", *_SHARES, title="Latency in microseconds")
    for name in ("steady", "changing"):
        table.add_row(name, *(f"{figures[f'{name}_us_{suffix}']:,.0f}" for suffix in _SHARES))
    table.add_row(
        "ratio", *(f"{figures[f'changing_over_steady_{suffix}']:.2f}" for suffix in _SHARES)
    )
    table.caption = (
        f"{figures['changes']:.0f} changes, {figures['change_ms_p50']:.0f} ms each at the median"
    )
    return table


if __name__ == "__main__":
    sys.exit(main())
