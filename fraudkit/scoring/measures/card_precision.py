"""Card Precision@k: of the k customers most suspected on a day, how many were compromised."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["customer_codes", "daily_card_precision"]


def customer_codes(names: pl.Series) -> pl.Series:
    """Return a code for each customer or card, the same for the same; -1 where not known.

    Examples
    --------
    >>> customer_codes(pl.Series(["b", None, "a", "b"])).to_list()
    [2, -1, 1, 2]
    """
    return names.cast(pl.String).rank("dense").cast(pl.Int64).fill_null(-1)


def daily_card_precision(
    is_fraud: NDArray[np.bool_],
    probability: NDArray[np.float64],
    entity: NDArray[np.int64],
    day: NDArray[np.int32],
    k: int,
) -> NDArray[np.float64]:
    """Return the Card Precision@k of each day.

    A customer's score is the highest of the day, and the customer is compromised where an order
    of the day is a fraud. Precision is the compromised among the k highest, over k. A
    compromised customer among them is detected, and left out on later days.

    - Over k also on a day with fewer than k customers, so a quiet day lowers the mean, and a day
      with fewer than k compromised customers cannot reach 1.
    - Customers tied across the k-th place share the places left: they count by their share of
      compromised ones, and none of them is detected, as none is sure to be looked at.

    Parameters
    ----------
    is_fraud, probability : ndarray, shape (n_orders,)
    entity : ndarray of int64, shape (n_orders,)
        Who the customer or the card is, as a code; orders with a negative code are left out.
    day : ndarray of int32, shape (n_orders,)
        From 0, each day at least once.
    k : int
        At least 1.

    Returns
    -------
    ndarray of float64, shape (n_days,)
        By ascending day.

    References
    ----------
    Le Borgne, Siblini, Lebichot and Bontempi, "Reproducible Machine Learning for Credit Card
    Fraud Detection", 2022, chapter 4, "Precision top-k metrics", ``card_precision_top_k``.

    Examples
    --------
    >>> daily_card_precision(
    ...     np.array([True, False, True]), np.array([0.9, 0.8, 0.7]),
    ...     np.array([0, 1, 0]), np.array([0, 0, 1], np.int32), k=1)
    array([1., 0.])
    """
    n_days = int(day.max(initial=-1)) + 1
    is_known = entity >= 0
    _names, code = np.unique(entity[is_known], return_inverse=True)
    n_entities = max(len(_names), 1)
    pairs, place = np.unique(
        day[is_known].astype(np.int64) * n_entities + code, return_inverse=True
    )
    highest = np.full(len(pairs), -np.inf)
    np.maximum.at(highest, place, probability[is_known])
    is_compromised = np.bincount(place, is_fraud[is_known], len(pairs)) > 0
    starts = np.searchsorted(pairs, np.arange(n_days + 1) * n_entities)
    is_left = np.ones(n_entities, np.bool_)
    precision = np.zeros(n_days)
    for number in range(n_days):
        held = np.arange(starts[number], starts[number + 1])
        held = held[is_left[pairs[held] % n_entities]]
        found, is_detected = _top(highest[held], is_compromised[held], k)
        precision[number] = found / k
        is_left[pairs[held[is_detected]] % n_entities] = False
    return precision


def _top(
    score: NDArray[np.float64], is_compromised: NDArray[np.bool_], k: int
) -> tuple[float, NDArray[np.bool_]]:
    """Return how many of the k highest are compromised, and which are so for sure."""
    if len(score) <= k:
        return float(is_compromised.sum()), is_compromised
    last = np.partition(score, len(score) - k)[len(score) - k]
    is_above, is_tied = score > last, score == last
    places_left = k - is_above.sum()
    if is_tied.sum() == places_left:
        is_above |= is_tied
        places_left = 0
    found = is_compromised[is_above].sum() + places_left * is_compromised[is_tied].mean()
    return float(found), is_compromised & is_above
