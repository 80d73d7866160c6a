"""Raw scores: a few walks abreast, of one row through several trees or of several rows through one.

Leaf values are added in the order of the trees, as LightGBM adds them, so a raw score is the same
float64.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.compiled import compiled, compiled_part
from fraudkit.scoring.trees.layout import LANES, Ensemble, read_row

__all__ = ["score_block", "score_row"]

_BLOCK_ROWS: Final = 8
"""Rows whose readings stay in the processor's cache while all trees go by."""


@compiled_part
def _step(
    ensemble: Ensemble, readings: NDArray[np.int64], first: np.uint64, place: np.uint64
) -> tuple[np.uint64, np.uint32]:
    """Return the next place of a walk, and 0 where it has arrived at a leaf."""
    node = ensemble.nodes[place]
    right = readings[first + np.uint64(node.reading)] > node.key
    return np.uint64(node.left) + np.uint64(right), node.reading


@compiled
def score_row(ensemble: Ensemble, row: NDArray[np.float64]) -> float:
    """Return the raw score of a row, shape (n_features,)."""
    n_readings = len(ensemble.feature)
    readings = np.empty(n_readings, np.int64)
    read_row(ensemble, row, np.empty(n_readings), readings)
    nodes, roots, first = ensemble.nodes, ensemble.roots, np.uint64(0)
    total = 0.0
    for tree in range(0, len(roots), LANES):
        a, b = np.uint64(roots[tree]), np.uint64(roots[tree + 1])
        c, d = np.uint64(roots[tree + 2]), np.uint64(roots[tree + 3])
        on_the_way = np.uint32(1)
        while on_the_way:
            a, at_a = _step(ensemble, readings, first, a)
            b, at_b = _step(ensemble, readings, first, b)
            c, at_c = _step(ensemble, readings, first, c)
            d, at_d = _step(ensemble, readings, first, d)
            on_the_way = at_a | at_b | at_c | at_d
        total += nodes[a].value
        total += nodes[b].value
        total += nodes[c].value
        total += nodes[d].value
    return total


@compiled
def score_block(ensemble: Ensemble, rows: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write the raw scores of rows, shape (n_rows, n_features), to ``out``, shape (n_rows,)."""
    n_readings = len(ensemble.feature)
    readings = np.empty(_BLOCK_ROWS * n_readings, np.int64)
    values, totals = np.empty(n_readings), np.empty(_BLOCK_ROWS)
    for start in range(0, len(rows), _BLOCK_ROWS):
        n_rows = min(_BLOCK_ROWS, len(rows) - start)
        n_lanes = -(-n_rows // LANES) * LANES
        for lane in range(n_lanes):
            part = readings[lane * n_readings : (lane + 1) * n_readings]
            read_row(ensemble, rows[start + min(lane, n_rows - 1)], values, part)
        totals[:] = 0.0
        for root in ensemble.roots:
            for lane in range(0, n_lanes, LANES):
                _add_leaves(ensemble, readings, lane, root, totals)
        out[start : start + n_rows] = totals[:n_rows]


@compiled_part
def _add_leaves(
    ensemble: Ensemble,
    readings: NDArray[np.int64],
    lane: int,
    root: np.uint32,
    totals: NDArray[np.float64],
) -> None:
    """Add what one tree gives to the rows at and after a lane."""
    n_readings, nodes = len(ensemble.feature), ensemble.nodes
    first = np.uint64(lane * n_readings)
    second, third = first + np.uint64(n_readings), first + np.uint64(2 * n_readings)
    fourth = first + np.uint64(3 * n_readings)
    a = b = c = d = np.uint64(root)
    on_the_way = np.uint32(1)
    while on_the_way:
        a, at_a = _step(ensemble, readings, first, a)
        b, at_b = _step(ensemble, readings, second, b)
        c, at_c = _step(ensemble, readings, third, c)
        d, at_d = _step(ensemble, readings, fourth, d)
        on_the_way = at_a | at_b | at_c | at_d
    totals[lane] += nodes[a].value
    totals[lane + 1] += nodes[b].value
    totals[lane + 2] += nodes[c].value
    totals[lane + 3] += nodes[d].value
