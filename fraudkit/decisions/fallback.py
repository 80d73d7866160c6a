"""What a policy says of an order that has to be answered before a score can be made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from fraudkit.decisions.costs import Minor
from fraudkit.domain.decision import Action

__all__ = ["DEADLINE", "RATES", "Fallback", "fallback_problems"]

DEADLINE: Final = "deadline"
"""What `Decision.degraded` names where there was no time for a score."""

RATES: Final = "rates"
"""What it names where the amount has no exchange rate."""


class Fallback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The action for an order that no score was made for, by its amount alone.

    Attributes
    ----------
    action : {"approve", "challenge", "review", "decline"}
        For every order, or for those of at most ``above_minor``.
    above_minor : int or None
        In minor units of the costs' currency.
    above_action : {"approve", "challenge", "review", "decline"} or None
        For an order of more than ``above_minor``, and for one whose amount is not known in the
        costs' currency. Given if and only if ``above_minor`` is.

    Examples
    --------
    >>> written = Fallback(action="approve", above_minor=5_000, above_action="review")
    >>> [written.action_for(amount) for amount in (5_000, 5_001, None)]
    ['approve', 'review', 'review']
    """

    action: Action = "review"
    above_minor: Minor | None = None
    above_action: Action | None = None

    def action_for(self, amount_minor: int | None) -> Action:
        """Return what is written for an amount; ``None`` is not known."""
        if self.above_minor is None or self.above_action is None:
            return self.action
        if amount_minor is None or amount_minor > self.above_minor:
            return self.above_action
        return self.action


def fallback_problems(fallback: Fallback, at: str) -> Iterator[str]:
    """Yield what does not hold in a fallback, beginning with where."""
    if (fallback.above_minor is None) is not (fallback.above_action is None):
        given, other = "above_minor", "above_action"
        if fallback.above_minor is None:
            given, other = other, given
        yield f"{at}/{other}: expected one beside {given}, got none; state both or neither"
