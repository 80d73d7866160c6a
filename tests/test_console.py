"""Progress: bars on a terminal, nothing anywhere else."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from fraudkit import console


def shown(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, is_quiet: bool) -> str:
    written = StringIO()
    monkeypatch.setattr(
        console, "err", Console(file=written, force_terminal=is_terminal, width=100)
    )
    with console.counting_stages(is_quiet=is_quiet) as show:
        show("features", 170, 170)
        show("scores", 50_000, 200_000)
        show("scores", 100_000, 200_000)
    return written.getvalue()


def test_each_stage_has_its_bar_with_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, is_terminal=True, is_quiet=False)
    for part in ("features", "170 of 170", "scores", "100,000 of 200,000"):
        assert part in text


@pytest.mark.parametrize(("is_terminal", "is_quiet"), [(False, False), (True, True)])
def test_nothing_is_shown_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool, is_quiet: bool
) -> None:
    assert shown(monkeypatch, is_terminal=is_terminal, is_quiet=is_quiet).strip() == ""
