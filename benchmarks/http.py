"""``python -m benchmarks.http``: what the service answers in a second, and against what.

``POST /v1/score`` of ``python -m service`` against `benchmarks.bare_app`, which only decodes the
same orders and encodes a small answer. Both run under uvicorn with one process each, are driven
in turn by the same driver, and any answer other than 200 ends the benchmark.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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

DISTINCT_ORDERS: Final = 1_000
"""Simulated orders that are sent in turn, each time with a new id and a later time."""

CAVEATS: Final = (
    "Driver and servers share this machine; with few cores they take time from each other.",
    "The load is closed: each connection waits for its answer, so latency is that of a server",
    "that is kept busy by these connections, not of one at a given rate of orders.",
    "The server that is not driven idles meanwhile; the two are driven in turn.",
    "Ours computes features, scores, words reasons and has the order in its journal before it",
    "answers (a commit that survives kill -9, not a power cut); the bare application decodes only.",
    "Without wrk an asyncio driver is used, which is slower than a bare server: see `driver`.",
)

_ROUNDS: Final = 2
_ORDERS_A_SECOND_MAX: Final = 20_000
_SPAN: Final = timedelta(days=300)
_STEP_SECONDS_MAX: Final = 300
_ROOM: Final = timedelta(days=120)
_JOURNAL: Final = "journal.sqlite3"


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
