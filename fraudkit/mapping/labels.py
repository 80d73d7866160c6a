"""What is known of each transaction and since when: from a label column, from outcomes.

Invariant: a label is dated by when it could be known, and where nothing is known there is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import polars as pl

from fraudkit.domain.decoding import decode_outcome
from fraudkit.domain.explaining import shown
from fraudkit.domain.outcome import Status, statuses_of
from fraudkit.errors import DataFileError, InvalidField
from fraudkit.mapping.spec import Mapping

__all__ = ["ERRORS", "known_labels", "known_outcomes", "label_values", "read_outcomes"]

_FRAUD_WORDS: Final = ("1", "true", "fraud", "yes")
_HONEST_WORDS: Final = ("0", "false", "honest", "legit", "legitimate", "genuine", "good", "no")
_VALUES_SHOWN_MAX: Final = 5
_MS_PER_DAY: Final = 86_400_000

_OUTCOMES: Final = pl.Schema(
    {"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64}
)
_DATED: Final = (
    ("fraud_ms", Status.FRAUD),
    ("good_ms", Status.GOOD),
    ("declined_ms", Status.DECLINED),
)
ERRORS: Final = pl.Schema({"line": pl.Int64, "error": pl.String})


def label_values(series: pl.Series, mapping: Mapping) -> tuple[pl.Series, list[str]]:
    """Return whether each row is labelled fraud (null is unknown), and what is wrong with that."""
    words = _words(series)
    if mapping.fraud_values is not None:
        wanted = [_word(value) for value in mapping.fraud_values]
        return words.is_in(wanted), []
    words = words.str.to_lowercase()
    known = dict.fromkeys(_FRAUD_WORDS, True) | dict.fromkeys(_HONEST_WORDS, False)
    values = words.replace_strict(
        list(known), list(known.values()), default=None, return_dtype=pl.Boolean
    )
    other = words.filter(values.is_null()).drop_nulls().unique(maintain_order=True)
    if other.is_empty():
        return values, []
    told = ", ".join(shown(word) for word in other.head(_VALUES_SHOWN_MAX))
    said = f'[label] column = "{mapping.label_column}" holds {told}'
    return values, [f"{said}: say which values mean fraud with fraud_values in [label]"]


def _words(series: pl.Series) -> pl.Series:
    """Return values as text: 1, 1.0, True and "1" may each stand for fraud."""
    if series.dtype == pl.Boolean:
        series = series.cast(pl.Int8)
    if series.dtype.is_float():
        series = series.fill_nan(None)
        whole = series.cast(pl.Int64, strict=False)
        if (whole.cast(pl.Float64) == series).all():
            series = whole
    words = series.cast(pl.String).str.strip_chars()
    return words.replace([""], [None])


def _word(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else str(value)


def read_outcomes(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the statuses in an NDJSON file of outcomes, and the lines that do not hold.

    Returns
    -------
    outcomes : polars.DataFrame
        ``transaction_id``, ``status`` (Int8) and ``known_at_ms``; an outcome id counts once.
    errors : polars.DataFrame
        ``line`` (from 1) and ``error``.

    Raises
    ------
    DataFileError
        If the file cannot be read.
    """
    seen: set[str] = set()
    rows: list[tuple[str, int, int]] = []
    errors: list[tuple[int, str]] = []
    try:
        with path.open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                if not line.strip():
                    continue
                try:
                    outcome = decode_outcome(line)
                except InvalidField as error:
                    errors.append((number, str(error)))
                    continue
                if outcome.outcome_id in seen:
                    continue
                seen.add(outcome.outcome_id)
                rows += [
                    (outcome.transaction_id, int(status), outcome.available_at_ms)
                    for status in statuses_of(outcome)
                ]
    except OSError as error:
        raise DataFileError(
            f"the outcomes file must be readable, {path}: {error.strerror}"
        ) from error
    return _table(rows, _OUTCOMES), _table(errors, ERRORS)


def _table(rows: list[Any], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def known_outcomes(
    orders: pl.DataFrame, from_file: pl.DataFrame | None, delay_days: float | None
) -> pl.DataFrame:
    """Return what is known of the orders: labelled frauds and the outcomes file's statuses.

    Parameters
    ----------
    orders : polars.DataFrame
        ``transaction_id``, ``event_time_ms`` and ``is_fraud`` (null without a label column).
    from_file : polars.DataFrame or None
        As `read_outcomes` gives it.
    delay_days : float or None
        Days until a label is known.

    Returns
    -------
    polars.DataFrame
        ``transaction_id``, ``status`` (Int8), ``known_at_ms``, in the order of ``known_at_ms``.
    """
    labelled = orders.filter(pl.col("is_fraud")).select(
        "transaction_id",
        pl.lit(int(Status.FRAUD), pl.Int8).alias("status"),
        known_at_ms=_aged(delay_days),
    )
    known = [labelled]
    if from_file is not None:
        known.append(from_file.join(orders, on="transaction_id", how="semi"))
    return pl.concat(known).sort("known_at_ms", maintain_order=True)


def known_labels(
    orders: pl.DataFrame,
    outcomes: pl.DataFrame,
    delay_days: float | None,
    *,
    honest_by_age: bool,
) -> pl.DataFrame:
    """Return one label a transaction of which anything is known at some time.

    A report of fraud beats all else, at the earliest such report; then a report of honesty, at
    the earliest; then the label column or, ``honest_by_age``, the absence of a report, both at
    ``delay_days`` after the order. An order that the shop had declined by then was never
    delivered, so the absence of a report says nothing of it.

    Returns
    -------
    polars.DataFrame
        ``transaction_id``, ``is_fraud`` (Boolean), ``known_at_ms`` (Int64) and ``honest_at_ms``
        (Int64; from when it counted as honest, or would have without a later report of fraud),
        in the orders' order.
    """
    first = outcomes.group_by("transaction_id", "status").agg(pl.col("known_at_ms").min())
    labels = orders
    for name, status in _DATED:
        found = first.filter(pl.col("status") == int(status)).select(
            "transaction_id", pl.col("known_at_ms").alias(name)
        )
        labels = labels.join(found, on="transaction_id", how="left", maintain_order="left")
    aged_ms = _aged(delay_days)
    was_sold = pl.col("declined_ms").is_null() | (pl.col("declined_ms") > aged_ms)
    aged = pl.when(was_sold if honest_by_age else ~pl.col("is_fraud")).then(aged_ms)
    return labels.select(
        "transaction_id",
        is_fraud=pl.col("fraud_ms").is_not_null(),
        known_at_ms=pl.coalesce("fraud_ms", "good_ms", aged),
        honest_at_ms=pl.coalesce("good_ms", aged),
    ).drop_nulls("known_at_ms")


def _aged(delay_days: float | None) -> pl.Expr:
    if delay_days is None:
        return pl.lit(None, pl.Int64)
    return pl.col("event_time_ms") + round(delay_days * _MS_PER_DAY)
