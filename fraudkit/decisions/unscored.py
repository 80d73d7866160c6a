"""The decision about an order that no score was made for."""

from __future__ import annotations

from fraudkit.decisions.fallback import DEADLINE
from fraudkit.decisions.rulings import Ruling
from fraudkit.domain.decision import Decision, InputWarning, Versions

__all__ = ["unscored_decision"]


def unscored_decision(
    transaction_id: str,
    ruling: Ruling,
    *,
    currency: str,
    versions: Versions,
    warnings: tuple[InputWarning, ...],
    degraded: tuple[str, ...],
) -> Decision:
    """Return a decision by the policy's fallback: without probability, score, reasons or costs.

    Parameters
    ----------
    ruling : Ruling
        Of `fraudkit.decisions.decider.Decider.fall_back`.
    currency : str
        Of the policy's costs.
    degraded : tuple of str
        What was missing besides the time, which is named after it.
    """
    return Decision(
        transaction_id=transaction_id,
        action=ruling.action,
        fraud_probability=None,
        raw_score=None,
        reasons=(),
        expected_cost_minor=None,
        currency=currency,
        versions=versions,
        warnings=warnings,
        degraded=(*degraded, DEADLINE),
        segment=ruling.segment,
        shaped_by=ruling.shaped_by,
    )
