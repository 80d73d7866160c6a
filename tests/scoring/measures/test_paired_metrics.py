"""Paired differences against a naive loop that measures both scores on each redrawing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from fraudkit.errors import InputError, TrainingError
from fraudkit.scoring.measures.intervals import DAY_MS, Estimate, draw_days, estimate
from fraudkit.scoring.measures.paired_metrics import PairedDifferences, paired_differences
from fraudkit.scoring.metrics import score_metrics

FIGURES = {
    "auc": roc_auc_score,
    "average_precision": average_precision_score,
    "log_loss": lambda is_fraud, probability: log_loss(is_fraud, probability, labels=[0, 1]),
}


def orders(seed: int, count: int = 300, days: int = 12) -> dict[str, Any]:
    """Return labels, two scores that are alike, with ties, times and two costs, some unknown."""
    generator = np.random.default_rng(seed)
    is_fraud = generator.random(count) < 0.3
    first = np.clip(0.35 * is_fraud + generator.random(count) * 0.6, 0.01, 0.99).round(2)
    second = np.clip(first + generator.normal(0, 0.05, count), 0.01, 0.99).round(2)
    costs = generator.normal(10, 100, (2, count))
    costs[:, ::17] = np.nan
    costs[0, ::23] = np.nan
    return {
        "is_fraud": is_fraud,
        "probability": first,
        "baseline": second,
        "event_time_ms": generator.integers(0, days * DAY_MS, count),
        "cost_minor": (costs[0], costs[1]),
    }


def naive(given: dict[str, Any], resamples: int, seed: int) -> dict[str, Estimate]:
    """Return the estimates from orders that are repeated as often as their day was drawn."""
    days = draw_days(given["event_time_ms"], len(given["is_fraud"]), resamples, seed)
    rows: dict[str, list[float]] = {name: [] for name in [*FIGURES, "mean_cost_minor"]}
    for drawn in days.multiplicity:
        places = np.repeat(np.arange(len(days.place)), drawn[days.place].astype(int))
        for name, figure in FIGURES.items():
            first, second = (
                figure(given["is_fraud"][places], given[score][places])
                for score in ("probability", "baseline")
            )
            rows[name].append(first - second)
        saved = (given["cost_minor"][0] - given["cost_minor"][1])[places]
        rows["mean_cost_minor"].append(float(np.nanmean(saved)))
    return {name: estimate(np.array(held)) for name, held in rows.items()}


def plain(found: PairedDifferences | dict[str, Estimate], name: str) -> NDArray[np.float64]:
    held = found[name] if isinstance(found, dict) else getattr(found, name)
    return np.array([held.value, held.low, held.high], np.float64)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), draws=st.integers(0, 5))
def test_differences_are_those_of_a_naive_loop(seed: int, draws: int) -> None:
    given = orders(seed)
    found = paired_differences(**given, resamples=25, seed=draws)
    expected = naive(given, 25, draws)
    for name in expected:
        np.testing.assert_allclose(plain(found, name), plain(expected, name), rtol=0, atol=1e-11)
    known = ~np.isnan(given["cost_minor"][0]) & ~np.isnan(given["cost_minor"][1])
    assert found.n_orders_with_cost == known.sum() < 300


@given(seed=st.integers(0, 10**6))
def test_the_same_probability_differs_by_nothing(seed: int) -> None:
    given = orders(seed)
    given["baseline"] = given["probability"]
    given["cost_minor"] = (given["cost_minor"][0],) * 2
    found = paired_differences(**given)
    nothing = Estimate(0.0, 0.0, 0.0)
    assert found.auc == found.average_precision == found.log_loss == nothing
    assert found.mean_cost_minor == nothing


def test_the_figures_are_those_of_the_metrics_on_the_same_days() -> None:
    given = orders(3)
    found = paired_differences(**given)
    ours, theirs = (
        score_metrics(given["is_fraud"], given[name], event_time_ms=given["event_time_ms"])
        for name in ("probability", "baseline")
    )
    for name in FIGURES:
        value = getattr(ours.by_count, name).value - getattr(theirs.by_count, name).value
        assert getattr(found, name).value == value


def test_to_swap_the_two_turns_the_sign() -> None:
    given = orders(4)
    found = paired_differences(**given)
    given["probability"], given["baseline"] = given["baseline"], given["probability"]
    given["cost_minor"] = given["cost_minor"][::-1]
    swapped = paired_differences(**given)
    for name in (*FIGURES, "mean_cost_minor"):
        value, low, high = plain(found, name)
        np.testing.assert_allclose(plain(swapped, name), [-value, -high, -low], atol=1e-12)


def test_an_interval_of_the_difference_is_narrower_than_those_of_the_two() -> None:
    given = orders(5, count=2_000)
    found = paired_differences(**given)
    alone = score_metrics(
        given["is_fraud"], given["probability"], event_time_ms=given["event_time_ms"]
    ).by_count
    for name in FIGURES:
        _, low, high = plain(found, name)
        own = getattr(alone, name)
        assert 0 < high - low < 0.7 * (own.high - own.low)


def test_without_times_or_days_enough_there_is_no_interval() -> None:
    given = orders(6, days=4)
    assert paired_differences(**given).auc.low is None
    del given["event_time_ms"], given["cost_minor"]
    found = paired_differences(**given)
    assert (found.auc.high, found.mean_cost_minor, found.n_orders_with_cost) == (None, None, 0)


def test_costs_that_are_never_both_known_give_no_difference() -> None:
    given = orders(7)
    first, second = (held.copy() for held in given["cost_minor"])
    first[::2] = np.nan
    second[1::2] = np.nan
    found = paired_differences(**{**given, "cost_minor": (first, second)})
    assert (found.mean_cost_minor, found.n_orders_with_cost) == (None, 0)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("probability", np.full(300, 1.5), "probability must be finite and from 0 to 1, got 1.5"),
        ("baseline", np.full(299, 0.5), r"baseline must be .* of shape \(300,\)"),
        ("is_fraud", np.zeros(300), "is_fraud must be an array of bool"),
        ("event_time_ms", np.zeros(300), "event_time_ms must be an array of integers"),
        ("cost_minor", (np.zeros(300), np.full(300, np.inf)), r"cost_minor\[1\] must be finite"),
    ],
)
def test_arrays_that_do_not_hold_are_named(name: str, value: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        paired_differences(**{**orders(8), name: value})


@pytest.mark.parametrize("label", [True, False])
def test_orders_of_one_kind_are_refused(label: bool) -> None:  # noqa: FBT001 - what is varied
    with pytest.raises(TrainingError, match="at least one fraud and one honest order"):
        paired_differences(**{**orders(9), "is_fraud": np.full(300, label)})
