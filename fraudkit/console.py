"""How the command line shows things: progress, tables and JSON.

Progress goes to standard error, and only to a terminal; tables and JSON to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

__all__ = ["counting", "err", "out", "print_calibration", "print_json", "print_metrics", "stages"]

out = Console()
err = Console(stderr=True)


@contextmanager
def stages(*, is_quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show one stage at a time, with the time it takes, on standard error."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=err, transient=True, disable=is_quiet or not err.is_terminal
    ) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda stage: progress.update(task, description=stage)


@contextmanager
def counting(total: int | None, what: str, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many are done, with the time it takes; yields the function to tell it."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=err, transient=True, disable=is_quiet or not err.is_terminal
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def print_metrics(metrics: Any, title: str) -> None:
    """Print a `fraudkit.scoring.metrics.ScoreMetrics`, each figure with what it is over."""
    table = Table("figure", "value", "over", title=title)
    honest = metrics.n_orders - metrics.n_frauds
    table.add_row("AUC", f"{metrics.auc:.4f}", f"{metrics.n_frauds:,} x {honest:,} pairs")
    table.add_row(
        "average precision", f"{metrics.average_precision:.4f}", f"{metrics.n_frauds:,} frauds"
    )
    for rate, recall in metrics.recall_at_false_positive_rate.items():
        table.add_row(
            f"recall at {float(rate):.1%} false positives",
            f"{recall:.4f}",
            f"{metrics.n_frauds:,} frauds; rate over {honest:,} honest",
        )
    table.add_row("Brier score", f"{metrics.brier_score:.5f}", f"{metrics.n_orders:,} orders")
    table.add_row("log loss", f"{metrics.log_loss:.5f}", f"{metrics.n_orders:,} orders")
    out.print(table)


def print_calibration(metrics: Any) -> None:
    """Print the calibration bins of a `fraudkit.scoring.metrics.ScoreMetrics`."""
    table = Table("orders", "mean probability", "fraud share", title="Calibration, by tenths")
    for held in metrics.calibration:
        table.add_row(
            f"{held.n_orders:,}", f"{held.mean_probability:.4f}", f"{held.fraud_share:.4f}"
        )
    out.print(table)


def print_json(value: object) -> None:
    """Write one JSON object and a line end to standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
