"""Attacks by the dozen: card testing bursts and address rings.

Invariant: an attack's attempts are placed in the order of their times.
"""

from __future__ import annotations

from fraudkit.domain.transaction import Account, Device
from fraudkit.simulate.baskets import Taste, fraud_items
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.countries import COUNTRIES, Method
from fraudkit.simulate.criminals import (
    Identity,
    Scene,
    hidden_visit,
    new_account,
    odds_of,
    transaction_of,
)
from fraudkit.simulate.honest import Visit, session_of
from fraudkit.simulate.inventing import (
    BASE_COUNTRIES,
    Delivery,
    DeliveryKind,
    Place,
    disposable_email,
    new_card,
    new_device,
    new_person,
    new_place,
    ordinary_email,
    respelled,
)
from fraudkit.simulate.issuer import CARD, Placed, answer_fraud, payment_of
from fraudkit.simulate.rules import RULES

__all__ = ["AddressRing", "CardTesting"]

_PAY_LATER: dict[str, Method] = {
    country.code: method
    for country in COUNTRIES
    for method, _ in country.methods
    if method.family == "pay_later"
}


class CardTesting:
    """A script that tries cards: one device and few IP addresses, many cards."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._rules = RULES.fraud.card_testing
        self._odds = odds_of(self._rules)
        self._country = draw.weighted(BASE_COUNTRIES)
        self._is_noticed = draw.chance(self._rules.noticed)
        self._hides_device = draw.chance(self._rules.hidden_device)
        self._visit = hidden_visit(draw, self._country)
        self._device = self._new_device()
        self._card = new_card(draw, self._country)
        self._identity: Identity | None = None

    def place(self, at_ms: int, transaction_id: str) -> Placed:
        """Return the burst's next attempt."""
        draw, rules = self._draw, self._rules
        self._change(at_ms)
        identity = self._identity or self._new_identity(at_ms)
        taste = Taste(rules.categories, rules.price_level, rules.price_spread)
        scene = Scene(
            identity=identity,
            delivery=Delivery(
                identity.home, identity.person, "billing_address", is_expedited=False
            ),
            visit=self._visit,
            device=session_of(draw, self._device, self._visit.ip, rules.session),
            items=fraud_items(draw, taste, self._country, pieces_most=1),
            payment=payment_of(draw, CARD, self._card, self._country, self._odds),
        )
        transaction = transaction_of(draw, scene, at_ms, transaction_id)
        answer = answer_fraud(draw, transaction.payment, self._odds)
        return Placed(transaction, answer, self._is_noticed)

    def _change(self, at_ms: int) -> None:
        """Change what the script changes from one attempt to the next."""
        draw, rules = self._draw, self._rules
        if not draw.chance(rules.same_card):
            self._card = new_card(draw, self._country)
        if not draw.chance(rules.same_ip):
            self._visit = hidden_visit(draw, self._country)
        if not draw.chance(rules.same_device):
            self._device = self._new_device()
        if not draw.chance(rules.same_email):
            self._identity = self._new_identity(at_ms)

    def _new_device(self) -> Device:
        device = new_device(self._draw, self._country)
        if self._hides_device:
            return Device(user_agent=device.user_agent, accept_language=device.accept_language)
        return device

    def _new_identity(self, at_ms: int) -> Identity:
        draw = self._draw
        person, account = new_person(draw), Account(is_guest=True)
        if not draw.chance(self._rules.guests):
            created_ms = at_ms - draw.delay_ms(self._rules.session)
            account = new_account(draw, created_ms, self._country)
        is_disposable = draw.chance(self._rules.disposable)
        email = disposable_email(draw) if is_disposable else ordinary_email(draw, person)
        self._identity = Identity(account, email, person, new_place(draw, self._country))
        return self._identity


class AddressRing:
    """Made-up customers whose parcels all go to the same few doors."""

    def __init__(self, draw: Draw, size: int) -> None:
        self._draw = draw
        self._rules = RULES.fraud.address_ring
        self._odds = odds_of(self._rules)
        self._country = country = draw.weighted(BASE_COUNTRIES)
        doors = max(1, round(size / self._rules.orders_each_address))
        self._doors = [new_place(draw, country) for _ in range(doors)]
        self._devices = [new_device(draw, country) for _ in range(self._rules.devices)]
        self._member: tuple[Identity, Visit, Device, Place] | None = None

    def place(self, at_ms: int, transaction_id: str) -> Placed:
        """Return the ring's next order."""
        draw, rules = self._draw, self._rules
        member = self._member
        if member is None or draw.chance(rules.new_account):
            member = self._member = self._new_member(at_ms)
        identity, visit, device, door = member
        place = respelled(draw, door) if draw.chance(rules.respelled) else door
        taste = Taste(rules.categories, rules.price_level, rules.price_spread)
        kind: DeliveryKind = "billing_address" if identity.home == door else "new_address"
        scene = Scene(
            identity=identity,
            delivery=Delivery(place, identity.person, kind, draw.chance(rules.expedited)),
            visit=visit,
            device=session_of(draw, device, visit.ip, rules.session),
            items=fraud_items(draw, taste, self._country, RULES.fraud.pieces_most),
            payment=payment_of(
                draw, self._method(), new_card(draw, self._country), self._country, self._odds
            ),
        )
        transaction = transaction_of(draw, scene, at_ms, transaction_id)
        return Placed(transaction, answer_fraud(draw, transaction.payment, self._odds))

    def _new_member(self, at_ms: int) -> tuple[Identity, Visit, Device, Place]:
        draw, rules, country = self._draw, self._rules, self._country
        person, door = new_person(draw), draw.pick(self._doors)
        account = new_account(draw, at_ms - draw.delay_ms(rules.account_age), country)
        elsewhere = draw.chance(rules.billing_elsewhere)
        home = new_place(draw, country) if elsewhere else door
        identity = Identity(account, ordinary_email(draw, person), person, home)
        is_own = draw.chance(rules.own_device)
        device = new_device(draw, country) if is_own else draw.pick(self._devices)
        return identity, hidden_visit(draw, country), device, door

    def _method(self) -> Method:
        if self._draw.chance(self._rules.pay_later):
            return _PAY_LATER.get(self._country.code, CARD)
        return CARD
