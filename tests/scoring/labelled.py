"""Labels and scores drawn for tests, with many ties."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

__all__ = ["DAY_MS", "Labelled", "labelled", "many_honest", "spread_over_days"]

Labelled = tuple[NDArray[np.bool_], NDArray[np.float64]]

DAY_MS = 86_400_000


@st.composite
def labelled(draw: st.DrawFn) -> Labelled:
    """Draw labels of both kinds, and probabilities with many ties."""
    probabilities = st.one_of(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.floats(1e-9, 1 - 1e-9))
    rows = draw(st.lists(st.tuples(st.booleans(), probabilities), max_size=60))
    rows += [(False, draw(probabilities)), (True, draw(probabilities))]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@st.composite
def many_honest(draw: st.DrawFn) -> Labelled:
    """Draw enough honest orders for the small false-positive rates to mean something."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    is_fraud = rng.random(draw(st.sampled_from([150, 1100, 2100]))) < 0.05
    is_fraud[:2] = True, False
    score = rng.random(len(is_fraud)) * 0.7 + 0.3 * is_fraud
    return is_fraud, score.round(draw(st.sampled_from([1, 2, 6])))


def spread_over_days(
    n_orders: int, n_days: int, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
    """Return labels, probabilities and times of orders whose days differ in how they are."""
    rng = np.random.default_rng(seed)
    day = rng.integers(0, n_days, n_orders)
    day[:n_days] = np.arange(n_days)
    is_fraud = rng.random(n_orders) < rng.uniform(0.02, 0.3, n_days)[day]
    is_fraud[:2] = True, False
    log_odds = rng.normal(-2.0, 1.0, n_orders) + is_fraud * rng.uniform(0.5, 2.5, n_days)[day]
    return is_fraud, 1 / (1 + np.exp(-log_odds)), day * DAY_MS + rng.integers(0, DAY_MS, n_orders)
