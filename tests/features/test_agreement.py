"""What should agree: known cases, absent is NaN, and the order of two does not matter."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.features.agreement import (
    COUNTRIES,
    HABITS,
    addresses,
    countries,
    habits,
    name_differs,
    phone_differs,
    postal_differs,
    street_differs,
)

codes = st.none() | st.sampled_from(["DE", "FR", "AQ"])
NUMBER = "0049 40 1234567"


def country(name: str, *values: str | None) -> float:
    return countries(*values)[COUNTRIES.names.index(name)]


def habit(name: str, *values: str | None) -> float:
    return habits(*values)[HABITS.names.index(name)]


CASES = [
    (street_differs, ("Main St. 1", "1010", "main st 1", "1010"), 0),
    (street_differs, ("Main St. 1", "1010", "Main St. 1", "1020"), 1),
    (street_differs, ("Main St. 1", None, "Main St. 1", None), 0),
    (street_differs, ("Main St. 1", "1010", "Main St. 2", "1010"), 1),
    (postal_differs, ("SW1A 1AA", "sw1a1aa"), 0),
    (postal_differs, ("1010", "1010"), 0),
    (postal_differs, ("1010", "1020"), 1),
    (name_differs, ("Ada", "Lovelace", "ADA", "Lovelace "), 0),
    (name_differs, ("Ada", "Lovelace", "Alan", "Lovelace"), 1),
    (name_differs, (None, "Lovelace", None, "Turing"), 1),
    (phone_differs, (NUMBER, NUMBER), 0),
    (phone_differs, ("1234567", "1234567"), 0),
    (phone_differs, (NUMBER, "040-123 45 67"), 0),
    (phone_differs, (NUMBER, "040-123 45 68"), 1),
]


@pytest.mark.parametrize(("function", "arguments", "expected"), CASES)
def test_known_cases(function: Any, arguments: tuple[Any, ...], expected: float) -> None:
    assert function(*arguments) == expected


UNKNOWN = [
    (street_differs, (None, "1010", "Main St. 1", "1010")),
    (street_differs, ("Main St. 1", "1010", None, None)),
    (postal_differs, (None, "1010")),
    (postal_differs, ("1010", None)),
    (name_differs, ("Ada", None, "Ada", "Lovelace")),
    (name_differs, ("Ada", "Lovelace", "Ada", None)),
    (phone_differs, (None, NUMBER)),
    (phone_differs, (NUMBER, None)),
    (phone_differs, ("110", NUMBER)),
    (phone_differs, ("n/a", "n/a")),
]


@pytest.mark.parametrize(("function", "arguments"), UNKNOWN)
def test_what_is_absent_is_unknown(function: Any, arguments: tuple[Any, ...]) -> None:
    assert math.isnan(function(*arguments))


def test_address_and_postal_code_are_told_apart() -> None:
    assert addresses("Main St. 1", "1010", "Main St. 2", "1010") == (1.0, 0.0)


@given(*[codes] * 5)
def test_countries_differ_where_both_are_known_and_not_the_same(
    shipping: str | None,
    billing: str | None,
    card: str | None,
    card_range: str | None,
    ip: str | None,
) -> None:
    issuer = card or card_range
    held = (shipping, billing, card, card_range, ip)
    pairs = {
        "shipping_billing_country_differs": (shipping, billing),
        "card_billing_country_differs": (issuer, billing),
        "card_shipping_country_differs": (issuer, shipping),
        "ip_billing_country_differs": (ip, billing),
        "ip_shipping_country_differs": (ip, shipping),
        "ip_card_country_differs": (ip, issuer),
    }
    for name, (one, other) in pairs.items():
        value = country(name, *held)
        assert math.isnan(value) if None in (one, other) else value == (one != other)
    known = [code for code in (shipping, billing, issuer, ip) if code]
    count = country("country_count", *held)
    assert math.isnan(count) if len(known) < 2 else count == len(set(known))


@pytest.mark.parametrize(
    ("billing_country", "currency", "expected"),
    [("DE", "EUR", 0), ("DE", "USD", 1), ("HR", "HRK", 0), ("HR", "EUR", 0), ("BG", "EUR", 0)],
)
def test_a_currency_is_foreign_or_not(billing_country: str, currency: str, expected: float) -> None:
    found = habit("currency_billing_differs", billing_country, currency, None, None, None)
    assert found == expected


@pytest.mark.parametrize(
    ("billing_country", "code", "number", "expected"),
    [
        ("DE", "49", None, 0),
        ("DE", "0049", None, 0),
        ("DE", "43", "+49 40 1234567", 1),
        ("DE", None, "+49 40 1234567", 0),
        ("DE", None, "+1 202 555 0100", 1),
        ("US", "1", None, 0),
        ("BS", "1242", None, 0),
        ("GG", "44", None, 0),
        ("FI", None, "+358401234567", 0),
    ],
)
def test_a_telephone_number_is_foreign_or_not(
    billing_country: str, code: str | None, number: str | None, expected: float
) -> None:
    name = "phone_billing_country_differs"
    assert habit(name, billing_country, None, code, number, None) == expected


@pytest.mark.parametrize(
    ("billing_country", "accept_language", "expected"),
    [
        ("DE", "de", 0),
        ("DE", "de-AT,en;q=0.8", 0),
        ("DE", "DE_de", 0),
        ("DE", " de;q=0.9", 0),
        ("DE", "ru-RU,de;q=0.5", 1),
        ("CH", "gsw,de;q=0.5", 0),
        ("PH", "fil-PH", 0),
        ("PH", "tl", 0),
        ("NO", "no", 0),
        ("IL", "iw-IL", 0),
    ],
)
def test_a_language_is_foreign_or_not(
    billing_country: str, accept_language: str, expected: float
) -> None:
    name = "language_billing_differs"
    assert habit(name, billing_country, None, None, None, accept_language) == expected


@pytest.mark.parametrize(
    "values",
    [
        (None, "EUR", "49", None, "de"),
        ("XX", "EUR", "49", None, "de"),
        ("AQ", "EUR", "49", None, "de"),
        ("DE", None, None, None, None),
        ("DE", None, None, "040 1234567", "*"),
        ("DE", None, "000", None, ""),
        ("DE", None, None, "+", "1234"),
        ("DE", None, None, "+999 123", "-"),
    ],
)
def test_what_nothing_is_known_of_is_unknown(values: tuple[str | None, ...]) -> None:
    assert all(math.isnan(value) for value in habits(*values))


@given(*[st.none() | st.text(max_size=12) | st.sampled_from(["A 1", "a-1"])] * 4)
def test_the_order_of_two_does_not_matter(
    one: str | None, two: str | None, three: str | None, four: str | None
) -> None:
    for function in (street_differs, name_differs):
        forth, back = function(one, two, three, four), function(three, four, one, two)
        assert forth == back or (math.isnan(forth) and math.isnan(back))
    for compare in (postal_differs, phone_differs):
        forth, back = compare(one, two), compare(two, one)
        assert forth == back or (math.isnan(forth) and math.isnan(back))
