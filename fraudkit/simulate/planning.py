"""The plan of a shop's record: who orders when, before anything is placed.

Invariant: the plan has exactly as many attempts as were asked for, retries and attacks included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np

from fraudkit.simulate.chance import Delay, Draw
from fraudkit.simulate.countries import Country
from fraudkit.simulate.criminals import Attack
from fraudkit.simulate.customers import Customer, draw_customers
from fraudkit.simulate.honest import Mood
from fraudkit.simulate.inventing import BASE_COUNTRIES
from fraudkit.simulate.mass_attacks import AddressRing, CardTesting
from fraudkit.simulate.rules import RULES, START_MS
from fraudkit.simulate.single_attacks import StolenCard, Takeover

__all__ = ["HonestStep", "Plan", "Truth", "days_of", "draw_plans", "pattern_counts"]

Truth = Literal[
    "honest",
    "card_testing",
    "account_takeover",
    "friendly_fraud",
    "address_ring",
    "stolen_card",
]
"""What an order really is."""

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_FIRST_WEEKDAY = 2  # 2025-01-01 was a Wednesday


class HonestStep(NamedTuple):
    """A customer orders; ``first`` is the number of the plan that this one tries again."""

    customer: Customer
    mood: Mood
    first: int | None = None


class Plan(NamedTuple):
    """One attempt to come; plans are placed by time and, at the same time, by number."""

    at_ms: int
    number: int
    truth: Truth
    step: HonestStep | Attack


def days_of(orders: int) -> int:
    """Return how many days a record of so many orders spans.

    Examples
    --------
    >>> [days_of(orders) for orders in (100, 5_000, 50_000, 500_000)]
    [85, 137, 180, 237]
    """
    rules = RULES.period
    ratio = orders / rules.orders_at_reference
    days = rules.days_at_reference * math.pow(ratio, rules.growth)
    return min(max(round(days), rules.days_least), rules.days_most)


def pattern_counts(orders: int) -> dict[str, int]:
    """Return the number of attempts of each fraud pattern, by largest remainder.

    Examples
    --------
    >>> pattern_counts(1000)
    {'card_testing': 4, 'account_takeover': 3, 'stolen_card': 4, 'address_ring': 2, \
'friendly_fraud': 1}
    """
    total = round(orders * RULES.fraud.share)
    exact = {name: total * share for name, share in RULES.fraud.patterns}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def draw_plans(draw: Draw, orders: int) -> list[Plan]:
    """Return the plans of all attempts, in the order in which they are placed."""
    end_ms = START_MS + days_of(orders) * _DAY_MS
    counts = pattern_counts(orders)
    honest = orders - sum(counts.values())
    many = max(1, round(honest / RULES.customers.orders_each))
    customers = draw_customers(draw, many, end_ms)
    planner = _Planner(draw, customers, end_ms)
    planner.add_honest(honest)
    planner.add_friendly(counts["friendly_fraud"])
    planner.add_attacks(counts)
    return sorted(planner.plans, key=lambda plan: plan[:2])


class _Planner:
    """Collects plans; numbers them in the order in which they are made up."""

    def __init__(self, draw: Draw, customers: list[Customer], end_ms: int) -> None:
        self._draw = draw
        self._customers = customers
        self._end_ms = end_ms
        self._honest_hours = _cumulative(RULES.period.hours)
        self._criminal_hours = _cumulative(RULES.fraud.hours)
        self._busiest = max(RULES.period.weekdays)
        self.plans: list[Plan] = []

    def add_honest(self, count: int) -> None:
        """Plan honest orders; some are declined at first and tried again."""
        draw, issuer = self._draw, RULES.issuer
        retries = min(round(count * issuer.honest_retries), count // 2)
        buyers = self._buyers(count - retries)
        declined = set(draw.sample(len(buyers), retries))
        for place, buyer in enumerate(buyers):
            at_ms = self._moment(buyer)
            mood: Mood = "declined_first" if place in declined else "ordinary"
            first = self._add(at_ms, "honest", HonestStep(buyer, mood))
            if place in declined:
                later_ms = at_ms + draw.delay_ms(issuer.retry_wait)
                self._add(later_ms, "honest", HonestStep(buyer, "ordinary", first))

    def add_friendly(self, count: int) -> None:
        """Plan orders that customers will dispute."""
        draw = self._draw
        prone = [customer for customer in self._customers if customer.is_prone]
        for _ in range(count):
            by_prone = bool(prone) and draw.chance(RULES.fraud.friendly_fraud.by_prone)
            buyer = draw.pick(prone if by_prone else self._customers)
            self._add(self._moment(buyer), "friendly_fraud", HonestStep(buyer, "friendly_fraud"))

    def add_attacks(self, counts: dict[str, int]) -> None:
        """Plan the attacks of criminals until each pattern has its number of attempts."""
        draw, fraud = self._draw, RULES.fraud
        testing, ring = fraud.card_testing, fraud.address_ring
        known = [customer for customer in self._customers if customer.has_account]
        victims = known or self._customers
        self._attack(
            counts["card_testing"],
            testing.gap,
            lambda: draw.size(testing.burst_median, testing.burst_spread),
            lambda _: ("card_testing", CardTesting(draw)),
        )
        self._attack(
            counts["account_takeover"],
            fraud.takeover.gap,
            lambda: int(draw.weighted(fraud.takeover.orders)),
            lambda _: ("account_takeover", Takeover(draw, draw.pick(victims))),
        )
        self._attack(
            counts["stolen_card"],
            fraud.stolen_card.gap,
            lambda: int(draw.weighted(fraud.stolen_card.orders)),
            lambda size: ("stolen_card", StolenCard(draw, size)),
        )
        self._attack(
            counts["address_ring"],
            ring.gap,
            lambda: draw.size(ring.size_median, ring.size_spread),
            lambda size: ("address_ring", AddressRing(draw, size)),
        )

    def _attack(
        self,
        left: int,
        gap: Delay,
        draw_size: Callable[[], int],
        make: Callable[[int], tuple[Truth, Attack]],
    ) -> None:
        draw = self._draw
        while left > 0:
            size = min(draw_size(), left)
            truth, attack = make(size)
            offsets = [0, *accumulate(draw.delay_ms(gap) for _ in range(size - 1))]
            day = draw.whole(0, (self._end_ms - START_MS) // _DAY_MS - 1)
            country = draw.weighted(BASE_COUNTRIES)
            start_ms = self._at(day, draw.index(self._criminal_hours), country)
            start_ms = max(START_MS, min(start_ms, self._end_ms - 1 - offsets[-1]))
            for offset in offsets:
                self._add(min(start_ms + offset, self._end_ms - 1), truth, attack)
            left -= size

    def _add(self, at_ms: int, truth: Truth, step: HonestStep | Attack) -> int:
        number = len(self.plans)
        self.plans.append(Plan(at_ms, number, truth, step))
        return number

    def _buyers(self, count: int) -> list[Customer]:
        """Draw customers by how active they are, and how long they have been there."""
        activity = self._draw.gammas(RULES.customers.activity_shape, len(self._customers))
        joined = np.array([customer.joined_ms for customer in self._customers], dtype=np.float64)
        indices = self._draw.indices(activity * (self._end_ms - joined), count)
        return [self._customers[index] for index in indices]

    def _moment(self, buyer: Customer) -> int:
        """Return when a customer orders: a day by its weekday, an hour by the local clock."""
        draw, weekdays = self._draw, RULES.period.weekdays
        while True:
            day = (int(draw.between(buyer.joined_ms, self._end_ms)) - START_MS) // _DAY_MS
            if draw.chance(weekdays[(day + _FIRST_WEEKDAY) % 7] / self._busiest):
                return self._at(day, draw.index(self._honest_hours), buyer.country)

    def _at(self, day: int, hour: int, country: Country) -> int:
        local_ms = START_MS + day * _DAY_MS + hour * _HOUR_MS + self._draw.whole(0, _HOUR_MS - 1)
        at_ms = local_ms - country.offset_minutes * 60_000
        if at_ms < START_MS:
            return at_ms + _DAY_MS
        return at_ms if at_ms < self._end_ms else at_ms - _DAY_MS


def _cumulative(weights: tuple[float, ...]) -> list[float]:
    return [total / math.fsum(weights) for total in accumulate(weights)]
