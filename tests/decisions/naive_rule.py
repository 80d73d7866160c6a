"""A policy decided the slow way, straight from what the pages say; the oracle of the rule."""

from collections import deque
from dataclasses import dataclass, field
from math import isnan

from fraudkit.decisions.costs import COST_NAMES, Costs, OrderCosts, expected_costs
from fraudkit.decisions.policy import ACTIONS, Policy, segment_costs
from fraudkit.decisions.segments import Segment

MILDEST = {"decide": "approve", "review": "review", "decline": "decline"}


class NearTie(Exception):
    """Two actions cost nearly the same: rounding decides."""


def figures_of(policy: Policy, segment: Segment | None, *, is_shifted: bool) -> Costs | OrderCosts:
    costs = segment_costs(policy, segment)
    if not is_shifted:
        return costs
    stays = 1.0 - costs.challenge_liability_shift_share
    figures = OrderCosts(*(getattr(costs, name) for name in COST_NAMES))
    return figures._replace(
        loss_share=costs.loss_share * stays,
        chargeback_fee_minor=costs.chargeback_fee_minor * stays,
    )


@dataclass
class Order:
    probability: float
    amount: float
    can_challenge: bool
    is_shifted: bool
    segment: Segment | None
    least: str
    draw: float
    day: int


@dataclass
class NaiveDecider:
    """Decides one order after the other."""

    policy: Policy
    day: float = float("-inf")
    reviews: int = 0
    explored_minor: float = 0.0
    latest: deque[str] = field(default_factory=deque)

    def decide(self, order: Order) -> tuple[str, set[str], float | None]:
        """Return the action, what shaped it, and the propensity."""
        if order.day > self.day:
            self.day, self.reviews, self.explored_minor = order.day, 0, 0.0
        shaped: set[str] = set()
        allowed = [a for a in ACTIONS if a != "challenge" or order.can_challenge]
        if order.segment is not None and order.segment.never_decline:
            allowed.remove("decline")
        action = self._wanted(order, allowed, shaped)
        if ACTIONS.index(action) < ACTIONS.index(order.least):
            shaped.add("missing_source")
            action = order.least if order.least in allowed else "review"
        limit = self.policy.constraints.reviews_per_day
        has_reviews = limit is None or self.reviews < limit
        if not has_reviews:
            allowed.remove("review")
            if action == "review":
                action = self._replacement(order, allowed, shaped)
                shaped.add("review_capacity_used")
        if action == "decline" and self._is_at_ceiling():
            allowed.remove("decline")
            action = "review" if has_reviews else self._replacement(order, allowed, set())
            shaped |= {"decline_ceiling_reached"} | (
                set() if has_reviews else {"review_capacity_used"}
            )
        propensity = None
        if action == "decline" and shaped <= {"review_capacity_used"}:
            action, propensity = self._explored(order, shaped)
        self.reviews += action == "review"
        self.latest.append(action)
        return action, shaped, propensity

    def _wanted(self, order: Order, allowed: list[str], shaped: set[str]) -> str:
        if order.segment is not None and order.segment.always_review:
            shaped.add("always_review")
            return "review"
        if isnan(order.amount):
            shaped.add("unknown_amount")
            unknown = self.policy.on_unknown_amount
            return unknown if unknown in allowed else "review"
        cut_offs = self.policy.cut_offs
        if order.segment is not None and order.segment.cut_offs is not None:
            cut_offs = order.segment.cut_offs
        elif order.segment is not None and order.segment.odds_factor is not None:
            cut_offs = None
        if cut_offs is None:
            return self._cheapest(order, allowed)
        begins = {
            "approve": 0.0,
            "challenge": cut_offs.challenge_from,
            "review": cut_offs.review_from,
            "decline": cut_offs.decline_from,
        }
        reached = [a for a in allowed if (b := begins[a]) is not None and b <= order.probability]
        return reached[-1]

    def _replacement(self, order: Order, allowed: list[str], shaped: set[str]) -> str:
        if isnan(order.amount) or shaped & {"unknown_amount", "missing_source"}:
            return allowed[-1]
        return self._cheapest(order, allowed)

    def _factor(self, order: Order) -> float:
        segment = order.segment
        if segment is not None and segment.cut_offs is not None:
            return 1.0
        if segment is not None and segment.odds_factor is not None:
            return segment.odds_factor
        return self.policy.odds_factor

    def expected(self, order: Order) -> dict[str, float]:
        """Return what each action is expected to cost, without prices."""
        odds = self._factor(order) * order.probability
        adjusted = odds / (odds + (1.0 - order.probability))
        if self._factor(order) == 1.0:
            adjusted = order.probability
        costs = self._costs(order)
        return dict(zip(ACTIONS, expected_costs(adjusted, order.amount, costs), strict=True))

    def _costs(self, order: Order) -> Costs | OrderCosts:
        return figures_of(self.policy, order.segment, is_shifted=order.is_shifted)

    def _cheapest(self, order: Order, allowed: list[str]) -> str:
        odds = self._factor(order) * order.probability
        adjusted = odds / (odds + (1.0 - order.probability))
        if self._factor(order) == 1.0:
            adjusted = order.probability
        costs, prices = self._costs(order), self.policy.prices
        limit = (self.policy.constraints.fraud_bps_max or 0.0) / 10_000.0
        passed = {
            "approve": (1.0, 1.0),
            "challenge": (
                1.0 - costs.challenge_honest_dropout_share,
                1.0 - costs.challenge_fraud_dropout_share,
            ),
            "review": (1.0 - costs.review_false_reject_share, 1.0 - costs.review_detection_share),
            "decline": (0.0, 0.0),
        }
        priced = {}
        for action, cost in self.expected(order).items():
            honest, fraud = passed[action]
            through = adjusted * fraud * (1.0 - limit) - (1.0 - adjusted) * honest * limit
            added = {"review": prices.review_minor, "decline": prices.decline_minor}
            priced[action] = (
                cost + added.get(action, 0.0) + prices.fraud_share * order.amount * through
            )
        least = min(priced[action] for action in allowed)
        near = 1e-9 * max(1.0, *map(abs, priced.values()))
        if any(least < priced[action] <= least + near for action in allowed):
            raise NearTie
        return min(allowed, key=lambda action: priced[action])

    def _is_at_ceiling(self) -> bool:
        breaker = self.policy.breaker
        if breaker is None:
            return False
        others = list(self.latest)[-(breaker.orders - 1) :]
        declined = others.count("decline") + 1
        return declined > breaker.decline_share_max * breaker.orders

    def _explored(self, order: Order, shaped: set[str]) -> tuple[str, float | None]:
        exploration = self.policy.exploration
        if exploration is None:
            return "decline", None
        cost = self.expected(order)
        loss = max(cost["approve"] - cost["decline"], 0.0)
        if loss > exploration.order_loss_minor_max:
            return "decline", None
        if self.explored_minor + loss > exploration.day_loss_minor_max:
            shaped.add("exploration_budget_used")
            return "decline", None
        if order.draw >= exploration.approve_share:
            return "decline", exploration.approve_share
        shaped.add("explored")
        self.explored_minor += loss
        return "approve", exploration.approve_share
