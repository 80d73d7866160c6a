"""Batch re-scoring: frames of orders in, decisions out, by the very code that serves one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import (
    ACTIONS,
    Policy,
    parse_policy,
)
from fraudkit.domain.money import RateTable
from fraudkit.errors import ParameterError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.offline import feature_rows, reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.rescoring.contents import deciding_contents
from fraudkit.rescoring.parts import BLOCK_ROWS, PartsFolder
from fraudkit.rescoring.stored_part import ScoredRows
from fraudkit.scoring.any_classifier import FrameKind, classifier_scores
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import Calibration, probability
from fraudkit.scoring.reasons import Reasons

__all__ = ["Progress", "ScoreStage", "Scores", "score_data"]

_THREADS: Final = os.cpu_count() or 1

ScoreStage = Literal["features", "scores", "reasons", "decisions"]
"""What `score_data` does; of features it counts features, else orders."""

Progress = Callable[[ScoreStage, int, int], None]
"""Told the stage, how many are done and how many there are."""


class Scores(NamedTuple):
    """Decisions about a file's orders.

    Attributes
    ----------
    frame : polars.DataFrame
        One row an input row, in input order: ``transaction_id``, ``raw_score``,
        ``fraud_probability``, ``action``, ``reason_codes``, ``expected_cost_minor`` (a struct of
        the four actions, in the policy's currency), ``error``. A bad row has an error and
        nothing else.
    policy : Policy
        What decided.
    """

    frame: pl.DataFrame
    policy: Policy


def score_data(  # noqa: PLR0913 - what scores are made of
    bundle: Bundle,
    data: MappedData,
    history: MappedData | None = None,
    *,
    enrichment: Enrichment | None = None,
    model: Any = None,
    as_frame: FrameKind | None = None,
    pos_label: Any = None,
    calibration: Calibration | None = None,
    on_progress: Progress = lambda _stage, _done, _total: None,
    parts: PartsFolder | None = None,
) -> Scores:
    """Score a file's orders as they would have been scored when they happened.

    Parameters
    ----------
    history : MappedData, optional
        Earlier orders and outcomes: they fill the windows and are not scored. An order that is
        in both is taken from ``data``.
    model : object, optional
        A fitted classifier of scikit-learn's kind, in the place of the bundle's trees and
        calibration. It gets the bundle's feature rows; the policy stays the bundle's. The orders
        have no reason codes then: reasons are exact for trees alone.
    as_frame, pos_label, calibration : optional
        With a model: what it is given, which of its classes is fraud, and what makes its raw
        scores log-odds; see `fraudkit.scoring.any_classifier.classifier_scores`.
    on_progress : callable, optional
        Told how far each stage is; a stage that is not needed is left out.
    parts : PartsFolder, optional
        Where finished parts are kept, so that the same call after an interruption takes them
        from there. The scores are the same with it and without. Not with a model, as nothing
        tells whether two models in memory are one.

    Raises
    ------
    ClassifierError
        If the model cannot be used, or what it returns is no probability.
    ParameterError
        If ``as_frame``, ``pos_label`` or ``calibration`` is given without a model, or does not
        hold, or ``parts`` with one.
    InputError
        If a part cannot be kept: the disk is full, another process has the folder.
    """
    if model is None and not as_frame is pos_label is calibration is None:
        raise ParameterError("as_frame, pos_label and calibration must come with model=...")
    if model is not None and parts is not None:
        raise ParameterError("parts must come without model=...: leave one of them out")
    policy = parse_policy(
        bundle.policy_text,
        f"policy.toml of bundle {bundle.version}",
        currency=bundle.rates.reference_currency,
    )
    frame, first_query, outcomes = _with_history(data, history)

    def compute_rows() -> NDArray[np.float64]:
        return feature_rows(
            frame,
            bundle.features,
            bundle.rates,
            outcomes,
            first_query=first_query,
            enrichment=enrichment,
            progress=lambda done: on_progress("features", done, len(bundle.features.names)),
        )

    n_rows = len(frame) - first_query
    if model is None:
        blocks = _Blocks(bundle, n_rows, on_progress, parts)
        said = blocks.scored(
            compute_rows,
            lambda: deciding_contents(
                bundle, data, history, enrichment, () if parts is None else parts.sources
            ),
        )
    else:
        raw_score, fraud_probability = classifier_scores(
            model,
            compute_rows(),
            bundle.features.names,
            as_frame=as_frame,
            pos_label=pos_label,
            calibration=calibration,
        )
        said = ScoredRows(raw_score, fraud_probability, [[] for _ in raw_score])
        on_progress("scores", n_rows, n_rows)
    on_progress("decisions", 0, n_rows)
    scored = _decisions(policy, frame.slice(first_query), said, bundle.rates)
    on_progress("decisions", n_rows, n_rows)
    columns = ["row", "transaction_id"]
    held = pl.concat([data.frame.select(columns), scored], how="horizontal").with_columns(
        error=pl.lit(None, pl.String)
    )
    bad = data.errors.select("row", "transaction_id", "error")
    merged = pl.concat([held, bad.cast({"row": held["row"].dtype})], how="diagonal")
    return Scores(merged.sort("row").drop("row"), policy)


def _with_history(
    data: MappedData, history: MappedData | None
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    if history is None:
        return data.frame, 0, data.outcomes
    earlier = history.frame.join(data.frame, on="transaction_id", how="anti")
    frame = pl.concat([earlier, data.frame], how="diagonal_relaxed")
    return frame, len(earlier), pl.concat([history.outcomes, data.outcomes]).unique()


class _Blocks(NamedTuple):
    """The orders of a run, scored some at a time."""

    bundle: Bundle
    n_rows: int
    on_progress: Progress
    parts: PartsFolder | None

    def scored(
        self,
        compute_rows: Callable[[], NDArray[np.float64]],
        contents: Callable[[], dict[str, str]],
    ) -> ScoredRows:
        """Return scores and reasons; feature rows are computed if a part is not there."""
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


def _decisions(
    policy: Policy, frame: pl.DataFrame, scored: ScoredRows, rates: RateTable
) -> pl.DataFrame:
    amounts = reference_amounts(frame, rates).cast(pl.Float64).fill_null(np.nan).to_numpy()
    decider, time_ms = Decider(policy), frame["event_time_ms"].to_numpy()
    by_time = np.argsort(time_ms, kind="stable")
    back = np.argsort(by_time, kind="stable")
    rulings = decider.of_many(
        scored.fraud_probability[by_time],
        amounts[by_time],
        {path: frame[path][by_time].to_list() for path in decider.paths if path in frame.columns},
        time_ms=time_ms[by_time],
        transaction_ids=frame["transaction_id"][by_time].to_list(),
    )
    chosen, costs = rulings.action[back], rulings.cost_minor[back].T
    return pl.DataFrame(
        {
            "raw_score": scored.raw_score,
            "fraud_probability": scored.fraud_probability,
            "action": np.array(ACTIONS)[chosen],
            "reason_codes": scored.reason_codes,
            "expected_cost_minor": pl.DataFrame(dict(zip(ACTIONS, costs, strict=True)))
            .fill_nan(None)
            .to_struct(),
        },
        schema_overrides={"reason_codes": pl.List(pl.String)},
    )
