"""Intervals over days: how a sum would differ on other days like these.

Orders of one day share their attacks and campaigns, so whole days are the blocks. A sum needs no
redrawing of them: its variance over redrawn days is known in closed form.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONFIDENCE",
    "DAYS_MIN",
    "Doubt",
    "Interval",
    "Variance",
    "day_interval",
    "day_variance",
    "interval_around",
    "student_doubt",
]

CONFIDENCE: Final = 0.9
"""How often an interval should hold the true value."""

DAYS_MIN: Final = 5
"""With fewer days an interval is withheld: so few blocks cannot say how days differ."""


class Interval(NamedTuple):
    """From ``low`` to ``high``, in the unit of what it is about."""

    low: float
    high: float


class Variance(NamedTuple):
    """An estimated variance, and how well it is known.

    Attributes
    ----------
    value : float
        0 or more.
    degrees_of_freedom : float
        1 or more; infinite where the variance is known exactly.
    """

    value: float
    degrees_of_freedom: float


class Doubt(NamedTuple):
    """How far below and above a figure the true value may be, 0 or more each, at `CONFIDENCE`."""

    below: float
    above: float


def day_variance(terms: NDArray[np.float64], day: NDArray[np.integer]) -> Variance | None:
    """Return the variance of a sum over as many days drawn like these.

    With ``t`` the totals of the ``n`` days it is ``n`` times their sample variance. Where few days
    make most of it, it is hardly known: the degrees of freedom are one less than the effective
    number of days, ``(sum s)² / sum s²`` over the squared deviations ``s`` of the totals.

    Parameters
    ----------
    terms : ndarray of float64, shape (n_orders,)
        What each order adds to the sum; 0 for an order that adds nothing, whose day counts.
    day : ndarray of integers, shape (n_orders,)
        A code for each day, in any order.

    Returns
    -------
    Variance or None
        ``None`` with fewer than `DAYS_MIN` days.

    Examples
    --------
    >>> day_variance(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.arange(5)).value
    12.5

    References
    ----------
    Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 8.2, for blocks.
    Kish, "Survey Sampling", 1965, section 11.7, for the effective number. To take it for the
    degrees of freedom is ours: at the worst of 32 simulated cases, with heavy-tailed amounts, it
    held 86 % where 90 % were asked for, Student's t over all days 80 %, redrawn days 78 %.
    """
    _, place = np.unique(day, return_inverse=True)
    totals = np.bincount(place, terms)
    n_days = len(totals)
    if n_days < DAYS_MIN:
        return None
    squares = (totals - totals.mean()) ** 2
    total = squares.sum()
    if total == 0.0:
        return Variance(0.0, math.inf)
    shares = squares / total
    effective_days = 1.0 / float(shares @ shares)
    return Variance(float(n_days * total / (n_days - 1)), max(effective_days - 1.0, 1.0))


def student_doubt(variance: Variance) -> Doubt:
    """Return the doubt that Student's t leaves.

    Examples
    --------
    >>> round(student_doubt(Variance(4.0, 4.0)).above, 3)
    4.264
    """
    from scipy.special import stdtrit

    if variance.value == 0.0:
        return Doubt(0.0, 0.0)
    half = float(stdtrit(variance.degrees_of_freedom, (1.0 + CONFIDENCE) / 2.0))
    half *= math.sqrt(variance.value)
    return Doubt(half, half)


def interval_around(value: float, *doubts: Doubt) -> Interval:
    """Return the interval of a figure whose error is the sum of independent ones.

    Examples
    --------
    >>> interval_around(10.0, Doubt(3.0, 5.0), Doubt(4.0, 12.0))
    Interval(low=5.0, high=23.0)

    References
    ----------
    Zou and Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27, 2008: the squares of the distances add up, on each side.
    """
    below = math.hypot(*(doubt.below for doubt in doubts))
    above = math.hypot(*(doubt.above for doubt in doubts))
    return Interval(value - below, value + above)


def day_interval(terms: NDArray[np.float64], day: NDArray[np.integer]) -> Interval | None:
    """Return the interval of the sum of the terms; ``None`` with fewer than `DAYS_MIN` days.

    Parameters and sources are those of `day_variance`.
    """
    variance = day_variance(terms, day)
    return (
        None if variance is None else interval_around(float(terms.sum()), student_doubt(variance))
    )
