"""The plane of probability and amount, coloured by the action that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log, log10
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.policy import ACTIONS
from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.figures import percent_text
from fraudkit.domain.money import minor_unit_digits
from fraudkit.reporting.plots import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

__all__ = ["ACTION_COLOURS", "draw_regions", "draw_segment_regions", "segment_panels"]

ACTION_COLOURS: Final = {
    "approve": "#111213",
    "challenge": "#141516",
    "review": "#171819",
    "decline": "#1a1b1c",
    "on-mild": "#1d1e1f",
    "on-strict": "#202122",
}
"""Stand for the page's colours of the actions, and of words upon them."""

_PROBABILITIES: Final = (1e-4, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_FEW_PROBABILITIES: Final = (0.001, 0.05, 0.5, 0.95)
_LABEL_SHARE: Final = 0.09
_LABEL_COLUMNS_SHARE: Final = 0.13


def draw_regions(report: TuningReport, axes: list[Axes]) -> None:
    """Draw the plane of orders that belong to no segment."""
    (panel,) = axes
    regions = report.decision_regions
    bands = _draw_plane(panel, regions.filter(regions["segment"].is_null()))
    _label_bands(panel, bands)
    _write_scales(panel, report, _PROBABILITIES, n_amounts_max=7)
    whose = "an order of no segment" if _segment_names(report) else "an order"
    panel.set(
        title=f"What happens to {whose}",
        xlabel=f"amount, {report.policy.costs.currency}",
        ylabel="probability of fraud",
    )


def draw_segment_regions(report: TuningReport, axes: list[Axes]) -> None:
    """Draw the plane of each segment, small and beside each other."""
    names = _segment_names(report)
    for panel, name in zip(axes, names, strict=False):
        regions = report.decision_regions
        _draw_plane(panel, regions.filter(regions["segment"] == name))
        _write_scales(panel, report, _FEW_PROBABILITIES, n_amounts_max=3)
        # A name may hold letters that the font lacks.
        panel.set_title(name.encode("ascii", "replace").decode(), fontsize=10)
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    seen = set(report.decision_regions["action"])
    axes[0].figure.legend(
        handles=[_key(name) for name in ACTIONS if name in seen],
        loc="outside lower center",
        ncols=len(seen),
        labelcolor=COLOURS["ink"],
    )


def segment_panels(report: TuningReport) -> tuple[int, int]:
    """Return the rows and columns that the segments' planes need; (0, 0) for none."""
    n_segments = len(_segment_names(report))
    return (ceil(n_segments / 2), 2) if n_segments else (0, 0)


def _segment_names(report: TuningReport) -> list[str]:
    return report.decision_regions["segment"].drop_nulls().unique(maintain_order=True).to_list()


_Bands = dict[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]


def _draw_plane(panel: Axes, regions: pl.DataFrame) -> _Bands:
    """Fill the plane; return for each action its amounts, and where it begins and ends."""
    probabilities = regions["probability"].to_numpy()
    lowest, highest = _log_odds(probabilities.min()), _log_odds(probabilities.max())
    begins = (
        regions.group_by("amount_minor", "action")
        .agg(pl.col("from_probability").first())
        .pivot("action", index="amount_minor", values="from_probability")
        .sort("amount_minor")
    )
    amounts = begins["amount_minor"].to_numpy()
    taken = [name for name in ACTIONS if name in begins.columns]
    starts = {
        name: np.clip([_log_odds(p) for p in begins[name].fill_null(np.nan)], lowest, highest)
        for name in taken
    }
    bands: _Bands = {}
    end = np.full(len(amounts), highest)
    for name in sorted(taken, key=lambda name: -float(np.nanmean(starts[name]))):
        # Where an action is not taken its band has no height, so that bands join without a gap.
        start = np.where(np.isnan(starts[name]), end, np.minimum(starts[name], end))
        panel.fill_between(amounts, start, end, color=ACTION_COLOURS[name], linewidth=0)
        bands[name] = amounts, start, end
        end = start
    panel.set_xscale("log")
    panel.set(xlim=(amounts[0], amounts[-1]), ylim=(lowest, highest))
    panel.grid(visible=False)
    return bands


def _label_bands(panel: Axes, bands: _Bands) -> None:
    """Name each band inside it, or below the plane where it is too thin."""
    low, high = panel.get_ylim()
    thin = []
    for name in ACTIONS:
        if name not in bands:
            continue
        amounts, start, end = bands[name]
        reach = max(round(_LABEL_COLUMNS_SHARE * len(amounts)), 1)
        heights = np.array([
            np.min(end[place - reach : place + reach + 1])
            - np.max(start[place - reach : place + reach + 1])
            for place in range(reach, len(amounts) - reach)
        ])  # fmt: skip
        if not len(heights) or heights.max() < _LABEL_SHARE * (high - low):
            thin.append(_key(name))
            continue
        # Of places about as high as the highest, the one nearest the middle.
        roomy = np.flatnonzero(heights >= 0.8 * heights.max())
        place = int(roomy[np.argmin(np.abs(roomy - len(heights) / 2))]) + reach
        near = slice(place - reach, place + reach + 1)
        panel.text(
            amounts[place], (np.max(start[near]) + np.min(end[near])) / 2.0, name,
            ha="center", va="center", fontsize=11,
            color=ACTION_COLOURS["on-mild" if name in {"approve", "challenge"} else "on-strict"],
        )  # fmt: skip
    if thin:
        panel.legend(
            handles=thin, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(thin),
            labelcolor=COLOURS["ink"],
        )  # fmt: skip


def _key(action: str) -> Patch:
    from matplotlib.patches import Patch

    return Patch(color=ACTION_COLOURS[action], label=action)


def _write_scales(
    panel: Axes, report: TuningReport, probabilities: Sequence[float], *, n_amounts_max: int
) -> None:
    """Write money and per cent at the ticks of the logarithmic scales."""
    unit = 10 ** minor_unit_digits(report.policy.costs.currency)
    low, high = panel.get_ylim()
    shown = {_log_odds(p): percent_text(p) for p in probabilities}
    shown = {place: words for place, words in shown.items() if low <= place <= high}
    panel.set_yticks(list(shown), list(shown.values()))
    first, last = panel.get_xlim()
    amounts = _round_amounts(first / unit, last / unit, n_amounts_max)
    panel.set_xticks([held * unit for held in amounts], [f"{held:,g}" for held in amounts])
    panel.xaxis.set_minor_formatter("")
    panel.tick_params(axis="x", which="minor", length=0)


def _round_amounts(low: float, high: float, n_max: int) -> list[float]:
    """Return round amounts between two, at most so many: powers of ten, with 2 and 5 if few."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    found: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5)):
        held = [
            s * 10.0**power for power in powers for s in steps if low <= s * 10.0**power <= high
        ]
        if len(held) > n_max:
            break
        found = held
    return found


def _log_odds(probability: float) -> float:
    if np.isnan(probability):
        return float("nan")
    held = min(max(probability, 1e-12), 1.0 - 1e-12)
    return log(held / (1.0 - held))
