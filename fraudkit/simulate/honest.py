"""Honest orders: what a customer does today, by habit and sometimes out of habit.

Invariant: orders are placed in the order of their times, so that a customer's state is what it
was when the order was made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, NamedTuple

from msgspec.structs import replace

from fraudkit.domain.transaction import Card, Device, Payment, Transaction
from fraudkit.simulate.baskets import Extras, draw_items, is_digital, order_of
from fraudkit.simulate.chance import Delay, Draw
from fraudkit.simulate.countries import Country, local_time
from fraudkit.simulate.customers import AccountDates, Customer, account_of
from fraudkit.simulate.inventing import (
    Delivery,
    address_of,
    home_ip,
    hosting_ip,
    mobile_ip,
    new_card,
    new_device,
    new_person,
    new_place,
    other_country,
    shipping_of,
)
from fraudkit.simulate.issuer import (
    AUTHORIZED,
    CARD,
    Odds,
    Placed,
    answer_honest,
    carries_card,
    payment_of,
    soft_decline,
)
from fraudkit.simulate.rules import RULES

__all__ = ["SHOP_ID", "Mood", "Visit", "place_honest", "place_retry", "session_of"]

SHOP_ID = "simulated-shop"
"""The shop's name in every transaction."""

Mood = Literal["ordinary", "declined_first", "friendly_fraud"]
"""What is known beforehand of an honest-looking order."""

_ODDS = Odds(RULES.issuer.honest_cvv, RULES.issuer.honest_address, RULES.honest.three_d_secure)


class Visit(NamedTuple):
    """Where on the network somebody is, and whose clock they live by."""

    ip: str
    ip_country: Country
    clock: Country

    @property
    def facts(self) -> dict[str, str | float | bool]:
        """What the shop's own lookup says about the address."""
        return {"ip_country": self.ip_country.code}


def place_honest(
    draw: Draw, customer: Customer, at_ms: int, transaction_id: str, mood: Mood
) -> Placed:
    """Return the order that the customer makes, and move their state on."""
    _move_on(draw, customer, at_ms)
    visit = _visit(draw, customer)
    delivery, is_gift = _delivery(draw, customer, visit)
    friendly = RULES.fraud.friendly_fraud
    taste, digital = customer.taste, 0.0
    if mood == "friendly_fraud":
        taste = taste._replace(level=taste.level + friendly.price_raise)
        digital = friendly.digital
    items = draw_items(draw, taste, customer.country, digital)
    if is_digital(items):
        delivery = delivery._replace(kind="digital")
    extras = Extras(delivery.is_expedited, draw.chance(RULES.honest.discount), is_gift)
    by_phone = draw.chance(RULES.honest.by_phone)
    transaction = Transaction(
        transaction_id=transaction_id,
        order_id=f"order-{transaction_id}",
        event_time=local_time(at_ms, visit.clock),
        order=order_of(draw, items, customer.country, extras),
        shop_id=SHOP_ID,
        channel="phone" if by_phone else customer.channel,
        account=account_of(customer),
        email=customer.email,
        billing=address_of(customer.person, customer.home),
        shipping=shipping_of(delivery),
        payment=_payment(draw, customer, mood),
        device=Device() if by_phone else _device(draw, customer, visit),
        custom_inputs={} if by_phone else visit.facts,
    )
    return _answered(draw, customer, transaction, mood)


def place_retry(
    draw: Draw, customer: Customer, at_ms: int, transaction_id: str, first: Transaction
) -> Placed:
    """Return the second try of an honest order whose payment was declined."""
    waited_ms = at_ms - first.event_time_ms
    payment, device = first.payment, first.device
    if not draw.chance(RULES.issuer.retry_same_card):
        payment = payment_of(draw, CARD, _other_card(draw, customer), customer.country, _ODDS)
    if device.session_age_s is not None:
        device = replace(device, session_age_s=device.session_age_s + waited_ms / 1000)
    transaction = replace(
        first,
        transaction_id=transaction_id,
        event_time=first.event_time + timedelta(milliseconds=waited_ms),
        is_retry=True,
        payment=payment,
        device=device,
    )
    answer = answer_honest(draw, payment, is_retry=True)
    if answer is AUTHORIZED:
        _remember_paid(customer, at_ms)
    return Placed(transaction, answer)


def session_of(draw: Draw, device: Device, ip: str, length: Delay) -> Device:
    """Return the device as it shows in one session."""
    return replace(
        device,
        ip_address=ip,
        session_id=draw.token("ses"),
        session_age_s=draw.delay_ms(length) / 1000,
    )


def _move_on(draw: Draw, customer: Customer, at_ms: int) -> None:
    """Bring the customer's life up to the moment of the order."""
    rules = RULES.honest
    dates = customer.dates
    if dates is None:
        during = draw.chance(RULES.customers.signs_up_at_order)
        lead = RULES.customers.sign_up_during if during else RULES.customers.sign_up_lead
        created_ms = at_ms - draw.delay_ms(lead)
        dates = customer.dates = AccountDates(created_ms, created_ms, created_ms)
    if customer.password_reset_ms is not None and customer.password_reset_ms < at_ms:
        dates.password_ms, customer.password_reset_ms = customer.password_reset_ms, None
    if draw.chance(rules.password_changed):
        lead_ms = draw.delay_ms(rules.password_lead)
        dates.password_ms = max(dates.password_ms, at_ms - lead_ms)
    if draw.chance(rules.moved):
        customer.home = new_place(draw, customer.country)
        customer.ip = home_ip(draw, customer.country)
        dates.changed_ms = max(dates.changed_ms, at_ms - draw.delay_ms(rules.password_lead))
    elif draw.chance(rules.new_home_ip):
        customer.ip = home_ip(draw, customer.country)


def _visit(draw: Draw, customer: Customer) -> Visit:
    rules, home = RULES.honest, customer.country
    if draw.chance(rules.abroad):
        there = other_country(draw, home)
        at_hotel = not draw.chance(rules.mobile_ip)
        return Visit(home_ip(draw, there) if at_hotel else mobile_ip(draw, there), there, there)
    if customer.uses_vpn and draw.chance(rules.vpn_order):
        return Visit(hosting_ip(draw), other_country(draw, home), home)
    if draw.chance(rules.mobile_ip):
        return Visit(mobile_ip(draw, home), home, home)
    return Visit(customer.ip, home, home)


def _delivery(draw: Draw, customer: Customer, visit: Visit) -> tuple[Delivery, bool | None]:
    """Return where the order goes, and whether it is marked as a gift."""
    rules = RULES.honest
    if draw.chance(rules.gift):
        place, person = new_place(draw, customer.country), new_person(draw)
        is_fast = draw.chance(rules.gift_expedited)
        is_marked = True if draw.chance(rules.gift_marked) else None
        return Delivery(place, person, "new_address", is_fast), is_marked
    is_fast = draw.chance(rules.expedited)
    if visit.clock is not customer.country and draw.chance(rules.abroad_delivery):
        place = new_place(draw, visit.clock)
        return Delivery(place, customer.person, "new_address", is_fast), None
    if customer.locker is not None:
        return Delivery(customer.locker, customer.person, "locker", is_fast), None
    return Delivery(customer.home, customer.person, "billing_address", is_fast), None


def _payment(draw: Draw, customer: Customer, mood: Mood) -> Payment:
    rules, country, method = RULES.honest, customer.country, customer.method
    if not draw.chance(rules.usual_method):
        method = draw.weighted(country.methods)
    if mood == "friendly_fraud" and not method.is_disputable:
        method = CARD
    if carries_card(method) and draw.chance(rules.new_card):
        customer.cards.insert(0, new_card(draw, customer.card_country))
    return payment_of(draw, method, customer.cards[0], country, _ODDS)


def _other_card(draw: Draw, customer: Customer) -> Card:
    if len(customer.cards) == 1:
        customer.cards.append(new_card(draw, customer.card_country))
    return customer.cards[-1]


def _device(draw: Draw, customer: Customer, visit: Visit) -> Device:
    rules, devices = RULES.honest, customer.devices
    if draw.chance(rules.new_device):
        devices.append(new_device(draw, customer.country))
    device = devices[-1] if draw.chance(rules.usual_device) else draw.pick(devices)
    return session_of(draw, device, visit.ip, rules.session)


def _answered(draw: Draw, customer: Customer, transaction: Transaction, mood: Mood) -> Placed:
    if mood == "declined_first":
        return Placed(transaction, soft_decline(draw, transaction.payment))
    is_friendly = mood == "friendly_fraud"
    answer = AUTHORIZED if is_friendly else answer_honest(draw, transaction.payment)
    if answer is AUTHORIZED:
        _remember_paid(customer, transaction.event_time_ms)
    return Placed(transaction, answer)


def _remember_paid(customer: Customer, at_ms: int) -> None:
    if customer.dates is not None and customer.dates.first_purchase_ms is None:
        customer.dates.first_purchase_ms = at_ms
