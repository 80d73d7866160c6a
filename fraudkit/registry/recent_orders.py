"""Recent orders, with their scores, as a change of policy is checked on them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.domain.money import RateTable
from fraudkit.errors import DataFileError
from fraudkit.evaluation import scored_orders
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.registry.policy_checks import RecentOrders
from fraudkit.scoring.maturity import labels_known_before, mature_labels

__all__ = ["recent_orders"]


def recent_orders(
    scores: pl.DataFrame,
    data: MappedData,
    rates: RateTable,
    policies: Iterable[Policy],
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
) -> RecentOrders:
    """Return the orders that have a score, with what the policies read of them.

    Parameters
    ----------
    scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` gives them.
    data : MappedData
        The same orders, with labels or outcomes if there are any; those without a score are left
        out.
    rates : RateTable
        The bundle's.
    as_of_ms, label_delay_days
        When we look, and how long labels take: those that were not mature by then are not used,
        see `fraudkit.scoring.maturity.mature_labels`.

    Raises
    ------
    DataFileError
        If the scores are none, or no order has one.
    """
    scored = scored_orders(scores).select("transaction_id", "fraud_probability")
    frame = data.frame.with_columns(
        amount_minor=reference_amounts(data.frame, rates).cast(pl.Float64)
    )
    known = labels_known_before(data.labels, as_of_ms + 1)
    mature = mature_labels(data.frame, known, label_delay_days).filter(
        pl.col("matured_at_ms") <= as_of_ms
    )
    joined = (
        frame.join(scored, on="transaction_id")
        .join(mature.select("transaction_id", "is_fraud"), on="transaction_id", how="left")
        .sort("event_time_ms", "transaction_id")
    )
    if joined.is_empty():
        raise DataFileError(
            "the scores must be of orders of the data, no transaction_id is in both; "
            "give the file that was scored, with its mapping"
        )
    paths = dict.fromkeys(path for policy in policies for path in Decider(policy).paths)
    return RecentOrders(
        transaction_id=joined["transaction_id"].to_list(),
        time_ms=joined["event_time_ms"].cast(pl.Int64).to_numpy(),
        probability=joined["fraud_probability"].to_numpy(),
        amount_minor=joined["amount_minor"].fill_null(np.nan).to_numpy(),
        is_fraud=joined["is_fraud"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        columns={path: joined[path].to_list() for path in paths if path in joined.columns},
    )
