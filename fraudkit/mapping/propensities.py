"""With which probability an order was approved, where the policy would have declined it.

Invariant: a propensity is a number above 0 and at most 1, or its row does not hold.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from fraudkit.mapping.checking import DoesNotFit, Fault, unreadable_faults
from fraudkit.mapping.vocabulary import CARD_RANK, Field, Kind

__all__ = ["APPROVE_PROPENSITY", "PROPENSITIES", "approve_propensities", "logged_propensities"]

APPROVE_PROPENSITY: Final = Field(
    path="label.approve_propensity",
    kind=Kind.NUMBER,
    annotation=float,
    rank=CARD_RANK - 1,
    missing_rank=CARD_RANK - 1,
)
"""No path of the vocabulary, but told like one, after all that is one."""

PROPENSITIES: Final = pl.Schema({"transaction_id": pl.String, "approve_propensity": pl.Float64})

_EXPECTED: Final = "a number above 0 and at most 1"
_HINT: Final = "it is the probability with which the order was approved; leave it empty for 1"


def approve_propensities(series: pl.Series) -> tuple[pl.Series, list[Fault]]:
    """Return a column of logged propensities as numbers.

    Parameters
    ----------
    series : polars.Series
        Numbers, or text that holds numbers; null, NaN and empty text are no value.

    Returns
    -------
    values : polars.Series of Float64
        In (0, 1]; null where nothing came or what came is in a fault.
    faults : list of Fault
        Values out of range or that are no number.

    Raises
    ------
    DoesNotFit
        If the column as a whole holds neither numbers nor text.

    Examples
    --------
    >>> values, faults = approve_propensities(pl.Series([0.05, None, 1.5]))
    >>> values.to_list(), [fault.rows for fault in faults]
    ([0.05, None, None], [[2]])
    """
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        series = series.str.strip_chars().replace([""], [None])
    elif not series.dtype.is_numeric() and series.dtype != pl.Null:
        raise DoesNotFit(f"holds {series.dtype}, not numbers")
    numbers = series.cast(pl.Float64, strict=False)
    came = series.is_not_null() & ~numbers.is_nan().fill_null(value=False)
    holds = (numbers > 0) & (numbers <= 1)
    values = pl.select(pl.when(holds).then(numbers)).to_series()
    wrong = came & values.is_null()
    return values, unreadable_faults(series, wrong, APPROVE_PROPENSITY, _EXPECTED, _HINT)


def logged_propensities(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the orders whose propensity is below 1, as `PROPENSITIES`, in the frame's order."""
    if APPROVE_PROPENSITY.frame_name not in frame.columns:
        return PROPENSITIES.to_frame()
    held = frame.select("transaction_id", approve_propensity=APPROVE_PROPENSITY.frame_name)
    return held.filter(pl.col("approve_propensity") < 1)
