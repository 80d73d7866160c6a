"""The training report: what a model was made from and how it did, as data that can be shown.

A report is plain data, so it can be made at training time and again from what was stored. It
shows itself as text, in a notebook, and as one self-contained HTML page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from fraudkit.scoring.measures.curves import Curves
from fraudkit.scoring.metrics import ScoreMetrics

__all__ = [
    "CalibrationChoice",
    "Censoring",
    "LabelMaturity",
    "SettingsSearch",
    "TrainingReport",
    "write_report",
]


class LabelMaturity(Struct, frozen=True, kw_only=True):
    """How labels came in.

    Attributes
    ----------
    age_days : tuple of float
        Ascending ages of an order, in days.
    arrived_share : tuple of float
        Of the frauds that were known in the end, the share reported by that age, in [0, 1]; as
        long as ``age_days``.
    day_ms : tuple of int
        Ascending first milliseconds of UTC days of the training window.
    mature_share : tuple of float
        Of the day's orders, the share with a label that was mature at the horizon, in [0, 1]; as
        long as ``day_ms``.
    """

    age_days: tuple[float, ...] = ()
    arrived_share: tuple[float, ...] = ()
    day_ms: tuple[int, ...] = ()
    mature_share: tuple[float, ...] = ()


class Censoring(Struct, frozen=True, kw_only=True):
    """Orders whose label can never be known, because they were declined.

    Attributes
    ----------
    day_ms : tuple of int
        Ascending first milliseconds of UTC days.
    n_orders, n_censored : tuple of int
        The day's orders, and those of them that were declined and have no label; as long as
        ``day_ms``.
    """

    day_ms: tuple[int, ...]
    n_orders: tuple[int, ...]
    n_censored: tuple[int, ...]


class SettingsSearch(Struct, frozen=True, kw_only=True):
    """How the settings were chosen.

    Attributes
    ----------
    chosen : dict[str, Any]
        The settings that were taken.
    rows : tuple of dict[str, Any]
        What was tried, in the order of trying: plain values by column name. All columns that
        any row has are shown. A row with a true ``chosen`` stands out.
    measured_by : str
        What the score is, in a few words: ``"average precision on three earlier folds"``.
    """

    chosen: dict[str, Any]
    rows: tuple[dict[str, Any], ...] = ()
    measured_by: str = ""


class CalibrationChoice(Struct, frozen=True, kw_only=True):
    """How the calibration was chosen.

    Attributes
    ----------
    chosen : str
        The method that was taken.
    held_back_log_loss : dict[str, float]
        Method → log loss on later orders than it was fitted to, natural logarithm, per order.
    raw_score, log_odds : tuple of float
        The knots of the curve, ascending, in log-odds.
    """

    chosen: str
    held_back_log_loss: dict[str, float] = {}
    raw_score: tuple[float, ...] = ()
    log_odds: tuple[float, ...] = ()


class TrainingReport(Struct, frozen=True, kw_only=True):
    """What a model was made from and how it did; what is not known is left out.

    Attributes
    ----------
    title : str
        What the report is about.
    metrics : ScoreMetrics
        On orders that the model never saw.
    measured_on : str
        What those orders are, in a sentence.
    trained_on : str
        What the history was, in a sentence or two.
    bundle : str
        The bundle's version.
    currency : str
        ISO 4217, of amounts and costs in minor units; empty where it is not known.
    train_from_ms, train_until_ms : int or None
        The training window: first order, and the horizon, which is not in it.
    test_from_ms, test_until_ms : int or None
        The first and the last order that was measured on.
    counts : dict[str, int]
        Numbers of orders, features, trees and the like, by the words to show them with.
    total_cost_minor : dict[str, float]
        Way of deciding → cost summed over ``n_cost_orders`` orders; negative is a gain.
    n_cost_orders : int
    curves : Curves or None
    maturity : LabelMaturity or None
    censoring : Censoring or None
    search : SettingsSearch or None
    calibration : CalibrationChoice or None
    feature_gain_shares : dict[str, float]
        Feature → its share of the gain of all splits, the strongest first; the first 30 are
        shown.
    warnings : tuple of str
        What the reader must know before believing the figures, as sentences.

    Examples
    --------
    >>> import numpy as np
    >>> from fraudkit.scoring.metrics import score_metrics
    >>> metrics = score_metrics(np.array([False, False, True]), np.array([0.1, 0.2, 0.2]))
    >>> print(TrainingReport(title="Three orders", metrics=metrics).text().splitlines()[0])
    Three orders
    """

    title: str
    metrics: ScoreMetrics
    measured_on: str = ""
    trained_on: str = ""
    bundle: str = ""
    currency: str = ""
    train_from_ms: int | None = None
    train_until_ms: int | None = None
    test_from_ms: int | None = None
    test_until_ms: int | None = None
    counts: dict[str, int] = {}
    total_cost_minor: dict[str, float] = {}
    n_cost_orders: int = 0
    curves: Curves | None = None
    maturity: LabelMaturity | None = None
    censoring: Censoring | None = None
    search: SettingsSearch | None = None
    calibration: CalibrationChoice | None = None
    feature_gain_shares: dict[str, float] = {}
    warnings: tuple[str, ...] = ()

    def text(self, width: int = 100) -> str:
        """Return the report as text, without plots, at most ``width`` characters wide."""
        from fraudkit.reporting.text import sections_text
        from fraudkit.scoring.reporting.sections import report_sections

        return sections_text(self.title, report_sections(self), width)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """Return the report's tables for a notebook."""
        from fraudkit.scoring.reporting.page import report_fragment

        return report_fragment(self)

    def page(self) -> str:
        """Return the report as one HTML page with plots: no script, nothing loaded.

        The same report and version of matplotlib give the same page.

        Raises
        ------
        InputError
            If matplotlib is not installed: ``pip install 'fraudkit[report]'``.
        """
        from fraudkit.scoring.reporting.page import report_page

        return report_page(self)


def write_report(path: Path, report: TrainingReport) -> None:
    """Write the report's page to a file.

    Raises
    ------
    InputError
        If the file cannot be written, or matplotlib is not installed.
    """
    from fraudkit.reporting.page import write_page

    write_page(path, report.page())
