"""Which groups of features, had they been those of the reference order, would have sufficed.

Every set is scored by the model itself; no Shapley values are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.scoring.scorer import Scorer

__all__ = ["SEARCHED_MAX", "Replacement", "least_replacements"]

SEARCHED_MAX: Final = 3
"""The largest sets of which all are tried; larger ones are found step by step."""

_BLOCK_ROWS: Final = 1024

_Sets = Sequence[tuple[int, ...]]
_IsEnough = Callable[[NDArray[np.float64]], NDArray[np.bool_]]


class Replacement(NamedTuple):
    """Groups that suffice when they are taken at the reference order's values.

    Attributes
    ----------
    groups : tuple of str
        In alphabetical order.
    raw_score : float
        The order's raw score then.
    is_least : bool
        Whether no smaller set suffices; a set larger than `SEARCHED_MAX` may not be the least,
        but each of its groups is needed in it.
    """

    groups: tuple[str, ...]
    raw_score: float
    is_least: bool


def least_replacements(
    scorer: Scorer,
    row: NDArray[np.float64],
    reference: NDArray[np.float64],
    groups: Mapping[str, Iterable[int]],
    is_enough: _IsEnough,
    *,
    most: int = 5,
) -> tuple[Replacement, ...]:
    """Return the smallest sets of groups that suffice, the lowest raw score first.

    All sets of one group are tried, then all of two and of three, until some suffice. If none
    does, groups are added one by one, each time the one that lowers the score most, and those
    that turn out not to be needed are left out again.

    Parameters
    ----------
    row, reference : ndarray of float64, shape (n_features,)
        The order's row, and the row that values are taken from.
    groups : mapping of str to iterable of int
        Name → columns.
    is_enough : callable
        From raw scores, shape (n,), to whether each suffices.
    most : int
        The most sets returned; there is one at most where groups were added one by one.

    Returns
    -------
    tuple of Replacement
        Empty where not even all groups together suffice on the way taken.
    """
    differs = (row != reference) & ~(np.isnan(row) & np.isnan(reference))
    held = {name: [c for c in columns if differs[c]] for name, columns in groups.items()}
    names = sorted(name for name, columns in held.items() if columns)
    tried = _Tried(scorer, row, reference, [held[name] for name in names])
    for size in range(1, min(SEARCHED_MAX, len(names)) + 1):
        sets = list(combinations(range(len(names)), size))
        scores = tried.scores(sets)
        enough = np.flatnonzero(is_enough(scores))
        if len(enough):
            best = enough[np.argsort(scores[enough], kind="stable")][:most]
            return tuple(
                Replacement(tuple(names[i] for i in sets[place]), float(scores[place]), True)  # noqa: FBT003 - a NamedTuple's field
                for place in best
            )
    return _stepwise(tried, names, is_enough)


class _Tried(NamedTuple):
    """An order of which sets of groups are tried."""

    scorer: Scorer
    row: NDArray[np.float64]
    reference: NDArray[np.float64]
    columns: list[list[int]]

    def scores(self, sets: _Sets) -> NDArray[np.float64]:
        """Return the raw score of the order with each set taken at the reference's values."""
        scores = np.empty(len(sets))
        for first in range(0, len(sets), _BLOCK_ROWS):
            block = sets[first : first + _BLOCK_ROWS]
            rows = np.tile(self.row, (len(block), 1))
            for place, members in enumerate(block):
                for member in members:
                    columns = self.columns[member]
                    rows[place, columns] = self.reference[columns]
            scores[first : first + len(block)] = self.scorer.score_many(rows)
        return scores


def _stepwise(tried: _Tried, names: Sequence[str], is_enough: _IsEnough) -> tuple[Replacement, ...]:
    chosen: tuple[int, ...] = ()
    while len(chosen) < len(names):
        sets = [(*chosen, i) for i in range(len(names)) if i not in chosen]
        scores = tried.scores(sets)
        chosen = sets[int(np.argmin(scores))]
        if is_enough(scores.min(keepdims=True))[0]:
            return (_without_needless(tried, names, chosen, is_enough),)
    return ()


def _without_needless(
    tried: _Tried, names: Sequence[str], chosen: tuple[int, ...], is_enough: _IsEnough
) -> Replacement:
    for member in chosen:
        fewer = tuple(other for other in chosen if other != member)
        if is_enough(tried.scores([fewer]))[0]:
            chosen = fewer
    score = float(tried.scores([chosen])[0])
    return Replacement(tuple(names[i] for i in sorted(chosen)), score, is_least=False)
