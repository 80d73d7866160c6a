"""Scores and reasons block by block: a row's are the same whichever rows are beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.rescoring.parts import BLOCK_ROWS, PartsFolder
from fraudkit.rescoring.stored_part import ScoredRows
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.reasons import Reasons

__all__ = ["Blocks", "Progress", "ScoreStage"]

_THREADS: Final = os.cpu_count() or 1

ScoreStage = Literal["features", "scores", "reasons", "decisions"]
"""What `fraudkit.rescoring.score_data` does; of features it counts features, else orders."""

Progress = Callable[[ScoreStage, int, int], None]
"""Told the stage, how many are done and how many there are."""


class Blocks(NamedTuple):
    """The orders of a run, scored some at a time.

    Attributes
    ----------
    n_rows : int
        Orders of the run.
    on_progress : callable
        Told after each block.
    parts : PartsFolder or None
        Where finished blocks are kept.
    """

    bundle: Bundle
    n_rows: int
    on_progress: Progress
    parts: PartsFolder | None

    def scored(
        self,
        compute_rows: Callable[[], NDArray[np.float64]],
        contents: Callable[[Sequence[Path]], dict[str, str]],
    ) -> ScoredRows:
        """Return scores and reasons of all orders.

        Parameters
        ----------
        compute_rows : callable
            Returns the feature rows, shape (n_rows, n_features); called if a block is not there.
        contents : callable
            See `fraudkit.rescoring.parts.PartsFolder.begin`.

        Raises
        ------
        InputError
            If a part cannot be kept.
        """
        block_rows = BLOCK_ROWS if self.parts is None else self.parts.block_rows
        held = {} if self.parts is None else self.parts.begin(self.n_rows, contents)
        starts = range(0, self.n_rows, block_rows)
        blocks = dict(held)
        if len(held) < len(starts):
            rows = compute_rows()
            reasons = Reasons(self.bundle.features, self.bundle.reference)
            n_done = sum(len(block.raw_score) for block in held.values())
            for number, start in enumerate(starts):
                if number not in held:
                    block = rows[start : start + block_rows]
                    blocks[number] = self._scored_block(block, reasons, n_done)
                    n_done += len(block)
                    if self.parts is not None:
                        self.parts.keep(number, blocks[number])
        return _together([blocks[number] for number in range(len(starts))])

    def _scored_block(
        self, rows: NDArray[np.float64], reasons: Reasons, n_before: int
    ) -> ScoredRows:
        scorer, n_done = self.bundle.scorer, n_before + len(rows)
        raw_score = scorer.score_many(rows, n_threads=_THREADS)
        log_odds = self.bundle.calibration.log_odds_of_many(raw_score)
        fraud_probability = np.array([probability(value) for value in log_odds.tolist()])
        self.on_progress("scores", n_done, self.n_rows)
        codes = reasons.codes_of_many(scorer.explain_many(rows, n_threads=_THREADS))
        self.on_progress("reasons", n_done, self.n_rows)
        return ScoredRows(raw_score, fraud_probability, codes)


def _together(blocks: list[ScoredRows]) -> ScoredRows:
    none = np.empty(0)
    return ScoredRows(
        np.concatenate([none, *(block.raw_score for block in blocks)]),
        np.concatenate([none, *(block.fraud_probability for block in blocks)]),
        [codes for block in blocks for codes in block.reason_codes],
    )
