"""`Decision`: what was decided about a transaction, with all that explains it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fraudkit.domain.transaction import Timestamp

__all__ = [
    "Action",
    "ActionRange",
    "Decision",
    "ExpectedCost",
    "InputWarning",
    "Reason",
    "Versions",
]

Action = Literal["approve", "challenge", "review", "decline"]
"""What to do: let it through, ask for authentication, hold for a person, refuse."""


class Reason(Struct, frozen=True, kw_only=True):
    """One thing that raised the risk.

    Attributes
    ----------
    code : str
        Stable; match on this.
    text : str
        For an agent to read; may change at any time. Not for the customer.
    weight : float
        How much it raised the log-odds of fraud above a typical approved order.
    customer_text : str
        What the customer may be told: it says nothing of what was seen. The same for every order
        with this code; ``""`` in decisions of earlier versions.
    clears_by : datetime or None
        By then at the latest, if nothing more happens, the window that ``text`` names no longer
        holds what raised the risk. ``None`` where waiting does not clear it.
    """

    code: str
    text: str
    weight: float
    customer_text: str = ""
    clears_by: Timestamp | None = None


class ExpectedCost(Struct, frozen=True, kw_only=True):
    """The expected cost of each action, in minor units of the decision's currency.

    An expectation, not an amount: it is real-valued, and negative where a gain is expected.
    ``challenge`` is ``None`` where the payment cannot be authenticated.
    """

    approve: float
    challenge: float | None
    review: float
    decline: float


class ActionRange(Struct, frozen=True, kw_only=True):
    """The probabilities of fraud at which an order gets an action.

    Attributes
    ----------
    action : {"approve", "challenge", "review", "decline"}
        What the order gets.
    from_probability, to_probability : float
        In [0, 1]. At a bound between two actions both cost the same, up to rounding.
    """

    action: Action
    from_probability: float
    to_probability: float


class Versions(Struct, frozen=True, kw_only=True):
    """What was used, by content: SHA-256 digests, shortened to 16 hexadecimal digits."""

    bundle: str
    features: str
    policy: str


class InputWarning(Struct, frozen=True, kw_only=True):
    """Something about the input that did not stop the decision."""

    code: str
    pointer: str
    text: str


class Decision(Struct, frozen=True, kw_only=True):
    """What was decided about one transaction.

    Attributes
    ----------
    transaction_id : str
        The transaction that was decided.
    action : {"approve", "challenge", "review", "decline"}
        The action of the least expected cost, or what the policy says where costs cannot be
        told.
    fraud_probability : float or None
        Calibrated, in [0, 1]. ``None`` where there was no time for a score: the action is then
        the policy's fallback.
    raw_score : float or None
        The model's log-odds before calibration; ``None`` as ``fraud_probability``.
    reasons : tuple of Reason
        What raised the risk most, strongest first.
    expected_cost_minor : ExpectedCost or None
        ``None`` where the amount cannot be brought into the policy's currency, or there was no
        time for a score.
    currency : str
        Of the expected costs.
    versions : Versions
        What decided.
    warnings : tuple of InputWarning
        What was odd about the input.
    degraded : tuple of str
        Sources that were missing, and ``deadline`` where there was no time for a score; empty in
        normal service.
    segment : str or None
        The policy's segment that the order belongs to.
    ranges : tuple of ActionRange
        The thresholds that held for this order, at its amount and in its segment, ascending;
        none where there was no time for a score.
    shaped_by : tuple of str
        What shaped the action besides its cost: ``fallback``, ``always_review``,
        ``unknown_amount``, ``missing_source``, ``review_capacity_used``,
        ``decline_ceiling_reached``, ``exploration_budget_used``, ``explored``.
    approve_propensity : float or None
        The probability with which this order, which cost would decline, was approved all the
        same; ``None`` where nothing was left to chance.
    own_costs : dict[str, float]
        Figures of the policy's costs that held for this order alone: those that it brought, and
        the smaller loss of a card payment that came authenticated.
    """

    transaction_id: str
    action: Action
    fraud_probability: float | None
    raw_score: float | None
    reasons: tuple[Reason, ...]
    expected_cost_minor: ExpectedCost | None
    currency: str
    versions: Versions
    warnings: tuple[InputWarning, ...] = ()
    degraded: tuple[str, ...] = ()
    segment: str | None = None
    ranges: tuple[ActionRange, ...] = ()
    shaped_by: tuple[str, ...] = ()
    approve_propensity: float | None = None
    own_costs: dict[str, float] = {}
