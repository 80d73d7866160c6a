"""Orders and what became known of them, as a mapping reads them, without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from fraudkit.domain.outcome import Status
from fraudkit.mapping import MappedData
from fraudkit.mapping.propensities import PROPENSITIES

__all__ = ["DAY_MS", "mapped"]

DAY_MS = 86_400_000


def mapped(
    frame: pl.DataFrame,
    is_fraud: Sequence[bool | None],
    *,
    propensities: Mapping[str, float] | None = None,
    declined: Sequence[str] = (),
) -> MappedData:
    """Return orders whose labels, where there are any, are known at once."""
    labels = frame.select(
        "transaction_id",
        is_fraud=pl.Series(is_fraud, dtype=pl.Boolean),
        known_at_ms="event_time_ms",
        honest_at_ms="event_time_ms",
    ).drop_nulls("is_fraud")
    outcomes = frame.filter(pl.col("transaction_id").is_in(list(declined))).select(
        "transaction_id",
        status=pl.lit(int(Status.DECLINED), pl.Int8),
        known_at_ms="event_time_ms",
    )
    return MappedData(
        frame=frame,
        errors=pl.DataFrame(),
        row_count=len(frame),
        outcomes=outcomes,
        labels=labels,
        ignored_columns=(),
        outcome_errors=pl.DataFrame(),
        propensities=pl.DataFrame(
            list((propensities or {}).items()), schema=PROPENSITIES, orient="row"
        ),
    )
