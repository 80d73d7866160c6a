"""How `benchmarks.features` shows what it found."""

from __future__ import annotations

from rich.table import Table

from benchmarks.harness import PERCENTILES, Report

__all__ = ["tables"]


def tables(report: Report) -> list[Table]:
    """Return what was found, one table a part that was measured."""
    made = {
        "online_row_us_p50": _online_table,
        "offline_catalogue_rows_per_s": _offline_table,
        "bytes_per_event": _memory_table,
        "redis_over_round_trip": _redis_table,
    }
    return [table(report) for figure, table in made.items() if figure in report.figures]


def _latencies(report: Report, ways: dict[str, str], title: str, caption: str) -> Table:
    suffixes = [suffix.replace("_", ".") for suffix in PERCENTILES]
    table = Table("us an order", *suffixes, title=title, caption=caption)
    for way, name in ways.items():
        row = (f"{report.figures[f'{name}_us_{suffix}']:,.1f}" for suffix in PERCENTILES)
        table.add_row(way, *row)
    return table


def _online_table(report: Report) -> Table:
    ways = {
        "row": "online_row",
        "row, orders of the hot key only": "online_row_of_hot_key",
        "row, without a hot key": "online_row_without_hot_key",
        "row, in a rush": "online_row_in_a_rush",
        "append": "online_append",
    }
    held = report.context
    return _latencies(
        report,
        ways,
        title=f"{held['n']:,} orders, {held['features']} features, {held['window_features']} of "
        f"them windows; {held['online_events_held']:,} events held",
        caption=f"p99 is {report.figures['online_row_p99_over_p50']:.1f} x p50",
    )


def _offline_table(report: Report) -> Table:
    figures, held = report.figures, report.context
    table = Table("way", "s", "s at first", "rows a second", "times ours", title="offline")
    for name in held.get("offline_ways", ()):
        seconds = figures[f"offline_{name}_s"]
        table.add_row(
            f"twelve windows, {name.replace('_', ' ')}",
            f"{seconds:.3f}",
            f"{figures[f'offline_{name}_first_s']:.3f}",
            f"{held['offline_rows'] / seconds:,.0f}",
            f"{seconds / figures['offline_ours_s']:.2f}",
        )
    per_second = figures["offline_catalogue_rows_per_s"]
    seconds = held["catalogue_rows"] / per_second
    table.add_row("default catalogue, ours", f"{seconds:.3f}", "", f"{per_second:,.0f}", "")
    return table


def _memory_table(report: Report) -> Table:
    figures, held, flat = report.figures, report.context["held"], report.context["flat"]
    left = flat["counters"]
    table = Table(
        f"{held['counters']['events']:,} events, {held['counters']['keys']:,} keys",
        "",
        title="memory",
        caption=f"{flat['past']:,} orders past {flat['capacity']:,}: "
        f"{left['evicted_by_capacity']:,} left by capacity, {left['evicted_by_age']:,} by age",
    )
    for title, name, digits in (
        ("resident bytes an event", "bytes_per_event", 0),
        ("resident bytes a key", "bytes_per_key", 0),
        ("bytes of the arrays an event", "array_bytes_per_event", 0),
        ("most resident bytes an event while loading", "most_bytes_per_event", 0),
        ("loaded events a second", "warm_start_events_per_s", 0),
        ("memory past the bound, over that at it", "memory_past_bound_over_at_bound", 3),
    ):
        table.add_row(title, f"{figures[name]:,.{digits}f}")
    return table


def _redis_table(report: Report) -> Table:
    ways = {
        "RedisStore.exchange": "redis_exchange",
        "GET of the same keys, redis-py's pipeline": "redis_round_trip",
        "GET of the same keys, packed by hand": "redis_packed_round_trip",
    }
    figures = report.figures
    return _latencies(
        report,
        ways,
        title="Redis",
        caption=f"p50: exchange is {figures['redis_over_round_trip']:.2f} x the pipeline, "
        f"{figures['redis_over_packed_round_trip']:.2f} x the packed one",
    )
