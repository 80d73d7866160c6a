"""What is read first of a tuning report: a few figures, and what to know before believing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.figures import (
    bounds_text,
    money_of,
    number_text,
    percent_text,
)
from fraudkit.reporting.sections import Section

__all__ = ["WAYS", "glance", "warnings_section"]

_FRAUDS_MIN: Final = 100
_KNOWN_SHARE_MIN: Final = 0.5
WAYS: Final = {
    "tuned": "the tuned policy",
    "given": "the policy that was given",
    "costs": "the costs alone",
    "approve_all": "approving all",
}
"""The ways to decide of a report's baselines, in words."""


def glance(report: TuningReport) -> Iterator[tuple[str, str, str]]:
    """Yield the figures that are read first: what each is, the figure, and what bounds it."""
    rates, money = {row["figure"]: row for row in report.rates.rows(named=True)}, money_of(report)
    name = "mean_cost_minor_unseen"
    words = "cost an order, on days not tuned on"
    if name not in rates:
        name, words = "mean_cost_minor", "cost an order, on the days tuned on"
    yield words, money(rates[name]["value"]), bounds_text(rates[name], money)
    for row in report.baselines.rows(named=True):
        if row["decided_by"] != "tuned":
            yield (
                f"cost an order, {WAYS[row['decided_by']]}",
                money(row["mean_cost_minor"]),
                _saved_text(row["tuned_saves_minor"], money),
            )
    declined = rates["decline_share"]
    yield "orders declined", percent_text(declined["value"]), bounds_text(declined, percent_text)
    days = report.days
    room = report.policy.constraints.reviews_per_day
    most = int(days["reviews"].to_numpy().max())
    held = f"at most {most:,} on a day"
    yield (
        "reviews a day",
        f"{days['reviews'].to_numpy().mean():,.1f}",
        held if room is None else f"{held}, room for {room:,}",
    )
    bps = rates["fraud_bps"]
    yield (
        "fraud basis points of the value approved",
        number_text(bps["value"]),
        bounds_text(bps, number_text),
    )
    n_orders, n_known = int(days["n_orders"].sum()), int(days["n_known"].sum())
    yield "outcome known", percent_text(n_known / n_orders), f"of {n_orders:,} orders"


def warnings_section(report: TuningReport) -> Section | None:
    """Return what the reader must know before believing the figures; ``None`` for nothing."""
    said = []
    if not report.n_resamples:
        said.append(
            "The days were not drawn again: no figure has an interval, and all are of the orders "
            "that were tuned on, which look better than others will."
        )
    elif report.n_drawn < report.n_resamples:
        said.append(
            f"{report.n_resamples - report.n_drawn:,} of {report.n_resamples:,} redrawn tunings "
            "held no fraud or found no way within the constraints, and are left out."
        )
    if report.n_frauds < _FRAUDS_MIN:
        said.append(f"Only {report.n_frauds:,} frauds were tuned on: the thresholds are rough.")
    n_orders, n_known = int(report.days["n_orders"].sum()), int(report.days["n_known"].sum())
    if n_known < _KNOWN_SHARE_MIN * n_orders:
        said.append(
            f"The outcome of only {percent_text(n_known / n_orders)} of the orders is known: the "
            "others may differ from these."
        )
    return Section("Know this first", tuple(said), is_warning=True) if said else None


def _saved_text(saved_minor: float | None, money: Callable[[float], str]) -> str:
    if saved_minor is None:
        return ""
    said = "tuned saves" if saved_minor >= 0.0 else "tuned costs more by"
    return f"{said} {money(abs(saved_minor))}"
