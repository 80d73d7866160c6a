"""The cheapest cut-offs, against every rule there is."""

from __future__ import annotations

from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.optimum.cut_offs import CutOffs, optimal_cut_offs
from fraudkit.errors import InputError

Floats = NDArray[np.float64]

ACTIONS = [(0,), (0, 1), (0, 2), (0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2), (0, 1, 2, 3)]
whole_costs = st.sampled_from([0.0, 1.0, -1.0, 2.0])
optional_costs = whole_costs | st.just(float("nan"))
orders = st.tuples(
    st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]),
    st.tuples(whole_costs, optional_costs, optional_costs, whole_costs),
    st.sampled_from([1.0, 2.0, 0.0]),
)
histories = st.lists(orders, max_size=6)


def arrays(history: list[tuple[float, tuple[float, ...], float]]) -> tuple[Floats, Floats, Floats]:
    scores = np.array([score for score, _costs, _weight in history])
    costs = np.array([costs for _score, costs, _weight in history]).reshape(-1, 4).T
    return scores, costs, np.array([weight for _score, _costs, weight in history])


def taken(cut_offs: tuple[float, ...], actions: tuple[int, ...], score: float) -> int:
    """Return the place of the action of the highest cut-off that is not above the score."""
    return max(place for place in range(len(actions)) if cut_offs[place] <= score)


def cost_of(actions: tuple[int, ...], place: int, costs: Floats) -> float:
    """Return what an order costs whose action may give way to an earlier one of the rule."""
    while np.isnan(costs[actions[place]]):
        place -= 1
    return float(costs[actions[place]])


def total(
    cut_offs: tuple[float, ...],
    actions: tuple[int, ...],
    scores: Floats,
    costs: Floats,
    weights: Floats,
) -> float:
    return sum(
        weights[row] * cost_of(actions, taken(cut_offs, actions, score), costs[:, row])
        for row, score in enumerate(scores.tolist())
    )


@settings(max_examples=500)
@given(history=histories, actions=st.sampled_from(ACTIONS))
def test_no_rule_is_cheaper_and_ties_are_settled_as_said(
    history: list[tuple[float, tuple[float, ...], float]], actions: tuple[int, ...]
) -> None:
    scores, costs, weights = arrays(history)
    seen = sorted({score for score, weight in zip(scores, weights, strict=True) if weight > 0.0})
    found = optimal_cut_offs(scores, costs, weights, actions=actions)
    assert total(found.from_probability, actions, scores, costs, weights) == found.cost

    def rank(cut_offs: tuple[float, ...]) -> tuple[object, ...]:
        used = sorted({taken(cut_offs, actions, score) for score in seen}) or [0]
        places = [taken(cut_offs, actions, score) for score in seen]
        return total(cut_offs, actions, scores, costs, weights), len(used), used, places

    rules = [
        (0.0, *cuts)
        for cuts in combinations_with_replacement([*seen, np.inf], len(actions) - 1)
    ]  # fmt: skip
    best = min(rank(rule) for rule in rules)
    assert rank(found.from_probability) == best
    assert len({tuple(rank(rule)[3]) for rule in rules if rank(rule) == best}) == 1  # type: ignore[arg-type]


@given(history=histories, actions=st.sampled_from(ACTIONS))
def test_cut_offs_ascend_and_lie_in_the_middle_between_scores(
    history: list[tuple[float, tuple[float, ...], float]], actions: tuple[int, ...]
) -> None:
    scores, costs, weights = arrays(history)
    seen = sorted({score for score, weight in zip(scores, weights, strict=True) if weight > 0.0})
    cut_offs = optimal_cut_offs(scores, costs, weights, actions=actions).from_probability
    assert len(cut_offs) == len(actions)
    assert list(cut_offs) == sorted(cut_offs)
    assert cut_offs[0] == 0.0
    middles = [(low + high) / 2.0 for low, high in pairwise(seen)]
    assert set(cut_offs) <= {0.0, *middles, np.inf}


@given(history=histories)
def test_a_weight_is_so_many_orders(
    history: list[tuple[float, tuple[float, ...], float]],
) -> None:
    scores, costs, weights = arrays(history)
    repeated = np.repeat(np.arange(len(scores)), weights.astype(int))
    assert optimal_cut_offs(scores, costs, weights) == optimal_cut_offs(
        scores[repeated], costs[:, repeated]
    )


@given(history=histories, seed=st.integers(0, 2**16))
def test_the_order_of_the_rows_does_not_matter(
    history: list[tuple[float, tuple[float, ...], float]], seed: int
) -> None:
    scores, costs, weights = arrays(history)
    mixed = np.random.default_rng(seed).permutation(len(scores))
    assert optimal_cut_offs(scores, costs, weights) == optimal_cut_offs(
        scores[mixed], costs[:, mixed], weights[mixed]
    )


amounts = st.floats(-1e6, 1e6)


@given(
    history=st.lists(
        st.tuples(st.floats(0.0, 1.0), st.tuples(amounts, amounts, amounts, amounts)), max_size=6
    )
)
def test_costs_that_are_not_whole_are_right_up_to_rounding(
    history: list[tuple[float, tuple[float, float, float, float]]],
) -> None:
    scores, costs, ones = arrays([(score, costs, 1.0) for score, costs in history])
    found = optimal_cut_offs(scores, costs)
    everything = (0, 1, 2, 3)
    least = min(
        total((0.0, *cuts), everything, scores, costs, ones)
        for cuts in combinations_with_replacement([*sorted(scores.tolist()), np.inf], 3)
    )
    assert found.cost == pytest.approx(least, abs=1e-7)
    assert total(found.from_probability, everything, scores, costs, ones) == pytest.approx(
        least, abs=1e-7
    )


def test_an_action_that_only_rounding_makes_cheaper_is_not_taken() -> None:
    costs = np.array([[0.1], [np.nan], [np.nan], [0.4]])
    assert (0.1 - 0.4) + 0.4 < 0.1
    assert optimal_cut_offs(np.array([0.5]), costs) == CutOffs((0.0, np.inf, np.inf, np.inf), 0.1)


def test_between_two_neighbouring_floats_the_cut_off_is_the_upper() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1.0))
    costs = np.array([[0.0, 1.0], [np.nan, np.nan], [np.nan, np.nan], [1.0, 0.0]])
    assert optimal_cut_offs(np.array([low, high]), costs, actions=(0, 3)) == CutOffs(
        (0.0, high), 0.0
    )


def test_without_orders_everything_is_approved() -> None:
    assert optimal_cut_offs(np.empty(0), np.empty((4, 0))) == CutOffs(
        (0.0, np.inf, np.inf, np.inf), 0.0
    )


def costs_but(action: int, value: float) -> Floats:
    costs = np.zeros((4, 2))
    costs[action, 1] = value
    return costs


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scores": np.array([0.5, 1.5])}, r"scores must be .* from 0 to 1, got 1.5 at order 1"),
        ({"scores": np.array([0.5, np.nan])}, "scores must be .*, got nan at order 1"),
        ({"scores": np.array(["a", "b"])}, "scores must be an array of numbers"),
        ({"costs": np.zeros((3, 2))}, r"costs must be .* of shape \(4, 2\), got .* \(3, 2\)"),
        ({"costs": costs_but(1, np.inf)}, "costs must be finite"),
        ({"costs": costs_but(0, np.nan)}, "cost of approve .* order 1"),
        ({"costs": costs_but(3, np.nan)}, "a cost of decline .* at order 1"),
        ({"weights": np.array([1.0, -1.0])}, "weights must be .* from 0 .* got -1.0 at order 1"),
        ({"weights": np.ones(3)}, r"weights must be .* of shape \(2,\)"),
        ({"actions": ()}, r"actions must be ascending .* got \(\)"),
        ({"actions": (1, 3)}, r"actions .* begin with 0, which is approve, got \(1, 3\)"),
        ({"actions": (0, 3, 2)}, r"actions must be ascending .* got \(0, 3, 2\)"),
        ({"actions": (0, 4)}, r"actions must be .* got \(0, 4\)"),
    ],
)
def test_what_does_not_hold_is_refused(changed: dict[str, object], message: str) -> None:
    given_values = {"scores": np.array([0.5, 0.6]), "costs": np.zeros((4, 2)), **changed}
    with pytest.raises(InputError, match=message):
        optimal_cut_offs(**given_values)  # type: ignore[arg-type]
