"""The cheapest cut-offs within limits, against every rule there is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.optimum import cut_off_search
from fraudkit.decisions.optimum.cut_offs import CutOffs, cut_off_actions, optimal_cut_offs
from fraudkit.decisions.optimum.limits import LetThrough, Limits, Orders
from fraudkit.errors import InputError, PolicyError

Floats = NDArray[np.float64]
Begins = tuple[float | None, float | None, float | None]

THROUGH = LetThrough(fraud=(1.0, 0.25, 0.5, 0.0), honest=(1.0, 0.75, 1.0, 0.0))
LABELS = LetThrough(fraud=(1.0, 1.0, 1.0, 0.0), honest=(1.0, 1.0, 1.0, 0.0))
nan = float("nan")

whole_costs = st.sampled_from([0.0, 1.0, -1.0, 2.0, 7.0])
some_costs = whole_costs | st.just(nan)


class Row(NamedTuple):
    """One order of a history."""

    score: float
    is_fraud: float
    value: float
    costs: tuple[float, float, float, float]
    day: int
    weight: float


def rows(costs: st.SearchStrategy[float]) -> st.SearchStrategy[list[Row]]:
    one = st.builds(
        Row,
        score=st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]),
        is_fraud=st.sampled_from([0.0, 1.0]),
        value=st.sampled_from([0.0, 1.0, 4.0, 16.0]),
        costs=st.tuples(whole_costs, costs, costs, costs),
        day=st.sampled_from([3, 4]),
        weight=st.sampled_from([1.0, 2.0, 0.0]),
    )
    return st.lists(one, max_size=6)


histories = rows(some_costs) | rows(whole_costs)
all_limits = st.builds(
    Limits,
    reviews_per_day_max=st.sampled_from([None, 0.0, 0.5, 1.0, 2.0]),
    decline_share_max=st.sampled_from([None, 0.0, 0.25, 0.5]),
    fraud_rate_bps_max=st.sampled_from([None, 0.0, 625.0, 1250.0, 2500.0, 5000.0]),
)


def orders_of(history: list[Row]) -> tuple[Floats, Orders]:
    return np.array([row.score for row in history]), Orders(
        np.array([row.is_fraud for row in history]),
        np.array([row.value for row in history]),
        np.array([row.costs for row in history]).reshape(-1, 4).T,
        np.array([row.day for row in history], np.int64),
        np.array([row.weight for row in history]),
    )


def taken(begins: Begins, row: Row) -> int:
    """Return the last possible action whose cut-off is not above the score."""
    action = 0
    for place, begin in enumerate(begins, 1):
        if begin is not None and begin <= row.score and not np.isnan(row.costs[place]):
            action = place
    return action


def figures(begins: Begins, history: list[Row]) -> tuple[float, float, float, Fraction]:
    """Return cost, reviews a day, share of declines and fraud rate in basis points."""
    cost = reviews = declines = 0.0
    fraud = honest = Fraction(0)
    for row in history:
        action = taken(begins, row)
        cost += row.weight * row.costs[action]
        reviews += row.weight * (action == 2)
        declines += row.weight * (action == 3)
        value = Fraction(row.weight) * Fraction(row.value)
        fraud += value * Fraction(row.is_fraud) * Fraction(THROUGH.fraud[action])
        honest += value * Fraction(1 - row.is_fraud) * Fraction(THROUGH.honest[action])
    n_days = len({row.day for row in history if row.weight > 0.0}) or 1
    weight = sum(row.weight for row in history) or 1.0
    rate = fraud / (fraud + honest) * 10_000 if fraud else Fraction(0)
    return cost, reviews / n_days, declines / weight, rate


def is_within(found: tuple[float, float, float, Fraction], limits: Limits) -> bool:
    return all(
        most is None or reached <= most for reached, most in zip(found[1:], limits, strict=True)
    )


def every_rule(history: list[Row]) -> Iterator[Begins]:
    scores = sorted({row.score for row in history if row.weight > 0.0})
    for n_used in range(4):
        for places in combinations(range(3), n_used):
            for cuts in combinations_with_replacement(scores, n_used):
                begins: list[float | None] = [None, None, None]
                for place, cut in zip(places, cuts, strict=True):
                    begins[place] = cut
                yield begins[0], begins[1], begins[2]


@pytest.mark.parametrize("table_max", [2**12, 4])
@settings(max_examples=200, deadline=None)
@given(history=histories, limits=all_limits)
def test_no_rule_within_the_limits_is_cheaper(
    table_max: int, history: list[Row], limits: Limits
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cut_off_search, "_TABLE_MAX", table_max)
        check_against_every_rule(history, limits)


def check_against_every_rule(history: list[Row], limits: Limits) -> None:
    rules = [(figures(begins, history), begins) for begins in every_rule(history)]
    within = [found for found, _begins in rules if is_within(found, limits)]
    if not within:
        least = min(
            float(found[3]) for found, _begins in rules
            if is_within(found, limits._replace(fraud_rate_bps_max=None))
        )  # fmt: skip
        with pytest.raises(PolicyError, match=f"at least {least:.6g}, the least"):
            optimal_cut_offs(*orders_of(history), THROUGH, limits)
        return
    found = optimal_cut_offs(*orders_of(history), THROUGH, limits)
    reached = figures(found.from_score, history)
    assert is_within(reached, limits)
    assert found.cost == reached[0] == min(cost for cost, *_ in within)
    assert found.gap == 0.0
    assert (found.reviews_per_day, found.decline_share) == reached[1:3]
    assert found.fraud_rate_bps == pytest.approx(float(reached[3]))


@settings(max_examples=200, deadline=None)
@given(history=histories)
def test_of_equals_without_limits_the_earlier_action_is_kept(history: list[Row]) -> None:
    found = optimal_cut_offs(*orders_of(history), THROUGH).from_score
    counted = [row for row in history if row.weight > 0.0]
    is_everything_possible = not any(np.isnan(row.costs).any() for row in counted)
    rules = [(figures(begins, history)[0], begins) for begins in every_rule(history)]
    best = [begins for cost, begins in rules if cost == min(cost for cost, _begins in rules)]
    chosen = [taken(found, row) for row in counted]
    if is_everything_possible:
        assert all(
            sum(chosen) <= sum(taken(begins, row) for row in counted) for begins in best
        )  # fmt: skip
    else:
        n_used = [sum(begin is not None for begin in begins) for begins in best]
        assert sum(begin is not None for begin in found) == min(n_used)


@settings(max_examples=100, deadline=None)
@given(history=histories, limits=all_limits, seed=st.integers(0, 2**16))
def test_a_weight_is_so_many_orders_in_any_order(
    history: list[Row], limits: Limits, seed: int
) -> None:
    repeated = [row._replace(weight=1.0) for row in history for _ in range(int(row.weight))]
    mixed = [repeated[place] for place in np.random.default_rng(seed).permutation(len(repeated))]
    said: list[CutOffs | str] = []
    for held in (history, repeated, mixed):
        try:
            said.append(optimal_cut_offs(*orders_of(held), THROUGH, limits))
        except PolicyError as refused:
            said.append(str(refused))
    assert said[0] == said[1] == said[2]


@given(history=histories, limits=all_limits)
def test_cut_offs_ascend_and_lie_in_the_middle_between_scores(
    history: list[Row], limits: Limits
) -> None:
    try:
        found = optimal_cut_offs(*orders_of(history), THROUGH, limits).from_score
    except PolicyError:
        return
    scores = sorted({row.score for row in history if row.weight > 0.0})
    stated = [begin for begin in found if begin is not None]
    assert stated == sorted(stated)
    assert set(stated) <= {0.0, *((low + high) / 2.0 for low, high in pairwise(scores))}


@given(history=histories, begins=st.tuples(*[st.none() | st.sampled_from([0.0, 0.25, 0.5])] * 3))
def test_actions_by_cut_offs_are_those_of_the_definition(
    history: list[Row], begins: Begins
) -> None:
    scores, orders = orders_of(history)
    actions = cut_off_actions(scores, orders.costs, begins)
    assert actions.tolist() == [taken(begins, row) for row in history]


def drawn(n_orders: int, seed: int) -> tuple[Floats, Orders]:
    """Return orders of a shop, with costs that are not whole and scores that differ."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.3, 3.0, n_orders)
    is_fraud = (rng.random(n_orders) < score).astype(np.float64)
    value = np.exp(rng.normal(4.0, 1.0, n_orders))
    costs = np.array([
        np.where(is_fraud, value, -0.2 * value),
        np.where(is_fraud, 0.02 * value, 5.0 - 0.15 * value),
        4.0 + np.where(is_fraud, 0.2 * value, -0.19 * value),
        np.where(is_fraud, 0.0, 10.0),
    ])  # fmt: skip
    return score, Orders(is_fraud, value, costs, rng.integers(0, 5, n_orders))


@pytest.mark.parametrize("table_max", [2**12, 4])
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    limits=st.builds(
        Limits, st.sampled_from([None, 0.4, 1.0]), st.sampled_from([None, 0.1]),
        st.sampled_from([None, 20.0, 100.0, 400.0]),
    ),
)  # fmt: skip
def test_costs_that_are_not_whole_are_right_up_to_rounding(
    table_max: int, seed: int, limits: Limits
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cut_off_search, "_TABLE_MAX", table_max)
        check_against_every_cut(seed, limits)


def check_against_every_cut(seed: int, limits: Limits) -> None:
    scores, orders = drawn(16, seed)
    history = [
        Row(score, is_fraud, value, tuple(costs), int(day), 1.0)  # type: ignore[arg-type]
        for score, is_fraud, value, costs, day in zip(
            scores.tolist(), orders.probability.tolist(), orders.value.tolist(),
            orders.costs.T.tolist(), orders.days, strict=True,
        )
    ]  # fmt: skip
    cuts = [*sorted(scores.tolist()), 2.0]
    rules = [figures(begins, history) for begins in combinations_with_replacement(cuts, 3)]
    within = [cost for cost, *rest in rules if is_within((cost, *rest), limits)]  # type: ignore[arg-type]
    if not within:
        with pytest.raises(PolicyError, match="cannot be met by cut-offs"):
            optimal_cut_offs(scores, orders, THROUGH, limits)
        return
    found = optimal_cut_offs(scores, orders, THROUGH, limits)
    assert found.cost == pytest.approx(min(within))
    assert is_within(figures(found.from_score, history), limits)


def test_where_too_many_cut_offs_are_left_the_gap_is_stated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores, orders = drawn(2_000, 1)
    limits = Limits(reviews_per_day_max=20, decline_share_max=0.02, fraud_rate_bps_max=240)
    exact = optimal_cut_offs(scores, orders, THROUGH, limits)
    assert exact.gap == 0.0
    monkeypatch.setattr(cut_off_search, "_TRIED_MAX", 0)
    found = optimal_cut_offs(scores, orders, THROUGH, limits)
    assert found.gap > 0.0
    assert found.cost - found.gap <= exact.cost <= found.cost
    for held in (exact, found):
        assert held.reviews_per_day <= 20
        assert held.decline_share <= 0.02
        assert held.fraud_rate_bps <= 240


def test_between_two_neighbouring_floats_the_cut_off_is_the_upper() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1.0))
    costs = np.array([[0.0, 1.0], [nan, nan], [nan, nan], [1.0, 0.0]])
    orders = Orders(np.zeros(2), np.ones(2), costs, np.zeros(2, int))
    found = optimal_cut_offs(np.array([low, high]), orders, LABELS)
    assert (found.from_score, found.cost) == ((None, None, high), 0.0)


def test_an_action_of_no_score_is_stated_where_it_takes_anothers_place() -> None:
    costs = np.array([[9.0, 9.0], [1.0, 5.0], [nan, 0.0], [9.0, 9.0]])
    orders = Orders(np.zeros(2), np.ones(2), costs, np.zeros(2, int))
    found = optimal_cut_offs(np.array([0.5, 0.5]), orders, LABELS)
    assert (found.from_score, found.cost) == ((0.0, 0.0, None), 1.0)


def test_without_orders_everything_is_approved() -> None:
    nothing = np.empty(0)
    orders = Orders(nothing, nothing, np.empty((4, 0)), np.empty(0, int))
    assert optimal_cut_offs(nothing, orders, LABELS, Limits(0.0, 0.0, 0.0)) == CutOffs(
        (None, None, None), 0.0, 0.0, 0.0, 0.0, 0.0
    )


@pytest.mark.parametrize(
    ("scores", "changed", "message"),
    [
        ([0.5, 1.5], {}, r"scores must be .* from 0 to 1, got 1.5 at order 1"),
        ([0.5, nan], {}, "scores must be .*, got nan at order 1"),
        ([0.5], {}, r"scores must be an array of numbers of shape \(2,\)"),
        ([0.5, 0.6], {"costs": np.zeros((3, 2))}, r"costs must be .* of shape \(4, 2\)"),
        ([0.5, 0.6], {"costs": np.full((4, 2), nan)}, "cost of approve .* order 0"),
        ([0.5, 0.6], {"weights": np.array([1.0, -1.0])}, "weights must be .* from 0 .* order 1"),
    ],
)
def test_what_does_not_hold_is_refused(
    scores: list[float], changed: dict[str, Floats], message: str
) -> None:
    orders = Orders(np.zeros(2), np.ones(2), np.zeros((4, 2)), np.zeros(2, int))
    with pytest.raises(InputError, match=message):
        optimal_cut_offs(np.array(scores), orders._replace(**changed), LABELS)
