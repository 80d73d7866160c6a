"""The sections of a tuning report that are tables alone."""

from __future__ import annotations

from typing import Any

from fraudkit.decisions.policy import ACTIONS
from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.figures import (
    day_text,
    money_of,
    number_text,
    percent_text,
    tenths_text,
    with_interval,
)
from fraudkit.reporting.sections import NOT_KNOWN, Section, TableContent

__all__ = ["origin_section", "rates_section", "segments_section", "stability_section"]


def rates_section(report: TuningReport) -> Section:
    """Return what the policy does on the orders, limits of the day aside."""
    money = money_of(report)
    words: dict[str, tuple[str, Any]] = {
        f"{name}_share": (f"share of orders: {name}", percent_text) for name in ACTIONS
    }
    words |= {
        "reviews_per_day": ("reviews a day", tenths_text),
        "fraud_bps": ("fraud basis points", tenths_text),
        "mean_cost_minor": ("cost an order", money),
        "mean_cost_minor_unseen": ("cost an order, on days not tuned on", money),
    }
    rows = []
    for row in report.rates.rows(named=True):
        name, written = words[row["figure"]]
        shown = with_interval(row["value"], row["low"], row["high"], written)
        rows.append((name, shown, row["denominator"]))
    columns = ("figure", "value", "over")
    caption = f"Limits of the day aside; costs in {report.policy.costs.currency}"
    return Section(
        "What it does on these orders",
        (
            (
                "The last figure is the honest one: of days that a redrawn tuning did not see. "
                "The one above it is of the orders that were tuned on."
            ),
        )
        if report.n_drawn
        else (),
        (TableContent(caption, columns, tuple(rows), whole=frozenset({1})),),
    )


def segments_section(report: TuningReport) -> Section | None:
    """Return what each segment asked for and what was believed; ``None`` without segments."""
    if report.segments.is_empty():
        return None
    rows = tuple(
        (
            row["name"], f"{row['n_orders']:,}", f"{row['n_frauds']:,}",
            number_text(row["own_factor"]), number_text(row["standard_error"]),
            percent_text(row["weight"]), number_text(row["factor"]),
        )
        for row in report.segments.rows(named=True)
    )  # fmt: skip
    columns = (
        "segment", "orders", "frauds", "own factor", "error of its logarithm", "believed", "factor",
    )  # fmt: skip
    return Section(
        "Segments",
        (
            (
                "What each by itself would ask for, how unsure that is, and how far it was "
                "believed. 0% is: no more than chance."
            ),
        ),
        (TableContent("Times the odds of fraud", columns, rows),),
    )


def stability_section(report: TuningReport) -> Section:
    """Return what it would have cost to be a week late."""
    money = money_of(report)
    rows = tuple(
        (
            day_text(row["week_start_ms"]), f"{row['n_orders']:,}", f"{row['n_frauds']:,}",
            NOT_KNOWN if row["odds_factor"] is None else number_text(row["odds_factor"]),
            NOT_KNOWN if row["regret_minor"] is None else money(row["regret_minor"]),
        )
        for row in report.stability.rows(named=True)
    )  # fmt: skip
    columns = ("week from", "orders", "frauds", "its own factor", "cost of being late")
    caption = f"{report.policy.costs.currency} an order beyond the week's own best policy"
    return Section(
        "Last week's policy on this week's orders",
        (
            (
                "What it would have cost to be a week late. Where this is as large as what tuning "
                "saves, tune less often, not more."
            ),
        ),
        (TableContent(caption, columns, rows),),
    )


def origin_section(report: TuningReport) -> Section:
    """Return what was tuned on, and within which constraints."""
    policy, days = report.policy, report.days["day_start_ms"]
    limits, prices, money = policy.constraints, policy.prices, money_of(report)
    rows = [
        ("orders tuned on", f"{report.n_orders:,}, {report.n_frauds:,} of them fraud"),
        ("days", f"{len(days):,}, {day_text(days[0])} to {day_text(days[-1])}"),
        ("redrawn tunings", f"{report.n_drawn:,} of {report.n_resamples:,}"),
        ("intervals hold", percent_text(report.confidence)),
        ("factor on the odds", number_text(policy.odds_factor) if policy.cut_offs is None else "-"),
        ("reviews a day, at most", _stated(limits.reviews_per_day, "{:,}".format)),
        ("share declined, at most", _stated(limits.decline_share_max, percent_text)),
        ("fraud basis points, at most", _stated(limits.fraud_bps_max, number_text)),
        ("price of a review", money(prices.review_minor)),
        ("price of a decline", money(prices.decline_minor)),
        ("price of fraud let through", percent_text(prices.fraud_share)),
    ]
    notes = report.label_coverage.notes
    return Section("What it was tuned on", notes, (TableContent("", ("", ""), tuple(rows)),))


def _stated(limit: Any, written: Any) -> str:
    return "no limit" if limit is None else str(written(limit))
