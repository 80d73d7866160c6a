"""Trees laid out for the kernel: sixteen bytes a node, siblings side by side, one test for all.

A row is first turned into *readings*, each a number: a feature as it looks under one rule for
missing values, or whether it is in one set of categories. Every split then asks the same of its
reading, whatever its kind: right where it is above the split's key. No branch of the processor
depends on the answer.

- Keys of numbers are the bits of a float64, changed so that they order as the numbers do; a
  missing value has the key of the side it goes to.
- A category that is in the set has the lowest key and goes left, any other the highest.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.scoring.trees.model_text import CATEGORICAL, DEFAULT_LEFT, NEAR_ZERO, Trees

__all__ = ["LANES", "NODE", "Ensemble", "lay_out", "read_row"]

LANES: Final = 4
"""Walks that go abreast, so that each hides the time the others wait for memory."""

NODE: Final = np.dtype(
    {
        "names": ["key", "value", "reading", "left"],
        "formats": ["i8", "f8", "u4", "u4"],
        "offsets": [0, 0, 8, 12],
        "itemsize": 16,
    }
)
"""A split: its key, its reading, the place of its left child; the right one is next to that.

A leaf has its value where a split has its key, reading 0, and itself for a left child: who has
arrived stays.
"""

_NO_MISSING: Final = 0
_ZERO_GOES_LEFT: Final = 1
_ZERO_GOES_RIGHT: Final = 2
_NAN_GOES_LEFT: Final = 3
_NAN_GOES_RIGHT: Final = 4
_CATEGORY: Final = 5
_RULE_OF_DECISION: Final = np.array(
    [
        _CATEGORY
        if decision & CATEGORICAL
        else {
            (1, False): _ZERO_GOES_RIGHT,
            (1, True): _ZERO_GOES_LEFT,
            (2, False): _NAN_GOES_RIGHT,
            (2, True): _NAN_GOES_LEFT,
        }.get(((decision >> 2) & 3, bool(decision & DEFAULT_LEFT)), _NO_MISSING)
        for decision in range(256)
    ]
)
_CATEGORY_MAX: Final = 2**31 - 1
_KEY_MIN: Final = -(2**63)
_KEY_MAX: Final = 2**63 - 1
_KEY_OF_SETS: Final = 0
_NO_SET: Final = -1
_NO_CATEGORY: Final = np.uint64(_KEY_MAX)


class Ensemble(NamedTuple):
    """Trees as the kernel walks them.

    Attributes
    ----------
    nodes : ndarray of `NODE`, shape (1 + n_nodes + n_leaves,)
        Tree by tree, each level by level. The first is a leaf of value 0 and of no tree.
    roots : ndarray of uint32, shape (n_trees rounded up to `LANES`,)
        Places in ``nodes``; the first leaf fills the end.
    feature : ndarray of uint32, shape (n_readings,)
        The column of a reading. Reading 0 is below every key and belongs to leaves.
    rule : ndarray of uint8, shape (n_readings,)
        What it does with missing values, or `_CATEGORY`.
    first_word : ndarray of uint32, shape (n_readings + 1,)
        Where a reading's set begins in ``words``; it ends where the next one's begins.
    words : ndarray of uint32, shape (n_words + 1,)
        Bits of the sets of categories; the last word is of none.
    """

    nodes: NDArray[np.void]
    roots: NDArray[np.uint32]
    feature: NDArray[np.uint32]
    rule: NDArray[np.uint8]
    first_word: NDArray[np.uint32]
    words: NDArray[np.uint32]


def lay_out(trees: Trees) -> Ensemble:
    """Return the ensemble of these trees."""
    codes, left, roots = _places(trees)
    is_split = codes >= 0
    split, leaf = codes[is_split], ~codes[~is_split]
    readings, reading = _readings(trees)
    nodes = np.zeros(1 + len(codes), NODE)
    nodes["left"][1:] = left
    nodes["reading"][1:][is_split] = reading[split]
    nodes["key"][1:][is_split] = _keys_of_splits(trees)[split]
    nodes["value"][1:][~is_split] = trees.value[leaf]
    n_idle = -len(roots) % LANES
    feature, rule, held = readings.T
    bits = [_words_of(trees, number) for number in held]
    return Ensemble(
        nodes=nodes,
        roots=np.append(roots, np.zeros(n_idle)).astype(np.uint32),
        feature=feature.astype(np.uint32),
        rule=rule.astype(np.uint8),
        first_word=np.cumsum([0, *map(len, bits)]).astype(np.uint32),
        words=np.append(np.concatenate(bits), np.uint32(0)),
    )


def _readings(trees: Trees) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return feature, rule and set of each reading, and the reading of each split."""
    rules = _RULE_OF_DECISION[trees.decision]
    alike: dict[bytes, int] = {}
    sets = [
        alike.setdefault(_words_of(trees, int(number)).tobytes(), int(number))
        if rule == _CATEGORY
        else _NO_SET
        for number, rule in zip(trees.threshold, rules, strict=True)
    ]
    asked = np.column_stack([trees.feature, rules, np.array(sets, np.int64)])
    kinds, reading = np.unique(asked, axis=0, return_inverse=True)
    of_leaves = [0, _NO_MISSING, _NO_SET]
    return np.vstack([of_leaves, kinds]), reading.reshape(-1) + 1


def _words_of(trees: Trees, category_set: int) -> NDArray[np.uint32]:
    if category_set == _NO_SET:
        return np.empty(0, np.uint32)
    first, end = trees.category_bounds[category_set : category_set + 2]
    return trees.category_bits[first:end]


def _places(trees: Trees) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return what stands at each place, the place of its left child, and the roots' places.

    Place 0 is the first after the leaf of no tree, and counts as 1.
    """
    level = trees.roots.astype(np.int64)
    tree = np.arange(len(level))
    levels, trees_of, lefts, n_before = [], [], [], 0
    while len(level):
        is_split = level >= 0
        place = n_before + np.arange(len(level))
        n_before += len(level)
        place[is_split] = n_before + 2 * np.arange(np.count_nonzero(is_split))
        levels.append(level)
        trees_of.append(tree)
        lefts.append(place)
        split = level[is_split]
        level = np.column_stack([trees.left[split], trees.right[split]]).ravel().astype(np.int64)
        tree = np.repeat(tree[is_split], 2)
    order = np.argsort(np.concatenate(trees_of), kind="stable")
    place_of = np.empty(n_before, np.int64)
    place_of[order] = 1 + np.arange(n_before)
    left = place_of[np.concatenate(lefts)]
    return np.concatenate(levels)[order], left[order], place_of[: len(trees.roots)]


def _keys_of_splits(trees: Trees) -> NDArray[np.int64]:
    bits = np.ascontiguousarray(trees.threshold).view(np.int64)
    keys = np.where(bits < 0, bits ^ _KEY_MAX, bits)
    return np.where(trees.decision & CATEGORICAL, _KEY_OF_SETS, keys)


@compiled
def read_row(
    ensemble: Ensemble,
    row: NDArray[np.float64],
    values: NDArray[np.float64],
    out: NDArray[np.int64],
) -> None:
    """Write the readings of a row, shape (n_features,), to ``out``, shape (n_readings,).

    ``values`` is working memory of the same shape as ``out``.
    """
    bits = values.view(np.int64)
    out[0] = _KEY_MIN
    category, of = _NO_CATEGORY, -1
    for index in range(1, len(out)):
        feature, rule = ensemble.feature[index], ensemble.rule[index]
        value = row[feature]
        if rule == _CATEGORY:
            if feature != of:
                category, of = _category(value), feature
            out[index] = _KEY_MIN if _is_in_set(ensemble, index, category) else _KEY_MAX
            continue
        if rule == _NO_MISSING and np.isnan(value):
            value = 0.0
        is_zero = np.isnan(value) or abs(value) <= NEAR_ZERO
        if (rule == _ZERO_GOES_LEFT and is_zero) or (rule == _NAN_GOES_LEFT and np.isnan(value)):
            out[index] = _KEY_MIN
        elif np.isnan(value) or (rule == _ZERO_GOES_RIGHT and is_zero):
            out[index] = _KEY_MAX
        else:
            values[index] = value
            out[index] = bits[index] ^ _KEY_MAX if bits[index] < 0 else bits[index]


@compiled_part
def _category(value: float) -> np.uint64:
    # LightGBM cuts the fraction off, so -0.5 is category 0.
    return np.uint64(max(value, 0.0)) if -1.0 < value <= _CATEGORY_MAX else _NO_CATEGORY


@compiled_part
def _is_in_set(ensemble: Ensemble, index: int, category: np.uint64) -> bool:
    """Return whether a category is in a reading's set; without a branch, as nobody can guess it."""
    one, first = np.uint64(1), np.uint64(ensemble.first_word[index])
    place = first + (category >> np.uint64(5))
    is_there = place < np.uint64(ensemble.first_word[np.uint64(index) + one])
    word = np.uint64(ensemble.words[place if is_there else first])
    return bool(is_there & ((word >> (category & np.uint64(31)) & one) == one))
