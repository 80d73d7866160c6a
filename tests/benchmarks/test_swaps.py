"""The benchmark of changes under load runs, and every change and order in it succeeds."""

from __future__ import annotations

from benchmarks.swaps import measure


def test_it_tells_what_orders_notice() -> None:
    report = measure(1, 2, 50.0, 7)
    figures = report.figures
    assert figures["changes"] >= 1
    assert figures["change_ms_p50"] > 0
    for name in ("steady", "changing"):
        assert 0 < figures[f"{name}_us_p50"] <= figures[f"{name}_us_max"]
    ratio = figures["changing_us_p99"] / figures["steady_us_p99"]
    assert figures["changing_over_steady_p99"] == ratio
    assert report.context["n"] >= 50
