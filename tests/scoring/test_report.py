from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import InputError
from fraudkit.scoring.metrics import score_metrics
from fraudkit.scoring.report import (
    CalibrationChoice,
    Censoring,
    LabelMaturity,
    SettingsSearch,
    TrainingReport,
    write_report,
)
from fraudkit.scoring.reporting.plots import PLOTS, plot_svg
from fraudkit.scoring.reporting.sections import report_sections
from tests.architecture.files import ROOT
from tests.reporting.elements import Elements, check_page_needs_nothing_else
from tests.scoring.reports import full_report

HOSTILE = "<script>alert('1')</script>"


@pytest.fixture(scope="module")
def report() -> TrainingReport:
    return full_report()


@pytest.fixture(scope="module")
def page(report: TrainingReport) -> str:
    return report.page()


def test_every_section_is_in_the_text_the_notebook_and_the_page(
    report: TrainingReport, page: str
) -> None:
    text, fragment = report.text(), report._repr_html_()
    titles = [section.title for section in report_sections(report)]
    assert len(titles) == len(set(titles)) == 9
    for title in titles:
        assert title in text
        assert title in fragment
        assert title in page


def test_every_figure_is_in_each_form_with_its_interval(report: TrainingReport, page: str) -> None:
    auc = report.metrics.by_count.auc
    shown = f"{auc.value:.4f} [{auc.low:.4f}, {auc.high:.4f}]"
    for form in (report.text(140), report._repr_html_(), page):
        assert shown in form
        for words in ("Card Precision@10", "fraud basis points", "mean cost per order", "log loss"):
            assert words in form


@pytest.mark.parametrize("width", [60, 100, 140])
def test_text_keeps_to_its_width(report: TrainingReport, width: int) -> None:
    assert max(len(line) for line in report.text(width).splitlines()) <= width


@pytest.mark.parametrize("width", [80, 100, 140])
def test_text_leaves_out_no_word_of_any_table(report: TrainingReport, width: int) -> None:
    text = report.text(width)
    for section in report_sections(report):
        words = {word for t in section.tables for row in t.rows for c in row for word in c.split()}
        assert {word for word in words if word not in text} == set()


def test_a_report_of_metrics_alone_shows_itself() -> None:
    metrics = score_metrics(np.array([True, False, False]), np.array([0.8, 0.2, 0.3]))
    report = TrainingReport(title="Three orders", metrics=metrics)
    assert [section.title for section in report_sections(report)] == [
        "What it is",
        "How well it tells fraud",
        "Whether the probability means what it says",
    ]
    assert "event times were not given" in report.text()
    assert Elements(report.page()).open == []
    assert str(report) == report.text()


def test_a_report_is_written_and_read_again(report: TrainingReport) -> None:
    stored = msgspec.json.encode(report)
    assert msgspec.json.decode(stored, type=TrainingReport) == report
    assert msgspec.json.decode(stored, type=TrainingReport).page() == report.page()


def test_the_page_needs_nothing_else_and_runs_nothing(page: str) -> None:
    check_page_needs_nothing_else(page)


def test_each_plot_is_described_and_takes_the_pages_colours(report: TrainingReport) -> None:
    for name in PLOTS:
        svg = ET.fromstring(plot_svg(report, name))  # noqa: S314 - our own
        assert svg.attrib["role"] == "img"
        assert svg.attrib["aria-label"] == PLOTS[name].description
        text = plot_svg(report, name)
        assert "var(--ink)" in text
        assert "var(--accent)" in text or "var(--fraud)" in text
        assert "#0" not in text


def test_every_plot_is_on_the_page_with_a_caption(page: str) -> None:
    assert page.count("<svg") == page.count("<figcaption>") == len(PLOTS) == 7


def hostile_report(text: str) -> TrainingReport:
    return full_report(
        title=text,
        measured_on=text,
        trained_on=text,
        bundle=text,
        currency=text,
        counts={text: 1},
        total_cost_minor={text: 1.0},
        search=SettingsSearch(
            chosen={text: text}, rows=({text: text, "chosen": True},), measured_by=text
        ),
        calibration=CalibrationChoice(
            chosen=text, held_back_log_loss={text: 0.1}, raw_score=(0.0, 1.0), log_odds=(0.0, 1.0)
        ),
        feature_gain_shares={text: 1.0},
        warnings=(text,),
    )


def test_a_column_that_is_named_like_a_script_does_not_run() -> None:
    hostile = hostile_report(HOSTILE)
    for form in (hostile.page(), hostile._repr_html_()):
        elements = Elements(form)
        assert "script" not in {name for name, _attributes in elements.found}
        assert elements.open == []
        assert "".join(elements.words).count(HOSTILE) >= 10
    assert HOSTILE in hostile.text(200)


@given(text=st.text(min_size=1, max_size=20))
def test_any_text_leaves_the_markup_as_it_is(text: str) -> None:
    plain = hostile_report("plain")._repr_html_()
    elements = Elements(hostile_report(f"{text}[bold]&lt;\"'")._repr_html_())
    assert elements.open == []
    assert elements.found == Elements(plain).found
    assert "[bold]" in hostile_report(f"{text}[bold]").text(200)


def test_the_same_report_is_the_same_page_whatever_matplotlib_was_set_to(
    report: TrainingReport, page: str
) -> None:
    assert report.page() == page
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 30, "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        assert report.page() == page
        assert dict(mpl.rcParams) == before


def test_a_page_is_made_without_pyplot() -> None:
    program = (
        "import sys; from tests.scoring.reports import full_report; full_report().page(); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_without_matplotlib_the_page_says_what_to_install(
    report: TrainingReport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_svg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'fraudkit\[report\]'"):
        report.page()
    with pytest.raises(InputError, match="matplotlib"):
        write_report(tmp_path / "report.html", report)
    assert not (tmp_path / "report.html").exists()
    assert "AUC" in report.text()
    assert "AUC" in report._repr_html_()


def test_a_page_is_written_to_a_file(report: TrainingReport, page: str, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report)
    assert (tmp_path / "report.html").read_text("utf-8") == page
    with pytest.raises(InputError, match="must be a file in a folder that can be written to"):
        write_report(tmp_path / "absent" / "report.html", report)


def test_the_row_that_was_chosen_stands_out(report: TrainingReport, page: str) -> None:
    assert page.count('<tr class="marked">') == 2
    assert "30000 *" in report.text()


def test_the_strongest_features_come_first_and_have_bars(report: TrainingReport) -> None:
    (section,) = [s for s in report_sections(report) if s.title == "What it looks at"]
    (table,) = section.tables
    assert table.rows[0] == ("amount", "34.00%")
    assert table.bars == pytest.approx((1.0, 0.21 / 0.34, 0.1 / 0.34))


@pytest.mark.parametrize(
    "changed",
    [
        {"maturity": LabelMaturity(age_days=(0.0, 4.0), arrived_share=(0.0, 1.0))},
        {"maturity": LabelMaturity(day_ms=(0, 86_400_000), mature_share=(1.0, 0.0))},
        {"maturity": LabelMaturity(), "censoring": None},
        {"censoring": Censoring(day_ms=(0,), n_orders=(0,), n_censored=(0,))},
        {"search": SettingsSearch(chosen={"n_trees": 10})},
        {"calibration": CalibrationChoice(chosen="none")},
        {"curves": None, "warnings": ()},
    ],
)
def test_a_part_that_is_half_known_is_half_shown(changed: dict[str, Any]) -> None:
    report = full_report(**changed)
    assert Elements(report.page()).open == []
    assert report.text()
