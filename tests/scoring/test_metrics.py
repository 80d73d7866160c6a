from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from fraudkit.errors import InputError, TrainingError
from fraudkit.scoring.measures.intervals import Estimate
from fraudkit.scoring.measures.ranking import FALSE_POSITIVE_RATES
from fraudkit.scoring.measures.weighted_metrics import WeightedMetrics
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics
from tests.scoring.labelled import DAY_MS, Labelled, labelled, many_honest, spread_over_days


@st.composite
def with_amounts(draw: st.DrawFn) -> tuple[Labelled, NDArray[np.float64]]:
    """Draw labels, scores and amounts, some of them 0."""
    labels = draw(labelled())
    amount = draw(npst.arrays(np.int64, len(labels[0]), elements=st.integers(0, 90_000)))
    amount[-2:] = 1, 2
    return labels, amount.astype(np.float64)


def pair_share(labels: Labelled, weight: NDArray[np.float64]) -> float:
    """Return the share of pairs in which the fraud scores higher, by looking at every pair."""
    is_fraud, score = labels
    won = pairs = 0.0
    for fraud in np.flatnonzero(is_fraud):
        for honest in np.flatnonzero(~is_fraud):
            held = weight[fraud] * weight[honest]
            pairs += 2 * held
            won += held * (2 * (score[fraud] > score[honest]) + (score[fraud] == score[honest]))
    return won / pairs


def best_recall(labels: Labelled, weight: NDArray[np.float64], rate: float) -> float:
    """Return the best recall of any cut that keeps the rate, by trying every cut."""
    is_fraud, score = labels
    recalls = [0.0]
    for cut in np.unique(score):
        stopped = score >= cut
        if (weight * (stopped & ~is_fraud)).sum() / (weight * ~is_fraud).sum() <= rate:
            recalls.append((weight * (stopped & is_fraud)).sum() / (weight * is_fraud).sum())
    return max(recalls)


def ones(labels: Labelled) -> NDArray[np.float64]:
    return np.ones(len(labels[0]))


def values_of(metrics: WeightedMetrics) -> list[float]:
    """Return the figures that do not depend on how orders are put into bins."""
    line = [metrics.calibration_intercept, metrics.calibration_slope]
    figures = [metrics.auc, metrics.average_precision, metrics.brier_score, metrics.log_loss]
    figures += metrics.recall_at_false_positive_rate.values()
    return [held.value for held in figures] + [
        -1.0 if held is None else held.value for held in line
    ]


@given(labels=labelled())
def test_the_figures_are_those_of_scikit_learn(labels: Labelled) -> None:
    found = score_metrics(*labels).by_count
    assert found.auc.value == pytest.approx(roc_auc_score(*labels), abs=1e-12)
    assert found.average_precision.value == pytest.approx(
        average_precision_score(*labels), abs=1e-12
    )
    assert found.brier_score.value == pytest.approx(brier_score_loss(*labels), abs=1e-12)
    assert found.log_loss.value == pytest.approx(log_loss(*labels), rel=1e-9)


@given(drawn=with_amounts())
def test_by_amount_they_are_those_of_scikit_learn_with_weights(
    drawn: tuple[Labelled, NDArray[np.float64]],
) -> None:
    labels, amount = drawn
    found = score_metrics(*labels, amount_minor=amount).by_amount
    assert found is not None
    expected = {
        "auc": roc_auc_score(*labels, sample_weight=amount),
        "average_precision": average_precision_score(*labels, sample_weight=amount),
        "brier_score": brier_score_loss(*labels, sample_weight=amount),
        "log_loss": log_loss(*labels, sample_weight=amount),
    }
    for name, value in expected.items():
        assert getattr(found, name).value == pytest.approx(value, rel=1e-9, abs=1e-12)


@given(drawn=with_amounts())
def test_the_auc_is_the_share_of_pairs(drawn: tuple[Labelled, NDArray[np.float64]]) -> None:
    labels, amount = drawn
    metrics = score_metrics(*labels, amount_minor=amount)
    assert metrics.auc == pair_share(labels, ones(labels))
    assert metrics.by_amount is not None
    assert metrics.by_amount.auc.value == pair_share(labels, amount)


@given(labels=st.one_of(labelled(), many_honest()))
def test_recall_is_that_of_the_best_cut_that_keeps_the_rate(labels: Labelled) -> None:
    recalls = score_metrics(*labels).recall_at_false_positive_rate
    assert list(recalls) == ["0.001", "0.01", "0.05"]
    assert list(recalls.values()) == [
        best_recall(labels, ones(labels), rate) for rate in FALSE_POSITIVE_RATES
    ]


@given(labels=many_honest(), seed=st.integers(0, 2**16))
def test_recall_by_amount_is_that_of_the_best_cut(labels: Labelled, seed: int) -> None:
    amount = np.random.default_rng(seed).integers(1, 10_000, len(labels[0])).astype(np.float64)
    found = score_metrics(*labels, amount_minor=amount).by_amount
    assert found is not None
    recalls = [held.value for held in found.recall_at_false_positive_rate.values()]
    assert recalls == [best_recall(labels, amount, rate) for rate in FALSE_POSITIVE_RATES]


@given(drawn=with_amounts(), seed=st.integers(0, 2**16))
def test_the_order_of_the_rows_means_nothing(
    drawn: tuple[Labelled, NDArray[np.float64]], seed: int
) -> None:
    (is_fraud, score), amount = drawn
    mixed = np.random.default_rng(seed).permutation(len(score))
    one = score_metrics(is_fraud, score, amount_minor=amount)
    other = score_metrics(is_fraud[mixed], score[mixed], amount_minor=amount[mixed])
    for left, right in ((one.by_count, other.by_count), (one.by_amount, other.by_amount)):
        assert left is not None
        assert right is not None
        assert left.auc == right.auc
        assert left.average_precision == right.average_precision
        assert left.recall_at_false_positive_rate == right.recall_at_false_positive_rate
        assert values_of(left) == pytest.approx(values_of(right), rel=1e-6, abs=1e-9)
        sizes = [(held.n_orders, held.n_frauds) for held in left.reliability]
        assert sizes == [(held.n_orders, held.n_frauds) for held in right.reliability]


@given(labels=labelled(), seed=st.integers(0, 2**16))
def test_an_order_of_weight_2_is_an_order_that_came_twice(labels: Labelled, seed: int) -> None:
    is_fraud, score = labels
    weight = np.random.default_rng(seed).integers(1, 4, len(score))
    weighted = score_metrics(*labels, weight=weight.astype(np.float64))
    repeated = score_metrics(np.repeat(is_fraud, weight), np.repeat(score, weight))
    assert weighted.auc == repeated.auc
    assert weighted.average_precision == repeated.average_precision
    assert weighted.recall_at_false_positive_rate == repeated.recall_at_false_positive_rate
    assert values_of(weighted.by_count) == pytest.approx(
        values_of(repeated.by_count), rel=1e-6, abs=1e-9
    )


@given(drawn=with_amounts())
def test_an_order_without_a_known_amount_is_not_among_those_by_amount(
    drawn: tuple[Labelled, NDArray[np.float64]],
) -> None:
    (is_fraud, score), amount = drawn
    is_known = np.arange(len(amount)) % 3 != 0
    is_known[-2:] = True
    partly = np.where(is_known, amount, np.nan)
    found = score_metrics(is_fraud, score, amount_minor=partly)
    alone = score_metrics(is_fraud[is_known], score[is_known], amount_minor=amount[is_known])
    assert found.by_amount is not None
    assert alone.by_amount is not None
    assert values_of(found.by_amount) == pytest.approx(values_of(alone.by_amount), rel=1e-9)
    assert found.by_amount.n_orders == (partly > 0).sum()
    assert found.by_count == score_metrics(is_fraud, score).by_count


def test_fraud_basis_points_are_over_what_was_approved() -> None:
    is_fraud = np.array([True, True, False, False, False])
    metrics = score_metrics(
        is_fraud,
        np.array([0.9, 0.2, 0.3, 0.1, 0.1]),
        is_approved=np.array([False, True, False, True, True]),
        amount_minor=np.array([5_000, 100, 700, 900, 1_000]),
    )
    assert metrics.by_count.fraud_basis_points is not None
    assert metrics.by_count.fraud_basis_points.value == pytest.approx(1e4 / 3)
    assert metrics.by_amount is not None
    assert metrics.by_amount.fraud_basis_points is not None
    assert metrics.by_amount.fraud_basis_points.value == pytest.approx(1e4 * 100 / 2_000)
    nothing = score_metrics(is_fraud, np.full(5, 0.5), is_approved=np.zeros(5, np.bool_))
    assert nothing.by_count.fraud_basis_points is None


def test_the_mean_cost_is_over_the_orders_with_a_cost() -> None:
    cost = np.array([10.0, np.nan, -4.0, 3.0])
    metrics = score_metrics(
        np.array([True, True, False, False]), np.array([0.9, 0.2, 0.3, 0.1]), cost_minor=cost
    )
    assert (metrics.n_orders_with_cost, metrics.mean_cost_minor) == (3, Estimate(3.0))


@pytest.fixture(scope="module")
def full() -> ScoreMetrics:
    is_fraud, probability, time_ms = spread_over_days(4_000, 30, seed=5)
    rng = np.random.default_rng(1)
    return score_metrics(
        is_fraud,
        probability,
        event_time_ms=time_ms,
        amount_minor=rng.integers(100, 50_000, 4_000),
        entity=rng.integers(0, 400, 4_000),
        is_approved=probability < 0.3,
        cost_minor=rng.normal(size=4_000),
        top_k=(5, 20),
    )


def test_every_figure_has_an_interval_around_it(full: ScoreMetrics) -> None:
    estimates = estimates_of(msgspec.to_builtins(full))
    assert len(estimates) == 2 * (10 + len(full.by_count.reliability)) + 3
    for held in estimates:
        assert held["low"] < held["value"] < held["high"]
    assert (full.n_days, full.resamples) == (30, 200)
    assert full.notes == ("95% intervals by redrawing 30 whole days.",)


def estimates_of(value: Any) -> list[dict[str, float]]:
    """Return every estimate within plain data."""
    if isinstance(value, dict):
        if set(value) == {"value", "low", "high"}:
            return [value]
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [found for held in value for found in estimates_of(held)]
    return []


def test_metrics_are_written_and_read_again(full: ScoreMetrics) -> None:
    assert msgspec.json.decode(msgspec.json.encode(full), type=ScoreMetrics) == full
    plain = msgspec.json.decode(msgspec.json.encode(full.plain()))
    assert plain["auc"] == full.by_count.auc.value
    assert plain["by_amount"]["auc"]["low"] < plain["by_amount"]["auc"]["value"]


def test_the_same_seed_gives_the_same_intervals() -> None:
    is_fraud, probability, time_ms = spread_over_days(500, 12, seed=2)
    one, again, other = (
        score_metrics(is_fraud, probability, event_time_ms=time_ms, seed=seed) for seed in (3, 3, 4)
    )
    assert one == again
    assert one.auc == other.auc
    assert one.by_count.auc != other.by_count.auc


@pytest.mark.parametrize(("days", "has_interval"), [(4, False), (5, True)])
def test_with_too_few_days_intervals_are_withheld(days: int, has_interval: bool) -> None:  # noqa: FBT001
    is_fraud, probability, time_ms = spread_over_days(600, days, seed=1)
    metrics = score_metrics(is_fraud, probability, event_time_ms=time_ms)
    assert metrics.n_days == days
    assert (metrics.by_count.auc.low is not None) is has_interval
    told = "95% intervals" if has_interval else "need at least 5 days, got 4"
    assert told in metrics.notes[0]


def test_without_times_there_are_neither_intervals_nor_card_precision() -> None:
    is_fraud, probability, _time_ms = spread_over_days(100, 3, seed=1)
    metrics = score_metrics(is_fraud, probability, entity=np.arange(100))
    assert metrics.by_count.auc.low is None
    assert metrics.card_precision == {}
    assert metrics.n_days is None
    assert "event times were not given" in metrics.notes[0]


def test_an_interval_is_withheld_where_most_redrawings_hold_no_fraud() -> None:
    time_ms = np.arange(40) // 4 * DAY_MS
    is_fraud = np.arange(40) < 1
    metrics = score_metrics(is_fraud, np.linspace(0.9, 0.1, 40), event_time_ms=time_ms)
    assert metrics.by_count.auc.low is None
    assert metrics.by_count.brier_score.low is not None


@pytest.mark.parametrize("is_fraud", [[False, False], [True], []])
def test_orders_of_one_kind_have_no_metrics(is_fraud: list[bool]) -> None:
    with pytest.raises(TrainingError, match=f"got {sum(is_fraud)} frauds among {len(is_fraud)}"):
        score_metrics(np.array(is_fraud, np.bool_), np.full(len(is_fraud), 0.5))


def test_without_any_amount_there_is_nothing_by_amount() -> None:
    metrics = score_metrics(
        np.array([True, False]), np.array([0.5, 0.2]), amount_minor=np.array([np.nan, 10.0])
    )
    assert metrics.by_amount is None
    assert "No figures by amount" in metrics.notes[1]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"probability": np.array([0.5, 1.5])}, "finite and from 0 to 1, got 1.5 at row 1"),
        ({"probability": np.array([0.5, np.nan])}, "got nan at row 1"),
        ({"probability": np.array([0.5])}, r"numbers of shape \(2,\), got float64 of shape \(1,\)"),
        ({"amount_minor": np.array([-1.0, 2.0])}, "NaN where it is not known, got -1.0 at row 0"),
        ({"cost_minor": np.array([np.inf, 2.0])}, "cost_minor must be finite"),
        ({"weight": np.array([1.0, np.nan])}, "weight must be finite and from 0 to inf"),
        ({"entity": np.array(["a", "b"])}, "entity must be an array of integers"),
        ({"is_approved": np.array([1, 0])}, "is_approved must be an array of bool"),
        ({"event_time_ms": np.array([1.0, 2.0])}, "event_time_ms must be an array of integers"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(changed: dict[str, Any], told: str) -> None:
    given = {"is_fraud": np.array([True, False]), "probability": np.array([0.5, 0.2])} | changed
    with pytest.raises(InputError, match=told):
        score_metrics(**given)


def test_weights_that_leave_no_fraud_are_told() -> None:
    with pytest.raises(TrainingError, match="weight must be above 0"):
        score_metrics(np.array([True, False]), np.array([0.5, 0.2]), weight=np.array([0.0, 1.0]))


def test_a_probability_of_0_or_1_that_is_wrong_costs_much_but_not_everything() -> None:
    found = score_metrics(np.array([True, False]), np.array([0.0, 1.0])).by_count
    assert found.log_loss.value == pytest.approx(-np.log(1e-15), rel=1e-2)
    assert (found.auc.value, found.brier_score.value) == (0.0, 1.0)
