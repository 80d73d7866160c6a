"""An identifier by itself has the hash that orders with it have."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.transaction import Account, Email, Order, Shipping, Transaction
from fraudkit.errors import InputError
from fraudkit.features.catalog import default_features
from fraudkit.features.enrichment import NO_SOURCES
from fraudkit.features.entity_key import entity_key
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.order_row import order_function

FEATURES = default_features()
HASH = IdentifierHash(b"k" * 16)
HASHES_OF = order_function(FEATURES, HASH, NO_SOURCES)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
BLANKS = st.text(" \t\n", max_size=2)


def hashes_of(transaction: Transaction) -> dict[str, int]:
    row = np.empty(len(FEATURES.names))
    hashes = np.frombuffer(HASHES_OF(transaction, 0, 100, row), "<i8").tolist()
    return dict(zip(FEATURES.entity_names, hashes, strict=True))


@given(user_id=TEXTS, address=TEXTS, street=TEXTS, postal=st.none() | TEXTS, around=BLANKS)
def test_it_is_that_of_the_orders_field(
    user_id: str, address: str, street: str, postal: str | None, around: str
) -> None:
    transaction = Transaction(
        transaction_id="t",
        event_time=datetime(2026, 3, 2, tzinfo=UTC),
        order=Order(amount_minor=100, currency="EUR"),
        account=Account(user_id=user_id),
        email=Email(address=address),
        shipping=Shipping(address=street, postal=postal, country="DE"),
    )
    expected = hashes_of(transaction)
    place = [street + around, postal or "", "DE"]
    assert entity_key(FEATURES, "account", [around + user_id], HASH) == expected["account"]
    assert entity_key(FEATURES, "email", [address], HASH) == expected["email"]
    assert entity_key(FEATURES, "shipping_address", place, HASH) == expected["shipping_address"]
    other = IdentifierHash(b"another key of it")
    assert entity_key(FEATURES, "account", [user_id], other) != expected["account"]


@pytest.mark.parametrize("text", ["", " ", "\ud800"])
def test_what_is_no_identifier_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="The identifier of account must"):
        entity_key(FEATURES, "account", [text], HASH)
