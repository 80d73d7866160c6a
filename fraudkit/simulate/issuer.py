"""The payment's side of an order: the means of payment, and the issuer's answer.

Invariant: an answer depends on the rules and on who pays, never on what a scorer might say.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from fraudkit.domain.transaction import Card, CheckResult, Payment, Transaction
from fraudkit.simulate.chance import Draw, Shares
from fraudkit.simulate.countries import Country, Method
from fraudkit.simulate.rules import RULES

__all__ = [
    "AUTHORIZED",
    "CARD",
    "Answer",
    "Odds",
    "Placed",
    "answer_fraud",
    "answer_honest",
    "carries_card",
    "payment_of",
    "soft_decline",
]

_ADDRESS_CHECKED = frozenset({"GB", "US"})
_PROCESSOR_FACTORS = dict(RULES.issuer.processor_factor)
_CARD_METHODS = frozenset({"card", "apple_pay", "google_pay"})


class Answer(NamedTuple):
    """What the issuer, or the method's scheme, said."""

    decline: Literal["soft", "hard"] | None
    code: str = ""


class Odds(NamedTuple):
    """What the checks and the issuer make of a means of payment, each in [0, 1]."""

    cvv_right: float
    address_right: float
    three_d_secure: float
    declined_hard: float = 0.0
    declined_soft: float = 0.0


class Placed(NamedTuple):
    """An order with what the issuer said, and whether it is part of a burst that was noticed."""

    transaction: Transaction
    answer: Answer
    is_noticed: bool = False


AUTHORIZED = Answer(None)
"""The payment went through."""

CARD = Method("card", "card")
"""Payment by card."""


def carries_card(method: Method) -> bool:
    """Return whether the method shows the shop a card."""
    return method.name in _CARD_METHODS


def payment_of(draw: Draw, method: Method, card: Card, country: Country, odds: Odds) -> Payment:
    """Return the payment with the results of its checks; ``country`` is that of billing."""
    processor = draw.weighted(RULES.issuer.processors)
    if not carries_card(method):
        return Payment(method=method.family, method_type=method.name, processor=processor)
    is_wallet = method.family == "wallet"
    checked = _checked(draw, card, country, odds, is_wallet=is_wallet)
    name = method.name if is_wallet else "debit" if card.funding == "debit" else "credit"
    return Payment(method=method.family, method_type=name, processor=processor, card=checked)


def answer_honest(draw: Draw, payment: Payment, *, is_retry: bool = False) -> Answer:
    """Return the answer to an honest payment."""
    rules = RULES.issuer
    if is_retry:
        return _declined(draw, rules.retry_declined, 0.0, rules.hard_codes)
    if payment.method == "pay_later":
        refused = draw.chance(rules.pay_later_refused)
        return Answer("hard", "credit_refused") if refused else AUTHORIZED
    if payment.card.fingerprint is None:
        failed = draw.chance(rules.other_declined)
        return Answer("soft", "not_completed") if failed else AUTHORIZED
    factor = _PROCESSOR_FACTORS[payment.processor or ""]
    return _declined(draw, rules.honest_soft * factor, rules.honest_hard * factor, rules.hard_codes)


def soft_decline(draw: Draw, payment: Payment) -> Answer:
    """Return the soft decline of an honest payment, before a second try."""
    if payment.card.fingerprint is None:
        return Answer("soft", "not_completed")
    return Answer("soft", draw.weighted(RULES.issuer.soft_codes))


def answer_fraud(draw: Draw, payment: Payment, odds: Odds, *, must_decline: bool = False) -> Answer:
    """Return the answer to a criminal's payment."""
    codes = RULES.issuer.stolen_hard_codes
    if must_decline:
        total = odds.declined_soft + odds.declined_hard
        return _declined(draw, odds.declined_soft / total, 1.0, codes)
    if payment.card.fingerprint is None:
        refused = draw.chance(RULES.issuer.pay_later_refused)
        return Answer("hard", "credit_refused") if refused else AUTHORIZED
    factor = _PROCESSOR_FACTORS[payment.processor or ""]
    return _declined(draw, odds.declined_soft * factor, odds.declined_hard * factor, codes)


def _declined(draw: Draw, soft: float, hard: float, hard_codes: Shares) -> Answer:
    drawn = draw.between(0, 1)
    if drawn < soft:
        return Answer("soft", draw.weighted(RULES.issuer.soft_codes))
    return Answer("hard", draw.weighted(hard_codes)) if drawn < soft + hard else AUTHORIZED


def _checked(draw: Draw, card: Card, country: Country, odds: Odds, *, is_wallet: bool) -> Card:
    address: CheckResult = "unavailable"
    if country.code in _ADDRESS_CHECKED:
        address = "pass" if draw.chance(odds.address_right) else "fail"
    cvv: CheckResult = "pass" if is_wallet or draw.chance(odds.cvv_right) else "fail"
    authenticated = None
    if country.is_european:
        authenticated = is_wallet or draw.chance(odds.three_d_secure)
    return msgspec.structs.replace(
        card,
        address_check=address,
        postal_check=address,
        cvv_check=cvv,
        was_3d_secure_successful=authenticated,
        has_liability_shift=authenticated,
    )
