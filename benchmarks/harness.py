"""What every benchmark shares: lanes timed in turn, percentiles, the machine's context, printing.

Invariant: figures that are compared come from one run in which the lanes took turns, so that a
machine that speeds up or slows down does so for all of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

__all__ = [
    "PERCENTILES",
    "Lane",
    "Report",
    "context",
    "do_nothing",
    "options",
    "percentile",
    "percentiles",
    "print_report",
    "take_turns",
]

ROOT: Final = Path(__file__).parents[1]
PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
"""What is reported of a latency: suffix of the figure → share of the samples at or below it."""


class Lane(NamedTuple):
    """One way of doing the work.

    Attributes
    ----------
    run : callable
        Does the work for the order at a place; timed.
    prepare : callable
        What must have happened before that order; called just before ``run`` and not timed.
    """

    run: Callable[[int], object]
    prepare: Callable[[int], None]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark found.

    Attributes
    ----------
    benchmark : str
        The module's name.
    figures : dict[str, float]
        Name → value; a name ends in its unit and percentile, or says of what it is a ratio.
    context : dict
        Machine, versions, commit, number of samples, seed, and what is particular to the run.
    """

    benchmark: str
    figures: dict[str, float]
    context: dict[str, Any]


def do_nothing(_place: int) -> None:
    """Prepare a lane that needs no preparation."""


def take_turns(
    lanes: Mapping[str, Lane], places: range, *, block: int, generator: np.random.Generator
) -> dict[str, list[int]]:
    """Return how long every lane took for every order, in nanoseconds.

    The orders go in blocks; within a block each lane takes all its orders in one go, in an order
    of lanes that is drawn anew for each block. A lane so finds the caches as its own last order
    left them, as in a service that does nothing else.
    """
    taken: dict[str, list[int]] = {name: [] for name in lanes}
    names = list(lanes)
    for first in range(places.start, places.stop, block):
        part = range(first, min(first + block, places.stop))
        for turn in generator.permutation(len(names)).tolist():
            _time_lane(lanes[names[turn]], part, taken[names[turn]])
    return taken


def _time_lane(lane: Lane, places: range, taken: list[int]) -> None:
    run, prepare = lane
    for place in places:
        prepare(place)
        start = perf_counter_ns()
        run(place)
        taken.append(perf_counter_ns() - start)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of a sorted, non-empty sequence.

    Examples
    --------
    >>> percentile([10, 20, 30, 40], 0.5), percentile([10, 20, 30, 40], 0.99)
    (20, 40)
    """
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]


def percentiles(name: str, samples_ns: Sequence[int]) -> dict[str, float]:
    """Return the figures ``{name}_us_p50`` and so on, in microseconds.

    Examples
    --------
    >>> percentiles("score", [1000, 3000, 2000])["score_us_p50"]
    2.0
    """
    ordered = sorted(samples_ns)
    return {
        f"{name}_us_{suffix}": percentile(ordered, share) / 1000
        for suffix, share in PERCENTILES.items()
    }


def context(*, n: int, seed: int, packages: Sequence[str], **particular: object) -> dict[str, Any]:
    """Return what a figure means nothing without.

    Parameters
    ----------
    n : int
        Number of samples.
    seed : int
        Of the simulated orders.
    packages : sequence of str
        Whose versions matter; one that is not installed is listed as ``None``.
    particular : object
        What else belongs to this benchmark.
    """
    return {
        "machine": _machine(),
        "versions": {"python": platform.python_version()}
        | {package: _version(package) for package in packages},
        "commit": _commit(),
        "n": n,
        "seed": seed,
        **particular,
    }


def _machine() -> dict[str, Any]:
    has_load = hasattr(os, "getloadavg")
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_1_minute": round(os.getloadavg()[0], 2) if has_load else None,
    }


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), None)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the checkout; ``None`` outside of one or without Git."""
    git = shutil.which("git")
    if git is None:
        return None
    asked = subprocess.run(  # noqa: S603 - Git itself, with fixed arguments
        [git, "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=_natural, default=7, help="seed of the simulated orders")
    return parser


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {value}")
    return value


def print_report(
    report: Report, tables: Sequence[Table], caveats: Sequence[str], *, as_json: bool
) -> None:
    """Print the report as one JSON object, or the caveats and then the tables."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    console = Console()
    console.print(f"[bold]{report.benchmark}[/bold]: read this first", highlight=False)
    for caveat in caveats:
        console.print(f" - {caveat}", highlight=False, markup=False)
    for table in tables:
        console.print(table)
    machine, versions = report.context["machine"], report.context["versions"]
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_1_minute']}; "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; commit {report.context['commit']}",
        highlight=False,
        markup=False,
    )
