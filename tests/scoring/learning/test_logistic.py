import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from fraudkit.scoring.learning.logistic import logistic_regression


def drawn(
    seed: int, n_orders: int, shift: float = -1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(3.0, 5.0, n_orders), rng.gamma(2.0, 0.01, n_orders)])
    log_odds = 0.4 * (values[:, 0] - 3.0) + 60.0 * (values[:, 1] - 0.02) + shift
    is_fraud = rng.random(n_orders) < 1.0 / (1.0 + np.exp(-log_odds))
    is_fraud[:2] = [True, False]
    return values, is_fraud, rng.uniform(0.5, 20.0, n_orders)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**20), n_columns=st.integers(1, 2), shift=st.floats(-6.0, 1.0))
def test_it_is_scikit_learns_regression_without_penalty(
    seed: int, n_columns: int, shift: float
) -> None:
    values, is_fraud, weights = drawn(seed, 5_000, shift)
    values = values[:, :n_columns]
    slopes, intercept = logistic_regression(values, is_fraud, weights)
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=500)
    theirs.fit((values - values.mean(axis=0)) / values.std(axis=0), is_fraud, weights)
    expected = theirs.coef_[0] / values.std(axis=0)
    np.testing.assert_allclose(slopes, expected, rtol=1e-4, atol=1e-6)
    there = float((expected * values.mean(axis=0)).sum())
    assert intercept + there == pytest.approx(float(theirs.intercept_[0]), abs=1e-4)


def test_few_frauds_among_many_orders_do_not_stop_it_early() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(-8.0, 2.0, 200_000)
    is_fraud = rng.random(200_000) < 1.0 / (1.0 + np.exp(-(0.8 * scores - 0.5)))
    parts = np.column_stack([-np.logaddexp(0.0, -scores), np.logaddexp(0.0, scores)])
    slopes, intercept = logistic_regression(parts, is_fraud, np.ones(200_000))
    wrong = is_fraud - 1.0 / (1.0 + np.exp(-(intercept + parts @ slopes)))
    # Where the loss is least the errors say nothing of the columns.
    standard = np.column_stack([np.ones(200_000), (parts - parts.mean(0)) / parts.std(0)])
    assert np.abs(wrong @ standard / 200_000).max() < 1e-8


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    values, is_fraud, weights = drawn(1, 300_000)
    found = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads):
            slopes, intercept = logistic_regression(values, is_fraud, weights)
            found.append((slopes.tolist(), intercept))
    assert found[0] == found[1] == found[2]


def test_a_weight_of_2_is_an_order_twice() -> None:
    values, is_fraud, _ = drawn(2, 1_000)
    twice = np.arange(1_000) % 3 == 0
    slopes, intercept = logistic_regression(values, is_fraud, 1.0 + twice)
    places = np.concatenate([np.arange(1_000), np.flatnonzero(twice)])
    other, there = logistic_regression(values[places], is_fraud[places], np.ones(len(places)))
    np.testing.assert_allclose(slopes, other, rtol=1e-6)
    assert intercept == pytest.approx(there, rel=1e-6)


@pytest.mark.parametrize("spread", [1e-6, 1.0, 40.0])
def test_a_column_that_parts_frauds_without_fault_has_a_finite_slope(spread: float) -> None:
    values = np.linspace(-spread, spread, 100)[:, None]
    slopes, intercept = logistic_regression(values, values[:, 0] > 0, np.ones(100))
    assert np.isfinite([*slopes, intercept]).all()
    assert slopes[0] > 1.0 / spread


def test_columns_that_are_the_same_share_the_slope_and_a_constant_one_has_none() -> None:
    values, is_fraud, weights = drawn(3, 1_000)
    one = values[:, :1]
    alone, _ = logistic_regression(one, is_fraud, weights)
    slopes, _ = logistic_regression(
        np.hstack([one, one, np.full((1_000, 1), 7.0)]), is_fraud, weights
    )
    np.testing.assert_allclose(slopes, [alone[0] / 2, alone[0] / 2, 0.0], rtol=1e-5, atol=1e-12)
