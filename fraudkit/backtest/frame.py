"""A frame of past orders, checked, in order of time, as the arrays that are counted with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import ACTIONS
from fraudkit.errors import DataFileError, InputError

__all__ = ["PastFrame", "checked_frame", "codes_of", "decided_by"]

_WANTED: Final = ("transaction_id", "event_time_ms", "fraud_probability", "amount_minor")
_ONLY_APPROVED: Final = (
    "approve_propensity came only with orders that were approved. Without that of the orders that "
    "stayed declined nothing can be estimated from it, so it is not used."
)
_LOG_CHANCE_MIN: Final = float(np.log(1e-6))

_Floats = NDArray[np.float64]


class PastFrame(NamedTuple):
    """Past orders by ascending time, then id; every array has shape (n_orders,).

    Attributes
    ----------
    frame : polars.DataFrame
    time_ms : ndarray of int64
    old_probability, new_probability, amount_minor : ndarray of float64
        What each side decides by; NaN where the amount is not known.
    is_fraud : ndarray of float64
        1 or 0 where the outcome is known and mature and the order was not declined, else NaN.
    done : ndarray of int64
        What was in fact decided, as places in `ACTIONS`; -1 where it is not known.
    approve_propensity : ndarray of float64
        Below 1, or NaN.
    is_too_young : ndarray of bool
    n_unused_outcomes : int
    remarks : tuple of str
    """

    frame: pl.DataFrame
    time_ms: NDArray[np.int64]
    old_probability: _Floats
    new_probability: _Floats
    amount_minor: _Floats
    is_fraud: _Floats
    done: NDArray[np.int64]
    approve_propensity: _Floats
    is_too_young: NDArray[np.bool_]
    n_unused_outcomes: int
    remarks: tuple[str, ...]


def checked_frame(orders: pl.DataFrame, mature_before_ms: int | None) -> PastFrame:
    """Return a frame's orders; parameters and errors are those of `backtest`."""
    _check_columns(orders)
    frame = orders.sort("event_time_ms", "transaction_id")
    time_ms = frame["event_time_ms"].cast(pl.Int64).to_numpy()
    is_too_young = np.zeros(len(frame), np.bool_)
    if mature_before_ms is not None:
        is_too_young = time_ms >= mature_before_ms
    is_fraud = _floats(frame, "is_fraud")
    done = codes_of(frame["action"]) if "action" in frame.columns else np.full(len(frame), -1)
    is_unused = (done == ACTIONS.index("decline")) & ~np.isnan(is_fraud) & ~is_too_young
    is_fraud[is_unused | is_too_young] = np.nan
    propensity, remarks = _propensity(frame, is_fraud, done, is_too_young)
    probability = _probability(frame, "fraud_probability")
    has_new = "new_fraud_probability" in frame.columns
    return PastFrame(
        frame=frame,
        time_ms=time_ms,
        old_probability=probability,
        new_probability=_probability(frame, "new_fraud_probability") if has_new else probability,
        amount_minor=_floats(frame, "amount_minor"),
        is_fraud=is_fraud,
        done=_with_chance(done, propensity, is_fraud),
        approve_propensity=propensity,
        is_too_young=is_too_young,
        n_unused_outcomes=int(is_unused.sum()),
        remarks=remarks,
    )


def codes_of(actions: pl.Series) -> NDArray[np.int64]:
    """Return actions as places in `ACTIONS`, -1 where there is none.

    Raises
    ------
    DataFileError
        If an action is none of ours.

    Examples
    --------
    >>> codes_of(pl.Series(["decline", None, "approve"])).tolist()
    [3, -1, 0]
    """
    named = actions.cast(pl.String)
    odd = named.filter(named.is_not_null() & ~named.is_in(ACTIONS))
    if len(odd):
        raise DataFileError(f"an action must be one of {', '.join(ACTIONS)}, got {odd[0]!r}")
    places = named.cast(pl.Enum(ACTIONS)).to_physical().cast(pl.Int64)
    return places.fill_null(-1).to_numpy().copy()


def decided_by(
    decider: Decider,
    past: PastFrame,
    probability: _Floats,
    columns: dict[str, Sequence[object]],
) -> NDArray[np.int64]:
    """Return what a policy decides of past orders, within its limits, with nothing left to chance.

    Parameters
    ----------
    columns : dict
        Those of the decider's paths that the frame has.
    """
    rulings = decider.of_many(probability, past.amount_minor, columns, time_ms=past.time_ms)
    return rulings.action.astype(np.int64)


def _check_columns(orders: pl.DataFrame) -> None:
    missing = [name for name in (*_WANTED, "is_fraud") if name not in orders.columns]
    if missing:
        raise DataFileError(
            f"orders must have the column {missing[0]!r}; they have {orders.columns}"
        )
    for name in ("transaction_id", "event_time_ms", "fraud_probability"):
        if orders[name].null_count():
            raise DataFileError(
                f"{name} must be there for every order, got {orders[name].null_count():,} nulls; "
                "leave such orders out"
            )
    ids = orders["transaction_id"]
    if ids.n_unique() < len(ids):
        twice = ids.filter(ids.is_duplicated())
        raise DataFileError(f"an order must come once, got {twice[0]!r} several times")


def _floats(frame: pl.DataFrame, name: str) -> _Floats:
    """Return a column as floats of its own, NaN where it is null."""
    values = frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.array(values, np.float64)


def _probability(frame: pl.DataFrame, name: str) -> _Floats:
    values = _floats(frame, name)
    is_bad = ~((values >= 0.0) & (values <= 1.0))
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise InputError(
            f"{name} must be from 0 to 1, got {values[row]} of order "
            f"{frame.item(row, 'transaction_id')!r}; leave out orders without one"
        )
    return values


def _propensity(
    frame: pl.DataFrame,
    is_fraud: _Floats,
    done: NDArray[np.int64],
    is_too_young: NDArray[np.bool_],
) -> tuple[_Floats, tuple[str, ...]]:
    """Return the propensities that can be used, and what is to be said of the others."""
    if "approve_propensity" not in frame.columns:
        return np.full(len(frame), np.nan), ()
    propensity = _floats(frame, "approve_propensity")
    is_bad = ~np.isnan(propensity) & ~((propensity > 0.0) & (propensity <= 1.0))
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise InputError(
            f"approve_propensity must be above 0 and at most 1, or null, got {propensity[row]} of "
            f"order {frame.item(row, 'transaction_id')!r}"
        )
    propensity[(propensity == 1.0) | is_too_young] = np.nan
    had_a_chance = ~np.isnan(propensity)
    is_known = ~np.isnan(is_fraud)
    lost = had_a_chance & (done == ACTIONS.index("approve")) & ~is_known
    if lost.any():
        raise InputError(
            "an order that was approved by chance must have a known outcome, got none of "
            f"{frame.item(int(np.argmax(lost)), 'transaction_id')!r}; give mature_before_ms, the "
            "time from which orders are too young for one"
        )
    has_no_stayed = not (had_a_chance & ~is_known).any()
    if has_no_stayed and np.log(propensity[had_a_chance]).sum() < _LOG_CHANCE_MIN:
        return np.full(len(frame), np.nan), (_ONLY_APPROVED,)
    return propensity, ()


def _with_chance(
    done: NDArray[np.int64], propensity: _Floats, is_fraud: _Floats
) -> NDArray[np.int64]:
    """Say of an order with a logged chance whether it was approved: that is so if it ended."""
    by_outcome = np.where(np.isnan(is_fraud), ACTIONS.index("decline"), ACTIONS.index("approve"))
    return np.where((done < 0) & ~np.isnan(propensity), by_outcome, done)
