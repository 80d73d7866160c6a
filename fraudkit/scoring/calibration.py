"""Calibration: from the model's log-odds to log-odds that mean what they say.

A curve is a few knots, stored as text; between knots and beyond the ends it is straight. Fitting
stands in `fraudkit.scoring.learning.calibration_fit`.
"""

from __future__ import annotations

from bisect import bisect_right
from math import exp
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.errors import BundleError

__all__ = ["Calibration", "probability"]

_KNOT_MAX: Final = 1e6
_END_MIN: Final = 1e-9
"""The least width of the first and the last piece, which go on beyond the ends."""


class Calibration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rising, piecewise straight curve from raw score to calibrated log-odds.

    Attributes
    ----------
    method : str
        How it was fitted.
    raw_score, log_odds : tuple of float
        The knots, at least two; both rise.

    Examples
    --------
    >>> curve = Calibration(method="logistic", raw_score=(-1.0, 1.0), log_odds=(-3.0, 1.0))
    >>> curve.log_odds_of(0.0), curve.log_odds_of(2.0)
    (-1.0, 3.0)
    """

    method: str
    raw_score: tuple[float, ...]
    log_odds: tuple[float, ...]

    def __post_init__(self) -> None:
        places, values = np.array(self.raw_score), np.array(self.log_odds)
        if not (
            len(places) == len(values) >= 2
            and bool(np.all(np.abs([places, values]) <= _KNOT_MAX))
            and bool(np.all(np.diff(places) > 0) and np.all(np.diff(values) >= 0))
            and bool(np.all(np.diff(places)[[0, -1]] >= _END_MIN))
        ):
            raise BundleError(
                "calibration must have at least two knots, raw_score rising and log_odds not "
                f"falling, all within {_KNOT_MAX:g} of 0 and the ends {_END_MIN:g} wide, "
                f"got raw_score {self.raw_score[:5]} and "
                f"log_odds {self.log_odds[:5]}"
            )

    def log_odds_of(self, raw_score: float) -> float:
        """Return the calibrated log-odds of one raw score."""
        place = bisect_right(self.raw_score, raw_score, 1, len(self.raw_score) - 1)
        low, high = self.raw_score[place - 1], self.raw_score[place]
        floor, ceiling = self.log_odds[place - 1], self.log_odds[place]
        return floor + (raw_score - low) / (high - low) * (ceiling - floor)

    def log_odds_of_many(self, raw_scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated log-odds of many raw scores, the same to the bit."""
        knots, values = np.array(self.raw_score), np.array(self.log_odds)
        place = np.clip(np.searchsorted(knots, raw_scores, "right"), 1, len(knots) - 1)
        low, high = knots[place - 1], knots[place]
        floor, ceiling = values[place - 1], values[place]
        result: NDArray[np.float64] = floor + (raw_scores - low) / (high - low) * (ceiling - floor)
        return result


def probability(log_odds: float) -> float:
    """Return the probability of given log-odds, in [0, 1].

    Examples
    --------
    >>> probability(0.0), probability(-800.0)
    (0.5, 0.0)
    """
    return 0.0 if log_odds <= -700.0 else 1.0 / (1.0 + exp(-log_odds))
