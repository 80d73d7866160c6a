"""Reads LightGBM's text model into arrays; every index is checked before it is used.

Invariant: arrays that leave this module describe trees: each node is reached exactly once from
its root, every feature and category index is in range. A file that says otherwise is refused.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.errors import BundleError, ModelNotSupported

__all__ = ["CATEGORICAL", "DEFAULT_LEFT", "NEAR_ZERO", "Trees", "parse_model_text"]

CATEGORICAL: Final = 1
DEFAULT_LEFT: Final = 2
NEAR_ZERO: Final = float(np.float32(1e-35))
"""LightGBM takes a value this close to 0 for 0, before any tree sees it."""
_LEAF_MAX: Final = 1e6


class Trees(NamedTuple):
    """An ensemble as arrays; nodes and leaves of all trees one after another.

    Attributes
    ----------
    roots : ndarray of int32, shape (n_trees,)
        A node, or ``~leaf`` where the tree is a single leaf.
    feature : ndarray of int32, shape (n_nodes,)
        Column that is split on.
    threshold : ndarray of float64, shape (n_nodes,)
        Go left at or below it; for a category the row of ``category_bounds``.
    decision : ndarray of uint8, shape (n_nodes,)
        LightGBM's bits: 1 category, 2 default left, 4 and 8 the kind of missing value.
    left, right : ndarray of int32, shape (n_nodes,)
        A node, or ``~leaf``.
    value : ndarray of float64, shape (n_leaves,)
        Added to the raw score.
    category_bounds : ndarray of int64, shape (n_categories + 1,)
        Where each category's bit set starts in ``category_bits``.
    category_bits : ndarray of uint32, shape (n_words,)
        Bit ``c`` set: category ``c`` goes left.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    decision: NDArray[np.uint8]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    category_bounds: NDArray[np.int64]
    category_bits: NDArray[np.uint32]


def parse_model_text(text: str) -> tuple[Trees, tuple[str, ...]]:
    """Return the trees of a binary LightGBM model and its feature names.

    Raises
    ------
    ModelNotSupported
        If the model is not a binary log-odds ensemble of constant-leaf trees.
    BundleError
        If it is not whole, or an index is out of range.
    """
    head, *blocks = text.split("\nTree=")
    header = _fields(head)
    _check_header(header)
    names = tuple(header["feature_names"].split(" "))
    if header["max_feature_idx"] != str(len(names) - 1):
        raise BundleError("model.txt: feature_names must be as many as max_feature_idx + 1")
    n_trees = len(header["tree_sizes"].split())
    if not blocks or len(blocks) != n_trees or "\nend of trees\n" not in blocks[-1]:
        raise BundleError(
            f"model.txt must be whole and hold at least one tree: {n_trees} trees are said, "
            f"{len(blocks)} are there"
        )
    return _join([_tree(block, len(names)) for block in blocks]), names


def _fields(block: str) -> dict[str, str]:
    """Return the lines ``name=value``; a name that stands alone has the value ``""``."""
    return {name: value for name, _, value in (line.partition("=") for line in block.split("\n"))}


def _check_header(header: dict[str, str]) -> None:
    wanted = {"num_class": "1", "num_tree_per_iteration": "1", "objective": "binary sigmoid:1"}
    for name, value in wanted.items():
        if name not in header:
            raise BundleError(f"model.txt: {name} must be {value!r}, got None")
        if header[name] != value:
            raise ModelNotSupported(f"model.txt: {name} must be {value!r}, got {header[name]!r}")
    if "average_output" in header:
        raise ModelNotSupported(
            "model.txt: trees must add up, got a random forest, which averages them"
        )
    missing = {"feature_names", "max_feature_idx", "tree_sizes"} - set(header)
    if missing:
        raise BundleError(f"model.txt: {min(missing)} must be there, it is missing")


def _tree(block: str, n_features: int) -> Trees:
    number, _, rest = block.partition("\n")
    fields = _fields(rest.split("\n\n", 1)[0])
    if fields.get("is_linear", "0") != "0":
        raise ModelNotSupported(
            f"model.txt: tree {number[:12]}: a leaf must be one number, got linear trees; "
            "train with linear_tree=false"
        )
    try:
        tree = _tree_arrays(fields)
    except (KeyError, ValueError, OverflowError) as error:
        raise BundleError(f"model.txt: tree {number[:12]} cannot be read: {error!r}") from error
    problem = _problem(tree, n_features)
    if problem:
        raise BundleError(
            f"model.txt: tree {number[:12]}: {problem}; the file is altered or not ours"
        )
    return tree


def _tree_arrays(fields: dict[str, str]) -> Trees:
    n_leaves, n_categories = int(fields["num_leaves"]), int(fields["num_cat"])
    value = np.array(fields["leaf_value"].split(), np.float64)
    if len(value) != n_leaves or n_leaves < 1:
        raise ValueError(f"{n_leaves} leaves are said, {len(value)} are there")
    is_leaf = n_leaves == 1
    bounds = fields["cat_boundaries"].split() if n_categories else ["0"]
    if len(bounds) != n_categories + 1:
        raise ValueError(f"{n_categories} category sets are said, {len(bounds) - 1} are there")

    def column(name: str, dtype: type[np.generic]) -> NDArray[np.generic]:
        return np.array([] if is_leaf else fields[name].split(), dtype)

    return Trees(
        roots=np.array([-1 if is_leaf else 0], np.int32),
        feature=column("split_feature", np.int32),  # type: ignore[arg-type]
        threshold=column("threshold", np.float64),  # type: ignore[arg-type]
        decision=column("decision_type", np.uint8),  # type: ignore[arg-type]
        left=column("left_child", np.int32),  # type: ignore[arg-type]
        right=column("right_child", np.int32),  # type: ignore[arg-type]
        value=value,
        category_bounds=np.array(bounds, np.int64),
        category_bits=np.array(fields["cat_threshold"].split() if n_categories else [], np.uint32),
    )


def _problem(tree: Trees, n_features: int) -> str:
    """Return what must hold of a tree and does not, or ``""``; each rule relies on those before."""
    n_nodes, n_leaves = len(tree.feature), len(tree.value)
    lengths = {len(array) for array in (tree.threshold, tree.decision, tree.left, tree.right)}
    if lengths != {n_nodes} or n_leaves != n_nodes + 1:
        return "arrays must have one entry a node"
    children = np.stack([tree.left, tree.right])
    reached = np.sort(np.append(children, tree.roots))
    if not np.array_equal(reached, np.arange(-n_leaves, n_nodes)):
        return "every node and leaf must be reached once"
    if np.any((children >= 0) & (children <= np.arange(n_nodes))):
        return "a child must come after its parent"
    if np.any((tree.feature < 0) | (tree.feature >= n_features)):
        return "a split must be on a known feature"
    if np.any(~(np.abs(tree.value) <= _LEAF_MAX)) or np.isnan(tree.threshold).any():
        return f"thresholds must be numbers and leaves at most {_LEAF_MAX:g}"
    return "category sets must be in range" if _has_bad_categories(tree) else ""


def _has_bad_categories(tree: Trees) -> bool:
    bounds = tree.category_bounds
    if not len(bounds) or bounds[0] != 0 or bounds[-1] != len(tree.category_bits):
        return True
    used = tree.threshold[(tree.decision & CATEGORICAL) != 0]
    return bool(
        np.any(np.diff(bounds) <= 0)
        or np.any((used < 0) | (used >= len(bounds) - 1) | (used != np.floor(used)))
    )


def _clear_of_zero(threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return thresholds that send a value near 0 where they send 0."""
    below = np.nextafter(-NEAR_ZERO, -np.inf)
    moved = np.where(threshold < 0.0, below, NEAR_ZERO)
    return np.where(np.abs(threshold) <= NEAR_ZERO, moved, threshold)


def _join(parts: list[Trees]) -> Trees:
    nodes = np.cumsum([0, *(len(tree.feature) for tree in parts)])
    leaves = np.cumsum([0, *(len(tree.value) for tree in parts)])
    sets = np.cumsum([0, *(len(tree.category_bounds) - 1 for tree in parts)])
    words = np.cumsum([0, *(len(tree.category_bits) for tree in parts)])

    def moved(children: NDArray[np.int32], index: int) -> NDArray[np.int32]:
        shifted = np.where(children >= 0, children + nodes[index], children - leaves[index])
        return np.asarray(shifted, np.int32)

    def thresholds(tree: Trees, index: int) -> NDArray[np.float64]:
        is_category = (tree.decision & CATEGORICAL) != 0
        return np.where(is_category, tree.threshold + sets[index], _clear_of_zero(tree.threshold))

    each = list(enumerate(parts))
    return Trees(
        roots=np.concatenate([moved(tree.roots, index) for index, tree in each]),
        feature=np.concatenate([tree.feature for tree in parts]),
        threshold=np.concatenate([thresholds(tree, index) for index, tree in each]),
        decision=np.concatenate([tree.decision for tree in parts]),
        left=np.concatenate([moved(tree.left, index) for index, tree in each]),
        right=np.concatenate([moved(tree.right, index) for index, tree in each]),
        value=np.concatenate([tree.value for tree in parts]),
        category_bounds=np.concatenate(
            [tree.category_bounds[:-1] + words[index] for index, tree in each]
            + [np.array([words[-1]])]
        ).astype(np.int64),
        category_bits=np.concatenate([tree.category_bits for tree in parts]),
    )
