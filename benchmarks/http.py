"""``python -m benchmarks.http``: what the service answers in a second, and against what.

``POST /v1/score`` of ``python -m service`` against `benchmarks.bare_app`, which only decodes the
same orders and encodes a small answer. Both run under uvicorn with one process each, are driven
in turn by the same driver, and any answer other than 200 ends the benchmark.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from rich.table import Table

from benchmarks.drivers import CONNECTIONS, Driven, Orders, drive, driver_name, write_tails
from benchmarks.harness import PERCENTILES, Report, context, options, percentile, print_report
from benchmarks.model import bundle_folder
from benchmarks.servers import bare_asgi, our_service
from fraudkit.errors import JournalError
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.simulate import simulate

__all__ = ["main", "measure"]

DISTINCT_ORDERS: Final = 4_000
"""Simulated orders that are sent in turn, each time with a new id and a later time."""

CAVEATS: Final = (
    "Driver and servers share this machine; with few cores they take time from each other.",
    "Each connection waits for its answer, so latency is that of a server that is kept busy.",
    "wrk adds the latencies of orders that it would have sent while it waited for a slow answer.",
    "The two are driven in turn; the one that is not driven idles.",
    "Ours has every order in its journal when it answers; the bare application only decodes it.",
    "An order in the journal survives kill -9; the newest may be lost in a power cut.",
    "Without wrk an asyncio driver is used, which is slower than a bare server: see `driver`.",
)

_ROUNDS: Final = 2
_WARM_UP_SECONDS: Final = 1
_ORDERS_A_SECOND_MAX: Final = 20_000
_SPAN: Final = timedelta(days=300)  # the simulated shop's clock stays behind the real one
_STEP_SECONDS_MAX: Final = 300
_JOURNAL: Final = "journal.sqlite3"


class Target:
    """A server, what it was sent and what was seen of it.

    Parameters
    ----------
    name : str
        Prefix of its figures.
    url : str
        Where it listens.
    orders : Orders
        The first round's orders; each later round goes on in time.
    """

    def __init__(self, name: str, url: str, orders: Orders) -> None:
        self.name = name
        self._url = url
        self._orders = orders
        self._rounds: list[Driven] = []
        self.answered = 0

    def drive(self, seconds: int, *, is_counted: bool = True) -> None:
        """Send orders for some seconds."""
        orders = self._orders
        driven = drive(self._url, orders, seconds)
        self.answered += driven.requests
        sent_most = driven.requests + 2 * CONNECTIONS
        self._orders = Orders(
            tails=orders.tails,
            prefix=f"{orders.prefix}-",
            first_at=orders.first_at + timedelta(seconds=sent_most * orders.step_s),
            step_s=orders.step_s,
        )
        if is_counted:
            self._rounds.append(driven)

    def figures(self) -> dict[str, float]:
        """Return requests a second and percentiles of latency over all rounds."""
        values, counts = np.array([pair for r in self._rounds for pair in r.latency_us]).T
        ordered = np.sort(np.repeat(values, counts)).tolist()
        duration_us = sum(driven.duration_us for driven in self._rounds)
        return {
            f"{self.name}_rps": self.counted / duration_us * 1e6,
            **{
                f"{self.name}_{suffix}_ms": percentile(ordered, share) / 1000
                for suffix, share in PERCENTILES.items()
            },
        }

    @property
    def counted(self) -> int:
        """How many requests the figures rest on."""
        return sum(driven.requests for driven in self._rounds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("What the service answers in a second.")
    parser.add_argument("--seconds", type=int, default=10, help="how long each server is driven")
    given = parser.parse_args(arguments)
    if given.seconds < 1:
        parser.error(f"--seconds must be at least 1, got {given.seconds}")
    report = measure(given.seconds, given.seed)
    print_report(report, [_table(report)], CAVEATS, as_json=given.json)
    return 0


def measure(seconds: int, seed: int) -> Report:
    """Return the figures of driving each server for so many seconds.

    Raises
    ------
    fraudkit.errors.StoreError
        If a server does not start or does not answer well.
    fraudkit.errors.JournalError
        If an order was answered that the journal does not hold.
    """
    with TemporaryDirectory() as folder, bundle_folder() as bundle:
        data_dir = Path(folder) / "data"
        orders = _orders(Path(folder) / "orders", seconds, seed)
        with our_service(bundle, data_dir) as our_url, bare_asgi() as bare_url:
            ours = Target("ours", our_url, orders)
            bare = Target("bare_asgi", bare_url, orders)
            _drive_in_turn(ours, bare, seconds)
        _check_journal(data_dir / _JOURNAL, ours.answered)
    figures = ours.figures() | bare.figures()
    figures["ours_over_bare"] = figures["ours_rps"] / figures["bare_asgi_rps"]
    return Report(
        benchmark="http",
        figures=figures,
        context=context(
            n=ours.counted,
            seed=seed,
            packages="fraudkit fastapi starlette uvicorn uvloop httptools msgspec numba".split(),
            driver=driver_name(),
            connections=CONNECTIONS,
            seconds=seconds,
            distinct_orders=DISTINCT_ORDERS,
        ),
    )


def _drive_in_turn(ours: Target, bare: Target, seconds: int) -> None:
    rounds = min(_ROUNDS, seconds)
    for target in (ours, bare):
        target.drive(_WARM_UP_SECONDS, is_counted=False)
    for _ in range(rounds):
        for target in (ours, bare):
            target.drive(seconds // rounds)


def _orders(tails: Path, seconds: int, seed: int) -> Orders:
    transactions = simulate(DISTINCT_ORDERS, seed).transactions
    write_tails(tails, transactions)
    orders_most = _ORDERS_A_SECOND_MAX * (seconds + _WARM_UP_SECONDS)
    return Orders(
        tails=tails,
        prefix="b",
        first_at=transactions[-1].event_time.astimezone(UTC),
        step_s=max(1, min(_STEP_SECONDS_MAX, int(_SPAN.total_seconds()) // orders_most)),
    )


def _check_journal(path: Path, answered: int) -> None:
    """Hold that every answered request was decided by itself and is in the journal."""
    with SqliteJournal.open_readonly(path) as journal:
        held = sum(isinstance(record, DecisionRecord) for record in journal.records())
    if held < answered:
        raise JournalError(
            f"The service's journal must hold every order it answered. Got {held} decisions for "
            f"{answered} answers; the figures are not of scoring"
        )


def _table(report: Report) -> Table:
    figures = report.figures
    table = Table(
        "",
        "requests/s",
        *(f"{suffix.replace('_', '.')} ms" for suffix in PERCENTILES),
        title=f"{report.context['connections']} connections, {report.context['driver']}, "
        f"{report.context['seconds']} s each",
        caption=f"ours answers {figures['ours_over_bare']:.2f} x the requests of the bare one",
    )
    for title, name in (("ours: /v1/score", "ours"), ("bare ASGI", "bare_asgi")):
        table.add_row(
            title,
            f"{figures[f'{name}_rps']:,.0f}",
            *(f"{figures[f'{name}_{suffix}_ms']:.2f}" for suffix in PERCENTILES),
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
