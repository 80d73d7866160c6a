"""Tuning a policy on a file of scores and what became of the orders."""

from __future__ import annotations

import numpy as np
import polars as pl

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning import PolicyTuner
from fraudkit.decisions.tuning.redrawing import OnProgress
from fraudkit.domain.money import RateTable
from fraudkit.errors import DataFileError, PolicyError, TrainingError
from fraudkit.evaluation import scored_orders
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import labels_known_before, mature_labels

__all__ = ["tune_on_scores"]


def tune_on_scores(
    tuner: PolicyTuner,
    scores: pl.DataFrame,
    data: MappedData,
    rates: RateTable,
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
    on_progress: OnProgress | None = None,
) -> PolicyTuner:
    """Fit a tuner on scored orders with the labels that were mature by ``as_of_ms``.

    Orders without a mature label, such as those that were declined, are left out and counted.

    Parameters
    ----------
    scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` gives them: of a model that has not learnt from these
        orders.
    data : MappedData
        Amounts, fields, and labels or outcomes, of the same orders.
    as_of_ms, label_delay_days
        As in `fraudkit.evaluation.evaluate`.
    on_progress : callable, optional
        As in `PolicyTuner.fit`.

    Raises
    ------
    DataFileError
        If the data lack a field of the tuner's segments.
    PolicyError
        If the costs are in another currency than the amounts, or a constraint cannot be met.
    TrainingError
        If no order of the scores is in the data.
    """
    policy = tuner.policy or Policy()
    currency = (tuner.costs or policy.costs).currency
    if currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {currency}"
        )
    frame = data.frame.with_columns(
        amount_minor=reference_amounts(data.frame, rates).cast(pl.Float64).fill_null(np.nan)
    )
    missing = [path for path in tuner.segments if path not in frame.columns]
    if missing:
        raise DataFileError(
            f"the orders must have the field {missing[0]!r} to tune by it, "
            f"they have {sorted(data.frame.columns)}"
        )
    known = labels_known_before(data.labels, as_of_ms + 1)
    labels = mature_labels(data.frame, known, label_delay_days)
    mature = labels.filter(pl.col("matured_at_ms") <= as_of_ms).select("transaction_id", "is_fraud")
    orders = (
        scored_orders(scores)
        .select("transaction_id", "fraud_probability")
        .join(frame, on="transaction_id")
        .join(mature, on="transaction_id", how="left")
        .sort("event_time_ms", "transaction_id")
    )
    if orders.is_empty():
        raise TrainingError(
            "tuning needs orders that are in both files, got none; check that transaction_id agrees"
        )
    paths = dict.fromkeys((*Decider(policy).paths, *tuner.segments))
    return tuner.fit(
        orders["is_fraud"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        orders["fraud_probability"].to_numpy(),
        amount_minor=orders["amount_minor"].to_numpy(),
        event_time=orders["event_time_ms"].to_numpy(),
        columns={path: orders[path].to_list() for path in paths if path in orders.columns},
        on_progress=on_progress,
    )
