"""From which probability of fraud on an order gets which action."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise

from msgspec import Struct

from fraudkit.decisions.costs import expected_costs
from fraudkit.decisions.policy import Policy
from fraudkit.domain.decision import Action

__all__ = ["ActionRange", "action_ranges"]


class ActionRange(Struct, frozen=True, kw_only=True):
    """The probabilities of fraud at which an order gets an action.

    Attributes
    ----------
    action : {"approve", "challenge", "review", "decline"}
        What the order gets.
    from_probability, to_probability : float
        In [0, 1]. At a bound between two actions both cost the same, up to rounding.
    """

    action: Action
    from_probability: float
    to_probability: float


def action_ranges(
    policy: Policy,
    amount_minor: int | None,
    *,
    can_challenge: bool = True,
    missing: Iterable[str] = (),
) -> tuple[ActionRange, ...]:
    """Return what one order gets at every probability of fraud, ascending, without gaps.

    Each expected cost is a straight line over the probability, so the least of them changes only
    where two lines cross. An action that is the cheapest nowhere does not appear.

    Parameters
    ----------
    amount_minor : int or None
        In the costs' currency.
    can_challenge : bool
        Whether the payment can be authenticated.
    missing : iterable of str
        Sources that were missing, see `Policy.restrained`.

    Examples
    --------
    >>> for held in action_ranges(Policy(), 10_000):
    ...     print(held.action, round(held.from_probability, 4), round(held.to_probability, 4))
    approve 0.0 0.0345
    challenge 0.0345 0.9277
    decline 0.9277 1.0
    """
    sources = tuple(missing)

    def action_at(probability: float) -> Action:
        action, _cost = policy.decide(probability, amount_minor, can_challenge=can_challenge)
        return policy.restrained(action, sources)

    ranges: list[ActionRange] = []
    for low, high in pairwise(_bounds(policy, amount_minor)):
        action = action_at((low + high) / 2.0)
        is_same = bool(ranges) and ranges[-1].action == action
        start = ranges.pop().from_probability if is_same else low
        ranges.append(ActionRange(action=action, from_probability=start, to_probability=high))
    return tuple(ranges)


def _bounds(policy: Policy, amount_minor: int | None) -> list[float]:
    """Return 0, the probabilities at which two actions cost the same, and 1, ascending."""
    bounds = {0.0, 1.0}
    if amount_minor is not None:
        honest, fraud = (expected_costs(p, amount_minor, policy.costs) for p in (0.0, 1.0))
        for one, other in combinations(range(len(honest)), 2):
            at_honest, at_fraud = honest[one] - honest[other], fraud[one] - fraud[other]
            if at_honest * at_fraud < 0.0:
                bounds.add(at_honest / (at_honest - at_fraud))
    return sorted(bounds)
