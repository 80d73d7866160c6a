"""What is decoded, encoded and decoded again is the same value; in JSON and in plain values."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.decision import Decision
from fraudkit.domain.decoding import (
    convert,
    decode_outcome,
    decode_payment_context,
    decode_transaction,
)
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.payment_choice import PaymentContext, Recommendation
from fraudkit.domain.transaction import Transaction
from tests.domain.documents import documents

DECODERS = [
    (Transaction, decode_transaction),
    (Outcome, decode_outcome),
    (PaymentContext, decode_payment_context),
]


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
@given(data=st.data())
def test_a_document_survives_decoding_and_encoding(kind: Any, decode: Any, data: Any) -> None:
    document = data.draw(documents(kind))
    value = decode(msgspec.json.encode(document))
    assert decode(msgspec.json.encode(value)) == value
    assert convert(document, kind) == value
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind) == value


@pytest.mark.parametrize("kind", [Decision, Recommendation])
@given(data=st.data())
def test_an_answer_survives_encoding_and_decoding(kind: Any, data: Any) -> None:
    value = convert(data.draw(documents(kind)), kind)
    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
@given(data=st.data())
def test_encoding_leaves_out_what_did_not_come(kind: Any, decode: Any, data: Any) -> None:
    document = data.draw(documents(kind))
    encoded = msgspec.json.decode(msgspec.json.encode(decode(msgspec.json.encode(document))))
    assert set(encoded) <= set(document)


@given(st.data())
def test_the_offset_of_the_event_time_is_kept(data: st.DataObject) -> None:
    document = data.draw(documents(Transaction))
    body = msgspec.json.encode(decode_transaction(msgspec.json.encode(document)))
    written = msgspec.json.decode(body)["event_time"].replace("Z", "+00:00")
    assert written[-6:] == document["event_time"][-6:]
