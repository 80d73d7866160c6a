"""How a total changes under another policy, and how well that is known.

Three parts, told apart order by order: *identified*, where the outcome is known or does not matter;
*estimated*, where orders like it were approved at random; *bounded*, where nothing was tried.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.day_blocks import (
    Doubt,
    day_variance,
    interval_around,
    student_doubt,
)
from fraudkit.decisions.off_policy.estimators import (
    doubly_robust_terms,
    effective_sample_size,
    ips_terms,
    snips_terms,
)
from fraudkit.decisions.off_policy.past_orders import PastOrders
from fraudkit.decisions.off_policy.sampling_doubt import sampling_doubt

__all__ = [
    "EFFECTIVE_SAMPLE_SIZE_MIN",
    "BoundedChange",
    "Change",
    "IdentifiedChange",
    "Kind",
    "LoosenedEstimate",
    "total_change",
]

EFFECTIVE_SAMPLE_SIZE_MIN: Final = 20.0
"""With a smaller effective sample no interval is given: too few were tried to tell."""

Kind = Literal["identified", "estimated", "bounded"]

_Floats = NDArray[np.float64]


class IdentifiedChange(Struct, frozen=True, kw_only=True):
    """The change over orders whose outcome is known or does not matter.

    Attributes
    ----------
    n_orders : int
        Those whose figure changes.
    value : float
        The sum over them, which is exact.
    low, high : float or None
        90 % interval over days like these; ``None`` with fewer than 5 days.
    """

    n_orders: int
    value: float
    low: float | None
    high: float | None


class LoosenedEstimate(Struct, frozen=True, kw_only=True):
    """The change over would-be declines that had a logged chance to be approved.

    Attributes
    ----------
    n_orders, n_explored : int
        Those whose figure changes with the outcome; those of them that were approved at random.
    effective_sample_size : float
        Of the explored ones, from 0 to ``n_explored``.
    ips : float
        Estimate by inverse propensities: unbiased and noisy.
    snips : float or None
        Self-normalised; ``None`` with no explored order.
    doubly_robust : float
        The model's figure, corrected by what was explored: unbiased, as long as the model did not
        learn from these orders. The interval is about this one.
    low, high : float or None
        90 % interval over days and explorations like these. ``None``, too few to tell, with fewer
        than 5 days, an effective sample size below 20, or an interval no narrower than from every
        outcome honest to every one a fraud.
    bound_low, bound_high : float
        The least and the most that it can be, whatever the unknown outcomes are.
    """

    n_orders: int
    n_explored: int
    effective_sample_size: float
    ips: float
    snips: float | None
    doubly_robust: float
    low: float | None
    high: float | None
    bound_low: float
    bound_high: float


class BoundedChange(Struct, frozen=True, kw_only=True):
    """The change over orders of which neither the outcome is known nor a like was tried.

    Attributes
    ----------
    n_orders : int
        Those whose figure changes.
    bound_low, bound_high : float
        The least and the most that it can be: each outcome as good, or as bad, as it can be.
    modelled : float
        With the calibrated probability in the place of the outcome: a model's figure, which rests
        on its being right for orders of a kind that nobody saw through.
    """

    n_orders: int
    bound_low: float
    bound_high: float
    modelled: float


class Change(Struct, frozen=True, kw_only=True):
    """A total under the new policy less that under the old one.

    Attributes
    ----------
    kind : {"identified", "estimated", "bounded"}
        The weakest of the parts: ``"bounded"`` too where an estimate has too few orders to tell.
    value : float or None
        What is identified and, by its doubly robust figure, what is estimated; ``None`` where the
        kind is ``"bounded"``.
    low, high : float or None
        90 % interval of ``value`` over days like these; ``None`` where there is none of a part.
    bound_low, bound_high : float
        The least and the most that it can be over these orders, whatever the unknown outcomes
        are. Either is attained. An interval is about other days too and may reach beyond.
    modelled : float
        Every unknown outcome replaced by the calibrated probability: a model's figure.
    identified : IdentifiedChange
    estimated : LoosenedEstimate or None
        ``None`` where there is no such order.
    bounded : BoundedChange
    """

    kind: Kind
    value: float | None
    low: float | None
    high: float | None
    bound_low: float
    bound_high: float
    modelled: float
    identified: IdentifiedChange
    estimated: LoosenedEstimate | None
    bounded: BoundedChange


class _Terms(NamedTuple):
    """What each order adds, shape (n_orders,) each, and which part it belongs to.

    ``low``, ``high`` and ``modelled`` are what is realised where the outcome is known; ``expected``
    is the model's figure for every order.
    """

    stake: _Floats
    realised: _Floats
    low: _Floats
    high: _Floats
    modelled: _Floats
    expected: _Floats
    is_identified: NDArray[np.bool_]
    is_covered: NDArray[np.bool_]
    is_bounded: NDArray[np.bool_]


def total_change(orders: PastOrders, if_honest: _Floats, if_fraud: _Floats) -> Change:
    """Return how a total over orders changes.

    Parameters
    ----------
    orders : PastOrders
        Checked, see `fraudkit.decisions.off_policy.past_orders.check_orders`.
    if_honest, if_fraud : ndarray of float64, shape (n_orders,)
        How much more each order adds under the new policy, if it is honest and if it is a fraud.

    References
    ----------
    Manski, "Nonparametric bounds on treatment effects", American Economic Review 1990, for the
    bounds. The estimates: `fraudkit.decisions.off_policy.estimators`.
    """
    terms = _terms(orders, if_honest, if_fraud)
    sampling = _sampling_doubt(orders, terms)
    identified = _identified(orders, terms)
    estimated = _estimated(orders, terms, sampling)
    bounded = _bounded(terms)
    kind = _kind(estimated, bounded)
    value = identified.value + (0.0 if estimated is None else estimated.doubly_robust)
    counted = np.where(terms.is_identified, terms.realised, 0.0)
    counted += np.where(terms.is_covered, terms.expected, 0.0)
    low, high = _interval(value, counted, orders, sampling)
    is_told = kind != "bounded"
    return Change(
        kind=kind,
        value=value if is_told else None,
        low=low if is_told else None,
        high=high if is_told else None,
        bound_low=float(terms.low.sum()),
        bound_high=float(terms.high.sum()),
        modelled=float(terms.modelled.sum()),
        identified=identified,
        estimated=estimated,
        bounded=bounded,
    )


def _terms(orders: PastOrders, if_honest: _Floats, if_fraud: _Floats) -> _Terms:
    realised = np.where(orders.is_fraud == 1.0, if_fraud, if_honest)
    stake = if_fraud - if_honest
    is_certain = ~np.isnan(orders.is_fraud) | (stake == 0.0)
    is_changed = (if_honest != 0.0) | (if_fraud != 0.0)
    is_covered = orders.could_be_explored & (stake != 0.0)
    expected = if_honest + orders.probability * stake
    return _Terms(
        stake=stake,
        realised=realised,
        low=np.where(is_certain, realised, np.minimum(if_honest, if_fraud)),
        high=np.where(is_certain, realised, np.maximum(if_honest, if_fraud)),
        modelled=np.where(is_certain, realised, expected),
        expected=expected,
        is_identified=is_changed & is_certain & ~is_covered,
        is_covered=is_covered,
        is_bounded=is_changed & ~is_certain & ~is_covered,
    )


def _sampling_doubt(orders: PastOrders, terms: _Terms) -> Doubt:
    covered = terms.is_covered
    return sampling_doubt(
        terms.stake[covered],
        orders.is_fraud[covered],
        orders.probability[covered],
        orders.approve_propensity[covered],
    )


def _interval(
    value: float, counted: _Floats, orders: PastOrders, sampling: Doubt
) -> tuple[float, float] | tuple[None, None]:
    days = day_variance(counted, orders.day)
    return (None, None) if days is None else interval_around(value, student_doubt(days), sampling)


def _identified(orders: PastOrders, terms: _Terms) -> IdentifiedChange:
    counted = np.where(terms.is_identified, terms.realised, 0.0)
    value = float(counted.sum())
    low, high = _interval(value, counted, orders, Doubt(0.0, 0.0))
    return IdentifiedChange(
        n_orders=int(terms.is_identified.sum()), value=value, low=low, high=high
    )


def _estimated(orders: PastOrders, terms: _Terms, sampling: Doubt) -> LoosenedEstimate | None:
    covered = terms.is_covered
    if not covered.any():
        return None
    is_explored = ~np.isnan(orders.is_fraud[covered])
    weight = np.where(is_explored, 1.0 / orders.approve_propensity[covered], 0.0)
    realised, expected = terms.realised[covered], terms.expected[covered]
    effective = effective_sample_size(weight)
    doubly_robust = float(doubly_robust_terms(realised, weight, expected).sum())
    counted = np.where(covered, terms.expected, 0.0)
    low, high = _interval(doubly_robust, counted, orders, sampling)
    whole_range = float(np.abs(terms.stake[covered]).sum())
    if (
        low is None
        or high is None
        or effective < EFFECTIVE_SAMPLE_SIZE_MIN
        or high - low >= whole_range
    ):
        low = high = None
    return LoosenedEstimate(
        n_orders=int(covered.sum()),
        n_explored=int(is_explored.sum()),
        effective_sample_size=effective,
        ips=float(ips_terms(realised, weight).sum()),
        snips=float(snips_terms(realised, weight).sum()) if is_explored.any() else None,
        doubly_robust=doubly_robust,
        low=low,
        high=high,
        bound_low=float(terms.low[covered].sum()),
        bound_high=float(terms.high[covered].sum()),
    )


def _bounded(terms: _Terms) -> BoundedChange:
    rest = terms.is_bounded
    return BoundedChange(
        n_orders=int(rest.sum()),
        bound_low=float(terms.low[rest].sum()),
        bound_high=float(terms.high[rest].sum()),
        modelled=float(terms.expected[rest].sum()),
    )


def _kind(estimated: LoosenedEstimate | None, bounded: BoundedChange) -> Kind:
    if bounded.n_orders > 0 or (estimated is not None and estimated.low is None):
        return "bounded"
    return "identified" if estimated is None else "estimated"
