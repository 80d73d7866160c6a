"""``python -m benchmarks.peak``: ten times the normal load on the service.

``POST /v1/score`` of ``python -m service`` with its journal, first at a fifth of what it can
answer, then at ten times that, which is twice of what it can, then at a fifth again. Requests are
sent at their times, whatever became of those before. The server has one core, the driver another.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from benchmarks.cores import LOAD_CORE, SERVER_CORE, pinned
from benchmarks.drivers import Orders, drive_with_asyncio, write_tails
from benchmarks.harness import Report, context, options, percentile, print_report
from benchmarks.made_up_orders import N_TREES
from benchmarks.model import promised_model
from benchmarks.open_loop import Offered, offer
from benchmarks.servers import our_service
from fraudkit.errors import JournalError
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.simulate import simulate

__all__ = ["main", "measure"]

CAVEATS: Final = (
    "A latency runs from the last byte sent to the last byte of the answer, as the driver sees it.",
    "It holds the driver's own delay, of which `driver_late` tells: how late requests were sent.",
    "Server and driver are two processes on one machine; what else runs there counts in the tails.",
    "What can be answered is measured with the same driver, closed, at 64 connections.",
    "The trees are fitted to a simulated shop with noise: good for timing only.",
)

_DISTINCT_ORDERS: Final = 4_000
_TIMES: Final = 10
_NORMAL_SHARE: Final = 0.2
_WARM_UP_SECONDS: Final = 3
_NORMAL_SECONDS: Final = 3
_CONNECTIONS: Final = 64
_CONNECTIONS_OPEN: Final = 900
_PROMISED_US: Final = 5_000
_SHARES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("Ten times the normal load on the service.")
    parser.add_argument("--seconds", type=int, default=10, help="how long the peak is")
    parser.add_argument("--trees", type=int, default=N_TREES, help="fewer: for tests, not figures")
    given = parser.parse_args(arguments)
    for name, value in (("seconds", given.seconds), ("trees", given.trees)):
        if value < 1:
            parser.error(f"--{name} must be at least 1, got {value}")
    report = measure(given.seconds, given.seed, n_trees=given.trees)
    print_report(report, [_table(report)], CAVEATS, as_json=given.json)
    return 0


def measure(seconds: int, seed: int, *, n_trees: int = N_TREES) -> Report:
    """Return the figures of a peak.

    Parameters
    ----------
    seconds : int
        How long it is.
    seed : int
        Of the simulated orders.
    n_trees : int
        Of the model.

    Raises
    ------
    fraudkit.errors.JournalError
        If an order was answered that the journal does not hold.
    """
    with TemporaryDirectory() as held:
        folder = Path(held)
        model = promised_model(folder / "model", n_trees=n_trees)
        with our_service(model.bundle, folder / "data") as service, pinned(LOAD_CORE):
            driving = _driven(service.url, _orders(folder / "orders", seed), seconds)
            figures, answered = asyncio.run(driving)
        _check_journal(folder / "data" / "journal.sqlite3", answered)
    return Report(
        benchmark="peak",
        figures=figures,
        context=context(
            n=answered,
            seed=seed,
            packages="fraudkit fastapi starlette uvicorn uvloop httptools msgspec numba".split(),
            seconds=seconds,
            times_normal=_TIMES,
            trees=n_trees,
            server_core=SERVER_CORE,
            load_core=LOAD_CORE,
        ),
    )


async def _driven(url: str, orders: Orders, seconds: int) -> tuple[dict[str, float], int]:
    driven = await drive_with_asyncio(url, orders, _WARM_UP_SECONDS, connections=_CONNECTIONS)
    orders = orders.after(driven.requests + 2 * _CONNECTIONS)
    answerable_rps = driven.requests / driven.duration_us * 1e6
    normal_rps = _NORMAL_SHARE * answerable_rps
    rounds: dict[str, Offered] = {}
    for name, rate_rps, long in (
        ("before", normal_rps, _NORMAL_SECONDS),
        ("peak", _TIMES * normal_rps, seconds),
        ("after", normal_rps, _NORMAL_SECONDS),
    ):
        rounds[name] = await offer(
            url, orders, rate_rps=rate_rps, seconds=long, connections=_CONNECTIONS_OPEN
        )
        orders = orders.after(rounds[name].sent)
    answered = driven.requests - driven.failed
    answered += sum(len(offered.accepted_us) for offered in rounds.values())
    figures = {"answerable_rps": answerable_rps, "normal_rps": normal_rps}
    return figures | _figures(rounds), answered


def _figures(rounds: dict[str, Offered]) -> dict[str, float]:
    before, peak, after = rounds["before"], rounds["peak"], rounds["after"]
    within = sum(taken <= _PROMISED_US for taken in peak.shed_us)
    return {
        "peak_sent_rps": peak.sent / peak.seconds,
        "peak_accepted_rps": len(peak.accepted_us) / peak.seconds,
        "shed_share": len(peak.shed_us) / peak.sent,
        "shed_within_5_ms_share": within / max(1, len(peak.shed_us)),
        **_latencies("shed", peak.shed_us),
        **_latencies("accepted", peak.accepted_us),
        **_latencies("normal", before.accepted_us),
        **_latencies("driver_late", peak.late_us),
        "recovery_ms": 1000 * peak.drain_seconds,
        "unsent": float(peak.unsent),
        "shed_after": float(len(after.shed_us)),
        "errors": float(before.failed + peak.failed + after.failed),
    }


def _latencies(name: str, taken_us: Sequence[int]) -> dict[str, float]:
    ordered = sorted(taken_us)
    return {
        f"{name}_{suffix}_ms": percentile(ordered, share) / 1000
        for suffix, share in _SHARES.items()
        if ordered
    }


def _orders(tails: Path, seed: int) -> Orders:
    transactions = simulate(_DISTINCT_ORDERS, seed).transactions
    write_tails(tails, transactions)
    first_at = transactions[-1].event_time.astimezone(UTC)
    return Orders(tails=tails, prefix="p", first_at=first_at, step_s=1)


def _check_journal(path: Path, answered: int) -> None:
    with SqliteJournal.open_readonly(path) as journal:
        held = sum(isinstance(record, DecisionRecord) for record in journal.records())
    if held < answered:
        raise JournalError(
            f"The service's journal must hold every order it answered. Got {held} decisions for "
            f"{answered} answers; look for what was lost"
        )


def _table(report: Report) -> Table:
    figures = report.figures
    table = Table("", *_SHARES, title=f"{report.context['seconds']} s at {_TIMES} x normal, in ms")
    for name in ("normal", "accepted", "shed", "driver_late"):
        if f"{name}_p50_ms" in figures:
            table.add_row(name, *(f"{figures[f'{name}_{part}_ms']:.2f}" for part in _SHARES))
    table.caption = (
        f"{figures['answerable_rps']:,.0f}/s can be answered; {figures['peak_sent_rps']:,.0f}/s "
        f"came, {figures['peak_accepted_rps']:,.0f}/s were accepted, "
        f"{figures['shed_share']:.1%} shed, {figures['shed_within_5_ms_share']:.1%} of these "
        f"within 5 ms; all answered {figures['recovery_ms']:.0f} ms after the peak; "
        f"{figures['shed_after']:.0f} shed after it; {figures['unsent']:.0f} not sent; "
        f"{figures['errors']:.0f} errors"
    )
    return table


if __name__ == "__main__":
    sys.exit(main())
