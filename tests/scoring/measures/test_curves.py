from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from fraudkit.scoring.measures.curves import score_curves
from tests.scoring.labelled import Labelled, labelled, spread_over_days


@given(labels=labelled())
def test_a_short_curve_is_scikit_learns(labels: Labelled) -> None:
    curves = score_curves(*labels)
    false_positive_rate, recall, _cuts = roc_curve(*labels, drop_intermediate=False)
    assert curves.false_positive_rate == pytest.approx(false_positive_rate[1:])
    assert curves.recall == pytest.approx(recall[1:])
    precision, _recall, _cuts = precision_recall_curve(*labels)
    assert curves.precision == pytest.approx(precision[:-1][::-1])


@given(seed=st.integers(0, 2**16), n_orders=st.integers(301, 5_000))
def test_a_long_curve_is_a_part_of_the_whole_with_both_its_ends(seed: int, n_orders: int) -> None:
    is_fraud, probability, _time_ms = spread_over_days(n_orders, 3, seed)
    curves = score_curves(is_fraud, probability)
    false_positive_rate, recall, _cuts = roc_curve(is_fraud, probability, drop_intermediate=False)
    whole = set(zip(false_positive_rate.tolist(), recall.tolist(), strict=True))
    points = list(zip(curves.false_positive_rate, curves.recall, strict=True))
    assert len(points) <= 300
    assert set(points) <= whole
    assert points[0] == (false_positive_rate[1], recall[1])
    assert points[-1] == (1.0, 1.0)
    one_fraud = 1 / curves.n_frauds
    assert max(np.diff(curves.recall)) <= one_fraud + 1 / 148 + 1e-12


@given(labels=labelled())
def test_the_histogram_holds_every_order(labels: Labelled) -> None:
    curves = score_curves(*labels)
    assert sum(curves.fraud_shares) == pytest.approx(1.0)
    assert sum(curves.honest_shares) == pytest.approx(1.0)
    assert len(curves.log_odds_edges) == len(curves.fraud_shares) + 1


@given(labels=labelled(), seed=st.integers(0, 2**16))
def test_an_order_of_weight_2_is_an_order_that_came_twice(labels: Labelled, seed: int) -> None:
    is_fraud, score = labels
    times = np.random.default_rng(seed).integers(1, 4, len(score))
    weighted = score_curves(is_fraud, score, times.astype(np.float64))
    repeated = score_curves(np.repeat(is_fraud, times), np.repeat(score, times))
    assert weighted.false_positive_rate == repeated.false_positive_rate
    assert weighted.recall == repeated.recall
    assert weighted.precision == repeated.precision
