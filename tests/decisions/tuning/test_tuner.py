"""The tuner against every factor and every cut-off there is, and what it promises of itself."""

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS, Constraints, Policy, parse_policy, policy_toml
from fraudkit.decisions.segments import CutOffs, Segment
from fraudkit.decisions.tuning import PolicyTuner
from fraudkit.decisions.tuning.fitting import actions_of
from fraudkit.decisions.tuning.orders import tuning_orders
from fraudkit.errors import InputError, ParameterError, PolicyError

DAY_MS = 86_400_000


def shop(n_orders: int = 3_000, seed: int = 0, *, off_by: float = 2.0) -> dict[str, Any]:
    """Return orders whose odds of fraud are so many times what the probability says."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.2, 4.0, n_orders)
    odds = off_by * p / (1.0 - p)
    return {
        "y": (rng.random(n_orders) < odds / (1.0 + odds)).astype(np.float64),
        "p": p,
        "amount_minor": np.exp(rng.normal(8.5, 1.0, n_orders)).round(),
        "event_time": np.sort(rng.integers(0, 40 * DAY_MS, n_orders)),
        "columns": {
            "billing.country": rng.choice(["DE", "FR", "SE"], n_orders, p=[0.6, 0.3, 0.1]).tolist(),
            "payment.method": rng.choice(["card", "wallet"], n_orders).tolist(),
        },
    }


def tuned(orders: dict[str, Any], **options: Any) -> PolicyTuner:
    return PolicyTuner(**({"n_resamples": 0} | options)).fit(**orders)


def realised(policy: Policy, orders: dict[str, Any]) -> float:
    """Return what a policy cost on the orders, decided as the checkout decides."""
    decider = Decider(policy)
    rulings = decider.of_many(
        orders["p"], orders["amount_minor"], orders["columns"], time_ms=orders["event_time"]
    )
    lines = decider.cost_lines_of_many(orders["amount_minor"], orders["columns"])
    by_action = np.where(orders["y"] == 1.0, lines[1], lines[0])
    return float(by_action[rulings.action, np.arange(len(orders["p"]))].sum())


small_shops = st.builds(
    shop, st.integers(30, 60), st.integers(0, 10**6), off_by=st.sampled_from([0.5, 1.0, 3.0])
).filter(lambda orders: 0 < orders["y"].sum() < len(orders["y"]))


@settings(max_examples=40, deadline=None)
@given(orders=small_shops)
def test_no_factor_is_cheaper(orders: dict[str, Any]) -> None:
    tuner = tuned(orders)
    cost = realised(tuner.policy_, orders)
    for factor in np.geomspace(0.05, 20.0, 120):
        other = realised(replace(tuner.policy_, odds_factor=float(factor)), orders)
        assert cost <= other + 1e-6 * max(1.0, abs(other))


@settings(max_examples=25, deadline=None)
@given(orders=small_shops)
def test_no_cut_offs_are_cheaper(orders: dict[str, Any]) -> None:
    tuner = tuned(orders, form="cut_offs")
    cost = realised(tuner.policy_, orders)
    begins = [0.0, *np.quantile(orders["p"], [0.3, 0.6, 0.8, 0.9, 0.97]).tolist(), 1.0]
    for drawn in itertools.combinations_with_replacement(begins, 3):
        challenge, review, decline = drawn
        other = realised(
            replace(tuner.policy_, cut_offs=CutOffs(
                challenge_from=challenge, review_from=review, decline_from=decline
            )),
            orders,
        )  # fmt: skip
        assert cost <= other + 1e-6 * max(1.0, abs(other))


@pytest.mark.parametrize("off_by", [0.5, 1.0, 3.0])
def test_odds_that_are_off_are_put_right(off_by: float) -> None:
    tuner = tuned(shop(40_000, 3, off_by=off_by))
    assert 0.6 * off_by < tuner.policy_.odds_factor < 1.6 * off_by


@settings(max_examples=100)
@given(
    p=st.floats(0.0, 1.0),
    amount=st.integers(0, 10**6),
    low=st.floats(0.1, 10.0),
    high=st.floats(0.1, 10.0),
)
def test_a_tighter_policy_never_approves_what_a_looser_one_does_not(
    p: float, amount: int, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    looser, tighter = (
        Decider(Policy(odds_factor=factor)).of_values(p, amount).action for factor in (low, high)
    )
    assert tighter != "approve" or looser == "approve"


@pytest.mark.parametrize("form", ["costs", "cut_offs"])
def test_the_order_of_rows_does_not_matter_and_a_weight_is_as_many_orders(form: str) -> None:
    orders = shop(1_500, 5)
    first = tuned(orders, form=form, segments=["billing.country"])
    shuffled = np.random.default_rng(1).permutation(1_500)
    again = tuned(rows_of(orders, shuffled), form=form, segments=["billing.country"])
    assert again.policy_ == first.policy_
    twice = tuned(rows_of(orders, np.repeat(np.arange(1_500), 2)), form=form)
    weighed = tuned(orders | {"weights": np.full(1_500, 2.0)}, form=form)
    assert twice.policy_ == weighed.policy_


def rows_of(orders: dict[str, Any], places: NDArray[np.int64]) -> dict[str, Any]:
    columns = {path: [held[place] for place in places] for path, held in orders["columns"].items()}
    return {name: held[places] for name, held in orders.items() if name != "columns"} | {
        "columns": columns
    }


def test_constraints_hold_on_what_was_tuned_on() -> None:
    orders = shop(6_000, 2, off_by=4.0)
    costs = Costs(review_cost_minor=20, challenge_honest_dropout_share=0.9)
    free = tuned(orders, costs=costs)
    share = {row["figure"]: row["value"] for row in free.rates_.to_dicts()}
    assert share["reviews_per_day"] > 20
    limits = Constraints(reviews_per_day=10, decline_share_max=0.02, fraud_bps_max=320.0)
    held = tuned(orders, costs=costs, constraints=limits)
    found = {row["figure"]: row["value"] for row in held.rates_.to_dicts()}
    assert found["reviews_per_day"] <= 10 + 1e-9
    assert found["decline_share"] <= 0.02 + 1e-9
    assert held.policy_.prices.review_minor > 0.0
    rulings = Decider(held.policy_).of_many(
        orders["p"], orders["amount_minor"], orders["columns"], time_ms=orders["event_time"]
    )
    days = orders["event_time"] // DAY_MS
    assert max(np.bincount(days, rulings.action == ACTIONS.index("review"))) <= 10
    with pytest.raises(PolicyError, match="fraud"):
        tuned(orders, costs=costs, constraints=Constraints(decline_share_max=0.0,
              reviews_per_day=0, fraud_bps_max=0.1))  # fmt: skip


def test_segments_are_shrunk_toward_the_whole_and_small_ones_merged() -> None:
    orders = shop(20_000, 4)
    country = np.array(orders["columns"]["billing.country"])
    # In France the odds are four times as high again; Sweden is small.
    odds = 8.0 * orders["p"] / (1.0 - orders["p"])
    drawn = np.random.default_rng(9).random(20_000) < odds / (1.0 + odds)
    orders["y"] = np.where(country == "FR", drawn, orders["y"]).astype(np.float64)
    tuner = tuned(orders, segments=["billing.country"], support_frauds=250)
    table = {row["name"]: row for row in tuner.segments_.to_dicts()}
    assert set(table) == {"de", "fr"}
    whole = tuner.policy_.odds_factor
    for row in table.values():
        assert 0.0 <= row["weight"] <= 1.0
        between = sorted((whole, row["own_factor"]))
        assert between[0] - 1e-9 <= row["factor"] <= between[1] + 1e-9
    assert table["fr"]["factor"] > 1.5 * table["de"]["factor"]
    assert parse_policy(policy_toml(tuner.policy_)) == tuner.policy_
    flags = {segment.name: segment.when for segment in tuner.policy_.segments}
    assert flags["fr"] == {"billing.country": ("FR",)}


def test_segments_of_the_policy_keep_their_rules() -> None:
    never = Segment(name="vip", when={"billing.country": ("SE",)}, never_decline=True)
    always = Segment(name="new", when={"billing.country": ("FR",)}, always_review=True)
    orders = shop(4_000, 6)
    tuner = tuned(orders, policy=Policy(segments=(never, always)))
    vip, new = tuner.policy_.segments
    assert vip.never_decline
    assert new.always_review
    assert tuner.n_orders_ < 4_000
    with pytest.raises(ParameterError, match="segments"):
        tuned(orders, policy=tuner.policy_, segments=["billing.country"])


def test_the_checkout_decides_as_the_tuning_reckoned() -> None:
    orders = shop(2_000, 8)
    for form in ("costs", "cut_offs"):
        tuner = tuned(orders, form=form, segments=["billing.country"])
        held = tuning_orders(
            Policy(), orders["y"], orders["p"], orders["amount_minor"], orders["event_time"],
            None, orders["columns"], ["billing.country"], support_frauds=30,
        )  # fmt: skip
        rulings = Decider(tuner.policy_).of_many(
            orders["p"], orders["amount_minor"], orders["columns"], time_ms=orders["event_time"]
        )
        assert actions_of(held, tuner.policy_).tolist() == rulings.action.tolist()


def test_intervals_are_the_same_for_a_seed_on_any_number_of_jobs() -> None:
    orders = shop(2_000, 7)
    first, again = (tuned(orders, n_resamples=8, seed=3, n_jobs=jobs) for jobs in (1, 2))
    assert first.thresholds_.equals(again.thresholds_)
    assert first.rates_.equals(again.rates_)
    assert first.cost_curve_.equals(again.cost_curve_)
    assert first.baselines_.equals(again.baselines_)
    assert first.n_drawn_ == 8
    other = tuned(orders, n_resamples=8, seed=4)
    assert not other.rates_.equals(first.rates_)
    told = first.thresholds_.drop_nulls("low")
    assert (told["low"] <= told["high"]).all()
    assert first.rates_["figure"].to_list()[-1] == "mean_cost_minor_unseen"
    unseen = first.rates_.filter(pl.col("figure") == "mean_cost_minor_unseen")["value"].item()
    assert unseen >= first.rates_.filter(pl.col("figure") == "mean_cost_minor")["low"].item()
    for shown in (str(first), first._repr_html_()):
        assert "What it decides" in shown
    assert "not fitted" in str(PolicyTuner())


def test_no_challenge_is_told_where_no_order_can_be_challenged() -> None:
    tuner = tuned(shop(6_000, 3), segments=["payment.method"], n_resamples=2)
    told = tuner.thresholds_.filter(pl.col("action") == "challenge")
    # Every order is in one of the two segments; the rest is as a card that comes may be.
    assert set(told["segment"]) == {None, "card"}
    assert (told["drawn_share"] == 1.0).all()


def test_progress_is_told_after_each_redrawn_tuning_in_order() -> None:
    orders = shop(600, 7)
    for n_jobs in (1, 2):
        told: list[tuple[int, int]] = []
        PolicyTuner(n_resamples=5, n_jobs=n_jobs).fit(
            **orders, on_progress=lambda done, of, told=told: told.append((done, of))
        )
        assert told == [(done, 5) for done in range(1, 6)]


def test_the_first_week_has_no_regret_and_no_week_gains_from_the_last_ones_policy() -> None:
    table = tuned(shop(6_000, 9)).stability_
    assert table["regret_minor"][0] is None
    assert (table["regret_minor"].drop_nulls() >= -1e-9).all()
    assert table["n_orders"].sum() == 6_000


def test_unknown_outcomes_and_amounts_are_left_out_and_counted() -> None:
    orders = shop(1_000, 1)
    y, amount = orders["y"].copy(), orders["amount_minor"].copy()
    y[::10], amount[5::10] = np.nan, np.nan
    tuner = tuned(orders | {"y": y, "amount_minor": amount})
    assert (tuner.n_orders_, tuner.n_unknown_) == (800, 200)
    kept = np.flatnonzero(~np.isnan(y) & ~np.isnan(amount))
    assert tuned(rows_of(orders, kept)).policy_ == tuner.policy_


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": np.zeros(50)}, "0 frauds among 50"),
        ({"y": np.full(50, 2.0)}, "y must be 0, 1 or NaN"),
        ({"p": np.full(50, 1.5)}, "p must be probabilities"),
        ({"p": np.full(50, np.nan)}, "p must be probabilities"),
        ({"p": np.zeros(49)}, "p must have one value an order, 50, got 49"),
        ({"event_time": np.zeros(50)}, "event_time must be datetime64"),
        ({"amount_minor": np.full(50, -1.0)}, "amount_minor must be at least 0"),
        ({"weights": np.full(50, -1.0)}, "weights must be finite"),
        ({"columns": {"billing.country": ["DE"]}}, r"columns\['billing.country'\] must have one"),
    ],
)
def test_what_cannot_be_tuned_on_is_refused(changed: dict[str, Any], message: str) -> None:
    orders = rows_of(shop(500, 1), np.arange(50))
    with pytest.raises(InputError, match=message):
        tuned(orders | changed)


def test_parameters_that_do_not_hold_are_refused() -> None:
    with pytest.raises(ParameterError, match="form must be"):
        PolicyTuner(form="curve")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="confidence"):
        PolicyTuner(confidence=1.0)
    with pytest.raises(InputError, match=r"'billing\.county' is not there"):
        tuned(shop(500, 1), segments=["billing.county"])


def test_times_may_be_datetimes() -> None:
    orders = shop(500, 2)
    as_dates = orders["event_time"].astype("datetime64[ms]")
    assert tuned(orders | {"event_time": as_dates}).policy_ == tuned(orders).policy_
