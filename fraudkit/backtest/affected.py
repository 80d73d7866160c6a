"""Who is affected: orders by country, method, kind of customer and amount, and which to open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.backtest.frame import PastFrame
from fraudkit.backtest.result import AffectedGroup, MovedOrder
from fraudkit.decisions.policy import ACTIONS
from fraudkit.errors import InputError

__all__ = [
    "AMOUNT_BAND",
    "CUSTOMER",
    "UNKNOWN",
    "Stakes",
    "affected_groups",
    "band_edges",
    "dimension_values",
    "moved_examples",
]

CUSTOMER: Final = "customer"
AMOUNT_BAND: Final = "amount_band"
UNKNOWN: Final = "unknown"

_DEFAULT: Final = ("billing.country", "payment.method", CUSTOMER, AMOUNT_BAND)
_BANDS: Final = (0.2, 0.4, 0.6, 0.8)
_VALUES_MAX: Final = 10_000
_FIRST_PURCHASE: Final = "account.first_purchase_at_ms"
_IS_GUEST: Final = "account.is_guest"

_Floats = NDArray[np.float64]
_Codes = NDArray[np.int64]


class Stakes(NamedTuple):
    """How each order's cost changes, in minor units, shape (n_orders,) each.

    Attributes
    ----------
    low, high : ndarray of float64
        The least and the most; NaN where the amount is not known.
    is_known : ndarray of bool
        Whether they are equal because the outcome is known or does not matter.
    """

    low: _Floats
    high: _Floats
    is_known: NDArray[np.bool_]

    @classmethod
    def of(cls, is_fraud: _Floats, if_honest: _Floats, if_fraud: _Floats) -> Self:
        """Return the stakes of orders, from the change if honest and if fraud."""
        is_certain = ~np.isnan(is_fraud) | (if_honest == if_fraud)
        realised = np.where(is_fraud == 1.0, if_fraud, if_honest)
        return cls(
            np.where(is_certain, realised, np.minimum(if_honest, if_fraud)),
            np.where(is_certain, realised, np.maximum(if_honest, if_fraud)),
            is_certain,
        )


class _Dimension(NamedTuple):
    """Each order's place in the values of a dimension."""

    values: tuple[str, ...]
    place: _Codes


def dimension_values(
    frame: pl.DataFrame, amount_minor: _Floats, wanted: Sequence[str] | None
) -> dict[str, _Dimension]:
    """Return each dimension's values and every order's place in them.

    Two dimensions are made. ``customer`` is ``guest`` where ``account.is_guest`` says so,
    ``returning`` where ``account.first_purchase_at`` is before the order, ``new`` where there is
    an account without; it needs the latter column. ``amount_band`` cuts at the fifths of the known
    amounts, each rounded to the nearest of 1, 2 and 5 times a power of ten.

    Raises
    ------
    InputError
        If a dimension is no column, or has more than 10,000 values.
    """
    found: dict[str, _Dimension] = {}
    for name in _DEFAULT if wanted is None else dict.fromkeys(wanted):
        if name == AMOUNT_BAND:
            found[name] = _bands(amount_minor)
        elif name == CUSTOMER and _FIRST_PURCHASE in frame.columns:
            found[name] = _places(name, _customers(frame))
        elif name in frame.columns:
            found[name] = _places(name, frame[name])
        elif wanted is not None:
            needs = f"; {CUSTOMER} needs {_FIRST_PURCHASE}" if name == CUSTOMER else ""
            raise InputError(
                f"a dimension must be a column of the orders or {AMOUNT_BAND}, got {name!r}{needs}"
            )
    return found


def affected_groups(
    dimensions: dict[str, _Dimension], old: _Codes, new: _Codes, stakes: Stakes
) -> tuple[AffectedGroup, ...]:
    """Return every value of every dimension with what moved; see `Backtest` for the order."""
    return tuple(
        group
        for name, dimension in dimensions.items()
        for group in _groups(name, dimension, old, new, stakes)
    )


def moved_examples(
    past: PastFrame,
    old: _Codes,
    new: _Codes,
    stakes: Stakes,
    dimensions: dict[str, _Dimension],
    n_examples: int,
) -> tuple[MovedOrder, ...]:
    """Return the moved orders with the largest stakes; ties by time, then id."""
    moved = np.flatnonzero(old != new)
    largest = np.maximum(np.abs(stakes.low[moved]), np.abs(stakes.high[moved]))
    first = moved[np.argsort(-largest, kind="stable")[: max(n_examples, 0)]]
    ids = past.frame["transaction_id"]
    return tuple(
        MovedOrder(
            transaction_id=str(ids[int(row)]),
            event_time_ms=int(past.time_ms[row]),
            old_action=ACTIONS[old[row]],
            new_action=ACTIONS[new[row]],
            amount_minor=_number(past.amount_minor[row]),
            fraud_probability=float(past.new_probability[row]),
            is_fraud=None if np.isnan(past.is_fraud[row]) else bool(past.is_fraud[row]),
            cost_low_minor=_number(stakes.low[row]),
            cost_high_minor=_number(stakes.high[row]),
            fields={name: held.values[held.place[row]] for name, held in dimensions.items()},
        )
        for row in first
    )


def band_edges(amount_minor: _Floats) -> tuple[int, ...]:
    """Return where amount bands begin, ascending: round numbers near the fifths of the amounts.

    Parameters
    ----------
    amount_minor : ndarray of float64
        0 or more; NaN is left out.

    Examples
    --------
    >>> band_edges(np.arange(0.0, 10_001.0))
    (2000, 5000, 10000)
    """
    known = amount_minor[~np.isnan(amount_minor)]
    if not len(known):
        return ()
    fifths = np.quantile(known, _BANDS)
    return tuple(sorted({_rounded(max(float(value), 1.0)) for value in fifths if value > 0.0}))


def _rounded(value: float) -> int:
    """Return the nearest of 1, 2 and 5 times a power of ten, by ratio; of 1 or more."""
    power = 10.0 ** math.floor(math.log10(value))
    nearest = min((1, 2, 5, 10), key=lambda step: abs(math.log(value / (step * power))))
    return round(nearest * power)


def _bands(amount_minor: _Floats) -> _Dimension:
    edges = band_edges(amount_minor)
    names = ["any amount"]
    if edges:
        between = [f"{low:,} to {high:,}" for low, high in pairwise(edges)]
        names = [f"under {edges[0]:,}", *between, f"{edges[-1]:,} or more"]
    place = np.searchsorted(np.array(edges, np.float64), amount_minor, side="right")
    place = np.where(np.isnan(amount_minor), len(names), place)
    return _Dimension((*names, UNKNOWN), place.astype(np.int64))


def _places(name: str, series: pl.Series) -> _Dimension:
    texts = series.cast(pl.String).fill_null(UNKNOWN)
    values = texts.unique().sort().to_list()
    if len(values) > _VALUES_MAX:
        raise InputError(
            f"a dimension must have at most {_VALUES_MAX:,} values, got {len(values):,} of {name}"
        )
    place = texts.cast(pl.Enum(values)).to_physical().cast(pl.Int64)
    return _Dimension(tuple(values), place.to_numpy())


def _customers(frame: pl.DataFrame) -> pl.Series:
    guest = pl.lit(None, pl.Boolean)
    if _IS_GUEST in frame.columns:
        guest = pl.col(_IS_GUEST)
    is_returning = pl.col(_FIRST_PURCHASE) < pl.col("event_time_ms")
    accounts = [name for name in frame.columns if name.startswith("account.")]
    has_account = pl.any_horizontal(pl.col(name).is_not_null() for name in accounts)
    return frame.select(
        pl.when(guest)
        .then(pl.lit("guest"))
        .when(is_returning)
        .then(pl.lit("returning"))
        .when(has_account)
        .then(pl.lit("new"))
    ).to_series()


def _groups(
    name: str, dimension: _Dimension, old: _Codes, new: _Codes, stakes: Stakes
) -> list[AffectedGroup]:
    moved, n_values = old != new, len(dimension.values)

    def counted(chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(dimension.place[chosen], minlength=n_values)

    def summed(chosen: NDArray[np.bool_], values: _Floats) -> _Floats:
        held = np.nan_to_num(values[chosen])
        return np.bincount(dimension.place[chosen], held, n_values).astype(np.float64)

    n_orders, n_moved = counted(np.ones(len(old), np.bool_)), counted(moved)
    n_stricter, n_milder = counted(new > old), counted(new < old)
    n_unknown = counted(moved & ~stakes.is_known & ~np.isnan(stakes.low))
    cost = summed(moved & stakes.is_known, stakes.low)
    low, high = summed(moved, stakes.low), summed(moved, stakes.high)
    groups = [
        AffectedGroup(
            dimension=name,
            value=value,
            n_orders=int(n_orders[place]),
            n_moved=int(n_moved[place]),
            n_stricter=int(n_stricter[place]),
            n_milder=int(n_milder[place]),
            n_moved_unknown=int(n_unknown[place]),
            cost_minor=float(cost[place]),
            cost_low_minor=float(low[place]),
            cost_high_minor=float(high[place]),
        )
        for place, value in enumerate(dimension.values)
        if n_orders[place]
    ]
    if name == AMOUNT_BAND:
        return groups
    return sorted(groups, key=lambda group: (-group.n_orders, group.value))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
