"""An explanation's parts, as they are shown and written as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from fraudkit.domain.decision import Action, ActionRange
from fraudkit.domain.transaction import Timestamp

__all__ = ["Explanation", "FeatureShare", "Flip", "GroupShare"]


class Flip(Struct, frozen=True, kw_only=True):
    """Reasons that would have given a more lenient action, had they not been there.

    Attributes
    ----------
    codes : tuple of str
        Reason codes whose features are taken at the typical order's values.
    fraud_probability : float
        What the model then says, in [0, 1].
    action : {"approve", "challenge", "review"}
        What the order would then have got, at its own amount.
    is_least : bool
        Whether no fewer codes would have done.
    """

    codes: tuple[str, ...]
    fraud_probability: float
    action: Action
    is_least: bool


class FeatureShare(Struct, frozen=True, kw_only=True):
    """What one feature added.

    Attributes
    ----------
    name, code : str
        The feature and its reason code.
    text : str
        Its value in words.
    value, reference : float or None
        Of this order and of the typical approved one; ``None`` is unknown.
    shapley : float
        What it added to the log-odds, exactly, against the typical approved order.
    treeshap : float or None
        What LightGBM's TreeSHAP says, where that was asked for.
    clears_at : datetime or None
        The first time at which its window, if nothing more happens, no longer holds what raised
        the risk. ``None`` where waiting does not clear it, and where it cannot be told exactly.
    clears_by : datetime or None
        A time by which it has cleared; ``None`` where waiting does not clear it.
    """

    name: str
    code: str
    text: str
    value: float | None
    reference: float | None
    shapley: float
    treeshap: float | None = None
    clears_at: Timestamp | None = None
    clears_by: Timestamp | None = None


class GroupShare(Struct, frozen=True, kw_only=True):
    """What the features of one reason code added together.

    Attributes
    ----------
    code : str
        The reason code.
    weight : float
        What they added to the log-odds; negative where they lowered the risk.
    text : str
        Of the feature that did most of it.
    customer_text : str
        What the customer may be told.
    """

    code: str
    weight: float
    text: str
    customer_text: str


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything that made one decision.

    Attributes
    ----------
    transaction_id : str
        ``""`` for a row of a notebook.
    bundle : str
        The version of the bundle.
    action, fraud_probability, raw_score
        As decided.
    reference_raw_score : float
        The raw score of the typical approved order.
    amount_minor, currency : int or None, str
        What the costs were reckoned with.
    ranges : tuple of ActionRange
        What this order would get at every probability of fraud.
    flips : tuple of Flip
        The smallest sets of reasons without which the action would have been more lenient, the
        one that leaves the lowest probability first; empty where none would, and where the order
        was approved.
    groups : tuple of GroupShare
        Every reason code, the strongest first.
    features : tuple of FeatureShare
        Every feature, the one that moved the score most first.
    shapley_residual : float
        ``raw_score - reference_raw_score`` less the sum of all Shapley values: 0 but for
        rounding.
    treeshap_mean : float or None
        The score that TreeSHAP's values start from.
    degraded : tuple of str
        Sources that were missing.
    """

    transaction_id: str
    bundle: str
    action: Action
    fraud_probability: float
    raw_score: float
    reference_raw_score: float
    amount_minor: int | None
    currency: str
    ranges: tuple[ActionRange, ...]
    flips: tuple[Flip, ...]
    groups: tuple[GroupShare, ...]
    features: tuple[FeatureShare, ...]
    shapley_residual: float
    treeshap_mean: float | None = None
    degraded: tuple[str, ...] = ()

    def __rich__(self) -> Any:
        """Return tables for a terminal."""
        from fraudkit.explanation.tables import as_rich

        return as_rich(self)

    def _repr_html_(self) -> str:
        """Return tables for a notebook."""
        from fraudkit.explanation.tables import as_html

        return as_html(self)
