"""A small shop as one table with a label column, quick to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.scoring.learning.boosting import ModelSettings

__all__ = ["DAY_MS", "MAPPING", "QUICK", "START_MS", "read_table", "table", "write_mapping"]

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
QUICK = ModelSettings(n_trees=12, max_bin=31)
MAPPING = """
[mapping]
amount_unit = "major"
time_zone = "UTC"
[fields]
transaction_id = "id"
event_time = "time"
"order.amount" = "amount"
"email.address" = "mail"
[constants]
"order.currency" = "EUR"
[entities]
terminal = "terminal"
[features]
numeric = ["basket", "always_one"]
categorical = ["segment"]
[label]
column = "is_fraud"
delay_days = 2
"""


def table(orders: int = 1_500, seed: int = 0, *, days: int = 60) -> pl.DataFrame:
    """Return orders in order of time: frauds are dear, of one segment and from few terminals."""
    generator = np.random.default_rng(seed)
    time_ms = START_MS + np.sort(generator.integers(0, days * DAY_MS, orders))
    is_fraud = generator.random(orders) < 0.08
    return pl.DataFrame(
        {
            "id": [f"t{number}" for number in range(orders)],
            "time": pl.from_epoch(pl.Series(time_ms), time_unit="ms").dt.strftime(
                "%Y-%m-%d %H:%M:%S%.3f"
            ),
            "amount": np.round(generator.gamma(2.0, np.where(is_fraud, 90.0, 25.0)), 2),
            "mail": [
                f"customer{number}@example.org" for number in generator.integers(0, 300, orders)
            ],
            "terminal": generator.integers(0, np.where(is_fraud, 5, 40)).astype(str),
            "basket": generator.integers(1, 6, orders),
            "always_one": np.ones(orders, np.int64),
            "segment": np.where(generator.random(orders) < np.where(is_fraud, 0.7, 0.2), "b", "a"),
            "is_fraud": is_fraud.astype(np.int8),
        }
    )


def write_mapping(folder: Path, text: str = MAPPING) -> Path:
    """Write the mapping into a folder and return its path."""
    path = folder / "mapping.toml"
    path.write_text(text, "utf-8")
    return path


def read_table(frame: pl.DataFrame, folder: Path, text: str = MAPPING) -> MappedData:
    """Return the table as the library reads it."""
    path = folder / "orders.csv"
    frame.write_csv(path)
    return read_data([path], Mapping.parse(text))
