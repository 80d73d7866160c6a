"""What criminals have in common: where they hide, whom they pretend to be, how they order.

Invariant: a fraud's transaction is put together by the same parts as an honest one, so that no
field tells them apart by its form.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from fraudkit.domain.transaction import Account, Device, Email, Item, Payment, Transaction
from fraudkit.simulate.baskets import Extras, is_digital, order_of
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.countries import Country, local_time
from fraudkit.simulate.honest import SHOP_ID, Visit
from fraudkit.simulate.inventing import (
    Delivery,
    Person,
    Place,
    address_of,
    home_ip,
    hosting_ip,
    other_country,
    shipping_of,
)
from fraudkit.simulate.issuer import Odds, Placed
from fraudkit.simulate.rules import RULES

__all__ = [
    "Attack",
    "Identity",
    "Scene",
    "hidden_visit",
    "new_account",
    "odds_of",
    "transaction_of",
]


class Attack(Protocol):
    """One attack: it places its attempts one after the other."""

    def place(self, at_ms: int, transaction_id: str) -> Placed:
        """Return the attack's next attempt."""
        ...


class Identity(NamedTuple):
    """Whom a criminal pretends to be."""

    account: Account
    email: Email
    person: Person
    home: Place


class Scene(NamedTuple):
    """All that one fraudulent order is made of."""

    identity: Identity
    delivery: Delivery
    visit: Visit
    device: Device
    items: list[Item]
    payment: Payment


class _Declines(Protocol):
    """The rules of a pattern that the issuer and the checks look at."""

    @property
    def cvv_right(self) -> float: ...
    @property
    def address_right(self) -> float: ...
    @property
    def declined_hard(self) -> float: ...
    @property
    def declined_soft(self) -> float: ...


def odds_of(rules: _Declines) -> Odds:
    """Return a pattern's odds with the issuer."""
    return Odds(
        rules.cvv_right,
        rules.address_right,
        RULES.fraud.three_d_secure,
        rules.declined_hard,
        rules.declined_soft,
    )


def hidden_visit(draw: Draw, country: Country) -> Visit:
    """Return how a careless criminal shows on the network, who pretends to be in a country."""
    rules = RULES.fraud
    clock = other_country(draw, country) if draw.chance(rules.foreign_clock) else country
    drawn = draw.between(0, 1)
    if drawn < rules.hosting_ip:
        return Visit(hosting_ip(draw), other_country(draw, country), clock)
    if drawn < rules.hosting_ip + rules.home_ip:
        return Visit(home_ip(draw, country), country, clock)
    abroad = other_country(draw, country)
    return Visit(home_ip(draw, abroad), abroad, clock)


def new_account(draw: Draw, created_ms: int, country: Country) -> Account:
    """Return an account without a past."""
    created = local_time(created_ms, country)
    return Account(
        user_id=draw.token("user"),
        created_at=created,
        changed_at=created,
        password_changed_at=created,
        is_guest=False,
        is_email_validated=draw.chance(RULES.fraud.validated),
    )


def transaction_of(draw: Draw, scene: Scene, at_ms: int, transaction_id: str) -> Transaction:
    """Return the transaction in which a scene is played."""
    identity, delivery = scene.identity, scene.delivery
    if is_digital(scene.items):
        delivery = delivery._replace(kind="digital")
    discounted = draw.chance(RULES.fraud.discount)
    extras = Extras(delivery.is_expedited, discounted)
    return Transaction(
        transaction_id=transaction_id,
        order_id=f"order-{transaction_id}",
        event_time=local_time(at_ms, scene.visit.clock),
        order=order_of(draw, scene.items, identity.home.country, extras),
        shop_id=SHOP_ID,
        channel="mobile_app" if draw.chance(RULES.fraud.app) else "web",
        account=identity.account,
        email=identity.email,
        billing=address_of(identity.person, identity.home),
        shipping=shipping_of(delivery),
        payment=scene.payment,
        device=scene.device,
        custom_inputs=scene.visit.facts,
    )
