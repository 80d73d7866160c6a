from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.scoring.measures.card_precision import daily_card_precision
from fraudkit.scoring.metrics import score_metrics
from tests.scoring.labelled import DAY_MS


class Cards(NamedTuple):
    """Orders of customers over days."""

    is_fraud: NDArray[np.bool_]
    probability: NDArray[np.float64]
    entity: NDArray[np.int64]
    day: NDArray[np.int32]


@st.composite
def cards(draw: st.DrawFn, *, has_ties: bool) -> Cards:
    n_orders = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    day = np.unique(rng.integers(0, 5, n_orders), return_inverse=True)[1].astype(np.int32)
    score = rng.integers(0, 4, n_orders) / 4 if has_ties else rng.permutation(n_orders) / n_orders
    entity = rng.integers(-1, draw(st.integers(1, 12)), n_orders)
    return Cards(rng.random(n_orders) < 0.4, score, entity, day)


def handbook(held: Cards, k: int) -> list[float]:
    """Return each day's precision as the Handbook computes it, on data frames."""
    orders = pd.DataFrame(
        {"customer": held.entity, "prediction": held.probability, "fraud": held.is_fraud}
    ).assign(day=held.day)
    detected: list[int] = []
    by_day = []
    for day in range(int(held.day.max()) + 1):
        left = orders[(orders.day == day) & (orders.customer >= 0)]
        left = left[~left.customer.isin(detected)]
        highest = left.groupby("customer")[["prediction", "fraud"]].max()
        top = highest.sort_values("prediction", ascending=False).head(k)
        found = list(top[top.fraud].index)
        by_day.append(len(found) / k)
        detected.extend(found)
    return by_day


def one_day(scores: dict[int, float], compromised: set[int], k: int) -> float:
    """Return the mean precision over every order in which tied customers could stand."""
    found = []
    for mixed in permutations(scores):
        top = sorted(mixed, key=lambda customer: -scores[customer])[:k]
        found.append(len(compromised.intersection(top)) / k)
    return float(np.mean(found))


@given(held=cards(has_ties=False), k=st.integers(1, 8))
def test_without_ties_each_day_is_as_in_the_handbook(held: Cards, k: int) -> None:
    assert daily_card_precision(*held, k).tolist() == handbook(held, k)


@given(held=cards(has_ties=True), k=st.integers(1, 8), seed=st.integers(0, 2**16))
def test_the_order_of_the_rows_means_nothing(held: Cards, k: int, seed: int) -> None:
    mixed = np.random.default_rng(seed).permutation(len(held.day))
    shuffled = Cards(*(column[mixed] for column in held))
    assert daily_card_precision(*held, k).tolist() == daily_card_precision(*shuffled, k).tolist()


@given(
    customers=st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6),
    k=st.integers(1, 4),
)
def test_tied_customers_share_the_places_left(customers: list[tuple[int, bool]], k: int) -> None:
    scores = {number: score / 4 for number, (score, _fraud) in enumerate(customers)}
    compromised = {number for number, (_score, fraud) in enumerate(customers) if fraud}
    (precision,) = daily_card_precision(
        np.array([fraud for _score, fraud in customers]),
        np.array(list(scores.values())),
        np.arange(len(customers)),
        np.zeros(len(customers), np.int32),
        k,
    )
    assert precision == pytest.approx(one_day(scores, compromised, k))


def test_who_is_tied_across_the_last_place_is_not_detected() -> None:
    is_fraud = np.array([True, True, True, True])
    day = np.array([0, 0, 1, 1], np.int32)
    found = daily_card_precision(is_fraud, np.full(4, 0.5), np.array([0, 1, 0, 1]), day, 1)
    assert found.tolist() == [1.0, 1.0]
    found = daily_card_precision(is_fraud, np.full(4, 0.5), np.array([0, 1, 0, 1]), day, 2)
    assert found.tolist() == [1.0, 0.0]


def test_a_day_with_fewer_customers_than_k_is_over_k_all_the_same() -> None:
    found = daily_card_precision(
        np.array([True]), np.array([0.9]), np.array([7]), np.zeros(1, np.int32), 100
    )
    assert found.tolist() == [0.01]


def test_the_metric_is_the_mean_over_days() -> None:
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(8), 50)
    is_fraud, score, entity = rng.random(400) < 0.2, rng.random(400), rng.integers(0, 60, 400)
    metrics = score_metrics(
        is_fraud, score, event_time_ms=day * DAY_MS, entity=entity, top_k=(5, 10)
    )
    for k in (5, 10):
        by_day = daily_card_precision(is_fraud, score, entity, day.astype(np.int32), k)
        found = metrics.card_precision[str(k)]
        assert found.value == pytest.approx(by_day.mean())
        assert found.low is not None
        assert found.high is not None
        assert by_day.min() <= found.low < found.value < found.high <= by_day.max()
