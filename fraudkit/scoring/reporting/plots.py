"""The plots of a report, as SVG that stands within a page and takes the page's colours.

No state of matplotlib is kept or changed: figures are made without pyplot, and settings hold for
one drawing. The same numbers and version of matplotlib give the same SVG. No text of a report is
drawn, so that none has to be escaped and no letter can lack a font.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from math import log
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from fraudkit.errors import InputError
from fraudkit.scoring.report import TrainingReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PLOTS", "Plot", "plot_svg"]

_DAY_MS: Final = 86_400_000

# Colours that stand for the page's own, which differ by day and by night.
_COLOURS: Final = {
    "ink": "#010203",
    "grid": "#040506",
    "fraud": "#070809",
    "honest": "#0a0b0c",
    "accent": "#0d0e0f",
}
_PROBABILITIES: Final = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
_SMALLEST: Final = 1e-6
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _COLOURS["grid"],
    "axes.labelcolor": _COLOURS["ink"],
    "axes.titlesize": 11,
    "axes.titlecolor": _COLOURS["ink"],
    "axes.grid": True,
    "grid.color": _COLOURS["grid"],
    "grid.linewidth": 0.5,
    "xtick.color": _COLOURS["ink"],
    "ytick.color": _COLOURS["ink"],
    "text.color": _COLOURS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


class Plot(NamedTuple):
    """A plot of a report.

    Attributes
    ----------
    description : str
        What is drawn, for those who do not see it.
    n_panels : int
        Drawn beside each other.
    draw : callable
        Fills as many axes from a report.
    """

    description: str
    n_panels: int
    draw: Callable[[TrainingReport, list[Any]], None]


def plot_svg(report: TrainingReport, name: str) -> str:
    """Return one of `PLOTS` as an ``<svg>`` element.

    Raises
    ------
    InputError
        If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "the package matplotlib must be installed to make a report's page; "
            "run `pip install 'fraudkit[report]'`"
        ) from error
    plot = PLOTS[name]
    written = StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        mpl.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=(8.4, 3.5), layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        axes = np.atleast_1d(figure.subplots(1, plot.n_panels)).tolist()
        for panel in axes:
            panel.set_facecolor("none")
        plot.draw(report, axes)
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return _for_a_page(written.getvalue(), name, plot.description)


def _for_a_page(svg: str, name: str, description: str) -> str:
    """Return the element alone, with ids of its own, the page's colours and a description."""
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\1{name}-", svg)
    for colour, hexadecimal in _COLOURS.items():
        svg = svg.replace(hexadecimal, f"var(--{colour})")
    svg = re.sub(r"font: [^;\"]*'[^\"]*?;", "font-size: 10px;", svg)
    opening, rest = svg.split(">", 1)
    opening = re.sub(r' (width|height)="[^"]*"', "", opening)
    return f'{opening} role="img" aria-label="{description}">{rest}'


def _draw_ranking(report: TrainingReport, axes: list[Axes]) -> None:
    curves, found = report.curves, report.metrics.by_count
    if curves is None:
        return
    left, right = axes
    rate = np.array(curves.false_positive_rate)
    lowest = max(1e-4, float(rate[rate > 0].min(initial=1.0)))
    left.step(np.maximum(rate, lowest), curves.recall, where="post", color=_COLOURS["accent"])
    chance = np.geomspace(lowest, 1.0, 60)
    left.plot(chance, chance, color=_COLOURS["ink"], linewidth=0.8, linestyle=":")
    for at, recall in found.recall_at_false_positive_rate.items():
        if float(at) >= lowest:
            left.plot(float(at), recall.value, "o", color=_COLOURS["fraud"], markersize=4)
            if recall.low is not None and recall.high is not None:
                left.vlines(float(at), recall.low, recall.high, color=_COLOURS["fraud"])
    left.set(
        xscale="log",
        ylim=(0, 1.02),
        title=f"ROC, AUC {found.auc.value:.3f}",
        xlabel="false-positive rate (logarithmic)",
        ylabel="recall",
    )
    _plain_ticks(left.xaxis)
    right.step(curves.recall, curves.precision, where="pre", color=_COLOURS["accent"])
    share = curves.n_frauds / curves.n_orders
    right.axhline(share, color=_COLOURS["ink"], linewidth=0.8, linestyle=":")
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
        colour = _COLOURS[name]
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
    panel.legend(labelcolor=_COLOURS["ink"])


def _draw_reliability(report: TrainingReport, axes: list[Axes]) -> None:
    (panel,) = axes
    bins = report.metrics.by_count.reliability
    shares = [held.fraud_share for held in bins]
    ends = [held.mean_probability for held in bins]
    ends += [end for share in shares for end in (share.value, share.low or 0.0)]
    lowest = min((end for end in ends if end > _SMALLEST), default=_SMALLEST)
    panel.plot([lowest, 1], [lowest, 1], color=_COLOURS["ink"], linewidth=0.8, linestyle=":")
    for held in bins:
        at, share = max(held.mean_probability, lowest), held.fraud_share
        panel.plot(at, max(share.value, lowest), "o", color=_COLOURS["accent"], markersize=5)
        if share.low is not None and share.high is not None:
            low, high = max(share.low, lowest), max(share.high, lowest)
            panel.vlines(at, low, high, color=_COLOURS["accent"])
    panel.set(
        xscale="log",
        yscale="log",
        title="Predicted and true fraud share",
        xlabel="mean predicted probability (logarithmic)",
        ylabel="fraud share",
    )
    _plain_ticks(panel.xaxis, panel.yaxis)


def _draw_arrival(report: TrainingReport, axes: list[Axes]) -> None:
    if report.maturity is None:
        return
    (panel,) = axes
    panel.step(
        report.maturity.age_days,
        report.maturity.arrived_share,
        where="post",
        color=_COLOURS["accent"],
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


def _plain_ticks(*axes: Any) -> None:
    """Write the ticks of logarithmic axes as numbers, at the powers of ten alone."""
    for axis in axes:
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


def _draw_by_day(panel: Axes, day_ms: tuple[int, ...], shares: Any, title: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    # The day after the last ends its step, and gives a single day a width.
    days = np.array([*day_ms, day_ms[-1] + _DAY_MS]).astype("datetime64[ms]")
    shares = np.append(shares, shares[-1])
    places = AutoDateLocator(maxticks=8)
    panel.xaxis.set_major_locator(places)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(places))
    panel.fill_between(days, shares, step="post", color=_COLOURS["accent"], alpha=0.25)
    panel.step(days, shares, where="post", color=_COLOURS["accent"])
    panel.set(ylim=(0, max(float(shares.max()) * 1.1, 1e-9)), title=title, ylabel="share of orders")


def _draw_calibration(report: TrainingReport, axes: list[Axes]) -> None:
    choice = report.calibration
    if choice is None:
        return
    (panel,) = axes
    ends = [min(choice.raw_score), max(choice.raw_score)]
    panel.plot(ends, ends, color=_COLOURS["ink"], linewidth=0.8, linestyle=":")
    panel.plot(
        choice.raw_score, choice.log_odds, color=_COLOURS["accent"], marker="o", markersize=3
    )
    panel.set(
        title="Calibration",
        xlabel="raw score of the model (log-odds)",
        ylabel="calibrated log-odds",
    )


PLOTS: Final = {
    "ranking": Plot(
        "Two curves: recall by false-positive rate, and precision by recall. The dotted lines are "
        "what chance would give. The table of figures says the same in numbers.",
        2,
        _draw_ranking,
    ),
    "scores": Plot(
        "Histogram of the fraud probability, of honest orders and of frauds.", 1, _draw_scores
    ),
    "reliability": Plot(
        "Fraud share against the mean predicted probability, by bins, with intervals. The dotted "
        "line is a probability that means what it says. The table holds the same numbers.",
        1,
        _draw_reliability,
    ),
    "arrival": Plot("Share of the frauds reported by an age of the order.", 1, _draw_arrival),
    "maturity": Plot("Share of each day's orders with a mature label.", 1, _draw_maturity),
    "censoring": Plot(
        "Share of each day's orders that were declined and have no label.", 1, _draw_censoring
    ),
    "calibration": Plot(
        "Calibrated log-odds against the raw score of the model, with the knots. The dotted line "
        "is no calibration.",
        1,
        _draw_calibration,
    ),
}
