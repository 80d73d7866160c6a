"""Two policies on the same orders, held against sums order by order."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.backtest import Backtest, backtest
from fraudkit.backtest.affected import band_edges
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy
from fraudkit.decisions.segments import CutOffs
from fraudkit.errors import DataFileError, InputError, PolicyError
from tests.backtest.drawn import DAY_MS, action_of_each, changes_of_each, framed, past
from tests.decisions.drawn import drawn_policies

CAREFUL = Policy(odds_factor=4.0)
ROUNDING = {"rel": 1e-9, "abs": 1e-3}


def cells(found: Backtest) -> dict[tuple[str, str], tuple[int, float, int, int]]:
    return {
        (c.old_action, c.new_action): (c.n_orders, c.amount_minor, c.n_frauds, c.n_honest)
        for c in found.matrix
    }


def made(n_orders: int = 400, seed: int = 1, **columns: Any) -> pl.DataFrame:
    """Return orders of ten days, some of which each policy declines."""
    generator = np.random.default_rng(seed)
    probability = generator.beta(0.4, 1.5, n_orders)
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(n_orders)],
            "event_time_ms": np.sort(generator.integers(0, 10 * DAY_MS, n_orders)),
            "fraud_probability": probability,
            "amount_minor": np.round(generator.lognormal(8.5, 1.0, n_orders)),
            "is_fraud": generator.random(n_orders) < probability,
        }
    )
    return frame.with_columns(**columns)


@given(orders=past(), old=drawn_policies(), new=drawn_policies())
def test_the_matrix_is_that_of_orders_decided_one_by_one(
    orders: list[dict[str, Any]], old: Policy, new: Policy
) -> None:
    found = backtest(framed(orders), old, new)
    before, after = action_of_each(old, orders), action_of_each(new, orders)
    for (first, second), cell in cells(found).items():
        held = [o for o in orders if (before[o["id"]], after[o["id"]]) == (first, second)]
        labels = [order["is_fraud"] for order in held]
        amount = float(sum(order["amount"] or 0 for order in held))
        assert cell == (len(held), amount, labels.count(True), labels.count(False))
    assert found.n_orders == len(orders) == sum(cell[0] for cell in cells(found).values())
    moved = sum(before[key] != after[key] for key in before)
    assert found.difference.n_moved == moved


@given(orders=past(), old=drawn_policies(), new=drawn_policies())
def test_the_money_is_the_sum_over_orders_at_the_new_policys_costs(
    orders: list[dict[str, Any]], old: Policy, new: Policy
) -> None:
    found = backtest(framed(orders), old, new)
    sides = action_of_each(old, orders), action_of_each(new, orders)
    changes = changes_of_each(new, orders, *sides)
    low = high = known = 0.0
    for order in orders:
        if order["amount"] is None:
            continue
        pair = changes[order["id"]]
        if order["is_fraud"] is not None:
            pair = (pair[order["is_fraud"]],) * 2
            known += pair[0]
        low, high = low + min(pair), high + max(pair)
    cost = found.difference.cost_minor
    assert (cost.bound_low, cost.bound_high) == pytest.approx((low, high), **ROUNDING)
    if all(order["is_fraud"] is not None for order in orders):
        assert cost.kind == "identified"
        assert cost.value == pytest.approx(known, **ROUNDING)
    for dimension in {group.dimension for group in found.groups}:
        held = [group for group in found.groups if group.dimension == dimension]
        assert sum(group.n_orders for group in held) == len(orders)
        assert sum(group.n_moved for group in held) == found.difference.n_moved
        assert all(g.n_stricter + g.n_milder == g.n_moved for g in held)
        bounds = (sum(g.cost_low_minor for g in held), sum(g.cost_high_minor for g in held))
        assert bounds == pytest.approx((low, high), **ROUNDING)


@given(orders=past(), policy=drawn_policies())
def test_a_policy_against_itself_moves_nothing_and_costs_nothing(
    orders: list[dict[str, Any]], policy: Policy
) -> None:
    found = backtest(framed(orders), policy, policy)
    assert all(cell.n_orders == 0 for cell in found.matrix if cell.old_action != cell.new_action)
    cost = found.difference.cost_minor
    assert (cost.kind, cost.value, cost.bound_low, cost.bound_high) == ("identified", 0.0, 0.0, 0.0)
    assert found.examples == ()
    assert {group.n_moved for group in found.groups} <= {0}


@given(
    orders=past(),
    old=drawn_policies(),
    new=drawn_policies(),
    seed=st.integers(0, 99),
)
def test_the_order_of_rows_changes_nothing(
    orders: list[dict[str, Any]], old: Policy, new: Policy, seed: int
) -> None:
    frame = framed(orders)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    assert backtest(shuffled, old, new) == backtest(frame, old, new)


@given(
    orders=past(),
    thresholds=st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).map(sorted),
)
def test_tightening_lets_nothing_through_that_was_not(
    orders: list[dict[str, Any]], thresholds: list[float]
) -> None:
    low, decline_low, high, decline_high = thresholds
    assume(low < high)
    strict = Policy(cut_offs=CutOffs(review_from=low, decline_from=decline_low))
    loose = Policy(cut_offs=CutOffs(review_from=high, decline_from=decline_high))
    found = backtest(framed(orders), loose, strict)
    for cell in found.matrix:
        if ACTIONS.index(cell.new_action) < ACTIONS.index(cell.old_action):
            assert cell.n_orders == 0
    assert found.difference.n_loosened == 0
    assert all(group.n_milder == 0 for group in found.groups)
    assert found.difference.approval_share.value is not None
    assert found.difference.approval_share.value <= 0.0


def test_the_other_way_round_everything_is_mirrored() -> None:
    costs = Costs()
    there = backtest(made(), Policy(costs=costs), CAREFUL)
    back = backtest(made(), CAREFUL, Policy(costs=costs))
    assert there.difference.n_moved > 20
    mirrored = {(new, old): held for (old, new), held in cells(back).items()}
    assert cells(there) == mirrored
    values = [found.difference.cost_minor.value for found in (there, back)]
    assert values[0] == pytest.approx(-values[1] if values[1] is not None else None, rel=1e-12)
    assert [order.transaction_id for order in there.examples] == [
        order.transaction_id for order in back.examples
    ]


def test_each_side_may_decide_by_a_probability_of_its_own() -> None:
    orders = made()
    other = orders["fraud_probability"].reverse()
    found = backtest(orders.with_columns(new_fraud_probability=other), Policy(), Policy())
    alone = backtest(orders.with_columns(fraud_probability=other), Policy(), Policy())
    assert found.difference.n_moved > 20
    for action in ACTIONS:
        moved_in = sum(c.n_orders for c in found.matrix if c.new_action == action)
        assert moved_in == sum(c.n_orders for c in alone.matrix if c.new_action == action)


def test_limits_hold_by_day_for_each_side() -> None:
    held = Policy(constraints=Constraints(reviews_per_day=1))
    orders = made(**{"payment.method": pl.lit("voucher")})
    found = backtest(orders, Policy(), held)
    reviews = [c.n_orders for c in found.matrix if c.new_action == "review"]
    assert sum(reviews) == 10
    assert sum(c.n_orders for c in found.matrix if c.old_action == "review") > 20


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


def explored(share: float = 0.2, n_orders: int = 4_000) -> pl.DataFrame:
    """Return orders of which those that the policy would decline were approved by chance."""
    orders = made(n_orders)
    generator = np.random.default_rng(5)
    would_decline = pl.col("fraud_probability") > 0.6
    is_drawn = pl.Series("drawn", generator.random(n_orders) < share)
    stays = would_decline & ~is_drawn
    return orders.with_columns(
        action=pl.when(stays).then(pl.lit("decline")).otherwise(pl.lit("approve")),
        approve_propensity=pl.when(would_decline).then(share),
        is_fraud=pl.when(~stays).then("is_fraud"),
    )


LOGGED = Policy(cut_offs=CutOffs(decline_from=0.6000001))
LOOSER = Policy(cut_offs=CutOffs(decline_from=0.8))


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


def test_who_is_affected_is_told_by_customer_and_by_band() -> None:
    day = DAY_MS
    orders = pl.DataFrame(
        {
            "transaction_id": ["a", "b", "c", "d"],
            "event_time_ms": [day] * 4,
            "fraud_probability": [0.5] * 4,
            "amount_minor": [1_000.0, 2_000.0, 40_000.0, None],
            "is_fraud": [False, True, None, None],
            "account.is_guest": [True, False, None, None],
            "account.first_purchase_at_ms": [None, day - 1, day, None],
        }
    )
    old, new = (
        Policy(cut_offs=CutOffs(decline_from=0.9)),
        Policy(cut_offs=CutOffs(decline_from=0.4)),
    )
    found = backtest(orders, old, new)
    frame = found.affected
    assert frame.columns[:5] == ["dimension", "value", "n_orders", "n_moved", "n_stricter"]
    by_customer = frame.filter(pl.col("dimension") == "customer")
    assert by_customer["value"].to_list() == ["guest", "new", "returning", "unknown"]
    assert by_customer["n_moved_unknown"].to_list() == [0, 1, 0, 0]
    costs = Costs()
    declined = [costs.insult_cost_minor + costs.margin_share * 1_000, 0.0,
                -(2_000 + costs.chargeback_fee_minor), 0.0]  # fmt: skip
    assert by_customer["cost_minor"].to_list() == declined
    bands = frame.filter(pl.col("dimension") == "amount_band")
    assert bands["value"].to_list() == [
        "1,000 to 2,000",
        "2,000 to 10,000",
        "20,000 or more",
        "unknown",
    ]
    assert frame["n_orders"].sum() == 8


@given(amounts=st.lists(st.floats(0.0, 1e9) | st.just(float("nan")), max_size=30).map(np.array))
def test_bands_begin_at_round_numbers_in_rising_order(amounts: np.ndarray) -> None:
    edges = band_edges(amounts.astype(np.float64))
    assert len(edges) <= 4
    assert list(edges) == sorted(set(edges))
    for edge in edges:
        assert edge >= 1
        assert f"{edge}".rstrip("0") in {"1", "2", "5"}


def test_the_largest_stakes_come_first() -> None:
    found = backtest(made(), Policy(), CAREFUL, n_examples=7)
    everything = backtest(made(), Policy(), CAREFUL, n_examples=400)
    stakes = [max(abs(o.cost_low_minor), abs(o.cost_high_minor)) for o in everything.examples
              if o.cost_low_minor is not None and o.cost_high_minor is not None]  # fmt: skip
    assert stakes == sorted(stakes, reverse=True)
    assert len(everything.examples) == found.difference.n_moved > 7
    assert found.examples == everything.examples[:7]
    assert all(order.old_action != order.new_action for order in everything.examples)
    assert set(found.examples[0].fields) == {"amount_band"}
    assert backtest(made(), Policy(), CAREFUL, n_examples=0).examples == ()


def test_no_order_at_all_moves_nothing() -> None:
    found = backtest(made()[:0], Policy(), CAREFUL)
    assert (found.n_orders, found.first_event_ms, found.groups, found.examples) == (0, None, (), ())
    assert "0 of 0 orders move" in found.text()


def test_a_backtest_shows_itself() -> None:
    orders = explored().with_columns(pl.lit("<b>[red]").alias("payment.method"))
    found = backtest(orders, LOGGED, LOOSER, names=("ours", "<i>theirs"))
    for text in (found.text(140), str(found), found._repr_html_()):
        words = " ".join(text.split())
        for told in (
            "in the place of ours", "orders move", "What it is worth", "share of approvals",
            "fraud rate by value", "estimated", "payment.method", "amount_band", "Orders to open",
            "What is known and what is not", "Both sides are priced at the stated costs of",
        ):  # fmt: skip
            assert told in words, told
    assert max(map(len, found.text(120).splitlines())) <= 120
    assert "<i>" not in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    assert "<b>[red]" in found.text(140)
    assert len(found.tables()) == 2 + 2 + 1


def test_plain_data_is_json_and_has_everything() -> None:
    found = backtest(explored(), LOGGED, LOOSER)
    plain = msgspec.json.decode(msgspec.json.encode(found.plain()))
    assert set(plain) == set(Backtest.__struct_fields__) - {"remarks"} | {"notes"}
    assert len(plain["matrix"]) == 16
    assert plain["difference"]["cost_minor"]["kind"] == "estimated"
    assert plain["notes"] == list(found.notes)


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        (
            {"action": pl.lit("allow")},
            DataFileError,
            "an action must be one of approve, .* 'allow'",
        ),
        ({"transaction_id": pl.lit("t")}, DataFileError, "an order must come once, got 't'"),
        ({"fraud_probability": pl.lit(1.5)}, InputError, "fraud_probability must be from 0 to 1"),
        ({"fraud_probability": pl.lit(None, pl.Float64)}, DataFileError, "for every order"),
        ({"amount_minor": pl.lit(-1.0)}, InputError, "amount_minor must be 0 or more"),
        ({"approve_propensity": pl.lit(0.0)}, InputError, "approve_propensity must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(
    changed: dict[str, pl.Expr], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        backtest(made(**changed), Policy(), CAREFUL)


def test_other_refusals_name_what_to_mend() -> None:
    with pytest.raises(DataFileError, match="must have the column 'is_fraud'"):
        backtest(made().drop("is_fraud"), Policy(), CAREFUL)
    with pytest.raises(InputError, match="must be a column of the orders or amount_band, got 'x'"):
        backtest(made(), Policy(), CAREFUL, dimensions=["x"])
    with pytest.raises(InputError, match=r"customer needs account\.first_purchase_at_ms"):
        backtest(made(), Policy(), CAREFUL, dimensions=["customer"])
    dollars = Policy(costs=replace(Costs(), currency="USD"))
    with pytest.raises(PolicyError, match="got USD and EUR"):
        backtest(made(), dollars, CAREFUL)
    many = made(10_001)
    with pytest.raises(InputError, match="at most 10,000 values, got 10,001 of transaction_id"):
        backtest(many, Policy(), CAREFUL, dimensions=["transaction_id"])
