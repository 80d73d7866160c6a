"""The rules of the simulated shop, each number beside the sentence that states it.

Invariant: every number that drives the simulation is a field here, in
`fraudkit.simulate.fraud_rules`, in `fraudkit.simulate.countries` or in the price list of
`fraudkit.simulate.baskets`. The text in an ``Annotated`` is a format string that receives the
value; `fraudkit.simulate.rules_text` prints it, so that what is said is what is done.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from fraudkit.simulate.chance import Delay, Shares, Table
from fraudkit.simulate.fraud_rules import FraudRules

__all__ = [
    "RULES",
    "START_MS",
    "CustomerRules",
    "HonestRules",
    "IssuerRules",
    "OutcomeRules",
    "PeriodRules",
    "Rules",
]

START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z, when the shop's record begins."""

_HONEST_HOURS = (
    *(2.2, 1.2, 0.7, 0.5, 0.5, 0.8, 1.6, 2.8, 4.0, 4.9, 5.3, 5.5),
    *(5.7, 5.5, 5.3, 5.3, 5.5, 6.0, 6.9, 7.8, 8.3, 7.5, 5.8, 3.9),
)


class PeriodRules(Struct, frozen=True):
    """How long the record is, and when people order."""

    days_at_reference: Annotated[float, "The record spans {0:g} days at the reference size."] = 180
    orders_at_reference: Annotated[int, "The reference size is {0:,} orders."] = 50_000
    growth: Annotated[
        float,
        "The span grows with the number of orders to the power of {0:g}; volume does the rest.",
    ] = 0.12
    days_least: Annotated[int, "It is at least {0} days."] = 30
    days_most: Annotated[int, "It is at most {0} days."] = 365
    weekdays: Annotated[
        tuple[float, ...], "From Monday to Sunday, days are busy in proportion to {0}."
    ] = (0.98, 0.94, 0.92, 0.92, 0.88, 0.85, 1.0)
    hours: Annotated[
        tuple[float, ...], "Honest hours from 0 to 23, local time, are busy in proportion to {0}."
    ] = _HONEST_HOURS


class CustomerRules(Struct, frozen=True):
    """Who the customers are, and what stays the same about each of them.

    The last changes of an existing account and of its password, and its first order, lie evenly
    between its making and the start of the record.
    """

    orders_each: Annotated[float, "There is one customer for every {0:g} honest orders."] = 4.0
    activity_shape: Annotated[
        float, "How active each is follows a gamma distribution of shape {0:g}: few order much."
    ] = 0.8
    existing: Annotated[float, "{0:.0%} had an account before the record begins."] = 0.6
    account_age: Annotated[Delay, "Age of those accounts at the start: {0}."] = Delay(
        400, 0.9, 3000, "days"
    )
    signs_up_at_order: Annotated[float, "{0:.0%} of the others sign up during their order."] = 0.75
    sign_up_during: Annotated[Delay, "Those have their account for {0}."] = Delay(6, 0.8, 60, "min")
    sign_up_lead: Annotated[Delay, "The rest sign up before it: {0}."] = Delay(9, 1.2, 90, "days")
    guests: Annotated[float, "{0:.0%} always order as guests, without an account."] = 0.14
    validated: Annotated[float, "{0:.0%} of account holders confirmed their e-mail."] = 0.82
    households: Annotated[float, "{0:.0%} share their address with an earlier customer."] = 0.06
    locker_users: Annotated[float, "{0:.0%} have everything sent to a parcel locker."] = 0.06
    lockers: Annotated[int, "Each country has {0} lockers, used by all."] = 6
    expatriates: Annotated[float, "{0:.0%} hold cards of another country's bank."] = 0.04
    disposable: Annotated[float, "{0:.1%} use a disposable-looking e-mail domain."] = 0.015
    own_domain: Annotated[float, "{0:.0%} use an e-mail domain of their own or of a firm."] = 0.18
    second_card: Annotated[float, "{0:.0%} have a second card."] = 0.35
    second_device: Annotated[float, "{0:.0%} have a second device."] = 0.45
    app_users: Annotated[float, "{0:.0%} order in the app, the others on the web."] = 0.3
    vpn_users: Annotated[float, "{0:.0%} are behind a VPN for some of their orders."] = 0.05
    bought_before: Annotated[float, "{0:.0%} of existing accounts have ordered before."] = 0.85
    price_levels: Annotated[
        tuple[float, float],
        "Usual price levels lie evenly between {0}; 0 is the cheapest, 1 the dearest.",
    ] = (0.1, 0.75)
    main_favourite: Annotated[
        float, "Each has two favourite categories; the first has {0:.0%} of favourite lines."
    ] = 0.65
    friendly_prone: Annotated[float, "{0:.1%} are prone to dispute what they received."] = 0.012
    credit_cards: Annotated[float, "{0:.0%} of cards are credit cards."] = 0.42
    prepaid_cards: Annotated[float, "{0:.0%} of cards are prepaid."] = 0.04
    brands: Annotated[Shares, "Card brands: {0}."] = (("visa", 0.58), ("mastercard", 0.42))
    banks: Annotated[int, "Each country has {0} card-issuing banks."] = 8


class HonestRules(Struct, frozen=True):
    """What an honest order looks like, and what makes it look odd."""

    usual_method: Annotated[float, "{0:.0%} are paid by the customer's usual method."] = 0.88
    favourite_category: Annotated[float, "{0:.0%} of basket lines are of a favourite category."] = (
        0.75
    )
    more_lines: Annotated[float, "After each line another follows with {0:.0%}."] = 0.42
    lines_most: Annotated[int, "A basket has at most {0} lines."] = 8
    two_pieces: Annotated[float, "{0:.0%} of lines are for two pieces."] = 0.12
    price_spread: Annotated[
        float, "A price lies within {0:.2f} (standard deviation) of the customer's usual level."
    ] = 0.16
    gift: Annotated[float, "{0:.1%} are gifts sent to a new address in another name."] = 0.08
    gift_marked: Annotated[float, "{0:.0%} of gifts are marked as such."] = 0.6
    abroad: Annotated[float, "{0:.1%} are made while travelling, from a foreign address."] = 0.035
    abroad_delivery: Annotated[float, "{0:.0%} of those go to an address abroad."] = 0.15
    usual_device: Annotated[float, "{0:.0%} come from the newest device, else from any."] = 0.7
    new_device: Annotated[float, "{0:.1%} come from a device that is new and then stays."] = 0.07
    new_card: Annotated[float, "{0:.1%} are paid with a card that is new and then stays."] = 0.03
    moved: Annotated[float, "{0:.1%} follow a move to a new home."] = 0.012
    new_home_ip: Annotated[float, "{0:.0%} come after the home's IP address has changed."] = 0.08
    mobile_ip: Annotated[float, "{0:.0%} come through one of few shared mobile addresses."] = 0.22
    mobile_pool: Annotated[int, "A country's mobile network shows {0} addresses."] = 64
    vpn_order: Annotated[float, "VPN users are behind it for {0:.0%} of their orders."] = 0.5
    password_changed: Annotated[float, "{0:.1%} follow a change of password."] = 0.02
    password_lead: Annotated[Delay, "That change came before the order by {0}."] = Delay(
        24, 1.6, 720, "h"
    )
    expedited: Annotated[float, "{0:.0%} are delivered fast."] = 0.14
    gift_expedited: Annotated[float, "{0:.0%} of gifts are delivered fast."] = 0.35
    discount: Annotated[float, "{0:.0%} use a discount code."] = 0.12
    discount_share: Annotated[float, "A discount code takes {0:.0%} off."] = 0.10
    session: Annotated[Delay, "Length of a session: {0}."] = Delay(540, 0.9, 14_400, "s")
    by_phone: Annotated[float, "{0:.1%} come by telephone, without device or IP address."] = 0.01
    delivery_eur_minor: Annotated[int, "Delivery costs {0} euro cents."] = 490
    expedited_eur_minor: Annotated[int, "Fast delivery costs {0} euro cents."] = 1490
    three_d_secure: Annotated[
        float, "{0:.0%} of card payments in Europe are authenticated (3-D Secure)."
    ] = 0.35


class IssuerRules(Struct, frozen=True):
    """How issuers and payment schemes answer, and how honest customers go on."""

    processors: Annotated[Shares, "Payments are spread over processors: {0}."] = (
        ("north", 0.65),
        ("south", 0.35),
    )
    processor_factor: Annotated[Table, "Relative to the rates here, processors decline: {0}."] = (
        ("north", 0.9),
        ("south", 1.2),
    )
    honest_retries: Annotated[
        float, "{0:.1%} of honest orders are a second try after a soft decline of the first."
    ] = 0.022
    retry_wait: Annotated[Delay, "The second try comes after {0}."] = Delay(4, 0.8, 60, "min")
    retry_same_card: Annotated[float, "{0:.0%} of second tries use the same means."] = 0.55
    honest_soft: Annotated[float, "Other honest card payments: {0:.1%} soft declines."] = 0.015
    honest_hard: Annotated[float, "Honest card payments: {0:.1%} hard declines."] = 0.006
    retry_declined: Annotated[float, "{0:.0%} of second tries are declined too."] = 0.15
    other_declined: Annotated[float, "Other methods fail softly in {0:.1%}."] = 0.01
    pay_later_refused: Annotated[float, "Buying on account is refused in {0:.1%}."] = 0.035
    soft_codes: Annotated[Shares, "Codes of soft declines: {0}."] = (
        ("insufficient_funds", 0.56),
        ("do_not_honor", 0.26),
        ("issuer_unavailable", 0.10),
        ("authentication_required", 0.08),
    )
    hard_codes: Annotated[Shares, "Codes of hard declines of honest cards: {0}."] = (
        ("expired_card", 0.5),
        ("invalid_account", 0.3),
        ("lost_card", 0.2),
    )
    stolen_hard_codes: Annotated[Shares, "Codes of hard declines of criminals' cards: {0}."] = (
        ("lost_card", 0.16),
        ("stolen_card", 0.24),
        ("pickup_card", 0.12),
        ("invalid_account", 0.3),
        ("expired_card", 0.18),
    )
    card_answer: Annotated[Delay, "A card's answer takes {0}."] = Delay(1.6, 0.5, 30, "s")
    other_answer: Annotated[Delay, "Any other answer takes {0}."] = Delay(35, 0.7, 600, "s")
    honest_cvv: Annotated[float, "{0:.1%} of honest security codes are right."] = 0.985
    honest_address: Annotated[float, "{0:.0%} of honest billing addresses match, where asked."] = (
        0.93
    )


class OutcomeRules(Struct, frozen=True):
    """What is learnt later, and when."""

    capture: Annotated[Delay, "Money is taken after {0}."] = Delay(14, 0.7, 120, "h")
    refund: Annotated[Delay, "Goods come back and are refunded after {0}."] = Delay(
        12, 0.5, 60, "days"
    )
    refund_whole: Annotated[float, "{0:.0%} of refunds are of the whole amount."] = 0.55
    reported: Annotated[Table, "Of captured fraud this much is ever reported: {0}."] = (
        ("card_testing", 0.80),
        ("account_takeover", 0.93),
        ("stolen_card", 0.92),
        ("address_ring", 0.88),
        ("friendly_fraud", 1.0),
    )
    chargeback: Annotated[Delay, "A fraud's chargeback is raised after {0}."] = Delay(
        25, 0.6, 120, "days"
    )
    warned: Annotated[float, "{0:.0%} of reported card fraud has an early warning first."] = 0.55
    warning: Annotated[Delay, "The early warning is raised after {0}."] = Delay(9, 0.7, 60, "days")
    warned_refunded: Annotated[
        float, "{0:.0%} of warnings lead to a refund in time, and to no chargeback."
    ] = 0.15
    notice: Annotated[Delay, "The shop learns of warnings and chargebacks later by {0}."] = Delay(
        1.2, 0.5, 5, "days"
    )
    service_dispute: Annotated[
        float, "{0:.2%} of captured honest orders are disputed for a reason other than fraud."
    ] = 0.0015
    service_wait: Annotated[Delay, "Such a dispute is raised after {0}."] = Delay(
        32, 0.5, 120, "days"
    )
    reviewed: Annotated[Table, "Agents look at this much of authorized orders: {0}."] = (
        ("honest", 0.006),
        ("card_testing", 0.06),
        ("account_takeover", 0.10),
        ("stolen_card", 0.13),
        ("address_ring", 0.10),
        ("friendly_fraud", 0.006),
    )
    review_wait: Annotated[Delay, "They judge after {0}."] = Delay(5, 0.7, 48, "h")
    review_right: Annotated[float, "{0:.0%} of verdicts on fraud are right."] = 0.72
    review_unsure: Annotated[float, "{0:.0%} of verdicts leave it open."] = 0.12
    review_wrong: Annotated[float, "{0:.0%} of verdicts on honest orders say fraud."] = 0.03
    complaint: Annotated[float, "{0:.0%} of customers so refused complain and are heard."] = 0.6
    complaint_wait: Annotated[Delay, "They are heard after {0}."] = Delay(3, 0.6, 20, "days")
    burst_notice_wait: Annotated[Delay, "A burst that is noticed is marked after {0}."] = Delay(
        20, 0.6, 96, "h"
    )
    agents: Annotated[int, "There are {0} agents."] = 5


class Rules(Struct, frozen=True):
    """All rules of the simulated shop."""

    period: PeriodRules = PeriodRules()
    customers: CustomerRules = CustomerRules()
    honest: HonestRules = HonestRules()
    fraud: FraudRules = FraudRules()
    issuer: IssuerRules = IssuerRules()
    outcomes: OutcomeRules = OutcomeRules()


RULES = Rules()
"""The rules in force."""
