"""Fitting a calibration to later orders: four ways, and the one that holds up on orders apart.

Every way maps the raw score, the model's log-odds, and becomes knots of
`fraudkit.scoring.calibration.Calibration`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression

from fraudkit.errors import TrainingError
from fraudkit.scoring.calibration import Calibration
from fraudkit.scoring.learning.logistic import logistic_regression

__all__ = [
    "Compared",
    "compare_calibrations",
    "fit_beta",
    "fit_isotonic",
    "fit_logistic",
    "log_losses",
]

_FRAUDS_MIN: Final = 20
_FRAUDS_FOR_ISOTONIC_MIN: Final = 200
_PARTS: Final = 5
_STANDARD_ERRORS: Final = 2.0
_BETA_KNOTS: Final = 65
_ISOTONIC_KNOTS_MAX: Final = 64
_LEAST_STEP: Final = 1e-9
_IDENTITY: Final = Calibration(method="identity", raw_score=(-1.0, 1.0), log_odds=(-1.0, 1.0))
_SCORE_MAX: Final = 40.0
_SCORE_DECIMALS: Final = 6
_LOG_ODDS_MAX: Final = 1_000.0

_Scores = NDArray[np.float64]
_Labels = NDArray[np.bool_]


class Compared(NamedTuple):
    """The calibration that was chosen, and what it was chosen from.

    Attributes
    ----------
    chosen : Calibration
        Fitted to all the orders.
    held_back_log_loss : dict[str, float]
        Method → mean log loss over orders that the curve was not fitted to.
    standard_error : dict[str, float]
        Method → of the mean difference to the method ``"identity"``, over orders.
    """

    chosen: Calibration
    held_back_log_loss: dict[str, float]
    standard_error: dict[str, float]


def compare_calibrations(
    raw_score: _Scores,
    is_fraud: _Labels,
    event_time_ms: NDArray[np.int64],
    weights: _Scores | None = None,
) -> Compared:
    """Return the calibration with the least log loss on orders apart.

    The orders are cut into five parts by time. Each part is predicted by curves that were fitted
    to the other four. A simpler curve is kept unless a more flexible one is better by more than
    twice the standard error: ``logistic`` (two parameters), then ``beta`` (three), then
    ``isotonic``.
    The raw score itself, ``identity``, is chosen where nothing fitted beats it, and where there
    are fewer than 20 frauds to fit to.

    Parameters
    ----------
    raw_score : ndarray of float64, shape (n_orders,)
        Of a model that was not trained on these orders. It is taken at 40 at most, either way,
        and to six decimals: what is nearer together is one score.
    weights : ndarray of float64, shape (n_orders,), optional
        How many orders each stands for.

    Raises
    ------
    TrainingError
        If the score ranks these orders the wrong way round.
    """
    frauds = int(is_fraud.sum())
    scores: _Scores = np.clip(raw_score, -_SCORE_MAX, _SCORE_MAX).round(_SCORE_DECIMALS)
    if frauds < _FRAUDS_MIN or frauds == len(is_fraud) or np.ptp(scores) <= _LEAST_STEP:
        return Compared(_IDENTITY, {}, {})
    methods = dict(_METHODS)
    if frauds < _FRAUDS_FOR_ISOTONIC_MIN:
        del methods["isotonic"]
    each = np.ones(len(scores)) if weights is None else weights
    whole = {name: fit(scores, is_fraud, each) for name, fit in methods.items()}
    if whole["logistic"].log_odds[0] == whole["logistic"].log_odds[-1]:
        raise TrainingError(
            "the model ranks later orders the wrong way round; is the label column right?"
        )
    order = np.argsort(event_time_ms, kind="stable")
    losses = {name: np.empty(len(scores)) for name in methods}
    for part in np.array_split(order, _PARTS):
        rest = np.ones(len(scores), np.bool_)
        rest[part] = False
        can_fit = 0 < is_fraud[rest].sum() < rest.sum() and np.ptp(scores[rest]) > _LEAST_STEP
        for name, fit in methods.items():
            curve = fit(scores[rest], is_fraud[rest], each[rest]) if can_fit else _IDENTITY
            loss = log_losses(curve.log_odds_of_many(scores[part]), is_fraud[part])
            losses[name][part] = loss * each[part] / each.mean()
    chosen = _chosen(losses)
    standard_error = {
        name: _standard_error(loss - losses["identity"]) for name, loss in losses.items()
    }
    return Compared(
        whole[chosen], {name: float(loss.mean()) for name, loss in losses.items()}, standard_error
    )


def _chosen(losses: dict[str, NDArray[np.float64]]) -> str:
    chosen = "logistic"
    for name in ("beta", "isotonic"):
        if name in losses:
            gained = losses[chosen] - losses[name]
            if gained.mean() > _STANDARD_ERRORS * _standard_error(gained):
                chosen = name
    return chosen if losses[chosen].mean() <= losses["identity"].mean() else "identity"


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std() / np.sqrt(len(values)))


def log_losses(log_odds: _Scores, is_fraud: _Labels) -> NDArray[np.float64]:
    """Return minus the log of the probability that was given to what came true."""
    return np.asarray(np.logaddexp(0.0, np.where(is_fraud, -log_odds, log_odds)), np.float64)


def fit_logistic(raw_score: _Scores, is_fraud: _Labels, weights: _Scores) -> Calibration:
    """Return the straight line of log-odds over raw score with the least log loss.

    It does not fall: where it would, it is level at the fraud share.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    slopes, intercept = _rising_regression(raw_score[:, None], is_fraud, weights)
    slope, ends = float(slopes[0]), np.array(_ends(raw_score))
    if slope * max(-ends[0], ends[1], 1.0) > _LOG_ODDS_MAX:
        # Any two points give the line; those near its middle can be written down.
        middle, reach = np.clip(-intercept / slope, *ends), _LOG_ODDS_MAX / slope
        ends = np.clip(ends, middle - reach, middle + reach)
    return _curve("logistic", ends, lambda x: intercept + slope * x)


def fit_beta(raw_score: _Scores, is_fraud: _Labels, weights: _Scores) -> Calibration:
    """Return the curve ``a ln p - b ln(1 - p) + c`` of the raw probability ``p``, ``a, b >= 0``.

    References
    ----------
    Kull, Silva Filho and Flach, "Beta calibration: a well-founded and easily implemented
    improvement on logistic calibration for binary classifiers", AISTATS 2017.
    """

    def parts(scores: _Scores) -> NDArray[np.float64]:
        return np.column_stack([-np.logaddexp(0.0, -scores), np.logaddexp(0.0, scores)])

    slopes, intercept = _rising_regression(parts(raw_score), is_fraud, weights)
    knots = np.linspace(*_ends(raw_score), _BETA_KNOTS)
    return _curve("beta", knots, lambda x: intercept + parts(x) @ slopes)


def fit_isotonic(raw_score: _Scores, is_fraud: _Labels, weights: _Scores) -> Calibration:
    """Return the rising steps of the fraud share, joined by straight lines.

    Steps of few orders are drawn towards the fraud share of all by one order more, so that no
    step says never or always; those that this puts above the next are one with it.

    References
    ----------
    Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002. The order more: Laplace's rule of succession with the prior share.
    """
    order = np.argsort(raw_score, kind="stable")
    ascending, before = raw_score[order], np.append(0.0, np.cumsum(weights[order]))
    steps = IsotonicRegression().fit(raw_score, is_fraud, weights).predict(ascending)
    first = np.flatnonzero(np.diff(steps, prepend=-1.0))
    last = np.append(first[1:], len(steps)) - 1
    n_orders = before[last + 1] - before[first]
    prior = float(np.average(is_fraud, weights=weights))
    drawn = (steps[first] * n_orders + prior) / (n_orders + 1.0)
    shares = (
        IsotonicRegression()
        .fit(np.arange(len(drawn)), drawn, n_orders + 1.0)
        .predict(np.arange(len(drawn)))
    )
    middles = (ascending[first] + ascending[last]) / 2.0
    if len(middles) > _ISOTONIC_KNOTS_MAX:
        places = np.unique(np.linspace(0, len(middles) - 1, _ISOTONIC_KNOTS_MAX).astype(int))
        middles, shares = middles[places], shares[places]
    is_apart = np.diff(middles, prepend=-np.inf) > _LEAST_STEP
    middles, values = middles[is_apart], logit(shares[is_apart])
    if len(middles) < 2:
        low, high = _ends(raw_score)
        middles, values = np.array([low, high]), np.repeat(values[:1], 2)
    # Beyond the ends a curve goes on straight; a step more on each side makes it level there.
    middles = np.concatenate([[middles[0] - 1.0], middles, [middles[-1] + 1.0]])
    values = np.concatenate([values[:1], values, values[-1:]])
    return Calibration(
        method="isotonic", raw_score=tuple(middles.tolist()), log_odds=tuple(values.tolist())
    )


def _fit_nothing(_raw_score: _Scores, _is_fraud: _Labels, _weights: _Scores) -> Calibration:
    return _IDENTITY


_METHODS: Final[dict[str, Callable[[_Scores, _Labels, _Scores], Calibration]]] = {
    "identity": _fit_nothing,
    "logistic": fit_logistic,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}


def _rising_regression(
    columns: NDArray[np.float64], is_fraud: _Labels, weights: _Scores
) -> tuple[NDArray[np.float64], float]:
    """Return the slopes, none below 0, and the intercept with the least log loss.

    The loss is convex: with one slope below 0 the best is found where that slope is 0.
    """
    slopes, intercept = logistic_regression(columns, is_fraud, weights)
    below = np.flatnonzero(slopes < 0.0)
    if len(below):
        kept = np.delete(np.arange(columns.shape[1]), below[0])
        slopes[below[0]] = 0.0
        slopes[kept], intercept = _rising_regression(columns[:, kept], is_fraud, weights)
    return slopes, intercept


def _ends(raw_score: _Scores) -> tuple[float, float]:
    return float(raw_score.min()), float(raw_score.max())


def _curve(
    method: str, knots: NDArray[np.float64], of: Callable[[_Scores], NDArray[np.float64]]
) -> Calibration:
    values = np.maximum.accumulate(np.clip(of(knots), -_LOG_ODDS_MAX, _LOG_ODDS_MAX))
    return Calibration(
        method=method, raw_score=tuple(knots.tolist()), log_odds=tuple(values.tolist())
    )
