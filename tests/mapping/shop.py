"""A small shop's orders and the mapping that goes with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from fraudkit.mapping import MappedData

__all__ = ["SHOP", "Write", "errors", "shop"]

SHOP = """
[mapping]
amount_unit = "major"
time_zone = "UTC"
[fields]
transaction_id = "id"
event_time = "time"
"order.amount" = "total"
"email.address" = "mail"
[constants]
"order.currency" = "EUR"
"""

Write = Callable[[pl.DataFrame, str], Path]


def shop(count: int = 4, **columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"t{row}" for row in range(count)],
            "time": ["2024-01-01 10:00:00"] * count,
            "total": [12.95] * count,
            "mail": [f"{row}@example.org" for row in range(count)],
        }
        | columns,
        strict=False,
    )


def errors(data: MappedData) -> dict[int, str]:
    return dict(data.errors.select("row", "error").iter_rows())
