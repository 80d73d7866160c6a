"""Keys: equal identifiers of a kind are one key, anything else is another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fraudkit.domain.transaction import Card, Email, Order, Payment, Shipping, Transaction
from fraudkit.features.catalog import ENTITIES
from fraudkit.features.enrichment import NO_SOURCES
from fraudkit.features.function_text import FunctionText
from fraudkit.features.keys import IdentifierHash, event_digest, event_id
from fraudkit.features.order_row import digest_names, order_function
from fraudkit.features.spec import Entity, FeatureSet, OrderFeature
from fraudkit.features.window_arrays import NO_KEY

HASH = IdentifierHash(b"k" * 16)
SINGLE = Entity(name="card", inputs=("payment.card.fingerprint",))
CASELESS = Entity(name="email", inputs=("email.address",), is_caseless=True)
ADDRESS = Entity(name="place", inputs=("shipping.address", "shipping.postal", "shipping.country"))
WITHOUT_INPUTS = OrderFeature(
    name="one", inputs=(), compute=lambda: 1.0, unit="", meaning="", reason_code="", low=1, high=1
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
BLANKS = st.text(" \t\n\u00a0", max_size=3)


def key_of(entity: Entity, values: Sequence[str | None], hashed: IdentifierHash = HASH) -> int:
    text = FunctionText("values")
    names = dict(zip(entity.inputs, text.unpack("values", len(entity.inputs)), strict=True))
    [digest] = digest_names(text, [entity], names, hashed)
    return int.from_bytes(text.function(digest)(values), "little", signed=True)


@given(text=TEXTS, before=BLANKS, after=BLANKS)
def test_white_space_around_a_value_never_tells_keys_apart(
    text: str, before: str, after: str
) -> None:
    assert key_of(SINGLE, [before + text + after]) == key_of(SINGLE, [text])
    parts = [before + text, f"12345{after}", f"{before}DE"]
    assert key_of(ADDRESS, parts) == key_of(ADDRESS, [text, "12345", "DE"])


@given(text=TEXTS)
@example("Ada@Example.ORG")
def test_letter_case_tells_keys_apart_unless_the_entity_says_otherwise(text: str) -> None:
    assert key_of(CASELESS, [text]) == key_of(CASELESS, [text.lower()])
    is_same = text.strip() == text.lower().strip()
    assert (key_of(SINGLE, [text]) == key_of(SINGLE, [text.lower()])) is is_same


@given(first=st.none() | BLANKS, others=st.tuples(st.none() | TEXTS, st.none() | TEXTS))
def test_there_is_no_key_without_its_first_part(
    first: str | None, others: tuple[str | None, str | None]
) -> None:
    assert key_of(ADDRESS, [first, *others]) == NO_KEY


def test_the_other_parts_may_be_absent_and_are_told_apart() -> None:
    parts = [("a", None, None), ("a", "b", None), ("a", None, "b"), ("a", "b", "c"), ("ab", "", "")]
    keys = {key_of(ADDRESS, values) for values in parts}
    assert len(keys) == len(parts)
    assert NO_KEY not in keys
    assert key_of(ADDRESS, ("a", "", "b")) == key_of(ADDRESS, ("a", None, "b"))


@given(text=TEXTS)
def test_kinds_never_share_a_key_for_the_same_text(text: str) -> None:
    assume(text.strip())
    keys = [key_of(entity, [text] * len(entity.inputs)) for entity in ENTITIES]
    assert len(set(keys)) == len(keys)


@given(first=TEXTS, second=TEXTS)
def test_different_identifiers_have_different_hashes(first: str, second: str) -> None:
    assert (key_of(SINGLE, [first]) == key_of(SINGLE, [second])) is (
        first.strip() == second.strip()
    )


@given(text=TEXTS)
def test_another_secret_gives_other_hashes(text: str) -> None:
    other = IdentifierHash(b"l" * 16)
    assume(text.strip())
    again = IdentifierHash(b"k" * 16)
    assert key_of(SINGLE, [text]) == key_of(SINGLE, [text], again) != NO_KEY
    assert key_of(SINGLE, [text]) != key_of(SINGLE, [text], other)
    assert HASH.digest(text.encode()) == IdentifierHash(b"k" * 16).digest(text.encode())
    assert HASH.digest(text.encode()) != other.digest(text.encode())
    assert len(HASH.digest(text.encode())) == 8


def test_hashes_stay_what_they_are() -> None:
    # By the reference tool, printf t1 | b2sum -l 64: it orders events, so it must not change.
    assert event_digest("t1").hex() == "cbe920c372f7cf29"
    assert event_id("t1") == int.from_bytes(event_digest("t1"), "little", signed=True)


@given(st.lists(TEXTS, unique=True, max_size=20))
def test_event_ids_are_unique_and_never_zero(identifiers: list[str]) -> None:
    ids = {event_id(identifier) for identifier in identifiers}
    assert len(ids) == len(identifiers)
    assert 0 not in ids


@pytest.fixture
def transaction() -> Transaction:
    return Transaction(
        transaction_id="t1",
        event_time=datetime(2026, 3, 1, tzinfo=UTC),
        order=Order(amount_minor=1, currency="EUR"),
        email=Email(address="Ada@Example.org "),
        payment=Payment(card=Card(fingerprint="c1")),
        shipping=Shipping(address="Main Street 1", country="DE"),
        entities={"terminal": "77"},
    )


def test_every_entity_of_a_transaction_gets_its_key(transaction: Transaction) -> None:
    own = Entity(name="terminal", inputs=("entities.terminal",))
    entities = [*ENTITIES, own]
    features = FeatureSet(entities, [WITHOUT_INPUTS])
    function = order_function(features, HASH, NO_SOURCES)
    keys = np.frombuffer(function(transaction, 0, None, np.empty(1)), "<i8")
    named = {entity.name: entity for entity in entities}
    expected = {
        "card": key_of(named["card"], ["c1"]),
        "email": key_of(named["email"], ["ada@example.org"]),
        "shipping_address": key_of(named["shipping_address"], ["main street 1", None, "de"]),
        "terminal": key_of(own, ["77"]),
    }
    names = [entity.name for entity in (*ENTITIES, own)]
    assert dict(zip(names, keys.tolist(), strict=True)) == dict.fromkeys(names, NO_KEY) | expected
