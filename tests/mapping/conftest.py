"""Writes tables as the three formats."""

from pathlib import Path

import polars as pl
import pytest

from tests.mapping.shop import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_frame(frame: pl.DataFrame, ending: str) -> Path:
        path = tmp_path / f"orders{len(list(tmp_path.iterdir()))}.{ending}"
        {"csv": frame.write_csv, "parquet": frame.write_parquet, "ndjson": frame.write_ndjson}[
            ending
        ](path)
        return path

    return write_frame
