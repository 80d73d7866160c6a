"""Batch re-scoring: frames of orders in, decisions out, by the very code that serves one."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import (
    ACTIONS,
    Policy,
    parse_policy,
)
from fraudkit.decisions.rulings import SHAPES
from fraudkit.domain.money import RateTable
from fraudkit.errors import ParameterError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.offline import feature_rows, reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.rescoring.blocks import Blocks, Progress
from fraudkit.rescoring.contents import deciding_contents
from fraudkit.rescoring.parts import PartsFolder
from fraudkit.rescoring.stored_part import ScoredRows
from fraudkit.scoring.any_classifier import FrameKind, classifier_scores
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import Calibration

__all__ = ["Scores", "score_data"]


class Scores(NamedTuple):
    """Decisions about a file's orders.

    Attributes
    ----------
    frame : polars.DataFrame
        One row an input row, in input order: ``transaction_id``, ``raw_score``,
        ``fraud_probability``, ``action``, ``reason_codes``, ``expected_cost_minor`` (a struct of
        the four actions, in the policy's currency), ``segment``, ``shaped_by``,
        ``approve_propensity``, ``error``. A bad row has an error and nothing else. Of the
        policy's exploration it has the chances that *this* scoring drew, not those of the
        orders' time; by the same policy and limits they are the same.
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
        contents = partial(deciding_contents, bundle, data, history, enrichment)
        said = Blocks(bundle, n_rows, on_progress, parts).scored(compute_rows, contents)
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
    return Scores(_with_errors(data, scored), policy)


def _with_history(
    data: MappedData, history: MappedData | None
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    if history is None:
        return data.frame, 0, data.outcomes
    earlier = history.frame.join(data.frame, on="transaction_id", how="anti")
    frame = pl.concat([earlier, data.frame], how="diagonal_relaxed")
    return frame, len(earlier), pl.concat([history.outcomes, data.outcomes]).unique()


def _with_errors(data: MappedData, scored: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the input in their order, those that hold and those that do not."""
    columns = ["row", "transaction_id"]
    held = pl.concat([data.frame.select(columns), scored], how="horizontal").with_columns(
        error=pl.lit(None, pl.String)
    )
    bad = data.errors.select("row", "transaction_id", "error")
    merged = pl.concat([held, bad.cast({"row": held["row"].dtype})], how="diagonal")
    return merged.sort("row").drop("row")


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
    segments = pl.Series([*(held.name for held in policy.segments), None], dtype=pl.String)
    shapes = pl.Series([list(held) for held in SHAPES], dtype=pl.List(pl.String))
    return pl.DataFrame(
        {
            "raw_score": scored.raw_score,
            "fraud_probability": scored.fraud_probability,
            "action": np.array(ACTIONS)[chosen],
            "reason_codes": scored.reason_codes,
            "expected_cost_minor": pl.DataFrame(dict(zip(ACTIONS, costs, strict=True)))
            .fill_nan(None)
            .to_struct(),
            "segment": segments.gather(rulings.segment[back]),
            "shaped_by": shapes.gather(rulings.shaped_by[back]),
            "approve_propensity": pl.Series(rulings.approve_propensity[back], nan_to_null=True),
        },
        schema_overrides={"reason_codes": pl.List(pl.String)},
    )
