"""The orders that a policy is tuned on, checked, sorted and priced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy
from fraudkit.decisions.segments import Segment
from fraudkit.decisions.tuning.coverage import LabelCoverage, label_coverage
from fraudkit.errors import InputError

__all__ = ["NEVER_MINOR", "TuningOrders", "times_ms", "tuning_orders"]

_MS_PER_DAY = 86_400_000
_NAME_CHARACTERS_MAX = 40
NEVER_MINOR = 1e15
"""What a decline costs where it must not be: more than any order."""


class TuningOrders(NamedTuple):
    """Orders with a known outcome and amount, in the order of their times.

    Attributes
    ----------
    policy : Policy
        What is tuned, with the segments that have enough frauds.
    is_fraud : ndarray of bool, shape (n_orders,)
    probability, amount_minor, weights : ndarray of float64, shape (n_orders,)
    time_ms : ndarray of int64, shape (n_orders,)
    day : ndarray of int64, shape (n_orders,)
        From 0, each code a day that holds orders.
    segment : ndarray of int64, shape (n_orders,)
        Place in the policy's segments; their number for none.
    at_honest, at_fraud : ndarray of float64, shape (4, n_orders)
    columns : mapping of str to list
    n_days : float
        How many days the weights stand for.
    reviews_asked_per_day : float
        Orders that are always reviewed, which take their part of the capacity and are not tuned.
    n_unknown : int
        How many were left out for want of an outcome or an amount.
    coverage : LabelCoverage
        What the orders tell, before any were taken out.
    """

    policy: Policy
    is_fraud: NDArray[np.bool_]
    probability: NDArray[np.float64]
    amount_minor: NDArray[np.float64]
    weights: NDArray[np.float64]
    time_ms: NDArray[np.int64]
    day: NDArray[np.int64]
    segment: NDArray[np.int64]
    at_honest: NDArray[np.float64]
    at_fraud: NDArray[np.float64]
    columns: Mapping[str, list[object]]
    n_days: float
    reviews_asked_per_day: float
    n_unknown: int
    coverage: LabelCoverage

    @property
    def realised(self) -> NDArray[np.float64]:
        """What each action cost at the known label, shape (4, n_orders)."""
        return np.where(self.is_fraud, self.at_fraud, self.at_honest)

    def can_challenge(self, place: int) -> bool:
        """Return whether any order of a segment can be challenged; true where there is none."""
        held = self.at_honest[1, self.segment == place]
        return not len(held) or bool(np.any(~np.isnan(held)))

    def weighted(self, weights: NDArray[np.float64]) -> TuningOrders:
        """Return the orders with other weights, without those of weight 0."""
        held = weights > 0.0
        return self._replace(weights=weights).taken(np.flatnonzero(held))

    def taken(self, places: NDArray[np.int64]) -> TuningOrders:
        """Return some of the orders."""
        return self._replace(
            is_fraud=self.is_fraud[places],
            probability=self.probability[places],
            amount_minor=self.amount_minor[places],
            weights=self.weights[places],
            time_ms=self.time_ms[places],
            day=self.day[places],
            segment=self.segment[places],
            at_honest=self.at_honest[:, places],
            at_fraud=self.at_fraud[:, places],
            columns={
                path: [held[place] for place in places] for path, held in self.columns.items()
            },
        )


def tuning_orders(  # noqa: PLR0913 - what orders are made of
    policy: Policy,
    y: NDArray[Any],
    p: NDArray[np.float64],
    amount_minor: NDArray[Any],
    event_time: NDArray[Any],
    weights: NDArray[np.float64] | None,
    columns: Mapping[str, Sequence[object]],
    segments: Sequence[str],
    *,
    support_frauds: int,
) -> TuningOrders:
    """Return the orders that can be tuned on; parameters as of `PolicyTuner.fit`.

    Raises
    ------
    InputError
        If arrays do not fit together, or hold no known fraud or no honest order.
    """
    label, probability = np.asarray(y, np.float64), np.asarray(p, np.float64)
    amount, time_ms = np.asarray(amount_minor, np.float64), times_ms(event_time)
    weight = np.ones(len(label)) if weights is None else np.asarray(weights, np.float64)
    _check(label, probability, amount, time_ms, weight, columns)
    known = np.flatnonzero(~np.isnan(label) & ~np.isnan(amount) & (weight > 0.0))
    places = known[np.argsort(time_ms[known], kind="stable")]
    is_fraud = label[places] == 1.0
    if not is_fraud.any() or is_fraud.all():
        raise InputError(
            "a tuning needs frauds and honest orders with a known outcome and amount, got "
            f"{int(is_fraud.sum())} frauds among {len(places)}"
        )
    taken = {path: [held[place] for place in places] for path, held in columns.items()}
    if segments:
        policy = msgspec.structs.replace(
            policy, segments=_segments(segments, taken, is_fraud, support_frauds)
        )
    coverage = label_coverage(~np.isnan(label), time_ms, places, weight)
    decider = Decider(policy)
    at_honest, at_fraud = decider.cost_lines_of_many(amount[places], taken)
    time_ms = time_ms[places]
    days, day = np.unique(time_ms // _MS_PER_DAY, return_inverse=True)
    segment = decider.segments_of_many(taken, len(places))
    is_kept = np.array([*(not held.never_decline for held in policy.segments), True])[segment]
    at_honest[3, ~is_kept] = at_fraud[3, ~is_kept] = NEVER_MINOR
    is_asked = np.array([*(held.always_review for held in policy.segments), False])[segment]
    found = TuningOrders(
        policy=policy,
        is_fraud=is_fraud,
        probability=probability[places],
        amount_minor=amount[places],
        weights=weight[places],
        time_ms=time_ms,
        day=day.astype(np.int64),
        segment=segment,
        at_honest=at_honest,
        at_fraud=at_fraud,
        columns=taken,
        n_days=float(len(days)),
        reviews_asked_per_day=float(weight[places][is_asked].sum()) / len(days),
        n_unknown=len(label) - len(places),
        coverage=coverage,
    )
    return found.taken(np.flatnonzero(~is_asked)) if is_asked.any() else found


def times_ms(event_time: NDArray[Any]) -> NDArray[np.int64]:
    """Return times as UTC epoch milliseconds.

    Raises
    ------
    InputError
        If they are neither datetime64 nor whole numbers.

    Examples
    --------
    >>> times_ms(np.array(["1970-01-02"], "datetime64[D]"))
    array([86400000])
    """
    times = np.asarray(event_time)
    if times.dtype.kind == "M":
        return times.astype("datetime64[ms]").astype(np.int64)
    if times.dtype.kind in "iu":
        return times.astype(np.int64)
    raise InputError(
        f"event_time must be datetime64 or whole milliseconds since 1970, got {times.dtype}"
    )


def _check(
    label: NDArray[np.float64],
    probability: NDArray[np.float64],
    amount: NDArray[np.float64],
    time_ms: NDArray[np.int64],
    weight: NDArray[np.float64],
    columns: Mapping[str, Sequence[object]],
) -> None:
    arrays: dict[str, Any] = {
        "p": probability, "amount_minor": amount, "event_time": time_ms, "weights": weight,
    }  # fmt: skip
    for name, held in (
        arrays | {f"columns[{path!r}]": held for path, held in columns.items()}
    ).items():
        if len(held) != len(label):
            raise InputError(f"{name} must have one value an order, {len(label)}, got {len(held)}")
    if not np.all((probability >= 0.0) & (probability <= 1.0)):
        raise InputError("p must be probabilities between 0 and 1; got others, or NaN")
    if not np.all(np.isnan(label) | (label == 0.0) | (label == 1.0)):
        raise InputError("y must be 0, 1 or NaN; got other values")
    if not np.all((weight >= 0.0) & np.isfinite(weight)):
        raise InputError("weights must be finite and at least 0; got others, or NaN")
    if np.any(amount < 0.0) or np.any(np.isinf(amount)):
        raise InputError("amount_minor must be at least 0 and finite, or NaN; got others")


def _segments(
    paths: Sequence[str],
    columns: Mapping[str, Sequence[object]],
    is_fraud: NDArray[np.bool_],
    support_frauds: int,
) -> tuple[Segment, ...]:
    """Return a segment for each combination of values that holds enough frauds."""
    missing = [path for path in paths if path not in columns]
    if missing:
        raise InputError(f"columns must hold every path of segments, {missing[0]!r} is not there")
    keys = list(zip(*(columns[path] for path in paths), strict=True))
    frauds = Counter(key for key, fraud in zip(keys, is_fraud.tolist(), strict=True) if fraud)
    held = sorted(
        (key for key, count in frauds.items() if count >= support_frauds and None not in key),
        key=str,
    )
    names: set[str] = set()
    found = []
    for key in held:
        name = _name(key, names)
        names.add(name)
        found.append(Segment(name=name, when={p: (v,) for p, v in zip(paths, key, strict=True)}))
    return tuple(found)


def _name(values: Sequence[object], taken: set[str]) -> str:
    plain = "_".join(str(value).lower() for value in values)
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in plain)
    name = name[: _NAME_CHARACTERS_MAX - 4]
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique
