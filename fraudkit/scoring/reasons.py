"""Reasons: Shapley values added up by reason code and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.decision import Reason
from fraudkit.features.spec import Aggregation, Feature, FeatureSet, OrderFeature

__all__ = ["LEAST_WEIGHT", "Reasons"]

LEAST_WEIGHT: Final = 0.05
"""Log-odds below which a reason is not worth an agent's time: about 5 % of the odds."""

_SPANS: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


class Reasons:
    """Names what raised the risk of an order.

    Parameters
    ----------
    features : FeatureSet
        Whose columns the Shapley values are of.
    most : int
        The most reasons given.
    """

    __slots__ = ("_codes", "_columns", "_features", "_most", "_places")

    def __init__(self, features: FeatureSet, *, most: int = 4) -> None:
        self._features: Sequence[Feature] = features.features
        self._codes = sorted({feature.reason_code for feature in self._features})
        self._columns = [
            [i for i, feature in enumerate(self._features) if feature.reason_code == code]
            for code in self._codes
        ]
        self._places = np.array(
            [self._codes.index(feature.reason_code) for feature in self._features], np.int64
        )
        self._most = most

    def of(self, values: NDArray[np.float64], shapley: NDArray[np.float64]) -> tuple[Reason, ...]:
        """Return the strongest reasons that raise the risk, strongest first.

        Parameters
        ----------
        values, shapley : ndarray of float64, shape (n_features,)
            The feature row and what each feature adds to the log-odds.
        """
        added = shapley.tolist()
        weights = np.bincount(self._places, shapley, len(self._codes)).tolist()
        reasons = []
        for place in self._strongest(weights):
            strongest = max(self._columns[place], key=added.__getitem__)
            text = _words(self._features[strongest], float(values[strongest]))
            weight = round(weights[place], 4)
            reasons.append(Reason(code=self._codes[place], text=text, weight=weight))
        return tuple(reasons)

    def codes_of_many(self, shapley: NDArray[np.float64]) -> list[list[str]]:
        """Return the reason codes of many orders, from values of shape (n_orders, n_features)."""
        n_codes = len(self._codes)
        return [
            [self._codes[place] for place in self._strongest(weights)]
            for row in shapley
            for weights in (np.bincount(self._places, row, n_codes).tolist(),)
        ]

    def _strongest(self, weights: list[float]) -> list[int]:
        raising = [place for place, weight in enumerate(weights) if weight >= LEAST_WEIGHT]
        return sorted(raising, key=weights.__getitem__, reverse=True)[: self._most]


def _words(feature: Feature, value: float) -> str:
    if isnan(value):
        stated = feature.unknown_text if isinstance(feature, Aggregation) else ""
        return stated or f"not known: {feature.meaning[0].lower()}{feature.meaning[1:]}"
    if value == 0.0 and feature.zero_text:
        return feature.zero_text
    level = ""
    if isinstance(feature, OrderFeature) and feature.levels is not None:
        level = feature.levels[int(value)]
    return feature.text.format(value=value, level=level, duration=_duration(value))


def _duration(seconds: float) -> str:
    """Return a time span as one number of the largest unit that holds it twice.

    Examples
    --------
    >>> _duration(1.0), _duration(90.0), _duration(7_200.0), _duration(400_000.0)
    ('1 second', '90 seconds', '2 hours', '4 days')
    """
    for unit_s, units in _SPANS:
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s:.0f} {units}"
    whole = round(seconds)
    return "1 second" if whole == 1 else f"{whole} seconds"
