"""The tuning report: what a tuning found, as data that can be shown."""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning.coverage import LabelCoverage

__all__ = ["TuningReport"]


class TuningReport(Struct, frozen=True, kw_only=True, eq=False):
    """What a tuning found, see `fraudkit.decisions.tuning.PolicyTuner.report`.

    Attributes
    ----------
    policy : Policy
        The tuned one.
    n_orders, n_frauds : int
        Orders that were tuned on, and frauds among them.
    label_coverage : LabelCoverage
        Which orders have a known outcome, and why the others have none.
    n_resamples, n_drawn : int
        How often the days were drawn again, and how many of these tunings intervals rest on.
    confidence : float
        Of the intervals, in (0, 1).
    thresholds, rates, segments, stability, cost_curve, baselines : polars.DataFrame
    precision_recall, decision_regions, days : polars.DataFrame
        As the attributes of `PolicyTuner`.
    """

    policy: Policy
    n_orders: int
    n_frauds: int
    label_coverage: LabelCoverage
    n_resamples: int
    n_drawn: int
    confidence: float
    thresholds: pl.DataFrame
    rates: pl.DataFrame
    segments: pl.DataFrame
    stability: pl.DataFrame
    cost_curve: pl.DataFrame
    baselines: pl.DataFrame
    precision_recall: pl.DataFrame
    decision_regions: pl.DataFrame
    days: pl.DataFrame

    @property
    def title(self) -> str:
        """What the report is about."""
        return f"Tuned policy {self.policy.digest[:16]}"

    def text(self, width: int = 100) -> str:
        """Return the report as text, without plots, at most ``width`` characters wide."""
        from fraudkit.decisions.tuning.reporting.sections import report_sections
        from fraudkit.reporting.text import sections_text

        return sections_text(self.title, report_sections(self), width)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """Return the report for a notebook: tables, and plots where matplotlib is installed."""
        from fraudkit.decisions.tuning.reporting.page import report_fragment

        return report_fragment(self)

    def page(self) -> str:
        """Return the report as one HTML page with plots: no script, nothing loaded.

        The same report and version of matplotlib give the same page.

        Raises
        ------
        InputError
            If matplotlib is not installed: ``pip install 'fraudkit[report]'``.
        """
        from fraudkit.decisions.tuning.reporting.page import report_page

        return report_page(self)
