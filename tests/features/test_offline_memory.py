"""A file in parts: what it takes of memory does not grow with its rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

START_MS = 1_767_225_600_000
OUTCOMES = {"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64}

BOUNDED = """
import subprocess
import sys
from pathlib import Path

from fraudkit.domain.money import rate_table
from fraudkit.features.offline_files import SinkOptions, sink_features
from fraudkit.features.spec import Aggregation, Entity, FeatureSet

PATHS = {"card": "payment.card.fingerprint", "email": "email.address"}
features = FeatureSet(
    [Entity(name=name, inputs=(path,)) for name, path in PATHS.items()],
    [
        Aggregation(
            name=f"{entity}_{operation}_{hours}",
            entity=entity,
            operation=operation,
            window_ms=hours * 3_600_000,
            of=of,
            unit="",
            meaning="",
            reason_code="X",
        )
        for entity in ("card", "email")
        for operation, of in (("count", None), ("std", None), ("distinct", "card"))
        for hours in (1, 24)
    ],
)


def peak_bytes():
    held = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    return int(held) * 1024


*tables, outcomes, folder = map(Path, sys.argv[1:])
options = SinkOptions(batch_rows=20_000, memory_bytes=64 << 20)
peaks = []
for orders in tables:
    rows = folder / orders.stem
    sink_features(orders, features, rate_table("EUR", {}), outcomes, rows, options=options)
    peaks.append(peak_bytes())
print(*peaks)
"""


def many_orders(n_rows: int, path: Path) -> Path:
    generator = np.random.default_rng(n_rows)
    pl.DataFrame(
        {
            "transaction_id": pl.int_range(n_rows, eager=True).cast(pl.String),
            "event_time_ms": START_MS + 300 * np.arange(n_rows),
            "order.amount_minor": generator.integers(1, 99_999, n_rows),
            "order.currency": ["EUR"] * n_rows,
            "payment.card.fingerprint": generator.integers(0, n_rows // 5, n_rows).astype(str),
            "email.address": generator.integers(0, n_rows // 3, n_rows).astype(str),
        }
    ).write_parquet(path, row_group_size=50_000)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_eight_times_the_rows_take_no_more_memory(tmp_path: Path) -> None:
    sizes = (1_000, 250_000, 1_000_000)
    tables = [str(many_orders(n_rows, tmp_path / f"{n_rows}.parquet")) for n_rows in sizes]
    outcomes = tmp_path / "outcomes.parquet"
    pl.DataFrame(schema=OUTCOMES).write_parquet(outcomes)
    command = [sys.executable, "-c", BOUNDED, *tables, str(outcomes), str(tmp_path)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    few, fewer, many = (int(peak) >> 20 for peak in run.stdout.split())
    assert fewer - few < 64 + 192, (few, fewer, many)
    assert many - fewer < 128, (few, fewer, many)
