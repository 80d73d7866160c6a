"""A mapping that does not fit a file says so, column by column, with the likely fix."""

from typing import Any

import pytest

from fraudkit.errors import MappingError
from fraudkit.mapping import Mapping, read_data
from tests.mapping.shop import SHOP, Write, shop


def test_a_mapping_that_does_not_fit_says_so_column_by_column(write: Write) -> None:
    table = shop(4, seen=[[1]] * 4).rename({"total": "Total"})
    more = '[entities]\ns = "seen"\n[label]\ncolumn = "fraud"\ndelay_days = 1\n'
    mapping = Mapping.parse(SHOP.replace('"mail"', '"e_mail"') + more)
    with pytest.raises(MappingError) as caught:
        read_data([write(table, "parquet")], mapping)
    said = str(caught.value).splitlines()
    assert "does not fit" in said[0]
    for problem in (
        '[fields] "order.amount" = "total": no such column; did you mean \'Total\'?',
        '[fields] "email.address" = "e_mail": no such column; did you mean \'mail\'?',
        '[entities] s = "seen": holds List(Int64), not text or numbers',
        '[label] column = "fraud": no such column',
        "columns there: id, time, Total, mail, seen",
    ):
        assert f"  {problem}" in said


def test_nothing_that_gives_a_required_field_is_a_misfit(write: Write) -> None:
    with pytest.raises(MappingError) as caught:
        read_data([write(shop(), "csv")], Mapping.identity())
    for path in ("transaction_id", "event_time", "order.amount or order.amount_minor"):
        assert f"nothing gives {path}: add it to [fields] or [constants]" in str(caught.value)


@pytest.mark.parametrize(
    ("mapping", "columns", "said"),
    [
        (SHOP.replace("major", "minor"), {}, 'set amount_unit = "major" in [mapping]'),
        (
            SHOP.replace("order.amount", "order.amount_minor"),
            {},
            'map the column to "order.amount" and set amount_unit = "major"',
        ),
        (SHOP.replace('time_zone = "UTC"', ""), {}, 'set time_zone = "UTC"'),
        (SHOP, {"time": ["31/12/2024 10:00"] * 4}, "set time_format in [mapping]"),
        (SHOP, {"time": [1_700_000_000] * 4}, '"epoch_s" or "epoch_ms"'),
        (SHOP, {"mail": ["4111111111111111"] * 3 + ["x"]}, "a token or a fingerprint"),
        (SHOP, {"total": [-1.0, -2.0, -3.0, 4.0]}, "3 of 4 values fail"),
        (SHOP, {"total": ["1,5", "2,5", "3,5", "4"]}, "write it as 1234.50"),
        (SHOP, {"id": [None, None, None, "x"]}, "is empty in 3 of 4 rows, and it is required"),
        (SHOP.replace('"EUR"', '"EUR"\n[features]\nnumeric = ["mail"]'), {}, "expected a number"),
    ],
)  # fmt: skip
def test_most_rows_failing_alike_is_a_misfit_that_names_the_fix(
    write: Write, mapping: str, columns: dict[str, list[Any]], said: str
) -> None:
    for ending in ("parquet", "csv"):
        with pytest.raises(MappingError) as caught:
            read_data([write(shop(4, **columns), ending)], Mapping.parse(mapping))
        assert said in str(caught.value)
        assert "4111" not in str(caught.value)


def test_half_of_the_rows_failing_is_not_a_misfit(write: Write) -> None:
    data = read_data([write(shop(4, total=[-1.0, -2.0, 3.0, 4.0]), "parquet")], Mapping.parse(SHOP))
    assert data.frame["row"].to_list() == [2, 3]
