"""Walking forward through time: choose settings, then calibrate, then measure, then fit.

Each step uses labels that were known when the step's own test orders had not happened yet. The
last part of the history is only measured on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import joblib
import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.kernel import TreeScorer
from fraudkit.scoring.learning.boosting import Boosted, ModelSettings
from fraudkit.scoring.learning.calibration_fit import Compared, compare_calibrations
from fraudkit.scoring.learning.fit import columns_of, fit_model
from fraudkit.scoring.learning.search import Candidate, search_settings
from fraudkit.scoring.learning.training_rows import TrainingRows
from fraudkit.scoring.splits import Fold, delayed_time_folds
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = ["N_MODELS", "HeldBack", "Walked", "walk_forward"]

N_MODELS: Final = 3
"""How many models of different seeds the bundle's model averages, unless settings are given."""

_VALIDATION_SHARES: Final = (0.5, 2 / 3, 5 / 6)
_FRAUDS_IN_PART_MIN: Final = 10
_CALIBRATED_BY: Final = 2
_ROWS_OF_A_THREAD: Final = 10_000


class HeldBack(NamedTuple):
    """What was predicted of the last part, by a model and a calibration from before it.

    Attributes
    ----------
    places : ndarray of int64
        Of the training rows.
    probability : ndarray of float64
    from_ms : int
        Where the part begins.
    """

    places: NDArray[np.int64]
    probability: NDArray[np.float64]
    from_ms: int


class Walked(NamedTuple):
    """What the walk gave.

    Attributes
    ----------
    model : Boosted
        Of all the rows.
    calibration : Compared
        Fitted to the scores of the forward steps, the held-back part's among them.
    search : tuple of Candidate
        All that was tried; empty where nothing was searched.
    notes : tuple of str
        What the reader must know, as sentences.
    """

    model: Boosted
    settings: ModelSettings
    calibration: Compared
    held_back: HeldBack
    search: tuple[Candidate, ...]
    notes: tuple[str, ...]


def walk_forward(
    known: TrainingRows,
    settings: ModelSettings | None,
    *,
    seed: int = 0,
    n_candidates: int = 16,
    progress: Callable[[str], None] = lambda _stage: None,
) -> Walked:
    """Return a model, its calibration, and what it would have said of the last part.

    Parameters
    ----------
    settings : ModelSettings or None
        ``None`` searches them.
    n_candidates : int
        How many to try; with fewer than 2 the defaults are taken.

    Raises
    ------
    TrainingError
        If the history is too short, or holds too few frauds.
    """
    first, held_back = delayed_time_folds(known.event_time_ms, known.matured_at_ms)
    from_ms = int(known.event_time_ms[held_back.test].min())
    validation = _validation_folds(known, from_ms)
    chosen, table, notes = settings, tuple[Candidate, ...](), tuple[str, ...]()
    if chosen is None:
        chosen, table, notes = _searched(known, validation, seed, n_candidates, progress)
    progress("forward steps")
    steps = validation[-_CALIBRATED_BY:]
    if not steps:
        step, late = _as_known(known, first, from_ms)
        steps, notes = [step], (*notes, *late)
    tested = np.concatenate([step.test for step in steps])
    scores = np.concatenate([_step_scores(known, step, chosen) for step in steps])
    later = _step_scores(known, held_back, chosen)
    earlier = _calibrated(known, tested, scores)
    log_odds = earlier.chosen.log_odds_of_many(later)
    progress("final model")
    return Walked(
        model=fit_model(
            known.rows,
            known.is_fraud,
            known.features,
            chosen,
            weights=known.weights,
            n_threads=_threads(len(known.rows)),
        ),
        settings=chosen,
        calibration=_calibrated(
            known, np.concatenate([tested, held_back.test]), np.concatenate([scores, later])
        ),
        held_back=HeldBack(
            held_back.test, np.array([probability(x) for x in log_odds.tolist()]), from_ms
        ),
        search=table,
        notes=notes,
    )


def _searched(
    known: TrainingRows,
    validation: list[Fold],
    seed: int,
    n_candidates: int,
    progress: Callable[[str], None],
) -> tuple[ModelSettings, tuple[Candidate, ...], tuple[str, ...]]:
    base = ModelSettings(seed=seed)
    if n_candidates < 2:
        return msgspec.structs.replace(base, n_models=N_MODELS), (), ()
    if not validation:
        note = "The settings are the defaults: too few frauds were known early enough to choose by."
        return msgspec.structs.replace(base, n_models=N_MODELS), (), (note,)
    found = search_settings(
        known.rows,
        known.is_fraud,
        columns_of(known.features),
        validation,
        base=base,
        count=n_candidates,
        weights=known.weights,
        n_jobs=joblib.cpu_count(),
        progress=lambda done, total, said: progress(
            f"settings: {done} of {total} trials{said and ', '}{said}"
        ),
    )
    return msgspec.structs.replace(found.settings, n_models=N_MODELS), found.table, ()


def _as_known(known: TrainingRows, fold: Fold, at_ms: int) -> tuple[Fold, tuple[str, ...]]:
    """Leave out of a fold's test part what had no label by then; where none had, say so."""
    mature = fold.test[known.matured_at_ms[fold.test] < at_ms]
    if len(mature):
        return Fold(fold.train, mature), ()
    note = (
        "The calibration that the last part was measured with was fitted to labels that were not "
        "known yet when that part began: the label delay is long for this history. Its ranking is "
        "not concerned, but its probabilities may look better than they will be."
    )
    return fold, (note,)


def _validation_folds(known: TrainingRows, until_ms: int) -> list[Fold]:
    """Return the folds before a moment that hold enough frauds, the latest last."""
    places = np.flatnonzero((known.event_time_ms < until_ms) & (known.matured_at_ms < until_ms))
    times, matured = known.event_time_ms[places], known.matured_at_ms[places]
    folds = []
    for share, end in zip(_VALIDATION_SHARES, (*_VALIDATION_SHARES[1:], 1.0), strict=True):
        try:
            # The rows after the second cut are in the second fold, which is not taken.
            fold = delayed_time_folds(times, matured, cuts=(share, end) if end < 1 else (share,))[0]
        except TrainingError:
            continue
        fold = Fold(places[fold.train], places[fold.test])
        if all(_holds_enough(known.is_fraud[part]) for part in fold):
            folds.append(fold)
    return folds


def _holds_enough(is_fraud: NDArray[np.bool_]) -> bool:
    frauds = int(is_fraud.sum())
    return frauds >= _FRAUDS_IN_PART_MIN and len(is_fraud) - frauds >= _FRAUDS_IN_PART_MIN


def _step_scores(known: TrainingRows, fold: Fold, settings: ModelSettings) -> NDArray[np.float64]:
    """Return the raw scores of a fold's test part by a model of its training part."""
    model = fit_model(
        known.rows[fold.train],
        known.is_fraud[fold.train],
        known.features,
        settings,
        weights=known.weights[fold.train],
        n_threads=_threads(len(fold.train)),
    )
    trees, _names = parse_model_text(model.text)
    scorer = TreeScorer(trees, np.zeros(len(known.features.names)))
    return scorer.score_many(known.rows[fold.test], n_threads=_threads(len(fold.test)))


def _threads(n_rows: int) -> int:
    """Return how many threads to share rows among: with few, they would wait for each other."""
    return min(int(joblib.cpu_count()), 1 + n_rows // _ROWS_OF_A_THREAD)


def _calibrated(
    known: TrainingRows, places: NDArray[np.int64], scores: NDArray[np.float64]
) -> Compared:
    return compare_calibrations(
        scores, known.is_fraud[places], known.event_time_ms[places], known.weights[places]
    )
