"""Two public data sets, read with the mappings in ``docs/examples``."""

import os
from pathlib import Path

import polars as pl
import pytest

from fraudkit.mapping import MappedData, Mapping, read_data

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FOLDER = os.environ.get("FRAUDKIT_DATA")

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="FRAUDKIT_DATA names no folder with the public data sets"
)


def read(example: str, name: str) -> MappedData:
    assert FOLDER is not None
    return read_data([Path(FOLDER) / name], Mapping.load(EXAMPLES / example))


def test_ucsd_orders_are_all_taken() -> None:
    data = read("ucsd.toml", "ucsd_fico_task2_first80k.parquet")
    assert data.errors.is_empty()
    assert data.row_count == data.frame.height == data.labels.height == 80_000
    assert data.ignored_columns == ("pseudo_day",)
    assert data.frame["payment.card.fingerprint"][0] == "1234567890123456"
    assert data.frame["order.amount_minor"][0] == 1295
    assert (data.frame["event_time_ms"].diff().drop_nulls() > 0).all()
    assert (
        data.frame["custom_inputs.zip1"]
        .cast(pl.Int64)
        .cast(pl.String)
        .equals(data.frame["entities.zip"], check_names=False)
    )
    assert data.labels["is_fraud"].sum() == data.outcomes.height == 2182


def test_handbook_payments_are_all_taken() -> None:
    data = read("handbook.toml", "handbook_raw_2018-04-01_2018-09-04.parquet")
    assert data.errors.is_empty()
    assert data.row_count == data.frame.height == data.labels.height == 1_504_628
    assert data.ignored_columns == ("TX_TIME_DAYS",)
    assert data.frame["order.amount_minor"][0] == 5716
    delay_ms = data.labels["known_at_ms"] - data.frame["event_time_ms"]
    assert delay_ms.unique().to_list() == [7 * 86_400_000]
