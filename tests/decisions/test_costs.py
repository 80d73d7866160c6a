import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.decisions.costs import Costs, expected_costs

APPROVE, CHALLENGE, REVIEW, DECLINE = range(4)

COSTS = Costs(
    margin_share=0.2,
    loss_share=0.9,
    chargeback_fee_minor=1500,
    insult_cost_minor=800,
    review_cost_minor=300,
    review_detection_share=0.75,
    review_false_reject_share=0.1,
    challenge_fraud_dropout_share=0.6,
    challenge_honest_dropout_share=0.2,
    challenge_liability_shift_share=0.5,
)

shares = st.floats(0.0, 1.0)
minors = st.integers(0, 10**6)
probabilities = st.floats(0.0, 1.0)
amounts = st.integers(0, 10**9)
drawn_costs = st.builds(
    Costs,
    margin_share=shares,
    loss_share=shares,
    chargeback_fee_minor=minors,
    insult_cost_minor=minors,
    review_cost_minor=minors,
    review_detection_share=shares,
    review_false_reject_share=shares,
    challenge_fraud_dropout_share=shares,
    challenge_honest_dropout_share=shares,
    challenge_liability_shift_share=shares,
)


@pytest.mark.parametrize(
    ("action", "if_fraud", "if_honest"),
    [
        # A fraud of 10,000 costs 9,000 and the fee; an honest order earns 2,000.
        (APPROVE, 10_500, -2_000),
        # Four in ten frauds pass and half of their loss stays; two in ten customers give up.
        (CHALLENGE, 0.4 * 10_500 * 0.5, 0.2 * 800 - 0.8 * 2_000),
        # A quarter of the frauds pass; one in ten customers is turned away.
        (REVIEW, 300 + 0.25 * 10_500, 300 + 0.1 * 800 - 0.9 * 2_000),
        (DECLINE, 0, 800),
    ],
)
def test_each_action_costs_what_is_computed_by_hand(
    action: int, if_fraud: float, if_honest: float
) -> None:
    assert expected_costs(1.0, 10_000, COSTS)[action] == pytest.approx(if_fraud)
    assert expected_costs(0.0, 10_000, COSTS)[action] == pytest.approx(if_honest)
    mixed = 0.25 * if_fraud + 0.75 * if_honest
    assert expected_costs(0.25, 10_000, COSTS)[action] == pytest.approx(mixed)


@given(orders=st.lists(st.tuples(probabilities, amounts), min_size=1), costs=drawn_costs)
def test_one_and_many_are_the_same_to_the_bit(
    orders: list[tuple[float, int]], costs: Costs
) -> None:
    probability, amount = (np.array(held, float) for held in zip(*orders, strict=True))
    many = np.array(expected_costs(probability, amount, costs)).T.tolist()
    assert many == [list(expected_costs(*order, costs)) for order in orders]


@given(probability=probabilities, amount=amounts, costs=drawn_costs)
def test_a_cost_is_straight_in_the_probability(
    probability: float, amount: int, costs: Costs
) -> None:
    honest, mixed, fraud = (
        np.array(expected_costs(share, amount, costs)) for share in (0.0, probability, 1.0)
    )
    expected = honest + probability * (fraud - honest)
    np.testing.assert_allclose(mixed, expected, rtol=1e-9, atol=1e-3)


@pytest.mark.parametrize("name", Costs.__struct_fields__[1:])
def test_every_figure_counts(name: str) -> None:
    other = replace(COSTS, **{name: getattr(COSTS, name) / 2})
    assert expected_costs(0.3, 10_000, other) != expected_costs(0.3, 10_000, COSTS)
