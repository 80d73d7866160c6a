"""How the commands show metrics: the tables of a report, on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from fraudkit import console

if TYPE_CHECKING:
    from fraudkit.backtest import Backtest
    from fraudkit.comparison import Comparison
    from fraudkit.evaluation import RealisedCost
    from fraudkit.scoring.metrics import ScoreMetrics

__all__ = [
    "print_backtest",
    "print_calibration",
    "print_comparison",
    "print_cost",
    "print_metrics",
]


def print_metrics(metrics: ScoreMetrics, title: str, currency: str = "") -> None:
    """Print each figure with its interval and what it is over."""
    from fraudkit.reporting.text import rich_table
    from fraudkit.scoring.reporting.sections import metrics_table

    content = metrics_table(metrics, title, currency)
    console.out.print(rich_table(content, console.out.width))
    for note in metrics.notes:
        console.out.print(note, highlight=False, markup=False)


def print_calibration(metrics: ScoreMetrics) -> None:
    """Print the bins of the reliability table."""
    from fraudkit.reporting.text import rich_table
    from fraudkit.scoring.reporting.sections import reliability_content

    content = reliability_content(metrics.by_count)
    console.out.print(rich_table(content, console.out.width))


def print_comparison(comparison: Comparison) -> None:
    """Print two files of scores side by side, and what they are compared over."""
    from fraudkit.reporting.text import rich_table

    console.out.print(comparison.measured_on, highlight=False, markup=False)
    for content in comparison.tables():
        console.out.print(rich_table(content, console.out.width))
    for note in comparison.notes:
        console.out.print(note, highlight=False, markup=False)


def print_backtest(found: Backtest) -> None:
    """Print which orders move, what that is worth, who is affected and what is not known."""
    text = found.text(console.out.width)
    console.out.print(text, highlight=False, markup=False, soft_wrap=True)


def print_cost(cost: RealisedCost) -> None:
    """Print what three ways of deciding would have cost."""
    title = f"Realised cost over {cost.n_orders:,} orders; negative is a gain"
    table = Table("decided by", f"minor units of {cost.currency}", "per order", title=title)
    for name, total in (
        ("the policy", cost.policy_minor),
        ("approving all", cost.approve_all_minor),
        ("declining all", cost.decline_all_minor),
    ):
        table.add_row(name, f"{total:,.0f}", f"{total / max(cost.n_orders, 1):,.1f}")
    console.out.print(table)
