"""What a tuning rests on: which orders have a known outcome, of when, and how much each weighs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.estimators import effective_sample_size

__all__ = ["LabelCoverage", "label_coverage"]

_MS_PER_DAY: Final = 86_400_000
_KNOWN_SHARE_MIN: Final = 0.5
"""With fewer known outcomes a tuning says so as a warning."""


class LabelCoverage(Struct, frozen=True, kw_only=True):
    """Which orders a policy was tuned on, and why not on the others.

    Attributes
    ----------
    n_orders : int
        All that were given.
    n_known : int
        Those with a known outcome.
    n_used : int
        Those of them with an amount and a weight: they are tuned on, or are always reviewed.
    n_too_young, n_declined : int or None
        Those without an outcome because it is not mature, and because they were declined; the
        rest has none for another reason. ``None`` where only the outcomes were given, as to
        `fraudkit.decisions.tuning.PolicyTuner.fit`.
    first_event_ms, last_event_ms : int
        UTC, of all orders.
    first_used_ms, last_used_ms : int
        UTC, of the orders used: the period that was tuned on.
    n_weighted : int
        Used orders with a weight above 1, such as those that were approved by chance.
    weight_max : float
        The largest weight of a used order; none is capped.
    effective_sample_size : float
        How many orders of equal weight tell as much as the used ones.
    """

    n_orders: int
    n_known: int
    n_used: int
    n_too_young: int | None = None
    n_declined: int | None = None
    first_event_ms: int
    last_event_ms: int
    first_used_ms: int
    last_used_ms: int
    n_weighted: int
    weight_max: float
    effective_sample_size: float

    @property
    def label_known_share(self) -> float:
        """``n_known / n_orders``, in (0, 1]."""
        return self.n_known / self.n_orders

    @property
    def notes(self) -> tuple[str, ...]:
        """What the tuning rests on, as sentences; the last ones are warnings if there are any."""
        used = (
            f"Tuned on {self.n_used:,} of {self.n_orders:,} orders, from "
            f"{_minute(self.first_used_ms)} to {_minute(self.last_used_ms)} UTC."
        )
        return (used, *self._unknown_notes(), *self._weight_notes(), *self._warnings())

    def _unknown_notes(self) -> Iterator[str]:
        unknown = self.n_orders - self.n_known
        if unknown:
            yield f"{unknown:,} orders have no known outcome and are left out{self._reasons()}."
        if self.n_known > self.n_used:
            yield f"{self.n_known - self.n_used:,} have one, but no amount or no weight."

    def _reasons(self) -> str:
        if self.n_too_young is None or self.n_declined is None:
            return ""
        rest = self.n_orders - self.n_known - self.n_too_young - self.n_declined
        parts = (
            (self.n_too_young, "are too young"),
            (self.n_declined, "were declined and never will have one"),
            (rest, "have none for another reason"),
        )
        return ": " + ", ".join(f"{count:,} {words}" for count, words in parts if count)

    def _weight_notes(self) -> Iterator[str]:
        if self.n_weighted:
            yield (
                f"{self.n_weighted:,} orders stand for more than themselves, such as those that "
                "were approved by chance for those that were declined: each for "
                f"{self.weight_max:,.4g} at most. All together tell as much as "
                f"{self.effective_sample_size:,.0f} that weigh the same."
            )
        elif self.n_declined:
            yield (
                "None of the declined orders had a logged chance to be approved, so the tuning "
                "is about the orders that were let through, and not about loosening."
            )

    def _warnings(self) -> Iterator[str]:
        if self.label_known_share >= _KNOWN_SHARE_MIN:
            return
        days = (self.last_event_ms - self.last_used_ms) / _MS_PER_DAY
        yield (
            f"Warning: only {self.label_known_share:.1%} of the orders have a known outcome, and "
            f"the youngest of them is {days:,.1f} days older than the last order: what was tuned "
            "on may say little of today."
        )


def label_coverage(
    is_known: NDArray[np.bool_],
    time_ms: NDArray[np.int64],
    used: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> LabelCoverage:
    """Return what orders tell.

    Parameters
    ----------
    is_known : ndarray of bool, shape (n_orders,)
        Whether the outcome is known; at least one.
    time_ms : ndarray of int64, shape (n_orders,)
        UTC epoch milliseconds, in any order.
    used : ndarray of int64, shape (n_used,)
        Places of the orders that are used, at least one.
    weights : ndarray of float64, shape (n_orders,)
        How many orders each stands for.

    Examples
    --------
    >>> found = label_coverage(
    ...     np.array([True, True, False]), np.array([0, 60_000, 86_400_000]),
    ...     np.array([0, 1]), np.array([1.0, 3.0, 1.0]))
    >>> found.n_known, found.weight_max, round(found.effective_sample_size, 6)
    (2, 3.0, 1.6)
    >>> found.notes[0]
    'Tuned on 2 of 3 orders, from 1970-01-01 00:00 to 1970-01-01 00:01 UTC.'
    """
    held = weights[used]
    return LabelCoverage(
        n_orders=len(is_known),
        n_known=int(is_known.sum()),
        n_used=len(used),
        first_event_ms=int(time_ms.min()),
        last_event_ms=int(time_ms.max()),
        first_used_ms=int(time_ms[used].min()),
        last_used_ms=int(time_ms[used].max()),
        n_weighted=int((held > 1.0).sum()),
        weight_max=float(held.max()),
        effective_sample_size=effective_sample_size(held),
    )


def _minute(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"
