"""Rows at one event time see those above them, where their order is said to mean something."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.errors import MappingError
from fraudkit.features.offline import feature_rows
from fraudkit.features.spec import Aggregation, Entity, FeatureSet
from fraudkit.mapping import Mapping, read_data
from fraudkit.mapping.row_order import in_row_order
from tests.mapping.shop import SHOP, Write, errors, shop

HOUR_MS = 3_600_000
QUARTER_MS = 900_000
TEN_MS = 1_704_103_200_000  # 2024-01-01T10:00:00Z
IN_ROW_ORDER = SHOP.replace("[mapping]", '[mapping]\nequal_times = "in_row_order"')
HOURS = ["2024-01-01 10:00:00"] * 3 + ["2024-01-01 11:00:00"] * 2


def orders(times_ms: list[int], offset: int | None = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": range(len(times_ms)),
            "event_time_ms": times_ms,
            "utc_offset_minutes": [offset] * len(times_ms),
        },
        schema={"row": pl.Int64, "event_time_ms": pl.Int64, "utc_offset_minutes": pl.Int32},
    )


def plainly(times_ms: list[int]) -> list[int] | None:
    """Return what comes out by the words of the page, or None where they refuse."""
    if any(late < early for early, late in pairwise(times_ms)):
        return None
    seen: dict[int, int] = {}
    moved = []
    for time_ms in times_ms:
        moved.append(time_ms + seen.get(time_ms, 0))
        seen[time_ms] = seen.get(time_ms, 0) + 1
    for time_ms, count in seen.items():
        later = [other for other in seen if other > time_ms]
        end = min([*later, (time_ms // QUARTER_MS + 1) * QUARTER_MS])
        if time_ms + count > end:
            return None
    return moved


@given(
    st.lists(
        st.integers(-3, 6).map(lambda after: max(after, 0)) | st.sampled_from([HOUR_MS, 0, -1]),
        max_size=25,
    ),
    st.sampled_from([0, QUARTER_MS - 4, -QUARTER_MS]),
)
def test_rows_at_one_time_are_a_millisecond_apart(gaps: list[int], start_ms: int) -> None:
    times_ms = [TEN_MS + start_ms + sum(gaps[: index + 1]) for index in range(len(gaps))]
    expected = plainly(times_ms)
    frame = orders(times_ms)
    if expected is None:
        with pytest.raises(
            MappingError, match=r"^shop\.toml does not fit the rows:\n  \[mapping\]"
        ):
            in_row_order(frame, "shop.toml")
        return
    moved = in_row_order(frame, "shop.toml")
    assert moved["event_time_ms"].to_list() == expected
    assert moved.schema == frame.schema
    assert moved.drop("event_time_ms").equals(frame.drop("event_time_ms"))
    assert all(late > early for early, late in pairwise(expected))


@given(st.integers(0, 10**12), st.integers(1, 3000), st.integers(-56, 56))
def test_the_local_hour_is_the_same_in_every_time_zone(
    time_ms: int, rows: int, offset_quarters: int
) -> None:
    try:
        moved = in_row_order(orders([time_ms] * rows, 60), "shop.toml")["event_time_ms"]
    except MappingError:
        assert time_ms // QUARTER_MS != (time_ms + rows - 1) // QUARTER_MS
        return
    local_ms = moved + offset_quarters * QUARTER_MS
    assert (local_ms // HOUR_MS).unique().to_list() == [
        (time_ms + offset_quarters * QUARTER_MS) // HOUR_MS
    ]


def test_the_quarter_of_an_hour_is_that_of_the_local_clock() -> None:
    times_ms = [TEN_MS - 2] * 3
    for offset in (0, 345, None):
        with pytest.raises(MappingError, match="quarter of an hour, got 3 rows"):
            in_row_order(orders(times_ms, offset), "shop.toml")
    moved = in_row_order(orders(times_ms, 7), "shop.toml")
    assert moved["event_time_ms"].to_list() == [TEN_MS - 2, TEN_MS - 1, TEN_MS]


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_rows_are_counted_over_all_files_and_those_with_an_error_are_not(
    write: Write, ending: str
) -> None:
    first = write(shop(5, time=HOURS, total=[1.0, -1.0, 1.0, 1.0, 1.0]), ending)
    second = write(shop(3, id=["t4", "t5", "t6"], time=[*HOURS[3:], HOURS[3]]), ending)
    data = read_data([first, second], Mapping.parse(IN_ROW_ORDER))
    assert data.frame["row"].to_list() == [0, 2, 3, 4, 6, 7]
    after = data.frame["event_time_ms"] - TEN_MS
    assert after.to_list() == [0, 1, HOUR_MS, HOUR_MS + 1, HOUR_MS + 2, HOUR_MS + 3]
    assert data.frame["utc_offset_minutes"].to_list() == [0] * 6
    assert list(errors(data)) == [1, 5]


def test_each_call_counts_from_the_start(write: Write) -> None:
    mapping = Mapping.parse(IN_ROW_ORDER)
    earlier = read_data([write(shop(2, id=["a", "b"]), "parquet")], mapping)
    later = read_data([write(shop(2, id=["c", "d"]), "parquet")], mapping)
    assert earlier.frame["event_time_ms"].equals(later.frame["event_time_ms"])


def test_rows_at_one_time_stay_together_where_nothing_is_said(write: Write) -> None:
    data = read_data([write(shop(5, time=HOURS[::-1]), "parquet")], Mapping.parse(SHOP))
    assert (data.frame["event_time_ms"] - TEN_MS).to_list() == [HOUR_MS] * 2 + [0] * 3


def test_no_rows_have_any_order(write: Write) -> None:
    data = read_data([write(shop(0), "parquet")], Mapping.parse(IN_ROW_ORDER))
    assert data.frame.schema["event_time_ms"] == pl.Int64
    assert data.frame.is_empty()


def test_a_label_is_known_its_delay_after_the_moved_time(write: Write) -> None:
    text = IN_ROW_ORDER + '[label]\ncolumn = "fraud"\ndelay_days = 1\n'
    data = read_data([write(shop(3, fraud=[0, 1, 1]), "parquet")], Mapping.parse(text))
    known_ms = TEN_MS + 24 * HOUR_MS
    assert data.labels["known_at_ms"].to_list() == [known_ms, known_ms + 1, known_ms + 2]
    assert data.outcomes["known_at_ms"].to_list() == [known_ms + 1, known_ms + 2]


def test_rows_that_are_not_sorted_by_time_are_refused_with_the_row(write: Write) -> None:
    times = ["2024-01-01 10:00:00", "yesterday", "2024-01-01 11:00:00", "2024-01-01 10:00:00"]
    with pytest.raises(MappingError) as caught:
        read_data([write(shop(4, time=times), "csv")], Mapping.parse(IN_ROW_ORDER))
    assert str(caught.value) == (
        "the mapping does not fit the rows:\n"
        '  [mapping] equal_times = "in_row_order": expected rows in the order of their event '
        "times, got row 3 at 2024-01-01T10:00:00.000Z after row 2 at 2024-01-01T11:00:00.000Z; "
        'sort the rows as the orders came, or set equal_times = "together"'
    )


def test_more_rows_than_fit_before_the_next_time_are_refused_with_the_row(write: Write) -> None:
    times = ["2024-01-01 09:00:00", *["2024-01-01 10:00:00"] * 3, "2024-01-01 10:00:00.002"]
    with pytest.raises(MappingError) as caught:
        read_data([write(shop(5, time=times), "csv")], Mapping.parse(IN_ROW_ORDER))
    assert str(caught.value) == (
        "the mapping does not fit the rows:\n"
        '  [mapping] equal_times = "in_row_order": expected no more rows at one time than there '
        "are milliseconds until the end of its quarter of an hour or the next later time, "
        "2024-01-01T10:00:00.002Z, got 3 rows at 2024-01-01T10:00:00.000Z, the first of them "
        'row 1; give times to the millisecond, or set equal_times = "together"'
    )


WINDOWS = FeatureSet(
    [Entity(name="email", inputs=("email.address",))],
    [
        Aggregation(
            name="orders", entity="email", operation="count", window_ms=HOUR_MS + 1,
            of=None, unit="", meaning="", reason_code="X",
        )
    ],
)  # fmt: skip


@pytest.mark.parametrize("equal_times", ["together", "in_row_order"])
def test_an_order_sees_those_in_the_rows_above_and_none_below(
    write: Write, equal_times: str
) -> None:
    mails = ["a@x.org", "b@x.org", "a@x.org", "a@x.org", "b@x.org"]
    text = IN_ROW_ORDER.replace("in_row_order", equal_times)
    data = read_data([write(shop(5, time=HOURS, mail=mails), "csv")], Mapping.parse(text))
    rows = feature_rows(data.frame, WINDOWS, Mapping.parse(text).rates, data.outcomes)
    expected = [
        sum(
            mails[above] == mail and (equal_times == "in_row_order" or HOURS[above] != HOURS[row])
            for above in range(row)
        )
        for row, mail in enumerate(mails)
    ]
    assert rows[:, 0].tolist() == expected
