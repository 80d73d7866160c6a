"""A tuning report as HTML: tables and plots for a notebook, and one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.decisions.tuning.reporting.glance import glance
from fraudkit.decisions.tuning.reporting.plots import plots_of
from fraudkit.decisions.tuning.reporting.region_plots import ACTION_COLOURS
from fraudkit.decisions.tuning.reporting.sections import report_sections
from fraudkit.errors import InputError
from fraudkit.reporting.page import Card, Figure, page_of, sections_fragment
from fraudkit.reporting.plots import COLOURS, check_can_draw, svg_of
from fraudkit.reporting.sections import Section

__all__ = ["report_fragment", "report_page"]

# Four colours that also differ in lightness; by night the strictest is the lightest.
_BY_DAY: Final = (
    "--approve: #d3ead9; --challenge: #f0bf4c; --review: #3f78b5; --decline: #7d2438; "
    "--on-mild: #1d2530; --on-strict: #ffffff;"
)
_BY_NIGHT: Final = (
    "--approve: #1f3a30; --challenge: #7a5c12; --review: #6fa8dc; --decline: #ffb9ad; "
    "--on-mild: #e4e8ed; --on-strict: #14181d;"
)
_STYLE: Final = f"""
:root {{ {_BY_DAY} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_BY_NIGHT} }} }}
@media print {{ :root {{ {_BY_DAY} }} }}
figure {{ max-width: 40rem; }}
.cards div {{ max-width: 15rem; }}
th, td {{ overflow-wrap: break-word; }}
@media (max-width: 40rem) {{ td.whole {{ white-space: normal; }} }}
"""

# A notebook has its own paper, by day or by night: lines take its colour of text.
_IN_A_NOTEBOOK: Final = (
    f"--ink: currentColor; --grid: #8886; --fraud: #d9622b; --honest: #4a8fd0; "
    f"--accent: #2d8fae; {_BY_DAY} max-width: 44rem;"
)


def report_page(report: TuningReport) -> str:
    """Return the whole page, see `fraudkit.decisions.tuning.report.TuningReport.page`."""
    return page_of(
        report.title,
        report_sections(report, has_cards=True),
        draw=_drawing(report),
        cards=(Card(*figure) for figure in glance(report)),
        style=_STYLE,
    )


def report_fragment(report: TuningReport) -> str:
    """Return the tables, and the plots where they can be drawn, for a notebook."""
    sections = report_sections(report)
    try:
        check_can_draw()
    except InputError:
        note = "The plots need the package matplotlib: run `pip install 'fraudkit[report]'`."
        return sections_fragment(report.title, (*sections, Section("Plots", (note,))))
    return sections_fragment(report.title, sections, draw=_drawing(report), style=_IN_A_NOTEBOOK)


def _drawing(report: TuningReport) -> Callable[[str], Figure]:
    plots = plots_of(report)

    def draw(name: str) -> Figure:
        # Two reports may stand in one notebook, so their ids differ.
        own = f"{name}-{report.policy.digest[:8]}"
        svg = svg_of(plots[name], report, own, colours={**COLOURS, **ACTION_COLOURS})
        return Figure(svg, plots[name].description)

    return draw
