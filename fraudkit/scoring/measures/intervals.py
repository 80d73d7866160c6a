"""Intervals by day-block bootstrap: whole days are drawn again, not orders.

Orders of one day share their attacks, campaigns and weekday, so drawing single orders would give
intervals that are too narrow. Every figure is computed for the days as they were and, in the
same pass, for each redrawing of them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "DAYS_MIN", "DAY_MS", "Days", "Estimate", "draw_days", "estimate"]

CONFIDENCE: Final = 0.95
"""How often an interval should hold the true value."""

DAYS_MIN: Final = 5
"""With fewer days an interval is withheld: so few blocks cannot say how days differ."""

DAY_MS: Final = 86_400_000
_DEFINED_SHARE_MIN: Final = 0.95


class Estimate(Struct, frozen=True):
    """A figure and its 95 % interval.

    Attributes
    ----------
    value : float
        Over the orders as they were.
    low, high : float or None
        The 2.5 % and 97.5 % quantiles over redrawn days; both ``None`` where the interval is
        withheld: no times were given, fewer than `DAYS_MIN` days, or a figure that has no value
        in more than 1 of 20 redrawings, for instance for want of a fraud.
    """

    value: float
    low: float | None = None
    high: float | None = None


class Days(NamedTuple):
    """The days of orders, and how often each redrawing holds each of them.

    Attributes
    ----------
    place : ndarray of int32, shape (n_orders,)
        Each order's day, from 0.
    multiplicity : ndarray of float64, shape (1 + n_resamples, n_days)
        The first row is 1 for each day: the orders as they were. Every row adds up to n_days.
    """

    place: NDArray[np.int32]
    multiplicity: NDArray[np.float64]

    def totals(self, *values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over the orders, for the days as they were and each redrawing.

        Parameters
        ----------
        *values : ndarray of float64, shape (n_orders,)

        Returns
        -------
        ndarray of float64, shape (n_values, 1 + n_resamples)
        """
        n_days = self.multiplicity.shape[1]
        by_day = np.stack([np.bincount(self.place, held, n_days) for held in values])
        # Not a matrix product: its rounding may depend on the number of threads.
        totals: NDArray[np.float64] = np.einsum("vd,rd->vr", by_day, self.multiplicity)
        return totals


def draw_days(
    event_time_ms: NDArray[np.int64] | None, n_orders: int, resamples: int, seed: int
) -> Days:
    """Return the days of orders and their redrawings.

    Parameters
    ----------
    event_time_ms : ndarray of int64, shape (n_orders,), optional
        A day is a UTC day with an order. Without times, and with fewer than `DAYS_MIN` days,
        there are no redrawings.
    resamples : int
        How often as many days as there are are drawn, with replacement.
    seed : int
        The same seed and days give the same redrawings.

    Examples
    --------
    >>> days = draw_days(np.arange(6) * DAY_MS, 6, resamples=2, seed=0)
    >>> days.place.tolist(), days.multiplicity.sum(axis=1).tolist()
    ([0, 1, 2, 3, 4, 5], [6.0, 6.0, 6.0])

    References
    ----------
    Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 8.2 (block
    resampling) and 5.3.1 (percentile intervals).
    """
    if event_time_ms is None:
        return Days(np.zeros(n_orders, np.int32), np.ones((1, 1)))
    found, place = np.unique(event_time_ms // DAY_MS, return_inverse=True)
    n_days = len(found)
    as_they_were = np.ones((1, n_days))
    if n_days < DAYS_MIN or resamples == 0:
        return Days(place.astype(np.int32), as_they_were)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(n_days, np.full(n_days, 1 / n_days), resamples)
    return Days(place.astype(np.int32), np.concatenate([as_they_were, drawn.astype(np.float64)]))


def estimate(figures: NDArray[np.float64]) -> Estimate:
    """Return a figure with its interval.

    Parameters
    ----------
    figures : ndarray of float64, shape (1 + n_resamples,)
        The figure itself, then that of each redrawing; NaN where it has no value.

    Examples
    --------
    >>> estimate(np.array([2.0, 1.0, 2.0, 3.0]))
    Estimate(value=2.0, low=1.05, high=2.95)
    >>> estimate(np.array([2.0]))
    Estimate(value=2.0, low=None, high=None)
    """
    value, redrawn = float(figures[0]), figures[1:]
    defined = redrawn[np.isfinite(redrawn)]
    if not len(defined) or len(defined) < _DEFINED_SHARE_MIN * len(redrawn):
        return Estimate(value)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))
