"""`Outcome`: what was learnt about a transaction after it was made.

Each kind is a struct of its own, told apart by ``kind``. Two clocks: ``occurred_at`` is when it
happened, ``available_at`` when the shop could know it; nothing uses an outcome earlier.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from fraudkit.domain.card_number import refuse_card_numbers
from fraudkit.domain.codes import CurrencyCode
from fraudkit.domain.decision import Action
from fraudkit.domain.transaction import (
    AmountMinor,
    Identifier,
    Text,
    Timestamp,
    epoch_ms,
)
from fraudkit.errors import InvalidField

__all__ = [
    "DECISION_STATUS",
    "Authorized",
    "Captured",
    "Chargeback",
    "Decided",
    "EarlyFraudWarning",
    "FalsePositiveReport",
    "IssuerDeclined",
    "Outcome",
    "OutcomeBase",
    "Refunded",
    "ReviewVerdict",
    "Status",
    "label_of",
    "statuses_of",
]


class Status(IntEnum):
    """What can be known of an earlier transaction; the order is the stores' column order."""

    AUTHORIZED = 0
    DECLINED_SOFT = 1
    DECLINED_HARD = 2
    APPROVED = 3
    DECLINED = 4
    REFUNDED = 5
    GOOD = 6
    FRAUD = 7


class OutcomeBase(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """What every outcome has.

    Attributes
    ----------
    outcome_id : str
        The same id is the same outcome, however often it is delivered.
    transaction_id : str
        The transaction that it is about.
    occurred_at : datetime
        When it happened.
    available_at : datetime
        When the shop could know it; not before ``occurred_at``.
    """

    outcome_id: Identifier
    transaction_id: Identifier
    occurred_at: Timestamp
    available_at: Timestamp

    def __post_init__(self) -> None:
        refuse_card_numbers(self)
        if self.available_at < self.occurred_at:
            raise InvalidField(
                "/available_at",
                "a time not before /occurred_at",
                self.available_at.isoformat(),
                "nothing is known before it happens",
            )

    @property
    def available_at_ms(self) -> int:
        """When it could be known, as whole milliseconds since the epoch."""
        return epoch_ms(self.available_at)


class Authorized(OutcomeBase, frozen=True, tag="authorized"):
    """The issuer authorized the payment."""

    processor: Identifier | None = None


class IssuerDeclined(OutcomeBase, frozen=True, tag="issuer_declined"):
    """The issuer declined the payment.

    Attributes
    ----------
    decline : {"soft", "hard"}
        ``soft``: it may pass later or with authentication; ``hard``: it never will.
    code : str
        The issuer's or provider's code, raw.
    """

    decline: Literal["soft", "hard"]
    code: Identifier
    processor: Identifier | None = None


class Captured(OutcomeBase, frozen=True, tag="captured"):
    """The money was taken."""

    amount_minor: AmountMinor | None = None
    currency: CurrencyCode | None = None


class Refunded(OutcomeBase, frozen=True, tag="refunded"):
    """Money was given back, in whole or in part."""

    amount_minor: AmountMinor | None = None
    currency: CurrencyCode | None = None
    reason: Text | None = None


class EarlyFraudWarning(OutcomeBase, frozen=True, tag="early_fraud_warning"):
    """The issuer reported fraud before any chargeback (TC40, SAFE)."""

    fraud_type: (
        Literal[
            "lost_card", "stolen_card", "counterfeit", "account_takeover", "unauthorized", "other"
        ]
        | None
    ) = None


class Chargeback(OutcomeBase, frozen=True, tag="chargeback"):
    """The payment was disputed.

    Attributes
    ----------
    is_fraud : bool
        Whether the reason says fraud; a service dispute is no fraud.
    reason : str
        The scheme's or provider's reason code, raw.
    """

    is_fraud: bool
    reason: Identifier
    amount_minor: AmountMinor | None = None
    currency: CurrencyCode | None = None


class ReviewVerdict(OutcomeBase, frozen=True, tag="review_verdict"):
    """Somebody looked at the order and judged it; ``reviewed_by`` says who."""

    verdict: Literal["fraud", "legitimate", "unsure"]
    reviewed_by: Identifier
    note: Annotated[str, Meta(max_length=1024)] | None = None


class FalsePositiveReport(OutcomeBase, frozen=True, tag="false_positive_report"):
    """The order was stopped and turned out to be honest."""

    reported_by: Identifier | None = None
    note: Annotated[str, Meta(max_length=1024)] | None = None


class Decided(OutcomeBase, frozen=True, tag="decided"):
    """The shop's own decision, where another system than this engine made it."""

    action: Action


Outcome = (
    Authorized
    | IssuerDeclined
    | Captured
    | Refunded
    | EarlyFraudWarning
    | Chargeback
    | ReviewVerdict
    | FalsePositiveReport
    | Decided
)
"""Any outcome."""


DECISION_STATUS: Final[dict[Action, Status]] = {
    "approve": Status.APPROVED,
    "decline": Status.DECLINED,
}
"""What the shop's own decision makes of an order; a challenge or review leaves it open."""


def statuses_of(outcome: Outcome) -> tuple[Status, ...]:
    """Return what the outcome says about its transaction, for the windows.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> then = datetime(2026, 1, 1, tzinfo=UTC)
    >>> statuses_of(Authorized(outcome_id="o", transaction_id="t", occurred_at=then,
    ...                        available_at=then))
    (<Status.AUTHORIZED: 0>,)
    """
    match outcome:
        case Authorized():
            return (Status.AUTHORIZED,)
        case IssuerDeclined(decline="soft"):
            return (Status.DECLINED_SOFT,)
        case IssuerDeclined():
            return (Status.DECLINED_HARD,)
        case Refunded():
            return (Status.REFUNDED,)
        case Captured():
            return ()
        case Decided(action=action):
            return (DECISION_STATUS[action],) if action in DECISION_STATUS else ()
        case _:
            label = label_of(outcome)
            return () if label is None else (Status.FRAUD if label else Status.GOOD,)


def label_of(outcome: Outcome) -> bool | None:
    """Return whether the outcome says fraud, or ``None`` where it says nothing of it."""
    match outcome:
        case EarlyFraudWarning():
            return True
        case Chargeback(is_fraud=is_fraud):
            return True if is_fraud else None
        case ReviewVerdict(verdict=verdict):
            return {"fraud": True, "legitimate": False}.get(verdict)
        case FalsePositiveReport():
            return False
        case _:
            return None
