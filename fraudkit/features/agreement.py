"""What should agree in an order, and may not: countries, addresses, names, telephones.

Invariant: what is absent, or nothing is known of, gives NaN, never agreement.
"""

from __future__ import annotations

import re
from math import nan
from typing import Final

from fraudkit.features.feature_group import FeatureGroup
from fraudkit.features.territories import calling_codes, territories

__all__ = [
    "ADDRESSES",
    "COUNTRIES",
    "HABITS",
    "addresses",
    "countries",
    "habits",
    "name_differs",
    "phone_differs",
    "postal_differs",
    "street_differs",
]

_NOT_WORD: Final = re.compile(r"[\W_]+")
_NOT_DIGIT: Final = re.compile(r"[^0-9]+")
_SUBSCRIBER_DIGITS: Final = 7
_AFTER_LANGUAGE: Final = ("-", ",", ";", "_", "")


def countries(
    shipping: str | None,
    billing: str | None,
    card: str | None,
    card_range: str | None,
    ip: str | None,
) -> tuple[float, ...]:
    """Return which countries of an order differ, as `COUNTRIES` names them.

    The card's country is that which came with the order, else that of its number's range. The
    last value is how many different countries the order has, where two or more are known.

    Examples
    --------
    >>> countries("DE", "DE", None, "FR", None)
    (False, True, True, nan, nan, nan, 2)
    """
    issuer = card_range if card is None else card
    every = (shipping, billing, issuer, ip)
    absent = every.count(None)
    return (
        nan if shipping is None or billing is None else shipping != billing,
        nan if issuer is None or billing is None else issuer != billing,
        nan if issuer is None or shipping is None else issuer != shipping,
        nan if ip is None or billing is None else ip != billing,
        nan if ip is None or shipping is None else ip != shipping,
        nan if ip is None or issuer is None else ip != issuer,
        len(set(every)) - (absent > 0) if absent < 3 else nan,
    )


COUNTRIES: Final = FeatureGroup(
    inputs=(
        "shipping.country",
        "billing.country",
        "payment.card.country",
        "card_range.country",
        "ip.country",
    ),
    names=(
        "shipping_billing_country_differs",
        "card_billing_country_differs",
        "card_shipping_country_differs",
        "ip_billing_country_differs",
        "ip_shipping_country_differs",
        "ip_card_country_differs",
        "country_count",
    ),
    compute=countries,
)


def habits(
    billing_country: str | None,
    currency: str | None,
    phone_country_code: str | None,
    phone_number: str | None,
    accept_language: str | None,
) -> tuple[float, ...]:
    """Return what is foreign to the billing country, as `HABITS` names it.

    Whether the currency is not legal tender there, the telephone's calling code is of another
    country, the device's first language is no official one there. The facts are those of
    `fraudkit.features.territories`. Countries that share a calling code are not told apart.

    Examples
    --------
    >>> habits("CH", "EUR", None, "+41 44 668 18 00", "de-CH,de;q=0.9")
    (True, False, False)
    """
    usual = territories().get(billing_country)  # type: ignore[arg-type]
    if usual is None:
        return nan, nan, nan
    return (
        _is_foreign(currency, usual.currencies),
        _is_foreign(_calling_code(phone_country_code, phone_number), usual.calling_codes),
        _is_foreign(_first_language(accept_language), usual.languages),
    )


HABITS: Final = FeatureGroup(
    inputs=(
        "billing.country",
        "order.currency",
        "billing.phone_country_code",
        "billing.phone_number",
        "device.accept_language",
    ),
    names=(
        "currency_billing_differs",
        "phone_billing_country_differs",
        "language_billing_differs",
    ),
    compute=habits,
)


def addresses(
    street: str | None, postal: str | None, other_street: str | None, other_postal: str | None
) -> tuple[float, ...]:
    """Return whether two addresses and their postal codes differ, as `ADDRESSES` names it."""
    return (
        street_differs(street, postal, other_street, other_postal),
        postal_differs(postal, other_postal),
    )


ADDRESSES: Final = FeatureGroup(
    inputs=("shipping.address", "shipping.postal", "billing.address", "billing.postal"),
    names=("address_differs", "postal_differs"),
    compute=addresses,
)


def street_differs(
    street: str | None, postal: str | None, other_street: str | None, other_postal: str | None
) -> float:
    """Return 1 where street or postal code differ but for case, spaces and punctuation."""
    if street is None or other_street is None:
        return nan
    if street == other_street and postal == other_postal:
        return 0.0
    return float(
        _words(street) != _words(other_street) or _words(postal or "") != _words(other_postal or "")
    )


def postal_differs(postal: str | None, other_postal: str | None) -> float:
    """Return 1 where two postal codes differ but for case, spaces and punctuation.

    Examples
    --------
    >>> postal_differs("SW1A 1AA", "sw1a1aa")
    0.0
    """
    if postal is None or other_postal is None:
        return nan
    if postal == other_postal:
        return 0.0
    return float(_joined(postal) != _joined(other_postal))


def name_differs(
    first: str | None, last: str | None, other_first: str | None, other_last: str | None
) -> float:
    """Return 1 where two names differ but for case, spaces and punctuation."""
    if last is None or other_last is None:
        return nan
    if last == other_last and first == other_first:
        return 0.0
    return float(_words(f"{first or ''} {last}") != _words(f"{other_first or ''} {other_last}"))


def phone_differs(number: str | None, other: str | None) -> float:
    """Return 1 where two telephone numbers differ in their last seven digits.

    What stands before is written in many ways: with a calling code, a zero, or neither. A
    number of fewer than seven digits cannot be compared: NaN.

    Examples
    --------
    >>> phone_differs("+49 40 123 4567", "040 1234567")
    0.0
    """
    if number is None or other is None:
        return nan
    if number == other and number.isdigit():
        return 0.0
    digits, others = _NOT_DIGIT.sub("", number), _NOT_DIGIT.sub("", other)
    if min(len(digits), len(others)) < _SUBSCRIBER_DIGITS:
        return nan
    return float(digits[-_SUBSCRIBER_DIGITS:] != others[-_SUBSCRIBER_DIGITS:])


def _is_foreign(found: str | None, usual: frozenset[str]) -> float:
    return nan if found is None or not usual else found not in usual


def _calling_code(phone_country_code: str | None, phone_number: str | None) -> str | None:
    """Return a telephone's calling code; in North America others have an area code behind it."""
    if phone_country_code is not None:
        code = phone_country_code.lstrip("0")
        return "1" if code.startswith("1") else code or None
    if phone_number is None or not phone_number.startswith("+"):
        return None
    known = calling_codes()
    beginnings = (phone_number[1:end] for end in (2, 3, 4))
    return next((code for code in beginnings if code in known), None)


def _first_language(accept_language: str | None) -> str | None:
    """Return the language that a device prefers: the first of its list (RFC 9110, 12.5.4)."""
    if accept_language is None:
        return None
    if accept_language[2:3] in _AFTER_LANGUAGE and accept_language[:2].isalpha():
        return accept_language[:2].lower()
    first = accept_language.partition(",")[0].partition(";")[0]
    language = first.replace("_", "-").partition("-")[0].strip().lower()
    return language if language.isalpha() else None


def _words(text: str) -> str:
    return _NOT_WORD.sub(" ", text.casefold()).strip()


def _joined(text: str) -> str:
    return _NOT_WORD.sub("", text.casefold())
