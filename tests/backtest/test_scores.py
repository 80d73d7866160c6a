"""Two files of scores of the same orders: what moved, as of a moment, from files alone."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from fraudkit.backtest import Backtest, backtest, backtest_scores, decide_again, known_orders
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import ACTIONS, Exploration, Policy
from fraudkit.decisions.segments import CutOffs
from fraudkit.domain.money import rate_table
from fraudkit.domain.outcome import Status
from fraudkit.errors import DataFileError, InputError, PolicyError
from fraudkit.evaluation import labelled_scores
from fraudkit.mapping import MappedData
from tests.training.table import DAY_MS, START_MS, read_table, table

RATES = rate_table("EUR")
COUNT = 900
AS_OF_MS = START_MS + 50 * DAY_MS
OPTIONS: dict[str, Any] = {"as_of_ms": AS_OF_MS, "label_delay_days": 2.0}
LOOSE, STRICT = (Policy(cut_offs=CutOffs(decline_from=from_)) for from_ in (0.7, 0.4))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MappedData:
    return read_table(table(COUNT), tmp_path_factory.mktemp("orders"))


def made_up(seed: int, unscored: int = 10_000) -> pl.DataFrame:
    """Return scores of the table, every so-maniest order without one."""
    probability = np.random.default_rng(seed).random(COUNT)
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(COUNT)],
            "fraud_probability": probability,
            "action": np.where(probability >= 0.7, "decline", "approve"),
        }
    )
    is_bad = pl.int_range(pl.len()) % unscored == unscored - 1
    bad = [pl.when(~is_bad).then(pl.col(name)).alias(name) for name in frame.columns[1:]]
    return frame.with_columns(bad)


OLD, NEW = made_up(1), made_up(2)


def moved(data: MappedData, old: pl.DataFrame, new: pl.DataFrame, **changed: Any) -> Backtest:
    return backtest_scores(old, new, data, RATES, Policy(), **(OPTIONS | changed))


def changed_data(data: MappedData, **changed: Any) -> MappedData:
    return MappedData(**(vars(data) | changed))


def test_the_matrix_is_that_of_the_files(data: MappedData) -> None:
    found = moved(data, OLD, NEW)
    joined = OLD.join(NEW, on="transaction_id", suffix="_new")
    counts = {row[:2]: row[2] for row in joined.group_by("action", "action_new").len().rows()}
    cells = {(c.old_action, c.new_action): c.n_orders for c in found.matrix if c.n_orders}
    assert cells == counts
    assert found.n_orders == COUNT
    assert found.remarks == ()


def test_known_costs_are_those_of_an_evaluation(data: MappedData) -> None:
    found = moved(data, OLD, NEW)
    totals = [
        labelled_scores(scores, data, RATES, Policy(), **OPTIONS)["cost_minor"].sum()
        for scores in (OLD, NEW)
    ]
    cost = found.difference.cost_minor
    assert cost.identified.value == pytest.approx(totals[1] - totals[0], rel=1e-9)
    is_young = data.frame["event_time_ms"] + 2 * DAY_MS > AS_OF_MS
    assert found.n_too_young == is_young.sum() > 0
    assert found.n_outcome_known == COUNT - found.n_too_young
    assert (cost.kind, cost.value) == ("bounded", None)
    assert cost.bound_low < cost.identified.value < cost.bound_high


def test_the_same_file_moves_nothing(data: MappedData) -> None:
    found = moved(data, OLD, OLD)
    assert found.difference.n_moved == 0
    assert found.difference.cost_minor.value == 0.0
    assert found.examples == ()


def test_policies_at_work_on_scores_are_a_backtest_of_the_orders(data: MappedData) -> None:
    first, second = (decide_again(OLD, policy, data, RATES) for policy in (LOOSE, STRICT))
    found = backtest_scores(first, second, data, RATES, STRICT, **OPTIONS)
    orders = known_orders(data, RATES, **OPTIONS).join(
        OLD.select("transaction_id", "fraud_probability"), on="transaction_id"
    )
    assert found == backtest(orders, LOOSE, STRICT, mature_before_ms=AS_OF_MS - 2 * DAY_MS + 1)
    assert found.difference.n_moved > 100


def test_scores_decided_again_by_their_policy_are_as_they_were(data: MappedData) -> None:
    again = decide_again(OLD, LOOSE, data, RATES)
    assert again.columns == OLD.columns
    assert again.sort("transaction_id").equals(OLD.sort("transaction_id"))


def test_orders_that_one_side_did_not_score_are_left_out_and_counted(data: MappedData) -> None:
    found = moved(data, made_up(1, 10), made_up(2, 9), names=("first", "second"))
    n_first, n_second = COUNT // 10, COUNT // 9
    assert found.n_orders == COUNT - n_first - n_second + COUNT // 90
    told = " ".join(found.notes)
    assert f"{n_second - COUNT // 90} orders of first are left out" in told
    assert f"{n_first - COUNT // 90} orders of second are left out" in told


def test_the_order_of_rows_changes_nothing(data: MappedData) -> None:
    shuffled = changed_data(data, frame=data.frame.sample(fraction=1.0, shuffle=True, seed=3))
    assert moved(shuffled, OLD.reverse(), NEW.sample(fraction=1.0, shuffle=True, seed=1)) == moved(
        data, OLD, NEW
    )


def test_a_declined_order_without_a_label_is_known_as_such(data: MappedData) -> None:
    declined = [f"t{number}" for number in range(0, 300, 3)]
    outcomes = pl.DataFrame(
        {
            "transaction_id": declined,
            "status": pl.Series([int(Status.DECLINED)] * len(declined), dtype=pl.Int8),
            "known_at_ms": [START_MS] * len(declined),
        }
    )
    labels = data.labels.filter(~pl.col("transaction_id").is_in(declined))
    found = moved(changed_data(data, outcomes=outcomes, labels=labels), OLD, NEW)
    assert found.n_declined == len(declined)
    assert f"{len(declined)} were declined" in " ".join(found.notes)
    later = outcomes.with_columns(known_at_ms=pl.lit(AS_OF_MS + 1))
    not_yet = moved(changed_data(data, outcomes=later, labels=labels), OLD, NEW)
    assert not_yet.n_declined == 0
    assert not_yet.difference == found.difference


def test_logged_chances_come_from_the_data(data: MappedData) -> None:
    generator = np.random.default_rng(0)
    would_decline = OLD.filter(pl.col("action") == "decline")["transaction_id"]
    drawn = pl.Series(generator.random(len(would_decline)) < 0.5)
    chances = pl.DataFrame({"transaction_id": would_decline, "approve_propensity": 0.5})
    stayed = would_decline.filter(~drawn)
    labels = data.labels.filter(~pl.col("transaction_id").is_in(stayed.implode()))
    logged = changed_data(data, propensities=chances, labels=labels)
    everyone = decide_again(OLD, Policy(cut_offs=CutOffs(review_from=1.0)), data, RATES)
    cost = moved(logged, OLD, everyone).difference.cost_minor
    assert cost.estimated is not None
    young = data.frame.filter(pl.col("event_time_ms") + 2 * DAY_MS > AS_OF_MS)["transaction_id"]
    old_enough = would_decline.filter(~would_decline.is_in(young.implode()))
    assert cost.estimated.n_orders == len(old_enough)
    assert cost.bounded.n_orders == len(would_decline) - len(old_enough)
    assert 0 < cost.estimated.n_explored < len(old_enough)


def by_chance(scores: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Return scores of a policy that explores: some of its declines are approved by chance."""
    drawn = pl.Series(np.random.default_rng(seed).random(COUNT) < share)
    had_a_chance = scores["action"] == "decline"
    is_explored = had_a_chance & drawn
    shapes = [["explored"] if one else [] for one in is_explored]
    return scores.with_columns(
        action=pl.when(is_explored).then(pl.lit("approve")).otherwise("action"),
        segment=pl.lit(None, pl.String),
        shaped_by=pl.Series(shapes, dtype=pl.List(pl.String)),
        approve_propensity=pl.when(had_a_chance).then(share),
    )


def test_a_chance_that_a_scoring_drew_is_neither_an_approval_nor_a_logged_one(
    data: MappedData,
) -> None:
    old, new = by_chance(OLD, 0.5, 11), by_chance(NEW, 0.3, 12)
    counts = [held["shaped_by"].list.len().sum() for held in (old, new)]
    assert min(counts) > 50
    found, plain = moved(data, old, new), moved(data, OLD, NEW)
    assert msgspec.structs.replace(found, remarks=()) == plain
    assert found.difference.cost_minor.estimated is None
    for name, count in zip(("old", "new"), counts, strict=True):
        assert f"{count} orders that {name} approved by its own chance" in " ".join(found.notes)
    again, before = (decide_again(held, STRICT, data, RATES) for held in (old, OLD))
    assert again.equals(before)


def test_a_policy_that_would_explore_declines_where_it_decides_again(data: MappedData) -> None:
    exploring = Policy(
        cut_offs=STRICT.cut_offs,
        exploration=Exploration(
            approve_share=0.2, order_loss_minor_max=10**9, day_loss_minor_max=10**9
        ),
    )
    assert decide_again(OLD, exploring, data, RATES).equals(decide_again(OLD, STRICT, data, RATES))


def test_an_order_that_had_a_chance_and_stayed_declined_has_no_outcome(data: MappedData) -> None:
    chances = pl.DataFrame({"transaction_id": ["t0", "t3"], "approve_propensity": [0.5, 0.5]})
    outcomes = pl.DataFrame(
        {
            "transaction_id": ["t3", "t6"],
            "status": pl.Series([int(Status.DECLINED)] * 2, dtype=pl.Int8),
            "known_at_ms": [START_MS] * 2,
        }
    )
    logged = changed_data(data, propensities=chances, outcomes=outcomes)
    orders = known_orders(logged, RATES, **OPTIONS).filter(
        pl.col("transaction_id").is_in(["t0", "t3", "t6"])
    )
    labelled = set(data.labels["transaction_id"])
    assert {"t0", "t3", "t6"} <= labelled
    assert orders["action"].to_list() == [None, "decline", None]
    assert orders["is_fraud"].is_null().to_list() == [False, True, False]


def test_an_amount_without_a_rate_is_in_no_cost(data: MappedData) -> None:
    currency = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("XAF")).otherwise(pl.lit("EUR"))
    mixed = changed_data(data, frame=data.frame.with_columns(currency.alias("order.currency")))
    found = moved(mixed, OLD, NEW)
    assert found.difference.n_orders_with_cost == COUNT // 2
    assert f"{COUNT // 2} orders have no amount in EUR" in " ".join(found.notes)


def test_every_action_of_a_file_is_in_the_matrix(data: MappedData) -> None:
    names = np.array(ACTIONS)
    four = OLD.with_columns(action=pl.Series(names[np.arange(COUNT) % 4]))
    found = moved(data, four, four)
    assert [c.n_orders for c in found.matrix if c.old_action == c.new_action] == [COUNT // 4] * 4


def test_what_does_not_fit_is_refused(data: MappedData) -> None:
    other = NEW.with_columns(pl.col("transaction_id") + "-other")
    with pytest.raises(InputError, match="in old, in new and in the data, got none"):
        moved(data, OLD, other)
    with pytest.raises(DataFileError, match="must have the column 'action'"):
        moved(data, OLD.drop("action"), NEW)
    dollars = Policy(costs=Costs(currency="USD"))
    for call in (
        lambda: backtest_scores(OLD, NEW, data, RATES, dollars, **OPTIONS),
        lambda: decide_again(OLD, dollars, data, RATES),
    ):
        with pytest.raises(PolicyError, match="must be the reference currency EUR, got USD"):
            call()
