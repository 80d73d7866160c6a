"""A transaction is frozen, complete in its parts, and knows its time."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.decoding import convert
from fraudkit.domain.schema import structs_of
from fraudkit.domain.transaction import (
    Address,
    Card,
    Device,
    Email,
    Order,
    Payment,
    Shipping,
    Transaction,
    epoch_ms,
)
from fraudkit.errors import CardNumberRefused
from tests.domain.documents import documents, paths_of, times, value_at

CARD_NUMBER = "4111 1111 1111 1111"
MOMENT = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))
BARE = Transaction(
    transaction_id="t-1", event_time=MOMENT, order=Order(amount_minor=1295, currency="EUR")
)


def test_every_part_can_be_read_though_nothing_came() -> None:
    assert BARE.payment.card.country is None
    assert BARE.billing.country is None
    assert BARE.shipping.delivery_speed is None
    assert BARE.device.ip_address is None
    assert BARE.account.created_at is None
    assert BARE.email.address is None
    assert BARE.order.items == ()
    assert BARE.custom_inputs == {}
    assert BARE.type == "purchase"


def test_every_part_is_frozen_and_refuses_unknown_fields() -> None:
    for struct in structs_of(Transaction):
        assert struct.__struct_config__.frozen
        assert struct.__struct_config__.forbid_unknown_fields


def test_no_field_can_be_set() -> None:
    with pytest.raises(AttributeError):
        BARE.order.amount_minor = 1  # type: ignore[misc]


@given(times())
def test_epoch_milliseconds_are_rounded_down(moment: datetime) -> None:
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert epoch_ms(moment) == microseconds // 1000
    assert msgspec.structs.replace(BARE, event_time=moment).event_time_ms == microseconds // 1000


@given(times())
def test_the_same_moment_has_the_same_milliseconds_in_any_zone(moment: datetime) -> None:
    assert epoch_ms(moment.astimezone(UTC)) == epoch_ms(moment)


@given(st.integers(-14 * 60, 14 * 60))
def test_the_offset_is_the_customers(minutes: int) -> None:
    moment = MOMENT.astimezone(timezone(timedelta(minutes=minutes)))
    assert msgspec.structs.replace(BARE, event_time=moment).utc_offset_minutes == minutes


@given(st.data())
def test_a_card_number_is_refused_in_every_text_field(data: st.DataObject) -> None:
    document = data.draw(documents(Transaction))
    texts = [
        path
        for path in paths_of(document)
        if isinstance(value_at(document, path), str) and path not in FIXED and path[-1] not in FIXED
    ]
    path = data.draw(st.sampled_from(texts))
    value_at(document, path[:-1])[path[-1]] = CARD_NUMBER
    with pytest.raises(CardNumberRefused) as refused:
        convert(document, Transaction)
    assert refused.value.pointer == "/" + "/".join(map(str, path))
    assert CARD_NUMBER not in str(refused.value)


# Fields that hold a time, a code or a few characters: there a card number is a wrong value.
FIXED = {
    *("event_time", "type", "party", "channel", "currency", "country", "region", "funding"),
    *("created_at", "changed_at", "password_changed_at", "first_purchase_at", "method"),
    *("delivery_speed", "delivery_kind", "phone_country_code", "issuer_id_number"),
    *("last_digits", "avs_result", "cvv_result", "address_check", "postal_check", "cvv_check"),
}


@pytest.mark.parametrize("name", ["entities", "custom_inputs"])
@pytest.mark.parametrize("key", ["4111111111111111", "n_4111111111111111", f"Card {CARD_NUMBER}"])
def test_a_card_number_is_refused_as_a_key(name: str, key: str) -> None:
    document = {**msgspec.to_builtins(BARE, builtin_types=[datetime]), name: {key: "x"}}
    with pytest.raises(CardNumberRefused) as refused:
        convert(document, Transaction)
    assert refused.value.pointer == f"/{name}"
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "part", "pointer"),
    [
        ("billing", Address(first_name=CARD_NUMBER), "/billing/first_name"),
        ("shipping", Shipping(address_2=CARD_NUMBER), "/shipping/address_2"),
        ("payment", Payment(card=Card(fingerprint=CARD_NUMBER)), "/payment/card/fingerprint"),
        ("device", Device(user_agent=CARD_NUMBER), "/device/user_agent"),
        ("email", Email(address=CARD_NUMBER), "/email/address"),
        ("custom_inputs", {"note": CARD_NUMBER}, "/custom_inputs/note"),
    ],
)
def test_a_card_number_is_refused_when_built_in_python_too(
    name: str, part: object, pointer: str
) -> None:
    with pytest.raises(CardNumberRefused) as refused:
        msgspec.structs.replace(BARE, **{name: part})
    assert refused.value.pointer == pointer
