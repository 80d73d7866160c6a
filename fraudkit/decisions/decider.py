"""`Decider`: a policy at work, for one order in a checkout and for a million in a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from fraudkit.decisions.costs import COST_NAMES, OrderCosts, cost_lines
from fraudkit.decisions.draws import Draws
from fraudkit.decisions.own_costs import AUTHENTICATION_FIELDS, OwnCosts
from fraudkit.decisions.policy import (
    ACTIONS,
    Policy,
    can_be_challenged,
    challenges,
    policy_problems,
)
from fraudkit.decisions.rule.deciding import decide_fallback, decide_many, decide_one
from fraudkit.decisions.rule.layout import (
    BEGINS,
    DECLINES,
    EXPLORED,
    FLAGS_FROM,
    N_COSTS,
    N_OUT,
    PLACE,
    PROPENSITY,
)
from fraudkit.decisions.rule.limits import count_earlier
from fraudkit.decisions.rulings import SHAPED_BY, SHAPES, Ruling, Rulings, limits_reached, ranges_of
from fraudkit.decisions.segments import SegmentFinder
from fraudkit.decisions.tables import fresh_memory, rules_of
from fraudkit.domain.decision import Action, ExpectedCost
from fraudkit.domain.transaction import Transaction
from fraudkit.errors import InputError, PolicyError

__all__ = ["Decider"]

_MS_PER_DAY: Final = 86_400_000
_NO_COSTS: Final = np.full(N_COSTS, np.nan)


class _Recalled(Struct, frozen=True):
    """What limits count of a decision."""

    action: Action
    shaped_by: tuple[str, ...] = ()
    expected_cost_minor: ExpectedCost | None = None


_recalled: msgspec.json.Decoder[_Recalled] = msgspec.json.Decoder(_Recalled)


class Decider:
    """Decides by a policy, and counts what its limits count.

    Orders are decided in the order of their times: reviews and exploration are counted by UTC
    day, declines over the latest orders. The one object decides one order in 2 to 5 microseconds
    and a million in half a second, by the same compiled rule.

    Raises
    ------
    PolicyError
        If the policy does not hold.

    Examples
    --------
    >>> decider = Decider(Policy())
    >>> ruling = decider.of_values(0.5, 10_000)
    >>> ruling.action, [held.action for held in ruling.ranges]
    ('challenge', ['approve', 'challenge', 'decline'])
    """

    def __init__(self, policy: Policy) -> None:
        problems = list(policy_problems(policy))
        if problems:
            raise PolicyError("the policy does not hold:\n  " + "\n  ".join(problems))
        self.policy = policy
        self._finder = SegmentFinder(policy.segments)
        self._rules = rules_of(policy)
        self._memory = fresh_memory(policy)
        self._own_costs = OwnCosts(policy.costs_from_orders, self._rules[0])
        self._names = [*(segment.name for segment in policy.segments), None]
        self._draw = Draws(policy).of
        self._out = np.empty(N_OUT)

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields of an order that the policy reads."""
        named = (
            *AUTHENTICATION_FIELDS,
            *self._finder.paths,
            *self.policy.costs_from_orders.values(),
        )
        return tuple(dict.fromkeys(named))

    def of(
        self,
        transaction: Transaction,
        probability: float,
        amount_minor: int | None,
        *,
        missing: Iterable[str] = (),
    ) -> Ruling:
        """Decide an order and count it.

        Parameters
        ----------
        probability : float
            Of fraud, calibrated, in [0, 1].
        amount_minor : int or None
            In the costs' currency.
        missing : iterable of str
            Sources that were missing.
        """
        payment, segment = transaction.payment, self._finder.of(transaction)
        own, own_costs = self._own_costs.of(transaction, segment)
        return self._ruling(
            (
                probability,
                np.nan if amount_minor is None else float(amount_minor),
                can_be_challenged(payment.method, payment.card.was_3d_secure_successful),
                segment,
                self.policy.when_missing.least(missing),
                self._draw(transaction.transaction_id),
                transaction.event_time_ms // _MS_PER_DAY,
            ),
            own,
            own_costs,
            reached=-1,
        )

    def fall_back(self, transaction: Transaction, amount_minor: int | None) -> Ruling:
        """Return what the policy's fallback says of an order without a score, and count it.

        A segment's ``never_decline`` and ``always_review`` hold, and so do the limits.
        """
        payment, day = transaction.payment, transaction.event_time_ms // _MS_PER_DAY
        can_challenge = can_be_challenged(payment.method, payment.card.was_3d_secure_successful)
        order = can_challenge, self._finder.of(transaction), day
        return self._fallen_back(amount_minor, order, reached=-1)

    @property
    def is_limited(self) -> bool:
        """Whether what was decided before bears on what is decided next."""
        policy = self.policy
        limits = (policy.constraints.reviews_per_day, policy.breaker, policy.exploration)
        return any(limit is not None for limit in limits)

    def recall(self, decision: bytes, event_time_ms: int) -> None:
        """Count a decision of an earlier process, as JSON, in the order in which it was made.

        With the same policy this leaves what the process that made it had counted.
        """
        if not self.is_limited:
            return
        held = _recalled.decode(decision)
        explored_minor = 0.0
        if SHAPED_BY[EXPLORED] in held.shaped_by and held.expected_cost_minor is not None:
            cost = held.expected_cost_minor
            explored_minor = max(cost.approve - cost.decline, 0.0)
        count_earlier(
            event_time_ms // _MS_PER_DAY, ACTIONS.index(held.action), explored_minor, self._memory
        )

    def is_counted_by(self, earlier: Decider) -> bool:
        """Whether another has counted all that this one's limits count."""
        if not self.is_limited:
            return True
        return earlier.is_limited and len(self._memory[1]) <= len(earlier._memory[1])

    def count_on_from(self, earlier: Decider) -> None:
        """Take over what another has counted, in place of what this one has.

        Where `is_counted_by` holds, this one then decides as if it had counted all by itself.
        Where its breaker watches more orders than the other's, it begins with those that the
        other knows.
        """
        state, declines = self._memory
        held, watched = earlier._memory
        n_known = min(len(declines), len(watched))
        latest = np.roll(watched, -int(held[PLACE]))[len(watched) - n_known :]
        state[:] = held
        declines[:] = 0
        declines[:n_known] = latest
        state[DECLINES] = latest.sum()
        state[PLACE] = n_known % len(declines) if len(declines) else 0

    def of_values(
        self,
        probability: float,
        amount_minor: int | None,
        *,
        can_challenge: bool = True,
        segment: str | None = None,
        missing: Iterable[str] = (),
        own_costs: Mapping[str, float] | None = None,
        shaped_by: Sequence[str] = (),
        transaction_id: str | None = None,
    ) -> Ruling:
        """Say what an order gets, without counting it.

        Parameters
        ----------
        segment : str or None
            The name of the order's segment.
        shaped_by : sequence of str
            Of a decision that is to come out again: the limits among them had been reached.
        transaction_id : str, optional
            For exploration; without it nothing is left to chance.

        Other parameters are as in `of`.

        Raises
        ------
        PolicyError
            If the policy has no such segment.
        """
        place, own = self._place(segment), _NO_COSTS
        if own_costs:
            own = np.array([own_costs.get(name, np.nan) for name in COST_NAMES])
        return self._ruling(
            (
                probability,
                np.nan if amount_minor is None else float(amount_minor),
                can_challenge,
                place,
                self.policy.when_missing.least(missing),
                1.0 if transaction_id is None else self._draw(transaction_id),
                0,
            ),
            own,
            dict(own_costs or {}),
            reached=limits_reached(shaped_by),
        )

    def fallback_of_values(
        self,
        amount_minor: int | None,
        *,
        can_challenge: bool = True,
        segment: str | None = None,
        shaped_by: Sequence[str] = (),
    ) -> Ruling:
        """Say what the fallback gives an order, without counting it; see `of_values`."""
        order = can_challenge, self._place(segment), 0
        return self._fallen_back(amount_minor, order, reached=limits_reached(shaped_by))

    def possible_own_costs(
        self, own_costs: Mapping[str, float], segment: str | None
    ) -> dict[str, float]:
        """Return those figures of an order's own that one of the segment can have had."""
        if segment not in self._names:
            return {}
        return self._own_costs.possible(own_costs, self._names.index(segment))

    def of_many(
        self,
        probability: NDArray[np.float64],
        amount_minor: NDArray[np.float64],
        columns: Mapping[str, Sequence[object]],
        *,
        time_ms: NDArray[np.int64],
        transaction_ids: Sequence[str] | None = None,
        is_limited: bool = True,
    ) -> Rulings:
        """Decide orders one after the other, beginning with nothing counted.

        Parameters
        ----------
        probability : ndarray of float64, shape (n_orders,)
        amount_minor : ndarray of float64, shape (n_orders,)
            NaN where it is not known.
        columns : mapping
            Those of ``paths`` that came, each with a value an order, ``None`` where absent.
        time_ms : ndarray of int64, shape (n_orders,)
            Event times, ascending.
        transaction_ids : sequence of str, optional
            For exploration; without them nothing is left to chance.
        is_limited : bool
            Whether limits hold: reviews a day, the breaker, the budget of exploration.

        Raises
        ------
        InputError
            If a time is earlier than the one before it.
        """
        if len(time_ms) and np.any(np.diff(time_ms) < 0):
            raise InputError("orders must be decided in the order of their times; sort them first")
        n_orders = len(probability)
        draws = np.ones(n_orders)
        if transaction_ids is not None and self.policy.exploration is not None:
            draws = np.fromiter(map(self._draw, transaction_ids), np.float64, n_orders)
        segment = self._finder.of_many(columns, n_orders)
        code, out = np.empty(n_orders, np.int64), np.empty((n_orders, N_OUT))
        decide_many(
            (
                np.asarray(probability, np.float64),
                np.asarray(amount_minor, np.float64),
                challenges(columns, n_orders),
                segment,
                np.zeros(n_orders, np.int64),
                draws,
                np.asarray(time_ms, np.int64) // _MS_PER_DAY,
            ),
            self._own_costs.of_many(columns, segment),
            self._rules,
            fresh_memory(self.policy),
            -1 if is_limited else 0,
            code,
            out,
        )
        return Rulings(
            action=(code & 3).astype(np.int8),
            cost_minor=out[:, :4],
            begins_at=out[:, BEGINS : BEGINS + 4],
            segment=segment,
            shaped_by=code >> FLAGS_FROM,
            approve_propensity=out[:, PROPENSITY],
        )

    def segments_of_many(
        self, columns: Mapping[str, Sequence[object]], n_orders: int
    ) -> NDArray[np.int64]:
        """Return each order's place in the policy's segments; their number for none."""
        return self._finder.of_many(columns, n_orders)

    def cost_lines_of_many(
        self, amount_minor: NDArray[np.float64], columns: Mapping[str, Sequence[object]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what each action costs where an order is honest, and where it is fraud.

        Without prices.

        Returns
        -------
        at_honest, at_fraud : ndarray of float64, shape (4, n_orders)
            NaN where the amount is not known, and of a challenge that is not possible.
        """
        n_orders = len(amount_minor)
        table, _whole = self._rules
        segment = self._finder.of_many(columns, n_orders)
        held = table[segment, :N_COSTS]
        own = self._own_costs.of_many(columns, segment)
        if len(own) > 1:
            held = np.where(np.isnan(own[:n_orders]), held, own[:n_orders])
        lines = np.array(cost_lines(amount_minor, OrderCosts(*held.T)))
        lines[:, ACTIONS.index("challenge"), ~challenges(columns, n_orders)] = np.nan
        return lines[0], lines[1]

    def _ruling(
        self,
        order: tuple[float, float, bool, int, int, float, int],
        own: NDArray[np.float64],
        own_costs: dict[str, float],
        reached: int,
    ) -> Ruling:
        code = decide_one(order, own, self._rules, self._memory, reached, self._out)
        found = self._out.tolist()
        approve, challenge, review, decline = found[:4]
        propensity = found[PROPENSITY]
        return Ruling(
            ACTIONS[code & 3],
            None
            if approve != approve  # noqa: PLR0124 - the quickest way to tell NaN
            else ExpectedCost(
                approve=approve,
                challenge=challenge if order[2] else None,
                review=review,
                decline=decline,
            ),
            ranges_of(found[BEGINS : BEGINS + 4]),
            self._names[order[3]],
            SHAPES[code >> FLAGS_FROM],
            None if propensity != propensity else propensity,  # noqa: PLR0124
            own_costs,
        )

    def _fallen_back(
        self, amount_minor: int | None, order: tuple[bool, int, int], *, reached: int
    ) -> Ruling:
        written = ACTIONS.index(self.policy.written_fallback.action_for(amount_minor))
        code = decide_fallback(written, order, self._rules, self._memory, reached)
        shaped_by = SHAPES[code >> FLAGS_FROM]
        return Ruling(ACTIONS[code & 3], None, (), self._names[order[1]], shaped_by, None, {})

    def _place(self, segment: str | None) -> int:
        if segment not in self._names:
            raise PolicyError(f"the policy must have the segment {segment!r}, and it has not")
        return self._names.index(segment)
