from itertools import pairwise
from math import inf, nan, nextafter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fraudkit.errors import BundleError, TrainingError
from fraudkit.scoring.calibration import Calibration, probability
from fraudkit.scoring.fit import fit_calibration

knots = st.floats(-1e3, 1e3)
raw_scores = st.floats(-1e4, 1e4)


@st.composite
def curves(draw: st.DrawFn, size_max: int = 5) -> Calibration:
    places = sorted(draw(st.lists(knots, min_size=2, max_size=size_max, unique=True)))
    values = sorted(draw(st.lists(knots, min_size=len(places), max_size=len(places))))
    assume(all(high - low > 1e-6 for low, high in pairwise(places)))
    return Calibration(method="drawn", raw_score=tuple(places), log_odds=tuple(values))


@given(curve=curves(), scores=st.lists(raw_scores, min_size=1))
def test_one_and_many_are_the_same_to_the_bit(curve: Calibration, scores: list[float]) -> None:
    scores += [step for knot in curve.raw_score for step in (knot, nextafter(knot, -inf))]
    many = curve.log_odds_of_many(np.array(scores))
    assert many.tolist() == [curve.log_odds_of(score) for score in scores]


@given(curve=curves(size_max=2), scores=st.lists(raw_scores, min_size=2))
def test_a_straight_curve_never_falls(curve: Calibration, scores: list[float]) -> None:
    values = [curve.log_odds_of(score) for score in sorted(scores)]
    assert values == sorted(values)


@given(curve=curves(), scores=st.lists(raw_scores, min_size=2))
def test_a_curve_with_bends_falls_by_no_more_than_rounding(
    curve: Calibration, scores: list[float]
) -> None:
    values = np.array([curve.log_odds_of(score) for score in sorted(scores)])
    assert np.diff(values).min() >= -1e-12 * np.abs([*curve.log_odds, *values]).max()


@given(curve=curves())
def test_the_curve_passes_through_its_knots(curve: Calibration) -> None:
    through = [curve.log_odds_of(knot) for knot in curve.raw_score]
    assert through[:-1] == list(curve.log_odds[:-1])
    assert through[-1] == pytest.approx(curve.log_odds[-1], abs=1e-9)


@pytest.mark.parametrize(
    ("raw_score", "log_odds"),
    [
        ((), ()),
        ((0.0,), (0.0,)),
        ((0.0, 1.0), (0.0,)),
        ((0.0, 1.0), (0.0, 1.0, 2.0)),
        ((0.0, 0.0), (0.0, 1.0)),
        ((1.0, 0.0), (0.0, 1.0)),
        ((0.0, 1.0), (1.0, 0.0)),
        ((0.0, 1.0, 2.0), (0.0, 2.0, 1.0)),
        ((0.0, nan), (0.0, 1.0)),
        ((0.0, 1.0), (nan, 1.0)),
        ((-inf, 1.0), (0.0, 1.0)),
        ((0.0, 1.0), (0.0, inf)),
        ((-1e308, 1e308), (0.0, 1.0)),
        ((0.0, 5e-324), (0.0, 1.0)),
        ((0.0, 1e-300, 1.0), (0.0, 1.0, 2.0)),
        ((0.0, 1.0, 1.0 + 1e-10), (0.0, 1.0, 2.0)),
    ],
)
def test_knots_that_make_no_curve_are_refused(
    raw_score: tuple[float, ...], log_odds: tuple[float, ...]
) -> None:
    with pytest.raises(BundleError, match="calibration must have at least two knots"):
        Calibration(method="given", raw_score=raw_score, log_odds=log_odds)


@given(log_odds=st.floats(allow_nan=False))
def test_a_probability_is_between_0_and_1(log_odds: float) -> None:
    assert 0.0 <= probability(log_odds) <= 1.0


@given(log_odds=st.lists(st.one_of(st.floats(-800, 800), st.floats(allow_nan=False)), min_size=2))
def test_a_probability_rises_with_the_log_odds(log_odds: list[float]) -> None:
    values = [probability(value) for value in sorted(log_odds)]
    assert values == sorted(values)


def test_unknown_log_odds_are_not_a_probability_of_0() -> None:
    assert np.isnan(probability(nan))


def log_loss(log_odds: np.ndarray, is_fraud: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(is_fraud, -log_odds, log_odds))))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    slope=st.floats(0.2, 5.0),
    shift=st.floats(-2.0, 2.0),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_a_fitted_curve_is_no_worse_on_its_data_than_none(
    seed: int, slope: float, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(scale=scale, size=400)
    is_fraud = rng.random(400) < 1 / (1 + np.exp(-(slope * scores + shift)))
    assume(np.corrcoef(scores, is_fraud)[0, 1] > 0.01)
    curve = fit_calibration(scores, is_fraud)
    assert log_loss(curve.log_odds_of_many(scores), is_fraud) <= log_loss(scores, is_fraud) + 1e-6


def test_a_fitted_curve_finds_the_shift_and_slope_of_the_scores() -> None:
    rng = np.random.default_rng(5)
    scores = rng.normal(scale=2.0, size=40_000)
    is_fraud = rng.random(40_000) < 1 / (1 + np.exp(-(0.5 * scores - 2.0)))
    curve = fit_calibration(scores, is_fraud)
    assert curve.method == "logistic"
    assert curve.log_odds_of(0.0) == pytest.approx(-2.0, abs=0.1)
    assert curve.log_odds_of(1.0) - curve.log_odds_of(0.0) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("scores", "is_fraud"),
    [
        (np.linspace(-1, 1, 100), np.arange(100) >= 81),
        (np.linspace(-1, 1, 100), np.full(100, fill_value=True)),
        (np.zeros(100), np.arange(100) >= 50),
    ],
    ids=["19 frauds", "frauds only", "one score"],
)
def test_too_little_to_learn_from_leaves_the_scores_as_they_are(
    scores: np.ndarray, is_fraud: np.ndarray
) -> None:
    curve = fit_calibration(scores, is_fraud)
    assert curve.method == "identity"
    assert curve.log_odds_of_many(scores) == pytest.approx(scores, abs=1e-15)
    assert curve.log_odds_of(3.0) == 3.0


def test_scores_that_rank_the_wrong_way_round_are_refused() -> None:
    scores = np.linspace(-1, 1, 100)
    with pytest.raises(TrainingError, match="wrong way round"):
        fit_calibration(scores, scores < 0)
