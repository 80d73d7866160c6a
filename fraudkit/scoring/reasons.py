"""Reasons: Shapley values added up by reason code and put into words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.decision import Reason
from fraudkit.features.clearing import WindowClearing, window_clearings
from fraudkit.features.customer_words import customer_texts
from fraudkit.features.spec import Aggregation, Feature, FeatureSet

__all__ = ["LEAST_WEIGHT", "Reasons", "feature_text", "moment"]

LEAST_WEIGHT: Final = 0.05
"""Log-odds below which a reason is not worth an agent's time: about 5 % of the odds."""

_SPANS: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)


class _Group(NamedTuple):
    """The features of one reason code."""

    code: str
    customer_text: str
    columns: list[int]


class Reasons:
    """Names what raised the risk of an order.

    Parameters
    ----------
    features : FeatureSet
        Whose columns the Shapley values are of.
    reference : ndarray of float64, shape (n_features,)
        The order that the Shapley values are held against.
    most : int
        The most reasons given.
    """

    __slots__ = ("_clearings", "_features", "_groups", "_most", "_places")

    def __init__(
        self, features: FeatureSet, reference: NDArray[np.float64], *, most: int = 4
    ) -> None:
        self._features = features.features
        self._clearings: list[WindowClearing | None] = [None] * len(self._features)
        for column, clearing in window_clearings(features, reference).items():
            self._clearings[column] = clearing
        texts = customer_texts(self._features)
        columns: dict[str, list[int]] = {code: [] for code in sorted(texts)}
        for column, feature in enumerate(self._features):
            columns[feature.reason_code].append(column)
        self._groups = [_Group(code, texts[code], held) for code, held in columns.items()]
        codes = list(columns)
        self._places = np.array([codes.index(f.reason_code) for f in self._features], np.int64)
        self._most = most

    def of(
        self, values: NDArray[np.float64], shapley: NDArray[np.float64], time_ms: int
    ) -> tuple[Reason, ...]:
        """Return the strongest reasons that raise the risk, strongest first.

        A reason's words, and when it clears, are those of its strongest feature.

        Parameters
        ----------
        values, shapley : ndarray of float64, shape (n_features,)
            The feature row and what each feature adds to the log-odds.
        time_ms : int
            The order's event time, UTC epoch milliseconds.
        """
        added = shapley.tolist()
        weights = np.bincount(self._places, shapley, len(self._groups)).tolist()
        reasons = []
        for place in self._strongest(weights):
            code, customer_text, columns = self._groups[place]
            strongest = max(columns, key=added.__getitem__)
            clearing = self._clearings[strongest]
            reasons.append(
                Reason(
                    code=code,
                    text=feature_text(self._features[strongest], float(values[strongest])),
                    weight=round(weights[place], 4),
                    customer_text=customer_text,
                    clears_by=(
                        None if clearing is None else moment(clearing.clears_by_ms(values, time_ms))
                    ),
                )
            )
        return tuple(reasons)

    def codes_of_many(self, shapley: NDArray[np.float64]) -> list[list[str]]:
        """Return the reason codes of many orders, from values of shape (n_orders, n_features)."""
        n_codes = len(self._groups)
        return [
            [self._groups[place].code for place in self._strongest(weights)]
            for row in shapley
            for weights in (np.bincount(self._places, row, n_codes).tolist(),)
        ]

    def _strongest(self, weights: list[float]) -> list[int]:
        raising = [place for place, weight in enumerate(weights) if weight >= LEAST_WEIGHT]
        return sorted(raising, key=weights.__getitem__, reverse=True)[: self._most]


def moment(time_ms: int | None) -> datetime | None:
    """Return UTC epoch milliseconds as a time; ``None`` for none, and for one after 9999.

    Examples
    --------
    >>> moment(1_767_225_600_001).isoformat()
    '2026-01-01T00:00:00.001000+00:00'
    """
    if time_ms is None or time_ms > _LAST_MS:
        return None
    return _EPOCH + timedelta(milliseconds=time_ms)


def feature_text(feature: Feature, value: float) -> str:
    """Return what an agent reads of one feature's value.

    Examples
    --------
    >>> from fraudkit.features.order_catalog import ORDER_FEATURES
    >>> lines = next(f for f in ORDER_FEATURES if f.name == "item_count")
    >>> feature_text(lines, 3.0), feature_text(lines, 1.0), feature_text(lines, float("nan"))
    ('3 lines in the basket', '1 line in the basket', 'not known: lines of the basket')
    """
    if isnan(value):
        stated = feature.unknown_text if isinstance(feature, Aggregation) else ""
        return stated or f"not known: {feature.meaning[0].lower()}{feature.meaning[1:]}"
    if value == 0.0 and feature.zero_text:
        return feature.zero_text
    if feature.one_text and 0.5 < value < 1.5:
        return feature.one_text
    if isinstance(feature, Aggregation):
        if "{duration" in feature.text:
            return feature.text.format(value=value, duration=_duration(value))
        return feature.text.format(value=value)
    level = "" if feature.levels is None else feature.levels[int(value)]
    return feature.text.format(value=value, level=level)


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
