"""NDJSON in the vocabulary is read as online: the same values, the same errors."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.basket import BASKET_PATHS, basket_of
from fraudkit.domain.decoding import decode_transaction
from fraudkit.domain.transaction import Transaction, epoch_ms
from fraudkit.errors import InvalidField
from fraudkit.mapping import MappedData, Mapping, read_data
from fraudkit.mapping.vocabulary import fields
from tests.domain.documents import documents


def _read(lines: list[bytes], mapping: Mapping | None = None) -> MappedData:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "orders.ndjson"
        path.write_bytes(b"\n".join(lines) + b"\n")
        return read_data([path], mapping or Mapping.identity())


def _online(transaction: Transaction, column: str) -> Any:
    if column in {"event_time_ms", "utc_offset_minutes"}:
        return getattr(transaction, column)
    if column in BASKET_PATHS:
        return basket_of(transaction.order.items)[BASKET_PATHS.index(column)]
    table, _, key = column.partition(".")
    if table in {"entities", "custom_inputs"}:
        return getattr(transaction, table).get(key)
    if column not in fields():
        moment = attrgetter(column.removesuffix("_ms"))(transaction)
        return None if moment is None else epoch_ms(moment)
    return attrgetter(column)(transaction)


@given(st.lists(documents(Transaction), max_size=4))
def test_values_equal_those_of_the_structs(drawn: list[dict[str, Any]]) -> None:
    rows = [document | {"transaction_id": f"t{row}"} for row, document in enumerate(drawn)]
    transactions = [msgspec.convert(document, Transaction) for document in rows]
    data = _read([msgspec.json.encode(transaction) for transaction in transactions])
    assert data.errors.is_empty()
    assert data.row_count == data.frame.height == len(rows)
    for column in data.frame.columns:
        if column != "row":
            expected = [_online(transaction, column) for transaction in transactions]
            assert data.frame[column].to_list() == _alike(expected), column


def _alike(values: list[Any]) -> list[Any]:
    """Return values as they are, or as text where types mix: a column has one type."""
    if len({type(value) for value in values if value is not None}) < 2:
        return values
    return [
        value if value is None or isinstance(value, str) else _digits(value) for value in values
    ]


def _digits(value: float) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode()


_WRONG = [
    None, True, 0, -1, 7, 1.5, 10**14, 2**70, 1e300, "", "x", "eur", "a b", "x" * 1100, [], [1], {},
    {"x": 1}, [{"quantity": 0}], [{"categry": "x"}], [{"category": "4111 1111 1111 1111"}],
    "4111111111111111", "pay 4111-1111-1111-1111 now", "2026-01-01", "2026-01-01T00:00:00",
    "2026-01-01T00:00:00Z", "12", "true", "123456\n",
]  # fmt: skip
_PLACES = [
    *fields(), "order", "email", "payment", "payment.card", "entities", "custom_inputs",
    "entities.zip", "custom_inputs.x", "emial", "email.adress", "payment.card.numbr",
    "order.amount", "entities.Not a key", "custom_inputs.ä", "entities.4111111111111111",
    "4111111111111111",
    "order.items.x", "",
]  # fmt: skip


def _complete() -> dict[str, Any]:
    return {
        "transaction_id": "t0",
        "event_time": "2026-03-01T12:00:00+01:00",
        "order": {"amount_minor": 1295, "currency": "EUR"},
    }


@pytest.mark.parametrize("place", _PLACES)
def test_errors_equal_those_of_online_decoding(place: str) -> None:
    changed = []
    for value in _WRONG:
        document = _complete()
        outer, _, key = place.rpartition(".") if place not in {"", "."} else ("", "", "")
        here = document
        for part in outer.split(".") if outer else ():
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                break
        if isinstance(here, dict):
            here[key] = copy.deepcopy(value)
            if place != "transaction_id":
                document["transaction_id"] = f"t{len(changed)}"
            changed.append(document)
    lines = [msgspec.json.encode(document) for document in changed]
    _same_errors(lines)


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"1", b'"x"', b"{", b'{"a": }', b"\xff", b'{"transaction_id": "\xff"}',
        b'{"transaction_id": 5, broken', b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 900 + b"1",
        b'{"transaction_id": "' + b"x" * 300_000 + b'"}', b"NaN", b'{"order": NaN}',
        b'{"transaction_id": "\\ud800"}', b'{"\\uD800": 1}',
        b'{"transaction_id": "a"}', b'{"transaction_id": "a", "order": {}}',
        b'{"transaction_id": "a", "event_time": "2026-03-01T12:00:00Z"}',
        b'{"order": {"amount_minor": 1, "currency": "EUR"}}',
        b'{"order": {"amount_minor": 1}, "transaction_id": "t"}',
    ],
)  # fmt: skip
def test_documents_that_are_no_transaction_have_the_online_error(line: bytes) -> None:
    _same_errors([line])


def test_half_a_character_has_the_online_error() -> None:
    line = msgspec.json.encode(_complete() | {"order_id": "half"})
    _same_errors([line.replace(b"half", b"\\ud800"), line.replace(b"half", b"\\ud83d\\ude00")])


def test_too_many_entries_have_the_online_error() -> None:
    for table, count in (("entities", 17), ("custom_inputs", 101)):
        document = _complete() | {table: {f"x{index}": "x" for index in range(count)}}
        _same_errors([msgspec.json.encode(document)])


def _same_errors(lines: list[bytes]) -> None:
    data = _read(lines)
    told = dict(data.errors.select("row", "error").iter_rows())
    expected = {row: error for row, line in enumerate(lines) if (error := _online_error(line))}
    again = {row: error for row, error in told.items() if row not in expected}
    assert {row: told.get(row) for row in expected} == expected
    assert all(error.startswith(_SAME_ID) for error in again.values())
    ids = [_id(line) for row, line in enumerate(lines) if row not in expected]
    assert data.frame["transaction_id"].to_list() == list(dict.fromkeys(ids))
    assert data.frame.height + data.errors.height == data.row_count == len(lines)


_SAME_ID = "/transaction_id: expected an id that no other row has, got one that came before"


def _id(line: bytes) -> str:
    return decode_transaction(line).transaction_id


def _online_error(line: bytes) -> str | None:
    try:
        decode_transaction(line)
    except InvalidField as error:
        return str(error)
    return None


@given(documents(Transaction), st.data())
def test_a_changed_row_has_the_online_pointer(
    document: dict[str, Any], data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from(list(fields())))
    *parts, last = place.split(".")
    here = document
    for part in parts:
        if not isinstance(here.get(part), dict):
            here[part] = {}
        here = here[part]
    here[last] = data.draw(st.sampled_from(_WRONG))
    _same_errors([msgspec.json.encode(document)])


def test_a_mapping_without_fields_keeps_ndjson_strict() -> None:
    mapping = Mapping.parse('[label]\ncolumn = "is_fraud"\ndelay_days = 1\n')
    good, bad = _complete() | {"is_fraud": 1}, _complete() | {"is_fraudd": 1}
    data = _read([msgspec.json.encode(good), msgspec.json.encode(bad)], mapping)
    assert data.labels["is_fraud"].to_list() == [True]
    assert data.errors["error"].to_list()[0].startswith("/is_fraudd: expected a known field")


def test_a_time_zone_lets_times_without_an_offset_in() -> None:
    document = _complete() | {"event_time": "2026-07-01T12:00:00"}
    mapping = Mapping.parse('[mapping]\ntime_zone = "Europe/Berlin"\n')
    data = _read([msgspec.json.encode(document)], mapping)
    noon = epoch_ms(datetime(2026, 7, 1, 10, tzinfo=UTC))
    assert data.frame.select("event_time_ms", "utc_offset_minutes").row(0) == (noon, 120)
