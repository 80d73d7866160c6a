"""What is known of past orders, what is estimated, and what is only bracketed."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from fraudkit.backtest import backtest
from fraudkit.decisions.policy import Policy
from fraudkit.errors import InputError
from tests.backtest.drawn import CAREFUL, DAY_MS, LOGGED, LOOSER, explored, made


def test_an_outcome_of_a_declined_order_is_not_used() -> None:
    orders = made(action=pl.when(pl.col("fraud_probability") > 0.5).then(pl.lit("decline")))
    is_declined = pl.col("action") == "decline"
    without = orders.with_columns(
        is_fraud=pl.when(~is_declined.fill_null(value=False)).then("is_fraud")
    )
    found, expected = (backtest(held, CAREFUL, Policy()) for held in (orders, without))
    n_declined = int((orders["action"] == "decline").sum())
    assert n_declined > 20
    assert msgspec.structs.replace(found, n_unused_outcomes=0) == expected
    assert found.n_unused_outcomes == found.n_declined == n_declined
    cost = found.difference.cost_minor
    assert (cost.kind, cost.value) == ("bounded", None)
    assert cost.bounded.n_orders > 0
    assert cost.bound_low < cost.bound_high
    told = " ".join(found.notes)
    assert f"{n_declined:,} declined orders came with an outcome" in told
    assert "only bracketed between bounds" in told


def test_outcomes_of_orders_too_young_are_not_used() -> None:
    orders, until = made(), 7 * DAY_MS
    is_young = pl.col("event_time_ms") >= until
    by_hand = orders.with_columns(is_fraud=pl.when(~is_young).then("is_fraud"))
    found = backtest(orders, Policy(), CAREFUL, mature_before_ms=until)
    n_young = int((orders["event_time_ms"] >= until).sum())
    assert found.n_too_young == n_young > 0
    expected = backtest(by_hand, Policy(), CAREFUL)
    assert msgspec.structs.replace(found, n_too_young=0) == expected
    assert found.n_outcome_known == len(orders) - n_young
    assert f"{n_young:,} are too young" in " ".join(found.notes)
    assert found.difference.cost_minor.kind == "bounded"


def test_loosening_is_estimated_where_chances_were_logged() -> None:
    orders = explored()
    truth = made(4_000)
    found = backtest(orders, LOGGED, LOOSER)
    cost = found.difference.cost_minor
    assert cost.kind == "estimated"
    assert cost.estimated is not None
    assert cost.bounded.n_orders == 0
    assert cost.estimated.n_orders > cost.estimated.n_explored > 20
    exact = backtest(truth, LOGGED, LOOSER).difference.cost_minor.value
    assert cost.low is not None
    assert cost.high is not None
    assert exact is not None
    assert cost.low < exact < cost.high
    assert cost.bound_low < exact < cost.bound_high
    assert "approved by chance" in " ".join(found.notes)


def test_without_the_chances_the_same_loosening_is_only_bracketed() -> None:
    orders = explored().drop("approve_propensity")
    cost = backtest(orders, LOGGED, LOOSER).difference.cost_minor
    assert (cost.kind, cost.value, cost.estimated) == ("bounded", None, None)
    exact = backtest(made(4_000), LOGGED, LOOSER).difference.cost_minor.value
    assert exact is not None
    assert cost.bound_low < exact < cost.bound_high


def test_an_action_that_is_not_known_is_told_from_the_outcome_of_a_logged_chance() -> None:
    orders = explored()
    unknown = orders.with_columns(action=pl.lit(None, pl.String))
    stated = backtest(orders, LOGGED, LOOSER)
    assert backtest(unknown, LOGGED, LOOSER).difference == stated.difference


def test_what_was_done_is_the_old_side_where_no_policy_is_given() -> None:
    orders = explored()
    found = backtest(orders, None, LOOSER)
    by_policy = backtest(orders, LOGGED, LOOSER)
    assert found.matrix == by_policy.matrix
    assert found.difference == by_policy.difference
    with pytest.raises(InputError, match="every order must have an action where old is None"):
        backtest(made(), None, LOOSER)


def test_chances_of_approved_orders_alone_are_not_used_and_that_is_said() -> None:
    orders = explored().with_columns(
        approve_propensity=pl.when(pl.col("action") == "approve").then("approve_propensity")
    )
    found = backtest(orders, LOGGED, LOOSER)
    expected = backtest(orders.drop("approve_propensity"), LOGGED, LOOSER)
    assert found.difference == expected.difference
    assert any("came only with orders that were approved" in note for note in found.notes)


def test_an_approval_by_chance_without_an_outcome_is_refused_by_name() -> None:
    orders = explored()
    young = pl.col("event_time_ms") >= 9 * DAY_MS
    orders = orders.with_columns(is_fraud=pl.when(~young).then("is_fraud"))
    with pytest.raises(InputError, match=r"got none of 't.*give mature_before_ms"):
        backtest(orders, LOGGED, LOOSER)
    found = backtest(orders, LOGGED, LOOSER, mature_before_ms=9 * DAY_MS)
    assert found.n_too_young > 0
    assert found.difference.cost_minor.estimated is not None
