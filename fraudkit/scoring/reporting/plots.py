"""The plots of a training report. No text of a report is drawn, so no letter can lack a font."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fraudkit.reporting.plots import COLOURS, Plot, date_axis, plain_ticks, svg_of
from fraudkit.scoring.report import TrainingReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PLOTS", "plot_svg"]

_DAY_MS: Final = 86_400_000
_PROBABILITIES: Final = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_SMALLEST: Final = 1e-6


def plot_svg(report: TrainingReport, name: str) -> str:
    """Return one of `PLOTS` as an ``<svg>`` element.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    return svg_of(PLOTS[name], report, name)


def _draw_ranking(report: TrainingReport, axes: list[Axes]) -> None:
    curves, found = report.curves, report.metrics.by_count
    if curves is None:
        return
    left, right = axes
    rate = np.array(curves.false_positive_rate)
    lowest = max(1e-4, float(rate[rate > 0].min(initial=1.0)))
    left.step(np.maximum(rate, lowest), curves.recall, where="post", color=COLOURS["accent"])
    chance = np.geomspace(lowest, 1.0, 60)
    left.plot(chance, chance, color=COLOURS["ink"], linewidth=0.8, linestyle=":")
    for at, recall in found.recall_at_false_positive_rate.items():
        if float(at) >= lowest:
            left.plot(float(at), recall.value, "o", color=COLOURS["fraud"], markersize=4)
            if recall.low is not None and recall.high is not None:
                left.vlines(float(at), recall.low, recall.high, color=COLOURS["fraud"])
    left.set(
        xscale="log",
        ylim=(0, 1.02),
        title=f"ROC, AUC {found.auc.value:.3f}",
        xlabel="false-positive rate (logarithmic)",
        ylabel="recall",
    )
    plain_ticks(left.xaxis)
    right.step(curves.recall, curves.precision, where="pre", color=COLOURS["accent"])
    share = curves.n_frauds / curves.n_orders
    right.axhline(share, color=COLOURS["ink"], linewidth=0.8, linestyle=":")
    right.set(
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        title=f"Precision and recall, average precision {found.average_precision.value:.3f}",
        xlabel="recall",
        ylabel="precision",
    )


def _draw_scores(report: TrainingReport, axes: list[Axes]) -> None:
    curves = report.curves
    if curves is None:
        return
    (panel,) = axes
    for name, words, shares in (
        ("honest", "share of the honest orders", curves.honest_shares),
        ("fraud", "share of the frauds", curves.fraud_shares),
    ):
        colour = COLOURS[name]
        edges = curves.log_odds_edges
        panel.stairs(shares, edges, fill=True, color=colour, alpha=0.25)
        panel.stairs(shares, edges, color=colour, linewidth=1.5, label=words)
    lowest, highest = curves.log_odds_edges[0], curves.log_odds_edges[-1]
    places = {log(p / (1 - p)): f"{p:g}" for p in _PROBABILITIES}
    shown = {place: words for place, words in places.items() if lowest <= place <= highest}
    panel.set_xticks(list(shown), list(shown.values()))
    panel.set(
        title="Scores of honest orders and of frauds",
        xlabel="fraud probability (log-odds scale)",
        ylabel="share",
    )
    panel.legend(labelcolor=COLOURS["ink"])


def _draw_reliability(report: TrainingReport, axes: list[Axes]) -> None:
    (panel,) = axes
    bins = report.metrics.by_count.reliability
    shares = [held.fraud_share for held in bins]
    ends = [held.mean_probability for held in bins]
    ends += [end for share in shares for end in (share.value, share.low or 0.0)]
    lowest = min((end for end in ends if end > _SMALLEST), default=_SMALLEST)
    panel.plot([lowest, 1], [lowest, 1], color=COLOURS["ink"], linewidth=0.8, linestyle=":")
    for held in bins:
        at, share = max(held.mean_probability, lowest), held.fraud_share
        panel.plot(at, max(share.value, lowest), "o", color=COLOURS["accent"], markersize=5)
        if share.low is not None and share.high is not None:
            low, high = max(share.low, lowest), max(share.high, lowest)
            panel.vlines(at, low, high, color=COLOURS["accent"])
    panel.set(
        xscale="log",
        yscale="log",
        title="Predicted and true fraud share",
        xlabel="mean predicted probability (logarithmic)",
        ylabel="fraud share",
    )
    plain_ticks(panel.xaxis, panel.yaxis)


def _draw_arrival(report: TrainingReport, axes: list[Axes]) -> None:
    if report.maturity is None:
        return
    (panel,) = axes
    panel.step(
        report.maturity.age_days,
        report.maturity.arrived_share,
        where="post",
        color=COLOURS["accent"],
    )
    panel.set(
        ylim=(0, 1.02),
        title="When frauds were reported",
        xlabel="days after the order",
        ylabel="share of the frauds known in the end",
    )


def _draw_maturity(report: TrainingReport, axes: list[Axes]) -> None:
    if report.maturity is None:
        return
    (panel,) = axes
    shares = np.array(report.maturity.mature_share)
    _draw_by_day(panel, report.maturity.day_ms, shares, "Orders with a mature label, by day")


def _draw_censoring(report: TrainingReport, axes: list[Axes]) -> None:
    censoring = report.censoring
    if censoring is None:
        return
    (panel,) = axes
    shares = np.array(censoring.n_censored) / np.maximum(censoring.n_orders, 1)
    _draw_by_day(panel, censoring.day_ms, shares, "Declined orders without a label, by day")


def _draw_by_day(panel: Axes, day_ms: tuple[int, ...], shares: Any, title: str) -> None:
    # The day after the last ends its step, and gives a single day a width.
    days = np.array([*day_ms, day_ms[-1] + _DAY_MS]).astype("datetime64[ms]")
    shares = np.append(shares, shares[-1])
    date_axis(panel)
    panel.fill_between(days, shares, step="post", color=COLOURS["accent"], alpha=0.25)
    panel.step(days, shares, where="post", color=COLOURS["accent"])
    panel.set(ylim=(0, max(float(shares.max()) * 1.1, 1e-9)), title=title, ylabel="share of orders")


def _draw_calibration(report: TrainingReport, axes: list[Axes]) -> None:
    choice = report.calibration
    if choice is None:
        return
    (panel,) = axes
    ends = [min(choice.raw_score), max(choice.raw_score)]
    panel.plot(ends, ends, color=COLOURS["ink"], linewidth=0.8, linestyle=":")
    panel.plot(choice.raw_score, choice.log_odds, color=COLOURS["accent"], marker="o", markersize=3)
    panel.set(
        title="Calibration",
        xlabel="raw score of the model (log-odds)",
        ylabel="calibrated log-odds",
    )


PLOTS: Final[Mapping[str, Plot[TrainingReport]]] = {
    "ranking": Plot(
        "Two curves: recall by false-positive rate, and precision by recall. The dotted lines are "
        "what chance would give. The table of figures says the same in numbers.",
        (1, 2),
        _draw_ranking,
    ),
    "scores": Plot(
        "Histogram of the fraud probability, of honest orders and of frauds.", (1, 1), _draw_scores
    ),
    "reliability": Plot(
        "Fraud share against the mean predicted probability, by bins, with intervals. The dotted "
        "line is a probability that means what it says. The table holds the same numbers.",
        (1, 1),
        _draw_reliability,
    ),
    "arrival": Plot("Share of the frauds reported by an age of the order.", (1, 1), _draw_arrival),
    "maturity": Plot("Share of each day's orders with a mature label.", (1, 1), _draw_maturity),
    "censoring": Plot(
        "Share of each day's orders that were declined and have no label.", (1, 1), _draw_censoring
    ),
    "calibration": Plot(
        "Calibrated log-odds against the raw score of the model, with the knots. The dotted line "
        "is no calibration.",
        (1, 1),
        _draw_calibration,
    ),
}
