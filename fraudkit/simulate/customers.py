"""Customers: who they are, and the habits that they keep from order to order.

Invariant: a customer's state only moves forward, in the order in which the orders are placed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from fraudkit.domain.transaction import Account, Card, Device, Email
from fraudkit.simulate.baskets import CATEGORIES, Taste
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.countries import Country, Method, local_time
from fraudkit.simulate.inventing import (
    BASE_COUNTRIES,
    Person,
    Place,
    disposable_email,
    home_ip,
    new_card,
    new_device,
    new_person,
    new_place,
    ordinary_email,
    other_country,
)
from fraudkit.simulate.rules import RULES, START_MS

__all__ = ["AccountDates", "Customer", "account_of", "draw_customers"]

T = TypeVar("T")

_CATEGORY_SHARES = tuple((category.name, category.share) for category in CATEGORIES)


@dataclass(slots=True)
class AccountDates:
    """When an account was made and changed, in UTC epoch milliseconds."""

    created_ms: int
    changed_ms: int
    password_ms: int
    first_purchase_ms: int | None = None


@dataclass(slots=True)
class Customer:
    """Somebody who orders again and again.

    Attributes
    ----------
    user_id : str or None
        ``None`` for those who always order as guests.
    joined_ms : int
        No order is made before.
    dates : AccountDates or None
        ``None`` until the account is made.
    password_reset_ms : int or None
        When a takeover was noticed and the password changed.
    """

    user_id: str | None
    country: Country
    person: Person
    email: Email
    home: Place
    locker: Place | None
    card_country: Country
    cards: list[Card]
    method: Method
    devices: list[Device]
    ip: str
    taste: Taste
    channel: Literal["web", "mobile_app"]
    joined_ms: int
    is_validated: bool
    uses_vpn: bool
    is_prone: bool
    dates: AccountDates | None = None
    password_reset_ms: int | None = None

    @property
    def has_account(self) -> bool:
        """Whether there is an account that somebody else could sign in to."""
        return self.user_id is not None and self.dates is not None


def draw_customers(draw: Draw, count: int, end_ms: int) -> list[Customer]:
    """Return the shop's customers; the order among them means nothing."""
    rules = RULES.customers
    lockers = {
        country.code: [new_place(draw, country) for _ in range(rules.lockers)]
        for country, _ in BASE_COUNTRIES
    }
    customers: list[Customer] = []
    homes: dict[str, list[Place]] = {code: [] for code in lockers}
    for _ in range(count):
        country = draw.weighted(BASE_COUNTRIES)
        neighbours = homes[country.code]
        shares_home = bool(neighbours) and draw.chance(rules.households)
        home = draw.pick(neighbours) if shares_home else new_place(draw, country)
        neighbours.append(home)
        locker = draw.pick(lockers[country.code]) if draw.chance(rules.locker_users) else None
        customers.append(_customer(draw, home, locker, end_ms))
    return customers


def account_of(customer: Customer) -> Account:
    """Return the account as it stands; times are by the customer's clock."""
    dates = customer.dates
    if customer.user_id is None or dates is None:
        return Account(is_guest=True)
    first = dates.first_purchase_ms
    return Account(
        user_id=customer.user_id,
        created_at=local_time(dates.created_ms, customer.country),
        changed_at=local_time(dates.changed_ms, customer.country),
        password_changed_at=local_time(dates.password_ms, customer.country),
        first_purchase_at=None if first is None else local_time(first, customer.country),
        is_guest=False,
        is_email_validated=customer.is_validated,
    )


def _customer(draw: Draw, home: Place, locker: Place | None, end_ms: int) -> Customer:
    rules = RULES.customers
    country = home.country
    person = new_person(draw)
    card_country = other_country(draw, country) if draw.chance(rules.expatriates) else country
    is_guest = draw.chance(rules.guests)
    exists = draw.chance(rules.existing)
    return Customer(
        user_id=None if is_guest else draw.token("user"),
        country=country,
        person=person,
        email=_email(draw, person),
        home=home,
        locker=locker,
        card_country=card_country,
        cards=_several(draw, rules.second_card, lambda: new_card(draw, card_country)),
        method=draw.weighted(country.methods),
        devices=_several(draw, rules.second_device, lambda: new_device(draw, country)),
        ip=home_ip(draw, country),
        taste=_taste(draw),
        channel="mobile_app" if draw.chance(rules.app_users) else "web",
        joined_ms=START_MS if exists else int(draw.between(START_MS, end_ms)),
        is_validated=draw.chance(rules.validated),
        uses_vpn=draw.chance(rules.vpn_users),
        is_prone=draw.chance(rules.friendly_prone),
        dates=_old_account(draw) if exists else None,
    )


def _several(draw: Draw, second: float, make: Callable[[], T]) -> list[T]:
    return [make(), make()] if draw.chance(second) else [make()]


def _email(draw: Draw, person: Person) -> Email:
    rules = RULES.customers
    if draw.chance(rules.disposable):
        return disposable_email(draw)
    return ordinary_email(draw, person, own_domain=draw.chance(rules.own_domain))


def _taste(draw: Draw) -> Taste:
    """Return a taste: two favourite categories, and the others by their share of sales."""
    favourites, main = RULES.honest.favourite_category, RULES.customers.main_favourite
    shares = [
        (draw.weighted(_CATEGORY_SHARES), favourites * main),
        (draw.weighted(_CATEGORY_SHARES), favourites * (1 - main)),
    ]
    others = [(name, share * (1 - favourites)) for name, share in _CATEGORY_SHARES]
    level = draw.between(*RULES.customers.price_levels)
    return Taste((*shares, *others), level, RULES.honest.price_spread)


def _old_account(draw: Draw) -> AccountDates:
    age_ms = draw.delay_ms(RULES.customers.account_age)
    created_ms = START_MS - age_ms
    changed_ms = START_MS - int(age_ms * draw.between(0, 1))
    password_ms = START_MS - int(age_ms * draw.between(0, 1))
    bought = draw.chance(RULES.customers.bought_before)
    first_ms = created_ms + int(age_ms * draw.between(0, 1)) if bought else None
    return AccountDates(created_ms, changed_ms, password_ms, first_ms)
