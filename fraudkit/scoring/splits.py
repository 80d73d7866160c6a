"""Splits in time that know when labels become known."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import TrainingError

__all__ = ["Fold", "delayed_time_folds"]

_FIRST_CUT_MIN: Final = 0.6
_FIRST_CUT_MAX: Final = 0.8
_KNOWN_BEFORE_TEST: Final = 0.3


class Fold(NamedTuple):
    """One step through time.

    Attributes
    ----------
    train, test : ndarray of int64
        Places of rows. Training rows happened, and their labels were known, before the first
        test row happened.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def delayed_time_folds(
    event_time_ms: NDArray[np.int64],
    known_at_ms: NDArray[np.int64],
    *,
    cuts: tuple[float, ...] | None = None,
) -> tuple[Fold, ...]:
    """Return folds that walk forward through time.

    Fold ``i`` tests on the rows between the ``i``-th cut and the next, and trains on the rows
    before the cut whose label was known before the cut. Rows in between are in neither: they
    are the gap that the label delay makes.

    Parameters
    ----------
    event_time_ms, known_at_ms : ndarray of int64, shape (n_rows,)
        When each row happened, and when its label was known.
    cuts : tuple of float, optional
        Shares of the rows, in order of time, that lie before each test part. If not given there
        are two parts; the first begins after 60 % of the rows or, where labels take long, once
        30 % of them have a label, after 80 % at the latest. The second begins halfway from there.

    Raises
    ------
    TrainingError
        If a part is left without rows.
    """
    if not len(event_time_ms):
        raise TrainingError("a time split needs rows, got none")
    ordered = np.sort(event_time_ms)
    shares = _cuts(ordered, known_at_ms) if cuts is None else cuts
    bounds = [int(ordered[int(share * len(ordered))]) for share in shares]
    bounds.append(int(ordered[-1]) + 1)
    folds = tuple(
        Fold(
            np.flatnonzero((event_time_ms < start) & (known_at_ms < start)),
            np.flatnonzero((event_time_ms >= start) & (event_time_ms < end)),
        )
        for start, end in pairwise(bounds)
    )
    for fold in folds:
        if not len(fold.train) or not len(fold.test):
            raise TrainingError(
                "each part of the time split must hold rows with known labels; the label delay "
                "is too long for this history: give more history or a shorter delay"
            )
    return folds


def _cuts(ordered: NDArray[np.int64], known_at_ms: NDArray[np.int64]) -> tuple[float, float]:
    enough_known_ms = np.quantile(known_at_ms, _KNOWN_BEFORE_TEST, method="lower")
    share = float(np.searchsorted(ordered, enough_known_ms)) / len(ordered)
    first = min(max(share, _FIRST_CUT_MIN), _FIRST_CUT_MAX)
    return first, (1.0 + first) / 2.0
