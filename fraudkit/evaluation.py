"""Evaluation: a file of scores held against what became known, in rates and in money."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from msgspec import Struct

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Policy, parse_policy
from fraudkit.decisions.rule.layout import EXPLORED
from fraudkit.decisions.rulings import SHAPED_BY
from fraudkit.domain.money import RateTable
from fraudkit.errors import DataFileError, PolicyError, TrainingError
from fraudkit.features.offline import reference_amounts
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import labels_known_before, mature_labels
from fraudkit.scoring.measures.card_precision import customer_codes
from fraudkit.scoring.measures.curves import Curves, score_curves
from fraudkit.scoring.metrics import ScoreMetrics, score_metrics
from fraudkit.scoring.report import TrainingReport

__all__ = [
    "CARD",
    "Evaluation",
    "RealisedCost",
    "evaluate",
    "explored",
    "labelled_scores",
    "read_scores",
    "scored_orders",
]

CARD: Final = "payment.card.fingerprint"
_WANTED: Final = ("transaction_id", "fraud_probability", "action")
_EXPLORED: Final = SHAPED_BY[EXPLORED]


class RealisedCost(Struct, frozen=True, kw_only=True):
    """What three ways of deciding would have cost, over the orders with a known label.

    Attributes
    ----------
    n_orders : int
        Orders with a known label, a score, an amount in the costs' currency and an action that
        was possible: an order that cannot be challenged has no cost of a challenge.
    currency : str
        Of the costs.
    policy_minor, approve_all_minor, decline_all_minor : float
        Summed over the orders, each at its own costs: those of its segment and those that it
        brought itself, by the formulas of `fraudkit.decisions.costs.cost_lines` at its label.
        What a review or a challenge would have found is the stated share, not an observation.
        Negative is a gain.
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
    n_explored : int
        Scored orders that the policy approved by its own chance, which count everywhere as the
        declines that they would have been.
    n_label_known : int
        Scored orders whose label was known at ``as_of_ms``; every metric is over these.
    label_known_share : float
        ``n_label_known / n_scored``: the maturity of the labels.
    as_of_ms : int
        When we look: what became known later is not used.
    first_event_ms, last_event_ms : int
        Of the orders with a known label.
    metrics : ScoreMetrics
        By amount too, with intervals; approved are the orders whose action is ``approve``; the
        mean cost is that of the policy's decisions, as in ``cost``.
    cost : RealisedCost
    curves : Curves
        For a report.
    """

    n_orders: int
    n_scored: int
    n_explored: int
    n_label_known: int
    label_known_share: float
    as_of_ms: int
    first_event_ms: int
    last_event_ms: int
    metrics: ScoreMetrics
    cost: RealisedCost
    curves: Curves

    @property
    def notes(self) -> tuple[str, ...]:
        """What else has to be known to read the figures, as sentences."""
        said = (
            f"{self.n_explored:,} scored orders were approved by the policy's own chance and count "
            "as the declines that they would have been."
        )
        return (said,) if self.n_explored else ()

    def report(self, title: str) -> TrainingReport:
        """Return what was found as a report: text, a notebook's table or a page with plots."""
        cost = self.cost
        known = (
            f"{self.n_label_known:,} of {self.n_scored:,} scored orders with a label known by then "
            f"({self.label_known_share:.1%})."
        )
        return TrainingReport(
            title=title,
            metrics=self.metrics,
            measured_on=" ".join((known, *self.notes)),
            currency=cost.currency,
            test_from_ms=self.first_event_ms,
            test_until_ms=self.last_event_ms,
            counts={"orders in the file": self.n_orders, "orders with a score": self.n_scored},
            total_cost_minor={
                "the policy": cost.policy_minor,
                "approving all": cost.approve_all_minor,
                "declining all": cost.decline_all_minor,
            },
            n_cost_orders=cost.n_orders,
            curves=self.curves,
        )


def evaluate(
    scores: pl.DataFrame,
    data: MappedData,
    rates: RateTable,
    policy: Policy,
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
    entity: str = CARD,
    seed: int = 0,
) -> Evaluation:
    """Return how well scores did against the labels known by ``as_of_ms``.

    Parameters
    ----------
    scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` gives them.
    data : MappedData
        Amounts, and labels or outcomes, of the same orders; and the fields that the policy reads.
    policy : Policy
        Prices each order by its segment's costs and its own; it decides nothing here.
    as_of_ms : int
        When we look; for instance `fraudkit.scoring.maturity.last_known_ms`.
    label_delay_days : float, optional
        How long labels take; a younger order is left out, see
        `fraudkit.scoring.maturity.mature_labels`.
    entity : str
        The field that Card Precision counts by, such as ``"entities.terminal"`` or
        ``"account.user_id"``; by default the card, if the data have one.
    seed : int
        Draws the days of the intervals.

    Raises
    ------
    DataFileError
        If a column of scores is missing or holds an action that is none of ours, if an order has
        two scores, or if another entity than the card is asked for and the data have none.
    PolicyError
        If the policy does not hold, or its costs are in another currency than the amounts.
    TrainingError
        If no order of the scores is in the data with a known label.
    """
    n_scored = len(scored_orders(scores))
    orders = labelled_scores(
        scores,
        data,
        rates,
        policy,
        as_of_ms=as_of_ms,
        label_delay_days=label_delay_days,
        entity=entity,
    )
    is_fraud, probability = orders["is_fraud"].to_numpy(), orders["fraud_probability"].to_numpy()
    return Evaluation(
        n_orders=len(scores),
        n_scored=n_scored,
        n_explored=int(explored(scores).sum()),
        n_label_known=len(orders),
        label_known_share=len(orders) / n_scored,
        as_of_ms=as_of_ms,
        first_event_ms=orders.item(0, "event_time_ms"),
        last_event_ms=orders.item(-1, "event_time_ms"),
        metrics=score_metrics(
            is_fraud,
            probability,
            event_time_ms=orders["event_time_ms"].to_numpy(),
            amount_minor=orders["amount_minor"].to_numpy(),
            entity=orders["entity"].to_numpy() if "entity" in orders.columns else None,
            is_approved=(orders["action"] == "approve").to_numpy(),
            cost_minor=orders["cost_minor"].to_numpy(),
            seed=seed,
        ),
        cost=_realised_cost(orders, policy.costs.currency),
        curves=score_curves(is_fraud, probability),
    )


def labelled_scores(
    scores: pl.DataFrame,
    data: MappedData,
    rates: RateTable,
    policy: Policy,
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
    entity: str = CARD,
) -> pl.DataFrame:
    """Return the orders that a score is held against: scored, with a label known by then.

    Parameters and errors are those of `evaluate`.

    Returns
    -------
    polars.DataFrame
        By ascending time, then id: ``transaction_id``, ``event_time_ms``,
        ``fraud_probability``, ``action``, ``is_fraud``, ``amount_minor`` in the reference
        currency, ``cost_minor`` of the action and ``approve_cost_minor``,
        ``decline_cost_minor``, all float and NaN where the amount is not known, or the action a
        challenge that is not possible; and the code ``entity`` where there is one, -1 where it is
        absent.
    """
    currency = policy.costs.currency
    if currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {currency}"
        )
    scored = scored_orders(scores)
    orders = _orders(data, rates, entity)
    as_it_stood = labels_known_before(data.labels, as_of_ms + 1)
    labels = mature_labels(data.frame, as_it_stood, label_delay_days)
    known = labels.filter(pl.col("matured_at_ms") <= as_of_ms)
    joined = scored.join(known, on="transaction_id").join(orders, on="transaction_id")
    if joined.is_empty():
        raise TrainingError(
            "evaluation needs orders that are in both files with a label known by then, got none; "
            "state [label] or [outcomes] in the mapping, and check that transaction_id agrees"
        )
    joined = joined.sort("event_time_ms", "transaction_id")
    return _with_costs(joined.drop("place"), policy, data.frame[joined["place"]])


def scored_orders(scores: pl.DataFrame) -> pl.DataFrame:
    """Return the id, the probability and the action of the orders that have a score.

    The action is what the policy decides: an order that it approved by its own chance, see
    `explored`, is the decline that it would have been.

    Raises
    ------
    DataFileError
        If a column is missing, an action is none of ours, or an order has two scores.
    """
    missing = [name for name in _WANTED if name not in scores.columns]
    if missing:
        raise DataFileError(
            f"a scores file must have the column {missing[0]!r}; it has {scores.columns}: "
            "make it with `fraudkit score`"
        )
    decided = pl.when(explored(scores)).then(pl.lit("decline")).otherwise("action")
    scored = scores.select("transaction_id", "fraud_probability", action=decided).filter(
        pl.col("fraud_probability").is_not_null()
    )
    odd = scored.filter(~pl.col("action").is_in(ACTIONS))["action"]
    if len(odd):
        raise DataFileError(f"an action must be one of {', '.join(ACTIONS)}, got {odd[0]!r}")
    twice = scored.filter(pl.col("transaction_id").is_duplicated())["transaction_id"]
    if len(twice):
        raise DataFileError(f"an order must have one score, got several of {twice[0]!r}")
    return scored


def explored(scores: pl.DataFrame) -> pl.Series:
    """Return which orders the policy of a scores file approved by its own chance.

    A re-scoring draws a chance of its own: it says nothing of what was done with the order when it
    came. So neither the approval nor the file's ``approve_propensity`` may stand for a logged one.

    Returns
    -------
    polars.Series of Boolean, shape (n_rows,)
        From the column ``shaped_by``; false throughout in a file of an earlier version without it.

    Raises
    ------
    DataFileError
        If ``shaped_by`` does not hold lists of text.

    Examples
    --------
    >>> explored(pl.DataFrame({"shaped_by": [["explored"], [], None]})).to_list()
    [True, False, False]
    """
    if "shaped_by" not in scores.columns:
        return pl.repeat(value=False, n=len(scores), dtype=pl.Boolean, eager=True)
    held = scores["shaped_by"]
    if held.dtype == pl.List(pl.Null) or held.dtype == pl.Null:
        held = held.cast(pl.List(pl.String))
    if held.dtype != pl.List(pl.String):
        raise DataFileError(
            f"shaped_by must hold lists of text, got {held.dtype}: make the scores with "
            "`fraudkit score`"
        )
    return held.list.contains(_EXPLORED).fill_null(value=False)


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


def _orders(data: MappedData, rates: RateTable, entity: str) -> pl.DataFrame:
    """Return each order's amount, time, row and, where there is one, the entity's code."""
    amounts = reference_amounts(data.frame, rates).cast(pl.Float64).fill_null(np.nan)
    orders = data.frame.select(
        "transaction_id", "event_time_ms", amount_minor=amounts, place=pl.int_range(pl.len())
    )
    if entity in data.frame.columns:
        return orders.with_columns(entity=customer_codes(data.frame[entity]))
    if entity != CARD:
        raise DataFileError(
            f"the orders must have the field {entity!r} to count Card Precision by, "
            f"they have {sorted(data.frame.columns)}"
        )
    return orders


def _with_costs(orders: pl.DataFrame, policy: Policy, fields: pl.DataFrame) -> pl.DataFrame:
    """Return orders with what actions cost; ``fields`` has their rows of the data."""
    decider = Decider(policy)
    columns = {path: fields[path].to_list() for path in decider.paths if path in fields.columns}
    at_honest, at_fraud = decider.cost_lines_of_many(orders["amount_minor"].to_numpy(), columns)
    by_action = np.where(orders["is_fraud"].to_numpy(), at_fraud, at_honest)
    chosen = orders["action"].replace_strict(list(ACTIONS), range(len(ACTIONS))).to_numpy()
    return orders.with_columns(
        cost_minor=by_action[chosen, np.arange(len(orders))],
        approve_cost_minor=by_action[ACTIONS.index("approve")],
        decline_cost_minor=by_action[ACTIONS.index("decline")],
    )


def _realised_cost(orders: pl.DataFrame, currency: str) -> RealisedCost:
    known = orders.filter(pl.col("cost_minor").is_not_nan())
    return RealisedCost(
        n_orders=len(known),
        currency=currency,
        policy_minor=float(known["cost_minor"].sum()),
        approve_all_minor=float(known["approve_cost_minor"].sum()),
        decline_all_minor=float(known["decline_cost_minor"].sum()),
    )
