"""What is read first of a tuning report: a few figures, and what to know before believing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.figures import (
    bounds_text,
    money_of,
    percent_text,
    tenths_text,
)
from fraudkit.reporting.sections import Section

__all__ = ["WAYS", "glance", "warnings_section"]

_FRAUDS_MIN: Final = 100
WAYS: Final = {
    "tuned": "the tuned policy",
    "given": "the policy that was given",
    "costs": "the costs alone",
    "approve_all": "approving all",
}
"""The ways to decide of a report's baselines, in words."""


def glance(report: TuningReport) -> Iterator[tuple[str, str, str]]:
    """Yield the figures that are read first: what each is, the figure, and what bounds it."""
    rates = {row["figure"]: row for row in report.rates.rows(named=True)}
    yield from _cost_figures(report, rates)
    declined, bps = rates["decline_share"], rates["fraud_bps"]
    yield "orders declined", percent_text(declined["value"]), bounds_text(declined, percent_text)
    days, room = report.days, report.policy.constraints.reviews_per_day
    reviews = days["reviews"].to_numpy()
    most = f"at most {reviews.max():,} on a day"
    yield (
        "reviews a day",
        tenths_text(float(reviews.mean())),
        most if room is None else f"{most}, room for {room:,}",
    )
    yield (
        "fraud basis points of the value approved",
        tenths_text(bps["value"]),
        bounds_text(bps, tenths_text),
    )
    coverage = report.label_coverage
    known = percent_text(coverage.label_known_share)
    yield "outcome known", known, f"of {coverage.n_orders:,} orders"


def _cost_figures(
    report: TuningReport, rates: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    currency, money = report.policy.costs.currency, money_of(report)
    unseen = rates.get("mean_cost_minor_unseen")
    told = unseen or rates["mean_cost_minor"]
    which = "days tuned on" if unseen is None else "days not tuned on"
    yield f"{currency} an order, {which}", money(told["value"]), bounds_text(told, money)
    for row in report.baselines.rows(named=True):
        if row["decided_by"] != "tuned":
            yield (
                f"{currency} an order, {WAYS[row['decided_by']]}",
                money(row["mean_cost_minor"]),
                _saved_text(row, money),
            )


def _saved_text(row: Mapping[str, Any], money: Callable[[float], str]) -> str:
    saved, low, high = row["tuned_saves_minor"], row["saves_low"], row["saves_high"]
    if saved is None or low is None:
        return ""
    if low <= 0.0 <= high:
        return "not told apart from tuned"
    return f"tuned {'saves' if saved > 0.0 else 'costs more by'} {money(abs(saved))}"


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
    said += [note for note in report.label_coverage.notes if note.startswith("Warning: ")]
    return Section("Know this first", tuple(said), is_warning=True) if said else None
