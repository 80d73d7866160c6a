"""The velocity features that the Fraud Detection Handbook publishes, derived from ours.

The Handbook's windows are ``(t - W, t]``: the payment itself counts, one exactly ``W`` old does
not. Ours are ``[t - W, t)``. Times are whole milliseconds, so ``(t - W, t)`` is our window of
``W - 1`` ms, and what happened at ``t`` is added here: the payment itself and, of payments of one
customer in the same second, those that the Handbook's table lists first. It lists such a pair by
descending transaction id.

Frauds on a terminal are known a week late: the Handbook takes its window of ``W`` plus a week
less its window of a week, which is ``(t - W - week, t - week]``. Ours says so by the outcome: a
fraud is known a millisecond before it is a week old, and what is known before ``t`` counts.

``FRAUDKIT_DATA`` names the folder that holds the data; without it this is skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from fraudkit.domain.money import rate_table
from fraudkit.domain.outcome import Status
from fraudkit.features.offline import features_frame
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, OperationName, Where

DATA = os.environ.get("FRAUDKIT_DATA")
RAW = "handbook_raw_2018-04-01_2018-09-04.parquet"
GOLDEN = "handbook_golden_velocity_60k.parquet"
N_GOLDEN = 60_000

DAY_MS = 86_400_000
DAYS = (1, 7, 30)
DELAY_DAYS = 7

pytestmark = pytest.mark.skipif(
    DATA is None or not (Path(DATA) / RAW).exists() or not (Path(DATA) / GOLDEN).exists(),
    reason="FRAUDKIT_DATA names no folder with the Handbook's payments and velocity features",
)


def aggregation(
    name: str, entity: str, operation: OperationName, days: int, where: Where = "attempted"
) -> Aggregation:
    return Aggregation(
        name=name, entity=entity, operation=operation, window_ms=days * DAY_MS - 1, where=where,
        unit="", meaning="", reason_code="VELOCITY",
    )  # fmt: skip


def feature_set() -> FeatureSet:
    customer = [
        aggregation(f"customer_{operation}_{days}d", "customer", operation, days)
        for operation in ("count", "sum")
        for days in DAYS
    ]
    terminal = [
        aggregation(f"terminal_count_{days}d", "terminal", "count", days)
        for days in (DELAY_DAYS, *(DELAY_DAYS + days for days in DAYS))
    ]
    frauds = [
        aggregation(f"terminal_frauds_{days}d", "terminal", "count", DELAY_DAYS + days, "fraud")
        for days in DAYS
    ]
    entities = [
        Entity(name=name, inputs=(f"entities.{name}",), label=f"this {name}")
        for name in ("customer", "terminal")
    ]
    return FeatureSet(entities, [*customer, *terminal, *frauds])


def payments() -> pl.DataFrame:
    assert DATA is not None
    return pl.read_parquet(Path(DATA) / RAW).select(
        pl.col("TRANSACTION_ID").cast(pl.Int64),
        pl.col("TRANSACTION_ID").cast(pl.String).alias("transaction_id"),
        pl.col("TX_DATETIME").dt.epoch("ms").alias("event_time_ms"),
        (pl.col("TX_AMOUNT") * 100).round().cast(pl.Int64).alias("order.amount_minor"),
        pl.lit("EUR").alias("order.currency"),
        pl.col("CUSTOMER_ID").cast(pl.String).alias("entities.customer"),
        pl.col("TERMINAL_ID").cast(pl.String).alias("entities.terminal"),
        pl.col("TX_FRAUD") == 1,
    )


def frauds_known_late(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter("TX_FRAUD").select(
        "transaction_id",
        pl.lit(Status.FRAUD, pl.Int8).alias("status"),
        (pl.col("event_time_ms") + DELAY_DAYS * DAY_MS - 1).alias("known_at_ms"),
    )


def listed_first(frame: pl.DataFrame) -> pl.DataFrame:
    """Return, per payment, itself and those of its customer and second that are listed before."""
    ours = ["entities.customer", "event_time_ms"]
    by_id = frame.sort("TRANSACTION_ID", descending=True)
    return by_id.select(
        "TRANSACTION_ID",
        pl.int_range(1, pl.len() + 1).over(ours).alias("own_count"),
        pl.col("order.amount_minor").cum_sum().over(ours).alias("own_sum"),
    )


@pytest.fixture(scope="module")
def derived() -> pl.DataFrame:
    """Our features for the Handbook's payments, with its own beside them."""
    assert DATA is not None
    frame = payments()
    rows = features_frame(frame, feature_set(), rate_table("EUR"), frauds_known_late(frame))
    golden = pl.read_parquet(Path(DATA) / GOLDEN)
    joined = golden.join(
        pl.concat([frame.select("TRANSACTION_ID"), rows], how="horizontal"), on="TRANSACTION_ID"
    ).join(listed_first(frame), on="TRANSACTION_ID")
    assert len(joined) == N_GOLDEN
    return joined


@pytest.mark.parametrize("days", DAYS)
def test_customer_counts_and_means_are_the_handbooks(derived: pl.DataFrame, days: int) -> None:
    count = derived[f"customer_count_{days}d"] + derived["own_count"]
    mean = (derived[f"customer_sum_{days}d"] + derived["own_sum"]) / count / 100
    assert (count == derived[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"]).all()
    assert gap(mean, derived[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"]) <= 1e-9


@pytest.mark.parametrize("days", DAYS)
def test_terminal_counts_and_risks_are_the_handbooks(derived: pl.DataFrame, days: int) -> None:
    known = derived[f"terminal_count_{DELAY_DAYS + days}d"]
    count = known - derived[f"terminal_count_{DELAY_DAYS}d"]
    risk = derived[f"terminal_frauds_{days}d"] / count.clip(lower_bound=1)
    assert (count == derived[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"]).all()
    assert gap(risk, derived[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"]) <= 1e-9


def gap(ours: pl.Series, theirs: pl.Series) -> float:
    """Return the greatest difference; NaN where a value is."""
    widest = (ours - theirs).abs().to_numpy().max()
    return float(widest)
