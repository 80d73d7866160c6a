"""What is wrong with a table is said, by both offline drivers; keys may be of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fraudkit.domain.money import rate_table
from fraudkit.domain.transaction import Order, Transaction
from fraudkit.errors import FeatureError, InputError
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.offline import features_frame
from fraudkit.features.offline_files import SinkOptions, sink_features
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, OrderFeature
from fraudkit.stores.memory import MemoryStore

RATES = rate_table("EUR", {"USD": {"2020-01-01": "0.9"}})
START = datetime(2026, 3, 1, tzinfo=UTC)
START_MS = 1_772_323_200_000
COLUMNS: dict[str, Any] = {
    "transaction_id": ["a", "b", "c", "d"],
    "event_time_ms": [START_MS + 1000 * place for place in range(4)],
    "order.amount_minor": [100, 200, 300, 400],
    "order.currency": ["EUR", "EUR", "EUR", "EUR"],
    "custom_inputs.key": ["k", "k", "k", "k"],
}
TOLD: dict[str, Any] = {"transaction_id": ["a"], "status": [8], "known_at_ms": [START_MS + 1]}


def count(entity: str = "key", where: Any = "attempted") -> Aggregation:
    return Aggregation(
        name=f"{entity}_{where}",
        entity=entity,
        operation="count",
        window_ms=3_600_000,
        where=where,
        unit="",
        meaning="",
        reason_code="X",
    )


def keyed_by(*paths: str) -> FeatureSet:
    return FeatureSet([Entity(name="key", inputs=paths)], [count(), count(where="fraud")])


FEATURES = keyed_by("custom_inputs.key")


def in_memory(orders: pl.DataFrame, outcomes: pl.DataFrame, _folder: Path, **options: Any) -> Any:
    return features_frame(orders, FEATURES, RATES, outcomes, **options)


def in_files(orders: pl.DataFrame, outcomes: pl.DataFrame, folder: Path, **options: Any) -> Any:
    sink = SinkOptions(batch_rows=2)
    parts = sink_features(
        orders, FEATURES, RATES, outcomes, folder / "rows", options=sink, **options
    )
    return parts.collect()


DRIVERS = pytest.mark.parametrize("driver", [in_memory, in_files])


def changed(columns: Mapping[str, Any], **change: Any) -> pl.DataFrame:
    held = {**columns, **{name.replace("__", "."): values for name, values in change.items()}}
    return pl.DataFrame({name: values for name, values in held.items() if values is not None})


TIMES = [START + timedelta(seconds=place) for place in range(4)]
WRONG_ORDERS: dict[str, tuple[dict[str, Any], str]] = {
    "no ids": ({"transaction_id": None}, "'transaction_id' is missing"),
    "numbers for ids": ({"transaction_id": [1, 2, 3, 4]}, r"a text .*Int64; .*\.cast\(pl.String\)"),
    "no id in a row": ({"transaction_id": ["a", "b", None, "d"]}, "row 2 has none"),
    "no time in a row": (
        {"event_time_ms": [START_MS, START_MS, START_MS, None]},
        "'event_time_ms' of .* must have a whole number in every row, row 3 has none",
    ),
    "times as times": ({"event_time_ms": TIMES}, r"got a column of Datetime.*\.dt\.epoch\('ms'\)"),
    "received at times": ({"available_at_ms": TIMES}, "'available_at_ms' .* Datetime"),
    "not received": ({"available_at_ms": [START_MS, None, START_MS, START_MS]}, "row 1 has none"),
    "half a cent": ({"order__amount_minor": [1.5, 2.0, 3.0, 4.0]}, "Float64; .*Int64"),
    "no amount": ({"order__amount_minor": [1, None, 3, 4]}, "'order.amount_minor' .* row 1 has"),
    "no currency": ({"order__currency": ["EUR", "EUR", None, "USD"]}, "'order.currency' .* row 2"),
}


@DRIVERS
@pytest.mark.parametrize(("change", "told"), WRONG_ORDERS.values(), ids=WRONG_ORDERS)
def test_orders_that_do_not_hold_are_refused(
    driver: Callable[..., Any], change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        driver(changed(COLUMNS, **change), pl.DataFrame(TOLD), tmp_path)
    assert list(tmp_path.iterdir()) == []


WRONG_OUTCOMES: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": (dict.fromkeys(TOLD), "a table of outcomes must have the columns"),
    "no time": ({"known_at_ms": [None]}, "'known_at_ms' .* row 0 has none"),
    "a fraction": ({"known_at_ms": [0.5]}, "'known_at_ms' .* Float64"),
    "a time": ({"known_at_ms": TIMES[:1]}, r"Datetime.*\.dt\.epoch\('ms'\)"),
    "a name": ({"status": ["fraud"]}, "'status' of a table of outcomes must have a whole number"),
}


@DRIVERS
@pytest.mark.parametrize(("change", "told"), WRONG_OUTCOMES.values(), ids=WRONG_OUTCOMES)
def test_outcomes_that_do_not_hold_are_refused(
    driver: Callable[..., Any], change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        driver(pl.DataFrame(COLUMNS), changed(TOLD, **change), tmp_path)
    assert list(tmp_path.iterdir()) == []


@DRIVERS
def test_tables_without_rows_may_be_without_types(
    driver: Callable[..., Any], tmp_path: Path
) -> None:
    rows = driver(pl.DataFrame(COLUMNS), pl.DataFrame({name: [] for name in TOLD}), tmp_path)
    assert rows["key_attempted"].to_list() == [0.0, 1.0, 2.0, 3.0]


@DRIVERS
@pytest.mark.parametrize("lateness_ms", [-1, 2**63])
def test_a_lateness_that_is_none_is_refused(
    driver: Callable[..., Any], lateness_ms: int, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"allowed_lateness_ms must be .* got {lateness_ms}"):
        driver(pl.DataFrame(COLUMNS), pl.DataFrame(TOLD), tmp_path, allowed_lateness_ms=lateness_ms)


@pytest.mark.parametrize("first_query", [-1, 5])
def test_the_first_query_must_be_one_of_the_orders(first_query: int) -> None:
    with pytest.raises(InputError, match=f"first_query must be 0 to 4, .* got {first_query}"):
        features_frame(
            pl.DataFrame(COLUMNS), FEATURES, RATES, pl.DataFrame(TOLD), first_query=first_query
        )


KEYS = {
    "whole": pl.Series([5, 5, 7, None, 5]),
    "float": pl.Series([5.0, 2.5, 5.0, None, 2.5]),
    "truth": pl.Series([True, True, True, None, True]),
    "nothing": pl.Series([None] * 5),
    "label": pl.Series(["a", "a ", "a", "", None], dtype=pl.Categorical),
    "choice": pl.Series(["a", "b", "a", None, "b"], dtype=pl.Enum(["a", "b"])),
}


@DRIVERS
@pytest.mark.parametrize("values", KEYS.values(), ids=KEYS)
def test_keys_of_any_kind_count_as_online(
    driver: Callable[..., Any], values: pl.Series, tmp_path: Path
) -> None:
    plan = window_plan(FEATURES)
    store = MemoryStore(plan)
    online = OnlineFeatures(FEATURES, plan, store, RATES, IdentifierHash(b"k" * 16))
    expected = []
    for place, value in enumerate(values.to_list()):
        transaction = Transaction(
            transaction_id=f"t{place}",
            event_time=START + timedelta(seconds=place),
            order=Order(amount_minor=100, currency="EUR"),
            custom_inputs={} if value is None else {"key": value},
        )
        row = online.row(transaction)
        store.append(row.event)
        expected.append(row.values[0])
    orders = pl.DataFrame(
        {
            "transaction_id": [f"t{place}" for place in range(5)],
            "event_time_ms": [START_MS + 1000 * place for place in range(5)],
            "order.amount_minor": [100] * 5,
            "order.currency": ["EUR"] * 5,
            "custom_inputs.key": values,
        }
    )
    rows = driver(orders, pl.DataFrame(TOLD), tmp_path)
    assert rows["key_attempted"].fill_nan(None).to_list() == [
        None if isnan(value) else value for value in expected
    ]


def test_an_offline_form_gives_one_value_a_row() -> None:
    short = OrderFeature(
        name="short",
        inputs=("channel",),
        compute=lambda _channel: 1.0,
        compute_many=lambda _channels: [1.0],
        unit="",
        meaning="",
        reason_code="X",
        low=0.0,
        high=1.0,
    )
    features = FeatureSet([], [short])
    with pytest.raises(FeatureError, match=r"feature of channel must give one .*, got 1 for 4"):
        features_frame(pl.DataFrame(COLUMNS), features, RATES, pl.DataFrame(TOLD))


def test_paths_may_be_texts(tmp_path: Path) -> None:
    pl.DataFrame(COLUMNS).write_parquet(tmp_path / "orders.parquet")
    pl.DataFrame(TOLD).write_parquet(tmp_path / "outcomes.parquet")
    parts = sink_features(
        str(tmp_path / "orders.parquet"),
        FEATURES,
        RATES,
        [str(tmp_path / "outcomes.parquet")],
        str(tmp_path / "rows"),
    )
    assert parts.collect()["key_attempted"].to_list() == [0.0, 1.0, 2.0, 3.0]
