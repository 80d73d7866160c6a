"""``python -m benchmarks.decisions``: what policies cost, whether estimates hold, and how fast.

Costs are stated in `benchmarks.decisions_orders`. They are counted beyond hindsight: what an
action cost, less what approving an honest order and declining a fraud would have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Final

import numpy as np
import polars as pl
from rich.table import Table

from benchmarks.decisions_costs import Compared, compared
from benchmarks.decisions_loosening import loosening_coverage
from benchmarks.decisions_orders import (
    SIMULATOR,
    UCSD,
    Scored,
    policy_of,
    simulated_orders,
    ucsd_orders,
)
from benchmarks.harness import Report, context, options, print_report
from fraudkit.backtest import backtest
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.simulate import simulate

__all__ = ["main", "measure"]

CAVEATS: Final = (
    "The costs are made up; with others the ratios are others.",
    "Ours may challenge and review, one threshold only declines: two_actions is ours without.",
    "The simulated shop is ours. UCSD rows 60,000 to 79,999 are 20 days, 537 frauds.",
    "Coverage: days of one simulated shop drawn again, of the runs with enough explored orders.",
    "An interval is about days like these: it should hold what is expected of them.",
)
PACKAGES: Final = ("fraudkit", "scikit-learn", "numpy", "polars")
_SIMULATED: Final = 60_000
_DECIDED: Final = 20_000
_BACKTESTED: Final = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line."""
    parser = options("What policies cost, whether estimates hold, and how fast.")
    parser.set_defaults(seed=0)
    given = parser.parse_args(arguments)
    folder = os.environ.get("FRAUDKIT_DATA")
    if folder is None:
        sys.stderr.write("FRAUDKIT_DATA is not set: the UCSD orders are left out\n")
    report = measure(None if folder is None else Path(folder), given.seed)
    print_report(report, [_table(report)], CAVEATS, as_json=given.json)
    return 0


def measure(folder: Path | None, seed: int) -> Report:
    """Return all figures; those of the UCSD orders if their folder is given."""
    figures: dict[str, float] = {}
    days_exceeded = 0
    if folder is not None:
        real = ucsd_orders(folder, seed)
        found = compared(UCSD, *_halves(real), seed)
        figures |= _figures("ucsd", found)
        days_exceeded += found.capacity_days_exceeded
    simulated = simulated_orders(_SIMULATED, seed)
    found = compared(SIMULATOR, *_halves(simulated), seed)
    figures |= _figures("simulator", found)
    figures["capacity_days_exceeded"] = days_exceeded + found.capacity_days_exceeded
    coverage = loosening_coverage(SIMULATOR, simulated, seed)
    figures["loosening_coverage_90"] = coverage.interval
    figures["loosening_intervals"] = coverage.n_intervals
    figures["bounds_coverage"] = coverage.bounds
    figures |= _decide_us(seed)
    figures["backtest_1m_s"] = _backtest_s(seed)
    return Report(
        benchmark="decisions",
        figures=figures,
        context=context(n=len(simulated.probability), seed=seed, packages=PACKAGES),
    )


def _halves(orders: Scored) -> tuple[Scored, Scored]:
    middle = len(orders.probability) // 2
    return orders.part(slice(0, middle)), orders.part(slice(middle, None))


def _figures(name: str, found: Compared) -> dict[str, float]:
    figures: dict[str, float] = {}
    for other, held in (
        ("tuned_threshold", found.over_tuned),
        ("best_single", found.over_best_single),
        ("approve_all", found.over_approve_all),
    ):
        key = f"{name}_cost_over_{other}"
        figures |= {key: held[0], f"{key}_low": held[1], f"{key}_high": held[2]}
    figures[f"{name}_two_actions_cost_over_tuned_threshold"] = found.two_actions_over_tuned[0]
    return figures


def _decide_us(seed: int) -> dict[str, float]:
    """Return how long one decision takes, with a capacity and thresholds in the answer."""
    decider = Decider(policy_of(SIMULATOR))
    orders = simulate(_DECIDED, seed).transactions
    probability = np.random.default_rng(seed).beta(0.2, 5.0, len(orders)).tolist()
    taken = []
    for order, p in zip(orders, probability, strict=True):
        start = perf_counter_ns()
        decider.of(order, p, order.order.amount_minor)
        taken.append(perf_counter_ns() - start)
    percentiles = np.quantile(taken, [0.5, 0.9, 0.99, 0.999]) / 1000.0
    names = ("p50", "p90", "p99", "p99_9")
    return {
        f"decide_us_{name}": float(value) for name, value in zip(names, percentiles, strict=True)
    }


def _backtest_s(seed: int) -> float:
    """Return the seconds of a backtest of a million made-up orders, the better of two."""
    rng = np.random.default_rng(seed)
    n_orders = _BACKTESTED
    p = rng.beta(0.2, 6.0, n_orders)
    orders = pl.DataFrame({
        "transaction_id": [f"t{number}" for number in range(n_orders)],
        "event_time_ms": np.sort(rng.integers(0, 90 * 86_400_000, n_orders)),
        "fraud_probability": p,
        "amount_minor": np.exp(rng.normal(8.5, 1.0, n_orders)).round(),
        "is_fraud": rng.random(n_orders) < p,
        "billing.country": rng.choice(["DE", "FR", "SE", "NL"], n_orders),
        "payment.method": rng.choice(["card", "wallet"], n_orders),
    })  # fmt: skip
    seconds = []
    for _time in range(2):
        start = perf_counter()
        backtest(orders, Policy(), Policy(odds_factor=2.0))
        seconds.append(perf_counter() - start)
    return min(seconds)


def _table(report: Report) -> Table:
    table = Table("figure", "value", title="Decisions", title_justify="left")
    for name, value in report.figures.items():
        table.add_row(name, f"{value:,.3f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
