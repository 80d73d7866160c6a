"""Feature rows shaped like those of orders, and a model of the promised size fitted to them.

They are made up and good for timing only: counts of a window that are mostly small, amounts over
orders of magnitude, ages that newcomers lack, rare flags, hours, and codes of which few are
common. A hidden risk shifts them all a little and makes some orders fraud.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import ArtifactError
from fraudkit.scoring.trees.model_text import parse_model_text

__all__ = ["N_FEATURES", "N_LEAVES", "N_TREES", "MadeUp", "make_up"]

N_TREES: Final = 300
N_LEAVES: Final = 63
N_FEATURES: Final = 60
_TRAINING_ROWS: Final = 50_000
_N_COUNTS, _N_AMOUNTS, _N_AGES, _N_FLAGS = 24, 14, 10, 6
_N_CODES: Final = (5, 8, 30, 60)
_CATEGORIES: Final = list(range(N_FEATURES - len(_N_CODES), N_FEATURES))


class MadeUp(NamedTuple):
    """A model and orders that it has not seen.

    Attributes
    ----------
    model_text : str
        LightGBM's text model.
    reference : ndarray of float64, shape (n_features,)
        The median of the honest orders that it was trained on; of a category the most common.
    rows : ndarray of float64, shape (n_rows, n_features)
        Other orders.
    """

    model_text: str
    reference: NDArray[np.float64]
    rows: NDArray[np.float64]


def make_up(n_rows: int, seed: int, *, n_trees: int = N_TREES) -> MadeUp:
    """Return a model and so many rows for it.

    Raises
    ------
    ArtifactError
        If a tree has fewer leaves than promised.
    """
    generator = np.random.default_rng(seed)
    rows, is_fraud = _orders(_TRAINING_ROWS, generator)
    parameters = {
        "objective": "binary",
        "num_leaves": N_LEAVES,
        "learning_rate": 0.05,
        "feature_fraction": 0.5,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows, is_fraud, categorical_feature=_CATEGORIES, params=parameters)
    model_text = lightgbm.train(parameters, data, n_trees).model_to_string()
    n_leaves = len(parse_model_text(model_text)[0].value)
    if n_leaves != n_trees * N_LEAVES:
        raise ArtifactError(
            f"a model for timing must have {n_trees} x {N_LEAVES} leaves, got {n_leaves}; "
            "choose another --seed"
        )
    return MadeUp(model_text, _typical(rows[~is_fraud]), _orders(n_rows, generator)[0])


def _orders(
    n_rows: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    risk = generator.normal(size=n_rows)
    # What a feature is like does not depend on which rows are asked for.
    shape = np.random.default_rng(0)
    rows = np.empty((n_rows, N_FEATURES))
    column = iter(rows.T)
    for _ in range(_N_COUNTS):
        level, lift = shape.normal(-1.2, 1.0), 0.35 * shape.random()
        rate = np.exp(level + lift * risk + 0.5 * generator.normal(size=n_rows))
        next(column)[:] = generator.poisson(rate)
    for _ in range(_N_AMOUNTS):
        lift = 0.25 * shape.random()
        next(column)[:] = generator.lognormal(8.0 + lift * risk, 1.2).round()
    for _ in range(_N_AGES):
        age = generator.exponential(30.0 * np.exp(-0.3 * shape.random() * risk))
        next(column)[:] = np.where(generator.random(n_rows) < 0.25, np.nan, age)
    for _ in range(_N_FLAGS):
        share = 0.1 * np.exp(0.5 * shape.random() * risk)
        next(column)[:] = generator.random(n_rows) < share
    for n_values in (24, 7):
        next(column)[:] = generator.integers(0, n_values, n_rows)
    for n_codes in _N_CODES:
        weight = 1.0 / np.arange(1, n_codes + 1)
        next(column)[:] = generator.choice(n_codes, n_rows, p=weight / weight.sum())
    score = 1.2 * risk + 0.5 * np.isin(rows[:, -1] % 5, (1, 3)) + generator.logistic(size=n_rows)
    return rows, score > np.quantile(score, 0.9)


def _typical(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    typical = np.nanmedian(rows, axis=0)
    for column in _CATEGORIES:
        codes, counts = np.unique(rows[:, column], return_counts=True)
        typical[column] = codes[counts.argmax()]
    return np.asarray(typical, np.float64)
