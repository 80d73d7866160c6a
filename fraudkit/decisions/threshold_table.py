"""From which probability of fraud each action holds, at some amounts."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.domain.decision import ActionRange

__all__ = ["Thresholds", "thresholds"]


class Thresholds(Struct, frozen=True, kw_only=True):
    """The thresholds of one amount.

    Attributes
    ----------
    segment : str or None
        ``None`` for orders of no segment.
    amount_minor : int
    can_challenge : bool
        Whether the payment can be authenticated.
    ranges : tuple of ActionRange
        Ascending; an action that is in none is never taken.
    """

    segment: str | None
    amount_minor: int
    can_challenge: bool
    ranges: tuple[ActionRange, ...]


def thresholds(policy: Policy, amounts_minor: Iterable[int]) -> tuple[Thresholds, ...]:
    """Return the thresholds while no limit is reached and nothing is missing.

    By segment, orders of none first, then by whether they can be challenged, then by amount.
    Figures that orders bring themselves are not known here: the policy's own hold.

    Raises
    ------
    PolicyError
        If the policy does not hold.

    Examples
    --------
    >>> held = thresholds(Policy(), [10_000])
    >>> [(of.action, round(of.from_probability, 4)) for of in held[0].ranges]
    [('approve', 0.0), ('challenge', 0.0345), ('decline', 0.9277)]
    """
    decider, amounts = Decider(policy), tuple(amounts_minor)
    return tuple(
        Thresholds(
            segment=segment,
            amount_minor=amount_minor,
            can_challenge=can_challenge,
            ranges=decider.of_values(
                0.0, amount_minor, can_challenge=can_challenge, segment=segment
            ).ranges,
        )
        for segment in (None, *(held.name for held in policy.segments))
        for can_challenge in (True, False)
        for amount_minor in amounts
    )
