"""Batch re-scoring: frames of orders in, decisions out, by the very code that serves one."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.policy import ACTIONS, Policy, can_be_challenged, parse_policy
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.offline import feature_rows, reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.bundle import Bundle
from fraudkit.scoring.calibration import probability
from fraudkit.scoring.reasons import Reasons

__all__ = ["Scores", "score_data"]

_THREADS: Final = os.cpu_count() or 1
_BLOCK_ROWS: Final = 50_000


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


def score_data(
    bundle: Bundle,
    data: MappedData,
    history: MappedData | None = None,
    *,
    enrichment: Enrichment | None = None,
) -> Scores:
    """Score a file's orders as they would have been scored when they happened.

    Parameters
    ----------
    history : MappedData, optional
        Earlier orders and outcomes: they fill the windows and are not scored. An order that is
        in both is taken from ``data``.
    """
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
    scored = _decisions(bundle, policy, frame.slice(first_query), rows)
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


def _decisions(
    bundle: Bundle, policy: Policy, frame: pl.DataFrame, rows: NDArray[np.float64]
) -> pl.DataFrame:
    raw_score = bundle.scorer.score_many(rows, n_threads=_THREADS)
    log_odds = bundle.calibration.log_odds_of_many(raw_score)
    fraud_probability = np.array([probability(value) for value in log_odds.tolist()])
    amounts = reference_amounts(frame, bundle.rates)
    chosen, costs = policy.decide_many(
        fraud_probability, amounts.cast(pl.Float64).fill_null(np.nan).to_numpy(), _challenges(frame)
    )
    return pl.DataFrame(
        {
            "raw_score": raw_score,
            "fraud_probability": fraud_probability,
            "action": np.array(ACTIONS)[chosen],
            "reason_codes": _reason_codes(bundle, rows),
            "expected_cost_minor": pl.DataFrame(dict(zip(ACTIONS, costs, strict=True)))
            .fill_nan(None)
            .to_struct(),
        },
        schema_overrides={"reason_codes": pl.List(pl.String)},
    )


def _challenges(frame: pl.DataFrame) -> NDArray[np.bool_]:
    names = ("payment.method", "payment.card.was_3d_secure_successful")
    columns = [
        frame[name].to_list() if name in frame.columns else [None] * len(frame) for name in names
    ]
    return np.fromiter(map(can_be_challenged, *columns), np.bool_, len(frame))


def _reason_codes(bundle: Bundle, rows: NDArray[np.float64]) -> list[list[str]]:
    reasons = Reasons(bundle.features, bundle.reference)
    codes: list[list[str]] = []
    for start in range(0, len(rows), _BLOCK_ROWS):
        shapley = bundle.scorer.explain_many(rows[start : start + _BLOCK_ROWS], n_threads=_THREADS)
        codes.extend(reasons.codes_of_many(shapley))
    return codes
