"""Fraud scoring, payment-method choice and routing by expected margin.

>>> import fraudkit as fk
>>> fk.Transaction.__struct_fields__[:3]
('transaction_id', 'event_time', 'order')

Importing this package is cheap: the engine and all it needs load when they are first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fraudkit.domain.decision import Decision
    from fraudkit.domain.decoding import (
        decode_outcome,
        decode_payment_context,
        decode_transaction,
    )
    from fraudkit.domain.outcome import Outcome
    from fraudkit.domain.payment_choice import PaymentContext, Recommendation
    from fraudkit.domain.transaction import Transaction
    from fraudkit.engine import Engine
    from fraudkit.errors import FraudkitError

__all__ = [
    "Decision",
    "Engine",
    "FraudkitError",
    "Outcome",
    "PaymentContext",
    "Recommendation",
    "Transaction",
    "decode_outcome",
    "decode_payment_context",
    "decode_transaction",
]

_HOME: Final = {
    "Decision": "fraudkit.domain.decision",
    "Engine": "fraudkit.engine",
    "FraudkitError": "fraudkit.errors",
    "Outcome": "fraudkit.domain.outcome",
    "PaymentContext": "fraudkit.domain.payment_choice",
    "Recommendation": "fraudkit.domain.payment_choice",
    "Transaction": "fraudkit.domain.transaction",
    "decode_outcome": "fraudkit.domain.decoding",
    "decode_payment_context": "fraudkit.domain.decoding",
    "decode_transaction": "fraudkit.domain.decoding",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'fraudkit' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
