"""Names, places, e-mails, devices and addresses on the network, all made up.

Invariant: nothing here belongs to anybody. Names are syllables, e-mail domains end in
``.example`` (RFC 2606), IP addresses are from 100.64.0.0/10 (RFC 6598) and 198.18.0.0/15
(RFC 2544), issuer numbers begin with 99, which no card scheme uses.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fraudkit.domain.transaction import Address, Card, Device, Email, Shipping
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.countries import COUNTRIES, Country
from fraudkit.simulate.rules import RULES

__all__ = [
    "BASE_COUNTRIES",
    "Delivery",
    "DeliveryKind",
    "Person",
    "Place",
    "address_of",
    "disposable_email",
    "home_ip",
    "hosting_ip",
    "mobile_ip",
    "new_card",
    "new_device",
    "new_person",
    "new_place",
    "ordinary_email",
    "other_country",
    "respelled",
    "shipping_of",
]

BASE_COUNTRIES: tuple[tuple[Country, float], ...] = tuple(
    (country, country.share) for country in COUNTRIES
)
"""Countries with their shares of customers."""

_ONSETS = (
    "Ba Be Bo Da De Do Fa Fe Ga Ha Jo Ka Ke La Le Li Lo Ma Me Mi Na Ne No Ra Ro Sa Ta Va".split()
)
_MIDDLES = "la le li lo ma mi na ne ni no ra re ri ro sa so ta te to va vi za".split()
_ENDINGS = "lis mar nd ner nik ras rin rosk sen stad tan ter vall vek voy zel".split()
_STREETS = "Birch Bridge Canal Castle Elm Field Garden Hill Lake Lime Mill Oak Orchard Park".split()
_STREET_KINDS = "Street Road Lane Square Avenue Way".split()
_FREE_DOMAINS = tuple(
    (f"{name}.example", share)
    for name, share in (
        *(("mail", 0.38), ("post", 0.22), ("inbox", 0.18), ("online", 0.12), ("webmail", 0.10)),
    )
)
_DISPOSABLE_DOMAINS = tuple(
    f"{name}.example"
    for name in "tempinbox 10minutes trashbox quickmail throwaway spamhole burnermail".split()
)
_WORDS = "blue cloud fox happy lucky moon red river sky star sun tiger wild wolf".split()
_USER_AGENTS = (
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Browser/131.0", 0.27),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Browser/128.0", 0.08),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) Browser/17.5", 0.14),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) Browser/17.6", 0.25),
    ("Mozilla/5.0 (Linux; Android 14) Browser/131.0 Mobile", 0.20),
    ("Mozilla/5.0 (X11; Linux x86_64) Browser/132.0", 0.06),
)
_HOME_ADDRESSES = 3 << 16
_HOSTING_ADDRESSES = 1 << 12


DeliveryKind = Literal["billing_address", "new_address", "locker", "digital"]
"""Where the shop's orders go, in the domain's words."""


class Person(NamedTuple):
    """Somebody with a name and a telephone."""

    first_name: str
    last_name: str
    phone: str


class Place(NamedTuple):
    """Somewhere that a parcel can go to."""

    street: str
    city: str
    postal: str
    country: Country


class Delivery(NamedTuple):
    """Where an order goes, to whom, and how fast."""

    place: Place
    person: Person
    kind: DeliveryKind
    is_expedited: bool


def new_person(draw: Draw) -> Person:
    """Return somebody new."""
    first = draw.pick(_ONSETS) + draw.pick(_MIDDLES) + draw.pick(("", "n", "s", "ra", "no"))
    last = draw.pick(_ONSETS) + draw.pick(_MIDDLES) + draw.pick(_MIDDLES) + draw.pick(_ENDINGS)
    return Person(first, last, str(draw.whole(200_000_000, 899_999_999)))


def new_place(draw: Draw, country: Country) -> Place:
    """Return a place in one of the country's 60 towns."""
    town = draw.whole(0, 59)
    name = (
        f"{_ONSETS[town % 28]}{_MIDDLES[(town * 7 + country.ip_block) % 22]}{_ENDINGS[town % 16]}"
    )
    street = f"{draw.pick(_STREETS)} {draw.pick(_STREET_KINDS)} {draw.whole(1, 220)}"
    return Place(street, name, f"{10_000 + town * 1_300 + draw.whole(0, 40)}", country)


def respelled(draw: Draw, place: Place) -> Place:
    """Return the same place written in another way."""
    variant = draw.pick((" A", " apt 2", ", rear", " - 1", "/2"))
    return place._replace(street=place.street.lower() + variant)


def address_of(person: Person, place: Place) -> Address:
    """Return a billing address."""
    return Address(
        first_name=person.first_name,
        last_name=person.last_name,
        address=place.street,
        city=place.city,
        postal=place.postal,
        country=place.country.code,
        phone_country_code=place.country.phone,
        phone_number=person.phone,
    )


def shipping_of(delivery: Delivery) -> Shipping:
    """Return a delivery as the domain says it; digital goods go nowhere."""
    if delivery.kind == "digital":
        return Shipping(delivery_kind="digital")
    person, place = delivery.person, delivery.place
    return Shipping(
        first_name=person.first_name,
        last_name=person.last_name,
        address=place.street,
        city=place.city,
        postal=place.postal,
        country=place.country.code,
        phone_country_code=place.country.phone,
        phone_number=person.phone,
        delivery_kind=delivery.kind,
        delivery_speed="expedited" if delivery.is_expedited else "standard",
    )


def ordinary_email(draw: Draw, person: Person, *, own_domain: bool = False) -> Email:
    """Return an address that is made from the name."""
    local = f"{person.first_name}.{person.last_name}".lower()
    if own_domain:
        return Email(address=f"{local}@{person.last_name.lower()}{draw.whole(1, 99)}.example")
    return Email(address=f"{local}{draw.whole(1, 9999)}@{draw.weighted(_FREE_DOMAINS)}")


def disposable_email(draw: Draw) -> Email:
    """Return an address at a throw-away domain."""
    local = f"{draw.pick(_WORDS)}{draw.pick(_WORDS)}{draw.whole(100, 99_999)}"
    return Email(address=f"{local}@{draw.pick(_DISPOSABLE_DOMAINS)}")


def new_card(draw: Draw, country: Country) -> Card:
    """Return a card of one of the country's banks, without any check's result."""
    rules = RULES.customers
    bank = draw.whole(1, rules.banks)
    credit, prepaid = rules.credit_cards, rules.prepaid_cards
    drawn = draw.between(0, 1)
    return Card(
        fingerprint=draw.token("card"),
        issuer_id_number=f"99{country.ip_block:03d}{bank:03d}",
        last_digits=f"{draw.whole(0, 9999):04d}",
        country=country.code,
        bank_name=f"Bank {country.code}{bank}",
        brand=draw.weighted(rules.brands),
        funding="credit" if drawn < credit else "prepaid" if drawn < credit + prepaid else "debit",
        expiry_month=draw.whole(1, 12),
        expiry_year=draw.whole(2026, 2030),
    )


def new_device(draw: Draw, country: Country) -> Device:
    """Return a device without a network address or session."""
    return Device(
        fingerprint=draw.token("dev"),
        user_agent=draw.weighted(_USER_AGENTS),
        accept_language=country.language,
    )


def home_ip(draw: Draw, country: Country) -> str:
    """Return one of the 196,608 addresses of the country's homes."""
    number = draw.whole(0, _HOME_ADDRESSES - 1)
    return f"100.{country.ip_block + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def mobile_ip(draw: Draw, country: Country) -> str:
    """Return one of the few addresses behind which the country's mobile customers stand."""
    return f"100.{country.ip_block + 3}.0.{draw.whole(1, RULES.honest.mobile_pool)}"


def hosting_ip(draw: Draw) -> str:
    """Return an address of a data centre, as VPNs and proxies show it."""
    number = draw.whole(0, _HOSTING_ADDRESSES - 1)
    return f"198.18.{number >> 8}.{number & 255}"


def other_country(draw: Draw, country: Country) -> Country:
    """Return another country, by its share."""
    other = country
    while other is country:
        other = draw.weighted(BASE_COUNTRIES)
    return other
