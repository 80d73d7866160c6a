from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fraudkit.scoring.measures.intervals import DAY_MS, draw_days, estimate
from fraudkit.scoring.metrics import score_metrics
from tests.scoring.labelled import spread_over_days


def redrawn_rows(place: NDArray[np.int32], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows of a redrawing: each as often as its day was drawn."""
    return np.repeat(np.arange(len(place)), times[place].astype(int))


def test_each_figure_of_a_redrawing_is_that_of_its_rows() -> None:
    is_fraud, probability, time_ms = spread_over_days(400, 9, seed=4)
    amount = np.random.default_rng(0).integers(0, 900, 400)
    days = draw_days(time_ms, 400, resamples=40, seed=8)
    found = score_metrics(
        is_fraud, probability, event_time_ms=time_ms, amount_minor=amount, resamples=40, seed=8
    )
    rows = [redrawn_rows(days.place, times) for times in days.multiplicity[1:]]
    alone = [score_metrics(is_fraud[r], probability[r], amount_minor=amount[r]) for r in rows]
    for weighting in ("by_count", "by_amount"):
        for name in ("auc", "average_precision", "brier_score", "log_loss"):
            values = [getattr(getattr(metrics, weighting), name).value for metrics in alone]
            held = getattr(getattr(found, weighting), name)
            expected = np.quantile(values, [0.025, 0.975])
            assert [held.low, held.high] == pytest.approx(expected, rel=1e-12)
        recalls = [getattr(metrics, weighting).recall_at_false_positive_rate for metrics in alone]
        for rate, held in getattr(found, weighting).recall_at_false_positive_rate.items():
            expected = np.quantile([recall[rate].value for recall in recalls], [0.025, 0.975])
            assert [held.low, held.high] == pytest.approx(expected, rel=1e-12)


def test_slope_and_intercept_of_a_redrawing_are_nearly_those_of_its_own_fit() -> None:
    is_fraud, probability, time_ms = spread_over_days(6_000, 30, seed=6)
    found = score_metrics(is_fraud, probability, event_time_ms=time_ms).by_count
    days = draw_days(time_ms, 6_000, resamples=200, seed=0)
    alone = [
        score_metrics(is_fraud[rows], probability[rows]).by_count
        for rows in (redrawn_rows(days.place, times) for times in days.multiplicity[1:])
    ]
    for name in ("calibration_slope", "calibration_intercept"):
        held = getattr(found, name)
        low, high = np.quantile([getattr(one, name).value for one in alone], [0.025, 0.975])
        width = high - low
        assert held.low == pytest.approx(low, abs=0.1 * width)
        assert held.high == pytest.approx(high, abs=0.1 * width)


def test_an_interval_holds_the_true_value_about_as_often_as_it_says() -> None:
    n_days, by_day = 30, 25
    trials = 150
    generator = np.random.default_rng(17)
    truth = _auc_of_the_process(np.random.default_rng(18), 4_000, by_day)
    held = 0
    for seed in range(trials):
        is_fraud, probability = _orders_of_days(generator, n_days, by_day)
        time_ms = np.repeat(np.arange(n_days), by_day) * DAY_MS
        found = score_metrics(is_fraud, probability, event_time_ms=time_ms, seed=seed).by_count.auc
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.88 <= held / trials <= 0.99


def _orders_of_days(
    generator: np.random.Generator, n_days: int, by_day: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return orders whose frauds are easier to tell on some days than on others."""
    is_fraud = generator.random((n_days, by_day)) < 0.2
    shift = generator.uniform(0.2, 2.2, (n_days, 1))
    score = generator.normal(size=(n_days, by_day)) + shift * is_fraud
    return is_fraud.ravel(), (1 / (1 + np.exp(-score))).ravel()


def _auc_of_the_process(generator: np.random.Generator, n_days: int, by_day: int) -> float:
    return float(roc_auc_score(*_orders_of_days(generator, n_days, by_day)))


def test_days_are_utc_days_with_an_order() -> None:
    time_ms = np.array([0, DAY_MS - 1, DAY_MS, 5 * DAY_MS, 5 * DAY_MS + 7, -1])
    assert draw_days(time_ms, 6, 0, 0).place.tolist() == [1, 1, 2, 3, 3, 0]


def test_totals_are_those_of_the_redrawn_rows() -> None:
    rng = np.random.default_rng(2)
    time_ms = rng.integers(0, 8 * DAY_MS, 200)
    values = rng.integers(0, 1_000, (3, 200)).astype(np.float64)
    days = draw_days(time_ms, 200, resamples=20, seed=1)
    totals = days.totals(*values)
    assert totals[:, 0].tolist() == values.sum(axis=1).tolist()
    for sample, times in enumerate(days.multiplicity):
        rows = redrawn_rows(days.place, times)
        assert totals[:, sample].tolist() == values[:, rows].sum(axis=1).tolist()


def test_a_figure_that_often_has_no_value_has_no_interval() -> None:
    figures = np.ones(101)
    figures[1:7] = np.nan
    assert estimate(figures).low is None
    figures[1:3] = 1.0
    assert estimate(figures).low == 1.0
