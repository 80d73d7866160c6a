"""A file in parts: the rows of the whole frame, with ==, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.money import rate_table
from fraudkit.domain.outcome import Status
from fraudkit.errors import InputError
from fraudkit.features.catalog import default_features
from fraudkit.features.offline import features_frame
from fraudkit.features.offline_arrivals import Arrivals, accept_by_arrival
from fraudkit.features.offline_files import SinkOptions, sink_features
from fraudkit.features.offline_shuffle import ColumnFiles, Workspace
from fraudkit.features.offline_windows import accepted_events
from fraudkit.features.spec import FeatureSet, OrderFeature
from fraudkit.features.window_arrays import AVAILABLE_AT, EVENT_ID, EVENT_TIME
from fraudkit.mapping import Mapping, read_data
from fraudkit.simulate import simulate, write_shop
from tests.parity.windows import HOUR_MS, LATENESS_MS, MINUTE_MS, START_MS, parity_features

RATES = rate_table("EUR", {"JPY": {"2020-01-01": "0.006"}})
FEATURES = {max_events: parity_features(max_events) for max_events in (2, 50)}
OUTCOMES = pl.Schema({"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64})
KEYS = {
    "payment.card.fingerprint": ["c1", " c1", "c2", None],
    "email.address": ["a@x.io", "b@x.io", "", None],
    "device.fingerprint": ["d1", "d2", None],
    "billing.country": ["DE", "FR", None],
}
ORDERS = pl.Schema(
    {
        "transaction_id": pl.String,
        "event_time_ms": pl.Int64,
        "available_at_ms": pl.Int64,
        "order.amount_minor": pl.Int64,
        "order.currency": pl.String,
    }
    | dict.fromkeys(KEYS, pl.String)
)


class Table(NamedTuple):
    """Orders in any order of time, some of them again, and what became of them."""

    orders: pl.DataFrame
    outcomes: pl.DataFrame


@st.composite
def tables(draw: st.DrawFn, max_rows: int = 20) -> Table:
    """Draw orders whose times sit on and beside window edges, some late, some repeated."""
    edges = st.sampled_from([0, 1, MINUTE_MS - 1, MINUTE_MS, HOUR_MS, HOUR_MS + 1, 2 * HOUR_MS])
    delays = st.sampled_from([0, 0, 1, LATENESS_MS, LATENESS_MS + 1, HOUR_MS])
    ids = st.integers(0, max_rows).map("t{}".format)
    rows = [
        {
            "transaction_id": draw(ids),
            "event_time_ms": (time_ms := START_MS + draw(edges) + draw(edges)),
            "available_at_ms": time_ms + draw(delays),
            "order.amount_minor": draw(st.sampled_from([0, 100, 5050, 10**13])),
            "order.currency": draw(st.sampled_from(["EUR", "EUR", "JPY", "USD"])),
            **{path: draw(st.sampled_from(values)) for path, values in KEYS.items()},
        }
        for _ in range(draw(st.integers(0, max_rows)))
    ]
    known = [
        {
            "transaction_id": draw(ids),
            "status": int(draw(st.sampled_from(Status))),
            "known_at_ms": START_MS + draw(edges),
        }
        for _ in range(draw(st.integers(0, max_rows)))
    ]
    orders = pl.DataFrame(rows, schema=ORDERS)
    if draw(st.booleans()):
        orders = orders.drop("available_at_ms")
    return Table(orders, pl.DataFrame(known, schema=OUTCOMES))


def same(parts: pl.LazyFrame, whole: pl.DataFrame, ids: pl.Series) -> bool:
    """Tell whether parts hold the ids and the values of the whole; NaN equals NaN."""
    found = parts.collect()
    return (
        found.columns == ["transaction_id", *whole.columns]
        and found["transaction_id"].to_list() == ids.to_list()
        and np.array_equal(
            found.drop("transaction_id").to_numpy(), whole.to_numpy(), equal_nan=True
        )
    )


@settings(max_examples=60)
@given(
    table=tables(),
    max_events=st.sampled_from(list(FEATURES)),
    allowed_lateness_ms=st.sampled_from([None, 0, LATENESS_MS]),
    options=st.builds(
        SinkOptions,
        batch_rows=st.integers(1, 25),
        memory_bytes=st.sampled_from([20_000, 200_000, 1 << 20]),
    ),
)
def test_parts_equal_the_rows_of_the_whole_frame(
    table: Table, max_events: int, allowed_lateness_ms: int | None, options: SinkOptions
) -> None:
    features = FEATURES[max_events]
    whole = features_frame(
        table.orders, features, RATES, table.outcomes, allowed_lateness_ms=allowed_lateness_ms
    )
    with TemporaryDirectory() as name:
        parts = sink_features(
            table.orders,
            features,
            RATES,
            table.outcomes,
            Path(name) / "rows",
            allowed_lateness_ms=allowed_lateness_ms,
            options=options,
        )
        assert same(parts, whole, table.orders["transaction_id"])


@settings(max_examples=60)
@given(
    times=st.lists(st.tuples(st.integers(0, 30), st.integers(-9, 9), st.integers(0, 20))),
    allowed_lateness_ms=st.integers(0, 8),
    memory_bytes=st.sampled_from([300, 1_000, 100_000]),
)
def test_merged_runs_are_accepted_as_one(
    times: list[tuple[int, int, int]], allowed_lateness_ms: int, memory_bytes: int
) -> None:
    available, delays, ids = np.array(times, np.int64).reshape(-1, 3).T
    numbers = np.unique(ids, return_inverse=True)[1] + 1
    with TemporaryDirectory() as name:
        columns = ColumnFiles(Path(name) / "columns")
        written = {EVENT_ID: ids, EVENT_TIME: available - delays, AVAILABLE_AT: available}
        for column, values in (written | {8: numbers}).items():
            columns.append(column, values)
        arrivals = Arrivals(columns, 8, int(numbers.max(initial=0)))
        accept_by_arrival(arrivals, 7, allowed_lateness_ms, Workspace(Path(name), memory_bytes))
        found = columns.read((7,), range(len(ids)))[0] if len(ids) else np.zeros(0)
    expected = accepted_events(ids, available - delays, available, allowed_lateness_ms)
    assert found.tolist() == expected.tolist()


@cache
def shop() -> tuple[pl.DataFrame, pl.DataFrame, FeatureSet, Mapping]:
    with TemporaryDirectory() as name:
        write_shop(simulate(400, 1), Path(name))
        mapping = Mapping.load(Path(name) / "mapping.toml")
        data = read_data([Path(name) / "orders.ndjson"], mapping)
    levels = {"channel": ["web", "mobile_app"], "billing_country": ["DE", "FR"]}
    return data.frame, data.outcomes, default_features(levels=levels), mapping


def as_frame(frame: pl.DataFrame, _folder: Path) -> pl.DataFrame:
    return frame


def as_parquet(frame: pl.DataFrame, folder: Path) -> list[Path]:
    paths = [folder / "0.parquet", folder / "[1].parquet"]
    frame.head(150).write_parquet(paths[0], row_group_size=40)
    frame.tail(-150).write_parquet(paths[1])
    return paths


def as_scan(frame: pl.DataFrame, folder: Path) -> pl.LazyFrame:
    frame.write_parquet(folder / "scan.parquet", row_group_size=40)
    return pl.scan_parquet(folder / "scan.parquet")


def as_csv(frame: pl.DataFrame, folder: Path) -> pl.LazyFrame:
    frame.write_csv(folder / "table.csv")
    return pl.scan_csv(folder / "table.csv", schema=frame.schema)


def as_ndjson(frame: pl.DataFrame, folder: Path) -> pl.LazyFrame:
    frame.write_ndjson(folder / "table.ndjson")
    wide = {name: pl.Int64 if kind.is_integer() else kind for name, kind in frame.schema.items()}
    return pl.scan_ndjson(folder / "table.ndjson", schema=wide)


@pytest.mark.parametrize("source", [as_frame, as_parquet, as_scan, as_csv, as_ndjson])
def test_the_whole_catalogue_is_the_same_from_any_source(
    source: Callable[[pl.DataFrame, Path], Any], tmp_path: Path
) -> None:
    orders, outcomes, features, mapping = shop()
    (tmp_path / "orders").mkdir()
    (tmp_path / "outcomes").mkdir()
    parts = sink_features(
        source(orders, tmp_path / "orders"),
        features,
        mapping.rates,
        source(outcomes, tmp_path / "outcomes"),
        tmp_path / "rows",
        options=SinkOptions(batch_rows=70, memory_bytes=100_000),
    )
    whole = features_frame(orders, features, mapping.rates, outcomes)
    assert same(parts, whole, orders["transaction_id"])
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["orders", "outcomes", "rows"]
    assert len(list((tmp_path / "rows").iterdir())) >= 6


def one_card(n_rows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [f"t{row}" for row in range(n_rows)],
            "event_time_ms": [START_MS + 700 * (row // 2) for row in range(n_rows)],
            "order.amount_minor": [100 + row for row in range(n_rows)],
            "order.currency": ["EUR"] * n_rows,
            "payment.card.fingerprint": ["c1"] * n_rows,
        }
    )


def test_the_events_of_one_hot_key_may_exceed_the_memory(tmp_path: Path) -> None:
    orders, outcomes = one_card(500), pl.DataFrame(schema=OUTCOMES)
    options = SinkOptions(batch_rows=33, memory_bytes=20_000)
    parts = sink_features(orders, FEATURES[50], RATES, outcomes, tmp_path / "rows", options=options)
    whole = features_frame(orders, FEATURES[50], RATES, outcomes)
    assert same(parts, whole, orders["transaction_id"])


def test_no_orders_are_one_part_without_rows(tmp_path: Path) -> None:
    nothing = pl.DataFrame(schema=ORDERS)
    parts = sink_features(
        nothing.lazy(), FEATURES[2], RATES, pl.DataFrame(schema=OUTCOMES), tmp_path / "rows"
    )
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["part-00000.parquet"]
    assert same(
        parts, pl.DataFrame(schema=dict.fromkeys(FEATURES[2].names, pl.Float64)), pl.Series()
    )


class Progress:
    """Remembers what was told of each stage."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[int, int]]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.told.setdefault(stage, []).append((done, total))


def test_progress_counts_the_rows_of_each_stage(tmp_path: Path) -> None:
    orders, progress = one_card(10), Progress()
    outcomes = pl.DataFrame([("t1", int(Status.FRAUD), START_MS)], schema=OUTCOMES, orient="row")
    options = SinkOptions(batch_rows=4, progress=progress)
    sink_features(
        orders.lazy(), FEATURES[2], RATES, outcomes.lazy(), tmp_path / "rows", options=options
    )
    assert progress.told["orders"] == [(4, 10), (8, 10), (10, 10)]
    assert progress.told["outcomes"] == [(1, 1)]
    assert progress.told["windows"][-1] == (10, 10)
    assert progress.told["parts"] == [(4, 10), (8, 10), (10, 10)]


def failing(at: int) -> FeatureSet:
    """Return a feature set that cannot be computed for one amount."""

    def compute(amount: int) -> float:
        if amount == at:
            message = "no such amount"
            raise RuntimeError(message)
        return float(amount)

    return FeatureSet(
        (),
        [
            OrderFeature(
                name="own",
                inputs=("order.amount_minor",),
                compute=compute,
                unit="",
                meaning="",
                reason_code="OWN",
                low=0.0,
                high=1e9,
            )
        ],
    )


def test_what_fails_in_the_middle_leaves_nothing_and_what_was_there_before(tmp_path: Path) -> None:
    orders, outcomes = one_card(100).lazy(), pl.DataFrame(schema=OUTCOMES)
    options = SinkOptions(batch_rows=10, overwrite=True)
    with pytest.raises(RuntimeError, match="no such amount"):
        sink_features(orders, failing(155), RATES, outcomes, tmp_path / "rows", options=options)
    assert list(tmp_path.iterdir()) == []
    sink_features(orders, failing(0), RATES, outcomes, tmp_path / "rows", options=options)
    before = {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    with pytest.raises(RuntimeError, match="no such amount"):
        sink_features(orders, failing(155), RATES, outcomes, tmp_path / "rows", options=options)
    told = pl.DataFrame({"transaction_id": ["t1"], "status": ["fraud"], "known_at_ms": [0]})
    with pytest.raises(InputError, match="'status' of a table of outcomes must have a whole"):
        sink_features(orders, FEATURES[2], RATES, told, tmp_path / "rows", options=options)
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()} == before


def test_parts_that_are_there_are_replaced_only_if_allowed(tmp_path: Path) -> None:
    outcomes, folder = pl.DataFrame(schema=OUTCOMES), tmp_path / "rows"
    folder.mkdir()
    sink_features(
        one_card(9), failing(0), RATES, outcomes, folder, options=SinkOptions(batch_rows=2)
    )
    with pytest.raises(InputError, match=r"must be empty, got .* with 5 parts; .*overwrite"):
        sink_features(one_card(3), failing(0), RATES, outcomes, folder)
    options = SinkOptions(overwrite=True)
    parts = sink_features(one_card(3), failing(0), RATES, outcomes, folder, options=options)
    assert [path.name for path in folder.iterdir()] == ["part-00000.parquet"]
    assert parts.collect()["own"].to_list() == [100.0, 101.0, 102.0]


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("kept")
    outcomes, options = pl.DataFrame(schema=OUTCOMES), SinkOptions(overwrite=True)
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=r"nothing but parts; .* holds 'notes.txt'"):
            sink_features(one_card(3), failing(0), RATES, outcomes, folder, options=options)
    with pytest.raises(InputError, match="must be inside a file system"):
        sink_features(one_card(3), failing(0), RATES, outcomes, Path("/"), options=options)
    assert (tmp_path / "notes.txt").read_text() == "kept"


def test_what_came_into_the_folder_meanwhile_is_kept(tmp_path: Path) -> None:
    def interfere(_stage: str, _done: int, _total: int) -> None:
        (tmp_path / "rows").mkdir(exist_ok=True)
        (tmp_path / "rows" / "notes.txt").write_text("kept")

    outcomes, options = pl.DataFrame(schema=OUTCOMES), SinkOptions(progress=interfere)
    with pytest.raises(InputError, match=r"holds 'notes.txt'"):
        sink_features(one_card(3), failing(0), RATES, outcomes, tmp_path / "rows", options=options)
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("missing", ["transaction_id", "order.currency"])
def test_orders_without_a_column_are_refused_at_once(missing: str, tmp_path: Path) -> None:
    outcomes = pl.DataFrame(schema=OUTCOMES)
    with pytest.raises(InputError, match=f"table of orders must have .* '{missing}' is missing"):
        sink_features(one_card(3).drop(missing), failing(0), RATES, outcomes, tmp_path / "rows")
    with pytest.raises(InputError, match=r"table of outcomes must have .* 'status' is missing"):
        sink_features(one_card(3), failing(0), RATES, outcomes.drop("status"), tmp_path / "rows")


@pytest.mark.parametrize("name", ["batch_rows", "memory_bytes"])
def test_numbers_must_be_positive(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be at least 1, got 0"):
        SinkOptions(**{name: 0})
