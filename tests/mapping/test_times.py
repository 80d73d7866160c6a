"""Times become UTC milliseconds and an offset; a local time is placed, never guessed."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.transaction import epoch_ms
from fraudkit.mapping.checking import DoesNotFit
from fraudkit.mapping.times import as_times
from fraudkit.mapping.vocabulary import Field, field_at

BERLIN = "Europe/Berlin"
ZONES = st.sampled_from(
    ["UTC", BERLIN, "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
WALL = st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1))  # noqa: DTZ001 - a wall clock


def time_field() -> Field:
    field = field_at("event_time")
    assert field is not None
    return field


def read(
    series: pl.Series, time_zone: str | None = None, time_format: str | None = None
) -> list[tuple[int | None, int | None]]:
    frame, faults = as_times(series, time_field(), time_zone, time_format)
    assert faults == []
    return frame.rows()


def earliest(wall: datetime, zone: str) -> tuple[int, int]:
    readings = [wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
    first = min(readings)
    offset = first.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return epoch_ms(first), int(offset.total_seconds()) // 60


@given(st.lists(WALL, min_size=1, max_size=5), ZONES)
def test_wall_clock_times_are_placed_in_the_zone(walls: list[datetime], zone: str) -> None:
    expected = [earliest(wall, zone) for wall in walls]
    assert read(pl.Series(walls, dtype=pl.Datetime("us")), zone) == expected
    assert read(pl.Series([wall.isoformat() for wall in walls]), zone) == expected


@pytest.mark.parametrize(
    ("wall", "utc", "offset"),
    [
        (datetime(2024, 3, 31, 2, 30), datetime(2024, 3, 31, 0, 30), 60),  # noqa: DTZ001 - skipped
        (datetime(2024, 10, 27, 2, 30), datetime(2024, 10, 27, 0, 30), 120),  # noqa: DTZ001 - twice
    ],
)
def test_a_time_that_the_clocks_skip_or_repeat_is_its_earliest(
    wall: datetime, utc: datetime, offset: int
) -> None:
    expected = [(epoch_ms(utc.replace(tzinfo=UTC)), offset)]
    for unit in ("ms", "us", "ns"):
        assert read(pl.Series([wall]).cast(pl.Datetime(unit)), BERLIN) == expected
    assert read(pl.Series([str(wall)]), BERLIN) == expected


@given(st.lists(st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)), max_size=5),  # noqa: DTZ001 - the offset is drawn apart
       st.integers(-14 * 60, 14 * 60))  # fmt: skip
def test_an_offset_is_kept(walls: list[datetime], minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    moments = [wall.replace(tzinfo=zone) for wall in walls]
    expected = [(epoch_ms(moment), minutes) for moment in moments]
    texts = pl.Series([moment.isoformat() for moment in moments], dtype=pl.String)
    assert read(texts) == expected
    assert read(texts, BERLIN) == expected


def test_a_column_with_a_zone_keeps_its_offsets() -> None:
    moments = [datetime(2024, month, 1, tzinfo=UTC) for month in (1, 7)]
    series = pl.Series(moments).dt.convert_time_zone(BERLIN)
    assert read(series) == [(epoch_ms(moments[0]), 60), (epoch_ms(moments[1]), 120)]


def test_a_format_says_how_text_is_read() -> None:
    texts = pl.Series(["31/12/2023 23:30", None])
    expected = epoch_ms(datetime(2023, 12, 31, 22, 30, tzinfo=UTC))
    assert read(texts, BERLIN, "%d/%m/%Y %H:%M") == [(expected, 60), (None, None)]


def test_a_format_may_hold_the_offset() -> None:
    texts = pl.Series(["31/12/2023 23:30 -0330"])
    expected = epoch_ms(datetime(2024, 1, 1, 3, 0, tzinfo=UTC))
    assert read(texts, None, "%d/%m/%Y %H:%M %z") == [(expected, -210)]


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.UInt32, pl.String])
def test_epochs_are_read_where_the_format_says_so(kind: type[pl.DataType]) -> None:
    seconds = pl.Series([1_700_000_000, None]).cast(kind)
    assert read(seconds, None, "epoch_s") == [(1_700_000_000_000, 0), (None, None)]
    assert read(seconds, BERLIN, "epoch_s") == [(1_700_000_000_000, 60), (None, None)]


def test_days_are_their_midnight() -> None:
    expected = [(epoch_ms(datetime(2023, 12, 31, 23, tzinfo=UTC)), 60)]
    assert read(pl.Series([date(2024, 1, 1)]), BERLIN) == expected
    assert read(pl.Series(["2024-01-01"]), BERLIN) == expected


def test_before_1970_milliseconds_are_rounded_down() -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, 999_900, tzinfo=UTC)
    assert read(pl.Series([moment])) == read(pl.Series([moment.isoformat()])) == [(-1, 0)]


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (pl.Series([datetime(2024, 1, 1)]), "time_zone"),  # noqa: DTZ001 - that is what is wrong
        (pl.Series([1_700_000_000]), "epoch_s"),
        (pl.Series([True]), "Boolean"),
    ],
)
def test_a_column_that_holds_no_times_does_not_fit(series: pl.Series, said: str) -> None:
    with pytest.raises(DoesNotFit, match=said):
        as_times(series, time_field(), None, None)


def test_text_that_is_no_time_is_a_fault_of_its_row() -> None:
    texts = pl.Series(["2024-01-01T00:00:00Z", "31/12/2023", "2024-01-01T00:00:00", "31/12/2023"])
    frame, faults = as_times(texts, time_field(), None, None)
    assert frame["ms"].is_null().to_list() == [False, True, True, True]
    told = {tuple(fault.rows): fault.error.hint for fault in faults}
    assert told.keys() == {(1, 3), (2,)}
    assert "time_format" in told[1, 3]
    assert "time_zone" in told[2,]


def test_an_epoch_out_of_reach_is_a_fault() -> None:
    _, faults = as_times(pl.Series([10**18, 5, -(2**63)]), time_field(), None, "epoch_ms")
    assert sorted(row for fault in faults for row in fault.rows) == [0, 2]
