"""Every path of the vocabulary can be read; no other can be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.transaction import Account, Item, Order, Transaction, epoch_ms
from fraudkit.errors import FeatureError
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.enrichment import Enrichment
from fraudkit.features.fields import (
    REFERENCE_AMOUNT,
    field_reader,
    fields_reader,
    last_part,
)
from fraudkit.mapping.vocabulary import fields
from tests.domain.documents import documents

MADE_AT = datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
ORDER = Transaction(
    transaction_id="t1",
    event_time=MADE_AT,
    order=Order(amount_minor=1295, currency="EUR", items=(Item(), Item())),
    account=Account(created_at=datetime(2026, 1, 1, tzinfo=UTC)),
    entities={"terminal": "77"},
    custom_inputs={"score": 1.5, "is_new": True},
)
PATHS = [path for path in fields() if path not in {"order.items", "order.item_count"}]
DERIVED = {
    "event_time_ms": epoch_ms(MADE_AT),
    "utc_offset_minutes": 120,
    "order.item_count": 2,
    "account.created_at_ms": epoch_ms(datetime(2026, 1, 1, tzinfo=UTC)),
    "account.changed_at_ms": None,
    "entities.terminal": "77",
    "entities.seller": None,
    "custom_inputs.score": 1.5,
    "custom_inputs.is_new": True,
    "custom_inputs.other": None,
}


@settings(max_examples=40)
@given(document=documents(Transaction))
def test_a_field_is_read_as_the_document_has_it(document: dict[str, Any]) -> None:
    transaction = msgspec.convert(document, Transaction)
    plain = msgspec.to_builtins(transaction)
    for path in PATHS:
        value = msgspec.to_builtins(field_reader(path)(transaction))
        held = value_at_path(plain, path)
        assert held is None or value == held, path


def value_at_path(plain: Any, path: str) -> Any:
    for part in path.split("."):
        plain = plain.get(part, {})
    return None if plain == {} else plain


@pytest.mark.parametrize(("path", "expected"), DERIVED.items())
def test_derived_paths(path: str, expected: object) -> None:
    assert field_reader(path)(ORDER) == expected


def test_an_empty_basket_is_unknown_not_zero() -> None:
    empty = msgspec.structs.replace(ORDER, order=Order(amount_minor=1, currency="EUR"))
    assert field_reader("order.item_count")(empty) is None


@pytest.mark.parametrize(
    "path",
    [
        "", "emial.address", "email.adress", "email.address.x", "entities", "custom_inputs.",
        "order.amount", "payment.card.number", "transaction_id.x", "demographic.age",
        "channel_ms", "order.amount_minor_ms", "event_time_ms_ms", "payment.card", "order.items",
        "billing", "ip", "ip.city", "email.domain_sort", "card_range", "local_offset_minutes_ms",
    ],
)  # fmt: skip
def test_an_unknown_path_is_refused(path: str) -> None:
    with pytest.raises(FeatureError, match="the vocabulary must have the field"):
        field_reader(path)


ANY_PATHS = st.lists(
    st.sampled_from([*PATHS, *DERIVED, *DERIVED_PATHS, REFERENCE_AMOUNT]), unique=True, max_size=8
)
ENRICHMENT = Enrichment.default()


@settings(max_examples=60)
@given(paths=ANY_PATHS, document=documents(Transaction))
def test_reading_together_equals_reading_one_by_one(
    paths: list[str], document: dict[str, Any]
) -> None:
    transaction = msgspec.convert(document, Transaction)
    expected = {
        path: 42 if path == REFERENCE_AMOUNT else field_reader(path, ENRICHMENT)(transaction)
        for path in paths
    }
    values = fields_reader(paths, ENRICHMENT)(transaction, 42)
    assert values == tuple(expected.values())


def test_the_last_part_of_a_path() -> None:
    assert last_part("payment.card.country") == "country"
    assert last_part("channel") == "channel"
