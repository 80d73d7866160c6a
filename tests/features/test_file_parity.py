"""One transaction at a time, or written to a file and read again: the same rows, with ==."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.domain.outcome import (
    Chargeback,
    IssuerDeclined,
    Outcome,
    ReviewVerdict,
    statuses_of,
)
from fraudkit.domain.transaction import Transaction
from fraudkit.features.catalog import default_features
from fraudkit.features.keys import IdentifierHash, event_id
from fraudkit.features.offline import feature_rows, features_frame
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.plan import window_plan
from fraudkit.features.spec import FeatureSet
from fraudkit.features.state import Appended
from fraudkit.mapping import Mapping, read_data
from fraudkit.simulate import simulate
from fraudkit.stores.memory import MemoryStore
from tests.domain.documents import documents

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
MAPPING = """
[outcomes]
file = "outcomes.ndjson"
[rates.JPY]
"2026-01-01" = "0.006"
"2026-03-02" = "0.0061"
[rates.KWD]
"2026-01-01" = "2.9"
"""
FEATURES = default_features(
    own_entities=["terminal"],
    own_numbers=["score", "is_new"],
    own_categories=["segment"],
    levels={
        "channel": ["web", "mobile_app"],
        "currency": ["EUR", "JPY"],
        "billing_country": ["DE", "FR"],
        "card_funding": ["credit", "debit"],
        "cvv_check": ["pass", "fail"],
        "custom_segment": ["new", "loyal"],
    },
)


def maybe(*values: object) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


# Few values each, some that differ in case and white space only, so that histories form.
OFTEN = {
    "account.user_id": maybe("u1", "u2", " u1"),
    "account.is_guest": maybe(True, False),
    "account.created_at": maybe("2026-01-01T00:00:00+01:00", "2026-03-01T00:00:00.123456Z"),
    "email.address": maybe("ada.l@x.io", "ADA.L@x.io ", "b77@x.io", "9a0364b9e99bb480"),
    "billing.last_name": maybe("Ada", "ADA ", "Lovelace"),
    "billing.address": maybe("Main St. 1", "main st 1", "Side Road 2"),
    "billing.postal": maybe("1010", " 1010", "1020"),
    "billing.country": maybe("DE", "FR", "AT"),
    "billing.phone_number": maybe("123 456", "123456"),
    "shipping.address": maybe("Main St. 1", "MAIN ST. 1"),
    "shipping.country": maybe("DE", "FR"),
    "payment.card.fingerprint": maybe("c1", "c2", "C1"),
    "payment.card.funding": maybe("credit", "prepaid"),
    "payment.card.cvv_check": maybe("pass", "fail"),
    "device.fingerprint": maybe("d1", "d2"),
    "device.ip_address": maybe("192.0.2.1", "2001:DB8::1", "2001:db8::1"),
    "device.session_age_s": maybe(0.0, 12.5),
    "entities.terminal": maybe("77", "78"),
    "custom_inputs.score": maybe(-0.5, 0.0, 1e12),
    "custom_inputs.is_new": maybe(True, False),
    "custom_inputs.segment": maybe("new", "loyal", "Loyal"),
    "order.currency": st.sampled_from(["EUR", "EUR", "JPY", "KWD", "USD"]),
    "order.amount_minor": st.sampled_from([0, 100, 5050, 10**13]),
}


def put(document: dict[str, Any], path: str, value: object) -> None:
    *parts, last = path.split(".")
    for part in parts:
        document = document.setdefault(part, {})
    if value is not None:
        document[last] = value


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Transaction], list[Outcome]]:
    """Draw transactions in order of time, anything in them, and what became of some."""
    steps = st.sampled_from([0, 1, 999, HOUR_MS - 1, HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS])
    count = draw(st.integers(1, 9))
    at_ms, transactions = 0, []
    for number in range(count):
        at_ms += draw(steps)
        offset = timezone(timedelta(minutes=draw(st.sampled_from([-570, 0, 330]))))
        document = draw(documents(Transaction))
        document["transaction_id"] = f"t{number}"
        document["event_time"] = (START + timedelta(milliseconds=at_ms)).astimezone(offset)
        document["order"]["items"] = draw(st.sampled_from([[], [{}], [{}, {"quantity": 2}]]))
        for path, values in OFTEN.items():
            put(document, path, draw(values))
        transactions.append(msgspec.convert(document, Transaction))
    outcomes = [
        draw(outcomes_about(number, transactions)) for number in range(draw(st.integers(0, 6)))
    ]
    return transactions, outcomes


@st.composite
def outcomes_about(draw: st.DrawFn, number: int, transactions: list[Transaction]) -> Outcome:
    known_at = draw(st.sampled_from(transactions)).event_time
    known_at += timedelta(milliseconds=draw(st.sampled_from([-1, 0, 1, HOUR_MS])))
    shared = {
        "outcome_id": f"o{number}",
        "transaction_id": draw(st.sampled_from(transactions)).transaction_id,
        "occurred_at": known_at,
        "available_at": known_at,
    }
    return draw(
        st.sampled_from(
            [
                Chargeback(**shared, is_fraud=True, reason="10.4"),
                Chargeback(**shared, is_fraud=False, reason="13.1"),
                ReviewVerdict(**shared, verdict="legitimate", reviewed_by="r1"),
                IssuerDeclined(**shared, decline="hard", code="stolen_card"),
            ]
        )
    )


def online_rows(
    transactions: list[Transaction], outcomes: list[Outcome], features: FeatureSet, mapping: Mapping
) -> np.ndarray:
    plan = window_plan(features)
    store = MemoryStore(plan, capacity_events=len(transactions))
    online = OnlineFeatures(features, plan, store, mapping.rates, IdentifierHash(b"k" * 16))
    for outcome in outcomes:
        for status in statuses_of(outcome):
            store.record(event_id(outcome.transaction_id), status, outcome.available_at_ms)
    rows = []
    for transaction in transactions:
        row = online.row(transaction)
        rows.append(row.values)
        assert store.append(row.event) is Appended.ACCEPTED
    return np.array(rows)


def file_rows(
    transactions: list[Transaction], outcomes: list[Outcome], features: FeatureSet
) -> tuple[np.ndarray, Mapping]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, values in (("orders.ndjson", transactions), ("outcomes.ndjson", outcomes)):
            (folder / file).write_bytes(msgspec.json.Encoder().encode_lines(values))
        mapping = Mapping.parse(MAPPING, folder=folder)
        data = read_data([folder / "orders.ndjson"], mapping)
    assert data.errors.is_empty()
    assert data.outcome_errors.is_empty()
    return feature_rows(data.frame, features, mapping.rates, data.outcomes), mapping


@settings(max_examples=80)
@given(streams())
def test_rows_of_a_file_equal_the_rows_online(
    stream: tuple[list[Transaction], list[Outcome]],
) -> None:
    transactions, outcomes = stream
    offline, mapping = file_rows(transactions, outcomes, FEATURES)
    online = online_rows(transactions, outcomes, FEATURES, mapping)
    for column, name in enumerate(FEATURES.names):
        assert np.array_equal(online[:, column], offline[:, column], equal_nan=True), name


def test_rows_of_a_shop_of_many_keys_equal_the_rows_online() -> None:
    shop = simulate(6_000, seed=4)
    offline, mapping = file_rows(shop.transactions, shop.outcomes, FEATURES)
    online = online_rows(shop.transactions, shop.outcomes, FEATURES, mapping)
    for column, name in enumerate(FEATURES.names):
        assert np.array_equal(online[:, column], offline[:, column], equal_nan=True), name


MIXED = [5.0, 2.5, True, False, "5", "2.5", "true", "n/a", "", 1e12, -3.0, 1e-7, 123456.789, None]


@pytest.mark.parametrize("kind", ["numbers", "categories"])
@settings(max_examples=40)
@given(values=st.lists(st.sampled_from(MIXED), min_size=1, max_size=6))
def test_a_custom_input_of_several_types_is_read_as_online(
    kind: str, values: list[str | float | bool | None]
) -> None:
    levels = ["5", "2.5", "true", "1000000000000", "1e-7", "123456.789"]
    features = default_features(**{f"own_{kind}": ["x"]}, levels={"custom_x": levels})
    transactions = [
        msgspec.convert(
            {
                "transaction_id": f"t{number}",
                "event_time": START,
                "order": {"amount_minor": 1, "currency": "EUR"},
                "custom_inputs": {} if value is None else {"x": value},
            },
            Transaction,
        )
        for number, value in enumerate(values)
    ]
    offline, mapping = file_rows(transactions, [], features)
    online = online_rows(transactions, [], features, mapping)
    column = features.names.index("custom_x")
    assert np.array_equal(online[:, column], offline[:, column], equal_nan=True)


def test_the_frame_of_features_has_their_names() -> None:
    frame = pl.DataFrame(
        {
            "transaction_id": ["t1", "t2"],
            "event_time_ms": [0, 1],
            "utc_offset_minutes": [0, 0],
            "order.amount_minor": [100, 150],
            "order.currency": ["EUR", "EUR"],
        }
    )
    outcomes = pl.DataFrame(
        schema={"transaction_id": pl.String, "status": pl.Int8, "known_at_ms": pl.Int64}
    )
    rates = Mapping.identity().rates
    features = default_features().keep({"amount", "is_round_amount"})
    rows = features_frame(frame, features, rates, outcomes)
    assert rows.to_dict(as_series=False) == {
        "amount": [100.0, 150.0],
        "is_round_amount": [1.0, 0.0],
    }
    assert features_frame(frame.lazy(), features, rates, outcomes.lazy()).equals(rows)
