"""Bad input is told by pointer, with what was expected, what came and the likely fix."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.decoding import (
    BODY_BYTES_MAX,
    convert,
    decode_outcome,
    decode_payment_context,
    decode_transaction,
)
from fraudkit.domain.explaining import shown
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.payment_choice import PaymentContext
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import CardNumberRefused, InvalidField
from tests.domain.documents import documents, paths_of, value_at

ORDER = {"amount_minor": 1295, "currency": "EUR"}
TRANSACTION = {
    "transaction_id": "t-1",
    "event_time": "2026-03-01T12:00:00+01:00",
    "order": ORDER,
}
OUTCOME = {
    "kind": "authorized",
    "outcome_id": "o-1",
    "transaction_id": "t-1",
    "occurred_at": "2026-03-01T12:00:00+01:00",
    "available_at": "2026-03-02T12:00:00+01:00",
}
DECODERS = [
    (Transaction, decode_transaction),
    (Outcome, decode_outcome),
    (PaymentContext, decode_payment_context),
]


def refused(body: object, decode: Callable[[bytes], object] = decode_transaction) -> InvalidField:
    """Return the error for a body: bytes as they are, anything else as JSON."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidField) as caught:
        decode(encoded)
    return caught.value


def pointer_to(path: tuple[str | int, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
@given(data=st.data())
def test_a_wrong_value_is_named_by_its_pointer(kind: Any, decode: Any, data: Any) -> None:
    document = data.draw(documents(kind))
    sent = [path for path in paths_of(document) if value_at(document, path) is not None]
    path = data.draw(st.sampled_from(sent))
    wrong = 3 if isinstance(value_at(document, path), dict | list) else [[]]
    value_at(document, path[:-1])[path[-1]] = wrong
    error = refused(document, decode)
    assert error.pointer == pointer_to(path)
    assert error.expected
    assert error.received in {"a number", "an array"}
    assert error.hint


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
@given(data=st.data())
def test_a_missing_field_is_named(kind: Any, decode: Any, data: Any) -> None:
    document = data.draw(documents(kind))
    required = {"Transaction": "event_time", "PaymentContext": "amount_minor"}
    name = required.get(getattr(kind, "__name__", ""), "outcome_id")
    del document[name]
    error = refused(document, decode)
    assert (error.pointer, error.received) == (f"/{name}", "nothing")


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
@given(data=st.data(), name=st.text("xyz/~ é", min_size=1, max_size=12))
def test_an_unknown_field_is_named(kind: Any, decode: Any, data: Any, name: str) -> None:
    document = {**data.draw(documents(kind)), name: 1}
    error = refused(document, decode)
    assert error.pointer == pointer_to((name,))
    assert error.received == f"unknown field {name!r}"


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        (("emial",), "email"),
        (("transactionid",), "transaction_id"),
        (("order", "ammount_minor"), "amount_minor"),
        (("order", "items", 0, "qty"), ""),
        (("order", "items", 0, "quantities"), "quantity"),
        (("payment", "card", "finger_print"), "fingerprint"),
        (("device", "ip_adress"), "ip_address"),
        (("shipping", "delivery_sped"), "delivery_speed"),
    ],
)
def test_a_misspelt_field_comes_with_the_likely_one(path: tuple[str | int, ...], fix: str) -> None:
    document = {**TRANSACTION, "order": {**ORDER, "items": [{}]}, "payment": {"card": {}}}
    document |= {"device": {}, "shipping": {}}
    value_at(document, path[:-1])[path[-1]] = 1
    error = refused(document)
    assert error.pointer == pointer_to(path)
    assert (f"did you mean {fix!r}?" if fix else "known here: item_id") in error.hint


@pytest.mark.parametrize(
    ("fields", "pointer", "hint"),
    [
        ({"order": {**ORDER, "currency": "eur"}}, "/order/currency", "'EUR'"),
        ({"order": {**ORDER, "currency": "EURO"}}, "/order/currency", "'EUR'"),
        ({"billing": {"country": "UK"}}, "/billing/country", "'GB'"),
        ({"billing": {"country": "de"}}, "/billing/country", "'DE'"),
        ({"channel": "Mobile App"}, "/channel", "'mobile_app'"),
        ({"payment": {"method": "cards"}}, "/payment/method", "'card'"),
        ({"order": {**ORDER, "amount_minor": 12.95}}, "/order/amount_minor", "minor units"),
        ({"order": {**ORDER, "amount_minor": "1295"}}, "/order/amount_minor", "not a string"),
        ({"event_time": "2026-03-01T12:00:00"}, "/event_time", "+01:00"),
        ({"event_time": "2026-03-01"}, "/event_time", "+01:00"),
        ({"event_time": "yesterday"}, "/event_time", "+01:00"),
        ({"event_time": 1_772_362_800_000}, "/event_time", "+01:00"),
    ],
)
def test_a_common_mistake_comes_with_its_fix(
    fields: dict[str, Any], pointer: str, hint: str
) -> None:
    error = refused({**TRANSACTION, **fields})
    assert error.pointer == pointer
    assert hint in error.hint
    assert "Invalid" not in error.expected


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"custom_inputs": {"fine": 1, "Not Fine": 2}}, "/custom_inputs/Not Fine"),
        ({"custom_inputs": {"fine": 1, "none": None}}, "/custom_inputs/none"),
        ({"custom_inputs": {"large": 1e14}}, "/custom_inputs/large"),
        ({"entities": {"a/b~c": "x"}}, "/entities/a~1b~0c"),
        ({"entities": {"seller": ""}}, "/entities/seller"),
        ({"entities": {f"e{n}": "x" for n in range(17)}}, "/entities"),
        ({"order": {**ORDER, "items": [{}] * 1001}}, "/order/items"),
        ({"order": {**ORDER, "items": [{}, {"quantity": 0}]}}, "/order/items/1/quantity"),
        ({"order": {**ORDER, "amount_minor": -1}}, "/order/amount_minor"),
        ({"order": {**ORDER, "amount_minor": 10**20}}, "/order/amount_minor"),
        ({"transaction_id": ""}, "/transaction_id"),
        ({"transaction_id": "x" * 256}, "/transaction_id"),
        ({"billing": None}, "/billing"),
        ({"billing": {"phone_country_code": "49\n"}}, "/billing/phone_country_code"),
        ({"payment": {"card": {"last_digits": "1234\n"}}}, "/payment/card/last_digits"),
        ({"entities": {"seller\n": "x"}}, "/entities/seller\n"),
    ],
)
def test_limits_hold_and_are_told_by_pointer(fields: dict[str, Any], pointer: str) -> None:
    assert refused({**TRANSACTION, **fields}).pointer == pointer


def test_an_unknown_kind_of_outcome_comes_with_the_likely_one() -> None:
    error = refused({**OUTCOME, "kind": "chargebak"}, decode_outcome)
    assert (error.pointer, error.hint) == ("/kind", "did you mean 'chargeback'?")
    assert refused({**OUTCOME, "kind": 3}, decode_outcome).pointer == "/kind"


@pytest.mark.parametrize("decode", [decode for _, decode in DECODERS])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"1",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"transaction_id": "\xff"}',
        b'{"amount_minor": NaN}',
        b'{"transaction_id": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b" " * (BODY_BYTES_MAX + 1),
    ],
    ids=lambda body: body[:12] if isinstance(body, bytes) else None,
)
def test_what_is_no_document_is_refused(body: bytes, decode: Any) -> None:
    assert refused(body, decode).expected


@given(body=st.binary(max_size=200))
@pytest.mark.parametrize("decode", [decode for _, decode in DECODERS])
def test_any_bytes_give_a_value_or_our_own_error(body: bytes, decode: Any) -> None:
    with pytest.raises(InvalidField):
        decode(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda held: (
        st.lists(held, max_size=3) | st.dictionaries(st.text(max_size=5), held, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
@given(data=st.data(), value=JSON_VALUES)
def test_any_value_anywhere_gives_a_value_or_our_own_error(
    kind: Any, decode: Any, data: Any, value: object
) -> None:
    document = data.draw(documents(kind))
    path = data.draw(st.sampled_from(paths_of(document)))
    value_at(document, path[:-1])[path[-1]] = value
    with suppress(InvalidField):
        decode(msgspec.json.encode(document))
    with suppress(InvalidField):
        convert(document, kind)


@pytest.mark.parametrize("key", [1, None, (1, 2), b"x"])
def test_plain_values_with_keys_that_are_no_text_are_refused(key: object) -> None:
    with pytest.raises(InvalidField):
        convert({**TRANSACTION, "entities": {key: "x"}}, Transaction)


def test_numbers_out_of_range_are_told_in_words() -> None:
    error = refused(b'{"custom_inputs": {"large": 1e999}}')
    assert error.pointer.startswith("/custom_inputs")
    assert "Number out of range" not in error.expected


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a`b": 1}', "/a`b"),
        (b'{"a` - at `$.order": 1}', "/a` - at `$.order"),
        (b'{"order": {"a` - at `$": 1}}', "/order/a` - at `$"),
        (b'{"%s": 1}' % (b"k" * 41), ""),
        (b'{"billing": {"x": 1}, "billing": {}}', "/billing"),
        (b'{"order": {"items": [{}, 3]}, "order": {"items": [{}]}}', "/order/items"),
        (b'{"entities": {"A": "x"}, "entities": {}}', "/entities"),
        (b'{"entities": {"4111111111111111": null}}', "/entities"),
        (b'{"custom_inputs": {"large": 1e999}}', "/custom_inputs/large"),
        (b'{"emial": 1,', ""),
        (b'{"custom_inputs": {"large": %s}}' % (b"1" * 5000), ""),
    ],
)
def test_a_pointer_leads_into_what_came_and_comes_with_a_fix(body: bytes, pointer: str) -> None:
    error = refused(body)
    assert error.pointer == pointer
    assert error.hint


@pytest.mark.parametrize("value", ["Erika Mustermann" * 20, 4912345, 4.5])
@pytest.mark.parametrize(
    "place",
    [
        lambda value: {"billing": {"last_name": value}},
        lambda value: {"billing": {"phone_country_code": value}},
        lambda value: {"email": {"address": value}},
        lambda value: {"email": value},
        lambda value: {"device": [value]},
        lambda value: {"device": {"ip_address": value}},
        lambda value: {"payment": {"card": {"last_digits": value}}},
        lambda value: {"payment": {"card": {"issuer_id_number": value}}},
        lambda value: {"order": {**ORDER, "items": [value]}},
        lambda value: {"entities": {"seller": value}},
    ],
)
def test_what_stands_in_free_text_is_never_shown(
    place: Callable[[object], dict[str, Any]], value: object
) -> None:
    error = refused({**TRANSACTION, **place(value)})
    assert str(value)[:8] not in str(error)


@pytest.mark.parametrize("text", ["4111111111111111", "card 4111-1111-1111-1111"])
@pytest.mark.parametrize(
    "place",
    [
        lambda text: {**TRANSACTION, text: 1},
        lambda text: {**TRANSACTION, "billing": {text: 1}},
        lambda text: {**TRANSACTION, "billing": {"country": text}},
        lambda text: {**TRANSACTION, "billing": text},
        lambda text: {**TRANSACTION, "event_time": text},
        lambda text: {**TRANSACTION, "order": {**ORDER, "amount_minor": text}},
        lambda text: {**TRANSACTION, "entities": {text: "x"}},
        lambda text: {**TRANSACTION, "entities": {"a": text}},
        lambda text: {**TRANSACTION, "custom_inputs": {text: "x"}},
        lambda text: {**TRANSACTION, "custom_inputs": {text: None}},
        lambda text: {**TRANSACTION, "payment": {"card": {"last_digits": text}}},
    ],
)
def test_a_card_number_is_refused_wherever_it_stands_and_never_shown(
    place: Callable[[str], object], text: str
) -> None:
    assert "1111" not in str(refused(place(text)))


def test_a_card_number_has_an_error_of_its_own() -> None:
    error = refused({**TRANSACTION, "order_id": "4111111111111111"})
    assert isinstance(error, CardNumberRefused)
    assert error.pointer == "/order_id"
    assert "token" in error.hint


@pytest.mark.parametrize("separator", ["", " ", "-", "\u00a0"])
@pytest.mark.parametrize("step", [1, 3, 16])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_card_number_is_found_however_the_document_writes_it(
    separator: str, step: int, indent: int | None
) -> None:
    text = separator.join(["4111", "1111", "1111", "1111"])
    plain = json.dumps({**TRANSACTION, "order_id": text}, indent=indent, ensure_ascii=False)
    escaped = "".join(
        f"\\u{ord(character):04x}" if place % step == 0 else character
        for place, character in enumerate(text)
    )
    for body in (plain, plain.replace(text, escaped), json.dumps(json.loads(plain))):
        error = refused(body.encode())
        assert isinstance(error, CardNumberRefused)
        assert error.pointer == "/order_id"


@pytest.mark.parametrize("body", [json.dumps(TRANSACTION).encode(), b"{", b'{"order": 1}'])
def test_a_document_without_a_card_number_says_nothing_of_the_next_value(body: bytes) -> None:
    with suppress(InvalidField):
        decode_transaction(body)
    with pytest.raises(CardNumberRefused):
        msgspec.structs.replace(
            decode_transaction(json.dumps(TRANSACTION).encode()), order_id="4111111111111111"
        )
    with pytest.raises(CardNumberRefused):
        convert({**TRANSACTION, "order_id": "4111111111111111"}, Transaction)


@given(JSON_VALUES)
def test_what_came_is_shown_short(value: object) -> None:
    assert len(shown(value)) <= 80
