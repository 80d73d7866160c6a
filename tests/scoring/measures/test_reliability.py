from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from fraudkit.scoring.measures.intervals import draw_days
from fraudkit.scoring.measures.ranking import ranked
from fraudkit.scoring.measures.reliability import (
    calibration_line,
    clipped_log_odds,
    reliability_table,
)
from fraudkit.scoring.metrics import score_metrics
from tests.scoring.labelled import Labelled, labelled, spread_over_days


@given(labels=labelled())
def test_the_bins_hold_every_order_once(labels: Labelled) -> None:
    is_fraud, score = labels
    bins = score_metrics(*labels).by_count.reliability
    assert sum(held.n_orders for held in bins) == len(score)
    assert sum(held.n_frauds for held in bins) == is_fraud.sum()
    for held in bins:
        assert held.fraud_share.value == pytest.approx(held.n_frauds / held.n_orders)
    predicted = sum(held.mean_probability * held.n_orders for held in bins)
    assert predicted == pytest.approx(score.sum())


@given(labels=labelled())
def test_equal_probabilities_share_a_bin_and_bins_rise(labels: Labelled) -> None:
    is_fraud, score = labels
    weight, days = np.ones(len(score)), draw_days(None, len(score), 0, 0)
    bins = reliability_table(ranked(score), is_fraud, score, weight, days)
    ascending = np.sort(score)
    ends = np.cumsum([held.n_orders for held in bins])[:-1]
    assert all(ascending[ends - 1] < ascending[ends])
    parts = np.split(ascending, ends)
    assert [held.mean_probability for held in bins] == pytest.approx([p.mean() for p in parts])


@given(n_orders=st.integers(2, 300), seed=st.integers(0, 2**16))
def test_without_ties_bins_are_of_equally_many_orders(n_orders: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = rng.permutation(n_orders) / n_orders
    bins = score_metrics(np.arange(n_orders) < 1, score).by_count.reliability
    sizes = [held.n_orders for held in bins]
    assert len(sizes) == min(10, n_orders)
    assert max(sizes) - min(sizes) <= 1


@given(seed=st.integers(0, 2**16), slope=st.floats(0.3, 3.0), shift=st.floats(-2.0, 2.0))
def test_the_line_is_scikit_learns_logistic_regression(
    seed: int, slope: float, shift: float
) -> None:
    is_fraud, probability, _time_ms = spread_over_days(300, 3, seed)
    log_odds = slope * clipped_log_odds(probability) + shift
    weight = np.random.default_rng(seed).uniform(0.1, 9.0, 300)
    line = calibration_line(is_fraud, log_odds, weight, draw_days(None, 300, 0, 0))
    assert line is not None
    expected = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(
        log_odds[:, None], is_fraud, sample_weight=weight
    )
    assert line[0].value == pytest.approx(expected.intercept_[0], rel=1e-5, abs=1e-6)
    assert line[1].value == pytest.approx(expected.coef_[0, 0], rel=1e-5, abs=1e-6)


def test_a_probability_that_means_what_it_says_has_slope_1_and_intercept_0() -> None:
    rng = np.random.default_rng(3)
    probability = rng.beta(0.5, 6.0, 200_000)
    is_fraud = rng.random(200_000) < probability
    found = score_metrics(is_fraud, probability).by_count
    assert found.calibration_slope is not None
    assert found.calibration_intercept is not None
    assert found.calibration_slope.value == pytest.approx(1.0, abs=0.03)
    assert found.calibration_intercept.value == pytest.approx(0.0, abs=0.05)
    squared = 1 / (1 + np.exp(-2 * clipped_log_odds(probability)))
    too_sure = score_metrics(is_fraud, squared).by_count.calibration_slope
    assert too_sure is not None
    assert too_sure.value == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("is_fraud", "probability"),
    [
        ([True, False, True], [0.3, 0.3, 0.3]),
        ([False, False, True, True], [0.1, 0.2, 0.3, 0.4]),
        ([False, False, True, True], [0.1, 0.2, 0.2, 0.4]),
        ([True, True, False], [0.1, 0.2, 0.3]),
    ],
)
def test_where_no_line_fits_best_there_is_none(
    is_fraud: list[bool], probability: list[float]
) -> None:
    found = score_metrics(np.array(is_fraud), np.array(probability)).by_count
    assert found.calibration_slope is None
    assert found.calibration_intercept is None


@given(labels=labelled())
def test_there_is_a_line_just_where_no_cut_tells_all(labels: Labelled) -> None:
    is_fraud, score = labels
    cuts = np.append(np.unique(score), np.inf)
    above = np.array(
        [(score[is_fraud] >= cut).all() and (score[~is_fraud] <= cut).all() for cut in cuts]
    )
    below = np.array(
        [(score[is_fraud] <= cut).all() and (score[~is_fraud] >= cut).all() for cut in cuts]
    )
    line = calibration_line(
        is_fraud, clipped_log_odds(score), np.ones(len(score)), draw_days(None, len(score), 0, 0)
    )
    assert (line is None) == bool(above.any() or below.any())
