from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.drivers import Orders, write_tails
from benchmarks.open_loop import offer
from benchmarks.peak import main
from benchmarks.servers import bare_asgi
from fraudkit.simulate import simulate
from tests.benchmarks.running import MAY_BE_NAUGHT, ran


def test_a_short_peak_prints_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    none = {"shed_share", "shed_within_5_ms_share", "unsent", "shed_after"}
    monkeypatch.setattr("tests.benchmarks.running.MAY_BE_NAUGHT", MAY_BE_NAUGHT | none)
    figures = ran("peak", "--seconds", "1", "--trees", "10")["figures"]
    assert figures["errors"] == 0
    assert 0 <= figures["shed_share"] < 1
    assert figures["normal_rps"] == pytest.approx(0.2 * figures["answerable_rps"])
    assert figures["peak_accepted_rps"] <= figures["peak_sent_rps"]


def test_all_that_is_due_is_sent_or_counted(tmp_path: Path) -> None:
    write_tails(tmp_path / "tails", simulate(20, seed=2).transactions)
    orders = Orders(
        tails=tmp_path / "tails",
        prefix="o",
        first_at=datetime(2026, 1, 1, tzinfo=UTC),
        step_s=60,
    )
    with bare_asgi() as running:
        offering = offer(running.url, orders, rate_rps=200, seconds=0.5, connections=3)
        offered = asyncio.run(offering)
    assert offered.sent + offered.unsent == 100
    assert len(offered.accepted_us) == offered.sent
    assert offered.shed_us == []
    assert offered.failed == 0
    assert min(offered.accepted_us) > 0


@pytest.mark.parametrize("option", ["--seconds", "--trees"])
def test_an_option_that_does_not_hold_is_refused(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option, "0"])
    assert ended.value.code == 2
    assert f"{option} must be at least 1, got 0" in capsys.readouterr().err
