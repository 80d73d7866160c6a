"""Reasons: Shapley values added up by reason code and put into words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.decision import Reason
from fraudkit.features.spec import Feature, FeatureSet, OrderFeature

__all__ = ["LEAST_WEIGHT", "Reasons"]

LEAST_WEIGHT: Final = 0.05
"""Log-odds below which a reason is not worth an agent's time: about 5 % of the odds."""


class Reasons:
    """Names what raised the risk of an order.

    Parameters
    ----------
    features : FeatureSet
        Whose columns the Shapley values are of.
    most : int
        The most reasons given.
    """

    __slots__ = ("_codes", "_features", "_most", "_place_of_code")

    def __init__(self, features: FeatureSet, *, most: int = 4) -> None:
        self._features: Sequence[Feature] = features.features
        self._codes = sorted({feature.reason_code for feature in self._features})
        self._place_of_code = np.array(
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
        weights: NDArray[np.float64] = np.bincount(
            self._place_of_code, shapley, len(self._codes)
        ).astype(np.float64)
        return tuple(
            Reason(
                code=self._codes[place],
                text=self._text(place, values, shapley),
                weight=round(float(weights[place]), 4),
            )
            for place in self._strongest(weights)
        )

    def codes_of_many(self, shapley: NDArray[np.float64]) -> list[list[str]]:
        """Return the reason codes of many orders, from values of shape (n_orders, n_features)."""
        indicator = np.zeros((len(self._place_of_code), len(self._codes)))
        indicator[np.arange(len(self._place_of_code)), self._place_of_code] = 1.0
        return [
            [self._codes[place] for place in self._strongest(weights)]
            for weights in shapley @ indicator
        ]

    def _strongest(self, weights: NDArray[np.float64]) -> list[int]:
        order = np.argsort(-weights, kind="stable")[: self._most]
        return [int(place) for place in order if weights[place] >= LEAST_WEIGHT]

    def _text(self, place: int, values: NDArray[np.float64], shapley: NDArray[np.float64]) -> str:
        own = np.where(self._place_of_code == place, shapley, -np.inf)
        strongest = int(np.argmax(own))
        return _words(self._features[strongest], float(values[strongest]))


def _words(feature: Feature, value: float) -> str:
    if np.isnan(value):
        return f"not known: {feature.meaning[0].lower()}{feature.meaning[1:]}"
    level = ""
    if isinstance(feature, OrderFeature) and feature.levels is not None:
        level = feature.levels[int(value)]
    return feature.text.format(value=value, level=level)
