from itertools import pairwise
from math import inf, nan, nextafter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fraudkit.errors import BundleError
from fraudkit.scoring.calibration import Calibration, probability

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
