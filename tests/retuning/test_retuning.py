"""Tuning on a log that explored is tuning on every outcome; and what it rests on is said."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fraudkit.decisions.costs import Costs
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.decisions.tuning import PolicyTuner
from fraudkit.domain.money import rate_table
from fraudkit.errors import InputError
from fraudkit.mapping import MappedData
from fraudkit.retuning import tune_on_scores
from tests.mapped import DAY_MS, mapped
from tests.retuning.logged import Shop, logged, made

RATES = rate_table("EUR")
AS_OF_MS = 100 * DAY_MS
# Sums of whole amounts at these shares are exact, so a weight of 2 is to the bit two orders.
EXACT = Costs(
    review_detection_share=0.75,
    review_false_reject_share=0.0625,
    challenge_fraud_dropout_share=0.75,
    challenge_honest_dropout_share=0.125,
    challenge_liability_shift_share=0.5,
)


class Remembering(PolicyTuner):
    """A tuner that remembers what it was given."""

    def fit(self, y: Any, p: Any, **given: Any) -> PolicyTuner:
        self.is_fraud, self.probability, self.given = y, p, given
        return super().fit(y, p, **given)


def tuned(shop: Shop, data: MappedData, **options: Any) -> Remembering:
    tuner = Remembering(**({"n_resamples": 0} | options))
    tune_on_scores(tuner, shop.scores, data, RATES, as_of_ms=AS_OF_MS)
    return tuner


def drawn(shop: Shop, share: float, seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.random.default_rng(seed).random(len(shop.is_fraud)) < share


def without_chances(data: MappedData) -> MappedData:
    return MappedData(**(vars(data) | {"propensities": data.propensities.clear()}))


def everything(shop: Shop) -> MappedData:
    return mapped(shop.frame, shop.is_fraud.tolist())


@settings(max_examples=60, deadline=None)
@given(
    n_orders=st.integers(30, 200),
    seed=st.integers(0, 10**6),
    form=st.sampled_from(["costs", "cut_offs"]),
)
def test_an_order_that_passed_at_even_chances_is_two_orders(
    n_orders: int, seed: int, form: str
) -> None:
    shop = made(n_orders, seed)
    passed = drawn(shop, 0.5, seed)
    seen = passed | ~shop.would_decline
    assume(0 < shop.is_fraud[seen].sum() < seen.sum())
    assume((passed & shop.would_decline).any())
    weighted = tuned(shop, logged(shop, passed, 0.5), costs=EXACT, form=form)
    times = np.where(shop.would_decline, 2 * passed, 1)
    twice = shop.taken(np.repeat(np.arange(n_orders), times))
    plain = tuned(twice, everything(twice), costs=EXACT, form=form)
    assert weighted.policy_ == plain.policy_
    rates, others = (held.rates_.select("figure", "value").rows() for held in (weighted, plain))
    assert [name for name, _value in rates] == [name for name, _value in others]
    assert [value for _name, value in rates] == pytest.approx([value for _name, value in others])


def total_cost(tuner: Remembering, policy: Policy) -> float:
    """Return what a policy cost on the orders that the tuner was given, by their weights."""
    given = tuner.given
    decider = Decider(policy)
    actions = decider.of_many(
        tuner.probability, given["amount_minor"], given["columns"], time_ms=given["event_time"]
    ).action
    at_honest, at_fraud = decider.cost_lines_of_many(given["amount_minor"], given["columns"])
    cost = np.where(tuner.is_fraud == 1.0, at_fraud, at_honest)[actions, np.arange(len(actions))]
    is_known = ~np.isnan(tuner.is_fraud)
    return float((cost * given["weights"])[is_known].sum())


def test_what_a_policy_cost_is_estimated_without_bias() -> None:
    """Over 300 draws: within 3 standard errors of the truth; without the weights beyond 10."""
    shop, policy, share = made(600, 5), Policy(odds_factor=0.3), 0.2
    truth = total_cost(tuned(shop, everything(shop)), policy)
    logs = [logged(shop, drawn(shop, share, seed), share) for seed in range(300)]
    weighted, plain = (
        np.array([total_cost(tuned(shop, data), policy) for data in held])
        for held in (logs, [without_chances(data) for data in logs])
    )
    assert abs(weighted.mean() - truth) < 3.0 * weighted.std(ddof=1) / sqrt(len(logs))
    assert abs(plain.mean() - truth) > 10.0 * weighted.std(ddof=1) / sqrt(len(logs))


def regrets(n_orders: int) -> tuple[float, float]:
    """Return what tuning on a log costs beyond tuning on every outcome, with weights and without.

    In minor units an order, over all outcomes; the mean of five draws.
    """
    shop, share = made(n_orders, 1), 0.2
    full = tuned(shop, everything(shop))
    best = total_cost(full, full.policy_)
    found = []
    for seed in range(5):
        data = logged(shop, drawn(shop, share, seed), share)
        both = (tuned(shop, held).policy_ for held in (data, without_chances(data)))
        found.append([total_cost(full, policy) - best for policy in both])
    with_weights, without = np.mean(found, axis=0) / n_orders
    return float(with_weights), float(without)


def test_tuning_on_a_log_that_explored_goes_to_tuning_on_every_outcome() -> None:
    """An order gains about 800: at 60,000 orders less than 1 is lost, without the weights 10."""
    few, _few_without = regrets(2_000)
    many, without = regrets(60_000)
    assert 0.0 <= many < min(few, 1.0)
    assert without > 10.0


def test_weights_are_one_over_the_logged_chance_of_those_that_passed() -> None:
    shop = made(500, 3)
    passed = drawn(shop, 0.25, 4)
    tuner = tuned(shop, logged(shop, passed, 0.25))
    explored = shop.would_decline & passed
    is_known = ~np.isnan(tuner.is_fraud)
    assert is_known.tolist() == (explored | ~shop.would_decline).tolist()
    assert (
        tuner.given["weights"][is_known].tolist() == np.where(explored, 4.0, 1.0)[is_known].tolist()
    )
    coverage = tuner.label_coverage_
    assert (coverage.n_weighted, coverage.weight_max) == (explored.sum(), 4.0)
    held = np.where(explored, 4.0, 1.0)[is_known]
    assert coverage.effective_sample_size == pytest.approx(held.sum() ** 2 / (held**2).sum())
    told = " ".join(coverage.notes)
    assert f"{explored.sum()} orders stand for more than themselves" in told
    assert "each for 4 at most" in told
    assert f"as much as {coverage.effective_sample_size:,.0f} that weigh the same" in told
    none_passed = tuned(shop, logged(shop, np.zeros(500, np.bool_), 0.25)).label_coverage_
    assert none_passed.n_weighted == 0
    assert "not about loosening" in " ".join(none_passed.notes)


def test_a_label_of_an_order_that_stayed_declined_is_not_used() -> None:
    shop = made(500, 3)
    data = logged(shop, drawn(shop, 0.25, 4), 0.25)
    labelled = MappedData(**(vars(data) | {"labels": everything(shop).labels}))
    tuner, other = tuned(shop, data), tuned(shop, labelled)
    assert other.policy_ == tuner.policy_
    assert other.label_coverage_ == tuner.label_coverage_


def test_the_propensity_of_a_scores_file_is_no_weight() -> None:
    shop = made(500, 3)
    file = shop.scores.with_columns(
        approve_propensity=pl.lit(0.01), shaped_by=pl.lit(None, pl.List(pl.String))
    )
    tuner = tuned(shop._replace(scores=file), everything(shop))
    assert set(tuner.given["weights"].tolist()) == {1.0}
    assert tuner.policy_ == tuned(shop, everything(shop)).policy_


def aged(shop: Shop, as_of_day: int, delay_days: float) -> PolicyTuner:
    tuner = PolicyTuner(n_resamples=0)
    data = logged(shop, np.zeros(len(shop.is_fraud), np.bool_), 0.25)
    return tune_on_scores(
        tuner, shop.scores, without_chances(data), RATES,
        as_of_ms=as_of_day * DAY_MS, label_delay_days=delay_days,
    )  # fmt: skip


def test_why_orders_are_left_out_is_counted() -> None:
    shop = made(2_000, 7)
    times = shop.frame["event_time_ms"].to_numpy()
    tuner = aged(shop, 40, 10.0)
    is_young = times > 30 * DAY_MS
    known = ~is_young & ~shop.would_decline
    found = tuner.label_coverage_
    assert (found.n_orders, found.n_known, found.n_used) == (2_000, known.sum(), known.sum())
    assert found.n_too_young == is_young.sum()
    assert found.n_declined == (~is_young & shop.would_decline).sum()
    assert tuner.label_known_share_ == known.mean() > 0.5
    assert (found.first_event_ms, found.last_event_ms) == (times[0], times[-1])
    assert (found.first_used_ms, found.last_used_ms) == (times[known][0], times[known][-1])
    told = " ".join(found.notes)
    for words in (
        f"Tuned on {known.sum():,} of 2,000 orders, from 1970-01-01 ",
        f"{is_young.sum():,} are too young, {found.n_declined:,} were declined",
    ):
        assert words in told
    assert "Warning" not in told
    assert found.notes[0] in str(tuner)


def test_a_tuning_on_few_and_old_outcomes_warns() -> None:
    shop = made(2_000, 7)
    found = aged(shop, 40, 25.0).label_coverage_
    times = shop.frame["event_time_ms"].to_numpy()
    used = times[(times <= 15 * DAY_MS) & ~shop.would_decline]
    days = (times[-1] - used[-1]) / DAY_MS
    assert found.label_known_share < 0.5
    assert found.notes[-1].startswith(f"Warning: only {found.label_known_share:.1%} of the orders")
    assert f"{days:.1f} days older than the last order" in found.notes[-1]


def test_outcomes_without_a_reason_and_without_an_amount_are_counted_too() -> None:
    shop = made(1_000, 8)
    known = [None if number % 10 == 0 else bool(f) for number, f in enumerate(shop.is_fraud)]
    currency = (
        pl.when(pl.int_range(pl.len()) % 10 == 5).then(pl.lit("XAF")).otherwise(pl.lit("EUR"))
    )
    frame = shop.frame.with_columns(currency.alias("order.currency"))
    tuner = tuned(shop, mapped(frame, known))
    found = tuner.label_coverage_
    assert (found.n_known, found.n_used, tuner.n_unknown_) == (900, 800, 200)
    assert (found.n_too_young, found.n_declined) == (0, 0)
    told = " ".join(found.notes)
    assert "100 orders have no known outcome and are left out: 100 have none for another" in told
    assert "100 have one, but no amount or no weight" in told


def test_a_propensity_of_nothing_is_refused() -> None:
    shop = made(100, 1)
    data = everything(shop)
    chances = pl.DataFrame({"transaction_id": ["t1"], "approve_propensity": [0.0]})
    with pytest.raises(InputError, match="weights must be finite"):
        tuned(shop, MappedData(**(vars(data) | {"propensities": chances})))
