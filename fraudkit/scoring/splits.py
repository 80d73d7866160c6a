"""Splits in time that know when labels become known."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf
from numbers import Integral, Real
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from fraudkit.errors import ParameterError, TableError, TrainingError
from fraudkit.scoring.learning.table_columns import NO_TIME, is_frame, plain_values, times_ms

__all__ = ["DelayedTimeSplit", "Fold", "delayed_time_folds"]

_DAY_MS: Final = 86_400_000
_NEVER: Final = int(np.iinfo(np.int64).max)
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


class DelayedTimeSplit(BaseEstimator):  # type: ignore[misc]
    """Walks forward through time: train, wait for labels, test; a scikit-learn splitter.

    Fold ``i`` tests on ``test_days`` whole days. It learns from the ``train_days`` that end
    ``gap_days`` before them, the gap being what a label takes to arrive::

        |-- train_days --|-- gap_days --|-- test_days --|
                    |-- train_days --|-- gap_days --|-- test_days --|
                    step_days later

    What describes a row besides its features, its times and its entity, is read by name from
    ``groups``, a frame, which `sklearn.model_selection.cross_validate` and ``GridSearchCV`` hand
    on beside ``X``; or from ``X`` itself, if that is a frame with such columns. ``groups`` may
    also be an array of times of the rows alone.

    Parameters
    ----------
    train_days : int or None
        Length of the training period; ``None`` is everything before the gap.
    gap_days : float
        The label delay: a row is learnt from only if it happened that long before the test
        period begins, at least 0.
    test_days : int
        Length of each test period.
    n_splits : int
        How many folds.
    step_days : int, optional
        From one test period's first day to the next one's; ``test_days`` if not given, and no
        less, so that no row is tested twice.
    test_from_ms : int, optional
        Start of the first test period, and of its days, in milliseconds since 1970-01-01 UTC. If
        not given, the last test period ends with the day of the last row.
    day_origin_ms : int
        The start of any day, where ``test_from_ms`` is not given: 0 for days in UTC, -7,200,000
        for those that begin at midnight two hours east of it.
    event_time : str
        Name of the column of times at which rows happened: milliseconds since 1970-01-01 UTC, or
        times.
    label_available_at : str, optional
        Name of the column of times from which labels were known. Then a row is learnt from only
        if its label was known before the test period began, *and* it is as old as the gap:
        among younger rows the known labels are nearly all frauds. A row whose label is never
        known (null) is in no part.
    entity : str, optional
        Name of the column of customers, cards, … Those with a fraud since the training period's
        start that was known before a test day began are left out of that day: in life they would
        be blocked by then. Absent entities stay.
    pos_label : int, bool or str
        The label of a fraud, for ``entity``.

    Notes
    -----
    Without ``label_available_at`` a label is known ``gap_days`` after its row. With a delay of 7
    days an entity is then left out of test day ``d`` for a fraud in the training period or on any
    day up to ``d - 8``, as by the Fraud Detection Handbook, ``get_train_test_set``.

    References
    ----------
    Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection - Practical
    Handbook", 2022, chapters 3 (delay, compromised cards) and 5 (prequential validation).

    Examples
    --------
    >>> day_ms = 86_400_000
    >>> event_time_ms = np.arange(12) * day_ms
    >>> cv = DelayedTimeSplit(train_days=3, gap_days=2, test_days=2, n_splits=2)
    >>> for train, test in cv.split(np.zeros((12, 1)), groups=event_time_ms):
    ...     print(train, test)
    [3 4 5] [8 9]
    [5 6 7] [10 11]
    """

    __metadata_request__split = {"groups": True}  # noqa: RUF012 - scikit-learn reads it so

    def __init__(  # noqa: PLR0913 - a split's parameters, by name
        self,
        *,
        train_days: int | None = None,
        gap_days: float = 7,
        test_days: int = 7,
        n_splits: int = 4,
        step_days: int | None = None,
        test_from_ms: int | None = None,
        day_origin_ms: int = 0,
        event_time: str = "event_time_ms",
        label_available_at: str | None = None,
        entity: str | None = None,
        pos_label: int | bool | str = 1,
    ) -> None:
        self.train_days = train_days
        self.gap_days = gap_days
        self.test_days = test_days
        self.n_splits = n_splits
        self.step_days = step_days
        self.test_from_ms = test_from_ms
        self.day_origin_ms = day_origin_ms
        self.event_time = event_time
        self.label_available_at = label_available_at
        self.entity = entity
        self.pos_label = pos_label

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: ARG002 - scikit-learn's
        """Return the number of folds."""
        return self.n_splits

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Fold]:
        """Return the folds, earliest first; places ascend within each part.

        Parameters
        ----------
        X : frame or array, shape (n_rows, …)
        y : array, shape (n_rows,), optional
            The labels; needed with ``entity``.
        groups : frame or array, shape (n_rows, …), optional
            The columns that the parameters name, or the rows' times.

        Raises
        ------
        ParameterError
            If a parameter does not hold.
        TableError
            If a column is in neither table, or holds something else.
        TrainingError
            If a part of a fold is empty.
        """
        self._check_parameters()
        history = self._history(X, y, groups)
        step_ms = _DAY_MS * (self.step_days or self.test_days)
        first_ms = self.test_from_ms
        if first_ms is None:
            last = int(history.event_time_ms[history.available_at_ms != NO_TIME].max())
            days = (last - self.day_origin_ms) // _DAY_MS + 1 - self.test_days
            first_ms = self.day_origin_ms + days * _DAY_MS - (self.n_splits - 1) * step_ms
        starts = [first_ms + index * step_ms for index in range(self.n_splits)]
        return iter([self._fold(history, start_ms) for start_ms in starts])

    def _fold(self, history: _History, start_ms: int) -> Fold:
        event_time_ms, available_at_ms = history.event_time_ms, history.available_at_ms
        train_end_ms = start_ms - self._gap_ms
        train_start_ms = NO_TIME
        if self.train_days is not None:
            train_start_ms = train_end_ms - self.train_days * _DAY_MS
        has_label = available_at_ms != NO_TIME
        since = has_label & (event_time_ms >= train_start_ms)
        train = since & (event_time_ms < train_end_ms) & (available_at_ms < start_ms)
        end_ms = start_ms + self.test_days * _DAY_MS
        test = has_label & (event_time_ms >= start_ms) & (event_time_ms < end_ms)
        if history.entities is not None:
            frauds = since & history.is_fraud
            known_from_ms = _first_times(history.entities, frauds, available_at_ms)
            day_ms = start_ms + (event_time_ms - start_ms) // _DAY_MS * _DAY_MS
            test &= ~(known_from_ms < day_ms)
        for part, rows in (("train", train), ("test", test)):
            if not rows.any():
                raise TrainingError(
                    f"the {part} part of the fold that tests from {_iso(start_ms)} must hold rows "
                    "with known labels, got none; give more history, fewer splits or a shorter gap"
                )
        return Fold(np.flatnonzero(train), np.flatnonzero(test))

    @property
    def _gap_ms(self) -> int:
        return round(self.gap_days * _DAY_MS)

    def _history(self, X: Any, y: Any, groups: Any) -> _History:
        if groups is not None and not is_frame(groups) and np.ndim(groups) == 1:
            stamps = times_ms(np.asarray(groups), "groups")
        else:
            stamps = times_ms(_named(X, groups, self.event_time, "event_time"), self.event_time)
        if not len(stamps):
            raise TrainingError("a time split needs rows, got none")
        if np.any(stamps == NO_TIME):
            raise TableError(
                f"{self.event_time!r} must be there for every row, it is absent in one"
            )
        available_at_ms = stamps + self._gap_ms
        if self.label_available_at is not None:
            name = self.label_available_at
            available_at_ms = times_ms(_named(X, groups, name, "label_available_at"), name)
            if np.any((available_at_ms != NO_TIME) & (available_at_ms < stamps)):
                raise TableError(
                    f"{name!r} must not come before {self.event_time!r}: a label is not known "
                    "before the order is made; are the two mixed up?"
                )
            if np.all(available_at_ms == NO_TIME):
                raise TrainingError(f"{name!r} must be there for some row, it is absent in all")
        if self.entity is None:
            return _History(stamps, available_at_ms)
        codes = _codes(_named(X, groups, self.entity, "entity"))
        return _History(stamps, available_at_ms, codes, self._is_fraud(y, len(stamps)))

    def _is_fraud(self, y: Any, n_rows: int) -> NDArray[np.bool_]:
        labels = np.asarray(y, object)
        if labels.shape != (n_rows,):
            raise TableError(
                f"with entity={self.entity!r} y must hold a label for each of the {n_rows} rows, "
                f"got {'none' if y is None else f'shape {labels.shape}'}"
            )
        is_fraud = np.asarray(labels == self.pos_label, np.bool_)
        if not is_fraud.any():
            raise TrainingError(
                f"with entity={self.entity!r} y must hold frauds, got none of the label "
                f"{self.pos_label!r}; is pos_label right?"
            )
        return is_fraud

    def _check_parameters(self) -> None:
        least = {"train_days": 1, "test_days": 1, "n_splits": 1, "step_days": self.test_days}
        for name, low in least.items():
            value = getattr(self, name)
            if value is None and name in {"train_days", "step_days"}:
                continue
            if not _is_whole(value) or value < low:
                raise ParameterError(
                    f"{name} of DelayedTimeSplit must be a whole number, at least {low}, "
                    f"got {value!r}"
                )
        for name in ("test_from_ms", "day_origin_ms"):
            value = getattr(self, name)
            if not _is_whole(value) and not (value is None and name == "test_from_ms"):
                raise ParameterError(
                    f"{name} of DelayedTimeSplit must be whole milliseconds since 1970-01-01 UTC, "
                    f"got {value!r}"
                )
        gap = self.gap_days
        if isinstance(gap, bool) or not isinstance(gap, Real) or not 0 <= float(gap) < inf:
            raise ParameterError(
                f"gap_days of DelayedTimeSplit must be a number of days, at least 0, got {gap!r}"
            )


class _History(NamedTuple):
    """What the rows are beside their features; ``entities`` are codes, -1 for none."""

    event_time_ms: NDArray[np.int64]
    available_at_ms: NDArray[np.int64]
    entities: NDArray[np.int64] | None = None
    is_fraud: NDArray[np.bool_] = np.zeros(0, np.bool_)


def _named(table: Any, groups: Any, name: str, parameter: str) -> Any:
    for held in (groups, table):
        if held is not None and is_frame(held) and name in list(held.columns):
            return held[name]
    raise TableError(
        f"{parameter}={name!r} must name a column of groups or of X, and is in neither; pass "
        f"groups=frame[[{name!r}]], with every column that the split names"
    )


def _codes(values: Any) -> NDArray[np.int64]:
    codes: dict[Any, int] = {None: -1}
    plain = (None if value != value else value for value in plain_values(values))  # noqa: PLR0124 - NaN
    return np.array([codes.setdefault(value, len(codes)) for value in plain], np.int64)


def _first_times(
    entities: NDArray[np.int64], frauds: NDArray[np.bool_], available_at_ms: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return for each row when the first fraud of its entity was known, `_NEVER` where none."""
    first = np.full(int(entities.max(initial=0)) + 2, _NEVER)
    np.minimum.at(first, entities[frauds], available_at_ms[frauds])
    first[-1] = _NEVER
    return np.asarray(first[entities], np.int64)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _iso(time_ms: int) -> str:
    return str(np.datetime64(time_ms, "ms"))
