"""Exact Shapley values of a raw score against one reference order.

The game is the interventional one with a single reference: a coalition's players take the order's
values, the others the reference's. The values sum to ``raw_score(order) - raw_score(reference)``.

On the way to a leaf a feature is *ours* if only the order satisfies its splits, *theirs* if only
the reference does; where neither does, no coalition gets there. Of what the reference does, all
is known beforehand: at which splits it turns right, and which features are ours at a leaf. So an
order is walked with one question a split: does it part from the reference here, and is the
feature still open? If so both children are visited, else one.

The walks of several trees wait in one queue and no branch depends on an order's answers, so a
processor works on several splits at once.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for
trees", Nature Machine Intelligence 2 (2020), supplement, algorithm for interventional values.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.errors import ModelNotSupported
from fraudkit.scoring.trees.layout import Ensemble, read_row

__all__ = ["Game", "explain_block", "explain_row", "game_against"]

_PATH_MAX: Final = 512
_STEP: Final = 4
_STEP_BITS: Final = np.uint64(2)
_LEAVES: Final = np.uint64(1)
_SPLITS: Final = np.uint64(2)
_PLACE: Final = np.uint64(0xFFFFFFFF)
_BRANCH: Final = np.uint64(32)
_THEIRS: Final = np.uint64(1 << 32)
_BATCH_NODES: Final = 2048
"""Trees are walked together until they have so many nodes: what is written stays in the cache."""
_SPLIT: Final = np.dtype(
    {
        "names": [
            *("key", "value", "left", "earlier", "reading"),
            *("turns_right", "is_open", "split_step", "leaf_step"),
        ],
        "formats": ["i8", "f8", "u4", "u4", "u4", "u1", "u1", "u1", "u1"],
        "offsets": [0, 0, 8, 12, 16, 20, 21, 22, 23],
        "itemsize": 24,
    }
)
"""A split as in `fraudkit.scoring.trees.layout`, and what is known of the reference there.

``earlier`` is the split above on the same feature, or 0; ``turns_right`` where the reference goes
right; ``is_open`` unless a split above has made the feature ours. A leaf has its value for a key,
for ``left`` the number of its tree, from 1, and for ``earlier`` how many features are ours there.
"""


class Game(NamedTuple):
    """What is known of an ensemble and a reference before an order comes.

    Attributes
    ----------
    ensemble : Ensemble
    splits : ndarray of `_SPLIT`, shape as `Ensemble.nodes`
    bounds : ndarray of int64, shape (n_batches + 1,)
        Trees from one bound to the next are walked together.
    n_most : int
        Nodes of the largest batch.
    factors : ndarray of float64, shape (n_longest + 1, n_longest + 1)
        See `_shapley_factors`; as many features as meet on one way at most.
    """

    ensemble: Ensemble
    splits: NDArray[np.void]
    bounds: NDArray[np.int64]
    n_most: int
    factors: NDArray[np.float64]


class _Work(NamedTuple):
    """Working memory of one batch of trees.

    A visit is the place of a node and, above 32 bits, a branch: the child of a split where the
    order parts from the reference, twice the split's number if it is ours, else one more. The
    roots have branch 0.

    Attributes
    ----------
    visits : ndarray of uint64, shape (4 * (n_most + 2),)
        Three lists abreast, `_STEP` apart: at 0 the queue of all visits, at 1 those to leaves, at
        2 those to splits where the order parts from the reference.
    is_theirs : ndarray of uint8, shape (n_nodes,)
        Whether the feature of a visited split is theirs below it.
    n_theirs : ndarray of uint64, shape (2 * n_most + 4,)
        Features that are theirs, by branch.
    sums : ndarray of float64, shape (2 * n_most + 4, 2)
        By branch, what its leaves give to one feature that is ours, and to one that is theirs.
    of_tree : ndarray of float64, shape (n_trees + 1,)
        The order's own leaf; the first takes the others.
    """

    visits: NDArray[np.uint64]
    is_theirs: NDArray[np.uint8]
    n_theirs: NDArray[np.uint64]
    sums: NDArray[np.float64]
    of_tree: NDArray[np.float64]


def game_against(ensemble: Ensemble, n_trees: int, reference: NDArray[np.float64]) -> Game:
    """Return the game of an ensemble against a reference, shape (n_features,).

    Raises
    ------
    ModelNotSupported
        If more features than any honest model has meet on one way through a tree.
    """
    nodes, n_readings = ensemble.nodes, len(ensemble.feature)
    readings = np.empty(n_readings, np.int64)
    read_row(ensemble, reference, np.empty(n_readings), readings)
    splits = np.zeros(len(nodes), _SPLIT)
    for name in ("key", "left", "reading"):
        splits[name] = nodes[name]
    splits["leaf_step"] = _STEP * (nodes["reading"] == 0)
    splits["split_step"] = _STEP * (nodes["reading"] != 0)
    n_longest = int(_follow_reference(ensemble, n_trees, readings, splits))
    if n_longest > _PATH_MAX:
        raise ModelNotSupported(
            f"model.txt: at most {_PATH_MAX} features may meet on one way through a tree, "
            f"got a tree where {n_longest} do; train with a smaller max_depth"
        )
    starts = np.append(ensemble.roots[:n_trees], len(nodes)).astype(np.int64)
    bounds = _batches(starts)
    n_most = int(np.diff(starts[bounds]).max())
    return Game(ensemble, splits, bounds, n_most, _shapley_factors(n_longest + 1))


def _batches(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bounds of batches of trees that start at these places; the last is the end."""
    batch = (starts[:-1] - starts[0]) // _BATCH_NODES
    return np.flatnonzero(np.diff(batch, prepend=-1, append=batch[-1] + 1))


@compiled
def _follow_reference(
    ensemble: Ensemble, n_trees: int, readings: NDArray[np.int64], splits: NDArray[np.void]
) -> int:
    """Fill in what is known of the reference; return how many features meet on one way at most."""
    n_nodes, n_features = len(splits), ensemble.feature.max() + 1
    latest, is_ours = np.zeros(n_features, np.uint32), np.zeros(n_features, np.bool_)
    n_visits, parent = np.zeros(n_nodes, np.uint8), np.zeros(n_nodes, np.uint32)
    n_ours, n_met = np.zeros(n_nodes, np.uint32), np.zeros(n_nodes, np.int64)
    for tree in range(n_trees):
        place = ensemble.roots[tree]
        while place:
            split, visit = splits[place], n_visits[place]
            feature = ensemble.feature[split.reading]
            n_visits[place] += 1
            if split.leaf_step:
                split.left, split.earlier = tree + 1, n_ours[place]
                place = parent[place]
                continue
            if visit == 2:
                latest[feature], is_ours[feature] = split.earlier, not split.is_open
                place = parent[place]
                continue
            if visit == 0:
                right = readings[split.reading] > split.key
                split.turns_right, split.is_open = right, not is_ours[feature]
                split.earlier, latest[feature] = latest[feature], place
            parts = split.turns_right != visit
            is_ours[feature] = parts or not split.is_open
            child = split.left + visit
            parent[child] = place
            n_ours[child] = n_ours[place] + (parts and split.is_open)
            n_met[child] = n_met[place] + (split.earlier == 0)
            place = child
    return n_met.max()


def _shapley_factors(size: int) -> NDArray[np.float64]:
    """Return ``(a - 1)! b! / (a + b)!``, and 0 where ``a`` is 0; shape (size, size).

    With ``a`` players on one side of a path and ``b`` on the other it is the share of orders in
    which one given player of the first side comes last among them and before the second side.
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, 2 * size)))])
    first = np.arange(size)[:, None]
    second = np.arange(size)[None, :]
    factors = np.exp(logs[np.maximum(first - 1, 0)] + logs[second] - logs[first + second])
    exact = min(size, 12)
    products = np.cumprod(np.concatenate([[1.0], np.arange(1.0, 2 * exact)]))
    for ours in range(1, exact):
        for theirs in range(exact):
            factors[ours, theirs] = products[ours - 1] * products[theirs] / products[ours + theirs]
    factors[0] = 0.0
    return np.asarray(factors, np.float64)


@compiled
def explain_row(game: Game, row: NDArray[np.float64], out: NDArray[np.float64]) -> float:
    """Add the Shapley values of a row, shape (n_features,), to ``out``; return its raw score."""
    ensemble = game.ensemble
    n_readings, n_trees = len(ensemble.feature), game.bounds[-1]
    readings = np.empty(n_readings, np.int64)
    read_row(ensemble, row, np.empty(n_readings), readings)
    n_visits, n_branches = game.n_most + 2, 2 * game.n_most + 4
    work = _Work(
        visits=np.empty(n_visits * _STEP, np.uint64),
        is_theirs=np.empty(len(game.splits), np.uint8),
        n_theirs=np.empty(n_branches, np.uint64),
        sums=np.empty((n_branches, 2)),
        of_tree=np.empty(n_trees + 1),
    )
    work.is_theirs[0] = 0
    for batch in range(len(game.bounds) - 1):
        first, end = game.bounds[batch], game.bounds[batch + 1]
        leaf_end, split_end = _walk(game, readings, first, end, work)
        _add_leaves(game, leaf_end, split_end, work)
        _share_out(game, split_end, work, out)
    total = 0.0
    for tree in range(n_trees):
        total += work.of_tree[tree + 1]
    return total


@compiled
def explain_block(game: Game, rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Add the Shapley values of rows, shape (n_rows, n_features), to ``out``, same shape."""
    for index in range(len(rows)):
        explain_row(game, rows[index], out[index])


@compiled_part
def _walk(
    game: Game, readings: NDArray[np.int64], first: int, end: int, work: _Work
) -> tuple[np.uint64, np.uint64]:
    """Visit what can be reached in trees ``first:end``; return the ends of leaves and of splits.

    Every visit writes all that any visit may; what was not meant is overwritten by the next.
    """
    visits, step = work.visits, np.uint64(_STEP)
    head, tail, leaf_end, split_end = np.uint64(0), np.uint64(0), _LEAVES, _SPLITS + step
    for tree in range(first, end):
        visits[tail] = game.ensemble.roots[tree]
        tail += step
    while head < tail:
        visit = visits[head]
        head += step
        place = visit & _PLACE
        split = game.splits[place]
        right = np.uint64(readings[np.uint64(split.reading)] > split.key)
        parts = right ^ np.uint64(split.turns_right)
        parts_openly = parts & np.uint64(split.is_open)
        was_theirs = np.uint64(work.is_theirs[np.uint64(split.earlier)])
        work.is_theirs[place] = was_theirs | parts
        is_both = parts_openly & ~was_theirs
        ours = (split_end >> _STEP_BITS) << np.uint64(33)
        branch = ours | _THEIRS if is_both else visit ^ place
        visits[leaf_end] = visit
        leaf_end += np.uint64(split.leaf_step)
        visits[split_end] = visit
        split_end += is_both * step
        # Theirs, or the only child: the reference's while open, else the order's.
        left = np.uint64(split.left)
        visits[tail] = (left + (right ^ parts_openly)) | branch
        tail += np.uint64(split.split_step)
        visits[tail] = (left + right) | ours
        tail += is_both * step
    return leaf_end, split_end


@compiled_part
def _add_leaves(game: Game, leaf_end: np.uint64, split_end: np.uint64, work: _Work) -> None:
    """Sum up, branch by branch, what the leaves give to each feature that decides them."""
    one, zero, step = np.uint64(1), np.uint64(0), np.uint64(_STEP)
    n_theirs, sums = work.n_theirs, work.sums
    n_theirs[zero] = 0
    sums[zero, zero] = sums[zero, one] = 0.0
    place = _SPLITS + step
    while place < split_end:
        above = n_theirs[work.visits[place] >> _BRANCH]
        ours = (place >> _STEP_BITS) << one
        theirs = ours | one
        n_theirs[ours], n_theirs[theirs] = above, above + one
        sums[ours, zero] = sums[ours, one] = sums[theirs, zero] = sums[theirs, one] = 0.0
        place += step
    place = _LEAVES
    while place < leaf_end:
        visit = work.visits[place]
        branch, leaf = visit >> _BRANCH, game.splits[visit & _PLACE]
        ours, theirs = np.uint64(leaf.earlier), n_theirs[branch]
        sums[branch, zero] += leaf.value * game.factors[ours, theirs]
        sums[branch, one] += leaf.value * game.factors[theirs, ours]
        work.of_tree[np.uint64(leaf.left) * np.uint64(theirs == zero)] = leaf.value
        place += step


@compiled_part
def _share_out(game: Game, split_end: np.uint64, work: _Work, out: NDArray[np.float64]) -> None:
    """Give each split's feature what was gained on our side of it less what was lost on theirs."""
    one, zero, sums = np.uint64(1), np.uint64(0), work.sums
    place = split_end - np.uint64(_STEP)
    while place > _SPLITS:
        visit = work.visits[place]
        ours, branch = (place >> _STEP_BITS) << one, visit >> _BRANCH
        theirs = ours | one
        reading = np.uint64(game.splits[visit & _PLACE].reading)
        out[np.uint64(game.ensemble.feature[reading])] += sums[ours, zero] - sums[theirs, one]
        sums[branch, zero] += sums[ours, zero] + sums[theirs, zero]
        sums[branch, one] += sums[ours, one] + sums[theirs, one]
        place -= np.uint64(_STEP)
