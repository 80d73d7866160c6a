"""What a training report says, as sections."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from fraudkit.reporting.sections import NOT_KNOWN, Section, TableContent
from fraudkit.scoring.measures.intervals import DAY_MS, Estimate
from fraudkit.scoring.measures.weighted_metrics import WeightedMetrics
from fraudkit.scoring.metrics import ScoreMetrics
from fraudkit.scoring.report import TrainingReport

__all__ = ["estimate_text", "metrics_table", "reliability_content", "report_sections"]

_FEATURES_MAX: Final = 30
_AGES_DAYS: Final = (1, 7, 14, 30, 60, 90)


def report_sections(report: TrainingReport) -> tuple[Section, ...]:
    """Return the sections of a report that have something to say, in order."""
    found = (
        _warnings(report),
        _origin(report),
        Section(
            "How well it tells fraud",
            (report.measured_on, *report.metrics.notes),
            (metrics_table(report.metrics, "Figures", report.currency),),
            ("ranking", "scores") if report.curves is not None else (),
        ),
        Section(
            "Whether the probability means what it says",
            ("The mean probability of a bin should lie in the interval of its fraud share.",),
            (reliability_content(report.metrics.by_count),),
            ("reliability",),
        ),
        _costs(report),
        _labels(report),
        _search(report),
        _calibration(report),
        _features(report),
    )
    return tuple(section for section in found if section is not None)


def metrics_table(metrics: ScoreMetrics, caption: str, currency: str = "") -> TableContent:
    """Return every figure with its interval and what it is over, by count and by amount."""
    count, amount = metrics.by_count, metrics.by_amount
    honest = count.n_orders - count.n_frauds
    pairs, frauds = f"{count.n_frauds:,} x {honest:,} pairs", f"{count.n_frauds:,} frauds"
    orders, stopped = f"{count.n_orders:,} orders", f"{honest:,} honest"
    rows = [
        _row("AUC", "auc", count, amount, pairs),
        _row("average precision", "average_precision", count, amount, frauds),
        *(
            (
                f"recall at {float(rate):.1%} false positives",
                estimate_text(recall),
                estimate_text(
                    None if amount is None else amount.recall_at_false_positive_rate[rate]
                ),
                f"{frauds}; {stopped}",
            )
            for rate, recall in count.recall_at_false_positive_rate.items()
        ),
        *(
            (
                f"Card Precision@{k}",
                estimate_text(held),
                NOT_KNOWN,
                f"{k} customers a day, mean of days",
            )
            for k, held in metrics.card_precision.items()
        ),
        _row("Brier score", "brier_score", count, amount, orders, digits=5),
        _row("log loss", "log_loss", count, amount, orders, digits=5),
        _row("calibration slope (ideal 1)", "calibration_slope", count, amount, orders),
        _row("calibration intercept (ideal 0)", "calibration_intercept", count, amount, orders),
    ]
    if count.fraud_basis_points is not None:
        rows.append(
            _row("fraud basis points", "fraud_basis_points", count, amount, "approved", digits=1)
        )
    if metrics.mean_cost_minor is not None:
        cost = estimate_text(metrics.mean_cost_minor, digits=1)
        over = f"{metrics.n_orders_with_cost:,} orders; minor units {currency}".rstrip()
        rows.append(("mean cost per order", cost, NOT_KNOWN, over))
    columns = ("figure", "by count", "by amount", "over")
    return TableContent(caption, columns, tuple(rows), whole=frozenset({1, 2}))


def _row(
    words: str,
    name: str,
    count: WeightedMetrics,
    amount: WeightedMetrics | None,
    over: str,
    digits: int = 4,
) -> tuple[str, str, str, str]:
    by_amount = None if amount is None else getattr(amount, name)
    return (
        words,
        estimate_text(getattr(count, name), digits),
        estimate_text(by_amount, digits),
        over,
    )


def estimate_text(found: Estimate | None, digits: int = 4) -> str:
    """Return a figure and, where there is one, its interval; `NOT_KNOWN` for none.

    Examples
    --------
    >>> estimate_text(Estimate(0.5, 0.25, 0.75), digits=2)
    '0.50 [0.25, 0.75]'
    """
    if found is None:
        return NOT_KNOWN
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def reliability_content(found: WeightedMetrics) -> TableContent:
    """Return the bins of a reliability table."""
    return TableContent(
        "Calibration, by tenths of the orders",
        ("orders", "frauds", "mean probability", "fraud share"),
        tuple(
            (
                f"{held.n_orders:,}",
                f"{held.n_frauds:,}",
                f"{held.mean_probability:.4f}",
                estimate_text(held.fraud_share),
            )
            for held in found.reliability
        ),
    )


def _warnings(report: TrainingReport) -> Section | None:
    if not report.warnings:
        return None
    return Section("Know this first", report.warnings, is_warning=True)


def _origin(report: TrainingReport) -> Section:
    """Return where the figures come from: windows and counts."""
    rows = [("bundle", report.bundle)] if report.bundle else []
    for words, first_ms, last_ms in (
        ("training window", report.train_from_ms, report.train_until_ms),
        ("measured on orders", report.test_from_ms, report.test_until_ms),
    ):
        if first_ms is not None and last_ms is not None:
            rows.append((words, f"{_moment(first_ms)} to {_moment(last_ms)} UTC"))
    rows += [(words, f"{count:,}") for words, count in report.counts.items()]
    metrics = report.metrics
    rows += [
        ("orders measured on", f"{metrics.n_orders:,}"),
        ("frauds among them", f"{metrics.n_frauds:,} ({metrics.n_frauds / metrics.n_orders:.2%})"),
    ]
    if metrics.n_days is not None:
        rows.append(("days with such orders", f"{metrics.n_days:,}"))
    sentences = (report.trained_on,) if report.trained_on else ()
    return Section("What it is", sentences, (TableContent("", ("", ""), tuple(rows)),))


def _costs(report: TrainingReport) -> Section | None:
    if not report.total_cost_minor:
        return None
    rows = tuple(
        (words, f"{total:,.0f}", f"{total / max(report.n_cost_orders, 1):,.1f}")
        for words, total in report.total_cost_minor.items()
    )
    title = f"Realised cost over {report.n_cost_orders:,} orders; negative is a gain"
    unit = f"minor units {report.currency}".rstrip()
    return Section("In money", (), (TableContent(title, ("decided by", unit, "per order"), rows),))


def _labels(report: TrainingReport) -> Section | None:
    """Return how mature the labels were and what can never be known."""
    maturity, censoring = report.maturity, report.censoring
    sentences, tables, plots = [], [], []
    if maturity is not None and maturity.age_days:
        rows = tuple(_arrivals(maturity.age_days, maturity.arrived_share))
        words = "Share of the frauds known in the end that had been reported by an age"
        tables.append(TableContent(words, ("days after the order", "reported"), rows))
        plots.append("arrival")
    if maturity is not None and maturity.day_ms:
        plots.append("maturity")
        whole = sum(share >= 1.0 for share in maturity.mature_share)
        sentences.append(
            f"{whole:,} of {len(maturity.day_ms):,} days of the training window have a mature "
            "label for every order."
        )
    if censoring is not None and censoring.day_ms:
        n_orders, n_censored = sum(censoring.n_orders), sum(censoring.n_censored)
        sentences.append(
            f"{n_censored:,} of {n_orders:,} orders ({n_censored / max(n_orders, 1):.2%}) were "
            "declined and have no label: the frauds among them are not seen."
        )
        plots.append("censoring")
    if not (sentences or tables):
        return None
    return Section("What the labels are worth", tuple(sentences), tuple(tables), tuple(plots))


def _arrivals(ages: tuple[float, ...], shares: tuple[float, ...]) -> Iterable[tuple[str, str]]:
    """Return the curve at a few ages, each where the curve has come to by then."""
    for age in _AGES_DAYS:
        reached = [share for at, share in zip(ages, shares, strict=True) if at <= age]
        if reached and ages[-1] >= age:
            yield f"{age}", f"{reached[-1]:.1%}"
    if ages[-1] not in _AGES_DAYS:
        yield f"{ages[-1]:g}", f"{shares[-1]:.1%}"


def _search(report: TrainingReport) -> Section | None:
    search = report.search
    if search is None:
        return None
    chosen = tuple((name, _plain(value)) for name, value in search.chosen.items())
    tables = [TableContent("Chosen", ("setting", "value"), chosen)]
    columns = tuple(dict.fromkeys(name for row in search.rows for name in row))
    if search.rows:
        rows = tuple(
            tuple(_plain(row[name]) if name in row else NOT_KNOWN for name in columns)
            for row in search.rows
        )
        marked = frozenset(
            place for place, row in enumerate(search.rows) if row.get("chosen") is True
        )
        tables.append(TableContent("Everything that was tried", columns, rows, marked))
    measured = (f"Measured by {search.measured_by}.",) if search.measured_by else ()
    return Section("How the settings were chosen", measured, tuple(tables))


def _calibration(report: TrainingReport) -> Section | None:
    choice = report.calibration
    if choice is None:
        return None
    rows = tuple((method, f"{loss:.6f}") for method, loss in choice.held_back_log_loss.items())
    marked = frozenset(
        place for place, method in enumerate(choice.held_back_log_loss) if method == choice.chosen
    )
    table = TableContent("Log loss on held-back orders", ("method", "log loss"), rows, marked)
    return Section(
        "How it was calibrated",
        (f"Chosen: {choice.chosen}, {len(choice.raw_score)} knots.",),
        (table,) if rows else (),
        ("calibration",) if choice.raw_score else (),
    )


def _features(report: TrainingReport) -> Section | None:
    shares = report.feature_gain_shares
    if not shares:
        return None
    strongest = sorted(shares.items(), key=lambda held: -held[1])[:_FEATURES_MAX]
    words = f"The {len(strongest)} strongest of {len(shares)}, by share of the gain of all splits"
    rows = tuple((name, f"{share:.2%}") for name, share in strongest)
    bars = tuple(share / (strongest[0][1] or 1.0) for _name, share in strongest)
    table = TableContent(words, ("feature", "share of gain"), rows, bars=bars)
    note = "Gain says what the trees used, not what causes fraud."
    return Section("What it looks at", (note,), (table,))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"


def _moment(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment:%Y-%m-%d}" if time_ms % DAY_MS == 0 else f"{moment:%Y-%m-%d %H:%M}"
