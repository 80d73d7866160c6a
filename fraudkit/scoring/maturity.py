"""Label maturity: when a label may be used without making the fraud share lie."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.scoring.report import Censoring, LabelMaturity

__all__ = [
    "censoring",
    "declined_before",
    "labels_known_before",
    "last_known_ms",
    "mature_before",
    "mature_labels",
    "maturity_curve",
]

_DAY_MS: Final = 86_400_000
_AGES_DAYS: Final = (0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180)
_FRAUDS_OF_CURVE_MIN: Final = 50


def labels_known_before(labels: pl.DataFrame, at_ms: int) -> pl.DataFrame:
    """Return the labels as they stood at a moment.

    An order whose fraud was reported at that moment or later still counted as honest, if it was
    old enough; to leave it out would be to know of the report.

    Parameters
    ----------
    labels : polars.DataFrame
        ``transaction_id``, ``is_fraud``, ``known_at_ms``, ``honest_at_ms``.
    """
    is_later = pl.col("is_fraud") & (pl.col("known_at_ms") >= at_ms)
    return labels.select(
        "transaction_id",
        is_fraud=pl.col("is_fraud") & ~is_later,
        known_at_ms=pl.when(is_later).then("honest_at_ms").otherwise("known_at_ms"),
    )


def mature_before(as_of_ms: int, label_delay_days: float | None) -> int:
    """Return the time from which orders are too young at ``as_of_ms``.

    Examples
    --------
    >>> mature_before(86_400_000, 1.0)
    1
    """
    delay_ms = 0 if label_delay_days is None else round(label_delay_days * _DAY_MS)
    return as_of_ms - delay_ms + 1


def declined_before(outcomes: pl.DataFrame, at_ms: int) -> pl.Series:
    """Return the ids of the orders that were declined before a moment, some perhaps twice.

    Parameters
    ----------
    outcomes : polars.DataFrame
        ``transaction_id``, ``status``, ``known_at_ms``.
    """
    return outcomes.filter(
        (pl.col("status") == int(Status.DECLINED)) & (pl.col("known_at_ms") < at_ms)
    )["transaction_id"]


def mature_labels(
    frame: pl.DataFrame, labels: pl.DataFrame, label_delay_days: float | None
) -> pl.DataFrame:
    """Return each order's label and when it was mature.

    A fraud is often reported before an honest order counts as honest. Among orders younger than
    the label delay the known labels are therefore nearly all frauds; to use them would teach
    that young orders are fraudulent. So a label is mature when it is known *and* its order is as
    old as the delay.

    Parameters
    ----------
    frame : polars.DataFrame
        ``transaction_id`` and ``event_time_ms``.
    labels : polars.DataFrame
        ``transaction_id``, ``is_fraud``, ``known_at_ms``.
    label_delay_days : float or None
        ``None`` where no label is known by age: then a label is mature when it is known.

    Returns
    -------
    polars.DataFrame
        ``transaction_id``, ``is_fraud``, ``matured_at_ms``, in the frame's order; null where
        the label is never known.
    """
    delay_ms = 0 if label_delay_days is None else round(label_delay_days * _DAY_MS)
    of_age_ms = pl.col("event_time_ms") + delay_ms
    return (
        frame.select("transaction_id", "event_time_ms")
        .join(labels, on="transaction_id", how="left", maintain_order="left")
        .select(
            "transaction_id",
            "is_fraud",
            matured_at_ms=pl.when(pl.col("known_at_ms").is_not_null()).then(
                pl.max_horizontal("known_at_ms", of_age_ms)
            ),
        )
    )


def last_known_ms(
    frame: pl.DataFrame, labels: pl.DataFrame, outcomes: pl.DataFrame, *, has_label_column: bool
) -> int:
    """Return the moment after which the data say nothing more: when the file was made.

    With a label column it is when the last label was known. With reports alone it is the last
    order or report: an order younger than the delay by then may still turn out to be a fraud.

    Parameters
    ----------
    frame, labels, outcomes : polars.DataFrame
        With the columns ``event_time_ms``, ``known_at_ms`` and ``known_at_ms``.
    """
    times = [frame["event_time_ms"].max(), outcomes["known_at_ms"].max()]
    if has_label_column:
        times.append(labels["known_at_ms"].max())
    return max((int(time) for time in times if isinstance(time, int)), default=0)


def maturity_curve(
    frame: pl.DataFrame,
    labels: pl.DataFrame,
    is_mature: NDArray[np.bool_],
    horizon_ms: int,
) -> LabelMaturity:
    """Return how the reports of fraud came in, and which days' labels were mature.

    The curve is over the frauds of orders that were as old at the horizon as its last age, so
    that slow reports are not missing from it. The last age is the greatest of a fixed list for
    which there are at least 50 such frauds; where there are fewer at every age, there is no curve.

    Parameters
    ----------
    frame : polars.DataFrame
        ``transaction_id``, ``event_time_ms`` of all orders before the horizon.
    labels : polars.DataFrame
        As they stood at the horizon, see `labels_known_before`.
    is_mature : ndarray of bool, shape (len(frame),)
    """
    frauds = frame.select("transaction_id", "event_time_ms").join(
        labels.filter("is_fraud"), on="transaction_id"
    )
    event_ms, known_ms = frauds["event_time_ms"].to_numpy(), frauds["known_at_ms"].to_numpy()
    age_days, delay_days = (horizon_ms - event_ms) / _DAY_MS, (known_ms - event_ms) / _DAY_MS
    lasts = [age for age in _AGES_DAYS if int((age_days >= age).sum()) >= _FRAUDS_OF_CURVE_MIN]
    ages, arrived = tuple[float, ...](), tuple[float, ...]()
    if lasts:
        delays = delay_days[age_days >= lasts[-1]]
        delays = delays[delays <= lasts[-1]]
        if len(delays):
            ages = tuple(float(age) for age in _AGES_DAYS if age <= lasts[-1])
            arrived = tuple(float((delays <= age).mean()) for age in ages)
    by_day = _by_day(frame, is_mature)
    return LabelMaturity(
        age_days=ages,
        arrived_share=arrived,
        day_ms=tuple(by_day["day_ms"].to_list()),
        mature_share=tuple((by_day["marked"] / by_day["orders"]).to_list()),
    )


def censoring(
    frame: pl.DataFrame, outcomes: pl.DataFrame, is_mature: NDArray[np.bool_], horizon_ms: int
) -> Censoring:
    """Return how many orders of each day were declined and have no label, so never will.

    Parameters
    ----------
    frame : polars.DataFrame
        ``transaction_id``, ``event_time_ms`` of all orders before the horizon.
    outcomes : polars.DataFrame
        ``transaction_id``, ``status``, ``known_at_ms``.
    is_mature : ndarray of bool, shape (len(frame),)
        Whether an order has a mature label.
    """
    declined = declined_before(outcomes, horizon_ms)
    is_censored = frame["transaction_id"].is_in(declined.implode()).to_numpy() & ~is_mature
    by_day = _by_day(frame, is_censored)
    return Censoring(
        day_ms=tuple(by_day["day_ms"].to_list()),
        n_orders=tuple(by_day["orders"].to_list()),
        n_censored=tuple(by_day["marked"].to_list()),
    )


def _by_day(frame: pl.DataFrame, is_marked: NDArray[np.bool_]) -> pl.DataFrame:
    day_ms = (pl.col("event_time_ms") // _DAY_MS * _DAY_MS).alias("day_ms")
    return (
        frame.select(day_ms, is_marked=pl.Series(is_marked))
        .group_by("day_ms")
        .agg(orders=pl.len().cast(pl.Int64), marked=pl.col("is_marked").sum().cast(pl.Int64))
        .sort("day_ms")
    )
