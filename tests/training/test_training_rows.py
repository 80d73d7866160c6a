"""Weights of the rows: what was let through by chance stands for what was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.money import rate_table
from fraudkit.errors import InputError, TrainingError
from fraudkit.features.enrichment import Enrichment
from fraudkit.mapping import MappedData
from fraudkit.scoring.learning import training_rows as module
from fraudkit.scoring.learning.training_rows import TrainingRows, training_rows
from tests.training.table import DAY_MS, START_MS, read_table, table

HORIZON_MS = START_MS + 45 * DAY_MS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MappedData:
    return read_table(table(400), tmp_path_factory.mktemp("orders"))


def rows_of(data: MappedData, propensities: pl.DataFrame | None) -> TrainingRows:
    return training_rows(
        data, rate_table("EUR"),
        horizon_ms=HORIZON_MS, label_delay_days=2.0, sources=Enrichment.default(),
        propensities=propensities,
    )  # fmt: skip


def test_each_order_weighs_one_over_its_propensity(data: MappedData) -> None:
    propensities = pl.DataFrame(
        {"transaction_id": ["t7", "t3", "nobody's"], "approve_propensity": [0.25, 0.1, 0.5]}
    )
    known = rows_of(data, propensities)
    identifiers = known.frame["transaction_id"].filter(pl.Series(known.is_labelled)).to_list()
    expected = {"t7": 4.0, "t3": 10.0}
    assert known.weights.tolist() == [expected.get(name, 1.0) for name in identifiers]
    np.testing.assert_array_equal(known.rows, rows_of(data, None).rows)


@pytest.mark.parametrize(
    "propensities",
    [None, pl.DataFrame({"transaction_id": [], "approve_propensity": []})],
    ids=["none given", "none held"],
)
def test_without_propensities_every_order_weighs_1(
    data: MappedData, propensities: pl.DataFrame | None
) -> None:
    assert set(rows_of(data, propensities).weights) == {1.0}


@given(
    drawn=st.dictionaries(st.integers(0, 30), st.floats(1e-9, 1.0), max_size=20),
    order=st.randoms(use_true_random=False),
)
def test_weights_do_not_depend_on_the_order_of_propensities(
    drawn: dict[int, float], order: Any
) -> None:
    frame = pl.DataFrame({"transaction_id": [f"t{number}" for number in range(25)]})
    rows = [(f"t{number}", value) for number, value in drawn.items()]
    order.shuffle(rows)
    schema = {"transaction_id": pl.String, "approve_propensity": pl.Float64}
    weights = module._weights(frame, pl.DataFrame(rows * 2, schema=schema, orient="row"))
    assert weights.tolist() == [1.0 / drawn.get(number, 1.0) for number in range(25)]


@pytest.mark.parametrize(
    "value", [0.0, -0.5, 1.0000001, float("nan"), float("inf"), 1e-300, None, "often"]
)
def test_a_propensity_that_is_no_probability_is_refused_by_name(
    data: MappedData, value: float | str | None
) -> None:
    kept = "0.5" if isinstance(value, str) else 0.5
    bad = pl.DataFrame({"transaction_id": ["t1", "t2"], "approve_propensity": [kept, value]})
    with pytest.raises(InputError, match=r"from 1e-09 to 1, got .* for transaction_id 't2'"):
        rows_of(data, bad)


def test_an_order_with_two_propensities_is_refused_by_name(data: MappedData) -> None:
    bad = pl.DataFrame(
        {"transaction_id": ["t2", "t1", "t2"], "approve_propensity": [0.5, 0.5, 0.25]}
    )
    with pytest.raises(InputError, match=r"one approve_propensity, got several .* 't2'"):
        rows_of(data, bad)


@pytest.mark.parametrize("column", ["transaction_id", "approve_propensity"])
def test_a_column_that_is_absent_is_refused_by_name(data: MappedData, column: str) -> None:
    bad = pl.DataFrame({"transaction_id": ["t2"], "approve_propensity": [0.5]}).drop(column)
    with pytest.raises(InputError, match="must have the columns transaction_id and approve"):
        rows_of(data, bad)


def test_rows_are_those_whose_label_was_mature_in_order_of_time(data: MappedData) -> None:
    known = rows_of(data, None)
    assert known.rows.shape == (int(known.is_labelled.sum()), len(known.features.names))
    assert len(known.frame) == len(known.is_labelled) > len(known.rows)
    assert (known.matured_at_ms < HORIZON_MS).all()
    assert (np.diff(known.event_time_ms) >= 0).all()
    np.testing.assert_array_equal(
        known.event_time_ms, known.frame["event_time_ms"].to_numpy()[known.is_labelled]
    )


def test_what_cannot_be_learnt_from_is_refused(data: MappedData, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="orders before the horizon, got none"):
        training_rows(
            data, rate_table("EUR"),
            horizon_ms=START_MS, label_delay_days=2.0, sources=Enrichment.default(),
        )  # fmt: skip
    young = read_table(table(60, days=1), tmp_path)
    with pytest.raises(TrainingError, match="label was known before the horizon, got none"):
        training_rows(
            young, rate_table("EUR"),
            horizon_ms=START_MS + DAY_MS, label_delay_days=2.0, sources=Enrichment.default(),
        )  # fmt: skip
