import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from fraudkit.errors import TrainingError
from fraudkit.scoring.metrics import FALSE_POSITIVE_RATES, score_metrics

Labelled = tuple[NDArray[np.bool_], NDArray[np.float64]]


@st.composite
def labelled(draw: st.DrawFn) -> Labelled:
    """Draw labels of both kinds, and probabilities with many ties."""
    probabilities = st.one_of(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.floats(1e-9, 1 - 1e-9))
    rows = draw(st.lists(st.tuples(st.booleans(), probabilities), max_size=60))
    rows += [(False, draw(probabilities)), (True, draw(probabilities))]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


@st.composite
def many_honest(draw: st.DrawFn) -> Labelled:
    """Draw enough honest orders for the small false-positive rates to mean something."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    is_fraud = rng.random(draw(st.sampled_from([150, 1100, 2100]))) < 0.05
    is_fraud[:2] = True, False
    score = rng.random(len(is_fraud)) * 0.7 + 0.3 * is_fraud
    return is_fraud, score.round(draw(st.sampled_from([1, 2, 6])))


def best_recall(labels: Labelled, rate: float) -> float:
    """Return the best recall of any cut that keeps the rate, by trying every cut."""
    is_fraud, score = labels
    recalls = [0.0]
    for cut in np.unique(score):
        stopped = score >= cut
        if (stopped & ~is_fraud).sum() / (~is_fraud).sum() <= rate:
            recalls.append((stopped & is_fraud).sum() / is_fraud.sum())
    return max(recalls)


@given(labels=labelled())
def test_the_figures_are_those_of_scikit_learn(labels: Labelled) -> None:
    metrics = score_metrics(*labels)
    assert metrics.auc == pytest.approx(roc_auc_score(*labels), abs=1e-12)
    assert metrics.average_precision == pytest.approx(average_precision_score(*labels), abs=1e-12)
    assert metrics.brier_score == pytest.approx(brier_score_loss(*labels), abs=1e-12)
    assert metrics.log_loss == pytest.approx(log_loss(*labels), rel=1e-9)


@given(labels=st.one_of(labelled(), many_honest()))
def test_recall_is_that_of_the_best_cut_that_keeps_the_rate(labels: Labelled) -> None:
    recalls = score_metrics(*labels).recall_at_false_positive_rate
    assert list(recalls) == ["0.001", "0.01", "0.05"]
    assert list(recalls.values()) == [best_recall(labels, rate) for rate in FALSE_POSITIVE_RATES]


@given(labels=labelled(), seed=st.integers(0, 2**16))
def test_the_order_of_the_rows_means_nothing(labels: Labelled, seed: int) -> None:
    is_fraud, score = labels
    shuffled = np.random.default_rng(seed).permutation(len(score))
    one, other = score_metrics(is_fraud, score), score_metrics(is_fraud[shuffled], score[shuffled])
    assert one.auc == other.auc
    assert one.average_precision == other.average_precision
    assert one.recall_at_false_positive_rate == other.recall_at_false_positive_rate


@given(labels=labelled())
def test_the_calibration_bins_hold_every_order_once(labels: Labelled) -> None:
    is_fraud, score = labels
    metrics = score_metrics(is_fraud, score)
    bins = metrics.calibration
    sizes = [held.n_orders for held in bins]
    assert sum(sizes) == metrics.n_orders == len(score)
    assert len(bins) == min(10, len(score))
    assert max(sizes) - min(sizes) <= 1
    frauds = sum(held.fraud_share * held.n_orders for held in bins)
    assert frauds == pytest.approx(metrics.n_frauds)
    assert metrics.n_frauds == is_fraud.sum()
    predicted = sum(held.mean_probability * held.n_orders for held in bins)
    assert predicted == pytest.approx(score.sum())
    means = [held.mean_probability for held in bins]
    assert means == pytest.approx(sorted(means))


@pytest.mark.parametrize("is_fraud", [[False, False], [True], []])
def test_orders_of_one_kind_have_no_metrics(is_fraud: list[bool]) -> None:
    with pytest.raises(TrainingError, match=f"got {sum(is_fraud)} frauds among {len(is_fraud)}"):
        score_metrics(np.array(is_fraud, np.bool_), np.full(len(is_fraud), 0.5))


def test_a_probability_of_0_or_1_that_is_wrong_costs_much_but_not_everything() -> None:
    metrics = score_metrics(np.array([True, False]), np.array([0.0, 1.0]))
    assert metrics.log_loss == pytest.approx(-np.log(1e-15), rel=1e-2)
    assert (metrics.auc, metrics.brier_score) == (0.0, 1.0)
