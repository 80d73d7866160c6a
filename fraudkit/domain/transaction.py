"""`Transaction`: one attempt to pay, as it was known when it was made.

Every value is frozen. A part that did not come is its empty value, never ``None``, so a path
such as ``billing.country`` can always be read; a field that did not come is ``None``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Literal

from msgspec import Meta, Struct

from fraudkit.domain.card_number import refuse_card_numbers
from fraudkit.domain.codes import CountryCode, CurrencyCode

__all__ = [
    "AMOUNT_MINOR_MAX",
    "EPOCH",
    "Account",
    "Address",
    "AmountMinor",
    "Card",
    "CheckResult",
    "Count",
    "Device",
    "Email",
    "Identifier",
    "InputKey",
    "InputNumber",
    "Item",
    "Order",
    "Payment",
    "PaymentMethod",
    "Shipping",
    "Text",
    "Timestamp",
    "Transaction",
    "epoch_ms",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Identifier = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
Timestamp = Annotated[datetime, Meta(tz=True)]
AMOUNT_MINOR_MAX = 10**13
AmountMinor = Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
InputKey = Annotated[str, Meta(pattern="^[a-z0-9_]{1,25}$(?!\\n)")]
InputNumber = Annotated[float, Meta(gt=-1e13, lt=1e13)]

PaymentMethod = Literal[
    "card",
    "wallet",
    "pay_later",
    "bank_redirect",
    "bank_transfer",
    "bank_debit",
    "real_time_payment",
    "upi",
    "voucher",
    "gift_card",
    "crypto",
    "card_redirect",
    "reward",
    "open_banking",
    "mobile_payment",
    "network_token",
]
CheckResult = Literal["pass", "fail", "unavailable", "unchecked"]


def epoch_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970-01-01T00:00:00Z, rounded down.

    Examples
    --------
    >>> epoch_ms(datetime(1970, 1, 1, 1, 0, 1, tzinfo=UTC))
    3601000
    """
    return (moment - _EPOCHS[moment.tzinfo]) // _MILLISECOND


class _Epochs(dict[tzinfo | None, datetime]):
    """The epoch in each offset: two times of one ``tzinfo`` are subtracted four times as fast.

    Of a zone whose offset changes that would be local time; there the epoch is UTC's.
    """

    def __missing__(self, zone: tzinfo | None) -> datetime:
        if not isinstance(zone, timezone):
            return EPOCH
        self[zone] = EPOCH.astimezone(zone)
        return self[zone]


_EPOCHS = _Epochs()


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Options shared by all parts."""


class Account(_Part, frozen=True):
    """The customer's account with the shop.

    Attributes
    ----------
    user_id : str or None
        The shop's own identifier of the customer.
    created_at : datetime or None
        When the account was made.
    changed_at, password_changed_at : datetime or None
        The last change of the account's data, of its password.
    first_purchase_at : datetime or None
        The first order that was paid for.
    is_guest : bool or None
        Whether the order is made without signing in.
    is_email_validated : bool or None
        Whether the e-mail address was confirmed by the customer.
    """

    user_id: Identifier | None = None
    created_at: Timestamp | None = None
    changed_at: Timestamp | None = None
    password_changed_at: Timestamp | None = None
    first_purchase_at: Timestamp | None = None
    is_guest: bool | None = None
    is_email_validated: bool | None = None


class Email(_Part, frozen=True):
    """The e-mail address given with the order.

    Attributes
    ----------
    address : str or None
        The address, or a digest of it that is the same for the same address.
    domain : str or None
        The part after the last ``@``; only needed where ``address`` is a digest.
    """

    address: Identifier | None = None
    domain: Identifier | None = None


class Address(_Part, frozen=True):
    """A postal address with the name and telephone number that go with it.

    Attributes
    ----------
    country : str or None
        ISO 3166-1 alpha-2.
    region : str or None
        The part of an ISO 3166-2 code after the dash.
    phone_country_code : str or None
        Digits only, without ``+``.
    """

    first_name: Text | None = None
    last_name: Text | None = None
    company: Text | None = None
    address: Text | None = None
    address_2: Text | None = None
    city: Text | None = None
    region: Annotated[str, Meta(pattern="^[0-9A-Z]{1,4}$(?!\\n)")] | None = None
    country: CountryCode | None = None
    postal: Text | None = None
    phone_country_code: Annotated[str, Meta(pattern="^[0-9]{1,4}$(?!\\n)")] | None = None
    phone_number: Text | None = None


class Shipping(Address, frozen=True):
    """Where and how the order is delivered: an `Address` and the delivery.

    Attributes
    ----------
    delivery_speed : str or None
        How fast it was asked for.
    delivery_kind : str or None
        Where it goes, as far as the shop knows.
    """

    delivery_speed: Literal["same_day", "overnight", "expedited", "standard"] | None = None
    delivery_kind: (
        Literal[
            "billing_address",
            "verified_address",
            "new_address",
            "store",
            "locker",
            "digital",
            "not_shipped",
            "other",
        ]
        | None
    ) = None


class Card(_Part, frozen=True):
    """What may be known of a card without its number.

    Attributes
    ----------
    fingerprint : str or None
        A token that is the same for the same card, from the vault or the payment provider.
    issuer_id_number : str or None
        The first 6 to 8 digits (BIN).
    last_digits : str or None
        The last 2 to 4 digits.
    country : str or None
        The issuer's country.
    avs_result, cvv_result : str or None
        The raw one-character answers; the ``*_check`` fields hold the normalised ones.
    was_3d_secure_successful, has_liability_shift : bool or None
        Whether the customer was authenticated, and whether that moves a fraud's loss.
    """

    fingerprint: Identifier | None = None
    issuer_id_number: Annotated[str, Meta(pattern="^[0-9]{6,8}$(?!\\n)")] | None = None
    last_digits: Annotated[str, Meta(pattern="^[0-9]{2,4}$(?!\\n)")] | None = None
    country: CountryCode | None = None
    bank_name: Text | None = None
    brand: Text | None = None
    funding: Literal["credit", "debit", "prepaid", "unknown"] | None = None
    expiry_month: Annotated[int, Meta(ge=1, le=12)] | None = None
    expiry_year: Annotated[int, Meta(ge=1950, le=2199)] | None = None
    avs_result: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    cvv_result: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    address_check: CheckResult | None = None
    postal_check: CheckResult | None = None
    cvv_check: CheckResult | None = None
    was_3d_secure_successful: bool | None = None
    has_liability_shift: bool | None = None


class Payment(_Part, frozen=True):
    """How the customer means to pay.

    Attributes
    ----------
    method : str or None
        The family of the method.
    method_type : str or None
        The method itself: ``"credit"``, ``"ideal"``, ``"paypal"`` …
    processor : str or None
        The payment provider that would take the payment.
    is_recurring : bool or None
        Whether the merchant starts it (a renewal), with no customer present.
    """

    method: PaymentMethod | None = None
    method_type: Identifier | None = None
    processor: Identifier | None = None
    is_recurring: bool | None = None
    card: Card = Card()


class Item(_Part, frozen=True):
    """One line of the basket; ``price_minor`` is for one piece."""

    item_id: Identifier | None = None
    category: Text | None = None
    price_minor: AmountMinor | None = None
    quantity: Annotated[int, Meta(ge=1, le=10**6)] = 1
    is_digital: bool | None = None


class Order(_Part, frozen=True):
    """What is bought.

    Attributes
    ----------
    amount_minor : int
        The total to pay, in minor units of ``currency``.
    currency : str
        ISO 4217, upper case.
    items : tuple of Item
        At most 1,000 lines.
    """

    amount_minor: AmountMinor
    currency: CurrencyCode
    discount_code: Text | None = None
    affiliate_id: Text | None = None
    subaffiliate_id: Text | None = None
    referrer_uri: Annotated[str, Meta(max_length=1024)] | None = None
    is_gift: bool | None = None
    has_gift_message: bool | None = None
    items: Annotated[tuple[Item, ...], Meta(max_length=1000)] = ()


class Device(_Part, frozen=True):
    """The device and session that the order comes from.

    Attributes
    ----------
    fingerprint : str or None
        A tracking token that is the same for the same device.
    ip_address : str or None
        IPv4 or IPv6 text.
    time_zone : str or None
        The zone that the device's clock is set to, a name of the IANA time zone database.
    session_age_s : float or None
        Seconds from the session's start to the order.
    """

    fingerprint: Identifier | None = None
    ip_address: Annotated[str, Meta(min_length=2, max_length=45)] | None = None
    user_agent: Annotated[str, Meta(max_length=512)] | None = None
    accept_language: Text | None = None
    time_zone: Annotated[str, Meta(max_length=64)] | None = None
    session_id: Identifier | None = None
    session_age_s: Annotated[float, Meta(ge=0, le=1e9)] | None = None


class Transaction(_Part, frozen=True):
    """One attempt to pay.

    Attributes
    ----------
    transaction_id : str
        The shop's identifier of this attempt; the same id is the same attempt.
    event_time : datetime
        When the customer made it, RFC 3339 with an offset; the offset says the local time.
    order : Order
        What is bought.
    entities : dict[str, str]
        Identities of the shop's own that have a history: terminal, seller, voucher…
    custom_inputs : dict[str, str or float or bool]
        Facts of the shop's own; at most 100.

    Raises
    ------
    fraudkit.errors.CardNumberRefused
        If any string in it looks like a full card number.
    """

    transaction_id: Identifier
    event_time: Timestamp
    order: Order
    order_id: Identifier | None = None
    type: Literal[
        "purchase",
        "recurring_purchase",
        "account_creation",
        "account_login",
        "credit_application",
        "email_change",
        "fund_transfer",
        "password_reset",
        "payout_change",
        "referral",
        "sim_swap",
        "survey",
    ] = "purchase"
    party: Literal["customer", "agent"] | None = None
    shop_id: Identifier | None = None
    channel: (
        Literal[
            "web",
            "mobile_app",
            "phone",
            "social",
            "marketplace",
            "in_store_kiosk",
            "point_of_sale",
            "merchant_initiated",
        ]
        | None
    ) = None
    attempt_id: Identifier | None = None
    is_retry: bool | None = None
    is_test: bool = False
    account: Account = Account()
    email: Email = Email()
    billing: Address = Address()
    shipping: Shipping = Shipping()
    payment: Payment = Payment()
    device: Device = Device()
    entities: Annotated[dict[InputKey, Identifier], Meta(max_length=16)] = {}
    custom_inputs: Annotated[dict[InputKey, Text | InputNumber | bool], Meta(max_length=100)] = {}

    def __post_init__(self) -> None:
        refuse_card_numbers(self)

    @property
    def event_time_ms(self) -> int:
        """The event time as whole milliseconds since the epoch."""
        return epoch_ms(self.event_time)

    @property
    def utc_offset_minutes(self) -> int:
        """The offset of the event time from UTC, in whole minutes."""
        offset = self.event_time.utcoffset()
        return 0 if offset is None else offset.days * 1440 + offset.seconds // 60
