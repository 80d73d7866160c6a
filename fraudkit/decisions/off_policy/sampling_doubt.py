"""How far off the doubly robust sum may be: other explorations, and other frauds among them.

The few frauds that were explored carry most of it, each for as many orders as one over its
propensity. Their sum is skewed: how much more it can be is told by a gamma distribution, where a
symmetric interval is too short above, and most of all when few were found.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.day_blocks import (
    CONFIDENCE,
    Doubt,
    Interval,
    Variance,
    student_doubt,
)

__all__ = ["event_sum_interval", "sampling_doubt"]

_HALVINGS: Final = 60

_Floats = NDArray[np.float64]


def sampling_doubt(
    stake: _Floats, is_fraud: _Floats, probability: _Floats, propensity: _Floats
) -> Doubt:
    """Return how far the true sum may be from the doubly robust one, over the same days.

    With ``g`` the stake, ``p`` the probability and ``e`` the propensity, an explored fraud adds
    ``g (1 - p) / e`` to the sum, an explored honest order takes ``g p / e`` from it. The first are
    rare events of unequal weight, see `event_sum_interval`; one more weighs what the model expects
    of an explored fraud, ``sum s² p e / sum s p e`` with ``s = |g| (1 - p) / e``. The second are
    many, and which orders could have been explored is known: their variance is ``sum g² p² / e``,
    for the share of it that is honest among the explored.

    Parameters
    ----------
    stake : ndarray of float64, shape (n_orders,)
        How much the value is higher if the order is a fraud; of either sign.
    is_fraud : ndarray of float64, shape (n_orders,)
        0 or 1 for the explored orders, NaN for the others.
    probability : ndarray of float64, shape (n_orders,)
        What the modelled values were made with.
    propensity : ndarray of float64, shape (n_orders,)
        With which probability the order was explored, above 0.

    References
    ----------
    Särndal, Swensson and Wretman, "Model Assisted Survey Sampling", 1992, sections 3.5 (Poisson
    sampling) and 6.3. ``1 / e`` in the place of ``1 / e - 1`` is for the chance in the labels. What
    one more fraud weighs, and the share of the honest orders, are ours. In 600 runs each of eleven
    simulated shops with 40 and 100 explored orders the intervals held 86 to 100 % where 90 % were
    asked for, also where the few frauds are the largest orders and the model does not know.
    """
    square = (stake * probability) ** 2 / propensity
    honest = student_doubt(
        Variance(float(square.sum()) * _honest_share(is_fraud, probability), math.inf)
    )
    below, above = [honest.below], [honest.above]
    for sign in (1.0, -1.0):
        places = np.flatnonzero(sign * stake > 0.0)
        doubt = _fraud_doubt(
            np.abs(stake[places]), is_fraud[places], probability[places], propensity[places]
        )
        below.append(doubt.below if sign > 0.0 else doubt.above)
        above.append(doubt.above if sign > 0.0 else doubt.below)
    return Doubt(math.hypot(*below), math.hypot(*above))


def event_sum_interval(weights: _Floats, weight_of_one_more: float) -> Interval:
    """Return the interval of the expected sum of weights of events that come at random.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_events,)
        Of the events that came, above 0.
    weight_of_one_more : float
        Above 0.

    Examples
    --------
    Of equal weights it is the mid-p interval of a Poisson mean, here with two events:

    >>> low, high = event_sum_interval(np.array([10.0, 10.0]), 10.0)
    >>> round(low, 2), round(high, 2)
    (4.88, 56.89)

    References
    ----------
    Fay and Feuer, "Confidence intervals for directly standardized rates: a method based on the
    gamma distribution", Statistics in Medicine 16, 1997; its mid-p form: Fay and Kim, "Confidence
    intervals for directly standardized rates using mid-p gamma intervals", Biometrical Journal 59,
    2017. There the weight of one more is the largest there is, which holds whatever the events.
    """
    total, square = float(weights.sum()), float(weights @ weights)
    fewer = (total, square)
    more = (total + weight_of_one_more, square + weight_of_one_more**2)
    tail = (1.0 - CONFIDENCE) / 2.0
    return Interval(_quantile(fewer, more, tail), _quantile(fewer, more, 1.0 - tail))


def _honest_share(is_fraud: _Floats, probability: _Floats) -> float:
    """Return the share of honest orders among the explored, by their squared probability."""
    is_explored = ~np.isnan(is_fraud)
    square = probability[is_explored] ** 2
    total = float(square.sum())
    return float(square[is_fraud[is_explored] == 0.0].sum()) / total if total else 1.0


def _fraud_doubt(
    size: _Floats, is_fraud: _Floats, probability: _Floats, propensity: _Floats
) -> Doubt:
    weight = size * (1.0 - probability) / propensity
    chance = propensity * probability
    if not (weight @ chance) > 0.0:
        chance = propensity
    expected = float(weight @ chance)
    if not expected > 0.0:
        return Doubt(0.0, 0.0)
    found = weight[is_fraud == 1.0]
    low, high = event_sum_interval(found, float(weight**2 @ chance) / expected)
    total = float(found.sum())
    return Doubt(max(total - low, 0.0), max(high - total, 0.0))


def _quantile(fewer: tuple[float, float], more: tuple[float, float], share: float) -> float:
    """Return the quantile of the even mixture of two gamma distributions, by bisection.

    Each is given by its mean and variance; with a mean of 0 it is all at 0. It lies between the
    quantiles of both.
    """
    from scipy.special import gammainc, gammaincinv

    if fewer[0] == 0.0 and share <= 0.5:
        return 0.0

    def below(value: float, mean: float, variance: float) -> float:
        if mean == 0.0:
            return 1.0
        return float(gammainc(mean**2 / variance, value * mean / variance))

    low, high = (
        float(gammaincinv(mean**2 / variance, share)) * variance / mean if mean else 0.0
        for mean, variance in (fewer, more)
    )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if (below(middle, *fewer) + below(middle, *more)) / 2.0 < share:
            low = middle
        else:
            high = middle
    return high
