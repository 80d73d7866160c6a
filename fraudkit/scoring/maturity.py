"""Label maturity: when a label may be used without making the fraud share lie."""

from __future__ import annotations

import polars as pl

__all__ = ["labels_known_before", "last_known_ms", "mature_labels"]

_DAY_MS = 86_400_000


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
