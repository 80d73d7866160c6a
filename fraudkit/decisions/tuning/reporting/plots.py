"""The plots of a tuning report: cost, what is stopped, and the days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.figures import money_text
from fraudkit.decisions.tuning.reporting.region_plots import (
    draw_regions,
    draw_segment_regions,
    segment_panels,
)
from fraudkit.domain.money import minor_unit_digits
from fraudkit.reporting.plots import COLOURS, Plot, date_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plots_of"]

_WIDTH: Final = 5.6
_DAY_MS: Final = 86_400_000
_TIMES: Final = {
    0.05: "1/20", 0.1: "1/10", 0.2: "1/5", 0.5: "1/2", 1.0: "as tuned",
    2.0: "2x", 5.0: "5x", 10.0: "10x", 20.0: "20x",
}  # fmt: skip
_POINTS: Final = {
    "decline": "declined",
    "review": "reviewed\nor declined",
    "challenge": "challenged,\nreviewed\nor declined",
}


def plots_of(report: TuningReport) -> Mapping[str, Plot[TuningReport]]:
    """Return the plots of a report by their names."""
    plots = {
        "cost": Plot(
            "Mean cost an order by how many times the tuned odds of fraud are taken, with its "
            "interval over redrawn days. A dot marks the tuned policy. The lowest point of the "
            "curve is the cheapest policy.",
            (1, 1),
            _draw_cost,
            (_WIDTH, 3.6),
        ),
        "regions": Plot(
            "The action that is taken, over the amount of an order (across) and its probability "
            "of fraud (upward); both scales are logarithmic. The table of thresholds says the "
            "same at three amounts.",
            (1, 1),
            draw_regions,
            (_WIDTH, 4.2),
        ),
        "stopped": Plot(
            "Share of the stopped orders that are fraud against share of all fraud that is "
            "stopped: curves for one cut on the probability, by count and by value, and dots for "
            "the tuned policy, by count. The table holds the dots as numbers.",
            (1, 1),
            _draw_stopped,
            (_WIDTH, 4.2),
        ),
        "days": Plot(
            "Above, reviews on each day, with the capacity as a dashed line where there is one. "
            "Below, declined and challenged orders on each day.",
            (2, 1),
            _draw_days,
            (_WIDTH, 4.6),
        ),
    }
    rows, columns = segment_panels(report)
    if rows:
        plots["segment-regions"] = Plot(
            "The same plane for each of the segments with most frauds, in the same colours.",
            (rows, columns),
            draw_segment_regions,
            (_WIDTH, 0.6 + 1.9 * rows),
        )
    return plots


def _draw_cost(report: TuningReport, axes: list[Axes]) -> None:
    (panel,) = axes
    curve, currency = report.cost_curve, report.policy.costs.currency
    unit = 10 ** minor_unit_digits(currency)
    times, cost = curve["times_odds"].to_numpy(), curve["mean_cost_minor"].to_numpy() / unit
    if curve["low"].null_count() == 0:
        low, high = (curve[name].to_numpy() / unit for name in ("low", "high"))
        panel.fill_between(times, low, high, color=COLOURS["accent"], alpha=0.2, linewidth=0)
    panel.plot(times, cost, color=COLOURS["accent"])
    tuned = len(times) // 2
    panel.plot(1.0, cost[tuned], "o", color=COLOURS["fraud"], markersize=7)
    panel.annotate(
        f"tuned {money_text(cost[tuned] * unit, currency)}",
        (1.0, cost[tuned]),
        xytext=(0, -20),
        textcoords="offset points",
        ha="center",
    )
    panel.set_xscale("log")
    panel.set_xticks(list(_TIMES), list(_TIMES.values()))
    panel.xaxis.set_minor_formatter("")
    panel.tick_params(axis="x", which="minor", length=0)
    panel.margins(x=0.02, y=0.2)
    panel.set(
        title="Cost by how strict the policy is",
        xlabel="milder   ←   odds of fraud taken   →   stricter",
        ylabel=f"{currency} an order; lower is better",
    )


def _draw_stopped(report: TuningReport, axes: list[Axes]) -> None:
    (panel,) = axes
    rows = report.precision_recall
    cuts = rows.filter(rows["point"] == "cut")
    panel.plot(
        100.0 * cuts["value_recall"].to_numpy(), 100.0 * cuts["value_precision"].to_numpy(),
        color=COLOURS["honest"], linestyle="--", linewidth=1.2, label="one cut, by value",
    )  # fmt: skip
    panel.plot(
        100.0 * cuts["recall"].to_numpy(), 100.0 * cuts["precision"].to_numpy(),
        color=COLOURS["accent"], label="one cut, by count",
    )  # fmt: skip
    points = [
        (100.0 * row["recall"], 100.0 * row["precision"], _POINTS[row["point"]])
        for row in rows.rows(named=True)
        if row["point"] in _POINTS and row["precision"] is not None
    ]
    _label_points(panel, points)
    panel.set(
        xlim=(0, 102),
        ylim=(0, 104),
        title="What is stopped",
        xlabel="of all frauds, stopped",
        ylabel="of the stopped, fraud",
    )
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter("{x:g}%")
    panel.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, labelcolor=COLOURS["ink"]
    )


def _label_points(panel: Axes, points: list[tuple[float, float, str]]) -> None:
    """Mark points, with their words stacked in the corner that the points leave free."""
    shown: dict[tuple[float, float], str] = {}
    for recall, precision, words in points:
        # Where an action is never taken, its point is that of the next stricter one.
        shown.setdefault((recall, precision), words)
    is_free_below = all(precision > 45.0 for recall, precision in shown if recall < 60.0)
    across, top = (4.0, 42.0) if is_free_below else (98.0, 96.0)
    for place, (point, words) in enumerate(sorted(shown.items())):
        panel.annotate(
            words,
            point,
            xytext=(across, top - 17.0 * place),
            ha="left" if is_free_below else "right",
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS["ink"],
                "linewidth": 0.6,
                "relpos": (1.0 if is_free_below else 0.0, 0.5),
            },
        )
        panel.plot(*point, "o", color=COLOURS["fraud"], markersize=7)


def _draw_days(report: TuningReport, axes: list[Axes]) -> None:
    from matplotlib.ticker import MaxNLocator

    upper, lower = axes
    days, room = report.days, report.policy.constraints.reviews_per_day
    start = days["day_start_ms"].to_numpy().astype("datetime64[ms]")
    middle = start + np.timedelta64(_DAY_MS // 2, "ms")
    reviews = days["reviews"].to_numpy()
    upper.set_axisbelow(True)
    upper.bar(middle, reviews, width=0.85, color=COLOURS["accent"])
    most = max(float(reviews.max(initial=0)), 1.0)
    if room is not None and room <= 3.0 * most:
        most = max(most, float(room))
        upper.axhline(room, color=COLOURS["fraud"], linestyle="--", linewidth=1.2)
        upper.annotate(
            f"room for {room:,}", (0.995, room), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", ha="right",
        )  # fmt: skip
    upper.set(title="Reviews a day", ylim=(0, 1.2 * most))
    upper.tick_params(labelbottom=False)
    for name, colour, style in (("declines", "fraud", "-"), ("challenges", "honest", "--")):
        lower.plot(
            middle, days[name].to_numpy(), color=COLOURS[colour], linestyle=style, linewidth=1.4,
            label=name,
        )  # fmt: skip
    lower.set(title="Declines and challenges a day")
    lower.set_ylim(bottom=0)
    lower.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, labelcolor=COLOURS["ink"]
    )
    ends = start[0], start[-1] + np.timedelta64(_DAY_MS, "ms")
    for panel in axes:
        panel.set_xlim(*ends)
        date_axis(panel, 6)
        panel.yaxis.set_major_locator(MaxNLocator(5, integer=True))
