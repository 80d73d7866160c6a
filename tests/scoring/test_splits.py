import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.scoring.splits import Fold, delayed_time_folds

DAY_MS = 86_400_000
History = tuple[NDArray[np.int64], NDArray[np.int64]]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw rows in any order, with ties in time and labels that come at once, late or never."""
    days = draw(st.lists(st.integers(0, 60), min_size=20, max_size=60))
    delay = st.sampled_from([0, 0, 0, 1, 3, 10, 10_000])
    delays = draw(st.lists(delay, min_size=len(days), max_size=len(days)))
    known = np.add(days, delays)
    return np.array(days) * DAY_MS, known * DAY_MS


cuts = st.sampled_from([(0.6, 0.8), (0.5,), (0.99,), (0.4, 0.55, 0.9)])


def folds_of(history: History, cuts: tuple[float, ...]) -> tuple[Fold, ...]:
    try:
        return delayed_time_folds(*history, cuts=cuts)
    except TrainingError:
        assume(False)
        raise


@given(history=histories(), cuts=cuts)
def test_what_is_learnt_from_was_known_before_the_test_began(
    history: History, cuts: tuple[float, ...]
) -> None:
    event_time_ms, known_at_ms = history
    for train, test in folds_of(history, cuts):
        begin = event_time_ms[test].min()
        assert event_time_ms[train].max() < begin
        assert known_at_ms[train].max() < begin


@given(history=histories(), cuts=cuts)
def test_nothing_that_was_known_in_time_is_left_out(
    history: History, cuts: tuple[float, ...]
) -> None:
    event_time_ms, known_at_ms = history
    for train, test in folds_of(history, cuts):
        begin = event_time_ms[test].min()
        in_time = (event_time_ms < begin) & (known_at_ms < begin)
        assert set(train) == set(np.flatnonzero(in_time))


@given(history=histories(), cuts=cuts)
def test_every_row_from_the_first_cut_on_is_tested_once(
    history: History, cuts: tuple[float, ...]
) -> None:
    event_time_ms = history[0]
    folds = folds_of(history, cuts)
    assert len(folds) == len(cuts)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(set(tested)) == len(tested)
    first = event_time_ms[tested].min()
    assert set(tested) == set(np.flatnonzero(event_time_ms >= first))


@given(history=histories(), cuts=cuts, seed=st.integers(0, 2**16))
def test_the_order_of_the_rows_means_nothing(
    history: History, cuts: tuple[float, ...], seed: int
) -> None:
    event_time_ms, known_at_ms = history
    shuffled = np.random.default_rng(seed).permutation(len(event_time_ms))
    folds = folds_of(history, cuts)
    others = delayed_time_folds(event_time_ms[shuffled], known_at_ms[shuffled], cuts=cuts)
    for fold, other in zip(folds, others, strict=True):
        for part, other_part in zip(fold, other, strict=True):
            assert set(part) == set(shuffled[other_part])


def test_the_default_is_three_fifths_then_a_fifth_and_a_fifth() -> None:
    time_ms = np.arange(100) * DAY_MS
    first, second = delayed_time_folds(time_ms, time_ms + 5 * DAY_MS)
    assert (first.train.tolist(), first.test.tolist()) == ([*range(55)], [*range(60, 80)])
    assert (second.train.tolist(), second.test.tolist()) == ([*range(75)], [*range(80, 100)])


def test_a_delay_longer_than_the_history_is_refused() -> None:
    time_ms = np.arange(100) * DAY_MS
    with pytest.raises(TrainingError, match="the label delay is too long for this history"):
        delayed_time_folds(time_ms, time_ms + 80 * DAY_MS)


def test_a_history_of_one_moment_is_refused() -> None:
    with pytest.raises(TrainingError):
        delayed_time_folds(np.full(10, DAY_MS), np.full(10, DAY_MS))


def test_no_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="needs rows, got none"):
        delayed_time_folds(np.array([], np.int64), np.array([], np.int64))
