"""The tuning report as text, in a notebook and as one page."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy
from fraudkit.decisions.segments import Segment
from fraudkit.decisions.tuning import PolicyTuner, TuningReport
from fraudkit.decisions.tuning.reporting.glance import glance
from fraudkit.decisions.tuning.reporting.plots import plots_of
from fraudkit.decisions.tuning.reporting.region_plots import ACTION_COLOURS
from fraudkit.decisions.tuning.reporting.sections import report_sections
from fraudkit.errors import InputError
from fraudkit.reporting.plots import COLOURS, svg_of
from tests.architecture.files import ROOT
from tests.decisions.tuning.test_tuner import shop, tuned
from tests.reporting.elements import Elements, check_page_needs_nothing_else

HOSTILE = "<script>alert('1')</script>é"
TITLES = [
    "What it costs", "What it decides", "What it stops", "Day by day",
    "What it does on these orders", "Segments", "Last week's policy on this week's orders",
    "What it was tuned on",
]  # fmt: skip


def full_tuner(**options: Any) -> PolicyTuner:
    """Return a tuning whose report has every section."""
    orders = shop(4_000, 2, off_by=3.0)
    orders["y"][-400:] = np.nan
    policy = Policy(costs=Costs(review_cost_minor=20), constraints=Constraints(reviews_per_day=6))
    given = {"policy": policy, "segments": ["billing.country"], "n_resamples": 6}
    return tuned(orders, **(given | options))


@pytest.fixture(scope="module")
def tuner() -> PolicyTuner:
    return full_tuner()


@pytest.fixture(scope="module")
def report(tuner: PolicyTuner) -> TuningReport:
    return tuner.report()


@pytest.fixture(scope="module")
def page(report: TuningReport) -> str:
    return report.page()


def test_every_section_is_in_the_text_the_notebook_and_the_page(
    report: TuningReport, page: str
) -> None:
    text, fragment = report.text(), report._repr_html_()
    assert [section.title for section in report_sections(report, has_cards=True)] == TITLES
    for title in TITLES:
        assert f"\n{title}\n" in text
        assert f"<h4>{escape(title)}</h4>" in fragment
        assert f"<h2>{escape(title)}</h2>" in page
    assert "\nAt a glance\n" in text


def test_the_page_needs_nothing_else_and_runs_nothing(page: str) -> None:
    check_page_needs_nothing_else(page)


def test_every_plot_is_on_the_page_and_in_the_notebook_described(
    report: TuningReport, page: str
) -> None:
    plots = plots_of(report)
    assert list(plots) == ["cost", "regions", "stopped", "days", "segment-regions"]
    fragment = report._repr_html_()
    for shown in (page, fragment):
        assert shown.count("<svg") == shown.count("<figcaption>") == 5
        for plot in plots.values():
            assert f'aria-label="{plot.description}"' in shown
    assert Elements(fragment).open == []
    assert "var(--ink)" in fragment
    assert "--ink: currentColor" in fragment


def test_plots_take_the_pages_colours(report: TuningReport, page: str) -> None:
    colours = {**COLOURS, **ACTION_COLOURS}
    for name, plot in plots_of(report).items():
        svg = svg_of(plot, report, name, colours=colours)
        assert ET.fromstring(svg).attrib["role"] == "img"  # noqa: S314 - our own
        assert not any(held in svg for held in colours.values())
    for colour in colours:
        assert page.count(f"--{colour}: ") >= 3, "by day, by night and in print"
    taken = set(report.decision_regions["action"])
    assert {action for action in ACTIONS if f"var(--{action})" in page} == taken


def test_the_figures_that_are_read_first_are_the_frames(report: TuningReport, page: str) -> None:
    rates = {row["figure"]: row for row in report.rates.to_dicts()}
    unseen = rates["mean_cost_minor_unseen"]
    saved = dict(report.baselines.select("decided_by", "tuned_saves_minor").iter_rows())
    assert saved["approve_all"] > 100.0
    cards = page[page.index('<dl class="cards">') : page.index("</dl>")]
    for shown in (
        "EUR an order, days not tuned on",
        f"{unseen['value'] / 100:,.2f}",
        f"{unseen['low'] / 100:,.2f} to {unseen['high'] / 100:,.2f}",
        f"tuned saves {saved['approve_all'] / 100:,.2f}",
        f"{100 * rates['decline_share']['value']:.3g}%",
        f"at most {report.days['reviews'].max()} on a day, room for 6",
        "90%",
        "of 4,000 orders",
    ):
        assert shown in cards
        assert shown in report.text(140)


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ((250.0, 100.0, 300.0), "tuned saves 2.50"),
        ((-250.0, -300.0, -100.0), "tuned costs more by 2.50"),
        ((250.0, -100.0, 300.0), "not told apart from tuned"),
    ],
)
def test_a_difference_is_said_only_where_its_interval_does(
    report: TuningReport, saved: tuple[float, float, float], said: str
) -> None:
    names = ("tuned_saves_minor", "saves_low", "saves_high")
    changed = [pl.lit(value).alias(name) for name, value in zip(names, saved, strict=True)]
    held = replace(report, baselines=report.baselines.with_columns(changed))
    assert [figure[2] for figure in glance(held)][1:3] == [said, said]


def test_a_segment_that_is_named_like_a_script_does_not_run() -> None:
    segment = Segment(name=HOSTILE, when={"billing.country": ("DE",)})
    hostile = full_tuner(policy=Policy(segments=(segment,)), segments=()).report()
    for form in (hostile.page(), hostile._repr_html_()):
        elements = Elements(form)
        assert elements.open == []
        assert "script" not in {name for name, _attributes in elements.found}
        assert "".join(elements.words).count(HOSTILE) >= 2
        assert HOSTILE.replace("é", "?") in "".join(elements.words)
    assert HOSTILE in hostile.text(200)


@pytest.mark.parametrize("width", [60, 100])
def test_text_keeps_to_its_width(report: TuningReport, width: int) -> None:
    assert max(len(line) for line in report.text(width).splitlines()) <= width


def test_the_same_report_is_the_same_page_whatever_matplotlib_was_set_to(
    report: TuningReport, page: str
) -> None:
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30, "svg.fonttype": "path"}):
        assert report.page() == page
    assert full_tuner().report().page() == page


def test_a_page_is_made_without_pyplot() -> None:
    program = (
        "import sys; from tests.decisions.tuning.test_tuner import shop, tuned; "
        "tuned(shop(300, 2)).report().page(); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_without_matplotlib_there_are_tables_and_what_to_install(
    tuner: PolicyTuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'fraudkit\[report\]'"):
        tuner.report().page()
    fragment = tuner._repr_html_()
    assert "pip install &#x27;fraudkit[report]&#x27;" in fragment
    assert "<svg" not in fragment
    for title in TITLES:
        assert escape(title) in fragment


def test_what_must_be_known_first_comes_first() -> None:
    few = tuned(shop(300, 2))
    page = few.report().page()
    assert page.index("Know this first") < page.index('<dl class="cards">')
    for said in ("The days were not drawn again", "frauds were tuned on", "days tuned on"):
        assert said in page
    orders = shop(3_000, 2)
    orders["y"][:1_600] = np.nan
    known_first = report_sections(tuned(orders).report())[0]
    assert "Warning: only 46.7% of the orders have a known outcome" in known_first.sentences[-1]


def test_redrawn_tunings_without_a_way_are_counted(report: TuningReport) -> None:
    fewer = replace(report, n_drawn=4)
    assert "2 of 6 redrawn tunings" in fewer.text()
    assert "Know this first" not in report.text()


@pytest.mark.parametrize(
    "options",
    [
        {"form": "cut_offs", "segments": ()},
        {"form": "cut_offs"},
        {"policy": Policy(odds_factor=2.0), "segments": (), "n_resamples": 0},
        {"policy": Policy(costs=Costs(currency="JPY", margin_share=0.0)), "segments": ()},
    ],
)
def test_any_form_and_currency_is_drawn(options: dict[str, Any]) -> None:
    report = full_tuner(**options).report()
    page = report.page()
    assert Elements(page).open == []
    assert page.count("<svg") == len(plots_of(report))


def test_one_day_of_one_amount_is_drawn() -> None:
    orders = shop(200, 2) | {"amount_minor": np.full(200, 500.0)}
    orders["event_time"] = np.sort(orders["event_time"] % 80_000_000)
    assert Elements(tuned(orders, n_resamples=3).report().page()).open == []


def test_an_unfitted_tuner_says_so() -> None:
    with pytest.raises(InputError, match="call fit first"):
        PolicyTuner().report()
    assert "not fitted" in PolicyTuner()._repr_html_()
