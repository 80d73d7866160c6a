"""Calibrations: valid for whatever scores come, and chosen by what holds on orders apart."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fraudkit.errors import TrainingError
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.learning.calibration_fit import (
    Compared,
    compare_calibrations,
    fit_beta,
    fit_isotonic,
    fit_logistic,
    log_losses,
)

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]
FITS = {"logistic": fit_logistic, "beta": fit_beta, "isotonic": fit_isotonic}
METHODS = {"identity", *FITS}

score = (
    st.floats(-12.0, 12.0)
    | st.sampled_from([-8.0, -3.0, 0.0, 1e-7, 2.0])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-np.inf, np.inf])
)


@st.composite
def orders(draw: st.DrawFn) -> tuple[Scores, Labels, Scores]:
    """Return few or many scores with any ties, labels by rank with faults, and weights."""
    distinct = np.array(draw(st.lists(score, min_size=2, max_size=30)))
    n_orders = draw(st.sampled_from([2, 25, 60, 400, 1_000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    scores = rng.choice(distinct, n_orders)
    noise = draw(st.sampled_from([0.0, 0.3, 1.0, 5.0]))
    risk = np.argsort(np.argsort(scores)) / n_orders + noise * rng.normal(size=n_orders)
    is_fraud = risk > np.quantile(risk, draw(st.sampled_from([0.5, 0.9, 0.98])))
    weights = rng.choice([1.0, 1.0, draw(st.sampled_from([1.0, 2.5, 1e4]))], n_orders)
    return scores, is_fraud, weights


def compared(
    scores: Scores, is_fraud: Labels, weights: Scores | None = None, seed: int = 0
) -> Compared:
    """Return the comparison with times that say nothing."""
    times = np.random.default_rng(seed).permutation(len(scores)).astype(np.int64)
    return compare_calibrations(scores, is_fraud, times, weights)


def is_ranked_the_wrong_way_round(scores: Scores, is_fraud: Labels, weights: Scores) -> bool:
    """Return whether frauds have the lower mean score: then the best line falls, and only then."""
    scores = np.clip(scores, -40.0, 40.0).round(6)
    if not 20 <= is_fraud.sum() < len(is_fraud) or np.ptp(scores) == 0.0:
        return False
    means = [np.average(scores[of], weights=weights[of]) for of in (is_fraud, ~is_fraud)]
    return bool(means[0] <= means[1])


@settings(max_examples=150)
@given(drawn=orders())
def test_whatever_is_chosen_is_a_rising_curve_or_the_refusal_of_a_wrong_ranking(
    drawn: tuple[Scores, Labels, Scores],
) -> None:
    scores, is_fraud, weights = drawn
    if is_ranked_the_wrong_way_round(scores, is_fraud, weights):
        with pytest.raises(TrainingError, match="wrong way round"):
            compared(scores, is_fraud, weights)
        return
    found = compared(scores, is_fraud, weights)
    curve = found.chosen
    assert curve.method in METHODS
    assert all(low < high for low, high in pairwise(curve.raw_score))
    assert all(low <= high for low, high in pairwise(curve.log_odds))
    log_odds = curve.log_odds_of_many(np.clip(scores, -1e6, 1e6))
    assert np.isfinite(log_odds).all()
    assert set(found.held_back_log_loss) == set(found.standard_error)
    assert np.isfinite([*found.held_back_log_loss.values()]).all()


@settings(max_examples=150)
@given(drawn=orders(), method=st.sampled_from(sorted(FITS)))
def test_every_way_of_fitting_gives_a_curve_for_any_orders(
    drawn: tuple[Scores, Labels, Scores], method: str
) -> None:
    scores, is_fraud, weights = drawn
    scores = np.clip(scores, -40.0, 40.0).round(6)
    assume(0 < is_fraud.sum() < len(is_fraud) and np.ptp(scores) > 1e-9)
    curve = FITS[method](scores, is_fraud, weights)
    assert curve.method == method
    values = curve.log_odds_of_many(np.sort(scores))
    assert np.diff(values).min() >= -1e-9 * max(1.0, float(np.abs(values).max()))


@settings(max_examples=100)
@given(drawn=orders(), method=st.sampled_from(["logistic", "beta"]))
def test_no_line_or_beta_curve_beats_the_fitted_one_nearby(
    drawn: tuple[Scores, Labels, Scores], method: str
) -> None:
    scores, is_fraud, weights = drawn
    scores = np.clip(scores, -9.0, 9.0).round(6)
    assume(0 < is_fraud.sum() < len(is_fraud) and np.ptp(scores) > 0.1)
    curve = FITS[method](scores, is_fraud, weights)
    # At its knots the curve is what was fitted.
    knots = np.array(curve.raw_score)
    place = np.abs(scores[:, None] - knots).argmin(axis=1)
    at_knots = knots[place]
    fitted = FITS[method](at_knots, is_fraud, weights)
    assume(fitted.raw_score == curve.raw_score)

    def loss(log_odds: Scores) -> float:
        return float(np.average(log_losses(log_odds, is_fraud), weights=weights))

    best = loss(fitted.log_odds_of_many(at_knots))
    low, high = -np.logaddexp(0.0, -at_knots), np.logaddexp(0.0, at_knots)
    design = [at_knots] if method == "logistic" else [low, high]
    base = fitted.log_odds_of_many(at_knots)
    prior = logit(np.average(is_fraud, weights=weights))
    assert best <= loss(np.full(len(scores), prior)) + 1e-7
    for column in design:
        # A step more of any part keeps the curve rising, so it must not be better.
        assert best <= loss(base + 1e-2 * (column - column.mean())) + 1e-7
    for step in (-0.01, 0.01):
        assert best <= loss(base + step) + 1e-7


def planted(
    seed: int, curve: Callable[[Scores], Scores], n_orders: int = 20_000
) -> tuple[Scores, Labels]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(-2.0, 2.0, n_orders)
    return scores, rng.random(n_orders) < expit(curve(scores))


def test_the_logistic_line_is_scikit_learns() -> None:
    scores, is_fraud = planted(0, lambda x: 0.7 * x - 1.0)
    weights = np.random.default_rng(1).uniform(1.0, 9.0, len(scores))
    curve = fit_logistic(scores, is_fraud, weights)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky").fit(
        scores[:, None], is_fraud, weights
    )
    expected = theirs.decision_function(scores[:, None])
    np.testing.assert_allclose(curve.log_odds_of_many(scores), expected, rtol=0, atol=1e-6)


def test_a_line_that_would_fall_is_level_at_the_fraud_share() -> None:
    scores, is_fraud = planted(0, lambda x: -0.7 * x)
    weights = np.random.default_rng(1).uniform(1.0, 9.0, len(scores))
    level = logit(np.average(is_fraud, weights=weights))
    for fit in (fit_logistic, fit_beta):
        np.testing.assert_allclose(
            fit(scores, is_fraud, weights).log_odds, level, rtol=0, atol=1e-6
        )


@pytest.mark.parametrize(("low", "high"), [(1.5, 0.6), (0.3, 2.0), (1.0, 1.0)])
def test_beta_finds_a_planted_beta_curve(low: float, high: float) -> None:
    def curve(x: Scores) -> Scores:
        return np.asarray(-low * np.logaddexp(0, -x) + high * np.logaddexp(0, x) - 0.5)

    rng = np.random.default_rng(3)
    scores = rng.normal(0.0, 2.5, 200_000)
    is_fraud = rng.random(len(scores)) < expit(curve(scores))
    fitted = fit_beta(scores, is_fraud, np.ones(len(scores)))
    middle = np.linspace(-4.0, 4.0, 50)
    np.testing.assert_allclose(fitted.log_odds_of_many(middle), curve(middle), rtol=0, atol=0.15)


@pytest.mark.parametrize("falling", ["low", "high"])
def test_beta_takes_no_part_that_falls(falling: str) -> None:
    def curve(x: Scores) -> Scores:
        low, high = (-0.3, 1.5) if falling == "low" else (1.5, -0.3)
        return np.asarray(-low * np.logaddexp(0, -x) + high * np.logaddexp(0, x))

    rng = np.random.default_rng(3)
    scores = rng.normal(0.0, 2.0, 50_000)
    is_fraud = rng.random(len(scores)) < expit(curve(scores))
    weights = np.ones(len(scores))
    fitted = fit_beta(scores, is_fraud, weights)
    part = np.logaddexp(0.0, scores) if falling == "low" else -np.logaddexp(0.0, -scores)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky")
    theirs.fit(part[:, None], is_fraud)
    expected = theirs.intercept_[0] + theirs.coef_[0, 0] * (
        np.logaddexp(0.0, fitted.raw_score)
        if falling == "low"
        else -np.logaddexp(0.0, -np.array(fitted.raw_score))
    )
    np.testing.assert_allclose(fitted.log_odds, expected, rtol=0, atol=1e-5)


def rising(shares: Scores, sizes: Scores) -> Scores:
    """Return the best rising shares by the formula of least and greatest means, in any pool."""
    n = len(shares)

    def mean(low: int, high: int) -> float:
        return float(np.average(shares[low : high + 1], weights=sizes[low : high + 1]))

    return np.array(
        [
            max(min(mean(low, high) for high in range(i, n)) for low in range(i + 1))
            for i in range(n)
        ]
    )


@settings(max_examples=40)
@given(seed=st.integers(0, 2**20), n_distinct=st.integers(2, 40), is_weighted=st.booleans())
def test_isotonic_is_scikit_learns_with_each_step_drawn_to_the_share_by_one_order(
    seed: int, n_distinct: int, *, is_weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice(rng.normal(0.0, 2.0, n_distinct).round(3), 400)
    is_fraud = rng.random(400) < expit(scores)
    assume(0 < is_fraud.sum() < 400 and np.ptp(scores) > 0.01)
    weights = rng.uniform(1.0, 6.0, 400) if is_weighted else np.ones(400)
    curve = fit_isotonic(scores, is_fraud, weights)
    theirs = IsotonicRegression().fit(scores, is_fraud, weights).predict(scores)
    prior = np.average(is_fraud, weights=weights)
    steps = np.unique(theirs)
    assume(len(steps) > 1)
    expected = []
    for step in steps:
        inside = theirs == step
        n_orders = weights[inside].sum()
        middle = (scores[inside].min() + scores[inside].max()) / 2
        expected.append((middle, logit((step * n_orders + prior) / (n_orders + 1.0))))
    places = np.array([middle for middle, _value in expected])
    values = np.array([value for _middle, value in expected])
    sizes = np.array([weights[theirs == step].sum() + 1.0 for step in steps])
    values = logit(rising(expit(values), sizes))
    np.testing.assert_allclose(curve.raw_score[1:-1], places, rtol=0, atol=1e-12)
    np.testing.assert_allclose(curve.log_odds[1:-1], values, rtol=0, atol=1e-9)
    assert curve.log_odds_of(-1e3) == curve.log_odds[1]
    assert curve.log_odds_of(1e3) == pytest.approx(curve.log_odds[-1], abs=1e-9)


def test_an_isotonic_curve_has_no_more_knots_than_can_be_read() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(-3.0, 3.0, 300_000)
    is_fraud = rng.random(len(scores)) < expit(scores)
    curve = fit_isotonic(scores, is_fraud, np.ones(len(scores)))
    steps = np.unique(IsotonicRegression().fit(scores, is_fraud).predict(scores))
    assert len(steps) > 64
    assert len(curve.raw_score) == 64 + 2


@pytest.mark.parametrize(
    ("curve", "methods"),
    [
        (lambda x: 0.5 * x - 1.0, {"logistic"}),
        (lambda x: 1.8 * x + 1.0, {"logistic"}),
        (lambda x: np.clip(x, -4.0, 1.0), {"isotonic"}),
        (lambda x: np.minimum(2.0 * x, 0.2 * x - 1.0), {"beta", "isotonic"}),
    ],
    ids=["too steep", "too flat", "level ends", "a bend"],
)
def test_a_planted_fault_is_mended(curve: Callable[[Scores], Scores], methods: set[str]) -> None:
    scores, is_fraud = planted(7, curve, 60_000)
    found = compared(scores, is_fraud)
    assert found.chosen.method in methods
    later, is_later_fraud = planted(8, curve, 60_000)
    mended = found.chosen.log_odds_of_many(later)
    line = LogisticRegression(C=np.inf).fit(mended[:, None], is_later_fraud)
    assert line.coef_[0, 0] == pytest.approx(1.0, abs=0.1)
    before, after, best = (
        log_losses(log_odds, is_later_fraud).mean() for log_odds in (later, mended, curve(later))
    )
    assert after < before
    assert after - best < 0.05 * (before - best)


def test_a_calibrated_score_is_made_worse_by_no_more_than_noise() -> None:
    worse, methods = [], []
    for seed in range(60):
        scores, is_fraud = planted(seed, lambda x: x, 4_000)
        curve = compared(scores, is_fraud, seed=seed).chosen
        later, is_later_fraud = planted(seed + 1_000, lambda x: x, 20_000)
        loss = log_losses(curve.log_odds_of_many(later), is_later_fraud)
        worse.append(float((loss - log_losses(later, is_later_fraud)).mean()))
        methods.append(curve.method)
    # Two fitted parameters cost one over the number of orders, in the mean: Akaike, 1974.
    assert np.mean(worse) < 3.0 / 4_000
    assert max(worse) < 10.0 / 4_000
    assert methods.count("identity") > 20
    assert methods.count("isotonic") < 10


@settings(max_examples=25)
@given(seed=st.integers(0, 2**20), slope=st.floats(0.3, 3.0), shift=st.floats(-2.0, 2.0))
def test_what_is_chosen_is_no_worse_on_orders_apart_than_the_score_itself(
    seed: int, slope: float, shift: float
) -> None:
    scores, is_fraud = planted(seed, lambda x: slope * x + shift, 1_500)
    assume(is_fraud.sum() >= 20)
    found = compared(scores, is_fraud, seed=seed)
    losses = found.held_back_log_loss
    assert losses[found.chosen.method] <= losses["identity"]
    assert ("isotonic" in losses) == (is_fraud.sum() >= 200)
    assert found.standard_error["identity"] == 0.0


def test_losses_are_of_orders_that_the_curve_was_not_fitted_to() -> None:
    scores, is_fraud = planted(2, lambda x: 0.5 * x, 2_000)
    times = np.random.default_rng(2).integers(0, 500, 2_000)
    weights = np.random.default_rng(3).uniform(1.0, 4.0, 2_000)
    found = compare_calibrations(scores, is_fraud, times, weights)
    rounded = scores.round(6)
    for name, fit in FITS.items():
        losses = np.zeros(2_000)
        for part in np.array_split(np.argsort(times, kind="stable"), 5):
            rest = np.setdiff1d(np.arange(2_000), part)
            curve = fit(rounded[rest], is_fraud[rest], weights[rest])
            losses[part] = log_losses(curve.log_odds_of_many(rounded[part]), is_fraud[part])
        expected = np.average(losses, weights=weights)
        assert found.held_back_log_loss[name] == pytest.approx(expected, rel=1e-9)


def test_a_part_that_ranks_the_wrong_way_round_by_chance_is_not_the_whole() -> None:
    scores = np.concatenate([np.linspace(0.0, 1.0, 80), np.linspace(0.0, 1.0, 80)])
    is_fraud = np.concatenate([scores[:80] < 0.3, scores[80:] > 0.5])
    found = compare_calibrations(scores, is_fraud, np.arange(160))
    assert isinstance(found.chosen, Calibration)
    assert set(found.held_back_log_loss) == {"identity", "logistic", "beta"}


def test_weights_move_the_curve_to_the_shares_they_stand_for() -> None:
    scores, is_fraud = planted(4, lambda x: x, 40_000)
    found = compared(scores, is_fraud, np.where(is_fraud, 4.0, 1.0))
    assert found.chosen.log_odds_of(0.0) == pytest.approx(np.log(4.0), abs=0.1)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    slope=st.floats(0.2, 5.0),
    shift=st.floats(-2.0, 2.0),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_a_fitted_line_is_no_worse_on_its_data_than_none(
    seed: int, slope: float, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=scale, size=400)
    is_fraud = rng.random(400) < expit(slope * scores + shift)
    assume(np.corrcoef(scores, is_fraud)[0, 1] > 0.01)
    curve = fit_logistic(scores, is_fraud, np.ones(400))
    fitted = log_losses(curve.log_odds_of_many(scores), is_fraud).mean()
    assert fitted <= log_losses(scores, is_fraud).mean() + 1e-6


def test_a_fitted_curve_finds_the_shift_and_slope_of_the_scores() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(scale=2.0, size=40_000)
    is_fraud = rng.random(40_000) < expit(0.5 * scores - 2.0)
    curve = compared(scores, is_fraud).chosen
    assert curve.method == "logistic"
    assert curve.log_odds_of(0.0) == pytest.approx(-2.0, abs=0.1)
    assert curve.log_odds_of(1.0) - curve.log_odds_of(0.0) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("scores", "is_fraud"),
    [
        (np.linspace(-1, 1, 100), np.arange(100) >= 81),
        (np.linspace(-1, 1, 100), np.full(100, fill_value=True)),
        (np.zeros(100), np.arange(100) >= 50),
        (np.linspace(0.0, 1e-8, 100), np.arange(100) >= 50),
    ],
    ids=["19 frauds", "frauds only", "one score", "one score but for rounding"],
)
def test_too_little_to_learn_from_leaves_the_scores_as_they_are(
    scores: Scores, is_fraud: Labels
) -> None:
    found = compared(scores, is_fraud)
    assert found.chosen.method == "identity"
    assert found.held_back_log_loss == {}
    assert found.chosen.log_odds_of_many(scores) == pytest.approx(scores, abs=1e-15)
    assert found.chosen.log_odds_of(3.0) == 3.0


def test_scores_that_rank_the_wrong_way_round_are_refused() -> None:
    scores = np.linspace(-1, 1, 100)
    with pytest.raises(TrainingError, match="wrong way round"):
        compared(scores, scores < 0)
