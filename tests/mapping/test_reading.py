"""A merchant's table becomes a vocabulary frame; what does not hold is told."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from fraudkit.errors import DataFileError
from fraudkit.mapping import Mapping, read_data
from tests.mapping.shop import SHOP, Write, errors, shop


def test_the_frame_has_the_promised_columns_and_types(write: Write) -> None:
    data = read_data([write(shop(2), "parquet")], Mapping.parse(SHOP))
    assert data.frame.schema == {
        "row": pl.Int64,
        "transaction_id": pl.String,
        "event_time_ms": pl.Int64,
        "utc_offset_minutes": pl.Int32,
        "order.amount_minor": pl.Int64,
        "order.currency": pl.String,
        "email.address": pl.String,
    }
    moment = int(datetime(2024, 1, 1, 10, tzinfo=UTC).timestamp()) * 1000
    assert data.frame.row(1) == (1, "t1", moment, 0, 1295, "EUR", "1@example.org")
    assert data.errors.schema == {"row": pl.Int64, "transaction_id": pl.String, "error": pl.String}
    assert data.row_count == 2


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_the_same_table_in_another_format_gives_the_same_frame(write: Write, ending: str) -> None:
    table = shop(
        6,
        whole=[1, 2, None, 4, 5, 6],
        part=[1.5, None, 2.0, 1e-7, 1e12, -3.25],
        yes=[True, False, None, True, True, False],
        zip=[986, 402, None, 1, 0, 12345],
        text=["a", "b,c", None, 'd"e', "é\n", " f "],
    ).with_columns(
        pl.Series("custom_inputs.score", [0.5, 1.0, None, 2.0, 3.0, 4.0]),
        pl.Series("billing.country", ["DE", None, "XX", "FR", "FR", "FR"]),
    )
    mapping = Mapping.parse(
        SHOP
        + """
        [entities]
        zip = "zip"
        [features]
        numeric = ["whole", "part", "yes"]
        categorical = ["text"]
        """
    )
    expected = read_data([write(table, "parquet")], mapping)
    data = read_data([write(table, ending)], mapping)
    assert expected.frame.height == 5
    assert data.frame.equals(expected.frame)
    assert data.errors.equals(expected.errors)
    assert data.ignored_columns == expected.ignored_columns == ()


def test_columns_named_like_the_vocabulary_need_no_mapping(write: Write) -> None:
    table = pl.DataFrame(
        {
            "transaction_id": ["a"],
            "event_time": ["2024-01-01T10:00:00+01:00"],
            "order.amount_minor": [5],
            "order.currency": ["EUR"],
            "payment.card.expiry_month": [7],
            "account.created_at": ["2023-01-01T00:00:00Z"],
            "account.is_guest": [True],
            "entities.seller": ["s"],
            "custom_inputs.score": [0.5],
            "colour": ["red"],
        }
    )
    nested = table.select(
        "transaction_id",
        "event_time",
        pl.struct(amount_minor="order.amount_minor", currency="order.currency").alias("order"),
        pl.struct(pl.struct(expiry_month="payment.card.expiry_month").alias("card")).alias(
            "payment"
        ),
        pl.struct(created_at="account.created_at", is_guest="account.is_guest").alias("account"),
        pl.struct(seller="entities.seller").alias("entities"),
        pl.struct(score="custom_inputs.score").alias("custom_inputs"),
        "colour",
    )
    flat = read_data([write(table, "parquet")], Mapping.identity())
    assert flat.ignored_columns == ("colour",)
    assert flat.frame.height == 1
    assert flat.frame["account.created_at_ms"].to_list() == [1_672_531_200_000]
    assert flat.frame["utc_offset_minutes"].to_list() == [60]
    for frame, ending in ((table, "csv"), (nested, "parquet"), (nested.drop("colour"), "ndjson")):
        assert read_data([write(frame, ending)], Mapping.identity()).frame.equals(flat.frame)


def test_numbers_become_text_without_a_point(write: Write) -> None:
    table = shop(3, id=[1.0, 2.0, float("nan")], mail=[7, 8, None])
    data = read_data([write(table, "parquet")], Mapping.parse(SHOP))
    assert data.frame["transaction_id"].to_list() == ["1", "2"]
    assert data.frame["email.address"].to_list() == ["7", "8"]
    assert errors(data) == {
        2: "/transaction_id: expected a value, it is required, got nothing; add the field"
    }


def test_each_bad_row_has_its_own_error_and_the_rest_goes_on(write: Write) -> None:
    table = shop(
        9,
        id=["t0", None, "t2", "t3", "4111111111111111", "t5", "t5", "t7", "t8"],
        time=["2024-01-01 10:00:00"] * 2 + ["yesterday", None] + ["2024-01-01 10:00:00"] * 5,
        mail=[None] * 5 + ["x", "y", "pay 4111-1111-1111-1111", "z" * 256],
    )
    data = read_data([write(table, "csv")], Mapping.parse(SHOP))
    assert data.frame["row"].to_list() == [0, 5]
    assert data.errors["row"].to_list() == [1, 2, 3, 4, 6, 7, 8]
    assert data.errors["transaction_id"].to_list() == [None, "t2", "t3", None, "t5", "t7", "t8"]
    told = errors(data)
    assert told[1].startswith("/transaction_id: expected a value")
    assert told[2].startswith("/event_time: expected an RFC 3339 time with an offset, got 'yest")
    assert told[3].startswith("/event_time: expected a value")
    assert told[4].startswith("/transaction_id: expected no full card number")
    assert "row 5 was first" in told[6]
    assert told[7].startswith("/email/address: expected no full card number")
    assert told[8].startswith("/email/address: expected str of length <= 255")
    assert "4111" not in "".join(told.values())
    assert data.frame.height + data.errors.height == data.row_count == 9


def test_a_repeat_of_a_row_that_does_not_hold_is_taken(write: Write) -> None:
    table = shop(3, id=["a", "a", "b"], total=[-1.0, 1.0, 1.0])
    data = read_data([write(table, "parquet")], Mapping.parse(SHOP))
    assert data.frame["row"].to_list() == [1, 2]


def test_files_follow_each_other(write: Write) -> None:
    first = write(shop(3, total=[1.0, -1.0, 1.0]), "parquet")
    second = write(shop(2, id=["t1", "t2"]), "csv")
    data = read_data([first, second], Mapping.parse(SHOP))
    assert data.row_count == 5
    assert data.frame["row"].to_list() == [0, 2, 3]
    assert data.errors["row"].to_list() == [1, 4]
    assert "row 2 was first" in errors(data)[4]


def test_what_is_absent_has_the_default_that_it_has_online(write: Write) -> None:
    table = shop(2).with_columns(pl.Series("type", [None, "referral"]), is_test=pl.lit(None))
    data = read_data([write(table, "csv")], Mapping.parse(SHOP))
    assert data.frame["type"].to_list() == ["purchase", "referral"]
    assert data.frame["is_test"].to_list() == [False, False]


def test_booleans_and_integers_are_read_from_text(write: Write) -> None:
    words = ["true", "FALSE", "1", "0", "yes", " No ", None, "maybe"]
    months = ["1", "2.0", " 3", None, "12", "6", "7", "8"]
    table = shop(8).with_columns(
        pl.Series("account.is_guest", words), pl.Series("payment.card.expiry_month", months)
    )
    data = read_data([write(table, "csv")], Mapping.parse(SHOP))
    assert data.frame["account.is_guest"].to_list() == [True, False, True, False, True, False, None]
    assert data.frame["payment.card.expiry_month"].to_list() == [1, 2, 3, None, 12, 6, 7]
    assert errors(data) == {
        7: "/account/is_guest: expected true, false, 1, 0, yes or no, got 'maybe'"
    }


@pytest.mark.parametrize("month", [0, 13, 2.5, 1e300, -(2**40)])
def test_numbers_out_of_range_are_errors_of_their_row(write: Write, month: float) -> None:
    table = shop(4).with_columns(
        pl.Series("payment.card.expiry_month", [1, 2, 3, month], strict=False)
    )
    for ending in ("csv", "parquet", "ndjson"):
        data = read_data([write(table, ending)], Mapping.parse(SHOP))
        assert data.errors["row"].to_list() == [3]
        assert errors(data)[3].startswith("/payment/card/expiry_month: expected")


def test_items_are_counted(write: Write) -> None:
    baskets = [[{"category": "a", "quantity": 2}, {"category": None, "quantity": 1}], [], None,
               [{"category": "b", "quantity": 0}]]  # fmt: skip
    table = shop(4).with_columns(pl.Series("order.items", baskets))
    for ending in ("parquet", "ndjson"):
        data = read_data([write(table, ending)], Mapping.parse(SHOP))
        assert data.frame["order.item_count"].to_list() == [2, None, None]
        assert "order.items" not in data.frame.columns
        assert errors(data)[3].startswith("/order/items/0/quantity: expected int >= 1")
    text = shop(3).with_columns(pl.Series("order.items", ['[{"quantity": 2}]', None, "[{"]))
    data = read_data([write(text, "csv")], Mapping.parse(SHOP))
    assert data.frame["order.item_count"].to_list() == [1, None]
    assert errors(data)[2].startswith("/order/items: expected a JSON array of items")


def test_a_malformed_line_is_an_error_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    line = '{"id": "%s", "time": "2024-01-01T00:00:00Z", "total": 1}'
    path.write_text("\n".join(["\ufeff" + line % "a", "", "{", "[]", line % "b", ""]))
    data = read_data([path], Mapping.parse(SHOP.replace('"email.address" = "mail"', "")))
    assert data.frame["row"].to_list() == [0, 3]
    assert data.row_count == 4
    assert errors(data)[1].startswith("(document): expected a JSON document, got malformed JSON")
    assert errors(data)[2] == "(document): expected an object, got an array"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (b"\\ud800", "a JSON document, got malformed JSON"),
        (b"\xff", "UTF-8 text, got a wrong byte"),
        (b'", "deep": ' + b"[" * 100_000, "a document nested a few levels deep"),
        (b'", "deep": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b', "b": "', ""),
    ],
    ids=["half a character", "a wrong byte", "too deep to decode", "deep"],
)
def test_a_mapped_line_that_cannot_be_read_is_told_as_such(
    tmp_path: Path, end: bytes, said: str
) -> None:
    path = tmp_path / "orders.ndjson"
    line = b'{"id": "%s", "time": "2024-01-01T00:00:00Z", "total": 1, "mail": "x%s"}\n'
    path.write_bytes(line % (b"a", end) + line % (b"b", b"\\u00e9"))
    data = read_data([path], Mapping.parse(SHOP))
    assert data.frame["email.address"].to_list()[-1] == "x\u00e9"
    assert data.frame.height + data.errors.height == 2
    assert not said or errors(data)[0].startswith(f"(document): expected {said}")


def test_types_may_mix_within_a_key_of_mapped_lines(tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    line = '{"id": %s, "time": "2024-01-01T00:00:00Z", "total": %s, "who": {"mail": %s}}\n'
    lines = [line % row for row in (('"a"', 1, 5), ("7", '"2.5"', '"x"'), ("8.0", 3.5, "null"))]
    path.write_text("".join(lines))
    data = read_data([path], Mapping.parse(SHOP.replace('"mail"', '"who.mail"')))
    assert data.frame["transaction_id"].to_list() == ["a", "7", "8"]
    assert data.frame["order.amount_minor"].to_list() == [100, 250, 350]
    assert data.frame["email.address"].to_list() == ["5", "x", None]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_file_with_rows_that_do_not_hold(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "orders.csv"
    rows = [
        ["id", "time", "total", "mail"],
        ["a", "2024-01-01", "1.5", ""],
        ["b", "2024-01-01", "1.5", "x", "too many"],
        ["c", "2024-01-01", "1.5", "\udcff"],
        ["d", "2024-01-01", "2.5", '"x' + separator + 'y"'],
        [""],
    ]
    text = "\n".join(separator.join(row) for row in rows)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8", "surrogateescape"))
    data = read_data([path], Mapping.parse(SHOP))
    assert data.frame["transaction_id"].to_list() == ["a", "d"]
    assert data.frame["email.address"].to_list() == [None, f"x{separator}y"]
    assert errors(data) == {
        1: "(document): expected 4 values, got 5 values; quote text that holds the separator",
        2: "(document): expected UTF-8 text, got wrong bytes; write the file as UTF-8",
    }


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_without_rows_gives_an_empty_frame(write: Write, ending: str) -> None:
    data = read_data([write(shop(0), ending)], Mapping.parse(SHOP))
    assert (data.row_count, data.frame.height, data.errors.height) == (0, 0, 0)
    assert data.frame.columns[:3] == ["row", "transaction_id", "event_time_ms"]


def test_an_empty_ndjson_file_gives_an_empty_frame(tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.touch()
    for mapping in (Mapping.identity(), Mapping.parse(SHOP)):
        data = read_data([path], mapping)
        assert (data.row_count, data.frame.height, data.labels.height) == (0, 0, 0)
        assert data.frame.schema["event_time_ms"] == pl.Int64


def test_the_currency_of_the_row_says_the_minor_unit(write: Write) -> None:
    table = shop(4, total=[Decimal("12.950")] * 4).with_columns(
        pl.Series("cur", ["EUR", "JPY", "KWD", "usd"])
    )
    mapping = Mapping.parse(
        SHOP.replace('[constants]\n"order.currency" = "EUR"', '"order.currency" = "cur"')
    )
    data = read_data([write(table, "parquet")], mapping)
    assert data.frame["order.amount_minor"].to_list() == [1295, 13, 12950]
    assert errors(data)[3].startswith("/order/currency: expected an ISO 4217 currency code")


@pytest.mark.parametrize("name", ["orders.xlsx", "orders", "orders.json"])
def test_another_format_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(DataFileError, match=r"\.parquet, \.pq, \.csv, \.ndjson, \.jsonl"):
        read_data([tmp_path / name], Mapping.identity())


@pytest.mark.parametrize("name", ["orders.parquet", "orders.csv", "orders.ndjson"])
def test_a_file_that_is_absent_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataFileError, match="readable"):
        read_data([tmp_path / name], Mapping.identity())


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "a.csv").touch()
    for name in ("a.parquet", "a.csv"):
        with pytest.raises(DataFileError):
            read_data([tmp_path / name], Mapping.identity())
    with pytest.raises(DataFileError, match="at least one"):
        read_data([], Mapping.identity())


def test_progress_ends_with_all(write: Write) -> None:
    paths = [write(shop(5), ending) for ending in ("csv", "ndjson", "parquet")]
    told: list[tuple[int, int]] = []
    mapping = Mapping.parse(SHOP)
    read_data(paths, mapping, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (sum(path.stat().st_size for path in paths),) * 2


def test_declared_features_have_the_declared_type(write: Write) -> None:
    table = shop(3, Hour=["1", "2.5", None], code=[7.0, 8.0, None], flag=[True, False, None])
    text = SHOP + '[features]\nnumeric = ["Hour", "flag"]\ncategorical = ["code"]'
    data = read_data([write(table, "parquet")], Mapping.parse(text))
    assert data.frame["custom_inputs.hour"].to_list() == [1.0, 2.5, None]
    assert data.frame["custom_inputs.flag"].to_list() == [1.0, 0.0, None]
    assert data.frame["custom_inputs.code"].to_list() == ["7", "8", None]


def test_an_infinite_feature_is_an_error_and_nan_is_absent(write: Write) -> None:
    table = shop(4, x=[1.0, float("nan"), float("inf"), 2.0])
    mapping = Mapping.parse(SHOP + '[features]\nnumeric = ["x"]')
    data = read_data([write(table, "parquet")], mapping)
    assert data.frame["custom_inputs.x"].to_list() == [1.0, None, 2.0]
    assert errors(data)[2].startswith("/custom_inputs/x: expected float < 1")


def test_files_may_differ_in_columns_and_in_types_of_custom_inputs(write: Write) -> None:
    values = [[1.5, 2.0], ["a", "b"], [True, False], [None, None]]
    paths = [
        write(
            shop(2, id=[f"{index}-0", f"{index}-1"]).with_columns(
                pl.Series("custom_inputs.x", held), pl.lit(True).alias(f"custom_inputs.y{index}")
            ),
            "parquet",
        )
        for index, held in enumerate(values)
    ]
    data = read_data(paths, Mapping.parse(SHOP))
    texts = ["1.5", "2.0", "a", "b", "true", "false", None, None]
    assert data.frame["custom_inputs.x"].to_list() == texts
    assert data.frame["custom_inputs.y1"].to_list() == [None] * 2 + [True] * 2 + [None] * 4
