"""What the service counts of its decisions and requests, as plain integers.

Everything is counted and read on the event loop, so that no lock is needed and an increment costs
a tenth of a client library's.

Invariant: only orders whose decision stands are counted, each once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate
from time import perf_counter
from typing import Final, get_args

from fraudkit.domain.decision import Action, Decision
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.noted import Noted
from service.refusals import CODES

__all__ = [
    "OTHER",
    "REQUEST_BOUNDS_S",
    "STATUS_CLASSES",
    "UNKNOWN",
    "DecisionCounts",
    "Histogram",
    "RequestCounts",
    "Unwritten",
]

UNKNOWN: Final = "unknown"
"""The country or the method of an order that does not tell it."""

OTHER: Final = "other"
"""The route of requests of no known path."""

STATUS_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
REQUEST_BOUNDS_S: Final = (
    *(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
"""Upper bounds of the buckets of a request's duration, in seconds."""


class Histogram:
    """Durations, counted by upper bound.

    Parameters
    ----------
    bounds_s : tuple of float
        Upper bounds, ascending, in seconds; a duration on a bound is within it.

    Examples
    --------
    >>> histogram = Histogram((0.1, 1.0))
    >>> for seconds in (0.1, 0.5, 7.0):
    ...     histogram.observe(seconds)
    >>> list(histogram.cumulative()), histogram.sum_s
    ([('0.1', 1), ('1.0', 2), ('+Inf', 3)], 7.6)
    """

    def __init__(self, bounds_s: tuple[float, ...]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self.sum_s += seconds

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not any(self._counts)

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """Yield each bound, ascending, with how many durations were within it."""
        names = [*map(str, self._bounds_s), "+Inf"]
        return zip(names, accumulate(self._counts), strict=True)


class DecisionCounts:
    """Decisions and outcomes, counted by what is in them.

    Attributes
    ----------
    by_action, by_reason, by_source, by_outcome : dict of str to int
        By action; by reason code; by missing source; outcomes by kind.
    by_country, by_method : dict of (str, str) to int
        By the billing country, else that of the delivery, and the action; by the family of the
        payment method and the action. The vocabulary bounds both.
    """

    def __init__(self) -> None:
        self.by_action: dict[str, int] = dict.fromkeys(get_args(Action), 0)
        self.by_reason: defaultdict[str, int] = defaultdict(int)
        self.by_source: defaultdict[str, int] = defaultdict(int)
        self.by_country: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.by_method: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.by_outcome: dict[str, int] = dict.fromkeys(
            sorted(str(kind.__struct_config__.tag) for kind in get_args(Outcome)), 0
        )

    def count(self, transaction: Transaction, decision: Decision) -> None:
        """Count a decision that was made."""
        action = decision.action
        self.by_action[action] += 1
        for reason in decision.reasons:
            self.by_reason[reason.code] += 1
        country = transaction.billing.country or transaction.shipping.country or UNKNOWN
        self.by_country[country, action] += 1
        self.by_method[transaction.payment.method or UNKNOWN, action] += 1
        for source in decision.degraded:
            self.by_source[source] += 1

    def count_outcome(self, outcome: Outcome) -> None:
        """Count an outcome that was taken in."""
        self.by_outcome[str(outcome.__struct_config__.tag)] += 1


class Unwritten:
    """Decisions that are made and not yet durable; they are counted when they are.

    Parameters
    ----------
    counts : DecisionCounts
    clock_s : callable
        Seconds of a clock that only goes on.
    """

    def __init__(
        self, counts: DecisionCounts, *, clock_s: Callable[[], float] = perf_counter
    ) -> None:
        self._counts = counts
        self._clock_s = clock_s
        self._waiting: list[tuple[Transaction, Noted]] = []
        self._since_s = 0.0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    @property
    def lag_s(self) -> float:
        """How long the oldest has waited, in seconds; 0 where none does."""
        return self._clock_s() - self._since_s if self._waiting else 0.0

    def add(self, transaction: Transaction, noted: Noted) -> None:
        """Let a decision wait; one that stood already was counted when it was made."""
        if noted.is_repeated:
            return
        if not self._waiting:
            self._since_s = self._clock_s()
        self._waiting.append((transaction, noted))

    def counted_by(self, write: Callable[[], None]) -> Callable[[], None]:
        """Return `write`, with what it made durable counted, and what it could not forgotten."""

        def written() -> None:
            try:
                write()
            except BaseException:
                self._waiting.clear()
                raise
            self.settle()

        return written

    def settle(self) -> None:
        """Count all that wait and stand: they are durable."""
        for transaction, noted in self._waiting:
            if noted.refusal is None and not noted.is_repeated:
                self._counts.count(transaction, noted.decision)
        self._waiting.clear()


class RequestCounts:
    """Requests, counted by route and by what was answered.

    Parameters
    ----------
    routes : tuple of str
        Known routes; requests of any other path are counted as ``"other"``.

    Attributes
    ----------
    durations : dict of (str, str) to Histogram
        By route and class of status, such as ``"2xx"``.
    by_code : dict of str to int
        Refusals by `service.refusals.CODES`.
    """

    def __init__(self, routes: tuple[str, ...]) -> None:
        self.durations: dict[tuple[str, str], Histogram] = {
            (route, status): Histogram(REQUEST_BOUNDS_S)
            for route in (*routes, OTHER)
            for status in STATUS_CLASSES
        }
        self.by_code: dict[str, int] = dict.fromkeys(CODES, 0)
        self._of = {
            (route, int(status[0])): held for (route, status), held in self.durations.items()
        }

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._of[route, status // 100].observe(seconds)

    def count_refusal(self, code: str) -> None:
        """Count an answer that is not a success."""
        if code in self.by_code:
            self.by_code[code] += 1

    def shown(self) -> list[tuple[tuple[str, str], Histogram]]:
        """Return the durations that tell something.

        Successes and faults of the ``/v1`` routes are among them from the start: a rate needs to
        see a counter at 0.
        """
        return [
            (labels, held)
            for labels, held in self.durations.items()
            if not held.is_empty or (labels[0].startswith("/v1/") and labels[1] in ("2xx", "5xx"))
        ]
