"""The orders of files with what is known of them, and policies at work on scores of theirs."""

from __future__ import annotations

import numpy as np
import polars as pl

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.domain.money import RateTable
from fraudkit.errors import PolicyError
from fraudkit.evaluation import scored_orders
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import declined_before, labels_known_before, mature_labels

__all__ = ["decide_again", "known_orders"]


def known_orders(
    data: MappedData, rates: RateTable, *, as_of_ms: int, label_delay_days: float | None = None
) -> pl.DataFrame:
    """Return a file's orders with what was known of them, for `fraudkit.backtest.backtest`.

    Parameters
    ----------
    as_of_ms : int
        When we look; what became known later is not used.
    label_delay_days : float, optional
        How long labels take; a younger order has no outcome, see
        `fraudkit.scoring.maturity.mature_labels`.

    Returns
    -------
    polars.DataFrame
        The columns of ``data.frame``, in its order, and ``amount_minor`` in the reference
        currency (Float64), ``is_fraud`` (Boolean), ``action`` (String): ``"decline"`` for an
        order that was declined by then and has no label, else null; and ``approve_propensity``
        (Float64), the logged one of the data. Null where it is not known. An order that had a
        logged chance and was declined by then stayed declined: a label of it is not used.
    """
    as_it_stood = labels_known_before(data.labels, as_of_ms + 1)
    labels = mature_labels(data.frame, as_it_stood, label_delay_days).select(
        "transaction_id",
        is_fraud=pl.when(pl.col("matured_at_ms") <= as_of_ms).then("is_fraud"),
    )
    declined = declined_before(data.outcomes, as_of_ms + 1)
    has_no_outcome = pl.col("is_fraud").is_null() | pl.col("approve_propensity").is_not_null()
    is_declined = pl.col("transaction_id").is_in(declined.implode()) & has_no_outcome
    return (
        data.frame.with_columns(amount_minor=reference_amounts(data.frame, rates).cast(pl.Float64))
        .join(labels, on="transaction_id", how="left", maintain_order="left")
        .join(data.propensities, on="transaction_id", how="left", maintain_order="left")
        .with_columns(
            action=pl.when(is_declined).then(pl.lit("decline")),
            is_fraud=pl.when(~is_declined).then("is_fraud"),
        )
    )


def decide_again(
    scores: pl.DataFrame, policy: Policy, data: MappedData, rates: RateTable
) -> pl.DataFrame:
    """Return scores as another policy would have decided them.

    The policy decides in order of time, by UTC day within its limits, with nothing left to chance:
    what it would explore is a decline.

    Parameters
    ----------
    scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` gives them.
    data : MappedData
        The same orders; those that are not in it are left out.

    Returns
    -------
    polars.DataFrame
        By ascending time, then id: ``transaction_id``, ``fraud_probability``, ``action``.

    Raises
    ------
    DataFileError
        If scores lack a column or an order has two.
    PolicyError
        If the policy does not hold, or its costs are in another currency than the amounts.
    """
    if policy.costs.currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {policy.costs.currency}"
        )
    decider = Decider(policy)
    amounts = reference_amounts(data.frame, rates).cast(pl.Float64).fill_null(np.nan)
    orders = (
        data.frame.with_columns(amount_minor=amounts)
        .join(scored_orders(scores), on="transaction_id")
        .sort("event_time_ms", "transaction_id")
    )
    rulings = decider.of_many(
        orders["fraud_probability"].to_numpy(),
        orders["amount_minor"].to_numpy(),
        {path: orders[path].to_list() for path in decider.paths if path in orders.columns},
        time_ms=orders["event_time_ms"].to_numpy(),
    )
    return orders.select(
        "transaction_id",
        "fraud_probability",
        action=pl.Series(np.array(ACTIONS)[rulings.action], dtype=pl.String),
    )
