"""A training report as HTML: tables for a notebook, and one page with plots."""

from __future__ import annotations

from collections.abc import Iterator

from fraudkit.reporting.page import Card, Figure, page_of, sections_fragment
from fraudkit.scoring.report import TrainingReport
from fraudkit.scoring.reporting.plots import PLOTS, plot_svg
from fraudkit.scoring.reporting.sections import report_sections

__all__ = ["report_fragment", "report_page"]


def report_page(report: TrainingReport) -> str:
    """Return the whole page, see `fraudkit.scoring.report.TrainingReport.page`."""
    return page_of(
        report.title,
        report_sections(report),
        draw=lambda name: Figure(plot_svg(report, name), PLOTS[name].description),
        cards=_cards(report),
    )


def report_fragment(report: TrainingReport) -> str:
    """Return the sentences and tables of a report, for a notebook."""
    return sections_fragment(report.title, report_sections(report))


def _cards(report: TrainingReport) -> Iterator[Card]:
    """Yield the figures that are read first."""
    found = report.metrics.by_count
    cards = {
        "AUC": found.auc,
        "average precision": found.average_precision,
        "recall at 1% false positives": found.recall_at_false_positive_rate["0.01"],
        "calibration slope": found.calibration_slope,
    }
    cards |= {f"Card Precision@{k}": held for k, held in report.metrics.card_precision.items()}
    for words, held in cards.items():
        if held is not None:
            interval = "" if held.low is None else f"{held.low:.3f} to {held.high:.3f}"
            yield Card(words, f"{held.value:.3f}", interval)
