import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.feature_baselines import DAY_MS, has_duckdb, in_duckdb, in_polars
from benchmarks.feature_memory import measure_flat, measure_held, reads_resident_memory
from benchmarks.feature_offline import HANDBOOK, check_same_columns, our_way
from benchmarks.feature_redis import why_no_redis
from benchmarks.feature_stream import (
    HOT_ADDRESS,
    at_pace,
    at_times,
    event_rows,
    online_features,
    read_shop,
    side_by_side,
    with_hot_address,
)
from benchmarks.features import QUICK
from fraudkit.domain.money import rate_table
from fraudkit.errors import ArtifactError
from fraudkit.features.plan import window_plan
from fraudkit.features.window_arrays import (
    EVENT_ID,
    EVENT_TIME,
    FIRST_STATUS,
    NEVER,
    NO_KEY,
)
from fraudkit.stores.memory import MemoryStore
from tests.benchmarks.running import ran

HAS_HANDBOOK = (Path(os.environ.get("FRAUDKIT_DATA", "")) / HANDBOOK).exists()
SHOP = read_shop(300, seed=5)
PLAN = window_plan(SHOP.features)
LATENCIES = (
    "online_row",
    "online_row_of_hot_key",
    "online_row_without_hot_key",
    "online_row_in_a_rush",
    "online_append",
)
PERCENTILES = ("p50", "p90", "p99", "p99_9")


def shop_rows() -> NDArray[np.int64]:
    online = online_features(SHOP.features, PLAN, MemoryStore(PLAN), SHOP.rates)
    return event_rows(SHOP.shop.transactions, SHOP.shop.outcomes, online, PLAN)


ROWS = shop_rows()


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return ran("features", "--quick", "--seed", "3")


def test_it_prints_the_promised_figures(report: dict[str, Any]) -> None:
    expected = {f"{name}_us_{part}" for name in LATENCIES for part in PERCENTILES}
    expected |= {"online_row_p99_over_p50", "offline_catalogue_rows_per_s"}
    if reads_resident_memory():
        expected |= {"bytes_per_event", "bytes_per_key", "warm_start_events_per_s"}
    if HAS_HANDBOOK:
        expected |= {"offline_rows_per_s", "offline_speedup_over_polars"}
    if HAS_HANDBOOK and has_duckdb():
        expected |= {"offline_speedup_over_duckdb"}
    if why_no_redis() is None:
        expected |= {"redis_over_round_trip", "redis_over_packed_round_trip"}
    assert expected <= set(report["figures"])
    assert report["context"]["n"] == QUICK.timed


def test_what_was_skipped_is_said(report: dict[str, Any]) -> None:
    skipped = " ".join(report["context"]["skipped"])
    assert ("polars" in skipped) is not HAS_HANDBOOK
    assert ("Redis" in skipped) is (why_no_redis() is not None)
    assert ("memory" in skipped) is not reads_resident_memory()


def test_ratios_are_of_what_was_measured(report: dict[str, Any]) -> None:
    figures = report["figures"]
    assert figures["online_row_p99_over_p50"] == (
        figures["online_row_us_p99"] / figures["online_row_us_p50"]
    )
    if HAS_HANDBOOK:
        theirs = min(figures["offline_polars_over_s"], figures["offline_polars_grouped_s"])
        assert figures["offline_speedup_over_polars"] == theirs / figures["offline_ours_s"]


day_steps = st.integers(0, 40).map(lambda step: step * DAY_MS // 2)
payments = st.lists(
    st.tuples(
        day_steps, st.integers(-1, 1), st.sampled_from("abc"), st.sampled_from("xy"),
        st.integers(0, 10**9),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def payments_frame(held: list[tuple[int, int, str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [str(place) for place in range(len(held))],
            "event_time_ms": [DAY_MS + step + nudge for step, nudge, *_ in held],
            "order.amount_minor": [amount for *_, amount in held],
            "order.currency": ["EUR"] * len(held),
            "account.user_id": [customer for _, _, customer, _, _ in held],
            "entities.terminal": [terminal for _, _, _, terminal, _ in held],
        }
    ).sort("event_time_ms", maintain_order=True)


@given(payments)
def test_windows_by_hand_in_polars_are_ours(held: list[tuple[int, int, str, str, int]]) -> None:
    """Also at the edges, to the millisecond, and for ties."""
    frame = payments_frame(held)
    ours = our_way(rate_table("EUR"))(frame)
    for name, way in in_polars().items():
        check_same_columns(name, way(frame), ours)


@pytest.mark.skipif(not has_duckdb(), reason="duckdb or pyarrow is not installed")
def test_windows_by_hand_in_duckdb_are_ours() -> None:
    generator = np.random.default_rng(1)
    held = [
        (int(step) * DAY_MS // 2, int(nudge), "abc"[customer], "xy"[terminal], int(amount))
        for step, nudge, customer, terminal, amount in generator.integers(
            [0, -1, 0, 0, 0], [80, 2, 3, 2, 10**9], (400, 5)
        )
    ]
    frame = payments_frame(held)
    ours = our_way(rate_table("EUR"))(frame)
    for name, way in in_duckdb().items():
        check_same_columns(name, way(frame), ours)


def test_ways_that_disagree_are_not_timed() -> None:
    columns = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    check_same_columns("a way", columns.with_columns(pl.col("b").cast(pl.Int32)), columns)
    with pytest.raises(ArtifactError, match=r"a way must give .* column 'b' differs"):
        check_same_columns("a way", columns.with_columns(b=pl.col("b").reverse()), columns)


def test_a_share_of_the_orders_is_hot_and_the_others_stay() -> None:
    orders = SHOP.shop.transactions
    moved, is_hot = with_hot_address(orders, 0.05, np.random.default_rng(0))
    assert is_hot.sum() == 15
    for place, order in enumerate(moved):
        assert (order.device.ip_address == HOT_ADDRESS) == is_hot[place]
        assert is_hot[place] or order == orders[place]


def test_rows_hold_when_each_outcome_became_known() -> None:
    assert ROWS.shape == (300, PLAN.n_columns)
    known = ROWS[:, FIRST_STATUS : PLAN.first_hash]
    assert (known < NEVER).any()
    assert (known[known < NEVER] >= ROWS[0, EVENT_TIME]).all()


def test_a_faster_pace_keeps_the_order_and_the_distances() -> None:
    faster = at_pace(ROWS, PLAN, 10)
    elapsed, slow = (rows[:, EVENT_TIME] - ROWS[0, EVENT_TIME] for rows in (faster, ROWS))
    assert (elapsed == slow // 10).all()
    assert ((faster == NEVER) == (ROWS == NEVER)).all()
    timed = at_times(SHOP.shop.transactions, faster)
    assert [order.event_time_ms for order in timed] == faster[:, EVENT_TIME].tolist()


@pytest.mark.parametrize("block", [7, 300])
def test_shops_side_by_side_are_like_the_shop_and_have_nothing_in_common(block: int) -> None:
    copies = list(side_by_side(ROWS, PLAN, range(3), block=block))
    assert len(copies) == -(-300 // block)
    together = np.concatenate(copies)
    assert len(np.unique(together[:, EVENT_ID])) == 3 * len(ROWS)
    for events in copies:
        assert (np.diff(events[:, EVENT_TIME]) >= 0).all()
    hashes = together[:, PLAN.first_hash :]
    for column, own in enumerate(ROWS[:, PLAN.first_hash :].T):
        found, counts = np.unique(hashes[:, column], return_counts=True)
        shops, expected = np.unique(own, return_counts=True)
        is_key, is_own = found != NO_KEY, shops != NO_KEY
        assert sorted(counts[is_key]) == sorted(np.tile(expected[is_own], 3))
        assert counts[~is_key].tolist() == (3 * expected[~is_own]).tolist()


def test_the_first_of_the_shops_is_the_shop_itself() -> None:
    (alone,) = side_by_side(ROWS, PLAN, range(1), block=300)
    assert np.array_equal(alone, ROWS)


def test_shared_hashes_stay() -> None:
    address = int(ROWS[0, PLAN.first_hash + PLAN.hashed.index("ip")])
    (other,) = side_by_side(ROWS, PLAN, range(1, 2), block=300, shared=[address])
    assert (other == address).sum() == np.count_nonzero(address == ROWS) > 0


@pytest.mark.skipif(not reads_resident_memory(), reason="this system has no /proc/self/statm")
def test_memory_is_measured_of_a_store_that_holds_what_was_asked() -> None:
    held = measure_held(ROWS, 1_000)
    assert (held.counters.events, held.counters.duplicates) == (1_000, 0)
    assert held.resident_most >= held.resident_after
    assert held.bytes_of_arrays >= 8 * 1_000 * PLAN.n_columns
    flat = measure_flat(ROWS, 100, 400)
    assert flat.counters.events == 100
    assert flat.counters.evicted_by_capacity + flat.counters.evicted_by_age == 400
    assert flat.resident_most >= max(flat.resident_full, flat.resident_after) > 0
