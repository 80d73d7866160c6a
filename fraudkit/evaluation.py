"""Evaluation: a file of scores held against what became known, in rates and in money."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from msgspec import Struct

from fraudkit.decisions.costs import Costs, expected_costs
from fraudkit.decisions.policy import ACTIONS, Policy, parse_policy
from fraudkit.domain.money import RateTable
from fraudkit.errors import DataFileError, PolicyError, TrainingError
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import labels_known_before, mature_labels
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics

__all__ = ["Evaluation", "RealisedCost", "evaluate", "read_scores"]

_WANTED = ("transaction_id", "fraud_probability", "action")


class RealisedCost(Struct, frozen=True, kw_only=True):
    """What three ways of deciding would have cost, over the orders with a known label.

    Attributes
    ----------
    n_orders : int
        Orders with a known label, a score and an amount in the costs' currency.
    currency : str
        Of the costs.
    policy_minor, approve_all_minor, decline_all_minor : float
        Summed over the orders, by the formulas of `fraudkit.decisions.costs.expected_costs` with
        the label in the place of the probability. What a review or a challenge would have found
        is the stated share, not an observation. Negative is a gain.
    """

    n_orders: int
    currency: str
    policy_minor: float
    approve_all_minor: float
    decline_all_minor: float


class Evaluation(Struct, frozen=True, kw_only=True):
    """What a file of scores was worth.

    Attributes
    ----------
    n_orders : int
        Orders in the scores file.
    n_scored : int
        Those with a score; the others have an error.
    n_label_known : int
        Scored orders whose label was known at ``as_of_ms``; every metric is over these.
    label_known_share : float
        ``n_label_known / n_scored``: the maturity of the labels.
    as_of_ms : int
        When we look: what became known later is not used.
    """

    n_orders: int
    n_scored: int
    n_label_known: int
    label_known_share: float
    as_of_ms: int
    metrics: ScoreMetrics
    cost: RealisedCost


def evaluate(
    scores: pl.DataFrame,
    data: MappedData,
    rates: RateTable,
    costs: Costs,
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
) -> Evaluation:
    """Return how well scores did against the labels known by ``as_of_ms``.

    Parameters
    ----------
    scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` gives them.
    data : MappedData
        Amounts, and labels or outcomes, of the same orders.
    as_of_ms : int
        When we look; for instance `fraudkit.scoring.maturity.last_known_ms`.
    label_delay_days : float, optional
        How long labels take; a younger order is left out, see
        `fraudkit.scoring.maturity.mature_labels`.

    Raises
    ------
    DataFileError
        If a column of scores is missing, or holds an action that is none of ours.
    PolicyError
        If the costs are in another currency than the amounts.
    TrainingError
        If no order of the scores is in the data with a known label.
    """
    if costs.currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {costs.currency}"
        )
    missing = [name for name in _WANTED if name not in scores.columns]
    if missing:
        raise DataFileError(
            f"a scores file must have the column {missing[0]!r}; it has {scores.columns}: "
            "make it with `fraudkit score`"
        )
    scored = scores.filter(pl.col("fraud_probability").is_not_null())
    odd = scored.filter(~pl.col("action").is_in(ACTIONS))["action"]
    if len(odd):
        raise DataFileError(f"an action must be one of {', '.join(ACTIONS)}, got {odd[0]!r}")
    amounts = data.frame.select("transaction_id").with_columns(
        amount=reference_amounts(data.frame, rates)
    )
    as_it_stood = labels_known_before(data.labels, as_of_ms + 1)
    labels = mature_labels(data.frame, as_it_stood, label_delay_days)
    known = labels.filter(pl.col("matured_at_ms") <= as_of_ms)
    joined = scored.join(known, on="transaction_id").join(amounts, on="transaction_id")
    if joined.is_empty():
        raise TrainingError(
            "evaluation needs orders that are in both files with a label known by then, got none; "
            "state [label] or [outcomes] in the mapping, and check that transaction_id agrees"
        )
    return Evaluation(
        n_orders=len(scores),
        n_scored=len(scored),
        n_label_known=len(joined),
        label_known_share=len(joined) / len(scored),
        as_of_ms=as_of_ms,
        metrics=score_metrics(
            joined["is_fraud"].to_numpy(), joined["fraud_probability"].to_numpy()
        ),
        cost=_realised_cost(joined, costs),
    )


def read_scores(path: Path) -> tuple[pl.DataFrame, Policy]:
    """Return a scores file and the policy that decided it.

    Raises
    ------
    DataFileError
        If it is not a Parquet file that `fraudkit score` wrote.
    """
    try:
        metadata = pl.read_parquet_metadata(path)
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataFileError(f"{path} must be a readable Parquet file: {error}") from error
    if "fraudkit.policy" not in metadata:
        raise DataFileError(f"{path} must be a scores file; make it with `fraudkit score`")
    return frame, parse_policy(metadata["fraudkit.policy"], str(path))


def _realised_cost(joined: pl.DataFrame, costs: Costs) -> RealisedCost:
    held = joined.filter(pl.col("amount").is_not_null())
    by_action = np.array(
        expected_costs(
            held["is_fraud"].to_numpy().astype(np.float64),
            held["amount"].to_numpy().astype(np.float64),
            costs,
        )
    )
    chosen = held["action"].replace_strict(list(ACTIONS), range(len(ACTIONS))).to_numpy()
    return RealisedCost(
        n_orders=len(held),
        currency=costs.currency,
        policy_minor=float(by_action[chosen, np.arange(len(held))].sum()),
        approve_all_minor=float(by_action[ACTIONS.index("approve")].sum()),
        decline_all_minor=float(by_action[ACTIONS.index("decline")].sum()),
    )
