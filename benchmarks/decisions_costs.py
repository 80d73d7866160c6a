"""What policies cost on orders that they were not tuned on, beside the best that one cut can do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import make_scorer
from sklearn.model_selection import TunedThresholdClassifierCV

from benchmarks.decisions_orders import Scored, Shop, policy_of
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning import PolicyTuner

__all__ = ["Compared", "compared"]

_RESAMPLES = 1000
_MS_PER_DAY = 86_400_000
_THRESHOLDS = 500


class Compared(NamedTuple):
    """Costs beyond hindsight, by way of deciding.

    Attributes
    ----------
    over_tuned, over_best_single, over_approve_all : tuple of float
        Ours over the other's: the ratio, and its 90 % interval by redrawing days.
    two_actions_over_tuned : tuple of float
        Of ours without challenge and review, which the others do not have.
    capacity_days_exceeded : int
    n_orders, n_frauds, n_days : int
    """

    over_tuned: tuple[float, float, float]
    over_best_single: tuple[float, float, float]
    over_approve_all: tuple[float, float, float]
    two_actions_over_tuned: tuple[float, float, float]
    capacity_days_exceeded: int
    n_orders: int
    n_frauds: int
    n_days: int


class _Forecast(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose probability is its only column."""

    classes_ = np.array([0, 1])

    def fit(self, _rows: Any, _labels: Any) -> _Forecast:
        """Learn nothing."""
        return self

    def predict_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the column and its complement."""
        return np.column_stack([1.0 - rows[:, 0], rows[:, 0]])


def compared(shop: Shop, earlier: Scored, later: Scored, seed: int) -> Compared:
    """Tune on the earlier orders, and price every way of deciding the later ones.

    A cost beyond hindsight is that of the action less that of the right one: approve an honest
    order, decline a fraud. It is never negative, so ratios of it mean something.
    """
    hindsight = _by_label(later, shop.costs).min(axis=0)
    tuner = PolicyTuner(policy=policy_of(shop), n_resamples=0).fit(
        earlier.is_fraud, earlier.probability, amount_minor=earlier.amount_minor,
        event_time=earlier.time_ms, columns=earlier.columns,
    )  # fmt: skip
    rulings = Decider(tuner.policy_).of_many(
        later.probability, later.amount_minor, later.columns, time_ms=later.time_ms
    )
    ours = _cost(later, shop.costs, rulings.action) - hindsight
    two = _two_actions(shop, tuner.policy_.odds_factor, later)
    cut = _tuned_threshold(earlier, shop.costs)
    tuned = _single(later, shop.costs, cut) - hindsight
    cuts = np.quantile(later.probability, np.linspace(0.0, 1.0, 2_000))
    best = min((_single(later, shop.costs, c) for c in [*cuts, 1.1]), key=np.sum) - hindsight
    approve_all = _single(later, shop.costs, 1.1) - hindsight
    day = later.time_ms // _MS_PER_DAY
    _days, code = np.unique(day, return_inverse=True)
    reviews = np.bincount(code, rulings.action == 2)
    return Compared(
        over_tuned=_ratio(ours, tuned, code, seed),
        over_best_single=_ratio(ours, best, code, seed),
        over_approve_all=_ratio(ours, approve_all, code, seed),
        two_actions_over_tuned=_ratio(two - hindsight, tuned, code, seed),
        capacity_days_exceeded=int((reviews > shop.reviews_per_day).sum()),
        n_orders=len(later.probability),
        n_frauds=int(later.is_fraud.sum()),
        n_days=len(_days),
    )


def _by_label(orders: Scored, costs: Costs) -> NDArray[np.float64]:
    at_honest, at_fraud = _lines(orders, costs)
    return np.where(orders.is_fraud, at_fraud, at_honest)[[0, 3]]


def _lines(orders: Scored, costs: Costs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each order's costs where it is honest and where it is fraud, for every way alike."""
    return Decider(Policy(costs=costs)).cost_lines_of_many(orders.amount_minor, orders.columns)


def _cost(orders: Scored, costs: Costs, action: NDArray[Any]) -> NDArray[np.float64]:
    at_honest, at_fraud = _lines(orders, costs)
    by_action = np.where(orders.is_fraud, at_fraud, at_honest)
    return np.asarray(by_action[action, np.arange(len(action))])


def _single(orders: Scored, costs: Costs, cut: float) -> NDArray[np.float64]:
    return _cost(orders, costs, np.where(orders.probability >= cut, 3, 0))


def _two_actions(shop: Shop, factor: float, orders: Scored) -> NDArray[np.float64]:
    at_honest, at_fraud = _lines(orders, shop.costs)
    odds = factor * orders.probability
    adjusted = odds / (odds + (1.0 - orders.probability))
    expected = (1.0 - adjusted) * at_honest + adjusted * at_fraud
    return _cost(orders, shop.costs, np.where(expected[3] < expected[0], 3, 0))


def _tuned_threshold(orders: Scored, costs: Costs) -> float:
    """Return scikit-learn's threshold for the same costs."""
    by_label = _by_label(orders, costs)

    def gain(_labels: Any, declined: NDArray[np.int64], *, place: NDArray[np.int64]) -> float:
        return -float(by_label[declined, place].sum())

    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(gain).set_score_request(place=True)
        forecast = FrozenEstimator(_Forecast().fit(None, None))
        thresholds = np.unique(np.quantile(orders.probability, np.linspace(0.0, 1.0, _THRESHOLDS)))
        tuner = TunedThresholdClassifierCV(
            forecast, scoring=scorer, cv="prefit", refit=False, thresholds=thresholds,
            store_cv_results=True,
        )  # fmt: skip
        rows = orders.probability[:, None]
        tuner.fit(rows, orders.is_fraud.astype(int), place=np.arange(len(rows)))
    return float(tuner.best_threshold_)


def _ratio(
    ours: NDArray[np.float64], other: NDArray[np.float64], day: NDArray[np.int64], seed: int
) -> tuple[float, float, float]:
    """Return the ratio of sums and its 90 % interval by redrawing days."""
    sums = np.array([np.bincount(day, held) for held in (ours, other)])
    n_days = sums.shape[1]
    drawn = np.random.default_rng(seed).integers(0, n_days, (_RESAMPLES, n_days))
    redrawn = sums[0][drawn].sum(axis=1) / sums[1][drawn].sum(axis=1)
    low, high = np.quantile(redrawn, [0.05, 0.95])
    return float(ours.sum() / other.sum()), float(low), float(high)
