"""A column of any type is taken, told row by row or told to misfit; it never breaks the reading."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from fraudkit.domain.basket import BASKET_PATHS
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import MappingError
from fraudkit.mapping import Mapping, read_data
from fraudkit.mapping.vocabulary import Kind, fields
from tests.mapping.shop import SHOP, Write, shop

MOMENT = datetime(2024, 5, 1, 12, tzinfo=UTC)
COLUMNS = [
    pl.Series([1, 0, None, -1], dtype=pl.Int8),
    pl.Series([1, 2**64 - 1, None, 3], dtype=pl.UInt64),
    pl.Series([1, 0, None, 2**63 - 1], dtype=pl.Int64),
    pl.Series([1.5, float("nan"), float("inf"), 2.0], dtype=pl.Float32),
    pl.Series([1.0, -0.0, 1e300, 2.0**63], dtype=pl.Float64),
    pl.Series([True, False, None, True]),
    pl.Series(["1", "", None, "x" * 2000]),
    pl.Series(["DE", "card", "2024-05-01T12:00:00Z", "nan"]),
    pl.Series(["DE", "card", None, "DE"], dtype=pl.Categorical),
    pl.Series(["1", "0", None, "1"], dtype=pl.Enum(["0", "1"])),
    pl.Series([date(2024, 1, 1)] * 4),
    pl.Series([MOMENT, None, MOMENT, MOMENT]),
    pl.Series([datetime(2024, 3, 31, 2, 30)] * 4, dtype=pl.Datetime("ns")),  # noqa: DTZ001 - a wall clock
    pl.Series([timedelta(days=1)] * 4),
    pl.Series([time(1, 2)] * 4),
    pl.Series([Decimal("1.50"), None, Decimal(2), Decimal(-1)]),
    pl.Series([[1], [], None, [2]]),
    pl.Series([["a"], [], None, ["b"]]),
    pl.Series([b"\xff", b"", None, b"a"]),
    pl.Series([None] * 4, dtype=pl.Null),
]  # fmt: skip
PATHS = [
    "transaction_id", "event_time", "order.amount", "order.currency", "payment.card.expiry_month",
    "device.session_age_s", "account.is_guest", "account.created_at", "order.items", "is_test",
    "billing.region", "custom_inputs.x", "entities.x", "type",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("series", COLUMNS, ids=lambda series: str(series.dtype))
def test_any_column_is_taken_told_or_refused(write: Write, path: str, series: pl.Series) -> None:
    lines = [line for line in SHOP.splitlines() if not line.startswith(f'"{path}"')]
    lines = [line for line in lines if not line.startswith(f"{path} =")]
    text = "\n".join(lines).replace("[constants]", f'"{path}" = "odd"\n[constants]')
    table = shop(4).with_columns(series.alias("odd"))
    written = [write(table, "parquet")]
    if not series.dtype.is_nested() and series.dtype not in (pl.Binary, pl.Duration):
        written.append(write(table, "csv"))
    for file in written:
        _check(file, Mapping.parse(text))


def _check(file: Path, mapping: Mapping) -> None:
    misfit = None
    try:
        data = read_data([file], mapping)
    except MappingError as error:
        misfit = str(error)
    if misfit is not None:
        assert '= "odd": ' in misfit
        return
    assert data.frame.height + data.errors.height == data.row_count == 4
    for row in data.frame.iter_rows(named=True):
        assert isinstance(msgspec.convert(as_document(row), Transaction), Transaction)


def as_document(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a vocabulary frame as the document that online decoding takes."""
    document: dict[str, Any] = {}
    for column, value in row.items():
        path = column.removesuffix("_ms")
        if value is None or path in {"row", "utc_offset_minutes", *BASKET_PATHS}:
            continue
        *outer, last = path.split(".")
        here = document
        for step in outer:
            here = here.setdefault(step, {})
        is_time = path in fields() and fields()[path].kind is Kind.TIME
        here[last] = datetime.fromtimestamp(value / 1000, UTC) if is_time else value
    return document
