"""Attacks on one account or with one identity: stolen cards and account takeovers.

Invariant: an attack's attempts are placed in the order of their times.
"""

from __future__ import annotations

from msgspec.structs import replace

from fraudkit.domain.transaction import Account, Card, Email, Item, Transaction
from fraudkit.simulate.baskets import Taste, draw_items, fraud_items
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.countries import Country, Method, local_time
from fraudkit.simulate.criminals import (
    Identity,
    Scene,
    hidden_visit,
    new_account,
    odds_of,
    transaction_of,
)
from fraudkit.simulate.customers import Customer, account_of
from fraudkit.simulate.honest import Visit, session_of
from fraudkit.simulate.inventing import (
    BASE_COUNTRIES,
    Delivery,
    DeliveryKind,
    Person,
    disposable_email,
    home_ip,
    new_card,
    new_device,
    new_person,
    new_place,
    ordinary_email,
    other_country,
)
from fraudkit.simulate.issuer import CARD, Placed, answer_fraud, payment_of
from fraudkit.simulate.rules import RULES

__all__ = ["StolenCard", "Takeover"]

_PAYPAL = Method("wallet", "paypal")


class StolenCard:
    """A new customer with somebody else's card; all attempts but the last are declined."""

    def __init__(self, draw: Draw, attempts: int) -> None:
        self._draw = draw
        self._rules = RULES.fraud.stolen_card
        self._left = attempts
        self._odds = odds_of(self._rules)
        self._is_careful = draw.chance(self._rules.careful)
        self._country = draw.weighted(BASE_COUNTRIES)
        self._card = self._stolen_card()
        self._first: Transaction | None = None

    def place(self, at_ms: int, transaction_id: str) -> Placed:
        """Return the next attempt: the first makes the order, the others repeat it."""
        draw, first = self._draw, self._first
        self._left -= 1
        if first is None:
            scene = self._scene(at_ms)
            transaction = self._first = transaction_of(draw, scene, at_ms, transaction_id)
        else:
            transaction = self._again(first, at_ms, transaction_id)
        must_decline = self._left > 0
        answer = answer_fraud(draw, transaction.payment, self._odds, must_decline=must_decline)
        return Placed(transaction, answer)

    def _stolen_card(self) -> Card:
        draw = self._draw
        is_foreign = not self._is_careful and draw.chance(self._rules.foreign_card)
        issued = other_country(draw, self._country) if is_foreign else self._country
        return new_card(draw, issued)

    def _scene(self, at_ms: int) -> Scene:
        draw, rules, country = self._draw, self._rules, self._country
        visit = _plain_visit(draw, country) if self._is_careful else hidden_visit(draw, country)
        identity = self._identity(at_ms)
        elsewhere = draw.chance(rules.new_address)
        place = new_place(draw, country) if elsewhere else identity.home
        kind: DeliveryKind = "new_address" if elsewhere else "billing_address"
        taste = Taste(rules.categories, rules.price_level, rules.price_spread)
        return Scene(
            identity=identity,
            delivery=Delivery(place, identity.person, kind, draw.chance(rules.expedited)),
            visit=visit,
            device=session_of(draw, new_device(draw, visit.clock), visit.ip, rules.session),
            items=fraud_items(draw, taste, country, RULES.fraud.pieces_most),
            payment=payment_of(draw, CARD, self._card, country, self._odds),
        )

    def _identity(self, at_ms: int) -> Identity:
        draw, rules, country = self._draw, self._rules, self._country
        person = new_person(draw)
        age = rules.careful_account_age if self._is_careful else rules.account_age
        account = Account(is_guest=True)
        if not draw.chance(rules.guests):
            account = new_account(draw, at_ms - draw.delay_ms(age), country)
        return Identity(account, self._email(person), person, new_place(draw, country))

    def _email(self, person: Person) -> Email:
        draw = self._draw
        if not self._is_careful and draw.chance(self._rules.disposable):
            return disposable_email(draw)
        return ordinary_email(draw, person)

    def _again(self, first: Transaction, at_ms: int, transaction_id: str) -> Transaction:
        draw = self._draw
        if not draw.chance(self._rules.same_card):
            self._card = self._stolen_card()
        return replace(
            first,
            transaction_id=transaction_id,
            event_time=local_time(at_ms, self._country).astimezone(first.event_time.tzinfo),
            is_retry=True,
            payment=payment_of(draw, CARD, self._card, self._country, self._odds),
        )


class Takeover:
    """Somebody else in a known customer's account."""

    def __init__(self, draw: Draw, victim: Customer) -> None:
        self._draw = draw
        self._rules = RULES.fraud.takeover
        self._victim = victim
        self._odds = odds_of(self._rules)
        self._is_careful = draw.chance(self._rules.careful)
        self._knows_device = self._is_careful and draw.chance(self._rules.known_device)
        self._device = new_device(draw, victim.country)
        self._card = new_card(draw, victim.country)
        self._visit: Visit | None = None
        self._drop = new_place(draw, victim.country)

    def place(self, at_ms: int, transaction_id: str) -> Placed:
        """Return the next order in the victim's name."""
        draw, victim, rules = self._draw, self._victim, self._rules
        visit = self._visit or self._enter(at_ms)
        identity = Identity(account_of(victim), victim.email, victim.person, victim.home)
        device = victim.devices[-1] if self._knows_device else self._device
        scene = Scene(
            identity=identity,
            delivery=self._delivery(),
            visit=visit,
            device=session_of(draw, device, visit.ip, rules.session),
            items=self._items(),
            payment=payment_of(draw, *self._means(), victim.country, self._odds),
        )
        transaction = transaction_of(draw, scene, at_ms, transaction_id)
        return Placed(transaction, answer_fraud(draw, transaction.payment, self._odds))

    def _enter(self, at_ms: int) -> Visit:
        """Sign in for the first time: choose where to hide, and perhaps change the password."""
        draw, rules, victim = self._draw, self._rules, self._victim
        if draw.chance(rules.password_changed) and victim.dates is not None:
            changed_ms = at_ms - draw.delay_ms(rules.password_lead)
            victim.dates.password_ms = max(victim.dates.password_ms, changed_ms)
        victim.password_reset_ms = at_ms + draw.delay_ms(rules.noticed_after)
        if self._knows_device:
            self._visit = Visit(victim.ip, victim.country, victim.country)
        elif self._is_careful:
            self._visit = _plain_visit(draw, victim.country)
        else:
            self._visit = hidden_visit(draw, victim.country)
        return self._visit

    def _delivery(self) -> Delivery:
        draw, rules, victim = self._draw, self._rules, self._victim
        is_fast = draw.chance(rules.expedited)
        if self._is_careful:
            return Delivery(victim.locker or self._drop, victim.person, "locker", is_fast)
        if draw.chance(rules.new_address):
            return Delivery(self._drop, victim.person, "new_address", is_fast)
        return Delivery(victim.home, victim.person, "billing_address", is_fast)

    def _items(self) -> list[Item]:
        draw, taste, country = self._draw, self._victim.taste, self._victim.country
        if self._is_careful:
            return draw_items(draw, taste, country)
        dearer = taste._replace(level=taste.level + self._rules.price_raise)
        return fraud_items(draw, dearer, country, RULES.fraud.pieces_most)

    def _means(self) -> tuple[Method, Card]:
        drawn = self._draw.between(0, 1)
        if drawn < self._rules.stored_card:
            return CARD, self._victim.cards[0]
        is_paypal = drawn < self._rules.stored_card + self._rules.paypal
        return (_PAYPAL if is_paypal else CARD), self._card


def _plain_visit(draw: Draw, country: Country) -> Visit:
    return Visit(home_ip(draw, country), country, country)
