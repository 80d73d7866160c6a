"""Small LightGBM models and rows for them, for the tests of this folder."""

from math import inf, nextafter
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.scoring.trees.model_text import NEAR_ZERO, Trees, parse_model_text

__all__ = ["KINDS", "Model", "models", "rows_of", "train", "written_text"]

KINDS = ("normal", "counts", "category", "mostly_zero", "infinite", "near_zero")
SPECIAL = (
    *(np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e300, 5e-324, 2.0**31, 2.0**31 - 0.5, 1e18),
    *(NEAR_ZERO, -NEAR_ZERO, 1e-35, -1e-35, 2 * NEAR_ZERO, -2 * NEAR_ZERO),
    *(-1.0, -0.5, 0.5, 1.0, 1.5, 3.0, 31.0, 32.0, 70.0, 1000.0),
)


class Model(NamedTuple):
    """A trained model, and the same model as we read it."""

    booster: lightgbm.Booster
    text: str
    trees: Trees
    n_features: int
    made_from: str

    def __repr__(self) -> str:
        return f"train({self.made_from})"

    def expected(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return LightGBM's own raw scores."""
        return np.asarray(self.booster.predict(rows, raw_score=True), np.float64)


def column(kind: str, n_rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the training values of one column."""
    match kind:
        case "counts":
            return rng.poisson(1.0, n_rows).astype(float)
        case "category":
            return rng.choice([0.0, 1.0, 2.0, 3.0, 31.0, 32.0, 70.0], n_rows)
        case "mostly_zero":
            return np.where(rng.random(n_rows) < 0.7, 0.0, rng.normal(size=n_rows))
        case "infinite":
            return rng.choice([-np.inf, -1.0, 2.0, np.inf], n_rows)
        case "near_zero":
            return rng.choice([-1.0, -NEAR_ZERO, 0.0, 1e-36, NEAR_ZERO, 1e-34, 1.0], n_rows)
        case _:
            return rng.normal(size=n_rows)


def train(
    kinds: tuple[str, ...],
    *,
    seed: int = 0,
    n_rows: int = 200,
    n_trees: int = 3,
    missing_share: float = 0.1,
    **settings: Any,
) -> Model:
    """Return a model trained on made-up columns of these kinds."""
    rng = np.random.default_rng(seed)
    rows = np.column_stack([column(kind, n_rows, rng) for kind in kinds])
    tame = np.clip(rows, -3, 3)
    wanted = tame @ rng.normal(size=len(kinds)) + rng.normal(size=n_rows)
    wanted += (tame[:, 0] % 2 == 1) * (tame[:, -1] > 0)
    rows[rng.random(rows.shape) < missing_share] = np.nan
    labels = (wanted > np.median(np.nan_to_num(wanted))).astype(float)
    parameters = {
        "objective": "binary",
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 0.0,
        "min_data_in_bin": 1,
        "min_data_per_group": 1,
        "cat_smooth": 1.0,
        "num_leaves": 8,
        "num_threads": 1,
        "verbosity": -1,
        "seed": seed,
        **settings,
    }
    categories = [index for index, kind in enumerate(kinds) if kind == "category"]
    data = lightgbm.Dataset(rows, labels, categorical_feature=categories, params=parameters)
    booster = lightgbm.train(parameters, data, n_trees)
    text = booster.model_to_string()
    trees, names = parse_model_text(text)
    made_from = f"{kinds}, {seed=}, {n_rows=}, {n_trees=}, {missing_share=}, **{settings}"
    return Model(booster, text, trees, len(names), made_from)


@st.composite
def models(draw: st.DrawFn, n_features_max: int = 6) -> Model:
    """Draw a small model: any mix of columns, kinds of missing value and sizes of tree."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=n_features_max))
    return train(
        tuple(kinds),
        seed=draw(st.integers(0, 2**16)),
        n_rows=draw(st.sampled_from([20, 60, 150])),
        n_trees=draw(st.integers(1, 4)),
        missing_share=draw(st.sampled_from([0.0, 0.3])),
        num_leaves=draw(st.sampled_from([2, 5, 40])),
        use_missing=draw(st.booleans()),
        zero_as_missing=draw(st.booleans()),
        max_cat_to_onehot=draw(st.sampled_from([1, 4])),
        min_gain_to_split=draw(st.sampled_from([0.0, 0.0, 5.0, 1e9])),
    )


@st.composite
def rows_of(
    draw: st.DrawFn, model: Model, min_size: int = 1, max_size: int = 8
) -> NDArray[np.float64]:
    """Draw rows that hit the model's own thresholds and everything odd."""
    thresholds = model.trees.threshold.tolist()
    edges = {step for t in thresholds for step in (t, nextafter(t, -inf))}
    value = st.one_of(
        st.sampled_from(sorted(edges) or [0.0]),
        st.sampled_from(SPECIAL),
        st.floats(-5, 5),
        st.floats(),
    )
    row = st.lists(value, min_size=model.n_features, max_size=model.n_features)
    return np.array(draw(st.lists(row, min_size=min_size, max_size=max_size)))


def written_text(n_features: int, *trees: dict[str, str]) -> str:
    """Return a model text written by hand; a tree is its fields."""
    defaults = {"num_cat": "0", "is_linear": "0", "shrinkage": "1"}
    header = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "max_feature_idx": str(n_features - 1),
        "objective": "binary sigmoid:1",
        "feature_names": " ".join(f"f{index}" for index in range(n_features)),
        "tree_sizes": " ".join("1" for _ in trees),
    }
    parts = ["tree", *(f"{name}={value}" for name, value in header.items()), ""]
    for number, tree in enumerate(trees):
        fields = {**defaults, **tree}
        parts += [f"Tree={number}", *(f"{name}={value}" for name, value in fields.items()), "", ""]
    return "\n".join([*parts, "end of trees", ""])
