"""Tuning a policy on a file of scores and what became of the orders."""

from __future__ import annotations

import numpy as np
import polars as pl
from msgspec.structs import replace

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning import PolicyTuner
from fraudkit.decisions.tuning.redrawing import OnProgress
from fraudkit.domain.money import RateTable
from fraudkit.errors import DataFileError, PolicyError, TrainingError
from fraudkit.evaluation import scored_orders
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import (
    declined_before,
    labels_known_before,
    mature_before,
    mature_labels,
)

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

    Orders without a mature label, such as those that were declined, are left out and counted: the
    tuner's ``label_coverage_`` says how many of them are too young and how many were declined.

    An order that was approved by a logged chance weighs one over that probability, for those like
    it that stayed declined; all others weigh 1. So sums over orders estimate without bias those
    over all orders, as far as each that was declined had a chance. Weights are not capped.

    Parameters
    ----------
    scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` gives them: of a model that has not learnt from these
        orders.
    data : MappedData
        Amounts, fields, labels or outcomes, and logged propensities if there are any, of the same
        orders. A label of an order that had a chance and was declined by then is not used.
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

    References
    ----------
    Horvitz and Thompson, "A generalization of sampling without replacement from a finite
    universe", Journal of the American Statistical Association 47 (1952), for the weights.
    """
    policy = tuner.policy or Policy()
    currency = (tuner.costs or policy.costs).currency
    if currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {currency}"
        )
    missing = [path for path in tuner.segments if path not in data.frame.columns]
    if missing:
        raise DataFileError(
            f"the orders must have the field {missing[0]!r} to tune by it, "
            f"they have {sorted(data.frame.columns)}"
        )
    orders = (
        scored_orders(scores)
        .select("transaction_id", "fraud_probability")
        .join(_with_outcomes(data, rates, as_of_ms, label_delay_days), on="transaction_id")
        .sort("event_time_ms", "transaction_id")
    )
    if orders.is_empty():
        raise TrainingError(
            "tuning needs orders that are in both files, got none; check that transaction_id agrees"
        )
    paths = dict.fromkeys((*Decider(policy).paths, *tuner.segments))
    tuner.fit(
        orders["is_fraud"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        orders["fraud_probability"].to_numpy(),
        amount_minor=orders["amount_minor"].to_numpy(),
        event_time=orders["event_time_ms"].to_numpy(),
        weights=orders["weight"].to_numpy(),
        columns={path: orders[path].to_list() for path in paths if path in orders.columns},
        on_progress=on_progress,
    )
    is_unknown, is_declined = orders["is_fraud"].is_null(), orders["is_declined"]
    is_too_young = orders["event_time_ms"] >= mature_before(as_of_ms, label_delay_days)
    tuner.label_coverage_ = replace(
        tuner.label_coverage_,
        n_too_young=int((is_unknown & is_too_young).sum()),
        n_declined=int((is_unknown & ~is_too_young & is_declined).sum()),
    )
    return tuner


def _with_outcomes(
    data: MappedData, rates: RateTable, as_of_ms: int, label_delay_days: float | None
) -> pl.DataFrame:
    """Return the orders with amount, mature label and weight, and whether they were declined."""
    known = labels_known_before(data.labels, as_of_ms + 1)
    declined = declined_before(data.outcomes, as_of_ms + 1)
    is_declined = pl.col("transaction_id").is_in(declined.implode())
    propensity = pl.col("approve_propensity")
    has_stayed_declined = is_declined & propensity.is_not_null()
    is_mature = pl.col("matured_at_ms") <= as_of_ms
    labels = (
        mature_labels(data.frame, known, label_delay_days)
        .join(data.propensities, on="transaction_id", how="left")
        .select(
            "transaction_id",
            is_fraud=pl.when(is_mature & ~has_stayed_declined).then("is_fraud"),
            is_declined=is_declined,
            weight=(1.0 / propensity).fill_null(1.0),
        )
    )
    amounts = reference_amounts(data.frame, rates).cast(pl.Float64).fill_null(np.nan)
    return data.frame.with_columns(amount_minor=amounts).join(labels, on="transaction_id")
