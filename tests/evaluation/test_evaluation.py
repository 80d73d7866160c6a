"""Scores held against labels: the counts, and the costs as a naive loop adds them up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Policy, policy_toml
from fraudkit.domain.money import rate_table
from fraudkit.errors import DataFileError, FraudkitError, PolicyError, TrainingError
from fraudkit.evaluation import Evaluation, evaluate, read_scores
from fraudkit.mapping import MappedData
from fraudkit.rescoring import score_data
from fraudkit.scoring.bundle import load_bundle
from fraudkit.scoring.maturity import mature_labels
from fraudkit.scoring.measures.curves import score_curves
from fraudkit.scoring.metrics import score_metrics
from tests.training.table import DAY_MS, MAPPING, START_MS, read_table, table
from tests.training.trained_shop import TrainedShop

RATES = rate_table("EUR")
COSTS = Costs()
AS_OF_MS = START_MS + 50 * DAY_MS
DELAY_DAYS = 2.0
COUNT = 900


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MappedData:
    return read_table(table(COUNT), tmp_path_factory.mktemp("orders"))


@pytest.fixture(scope="module")
def scores() -> pl.DataFrame:
    """Return scores of every third order of the table, some of them errors."""
    generator = np.random.default_rng(3)
    probability = np.where(table(COUNT)["is_fraud"] == 1, 0.3, 0.0) + 0.6 * generator.random(COUNT)
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(COUNT)],
            "fraud_probability": probability,
            "action": generator.choice(["approve", "challenge", "review", "decline"], COUNT),
        }
    )
    is_bad = pl.int_range(pl.len()) % 10 == 0
    bad = [pl.when(~is_bad).then(pl.col(name)).alias(name) for name in frame.columns[1:]]
    return frame.with_columns(bad)[::3]


@pytest.fixture(scope="module")
def found(scores: pl.DataFrame, data: MappedData) -> Evaluation:
    return evaluated(scores, data)


def evaluated(scores: pl.DataFrame, data: MappedData, **changed: Any) -> Evaluation:
    given = {"as_of_ms": AS_OF_MS, "label_delay_days": DELAY_DAYS} | changed
    return evaluate(scores, data, RATES, Policy(costs=COSTS), **given)


def known_orders(scores: pl.DataFrame, data: MappedData) -> list[dict[str, Any]]:
    """Return the scored orders with a label known by then, by a loop."""
    labels = {row["transaction_id"]: row for row in data.labels.to_dicts()}
    orders = {row["transaction_id"]: row for row in data.frame.to_dicts()}
    known = []
    for score in scores.to_dicts():
        label, order = labels.get(score["transaction_id"]), orders.get(score["transaction_id"])
        if score["fraud_probability"] is None or label is None or order is None:
            continue
        of_age_ms = order["event_time_ms"] + int(DELAY_DAYS * DAY_MS)
        if max(of_age_ms, label["known_at_ms"]) <= AS_OF_MS:
            known.append(order | label | score)
    return known


def realised(action: str, amount: int, *, is_fraud: bool, costs: Costs = COSTS) -> float:
    """Return what an action cost, told as a story instead of a formula."""
    loss = costs.loss_share * amount + costs.chargeback_fee_minor
    margin = costs.margin_share * amount
    if action == "decline":
        return 0.0 if is_fraud else costs.insult_cost_minor
    if action == "approve":
        return loss if is_fraud else -margin
    if action == "review":
        missed = 1 - costs.review_detection_share
        rejected = costs.review_false_reject_share
        honest = rejected * costs.insult_cost_minor - (1 - rejected) * margin
        return costs.review_cost_minor + (missed * loss if is_fraud else honest)
    passed = 1 - costs.challenge_fraud_dropout_share
    kept = 1 - costs.challenge_liability_shift_share
    left = costs.challenge_honest_dropout_share
    return (
        passed * kept * loss if is_fraud else left * costs.insult_cost_minor - (1 - left) * margin
    )


def test_counts_say_what_each_figure_is_over(
    found: Evaluation, scores: pl.DataFrame, data: MappedData
) -> None:
    known = known_orders(scores, data)
    assert found.n_orders == len(scores)
    assert found.n_scored == scores["fraud_probability"].count() < len(scores)
    assert found.n_label_known == len(known) < found.n_scored
    assert found.label_known_share == len(known) / found.n_scored
    assert found.metrics.n_orders == len(known)
    assert found.metrics.n_frauds == sum(order["is_fraud"] for order in known)
    assert found.as_of_ms == AS_OF_MS


def test_metrics_are_those_of_the_orders_with_a_known_label(
    found: Evaluation, scores: pl.DataFrame, data: MappedData
) -> None:
    known = known_orders(scores, data)
    is_fraud = np.array([order["is_fraud"] for order in known])
    probability = np.array([order["fraud_probability"] for order in known])
    alone = score_metrics(
        is_fraud,
        probability,
        event_time_ms=np.array([order["event_time_ms"] for order in known]),
        amount_minor=np.array([order["order.amount_minor"] for order in known]),
        is_approved=np.array([order["action"] == "approve" for order in known]),
        cost_minor=np.array(
            [realised(o["action"], o["order.amount_minor"], is_fraud=o["is_fraud"]) for o in known]
        ),
    )
    assert found.metrics.by_count == alone.by_count
    assert found.metrics.by_amount == alone.by_amount
    assert found.metrics.mean_cost_minor is not None
    assert found.metrics.mean_cost_minor.value == pytest.approx(
        found.cost.policy_minor / len(known)
    )
    assert found.curves == score_curves(is_fraud, probability)


def test_card_precision_counts_by_the_entity_that_is_named(
    scores: pl.DataFrame, data: MappedData
) -> None:
    found = evaluated(scores, data, entity="entities.terminal")
    known = known_orders(scores, data)
    names = sorted({order["entities.terminal"] for order in known})
    alone = score_metrics(
        np.array([order["is_fraud"] for order in known]),
        np.array([order["fraud_probability"] for order in known]),
        event_time_ms=np.array([order["event_time_ms"] for order in known]),
        entity=np.array([names.index(order["entities.terminal"]) for order in known]),
    )
    assert found.metrics.card_precision == alone.card_precision
    assert 0 < alone.card_precision["100"].value < 1
    assert evaluated(scores, data).metrics.card_precision == {}
    with pytest.raises(DataFileError, match=r"must have the field 'entities\.shop'"):
        evaluated(scores, data, entity="entities.shop")


def test_a_report_says_what_was_found(found: Evaluation) -> None:
    report = found.report("Scores of March")
    assert report.metrics == found.metrics
    assert report.total_cost_minor["the policy"] == found.cost.policy_minor
    assert f"{found.n_label_known:,} of {found.n_scored:,} scored orders" in report.text()


def test_costs_are_what_a_loop_adds_up(
    found: Evaluation, scores: pl.DataFrame, data: MappedData
) -> None:
    known = known_orders(scores, data)

    def total(action: str | None) -> float:
        return math.fsum(
            realised(
                action or order["action"],
                order["order.amount_minor"],
                is_fraud=order["is_fraud"],
            )
            for order in known
        )

    assert found.cost.n_orders == len(known)
    assert found.cost.currency == "EUR"
    assert found.cost.policy_minor == pytest.approx(total(None), rel=1e-12)
    assert found.cost.approve_all_minor == pytest.approx(total("approve"), rel=1e-12)
    assert found.cost.decline_all_minor == pytest.approx(total("decline"), rel=1e-12)


def test_an_amount_without_a_rate_is_in_no_cost(
    found: Evaluation, scores: pl.DataFrame, data: MappedData
) -> None:
    known = known_orders(scores, data)
    other = {order["transaction_id"] for order in known[:7]}
    frame = data.frame.with_columns(
        pl.when(pl.col("transaction_id").is_in(list(other)))
        .then(pl.lit("XAF"))
        .otherwise("order.currency")
        .alias("order.currency")
    )
    mixed = MappedData(**(vars(data) | {"frame": frame}))
    without = evaluated(scores, mixed)
    assert without.cost.n_orders == found.cost.n_orders - 7
    assert without.metrics.by_count == found.metrics.by_count
    assert without.metrics.by_amount is not None
    assert found.metrics.by_amount is not None
    assert without.metrics.by_amount.n_orders == found.metrics.by_amount.n_orders - 7
    assert without.metrics.n_orders_with_cost == without.cost.n_orders


def test_a_later_look_knows_more(scores: pl.DataFrame, data: MappedData) -> None:
    looks = [
        evaluated(scores, data, as_of_ms=START_MS + days * DAY_MS).n_label_known
        for days in (20, 40, 62)
    ]
    assert looks == sorted(looks)
    assert looks[0] < looks[-1] == scores["fraud_probability"].count()


def test_without_a_delay_every_known_label_counts(scores: pl.DataFrame, data: MappedData) -> None:
    found = evaluated(scores, data, label_delay_days=None)
    labels = mature_labels(data.frame, data.labels, None)
    known = labels.filter(pl.col("matured_at_ms") <= AS_OF_MS)
    scored = scores.filter(pl.col("fraud_probability").is_not_null())
    assert found.n_label_known == len(scored.join(known, on="transaction_id", how="semi"))


def test_scores_and_orders_of_different_files_are_told_apart(
    scores: pl.DataFrame, data: MappedData
) -> None:
    others = scores.with_columns(pl.col("transaction_id") + "-other")
    with pytest.raises(TrainingError, match="orders that are in both files"):
        evaluated(others, data)


def test_nothing_known_yet_is_told(scores: pl.DataFrame, data: MappedData) -> None:
    with pytest.raises(TrainingError, match="with a label known by then, got none"):
        evaluated(scores, data, as_of_ms=START_MS)


def test_orders_without_any_fraud_are_told(scores: pl.DataFrame, data: MappedData) -> None:
    honest = data.labels.filter(~pl.col("is_fraud")).select("transaction_id")
    with pytest.raises(TrainingError, match="at least one fraud and one honest order"):
        evaluated(scores.join(honest, on="transaction_id", how="semi"), data)


@pytest.mark.parametrize("column", ["transaction_id", "fraud_probability", "action"])
def test_a_missing_column_is_named(scores: pl.DataFrame, data: MappedData, column: str) -> None:
    with pytest.raises(DataFileError, match=f"must have the column '{column}'"):
        evaluated(scores.drop(column), data)


def test_costs_in_another_currency_than_the_amounts_are_refused(
    scores: pl.DataFrame, data: MappedData
) -> None:
    with pytest.raises(PolicyError, match="must be the reference currency EUR, got USD"):
        evaluate(scores, data, RATES, Policy(costs=Costs(currency="USD")), as_of_ms=AS_OF_MS)


def test_a_scores_file_brings_its_policy(scores: pl.DataFrame, tmp_path: Path) -> None:
    policy = Policy(costs=Costs(margin_share=0.31), on_unknown_amount="decline")
    path = tmp_path / "scores.parquet"
    scores.write_parquet(path, metadata={"fraudkit.policy": policy_toml(policy)})
    frame, own = read_scores(path)
    assert frame.equals(scores)
    assert own == policy


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, "must be a scores file; make it with `fraudkit score`"),
        ({"fraudkit.policy": "costs = ["}, "must be TOML"),
        ({"fraudkit.policy": "[costs]\nmargin = 1"}, "margin"),
    ],
)
def test_another_parquet_file_is_refused(
    scores: pl.DataFrame, tmp_path: Path, metadata: dict[str, str], told: str
) -> None:
    path = tmp_path / "scores.parquet"
    scores.write_parquet(path, metadata=metadata)
    with pytest.raises(FraudkitError, match=told):
        read_scores(path)


def test_what_is_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").write_text("transaction_id,action\n")
    for name in ("scores.parquet", "absent.parquet", "."):
        with pytest.raises(DataFileError, match="must be a readable Parquet file"):
            read_scores(tmp_path / name)


def test_an_action_that_is_none_of_ours_is_told(scores: pl.DataFrame, data: MappedData) -> None:
    odd = scores.with_columns(action=pl.lit("laugh"))
    with pytest.raises(DataFileError, match="laugh"):
        evaluated(odd, data)


def test_a_shop_is_evaluated_end_to_end(shop: TrainedShop) -> None:
    data = shop.read()
    scores = score_data(load_bundle(shop.bundle), data)
    found = evaluate(
        scores.frame, data, load_bundle(shop.bundle).rates, scores.policy,
        as_of_ms=shop.horizon_ms, label_delay_days=10,
    )  # fmt: skip
    assert found.n_scored == len(shop.transactions)
    assert 0 < found.n_label_known < found.n_scored
    assert found.cost.n_orders < found.n_label_known
    assert found.cost.policy_minor < found.cost.approve_all_minor < found.cost.decline_all_minor


def test_the_mapping_says_when_labels_are_known() -> None:
    assert f"delay_days = {DELAY_DAYS:g}" in MAPPING
