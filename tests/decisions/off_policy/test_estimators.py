"""The estimators over logged propensities, held against sums order by order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.estimators import (
    doubly_robust_terms,
    effective_sample_size,
    ips_terms,
    snips_terms,
)

values = st.integers(-1_000, 1_000)
weights = st.sampled_from([0.0, 0.5, 1.0, 2.0, 20.0])
logs = st.lists(st.tuples(values, weights, values), min_size=1, max_size=30)


def columns(rows: list[tuple[float | None, ...]]) -> list[NDArray[np.float64]]:
    return [np.array(column, np.float64) for column in zip(*rows, strict=True)]


@given(log=logs)
def test_ips_adds_each_value_as_often_as_its_weight_says(log: list[tuple[int, float, int]]) -> None:
    value, weight, _modelled = columns(log)
    assert ips_terms(value, weight).tolist() == [one * times for one, times, _ in log]


@given(log=logs, shift=values)
def test_snips_moves_with_the_origin_and_stays_in_the_range(
    log: list[tuple[int, float, int]], shift: int
) -> None:
    value, weight, _modelled = columns([*log, (5, 1.0, 0)])
    mean = snips_terms(value, weight).mean()
    assert mean == pytest.approx(np.average(value, weights=weight), abs=1e-9)
    assert snips_terms(value + shift, weight).mean() == pytest.approx(mean + shift, abs=1e-9)
    used = value[weight > 0.0]
    assert used.min() - 1e-9 <= mean <= used.max() + 1e-9


@given(log=logs)
def test_doubly_robust_is_the_model_corrected_by_what_was_tried(
    log: list[tuple[int, float, int]],
) -> None:
    value, weight, modelled = columns(log)
    expected = [guess + times * (one - guess) for one, times, guess in log]
    assert doubly_robust_terms(value, weight, modelled).tolist() == expected
    nothing = np.zeros(len(log))
    assert doubly_robust_terms(value, weight, nothing).tolist() == (
        ips_terms(value, weight).tolist()
    )
    assert doubly_robust_terms(value, weight, value).tolist() == value.tolist()


@given(log=logs)
def test_a_value_that_was_not_seen_is_not_read(log: list[tuple[int, float, int]]) -> None:
    value, weight, modelled = columns([*log, (5, 1.0, 0)])
    unseen = np.where(weight > 0.0, value, np.nan)
    assert ips_terms(unseen, weight).tolist() == ips_terms(value, weight).tolist()
    assert snips_terms(unseen, weight).tolist() == snips_terms(value, weight).tolist()
    assert doubly_robust_terms(unseen, weight, modelled).tolist() == (
        doubly_robust_terms(value, weight, modelled).tolist()
    )


@given(count=st.integers(0, 50), weight=st.floats(1e-9, 1e9), n_without=st.integers(0, 5))
def test_equal_weights_are_as_many_as_they_are(count: int, weight: float, n_without: int) -> None:
    held = np.array([weight] * count + [0.0] * n_without)
    assert effective_sample_size(held) == pytest.approx(count, rel=1e-12)


@given(log=logs)
def test_unequal_weights_say_less(log: list[tuple[int, float, int]]) -> None:
    _value, weight, _modelled = columns([*log, (5, 1.0, 0)])
    found = effective_sample_size(weight)
    assert found == pytest.approx(weight.sum() ** 2 / (weight**2).sum(), rel=1e-12)
    assert 1.0 - 1e-12 <= found <= (weight > 0.0).sum() + 1e-9
