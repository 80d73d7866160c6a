"""What is learnt of an order later: captures, refunds, warnings, chargebacks, verdicts.

Invariant: nothing is available before it happens, and fraud that nobody reports stays unseen.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

from fraudkit.domain.outcome import (
    Authorized,
    Captured,
    Chargeback,
    EarlyFraudWarning,
    FalsePositiveReport,
    IssuerDeclined,
    Outcome,
    Refunded,
    ReviewVerdict,
)
from fraudkit.domain.transaction import Transaction
from fraudkit.simulate.baskets import CATEGORIES
from fraudkit.simulate.chance import Draw
from fraudkit.simulate.countries import DISPUTABLE_METHODS
from fraudkit.simulate.issuer import Placed
from fraudkit.simulate.rules import RULES

__all__ = ["outcomes_of"]

_HONEST_LOOKING = frozenset({"honest", "friendly_fraud"})
_RETURNED = {category.name: category.returned for category in CATEGORIES}
_REPORTED = dict(RULES.outcomes.reported)
_REVIEWED = dict(RULES.outcomes.reviewed)
_FRAUD_REASONS = {"visa": "10.4", "mastercard": "4837"}
_SERVICE_REASONS = {"visa": ("13.1", "13.3"), "mastercard": ("4853", "4855")}
_WARNING_TYPES = {
    "card_testing": "stolen_card",
    "account_takeover": "account_takeover",
    "stolen_card": "stolen_card",
    "address_ring": "unauthorized",
    "friendly_fraud": "unauthorized",
}


def outcomes_of(draw: Draw, placed: Placed, truth: str) -> list[Outcome]:
    """Return all outcomes of an order, in the order in which they happen to be made up."""
    history = _History(draw, placed.transaction)
    history.answer(placed)
    if placed.is_noticed:
        history.burst_verdict()
    if placed.answer.decline is not None:
        return history.outcomes
    if not placed.is_noticed and draw.chance(_REVIEWED[truth]) and history.is_stopped(truth):
        return history.outcomes
    history.capture()
    if truth == "honest":
        history.honest_end()
    elif draw.chance(_REPORTED[truth]):
        history.report(truth)
    return history.outcomes


class _History:
    """The outcomes of one order as they are made up."""

    def __init__(self, draw: Draw, transaction: Transaction) -> None:
        self._draw = draw
        self._transaction = transaction
        self._captured_ms = 0
        self.outcomes: list[Outcome] = []

    def answer(self, placed: Placed) -> None:
        """Tell what the issuer said."""
        payment, (decline, code) = placed.transaction.payment, placed.answer
        issuer = RULES.issuer
        by_card = payment.card.fingerprint is not None
        wait = self._draw.delay_ms(issuer.card_answer if by_card else issuer.other_answer)
        if decline is None:
            self._add(Authorized, wait, processor=payment.processor)
        else:
            self._add(IssuerDeclined, wait, decline=decline, code=code, processor=payment.processor)

    def burst_verdict(self) -> None:
        """Mark an attempt of a burst that somebody noticed."""
        self._verdict("fraud", self._draw.delay_ms(RULES.outcomes.burst_notice_wait))

    def is_stopped(self, truth: str) -> bool:
        """Let an agent judge the order, and return whether it is stopped."""
        draw, rules = self._draw, RULES.outcomes
        wait = draw.delay_ms(rules.review_wait)
        verdict, drawn = "legitimate", draw.between(0, 1)
        if drawn < rules.review_unsure:
            verdict = "unsure"
        elif drawn < rules.review_unsure + (
            rules.review_wrong if truth in _HONEST_LOOKING else rules.review_right
        ):
            verdict = "fraud"
        self._verdict(verdict, wait)
        if verdict != "fraud":
            return False
        if truth == "honest" and draw.chance(rules.complaint):
            heard = wait + draw.delay_ms(rules.complaint_wait)
            self._add(FalsePositiveReport, heard, reported_by="customer-service")
        return True

    def capture(self) -> None:
        """Take the money."""
        self._captured_ms = self._draw.delay_ms(RULES.outcomes.capture)
        order = self._transaction.order
        self._add(
            Captured, self._captured_ms, amount_minor=order.amount_minor, currency=order.currency
        )

    def honest_end(self) -> None:
        """Send goods back, or dispute the service, or do neither."""
        draw, rules = self._draw, RULES.outcomes
        item = draw.pick(self._transaction.order.items)
        if draw.chance(_RETURNED[item.category or ""]):
            is_whole = draw.chance(rules.refund_whole)
            price = (item.price_minor or 0) * item.quantity
            whole = self._transaction.order.amount_minor
            amount = whole if is_whole else min(price, whole)
            self._refund(self._captured_ms + draw.delay_ms(rules.refund), amount, "returned")
        elif self._is_disputable and draw.chance(rules.service_dispute):
            wait = self._captured_ms + draw.delay_ms(rules.service_wait)
            reasons = _SERVICE_REASONS.get(self._brand, ("item_not_received", "not_as_described"))
            self._dispute(wait, draw.pick(reasons), is_fraud=False)

    def report(self, truth: str) -> None:
        """Let the holder of the card or account find the fraud."""
        draw, rules = self._draw, RULES.outcomes
        disputed = self._captured_ms + draw.delay_ms(rules.chargeback)
        notice = draw.delay_ms(rules.notice)
        if self._brand and draw.chance(rules.warned):
            warned = self._captured_ms + draw.delay_ms(rules.warning)
            warned = min(warned, disputed)
            self._add(EarlyFraudWarning, warned, notice, fraud_type=_WARNING_TYPES[truth])
            if draw.chance(rules.warned_refunded):
                amount = self._transaction.order.amount_minor
                self._refund(warned + notice, amount, "fraud_warning")
                return
        self._dispute(disputed, _FRAUD_REASONS.get(self._brand, "unauthorized"), is_fraud=True)

    @property
    def _brand(self) -> str:
        return self._transaction.payment.card.brand or ""

    @property
    def _is_disputable(self) -> bool:
        return bool(self._brand) or self._transaction.payment.method_type in DISPUTABLE_METHODS

    def _verdict(self, verdict: str, wait_ms: int) -> None:
        agent = f"agent-{self._draw.whole(1, RULES.outcomes.agents)}"
        self._add(ReviewVerdict, wait_ms, verdict=verdict, reviewed_by=agent)

    def _refund(self, wait_ms: int, amount_minor: int, reason: str) -> None:
        currency = self._transaction.order.currency
        self._add(Refunded, wait_ms, amount_minor=amount_minor, currency=currency, reason=reason)

    def _dispute(self, wait_ms: int, reason: str, *, is_fraud: bool) -> None:
        order = self._transaction.order
        self._add(
            Chargeback,
            wait_ms,
            self._draw.delay_ms(RULES.outcomes.notice),
            is_fraud=is_fraud,
            reason=reason,
            amount_minor=order.amount_minor,
            currency=order.currency,
        )

    def _add(
        self, kind: Callable[..., Outcome], wait_ms: int, notice_ms: int = 0, **facts: Any
    ) -> None:
        occurred = (self._transaction.event_time + timedelta(milliseconds=wait_ms)).astimezone(UTC)
        transaction_id = self._transaction.transaction_id
        self.outcomes.append(
            kind(
                outcome_id=f"{transaction_id}-{len(self.outcomes) + 1}",
                transaction_id=transaction_id,
                occurred_at=occurred,
                available_at=occurred + timedelta(milliseconds=notice_ms),
                **facts,
            )
        )
