"""What each action costs: the merchant's own figures and the formulas over them.

One order or a million: the same expressions take floats and arrays and give the same bits.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from fraudkit.domain.codes import CurrencyCode

__all__ = [
    "COST_NAMES",
    "CostFigures",
    "Costs",
    "Minor",
    "OrderCosts",
    "Share",
    "cost_lines",
    "expected_costs",
]

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Minor = Annotated[int, Meta(ge=0, le=10**9)]


class Costs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merchant's costs, in minor units of ``currency`` and shares of the order's amount.

    The defaults are a starting point that a merchant replaces; they are nobody's measurement.

    Attributes
    ----------
    currency : str
        ISO 4217, of every amount here.
    margin_share : float
        Contribution margin earned on an honest order.
    loss_share : float
        Share of a fraud's amount that is lost: 1 where goods and money are both gone.
    chargeback_fee_minor : int
        What the acquirer takes for a chargeback.
    insult_cost_minor : int
        Value lost with an honest customer who is turned away, beyond this order's margin.
    review_cost_minor : int
        One manual review.
    review_detection_share, review_false_reject_share : float
        Share of frauds a review stops; share of honest orders it turns away.
    challenge_fraud_dropout_share, challenge_honest_dropout_share : float
        Share of fraudsters and of honest customers who do not pass or give up.
    challenge_liability_shift_share : float
        Share of a fraud's loss that moves to the issuer where the card payment was authenticated,
        by a challenge or before the order came.
    """

    currency: CurrencyCode = "EUR"
    margin_share: Share = 0.25
    loss_share: Share = 1.0
    chargeback_fee_minor: Minor = 2000
    insult_cost_minor: Minor = 1000
    review_cost_minor: Minor = 400
    review_detection_share: Share = 0.8
    review_false_reject_share: Share = 0.05
    challenge_fraud_dropout_share: Share = 0.8
    challenge_honest_dropout_share: Share = 0.12
    challenge_liability_shift_share: Share = 0.9


class OrderCosts(NamedTuple):
    """The figures of `Costs` where they differ by order: a number or an array each."""

    margin_share: Any
    loss_share: Any
    chargeback_fee_minor: Any
    insult_cost_minor: Any
    review_cost_minor: Any
    review_detection_share: Any
    review_false_reject_share: Any
    challenge_fraud_dropout_share: Any
    challenge_honest_dropout_share: Any
    challenge_liability_shift_share: Any


CostFigures = Costs | OrderCosts
"""What the formulas read: constant figures, or some that differ by order."""

COST_NAMES = OrderCosts._fields
"""The figures of `Costs`, without the currency."""


def cost_lines(amount_minor: Any, costs: CostFigures) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return what approve, challenge, review and decline cost on an honest order and on a fraud.

    With a the amount, m the margin, l the loss share, f the chargeback fee, I the insult cost, r
    the review cost, d and e its detection and false-reject shares, F and G the fraudsters' and
    honest customers' drop-out and s the liability shift::

                    honest order            fraud
        approve     -m a                    l a + f
        challenge   G I - (1 - G) m a       (1 - F) (1 - s) (l a + f)
        review      r + e I - (1 - e) m a   r + (1 - d) (l a + f)
        decline     I                       0

    Where a card payment came authenticated, (1 - s) l and (1 - s) f stand for l and f: see
    `fraudkit.decisions.own_costs`. A negative cost is a gain.

    Parameters
    ----------
    amount_minor : int, float or ndarray
        In minor units of the costs' currency.
    costs : Costs or OrderCosts
        Constant figures, or one an order; they broadcast with ``amount_minor``.

    Returns
    -------
    at_honest, at_fraud : tuple of four
        In the order of `fraudkit.decisions.policy.ACTIONS`.

    References
    ----------
    Bahnsen et al., "Example-dependent cost-sensitive logistic regression for credit scoring",
    ICMLA 2014, for approve and decline. Airbnb Engineering, "Fighting financial fraud with
    targeted friction", 2018, for the two drop-out rates of a challenge. Review is ours, by the
    same rule.
    """
    margin = costs.margin_share * amount_minor
    loss = costs.loss_share * amount_minor + costs.chargeback_fee_minor
    insult = costs.insult_cost_minor
    left = costs.challenge_honest_dropout_share
    rejected = costs.review_false_reject_share
    review = costs.review_cost_minor
    stays = (1.0 - costs.challenge_fraud_dropout_share) * (
        1.0 - costs.challenge_liability_shift_share
    )
    at_honest = (
        0.0 - margin,
        left * insult - (1.0 - left) * margin,
        review + (rejected * insult - (1.0 - rejected) * margin),
        insult + 0.0 * margin,
    )
    at_fraud = (
        loss,
        stays * loss,
        review + (1.0 - costs.review_detection_share) * loss,
        0.0 * loss,
    )
    return at_honest, at_fraud


def expected_costs(
    probability: Any, amount_minor: Any, costs: CostFigures
) -> tuple[Any, Any, Any, Any]:
    """Return the expected cost of approve, challenge, review and decline.

    With p the probability of fraud, ``(1 - p) honest + p fraud`` over the lines of `cost_lines`.
    A negative cost is a gain.

    Parameters
    ----------
    probability : float or ndarray of float64
        Calibrated, in [0, 1].
    amount_minor, costs
        As in `cost_lines`; all broadcast.

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001: the least expected cost.

    Examples
    --------
    >>> approve, challenge, review, decline = expected_costs(0.5, 10_000, Costs())
    >>> approve, round(challenge, 6), round(review, 6), decline
    (4750.0, -920.0, 437.5, 500.0)
    """
    honest = 1.0 - probability
    approve, challenge, review, decline = (
        honest * at_honest + probability * at_fraud
        for at_honest, at_fraud in zip(*cost_lines(amount_minor, costs), strict=True)
    )
    return approve, challenge, review, decline
