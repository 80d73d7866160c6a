"""The rules of fraud: how much of it there is, and what each pattern does.

Invariant: as `fraudkit.simulate.rules`; the text beside a number is what ``RULES.md`` says.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from fraudkit.simulate.chance import Delay, Shares, Table

__all__ = [
    "AddressRingRules",
    "CardTestingRules",
    "FraudRules",
    "FriendlyFraudRules",
    "StolenCardRules",
    "TakeoverRules",
]

_CRIMINAL_HOURS = (
    *(3.4, 3.0, 2.5, 2.1, 1.9, 1.9, 2.2, 2.8, 3.5, 4.1, 4.5, 4.8),
    *(5.0, 5.0, 4.9, 4.9, 5.0, 5.2, 5.6, 6.0, 6.2, 6.0, 5.2, 4.3),
)


class CardTestingRules(Struct, frozen=True):
    """Card testing: a script tries many stolen cards with small amounts, in bursts."""

    burst_median: Annotated[float, "Half of the bursts have at most {0:g} attempts."] = 16
    burst_spread: Annotated[float, "Their size is log-normal with spread {0:g}."] = 0.6
    gap: Annotated[Delay, "Time between attempts: {0}."] = Delay(25, 0.9, 900, "s")
    same_card: Annotated[float, "{0:.0%} of attempts use the same card as the one before."] = 0.06
    same_ip: Annotated[float, "{0:.0%} of attempts keep the IP address of the one before."] = 0.88
    same_device: Annotated[float, "{0:.0%} keep the device."] = 0.93
    same_email: Annotated[float, "{0:.0%} keep the e-mail address."] = 0.7
    disposable: Annotated[float, "{0:.0%} of e-mail addresses look disposable."] = 0.3
    hidden_device: Annotated[float, "{0:.0%} of bursts show no device fingerprint."] = 0.2
    price_level: Annotated[
        float, "Prices are near the level of {0:.2f} of their category, from 0 to 1."
    ] = 0.08
    price_spread: Annotated[float, "They lie around it with a standard deviation of {0:.2f}."] = (
        0.07
    )
    categories: Annotated[Shares, "Categories: {0}."] = (
        ("games", 0.5),
        ("books", 0.25),
        ("beauty", 0.15),
        ("grocery", 0.1),
    )
    guests: Annotated[
        float, "{0:.0%} of attempts are made as guests, the rest by new accounts."
    ] = 0.6
    declined_hard: Annotated[float, "{0:.0%} of attempts are declined hard."] = 0.38
    declined_soft: Annotated[float, "{0:.0%} of attempts are declined softly."] = 0.34
    cvv_right: Annotated[float, "{0:.0%} of security codes are right."] = 0.55
    address_right: Annotated[float, "{0:.0%} of billing addresses match, where asked."] = 0.25
    noticed: Annotated[
        float, "{0:.0%} of bursts are noticed, and each attempt marked as fraud."
    ] = 0.5
    session: Annotated[Delay, "Length of a session: {0}."] = Delay(45, 0.8, 900, "s")


class TakeoverRules(Struct, frozen=True):
    """Account takeover: somebody else signs in to a known account and orders."""

    orders: Annotated[Table, "Orders in one takeover: {0}."] = (("1", 0.5), ("2", 0.3), ("3", 0.2))
    gap: Annotated[Delay, "Time between them: {0}."] = Delay(40, 0.9, 720, "min")
    careful: Annotated[
        float,
        "{0:.0%} are careful: an address of the victim's country, usual amounts, a parcel locker.",
    ] = 0.35
    known_device: Annotated[float, "{0:.0%} of the careful ones act from the victim's device."] = (
        0.3
    )
    password_changed: Annotated[float, "{0:.0%} change the password first."] = 0.3
    password_lead: Annotated[Delay, "They do so before the order by {0}."] = Delay(
        50, 1.0, 2880, "min"
    )
    stored_card: Annotated[float, "{0:.0%} pay with the card stored in the account."] = 0.55
    paypal: Annotated[float, "{0:.0%} pay with PayPal, the rest with a stolen card."] = 0.2
    new_address: Annotated[float, "{0:.0%} of the careless have it sent to a new address."] = 0.6
    expedited: Annotated[float, "{0:.0%} ask for fast delivery."] = 0.4
    price_raise: Annotated[
        float, "The careless buy {0:.2f} above the victim's usual price level."
    ] = 0.18
    declined_hard: Annotated[float, "{0:.0%} of attempts are declined hard."] = 0.03
    declined_soft: Annotated[float, "{0:.0%} of attempts are declined softly."] = 0.1
    cvv_right: Annotated[float, "{0:.0%} of security codes are right."] = 0.93
    address_right: Annotated[float, "{0:.0%} of billing addresses match, where asked."] = 0.85
    noticed_after: Annotated[Delay, "The victim changes the password after {0}."] = Delay(
        3, 0.7, 30, "days"
    )
    session: Annotated[Delay, "Length of a session: {0}."] = Delay(400, 0.9, 7200, "s")


class StolenCardRules(Struct, frozen=True):
    """Stolen card: a new account is made for a card bought from a thief."""

    orders: Annotated[Table, "Attempts of one criminal in a row: {0}."] = (
        ("1", 0.45),
        ("2", 0.3),
        ("3", 0.25),
    )
    gap: Annotated[Delay, "Time between them: {0}."] = Delay(12, 1.0, 300, "min")
    careful: Annotated[
        float, "{0:.0%} are careful: matching countries, an ordinary e-mail, an older account."
    ] = 0.4
    careful_account_age: Annotated[Delay, "Age of the careful ones' accounts: {0}."] = Delay(
        20, 0.9, 120, "days"
    )
    account_age: Annotated[Delay, "Age of the others' accounts: {0}."] = Delay(25, 1.2, 1440, "min")
    guests: Annotated[float, "{0:.0%} order as guests."] = 0.35
    disposable: Annotated[float, "{0:.0%} of the careless use a disposable-looking domain."] = 0.22
    foreign_card: Annotated[float, "{0:.0%} of the careless use a card of another country."] = 0.3
    new_address: Annotated[float, "{0:.0%} have it sent elsewhere than the billing address."] = 0.5
    expedited: Annotated[float, "{0:.0%} ask for fast delivery."] = 0.4
    price_level: Annotated[
        float, "Prices are near the level of {0:.2f} of their category, from 0 to 1."
    ] = 0.64
    price_spread: Annotated[float, "They lie around it with a standard deviation of {0:.2f}."] = 0.2
    categories: Annotated[Shares, "Categories: {0}."] = (
        ("electronics", 0.4),
        ("fashion", 0.2),
        ("gift_cards", 0.2),
        ("sports", 0.1),
        ("games", 0.1),
    )
    same_card: Annotated[float, "{0:.0%} of further attempts use the same card."] = 0.35
    declined_hard: Annotated[float, "{0:.0%} of last attempts are declined hard."] = 0.1
    declined_soft: Annotated[
        float,
        "{0:.0%} of last attempts are declined softly; all attempts before the last are declined.",
    ] = 0.1
    cvv_right: Annotated[float, "{0:.0%} of security codes are right."] = 0.88
    address_right: Annotated[float, "{0:.0%} of billing addresses match, where asked."] = 0.6
    session: Annotated[Delay, "Length of a session: {0}."] = Delay(420, 0.9, 7200, "s")


class AddressRingRules(Struct, frozen=True):
    """Address ring: many made-up customers have goods sent to few addresses."""

    size_median: Annotated[float, "Half of the rings make at most {0:g} orders."] = 9
    size_spread: Annotated[float, "Their size is log-normal with spread {0:g}."] = 0.5
    gap: Annotated[Delay, "Time between orders: {0}."] = Delay(20, 1.0, 240, "h")
    orders_each_address: Annotated[float, "One address for every {0:g} orders, at least one."] = 6
    respelled: Annotated[float, "{0:.0%} of orders spell the address in another way."] = 0.25
    new_account: Annotated[float, "{0:.0%} of orders come from a new account, else the last."] = 0.8
    account_age: Annotated[Delay, "Age of a new account: {0}."] = Delay(3, 1.3, 60, "days")
    devices: Annotated[int, "A ring has {0} devices."] = 3
    own_device: Annotated[float, "{0:.0%} of accounts use another that is their own."] = 0.4
    pay_later: Annotated[float, "{0:.0%} buy on account, the rest with stolen cards."] = 0.35
    billing_elsewhere: Annotated[float, "{0:.0%} give a victim's billing address."] = 0.5
    price_level: Annotated[
        float, "Prices are near the level of {0:.2f} of their category, from 0 to 1."
    ] = 0.58
    price_spread: Annotated[float, "They lie around it with a standard deviation of {0:.2f}."] = (
        0.18
    )
    categories: Annotated[Shares, "Categories: {0}."] = (
        ("fashion", 0.4),
        ("electronics", 0.3),
        ("sports", 0.15),
        ("beauty", 0.15),
    )
    expedited: Annotated[float, "{0:.0%} ask for fast delivery."] = 0.25
    declined_hard: Annotated[float, "{0:.0%} of attempts are declined hard."] = 0.05
    declined_soft: Annotated[float, "{0:.0%} of attempts are declined softly."] = 0.08
    cvv_right: Annotated[float, "{0:.0%} of security codes are right."] = 0.92
    address_right: Annotated[float, "{0:.0%} of billing addresses match, where asked."] = 0.7
    session: Annotated[Delay, "Length of a session: {0}."] = Delay(440, 0.9, 7200, "s")


class FriendlyFraudRules(Struct, frozen=True):
    """Friendly fraud: a real customer disputes what they ordered and received.

    All of it is authorized, and paid by a method that can be disputed.
    """

    by_prone: Annotated[float, "{0:.0%} come from customers who are prone to it."] = 0.75
    price_raise: Annotated[float, "They buy {0:.2f} above their usual price level."] = 0.1
    digital: Annotated[float, "{0:.0%} of their lines are digital goods."] = 0.3


class FraudRules(Struct, frozen=True):
    """How much fraud there is, and who commits it."""

    share: Annotated[float, "{0:.2%} of orders are fraud."] = 0.0135
    patterns: Annotated[Shares, "Of these: {0}."] = (
        ("card_testing", 0.28),
        ("account_takeover", 0.20),
        ("stolen_card", 0.26),
        ("address_ring", 0.17),
        ("friendly_fraud", 0.09),
    )
    hours: Annotated[
        tuple[float, ...], "Criminal hours from 0 to 23, local time, are busy in proportion to {0}."
    ] = _CRIMINAL_HOURS
    hosting_ip: Annotated[float, "{0:.0%} of the careless hide behind a data centre's address."] = (
        0.2
    )
    home_ip: Annotated[
        float, "{0:.0%} hide behind a home's address in the card's country, the rest abroad."
    ] = 0.55
    discount: Annotated[float, "{0:.0%} of criminals' orders use a discount code."] = 0.04
    validated: Annotated[float, "{0:.0%} of their new accounts have a confirmed e-mail."] = 0.65
    app: Annotated[float, "{0:.0%} of criminals' orders come through the app."] = 0.22
    pieces_most: Annotated[int, "Criminals' baskets have one line, of at most {0} pieces."] = 2
    foreign_clock: Annotated[float, "{0:.0%} of the careless show another country's time zone."] = (
        0.15
    )
    three_d_secure: Annotated[
        float, "{0:.0%} of criminals' card payments in Europe pass authentication."
    ] = 0.12
    card_testing: CardTestingRules = CardTestingRules()
    takeover: TakeoverRules = TakeoverRules()
    stolen_card: StolenCardRules = StolenCardRules()
    address_ring: AddressRingRules = AddressRingRules()
    friendly_fraud: FriendlyFraudRules = FriendlyFraudRules()
