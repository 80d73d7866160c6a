"""Recent orders are those of both files, in order of time, with what policies read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fraudkit.decisions.policy import Policy
from fraudkit.decisions.segments import Segment
from fraudkit.domain.money import rate_table
from fraudkit.errors import DataFileError
from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.registry.recent_orders import recent_orders

RATES = rate_table("EUR", {"USD": {"2026-01-01": "0.5"}})
LINES = """\
{"transaction_id":"late","event_time":"2026-01-02T00:00:00Z","order":{"amount_minor":100,"currency":"USD"},"billing":{"country":"DE"}}
{"transaction_id":"early","event_time":"2026-01-01T00:00:00Z","order":{"amount_minor":70,"currency":"EUR"}}
{"transaction_id":"unscored","event_time":"2026-01-01T00:00:00Z","order":{"amount_minor":7,"currency":"EUR"}}
{"transaction_id":"no-rate","event_time":"2026-01-03T00:00:00Z","order":{"amount_minor":7,"currency":"XAF"}}
"""
AS_OF_MS = 1_768_000_000_000
POLICY = Policy(
    segments=(
        Segment(name="de", when={"billing.country": ("DE",)}),
        Segment(name="at", when={"shipping.country": ("AT",)}),
    )
)


@pytest.fixture
def data(tmp_path: Path) -> MappedData:
    (tmp_path / "orders.ndjson").write_text(LINES)
    return read_data([tmp_path / "orders.ndjson"], Mapping.identity())


def scores(*names: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": names,
            "fraud_probability": [None if name == "unscored" else 0.25 for name in names],
            "action": ["approve"] * len(names),
        }
    )


def test_they_are_in_order_of_time_with_what_policies_read(data: MappedData) -> None:
    scored = scores("no-rate", "late", "unscored", "early", "elsewhere")
    found = recent_orders(scored, data, RATES, [Policy(), POLICY], as_of_ms=AS_OF_MS)
    assert found.transaction_id == ["early", "late", "no-rate"]
    assert found.time_ms.tolist() == sorted(found.time_ms.tolist())
    assert found.probability.tolist() == [0.25] * 3
    assert found.amount_minor.tolist()[:2] == [70.0, 50.0]
    assert np.isnan(found.amount_minor[2])
    assert found.columns["billing.country"] == [None, "DE", None]
    assert "shipping.country" not in found.columns


def test_scores_of_other_orders_are_refused(data: MappedData) -> None:
    with pytest.raises(DataFileError, match="no transaction_id is in both"):
        recent_orders(scores("elsewhere"), data, RATES, [Policy()], as_of_ms=AS_OF_MS)


def test_an_outcome_counts_once_its_order_is_old_enough(tmp_path: Path) -> None:
    (tmp_path / "orders.ndjson").write_text(
        "".join(
            f'{{"transaction_id":"{name}","event_time":"2026-01-0{day}T00:00:00Z",'
            f'"order":{{"amount_minor":100,"currency":"EUR"}},"was_fraud":{is_fraud}}}\n'
            for name, day, is_fraud in (("fraud", 1, 1), ("honest", 2, 0), ("young", 5, 1))
        )
    )
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[label]\ncolumn = "was_fraud"\ndelay_days = 3\n')
    read = read_data([tmp_path / "orders.ndjson"], Mapping.load(mapping))
    scored = scores("fraud", "honest", "young")
    on_the_sixth = {"as_of_ms": 1_767_657_600_000, "label_delay_days": 3.0}
    found = recent_orders(scored, read, RATES, [Policy()], **on_the_sixth)
    assert found.is_fraud[:2].tolist() == [1.0, 0.0]
    assert np.isnan(found.is_fraud[2])
