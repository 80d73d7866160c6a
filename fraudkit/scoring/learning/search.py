"""Choosing settings on validation folds, which lie before whatever the model is measured on.

Successive halving: many candidates on few orders, a third of them on more, a third of those on
yet more. They are compared by the log loss that the best straight line of their log-odds leaves:
what a calibration mends does not count, and it tells candidates apart with fewer frauds than a
rank statistic does.

The given settings go through every rung, and stay unless another is better by more than one
standard error of the difference over the folds: the best of many is partly the luckiest.

References
----------
Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS 2016.
Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984: the rule of one
standard error.
DeGroot and Fienberg, "The comparison and evaluation of forecasters", The Statistician 32 (1983):
refinement, the part of a proper score that calibration leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

import joblib
import lightgbm
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from fraudkit.errors import TrainingError
from fraudkit.scoring.learning.boosting import (
    Columns,
    ModelSettings,
    binned,
    grown,
    lightgbm_parameters,
)
from fraudkit.scoring.learning.logistic import logistic_regression
from fraudkit.scoring.splits import Fold

__all__ = ["SPACE", "Candidate", "Searched", "candidates", "search_settings"]

SPACE: Final[dict[str, tuple[Any, ...]]] = {
    "boosting": ("gbdt", "gbdt", "dart"),
    "learning_rate": (0.03, 0.05, 0.1),
    "num_leaves": (7, 15, 31),
    "min_data_in_leaf": (20, 40, 80),
    "feature_fraction": (0.3, 0.5, 0.8),
    "lambda_l2": (1.0, 5.0, 20.0),
    "uses_directions": (False, True),
    "uses_categories": (True, False),
}
"""What a candidate is drawn from, each setting by itself; a value named twice is as likely."""

_TREE_COUNTS: Final = (25, 50, 75, 100, 150, 200)
_DART: Final[dict[str, tuple[Any, ...]]] = {"n_trees": (60, 100, 150), "learning_rate": (0.1, 0.15)}
_HONEST_BY_RUNG: Final = (20_000, 50_000, 100_000)
_TESTED_HONEST_MAX: Final = 50_000
_KEPT_SHARE: Final = 1 / 3
_CANDIDATES_MAX: Final = 500

_Progress = Callable[[int, int, str], None]


_Curve = dict[int, tuple[float, float]]
"""Number of trees → log loss after the best straight line, and average precision."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One row of the search table.

    Attributes
    ----------
    rung : int
        From 0; a later one has more orders and fewer candidates.
    settings : ModelSettings
        With the number of trees that did best.
    honest_max : int
        How many honest orders of a fold were learnt from at most; all frauds always are.
    log_loss : float
        Of each fold's test part, per order, after the best straight line; mean over the folds.
    log_losses : tuple of float
        Of each fold.
    average_precision : float
        Mean over the folds.
    is_chosen : bool
    """

    rung: int
    settings: ModelSettings
    honest_max: int
    log_loss: float
    log_losses: tuple[float, ...]
    average_precision: float
    is_chosen: bool = False

    def plain(self) -> dict[str, Any]:
        """Return the row with every setting a column of its own, for `search.json`."""
        held: dict[str, Any] = msgspec.to_builtins(self)
        settings: dict[str, Any] = held.pop("settings")
        held["log_losses"] = list(self.log_losses)
        return {"rung": held.pop("rung"), **settings, **held}


class Searched(NamedTuple):
    """The chosen settings, and all that was tried, in order of rungs."""

    settings: ModelSettings
    table: tuple[Candidate, ...]


def candidates(base: ModelSettings, count: int) -> list[ModelSettings]:
    """Return different settings to try: the given ones, those without categories, then drawn ones.

    Raises
    ------
    TrainingError
        If more than 500 are asked for.

    Examples
    --------
    >>> [c.uses_categories for c in candidates(ModelSettings(), 2)]
    [True, False]
    """
    if count > _CANDIDATES_MAX:
        raise TrainingError(f"a search has at most {_CANDIDATES_MAX} candidates, got {count}")
    rng = np.random.default_rng(base.seed)
    drawn = list(dict.fromkeys((base, msgspec.structs.replace(base, uses_categories=False))))[
        :count
    ]
    while len(drawn) < count:
        changes = _drawn(SPACE, rng)
        if changes["boosting"] == "dart":
            changes |= _drawn(_DART, rng)
        settings = msgspec.structs.replace(base, **changes)
        if settings not in drawn:
            drawn.append(settings)
    return drawn


def _drawn(space: dict[str, tuple[Any, ...]], rng: np.random.Generator) -> dict[str, Any]:
    return {name: values[int(rng.integers(len(values)))] for name, values in space.items()}


def search_settings(  # noqa: PLR0913 - what a search is made of
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    columns: Columns,
    folds: Sequence[Fold],
    *,
    base: ModelSettings,
    count: int = 16,
    weights: NDArray[np.float64] | None = None,
    n_jobs: int = 1,
    progress: _Progress = lambda _done, _total, _said: None,
) -> Searched:
    """Return the settings with the least mean log loss over validation folds.

    The given ones are returned unless others do better than them by more than one standard error.
    A rung that has no more orders than the one before has other seeds. Of plain boosting the
    number of trees is chosen along the way, among those of a curve; the given settings' own
    number is on it.

    Parameters
    ----------
    rows : ndarray of float64, shape (n_rows, n_features)
    folds : sequence of Fold
        Places in ``rows``. They must lie before what the model will be measured on.
    base : ModelSettings
        Is a candidate itself, and gives what `SPACE` does not.
    count : int
        How many candidates.
    weights : ndarray of float64, shape (n_rows,), optional
        How many orders each stands for, in learning and in measuring.
    n_jobs : int
        How many fits at once; it changes no result.
    progress : callable
        Called with the fits done, their number, and a word on the best so far.

    Raises
    ------
    TrainingError
        If there is no fold, or one has no frauds to learn from or to be measured on, or no honest
        order; if there are more than 500 candidates.
    """
    if not folds:
        raise TrainingError("a search needs at least one validation fold, got none")
    for fold in folds:
        for places in fold:
            frauds = int(is_fraud[places].sum())
            if frauds in (0, len(places)):
                raise TrainingError(
                    "each part of a validation fold must hold frauds and honest orders, got "
                    f"{frauds} frauds among {len(places)}; give more history or fewer folds"
                )
    data = _Data(rows, is_fraud, columns, np.ones(len(rows)) if weights is None else weights)
    field, table, said = candidates(base, count), list[Candidate](), ""
    sizes = _field_sizes(len(field))
    done, total = 0, sum(sizes) * len(folds)
    for rung in range(len(sizes)):
        curves = [list[_Curve]() for _ in field]
        for fold in folds:
            part = _prepared(data, fold, _HONEST_BY_RUNG[rung], base)
            tasks = (joblib.delayed(_curve)(part, columns, _reseeded(s, rung)) for s in field)
            runner = joblib.Parallel(n_jobs, prefer="threads", return_as="generator")
            for place, curve in enumerate(runner(tasks)):
                curves[place].append(curve)
                done += 1
                progress(done, total, said)
        tried = [_tried(rung, s, held) for s, held in zip(field, curves, strict=True)]
        given, *others = tried
        others.sort(key=lambda held: held.log_loss)
        best = _chosen(given, others)
        said = f"best log loss {best.log_loss:.4f}"
        table += sorted(tried, key=lambda held: held.log_loss)
        n_kept = sizes[min(rung + 1, len(sizes) - 1)]
        field = [held.settings for held in (given, *others[: n_kept - 1])]
    return Searched(
        best.settings,
        tuple(msgspec.structs.replace(held, is_chosen=held is best) for held in table),
    )


def _chosen(given: Candidate, others: Sequence[Candidate]) -> Candidate:
    """Return the best of the others if it is clearly better than the given one."""
    if not others:
        return given
    gains = np.subtract(given.log_losses, others[0].log_losses)
    error = float(np.std(gains, ddof=1)) / sqrt(len(gains)) if len(gains) > 1 else 0.0
    return others[0] if float(np.mean(gains)) > error else given


def _reseeded(settings: ModelSettings, rung: int) -> ModelSettings:
    return msgspec.structs.replace(settings, seed=settings.seed + rung)


def _field_sizes(count: int) -> list[int]:
    sizes = [count]
    while count > 1 and len(sizes) < len(_HONEST_BY_RUNG):
        sizes.append(max(ceil(sizes[-1] * _KEPT_SHARE), 2))
    return sizes


class _Data(NamedTuple):
    rows: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    columns: Columns
    weights: NDArray[np.float64]


class _Part(NamedTuple):
    """A fold as one rung sees it."""

    train: lightgbm.Dataset
    rows: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]
    weights: NDArray[np.float64]


def _prepared(data: _Data, fold: Fold, honest_max: int, base: ModelSettings) -> _Part:
    train, _share = _thinned(data.is_fraud, fold.train, honest_max, base.seed)
    test, share = _thinned(data.is_fraud, fold.test, _TESTED_HONEST_MAX, base.seed)
    is_fraud = data.is_fraud[test]
    return _Part(
        binned(
            data.rows[train],
            data.is_fraud[train],
            data.columns,
            base.max_bin,
            weights=data.weights[train],
        ),
        data.rows[test],
        is_fraud,
        data.weights[test] * np.where(is_fraud, 1.0, 1.0 / share),
    )


def _thinned(
    is_fraud: NDArray[np.bool_], places: NDArray[np.int64], honest_max: int, seed: int
) -> tuple[NDArray[np.int64], float]:
    """Return some of the places, all frauds among them, and the share of honest orders kept."""
    honest = places[~is_fraud[places]]
    if len(honest) <= honest_max:
        return places, 1.0
    drawn = np.random.default_rng(seed).choice(honest, honest_max, replace=False, shuffle=False)
    kept = np.sort(np.concatenate([places[is_fraud[places]], drawn]))
    return kept, honest_max / len(honest)


def _curve(part: _Part, columns: Columns, settings: ModelSettings) -> _Curve:
    parameters = lightgbm_parameters(settings, columns, 1)
    if settings.boosting == "dart":
        scores = _added(grown(part.train, parameters, settings.n_trees), part.rows, 0)
        return {settings.n_trees: _measured(part, scores)}
    counts = sorted({*_TREE_COUNTS, settings.n_trees})
    booster = lightgbm.Booster(parameters, part.train)
    curve: _Curve = {}
    scores = np.zeros(len(part.rows))
    for before, count in pairwise([0, *counts]):
        first = booster.current_iteration()
        for _tree in range(before, count):
            booster.update()
        scores = scores + _added(booster, part.rows, first)
        curve[count] = _measured(part, scores)
    return curve


def _measured(part: _Part, scores: NDArray[np.float64]) -> tuple[float, float]:
    precision = average_precision_score(part.is_fraud, scores, sample_weight=part.weights)
    return _refined_log_loss(part, scores), float(precision)


def _added(booster: lightgbm.Booster, rows: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """Return the raw score of the trees from one on; a tree that splits nothing is not kept."""
    n_trees = booster.current_iteration() - first
    if not n_trees:
        return np.zeros(len(rows))
    # LightGBM's number of threads is one for the whole process: all that run at once must agree.
    added = booster.predict(
        rows, start_iteration=first, num_iteration=n_trees, raw_score=True, num_threads=1
    )
    return np.asarray(added, np.float64)


def _refined_log_loss(part: _Part, scores: NDArray[np.float64]) -> float:
    """Return the log loss that is left after the best line of the log-odds that does not fall."""
    slopes, intercept = logistic_regression(scores[:, None], part.is_fraud, part.weights)
    log_odds = intercept + slopes[0] * scores
    if slopes[0] < 0.0:
        share = np.average(part.is_fraud, weights=part.weights)
        log_odds = np.full(len(scores), np.log(share / (1.0 - share)))
    losses = np.logaddexp(0.0, np.where(part.is_fraud, -log_odds, log_odds))
    return float(np.average(losses, weights=part.weights))


def _tried(rung: int, settings: ModelSettings, curves: Sequence[_Curve]) -> Candidate:
    def losses(n_trees: int) -> list[float]:
        return [curve[n_trees][0] for curve in curves]

    n_trees = min(curves[0], key=lambda count: (float(np.mean(losses(count))), count))
    return Candidate(
        rung=rung,
        settings=msgspec.structs.replace(settings, n_trees=n_trees),
        honest_max=_HONEST_BY_RUNG[rung],
        log_loss=float(np.mean(losses(n_trees))),
        log_losses=tuple(losses(n_trees)),
        average_precision=float(np.mean([curve[n_trees][1] for curve in curves])),
    )
