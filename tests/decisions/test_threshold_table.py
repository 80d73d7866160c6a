"""The thresholds that are shown are those that an order gets."""

from hypothesis import given
from msgspec.structs import replace

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.decisions.threshold_table import thresholds
from tests.decisions.drawn import drawn_policies
from tests.decisions.test_costs import amounts, probabilities


@given(policy=drawn_policies(), amount=amounts, probability=probabilities)
def test_they_are_those_of_an_order_at_any_probability(
    policy: Policy, amount: int, probability: float
) -> None:
    policy = replace(policy, exploration=None)
    held = thresholds(policy, [amount, 0])
    assert len(held) == 4 * (1 + len(policy.segments))
    decider = Decider(policy)
    for row in held:
        ruling = decider.of_values(
            probability, row.amount_minor, can_challenge=row.can_challenge, segment=row.segment
        )
        assert ruling.ranges == row.ranges
    assert {row.amount_minor for row in held} == {amount, 0}
    assert {row.segment for row in held} == {None, *(s.name for s in policy.segments)}
