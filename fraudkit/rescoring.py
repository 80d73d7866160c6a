"""Batch re-scoring: frames of orders in, decisions out, by the very code that serves one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import (
    ACTIONS,
    Policy,
    parse_policy,
    policy_toml,
)
from fraudkit.decisions.rulings import SHAPES
from fraudkit.domain.money import RateTable
from fraudkit.errors import InputError, ParameterError
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.offline import feature_rows, reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.any_classifier import FrameKind, classifier_scores
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import Calibration, probability
from fraudkit.scoring.reasons import Reasons

__all__ = ["Scores", "score_data", "write_scores"]

_THREADS: Final = os.cpu_count() or 1
_BLOCK_ROWS: Final = 50_000


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


class _Scored(NamedTuple):
    """What a model says of feature rows: arrays and a list as long as the rows."""

    raw_score: NDArray[np.float64]
    fraud_probability: NDArray[np.float64]
    reason_codes: list[list[str]]


def score_data(
    bundle: Bundle,
    data: MappedData,
    history: MappedData | None = None,
    *,
    enrichment: Enrichment | None = None,
    model: Any = None,
    as_frame: FrameKind | None = None,
    pos_label: Any = None,
    calibration: Calibration | None = None,
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

    Raises
    ------
    ClassifierError
        If the model cannot be used, or what it returns is no probability.
    ParameterError
        If one of the last three is given without a model, or does not hold.
    """
    if model is None and not as_frame is pos_label is calibration is None:
        raise ParameterError("as_frame, pos_label and calibration must come with model=...")
    policy = parse_policy(
        bundle.policy_text,
        f"policy.toml of bundle {bundle.version}",
        currency=bundle.rates.reference_currency,
    )
    frame, first_query, outcomes = _with_history(data, history)
    rows = feature_rows(
        frame,
        bundle.features,
        bundle.rates,
        outcomes,
        first_query=first_query,
        enrichment=enrichment,
    )
    if model is None:
        said = _scored_by_bundle(bundle, rows)
    else:
        raw_score, fraud_probability = classifier_scores(
            model,
            rows,
            bundle.features.names,
            as_frame=as_frame,
            pos_label=pos_label,
            calibration=calibration,
        )
        said = _Scored(raw_score, fraud_probability, [[] for _ in raw_score])
    scored = _decisions(policy, frame.slice(first_query), said, bundle.rates)
    columns = ["row", "transaction_id"]
    held = pl.concat([data.frame.select(columns), scored], how="horizontal").with_columns(
        error=pl.lit(None, pl.String)
    )
    bad = data.errors.select("row", "transaction_id", "error")
    merged = pl.concat([held, bad.cast({"row": held["row"].dtype})], how="diagonal")
    return Scores(merged.sort("row").drop("row"), policy)


def write_scores(path: Path, scores: Scores, *, made_by: str) -> None:
    """Write scores as a Parquet file that `fraudkit.evaluation.read_scores` reads.

    Parameters
    ----------
    path : Path
        Ends in ``.parquet``.
    made_by : str
        The bundle's version, or a name for a model of one's own.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    if path.suffix != ".parquet":
        raise InputError(f"a scores file's name must end in .parquet, got {path.name!r}")
    metadata = {"fraudkit.bundle": made_by, "fraudkit.policy": policy_toml(scores.policy)}
    try:
        scores.frame.write_parquet(path, metadata=metadata)
    except OSError as error:
        raise InputError(f"{path} must be in a folder that can be written to: {error}") from error


def _with_history(
    data: MappedData, history: MappedData | None
) -> tuple[pl.DataFrame, int, pl.DataFrame]:
    if history is None:
        return data.frame, 0, data.outcomes
    earlier = history.frame.join(data.frame, on="transaction_id", how="anti")
    frame = pl.concat([earlier, data.frame], how="diagonal_relaxed")
    return frame, len(earlier), pl.concat([history.outcomes, data.outcomes]).unique()


def _scored_by_bundle(bundle: Bundle, rows: NDArray[np.float64]) -> _Scored:
    raw_score = bundle.scorer.score_many(rows, n_threads=_THREADS)
    log_odds = bundle.calibration.log_odds_of_many(raw_score)
    fraud_probability = np.array([probability(value) for value in log_odds.tolist()])
    return _Scored(raw_score, fraud_probability, _reason_codes(bundle, rows))


def _decisions(
    policy: Policy, frame: pl.DataFrame, scored: _Scored, rates: RateTable
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


def _reason_codes(bundle: Bundle, rows: NDArray[np.float64]) -> list[list[str]]:
    reasons = Reasons(bundle.features, bundle.reference)
    codes: list[list[str]] = []
    for start in range(0, len(rows), _BLOCK_ROWS):
        shapley = bundle.scorer.explain_many(rows[start : start + _BLOCK_ROWS], n_threads=_THREADS)
        codes.extend(reasons.codes_of_many(shapley))
    return codes
