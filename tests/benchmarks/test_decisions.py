"""The benchmark of decisions on orders drawn here: quick, and no figure of it is a promise."""

import numpy as np

from benchmarks.decisions_costs import compared
from benchmarks.decisions_loosening import loosening_coverage
from benchmarks.decisions_orders import SIMULATOR, Scored


def drawn(n_orders: int, seed: int) -> Scored:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.2, 4.0, n_orders)
    return Scored(
        p,
        rng.random(n_orders) < p,
        np.exp(rng.normal(8.5, 0.8, n_orders)).round(),
        np.sort(rng.integers(0, 30 * 86_400_000, n_orders)),
        {"payment.method": rng.choice(["card", "wallet"], n_orders).tolist()},
    )


def test_ours_costs_less_than_one_cut_and_keeps_the_capacity() -> None:
    found = compared(SIMULATOR, drawn(4_000, 1), drawn(4_000, 2), seed=0)
    assert found.capacity_days_exceeded == 0
    for ratio, low, high in (found.over_tuned, found.over_best_single, found.over_approve_all):
        assert 0.0 < low <= ratio <= high
    assert found.over_tuned[0] < 1.0
    assert found.over_approve_all[0] < 1.0
    # The best cut found on the orders themselves is no worse than one found on others.
    assert found.over_tuned[0] <= found.over_best_single[0]


def test_bounds_always_hold_the_truth_of_a_loosened_policy() -> None:
    found = loosening_coverage(SIMULATOR, drawn(3_000, 3), seed=0)
    assert found.bounds == 1.0
    assert found.n_intervals > 50
    assert found.interval >= 0.85
