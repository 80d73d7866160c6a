"""The countries that the shop sells to: currency, clock, share, and how people pay there.

Invariant: every currency has a rate, and every country's shares add up to 1. Shares and rates
are made up, near enough to the public ones to be plausible, and no source for anything.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, NamedTuple

from msgspec import Struct

from fraudkit.domain.codes import CountryCode, CurrencyCode
from fraudkit.domain.transaction import PaymentMethod

__all__ = [
    "COUNTRIES",
    "DISPUTABLE_METHODS",
    "RATES",
    "Country",
    "Method",
    "local_price_minor",
    "local_time",
]


DISPUTABLE_METHODS = frozenset("card apple_pay google_pay paypal klarna affirm sepa".split())
"""Methods whose scheme lets the payer take the money back."""


class Method(NamedTuple):
    """A payment method: the family and the method itself, in the domain's words."""

    family: PaymentMethod
    name: str

    @property
    def is_disputable(self) -> bool:
        """Whether its scheme lets the payer take the money back."""
        return self.name in DISPUTABLE_METHODS


_CARD = Method("card", "card")
_PAYPAL = Method("wallet", "paypal")
_APPLE_PAY = Method("wallet", "apple_pay")
_GOOGLE_PAY = Method("wallet", "google_pay")
_KLARNA = Method("pay_later", "klarna")
_AFFIRM = Method("pay_later", "affirm")
_IDEAL = Method("bank_redirect", "ideal")
_BLIK = Method("bank_redirect", "blik")
_BIZUM = Method("bank_redirect", "bizum")
_SWISH = Method("wallet", "swish")
_TWINT = Method("wallet", "twint")
_PIX = Method("bank_transfer", "pix")
_BOLETO = Method("voucher", "boleto")
_SEPA = Method("bank_debit", "sepa")


class Country(Struct, frozen=True):
    """One country.

    Attributes
    ----------
    code : CountryCode
        ISO 3166-1 alpha-2.
    share : float
        Of all customers.
    offset_minutes : int
        Standard time east of UTC; the largest city's zone stands for the whole country.
    summer : str
        Whose dates of summer time are kept.
    ip_block : int
        Second octet of its first made-up address: the country has 100.x.0.0/14.
    methods : tuple
        The usual payment methods with their shares.
    """

    code: CountryCode
    currency: CurrencyCode
    share: float
    offset_minutes: int
    summer: Literal["eu", "us", "none"]
    phone: str
    language: str
    ip_block: int
    methods: tuple[tuple[Method, float], ...]

    @property
    def is_european(self) -> bool:
        """Whether payers are authenticated under European rules."""
        return self.summer == "eu"


COUNTRIES: tuple[Country, ...] = (
    Country(
        "DE",
        "EUR",
        0.20,
        60,
        "eu",
        "49",
        "de-DE",
        64,
        ((_PAYPAL, 0.30), (_KLARNA, 0.26), (_CARD, 0.22), (_SEPA, 0.12), (_APPLE_PAY, 0.10)),
    ),
    Country(
        "GB",
        "GBP",
        0.16,
        0,
        "eu",
        "44",
        "en-GB",
        68,
        ((_CARD, 0.55), (_PAYPAL, 0.20), (_APPLE_PAY, 0.15), (_KLARNA, 0.10)),
    ),
    Country(
        "US",
        "USD",
        0.15,
        -300,
        "us",
        "1",
        "en-US",
        72,
        ((_CARD, 0.62), (_PAYPAL, 0.16), (_APPLE_PAY, 0.10), (_GOOGLE_PAY, 0.06), (_AFFIRM, 0.06)),
    ),
    Country(
        "NL",
        "EUR",
        0.11,
        60,
        "eu",
        "31",
        "nl-NL",
        76,
        ((_IDEAL, 0.70), (_CARD, 0.12), (_PAYPAL, 0.08), (_KLARNA, 0.10)),
    ),
    Country(
        "FR",
        "EUR",
        0.11,
        60,
        "eu",
        "33",
        "fr-FR",
        80,
        ((_CARD, 0.72), (_PAYPAL, 0.19), (_APPLE_PAY, 0.09)),
    ),
    Country(
        "PL",
        "PLN",
        0.08,
        60,
        "eu",
        "48",
        "pl-PL",
        84,
        ((_BLIK, 0.66), (_CARD, 0.24), (_PAYPAL, 0.04), (_GOOGLE_PAY, 0.06)),
    ),
    Country(
        "SE",
        "SEK",
        0.06,
        60,
        "eu",
        "46",
        "sv-SE",
        88,
        ((_SWISH, 0.32), (_KLARNA, 0.30), (_CARD, 0.34), (_PAYPAL, 0.04)),
    ),
    Country(
        "BR",
        "BRL",
        0.05,
        -180,
        "none",
        "55",
        "pt-BR",
        92,
        ((_PIX, 0.45), (_CARD, 0.45), (_BOLETO, 0.10)),
    ),
    Country(
        "CH",
        "CHF",
        0.04,
        60,
        "eu",
        "41",
        "de-CH",
        96,
        ((_TWINT, 0.40), (_CARD, 0.40), (_PAYPAL, 0.08), (_KLARNA, 0.12)),
    ),
    Country(
        "ES",
        "EUR",
        0.04,
        60,
        "eu",
        "34",
        "es-ES",
        100,
        ((_CARD, 0.58), (_PAYPAL, 0.22), (_BIZUM, 0.20)),
    ),
)

RATES: dict[str, dict[str, str]] = {
    "BRL": {"2024-01-01": "0.17", "2025-01-01": "0.16", "2025-04-01": "0.155"},
    "CHF": {"2024-01-01": "1.05", "2025-01-01": "1.06", "2025-04-01": "1.07"},
    "GBP": {"2024-01-01": "1.17", "2025-01-01": "1.20", "2025-04-01": "1.18"},
    "PLN": {"2024-01-01": "0.23", "2025-01-01": "0.235", "2025-04-01": "0.234"},
    "SEK": {"2024-01-01": "0.088", "2025-01-01": "0.087", "2025-04-01": "0.091"},
    "USD": {"2024-01-01": "0.92", "2025-01-01": "0.96", "2025-04-01": "0.90"},
}
"""What one unit was worth in euro from a day on; the shop's prices follow the first rate."""

_PRICE_FACTOR = {"EUR": 1.0} | {
    code: 1 / float(rates["2024-01-01"]) for code, rates in RATES.items()
}

# Directive 2000/84/EC and 15 U.S.C. 260a say when summer time begins and ends; these are 2025's.
_SUMMER_MS = {
    "eu": (1_743_296_400_000, 1_761_440_400_000),
    "us": (1_741_503_600_000, 1_762_063_200_000),
    "none": (0, 0),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES = {
    minutes: timezone(timedelta(minutes=minutes))
    for country in COUNTRIES
    for minutes in (country.offset_minutes, country.offset_minutes + 60)
}


def local_time(at_ms: int, country: Country) -> datetime:
    """Return a moment by the country's clock, with its offset.

    Examples
    --------
    >>> local_time(1_735_689_600_000, COUNTRIES[0]).isoformat()
    '2025-01-01T01:00:00+01:00'
    >>> local_time(1_751_328_000_000, COUNTRIES[2]).isoformat()
    '2025-06-30T20:00:00-04:00'
    """
    first, last = _SUMMER_MS[country.summer]
    minutes = country.offset_minutes + (60 if first <= at_ms < last else 0)
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(_ZONES[minutes])


def local_price_minor(eur_minor: int, country: Country) -> int:
    """Return a price in euro cents as minor units of the country's currency, rounded.

    Examples
    --------
    >>> local_price_minor(1000, COUNTRIES[1])
    855
    """
    return round(eur_minor * _PRICE_FACTOR[country.currency])
