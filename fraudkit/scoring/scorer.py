"""The port of a scorer: what turns feature rows into raw scores and says which features did it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import InputError

__all__ = ["Scorer", "as_row", "as_rows", "checked_rows", "in_threads"]

_CHUNK_ROWS: Final = 2048
"""Rows that one thread takes at a time: few enough that none waits long for the last."""


class Scorer(Protocol):
    """Scores orders and explains the scores; safe to use from several threads at once.

    Rows are of float64; others are converted, many rows a few at a time. A row of another length
    is an `fraudkit.errors.InputError`.

    Attributes
    ----------
    n_features, n_trees, n_leaves : int
        Columns of a row; trees of the model, and leaves of all of them.
    reference_score : float
        The raw score that explanations start from.
    """

    @property
    def n_features(self) -> int: ...  # noqa: D102 - see Attributes

    @property
    def n_trees(self) -> int: ...  # noqa: D102

    @property
    def n_leaves(self) -> int: ...  # noqa: D102

    @property
    def reference_score(self) -> float: ...  # noqa: D102

    def score(self, row: NDArray[np.float64]) -> float:
        """Return the raw score of one row, shape (n_features,)."""
        ...

    def score_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return the raw scores of many rows, shape (n_rows, n_features): shape (n_rows,)."""
        ...

    def explain(self, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the raw score of one row, and what each feature adds to the reference score."""
        ...

    def explain_many(self, rows: NDArray[np.float64], *, n_threads: int = 1) -> NDArray[np.float64]:
        """Return what each feature of many rows adds, shape (n_rows, n_features)."""
        ...


def as_row(row: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
    """Return a row as contiguous, writable float64; itself where it is so.

    Raises
    ------
    InputError
        If it has not one number a feature.
    """
    if row.shape != (n_features,):
        raise InputError(
            f"a row must have the shape ({n_features},), one number a feature, got {row.shape}; "
            "was it made with the features of this bundle?"
        )
    return _as_float64(row)


def checked_rows(rows: NDArray[np.float64], n_features: int) -> None:
    """Raise `InputError` unless rows have the shape (n_rows, n_features)."""
    if rows.ndim != 2 or rows.shape[1] != n_features:
        raise InputError(
            f"rows must have the shape (n_rows, {n_features}), one column a feature, "
            f"got {rows.shape}; were they made with the features of this bundle?"
        )


def as_rows(rows: NDArray[np.float64], span: slice) -> NDArray[np.float64]:
    """Return some of the rows as contiguous, writable float64; a view where they are so."""
    return _as_float64(rows[span])


def _as_float64(held: NDArray[np.float64]) -> NDArray[np.float64]:
    # A kernel is compiled for one kind of array; whatever else comes is copied into that.
    if held.dtype == np.float64 and held.flags.carray:
        return held
    try:
        return np.array(held, np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"rows must hold numbers, got an array of {held.dtype}: {error}"
        ) from error


def in_threads(part: Callable[[slice], None], n_rows: int, n_threads: int) -> None:
    """Call ``part`` on all slices of the rows, ``n_threads`` at once; an error in one is raised.

    Raises
    ------
    InputError
        If there is to be no thread.
    """
    if n_threads < 1:
        raise InputError(f"n_threads must be at least 1, got {n_threads}")
    starts = range(0, n_rows, _CHUNK_ROWS)
    spans = [slice(start, min(start + _CHUNK_ROWS, n_rows)) for start in starts]
    if n_threads == 1 or len(spans) < 2:
        for span in spans:
            part(span)
        return
    with ThreadPoolExecutor(min(n_threads, len(spans))) as pool:
        for _ in pool.map(part, spans):
            pass
