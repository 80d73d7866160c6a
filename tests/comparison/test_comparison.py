"""Scores side by side: over the same orders, each as if it was evaluated alone."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from fraudkit.comparison import Comparison, compare
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import Policy
from fraudkit.domain.money import rate_table
from fraudkit.errors import DataFileError, InputError, PolicyError, TrainingError
from fraudkit.evaluation import evaluate, labelled_scores
from fraudkit.mapping import MappedData
from fraudkit.scoring.measures.intervals import Estimate
from tests.training.table import DAY_MS, START_MS, read_table, table

RATES = rate_table("EUR")
POLICY = Policy()
COUNT = 900
OPTIONS: dict[str, Any] = {"as_of_ms": START_MS + 50 * DAY_MS, "label_delay_days": 2.0}
NOTHING = Estimate(0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MappedData:
    return read_table(table(COUNT), tmp_path_factory.mktemp("orders"))


def made_up(seed: int, strength: float, unscored: int) -> pl.DataFrame:
    """Return scores of the table, every so-maniest order without one."""
    generator = np.random.default_rng(seed)
    is_fraud = table(COUNT)["is_fraud"].to_numpy() == 1
    probability = strength * is_fraud + (0.95 - strength) * generator.random(COUNT)
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(COUNT)],
            "fraud_probability": probability,
            "action": np.where(probability > 0.5, "decline", "approve"),
        }
    )
    is_bad = pl.int_range(pl.len()) % unscored == 0
    bad = [pl.when(~is_bad).then(pl.col(name)).alias(name) for name in frame.columns[1:]]
    return frame.with_columns(bad)


OURS, THEIRS = made_up(1, 0.2, 10), made_up(2, 0.5, 7)


def compared(data: MappedData, scores: dict[str, pl.DataFrame], **changed: Any) -> Comparison:
    return compare(scores, data, RATES, POLICY, **(OPTIONS | changed))


@pytest.fixture(scope="module")
def found(data: MappedData) -> Comparison:
    return compared(data, {"ours": OURS, "theirs": THEIRS})


def both(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the scores of orders that both scored."""
    return frame.filter(
        OURS["fraud_probability"].is_not_null() & THEIRS["fraud_probability"].is_not_null()
    )


def test_the_orders_that_both_scored_and_whose_label_is_known_are_compared(
    found: Comparison, data: MappedData
) -> None:
    assert found.n_scored == {"ours": 810, "theirs": COUNT - len(range(0, COUNT, 7))}
    assert found.n_scored_by_all == len(both(OURS))
    assert found.n_compared == len(labelled_scores(both(OURS), data, RATES, POLICY, **OPTIONS))
    assert found.n_compared < found.n_scored_by_all < min(found.n_scored.values())
    assert found.baseline == "ours"
    words = f"{found.n_compared:,} orders, {found.evaluations['ours'].metrics.n_frauds} of them"
    assert words in found.measured_on
    assert "ours 810, theirs 771" in found.measured_on


def test_each_is_evaluated_as_if_it_stood_alone(found: Comparison, data: MappedData) -> None:
    for name, frame in (("ours", OURS), ("theirs", THEIRS)):
        alone = evaluate(both(frame), data, RATES, POLICY, **OPTIONS)
        assert found.evaluations[name] == alone
        assert alone.n_label_known == found.n_compared


def test_a_difference_is_that_of_the_two_figures(found: Comparison) -> None:
    ours, theirs = (found.evaluations[name].metrics for name in ("ours", "theirs"))
    differences = found.differences["theirs"]
    for name in ("auc", "average_precision", "log_loss"):
        first, second = (getattr(held.by_count, name).value for held in (ours, theirs))
        assert getattr(differences, name).value == second - first
    assert differences.mean_cost_minor is not None
    assert ours.mean_cost_minor is not None
    assert theirs.mean_cost_minor is not None
    assert differences.mean_cost_minor.value == pytest.approx(
        theirs.mean_cost_minor.value - ours.mean_cost_minor.value, rel=1e-12
    )
    assert differences.n_orders_with_cost == found.n_compared
    assert differences.auc.low is not None
    assert differences.auc.low > 0 > differences.mean_cost_minor.value


def test_the_same_scores_differ_by_nothing(data: MappedData) -> None:
    same = compared(data, {"ours": OURS, "again": OURS})
    differences = same.differences["again"]
    assert differences.auc == differences.average_precision == differences.log_loss == NOTHING
    assert differences.mean_cost_minor == NOTHING
    assert same.text().count("not told apart") == 5  # four figures and the note
    assert same.evaluations["ours"] == same.evaluations["again"]


def test_the_order_of_rows_changes_nothing(found: Comparison, data: MappedData) -> None:
    shuffled = {
        "ours": OURS.sample(fraction=1.0, shuffle=True, seed=1),
        "theirs": THEIRS.reverse(),
    }
    frame = data.frame.sample(fraction=1.0, shuffle=True, seed=2)
    labels = data.labels.sample(fraction=1.0, shuffle=True, seed=3)
    other = MappedData(**(vars(data) | {"frame": frame, "labels": labels}))
    assert compared(other, shuffled) == found


def test_the_first_is_what_all_others_are_held_against(found: Comparison, data: MappedData) -> None:
    third = made_up(3, 0.3, 10_000)
    three = compared(data, {"ours": OURS, "theirs": THEIRS, "third": third.drop_nulls()})
    assert list(three.differences) == ["theirs", "third"]
    assert three.n_compared == found.n_compared
    assert three.differences["theirs"] == found.differences["theirs"]
    assert "third beside ours" in three.text()
    swapped = compared(data, {"theirs": THEIRS, "ours": OURS})
    assert swapped.differences["ours"].auc.value == -found.differences["theirs"].auc.value


def test_a_seed_draws_the_days_of_all(found: Comparison, data: MappedData) -> None:
    other = compared(data, {"ours": OURS, "theirs": THEIRS}, seed=9)
    assert other.differences["theirs"].auc.value == found.differences["theirs"].auc.value
    assert other.differences["theirs"].auc != found.differences["theirs"].auc
    assert {held.metrics.seed for held in other.evaluations.values()} == {9}


def test_a_comparison_shows_itself(found: Comparison) -> None:
    for text in (found.text(120), found.text(80), str(found), found._repr_html_()):
        words = " ".join(text.split())
        for told in (
            "theirs beside ours; the difference is theirs less ours;", "minor units of EUR",
            "AUC", "average precision", "log loss", "mean cost per order", "difference",
            "better", "same redrawn days", "49 of them fraud",
        ):  # fmt: skip
            assert told in words, told
    assert max(map(len, found.text(100).splitlines())) <= 100
    (table_of_theirs,) = found.tables()
    rows = {row[0]: row for row in table_of_theirs.rows}
    difference = found.differences["theirs"].auc
    shown = f"{difference.value:.4f} [{difference.low:.4f}, {difference.high:.4f}]"
    assert rows["AUC"][3] == shown
    for place, name in ((1, "ours"), (2, "theirs")):
        assert (
            rows["log loss"][place]
            == f"{found.evaluations[name].metrics.by_count.log_loss.value:.5f}"
        )


def test_which_is_better_is_said_of_costs_and_losses_the_other_way_round(
    found: Comparison, data: MappedData
) -> None:
    worse = compared(data, {"theirs": THEIRS, "ours": OURS})
    for shown in (found, worse):
        better = {row[0]: row[-1] for row in shown.tables()[0].rows}
        assert better == dict.fromkeys(
            ("AUC", "average precision", "log loss", "mean cost per order"), "theirs"
        )


def test_without_days_enough_nothing_is_said_to_be_better(data: MappedData) -> None:
    few = data.frame.filter(pl.col("event_time_ms") < START_MS + 4 * DAY_MS)
    other = MappedData(**(vars(data) | {"frame": few}))
    found = compared(other, {"ours": OURS, "theirs": THEIRS})
    assert {row[-1] for row in found.tables()[0].rows} == {"-"}
    assert "at least 5 days" in " ".join(found.notes)
    assert "redrawn" not in " ".join(found.notes)


def test_a_name_is_no_markup(data: MappedData) -> None:
    found = compared(data, {"<b>ours": OURS, "[red]theirs": THEIRS})
    assert "<b>" not in found._repr_html_()
    assert "&lt;b&gt;ours" in found._repr_html_()
    assert "[red]theirs" in found.text(200)


def test_plain_data_has_everything_but_the_curves(found: Comparison) -> None:
    plain = msgspec.json.decode(msgspec.json.encode(found.plain()))
    assert set(plain) == set(Comparison.__struct_fields__)
    assert plain["differences"]["theirs"]["auc"]["value"] == found.differences["theirs"].auc.value
    assert plain["evaluations"]["ours"]["auc"] == found.evaluations["ours"].metrics.auc
    assert "curves" not in plain["evaluations"]["ours"]


def test_an_amount_without_a_rate_is_in_no_cost_of_either(
    found: Comparison, data: MappedData
) -> None:
    currency = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("XAF")).otherwise(pl.lit("EUR"))
    frame = data.frame.with_columns(currency.alias("order.currency"))
    mixed = compared(
        MappedData(**(vars(data) | {"frame": frame})), {"ours": OURS, "theirs": THEIRS}
    )
    differences = mixed.differences["theirs"]
    assert 0 < differences.n_orders_with_cost < found.n_compared
    assert differences.n_orders_with_cost == mixed.evaluations["ours"].cost.n_orders
    assert differences.auc == found.differences["theirs"].auc


@pytest.mark.parametrize("scores", [{}, {"ours": OURS}])
def test_fewer_than_two_are_refused(data: MappedData, scores: dict[str, pl.DataFrame]) -> None:
    with pytest.raises(InputError, match="at least two scores, got"):
        compared(data, scores)


def test_scores_of_different_files_are_told_apart(data: MappedData) -> None:
    others = THEIRS.with_columns(pl.col("transaction_id") + "-other")
    with pytest.raises(TrainingError, match="each of ours, theirs scored, got none"):
        compared(data, {"ours": OURS, "theirs": others})


def test_an_order_with_two_scores_is_named(data: MappedData) -> None:
    twice = pl.concat([THEIRS, THEIRS[5:6]])
    with pytest.raises(DataFileError, match="must have one score, got several of 't5'"):
        compared(data, {"ours": OURS, "theirs": twice})


def test_what_an_evaluation_refuses_is_refused(data: MappedData) -> None:
    both_scores = {"ours": OURS, "theirs": THEIRS}
    with pytest.raises(DataFileError, match="must have the column 'action'"):
        compared(data, {**both_scores, "theirs": THEIRS.drop("action")})
    with pytest.raises(PolicyError, match="must be the reference currency EUR, got USD"):
        compare(both_scores, data, RATES, Policy(costs=Costs(currency="USD")), **OPTIONS)
    with pytest.raises(TrainingError, match="with a label known by then, got none"):
        compared(data, both_scores, as_of_ms=START_MS)
