"""How the command line shows things: progress and JSON.

Progress goes to standard error, and only to a terminal; tables and JSON to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["counting", "counting_stages", "err", "out", "print_json", "stages"]

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


@contextmanager
def counting_stages(*, is_quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each stage; yields the function to tell a stage, how many are done, of all."""
    counted = TextColumn("{task.completed:,.0f} of {task.total:,.0f}")
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeElapsedColumn())
    with Progress(
        *columns, console=err, transient=True, disable=is_quiet or not err.is_terminal
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)

        yield show


def print_json(value: object) -> None:
    """Write one JSON object and a line end to standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
