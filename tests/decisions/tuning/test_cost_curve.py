"""What stricter policies and other ways cost, against orders priced one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import Costs, cost_lines
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy, Prices
from fraudkit.decisions.segments import CutOffs
from fraudkit.decisions.tuning.cost_curve import baselines_table, cost_curve_table, stricter
from fraudkit.decisions.tuning.fitting import Form, fitted_policy
from fraudkit.decisions.tuning.orders import TuningOrders, tuning_orders
from fraudkit.decisions.tuning.redrawing import Redrawn, redrawn
from tests.decisions.tuning.test_tuner import DAY_MS, rows_of, shop, small_shops, tuned

CONFIDENCE = 0.8


def held(orders: dict[str, Any], policy: Policy | None = None) -> TuningOrders:
    return tuning_orders(
        policy or Policy(), orders["y"], orders["p"], orders["amount_minor"],
        orders["event_time"], orders.get("weights"), orders["columns"], (), support_frauds=30,
    )  # fmt: skip


def drawn_of(orders: TuningOrders, form: Form, n_resamples: int = 12) -> tuple[Redrawn, ...]:
    return redrawn(orders, form, (), n_resamples=n_resamples, seed=1, n_jobs=1)


def order_cost(policy: Policy, orders: TuningOrders, place: int) -> float:
    """Return what one order cost as the checkout would have decided it, limits aside."""
    amount = int(orders.amount_minor[place])
    method = orders.columns["payment.method"][place]
    ruling = Decider(policy).of_values(
        float(orders.probability[place]), amount, can_challenge=method == "card"
    )
    lines = cost_lines(amount, policy.costs)
    return float(lines[int(orders.is_fraud[place])][ACTIONS.index(ruling.action)])


def drawn_mean(costs: list[float], orders: TuningOrders, day_count: list[int]) -> float:
    """Return the mean over the orders of redrawn days, each as often as its day was drawn."""
    copies = [
        cost
        for cost, day in zip(costs, orders.day.tolist(), strict=True)
        for _copy in range(day_count[day])
    ]
    return sum(copies) / len(copies)


@settings(max_examples=6, deadline=None)
@given(orders=small_shops, form=st.sampled_from(["costs", "cut_offs"]))
def test_the_curve_prices_every_order_as_the_checkout_decides_it(
    orders: dict[str, Any], form: Form
) -> None:
    known = held(orders)
    policy, _segments = fitted_policy(known, form)
    drawn = drawn_of(known, form)
    table = cost_curve_table(known, policy, drawn, CONFIDENCE)
    naive: dict[int, list[float]] = {}
    for place in (0, 17, 30, 44, 60):
        other = naive_stricter(policy, table["times_odds"][place])
        naive[place] = [order_cost(other, known, n) for n in range(len(known.day))]
    for place, costs in naive.items():
        row = table.row(place, named=True)
        assert row["mean_cost_minor"] == pytest.approx(np.mean(costs))
        means = [drawn_mean(costs, known, one.day_count.tolist()) for one in drawn]
        excess = [
            mean - drawn_mean(naive[30], known, one.day_count.tolist())
            for mean, one in zip(means, drawn, strict=True)
        ]
        ends = np.quantile(means, [0.1, 0.9])
        assert [row["low"], row["high"]] == pytest.approx(ends.tolist())
        ends = np.quantile(excess, [0.1, 0.9])
        assert [row["excess_low"], row["excess_high"]] == pytest.approx(ends.tolist(), abs=1e-6)


def naive_stricter(policy: Policy, times: float) -> Policy:
    if policy.cut_offs is None:
        return replace(policy, odds_factor=policy.odds_factor * times)
    shifted = {}
    for name in CutOffs.__struct_fields__:
        begin = getattr(policy.cut_offs, name)
        if begin is not None:
            odds = np.inf if begin == 1.0 else begin / (1.0 - begin) / times
            shifted[name] = 1.0 if np.isinf(odds) else float(odds / (1.0 + odds))
    return replace(policy, cut_offs=CutOffs(**shifted))


@pytest.mark.parametrize("form", ["costs", "cut_offs"])
def test_the_tuned_point_is_the_policys_mean_cost_and_no_point_is_lower(form: Form) -> None:
    tuner = tuned(shop(4_000, 3), form=form, n_resamples=6)
    curve, rates = tuner.cost_curve_, {r["figure"]: r for r in tuner.rates_.to_dicts()}
    (point,) = curve.filter(curve["times_odds"] == 1.0).to_dicts()
    for name, other in (("mean_cost_minor", "value"), ("low", "low"), ("high", "high")):
        assert point[name] == pytest.approx(rates["mean_cost_minor"][other])
    assert point["excess_minor"] == point["excess_low"] == point["excess_high"] == 0.0
    assert (curve["excess_minor"] >= -1e-6).all()
    assert (curve["excess_minor"] > 1.0).any()
    times = curve["times_odds"].to_numpy()
    assert len(times) == 61
    assert times[[0, -1]].tolist() == pytest.approx([0.05, 20.0])
    assert (np.diff(times) > 0.0).all()
    factors = curve["odds_factor"].to_list()
    if form == "costs":
        assert factors == pytest.approx((times * tuner.policy_.odds_factor).tolist())
    else:
        assert factors == [None] * 61


def test_without_redrawn_days_there_is_no_interval() -> None:
    tuner = tuned(shop(500, 2))
    for name in ("low", "high", "excess_low", "excess_high"):
        assert tuner.cost_curve_[name].null_count() == 61
    for name in ("low", "high", "tuned_saves_minor", "saves_low"):
        assert tuner.baselines_[name].null_count() == len(tuner.baselines_)


def test_every_segment_gets_stricter() -> None:
    tuner = tuned(shop(5_000, 4), segments=["billing.country"])
    harder = stricter(tuner.policy_, 3.0)
    for before, after in zip(tuner.policy_.segments, harder.segments, strict=True):
        assert after.odds_factor == pytest.approx(3.0 * (before.odds_factor or 0.0))
    cut = tuned(shop(5_000, 4), segments=["billing.country"], form="cut_offs").policy_
    assert stricter(cut, 3.0).odds_factor == 1.0
    for before, after in zip(cut.segments, stricter(cut, 3.0).segments, strict=True):
        for name in CutOffs.__struct_fields__:
            begin, shifted = getattr(before.cut_offs, name), getattr(after.cut_offs, name)
            assert (begin is None) == (shifted is None)
            if begin is not None and begin < 1.0:
                assert shifted / (1.0 - shifted) == pytest.approx(begin / (1.0 - begin) / 3.0)


def test_what_the_tuned_policy_saves_is_of_days_that_were_not_drawn() -> None:
    orders = rows_of(shop(400, 6), np.arange(400))
    given = Policy(odds_factor=4.0, prices=Prices(review_minor=5_000.0))
    known = held(orders)
    policy, _segments = fitted_policy(known, "costs")
    drawn = drawn_of(known, "costs")
    table = baselines_table(known, policy, given, drawn, CONFIDENCE)
    assert table["decided_by"].to_list() == ["tuned", "given", "costs", "approve_all"]
    places = range(len(known.day))
    naive = {
        "tuned": [order_cost(policy, known, n) for n in places],
        "given": [order_cost(given, known, n) for n in places],
        "costs": [order_cost(Policy(), known, n) for n in places],
        "approve_all": [
            float(cost_lines(known.amount_minor[n], Costs())[int(known.is_fraud[n])][0])
            for n in places
        ],
    }
    for row in table.rows(named=True):
        costs = naive[row["decided_by"]]
        assert row["mean_cost_minor"] == pytest.approx(np.mean(costs))
        means = [drawn_mean(costs, known, one.day_count.tolist()) for one in drawn]
        assert row["low"] == pytest.approx(np.quantile(means, 0.1))
        if row["decided_by"] == "tuned":
            assert row["tuned_saves_minor"] is None
            continue
        saved = []
        for one in drawn:
            unseen = [n for n in places if one.day_count[known.day[n]] == 0]
            own = [order_cost(one.policy, known, n) for n in unseen]
            saved.append(np.mean([costs[n] for n in unseen]) - np.mean(own))
        assert row["tuned_saves_minor"] == pytest.approx(np.mean(saved))
        assert [row["saves_low"], row["saves_high"]] == pytest.approx(
            np.quantile(saved, [0.1, 0.9]).tolist()
        )


def test_a_baseline_keeps_the_reviews_of_a_day_too() -> None:
    orders = shop(3_000, 2, off_by=4.0)
    costs = Costs(review_cost_minor=20, challenge_honest_dropout_share=0.9)
    limits = Constraints(reviews_per_day=2)
    tuner = tuned(orders, costs=costs, constraints=limits)
    means = dict(tuner.baselines_.select("decided_by", "mean_cost_minor").iter_rows())
    decider = Decider(Policy(costs=costs, constraints=limits))
    rulings = decider.of_many(
        orders["p"], orders["amount_minor"], orders["columns"], time_ms=orders["event_time"]
    )
    reviews = np.bincount(orders["event_time"] // DAY_MS, rulings.action == 2)
    assert reviews.max() == 2
    at_honest, at_fraud = decider.cost_lines_of_many(orders["amount_minor"], orders["columns"])
    cost = np.where(orders["y"] == 1.0, at_fraud, at_honest)[rulings.action, np.arange(3_000)]
    assert means["costs"] == pytest.approx(cost.mean())
    assert means["tuned"] == pytest.approx(tuner.days_["cost_minor"].sum() / 3_000)
    assert means["tuned"] < means["costs"]


def test_a_redrawn_tuning_loses_by_the_limits_of_a_day_what_the_tuned_policy_loses() -> None:
    orders = shop(3_000, 2, off_by=4.0)
    costs = Costs(review_cost_minor=20, challenge_honest_dropout_share=0.9)
    known = held(orders, Policy(costs=costs, constraints=Constraints(reviews_per_day=2)))
    policy, _segments = fitted_policy(known, "costs")
    drawn = drawn_of(known, "costs", 3)
    table = baselines_table(known, policy, known.policy, drawn, CONFIDENCE)
    places = np.arange(len(known.day))
    held_to, free = (
        Decider(policy).of_many(
            known.probability, known.amount_minor, known.columns, time_ms=known.time_ms,
            is_limited=is_limited,
        ).action
        for is_limited in (True, False)
    )  # fmt: skip
    lost = known.realised[held_to, places] - known.realised[free, places]
    assert lost.sum() > 0.0
    saved = []
    for one in drawn:
        unseen = one.day_count[known.day] == 0
        approved = known.realised[0, unseen].sum()
        own = one.unseen_cost_minor + lost[unseen].sum()
        saved.append((approved - own) / unseen.sum())
    row = table.row(2, named=True)
    assert row["decided_by"] == "approve_all"
    assert row["tuned_saves_minor"] == pytest.approx(np.mean(saved))
