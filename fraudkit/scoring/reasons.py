"""Reasons: Shapley values added up by reason code and put into words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled
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


class _Words(NamedTuple):
    """What is said where a feature is the strongest of its reason code."""

    code: str
    customer_text: str
    feature: Feature
    clearing: WindowClearing | None


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

    __slots__ = ("_most", "_places", "_words")

    def __init__(
        self, features: FeatureSet, reference: NDArray[np.float64], *, most: int = 4
    ) -> None:
        texts = customer_texts(features.features)
        clearings = window_clearings(features, reference)
        self._words = [
            _Words(feature.reason_code, texts[feature.reason_code], feature, clearings.get(column))
            for column, feature in enumerate(features.features)
        ]
        codes = sorted(texts)
        self._places = np.array([codes.index(words.code) for words in self._words], np.int64)
        self._most = most
        self._strongest(np.zeros(len(self._words)))  # loads the machine code

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
        reasons = []
        for column, weight in self._strongest(shapley):
            code, customer_text, feature, clearing = self._words[column]
            reasons.append(
                Reason(
                    code=code,
                    text=feature_text(feature, float(values[column])),
                    weight=round(weight, 4),
                    customer_text=customer_text,
                    clears_by=(
                        None if clearing is None else moment(clearing.clears_by_ms(values, time_ms))
                    ),
                )
            )
        return tuple(reasons)

    def codes_of_many(self, shapley: NDArray[np.float64]) -> list[list[str]]:
        """Return the reason codes of many orders, from values of shape (n_orders, n_features)."""
        words = self._words
        return [[words[column].code for column, _weight in self._strongest(row)] for row in shapley]

    def _strongest(self, shapley: NDArray[np.float64]) -> list[tuple[int, float]]:
        """Return the strongest feature and the weight of each reason, strongest first."""
        columns, weights = np.empty(self._most, np.int64), np.empty(self._most)
        count = _find_strongest(shapley, self._places, columns, weights)
        return list(zip(columns.tolist(), weights.tolist(), strict=True))[:count]


@compiled
def _find_strongest(
    shapley: NDArray[np.float64],
    places: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> int:
    """Write the strongest reasons' strongest columns and weights; return how many there are.

    Of reasons that weigh the same, the one whose place is first goes first.
    """
    n_places, most, count = places.max() + 1, len(columns), 0
    totals, strongest = np.zeros(n_places), np.full(n_places, -1)
    for column in range(len(places)):
        place = places[column]
        totals[place] += shapley[column]
        if strongest[place] < 0 or shapley[column] > shapley[strongest[place]]:
            strongest[place] = column
    for place in range(n_places):
        if not totals[place] >= LEAST_WEIGHT:
            continue
        rank = count
        while rank > 0 and weights[rank - 1] < totals[place]:
            rank -= 1
        if rank == most:
            continue
        count = min(count + 1, most)
        for later in range(count - 1, rank, -1):
            columns[later], weights[later] = columns[later - 1], weights[later - 1]
        columns[rank], weights[rank] = strongest[place], totals[place]
    return count


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
