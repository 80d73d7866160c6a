"""Choosing settings on validation folds, which lie before whatever the model is measured on.

Successive halving: many candidates on few orders, a third of them on more, a third of those on
yet more.

References
----------
Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", AISTATS 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any, Final, NamedTuple

import joblib
import lightgbm
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from fraudkit.errors import TrainingError
from fraudkit.scoring.boosting import Columns, ModelSettings, binned, lightgbm_parameters
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

_TREE_COUNTS: Final = (25, 50, 75, 100, 150, 200, 300)
_DART_TREES: Final = 100
_DART_LEARNING_RATE: Final = 0.1
_HONEST_BY_RUNG: Final = (20_000, 50_000, 100_000)
_TESTED_HONEST_MAX: Final = 50_000
_KEPT_SHARE: Final = 1 / 3

Progress = Callable[[int, int, str], None]


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
    average_precision : float
        Mean over the folds, on each fold's test part.
    deviation : float
        Standard deviation of that over the folds.
    is_chosen : bool
    """

    rung: int
    settings: ModelSettings
    honest_max: int
    average_precision: float
    deviation: float
    is_chosen: bool = False


class Searched(NamedTuple):
    """The settings that did best in the last rung, and all that was tried, in order of rungs."""

    settings: ModelSettings
    table: tuple[Candidate, ...]


def candidates(base: ModelSettings, count: int) -> list[ModelSettings]:
    """Return different settings to try, the given ones first, drawn by their seed.

    Examples
    --------
    >>> [c.num_leaves for c in candidates(ModelSettings(), 4)]
    [15, 15, 31, 7]
    """
    rng = np.random.default_rng(base.seed)
    drawn = [base]
    while len(drawn) < count:
        changes = {name: values[int(rng.integers(len(values)))] for name, values in SPACE.items()}
        if changes["boosting"] == "dart":
            changes |= {"learning_rate": _DART_LEARNING_RATE, "n_trees": _DART_TREES}
        settings = msgspec.structs.replace(base, **changes)
        if settings not in drawn:
            drawn.append(settings)
    return drawn


def search_settings(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    columns: Columns,
    folds: Sequence[Fold],
    *,
    base: ModelSettings,
    count: int = 16,
    weights: NDArray[np.float64] | None = None,
    n_jobs: int = 1,
    progress: Progress = lambda _done, _total, _said: None,
) -> Searched:
    """Return the settings with the highest mean average precision over validation folds.

    Of plain boosting the number of trees is chosen along the way, among those of a curve; the
    given settings' own number is on it.

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
        Called with the fits done, their number, and the best average precision so far.

    Raises
    ------
    TrainingError
        If a fold has no frauds to learn from or to be measured on, or no honest order.
    """
    for fold in folds:
        for part in fold:
            frauds = int(is_fraud[part].sum())
            if frauds in (0, len(part)):
                raise TrainingError(
                    "each part of a validation fold must hold frauds and honest orders, got "
                    f"{frauds} frauds among {len(part)}; give more history or fewer folds"
                )
    data = _Data(rows, is_fraud, columns, np.ones(len(rows)) if weights is None else weights)
    field, table = candidates(base, count), list[Candidate]()
    sizes = _field_sizes(len(field))
    done, total = 0, sum(sizes) * len(folds)
    for rung, honest_max in enumerate(_HONEST_BY_RUNG):
        curves = [dict[int, list[float]]() for _ in field]
        for fold in folds:
            part = _prepared(data, fold, honest_max, base)
            tasks = (joblib.delayed(_curve)(part, columns, settings) for settings in field)
            runner = joblib.Parallel(n_jobs, prefer="threads", return_as="generator")
            for place, curve in enumerate(runner(tasks)):
                for n_trees, precision in curve.items():
                    curves[place].setdefault(n_trees, []).append(precision)
                done += 1
                best = max((held.average_precision for held in table), default=0.0)
                progress(done, total, f"best average precision {best:.3f}" if best else "")
        tried = [_tried(rung, s, honest_max, curve) for s, curve in zip(field, curves, strict=True)]
        tried.sort(key=lambda held: -held.average_precision)
        table += tried
        if rung + 1 == len(_HONEST_BY_RUNG) or len(field) == 1:
            break
        field = [held.settings for held in tried[: sizes[rung + 1]]]
    chosen = tried[0]
    table = [msgspec.structs.replace(held, is_chosen=held is chosen) for held in table]
    return Searched(chosen.settings, tuple(table))


def _field_sizes(count: int) -> list[int]:
    sizes = [count]
    for _rung in _HONEST_BY_RUNG[1:]:
        sizes.append(ceil(sizes[-1] * _KEPT_SHARE))
    return sizes[: sizes.index(1) + 1] if 1 in sizes else sizes


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


def _curve(part: _Part, columns: Columns, settings: ModelSettings) -> dict[int, float]:
    """Return the average precision by number of trees."""
    is_staged = settings.boosting == "gbdt"
    counts = sorted({*_TREE_COUNTS, settings.n_trees}) if is_staged else [settings.n_trees]
    booster = lightgbm.Booster(lightgbm_parameters(settings, columns, 1), part.train)
    curve, scores = {}, np.zeros(len(part.rows))
    for first, last in zip([0, *counts[:-1]], counts, strict=True):
        for _tree in range(first, last):
            booster.update()
        scores = scores + np.asarray(
            booster.predict(
                part.rows,
                start_iteration=first,
                num_iteration=last - first,
                raw_score=True,
            )
        )
        curve[last] = float(
            average_precision_score(part.is_fraud, scores, sample_weight=part.weights)
        )
    return curve


def _tried(
    rung: int, settings: ModelSettings, honest_max: int, curve: dict[int, list[float]]
) -> Candidate:
    n_trees = max(curve, key=lambda count: (float(np.mean(curve[count])), -count))
    return Candidate(
        rung=rung,
        settings=msgspec.structs.replace(settings, n_trees=n_trees),
        honest_max=honest_max,
        average_precision=float(np.mean(curve[n_trees])),
        deviation=float(np.std(curve[n_trees])),
    )
