"""Trees laid out for the kernel: sixteen bytes a node, siblings side by side, one test for all.

A row is first turned into *readings*: a feature as it looks under one rule for missing values.
Every split then asks the same two things of a reading, whatever its kind, and no branch of the
processor depends on the answer:

- a number goes right where its key is above the split's. Keys are the bits of a float64, changed
  so that they order as the numbers do; a missing value has the key of the side it goes to.
- a category goes left where its bit is set in the split's set. For a number no bit ever is.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.scoring.trees.model_text import CATEGORICAL, DEFAULT_LEFT, NEAR_ZERO, Trees

__all__ = ["LANES", "NODE", "READING", "Ensemble", "goes_right", "lay_out", "read_row"]

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
arrived stays. A category split's key is the first word of its set and, above 32 bits, how many.
"""
READING: Final = np.dtype([("key", "i8"), ("word", "u4"), ("bit", "u4")])
"""A feature under one rule: its key, and as a category the word of a set and the bit there."""

_NO_MISSING: Final = 0
_ZERO_GOES_LEFT: Final = 1
_ZERO_GOES_RIGHT: Final = 2
_NAN_GOES_LEFT: Final = 3
_NAN_GOES_RIGHT: Final = 4
_CATEGORY: Final = 5
_N_RULES: Final = 6
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
_NO_WORD: Final = 2**32 - 1


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
        What it does with missing values.
    words : ndarray of uint32, shape (1 + n_words,)
        Bits of the sets of categories; the first word is 0.
    """

    nodes: NDArray[np.void]
    roots: NDArray[np.uint32]
    feature: NDArray[np.uint32]
    rule: NDArray[np.uint8]
    words: NDArray[np.uint32]


def lay_out(trees: Trees) -> Ensemble:
    """Return the ensemble of these trees."""
    codes, left, roots = _places(trees)
    is_split = codes >= 0
    split, leaf = codes[is_split], ~codes[~is_split]
    rules = _RULE_OF_DECISION[trees.decision]
    kinds, reading = np.unique(trees.feature * np.int64(_N_RULES) + rules, return_inverse=True)
    nodes = np.zeros(1 + len(codes), NODE)
    nodes["left"][1:] = left
    nodes["reading"][1:][is_split] = reading[split] + 1
    nodes["key"][1:][is_split] = _keys_of_splits(trees, rules)[split]
    nodes["value"][1:][~is_split] = trees.value[leaf]
    n_idle = -len(roots) % LANES
    return Ensemble(
        nodes=nodes,
        roots=np.append(roots, np.zeros(n_idle)).astype(np.uint32),
        feature=np.append(0, kinds // _N_RULES).astype(np.uint32),
        rule=np.append(_NO_MISSING, kinds % _N_RULES).astype(np.uint8),
        words=np.append(0, trees.category_bits).astype(np.uint32),
    )


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


def _keys_of_splits(trees: Trees, rules: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = np.ascontiguousarray(trees.threshold).view(np.int64)
    keys = np.where(bits < 0, bits ^ _KEY_MAX, bits)
    is_category = rules == _CATEGORY
    category_set = trees.threshold[is_category].astype(np.int64)
    first, end = trees.category_bounds[category_set], trees.category_bounds[category_set + 1]
    keys[is_category] = ((end - first) << 32) | (1 + first)
    return keys


@compiled
def read_row(
    ensemble: Ensemble, row: NDArray[np.float64], values: NDArray[np.float64], out: NDArray[np.void]
) -> None:
    """Write the readings of a row, shape (n_features,), to ``out``, shape (n_readings,).

    ``values`` is working memory of the same shape as ``out``.
    """
    bits = values.view(np.int64)
    out[0].key, out[0].word, out[0].bit = _KEY_MIN, _NO_WORD, 0
    for index in range(1, len(out)):
        value, rule = row[ensemble.feature[index]], ensemble.rule[index]
        reading = out[index]
        reading.word, reading.bit = _NO_WORD, 0
        if rule == _CATEGORY:
            # LightGBM cuts the fraction off, so -0.5 is category 0.
            if -1.0 < value <= _CATEGORY_MAX:
                reading.word, reading.bit = int(value) // 32, 1 << (int(value) % 32)
            reading.key = _KEY_MAX
            continue
        if rule == _NO_MISSING and np.isnan(value):
            value = 0.0
        is_zero = np.isnan(value) or abs(value) <= NEAR_ZERO
        if (rule == _ZERO_GOES_LEFT and is_zero) or (rule == _NAN_GOES_LEFT and np.isnan(value)):
            reading.key = _KEY_MIN
        elif np.isnan(value) or (rule == _ZERO_GOES_RIGHT and is_zero):
            reading.key = _KEY_MAX
        else:
            values[index] = value
            reading.key = bits[index] ^ _KEY_MAX if bits[index] < 0 else bits[index]


@compiled_part
def goes_right(key: int, reading: Any, words: NDArray[np.uint32]) -> np.uint64:
    """Return 1 where a reading goes right at a split of this key, else 0."""
    split = np.uint64(key)
    word = np.uint64(reading.word)
    is_in_set = word < (split >> np.uint64(32))
    place = (split & np.uint64(0xFFFFFFFF)) + word if is_in_set else np.uint64(0)
    is_category_left = (words[place] & reading.bit) != 0
    return np.uint64(reading.key > key) & np.uint64(not is_category_left)
