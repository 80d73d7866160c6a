"""Boosted trees: LightGBM on rows of numbers, with what fraud asks of it.

The same rows, settings and platform give the same trees, on any number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import joblib
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.errors import TrainingError
from fraudkit.scoring.learning.averaging import averaged_text
from fraudkit.scoring.learning.bin_edges import forced_bins

try:
    import lightgbm
except OSError as error:  # the package is there, its OpenMP runtime is not
    raise TrainingError(
        "LightGBM needs the OpenMP runtime libgomp.so.1: install it (Debian: apt-get install "
        "libgomp1), or run through make"
    ) from error

__all__ = [
    "Boosted",
    "Columns",
    "ModelSettings",
    "binned",
    "boost",
    "grown",
    "honest_sample",
    "lightgbm_parameters",
]


class ModelSettings(Struct, frozen=True, kw_only=True):
    """Settings of the trees; LightGBM's names where it has one.

    Attributes
    ----------
    boosting : {"gbdt", "dart"}
        Plain gradient boosting, or with some of the earlier trees dropped at each step, so that
        later trees do not mend what the first few did.
    n_trees : int
        How many in each model; there is no early stopping.
    n_models : int
        So many models of different seeds are averaged: what one learnt by chance weighs less.
    max_bin : int
        Many, because frauds gather at sharp amounts that few bins would blur. See also
        `fraudkit.scoring.learning.bin_edges`.
    uses_directions : bool
        Whether a feature whose direction the catalogue knows is held to it.
    uses_categories : bool
        Whether features with levels are split on at all. Many levels with few frauds each invite
        to learn by heart; which it is, is for a search to say.
    negative_share : float
        Share of the honest orders to learn from, in (0, 1]; scores are corrected for it.

    References
    ----------
    Rashmi and Gilad-Bachrach, "DART: dropouts meet multiple additive regression trees",
    AISTATS 2015.
    """

    boosting: Literal["gbdt", "dart"] = "dart"
    n_trees: int = 100
    n_models: int = 1
    learning_rate: float = 0.1
    num_leaves: int = 15
    min_data_in_leaf: int = 20
    max_bin: int = 1023
    feature_fraction: float = 0.8
    bagging_fraction: float = 0.8
    lambda_l2: float = 5.0
    cat_smooth: float = 20.0
    uses_directions: bool = True
    uses_categories: bool = True
    negative_share: float = 1.0
    seed: int = 0


class Columns(NamedTuple):
    """What the columns of rows are.

    Attributes
    ----------
    names : sequence of str
        Of letters, digits and ``_.-`` alone, as LightGBM's text asks.
    categorical : sequence of int
        Places of those that hold codes.
    directions : sequence of int
        For each column 1, -1 or 0, as LightGBM's ``monotone_constraints``.
    """

    names: Sequence[str]
    categorical: Sequence[int]
    directions: Sequence[int]


class Boosted(NamedTuple):
    """A model.

    Attributes
    ----------
    text : str
        LightGBM's text without its parameters.
    gain : ndarray of float64, shape (n_features,)
        What the splits of each feature gained in all, in LightGBM's objective.
    """

    text: str
    gain: NDArray[np.float64]


def boost(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    columns: Columns,
    settings: ModelSettings,
    *,
    weights: NDArray[np.float64] | None = None,
    n_threads: int = 1,
) -> Boosted:
    """Return a model of the log-odds of fraud.

    Notes
    -----
    With a share ``b`` of the honest orders, drawn evenly, the odds of fraud among those learnt
    from are ``1 / b`` times those among all. So ``log(b)`` is added to the log-odds, in the
    leaves of the first tree. ``b`` is the share that was kept in fact.

    References
    ----------
    Dal Pozzolo et al., "Calibrating probability with undersampling for unbalanced
    classification", IEEE SSCI 2015, equation 4: ``p = b p_s / (b p_s - p_s + 1)``.
    """
    kept, share = honest_sample(is_fraud, settings.negative_share, settings.seed)
    if len(kept) < len(rows):
        rows, is_fraud = rows[kept], is_fraud[kept]
        weights = None if weights is None else weights[kept]
    data = binned(rows, is_fraud, columns, settings.max_bin, weights=weights, n_threads=n_threads)
    n_jobs = min(n_threads, settings.n_models)
    tasks = (
        joblib.delayed(_learnt)(
            data,
            lightgbm_parameters(settings, columns, n_threads // n_jobs) | {"seed": seed},
            settings.n_trees,
            log(share),
        )
        for seed in range(settings.seed, settings.seed + settings.n_models)
    )
    models = joblib.Parallel(n_jobs, prefer="threads")(tasks)
    gain = np.sum([model.gain for model in models], axis=0)
    return Boosted(averaged_text([model.text for model in models]), gain)


def _learnt(
    data: lightgbm.Dataset, parameters: dict[str, Any], n_trees: int, added_log_odds: float
) -> Boosted:
    booster = grown(data, parameters, n_trees)
    return Boosted(_text(booster, added_log_odds), booster.feature_importance("gain"))


def grown(data: lightgbm.Dataset, parameters: dict[str, Any], n_trees: int) -> lightgbm.Booster:
    """Return a booster of so many trees, or of fewer where DART found nothing more to split.

    DART takes trees out before each step and puts them back, lighter, after it. Where a step
    splits nothing, LightGBM 4.7 does not put them back: they stay in the model, turned around.
    So the steps before that one are done again, and no more.
    """
    booster = lightgbm.Booster(parameters, data)
    for n_grown in range(n_trees):
        is_stuck = booster.update()
        if is_stuck and n_grown and parameters["boosting"] == "dart":
            return grown(data, parameters, n_grown)
    return booster


def binned(
    rows: NDArray[np.float64],
    is_fraud: NDArray[np.bool_],
    columns: Columns,
    max_bin: int,
    *,
    weights: NDArray[np.float64] | None = None,
    n_threads: int = 1,
) -> lightgbm.Dataset:
    """Return rows as LightGBM's histogram bins, with edges where frauds begin or end.

    Any settings with this ``max_bin`` may learn from it.
    """
    numbers = sorted(set(range(rows.shape[1])) - set(columns.categorical))
    with TemporaryDirectory() as folder:
        edges = Path(folder) / "edges.json"
        edges.write_text(json.dumps(forced_bins(rows, is_fraud, numbers, max_bin)))
        return lightgbm.Dataset(
            rows,
            is_fraud.astype(np.float64),
            weight=None if weights is None or np.all(weights == 1.0) else weights,
            feature_name=list(columns.names),
            categorical_feature=list(columns.categorical),
            params={
                "max_bin": max_bin,
                "feature_pre_filter": False,
                "forcedbins_filename": str(edges),
                "force_row_wise": True,
                "num_threads": n_threads,
                "verbosity": -1,
            },
        ).construct()


def lightgbm_parameters(
    settings: ModelSettings, columns: Columns, n_threads: int
) -> dict[str, Any]:
    """Return LightGBM's parameters for settings."""
    parameters: dict[str, Any] = {
        "objective": "binary",
        "boosting": settings.boosting,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.num_leaves,
        "min_data_in_leaf": settings.min_data_in_leaf,
        "max_bin": settings.max_bin,
        "feature_fraction": settings.feature_fraction,
        "bagging_fraction": settings.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": settings.lambda_l2,
        "cat_smooth": settings.cat_smooth,
        "feature_pre_filter": False,
        "seed": settings.seed,
        "num_threads": n_threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if settings.boosting == "dart":
        parameters["uniform_drop"] = True
    if settings.uses_directions:
        parameters["monotone_constraints"] = list(columns.directions)
    if not settings.uses_categories and columns.categorical:
        weights = np.ones(len(columns.names))
        weights[list(columns.categorical)] = 0.0
        parameters["feature_contri"] = weights.tolist()
    return parameters


def honest_sample(
    is_fraud: NDArray[np.bool_], share: float, seed: int
) -> tuple[NDArray[np.int64], float]:
    """Return the places of all frauds and of a share of the honest orders, ascending.

    Returns
    -------
    places : ndarray of int64
    share : float
        Of the honest orders, what was kept in fact; at least one is.
    """
    honest = np.flatnonzero(~is_fraud)
    n_kept = max(round(share * len(honest)), 1)
    if n_kept >= len(honest):
        return np.arange(len(is_fraud)), 1.0
    drawn = np.random.default_rng(seed).choice(honest, n_kept, replace=False, shuffle=False)
    kept = np.sort(np.concatenate([np.flatnonzero(is_fraud), drawn]))
    return kept, n_kept / len(honest)


def _text(booster: lightgbm.Booster, added_log_odds: float) -> str:
    """Return LightGBM's text without its parameters, with a constant added to every score."""
    if added_log_odds:
        first = booster.dump_model(num_iteration=1)["tree_info"][0]
        for leaf in range(first["num_leaves"]):
            value = booster.get_leaf_output(0, leaf) + added_log_odds
            booster.set_leaf_output(0, leaf, value)
    text: str = booster.model_to_string()
    return text.partition("\nparameters:")[0].rstrip("\n") + "\n"
