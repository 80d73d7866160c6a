"""The cut-offs on a score that cost the least within limits: exact, from one sort."""

from __future__ import annotations

from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fraudkit.decisions.optimum.array_checks import check_numbers
from fraudkit.decisions.optimum.cut_off_search import Places, Sums, cheapest_places, least_excess
from fraudkit.decisions.optimum.limits import LetThrough, LimitedOrders, Limits, Orders, limited
from fraudkit.errors import PolicyError

__all__ = ["CutOffs", "cut_off_actions", "optimal_cut_offs", "possible_actions"]

_ALL: Final = (0, 1, 2, 3)
_RULES: Final = tuple(
    (0, *places) for n_used in range(4) for places in combinations((1, 2, 3), n_used)
)
_ROUNDING: Final = 1e-12
_RATES_MAX: Final = 20

_Floats = NDArray[np.float64]
_Actions = NDArray[np.int8]


class CutOffs(NamedTuple):
    """From which score on each action is taken, and what comes of that.

    Attributes
    ----------
    from_score : tuple of three float or None
        Of challenge, review and decline, ascending. An order gets the last of the actions that
        are possible and whose cut-off is not above its score, else it is approved. ``None`` is an
        action that is never taken.
    cost : float
        Of all orders together, in the unit of the costs.
    reviews_per_day, decline_share, fraud_rate_bps : float
        What the limits are on, as reached.
    gap : float
        No cut-offs within the limits cost less than ``cost - gap``, up to rounding. It is 0 but
        where a limit on the fraud rate leaves millions of cut-offs that could be the best.
    """

    from_score: tuple[float | None, float | None, float | None]
    cost: float
    reviews_per_day: float
    decline_share: float
    fraud_rate_bps: float
    gap: float


class _Sorted(NamedTuple):
    """Orders that count, by score.

    Attributes
    ----------
    held : LimitedOrders
    scores : ndarray of float64, shape (n_orders,)
        Ascending.
    bounds : ndarray of integers, shape (n_places,)
        Where the orders of each distinct score begin, and their number.
    """

    held: LimitedOrders
    scores: _Floats
    bounds: NDArray[np.intp]

    @property
    def distinct(self) -> _Floats:
        """The distinct scores, ascending."""
        return self.scores[self.bounds[:-1]]


def optimal_cut_offs(
    scores: _Floats, orders: Orders, let_through: LetThrough, limits: Limits | None = None
) -> CutOffs:
    """Return the ascending cut-offs with the least total cost among those within the limits.

    An order whose action is not possible gets the next action before it, among those that have a
    cut-off, that is possible. Orders of equal score get one action. A cut-off lies in the middle
    between two neighbouring scores.

    Of rules of equal cost one of the fewest actions is returned where an action is not possible
    for every order. Else, and where no price of fraud is needed, it is the one with the highest
    decline cut-off, then of review, then of challenge: an earlier action is kept as long as it
    costs no more.

    The least is exact but for the rounding of float64 sums. Time is that of sorting the scores,
    but for a limit on the fraud rate: with it, that of some tens of such searches.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_orders,)
        In [0, 1].
    orders : Orders
        Only approve must be possible. Costs that were realised go with a probability of 1 or 0,
        the label: then the fraud rate is what became of the orders.
    let_through : LetThrough
    limits : Limits, optional
        None if not given.

    Raises
    ------
    InputError
        If an argument does not hold what is said here or by its class.
    PolicyError
        If no cut-offs bring the fraud rate to its limit. The other limits can always hold, as
        every order can be approved.

    References
    ----------
    See `fraudkit.decisions.optimum.cut_off_search.cheapest_places`.

    Examples
    --------
    Two honest orders and two frauds, where a review costs 1, an insult 5 and a fraud 9. Without a
    limit the frauds are declined; where no decline may be, one can be reviewed:

    >>> is_fraud, nothing = np.array([0.0, 0, 1, 1]), np.full(4, np.nan)
    >>> costs = np.array([9 * is_fraud, nothing, np.ones(4), 5 * (1 - is_fraud)])
    >>> orders = Orders(is_fraud, np.ones(4), costs, np.zeros(4, int))
    >>> let_through = LetThrough(fraud=(1, 0.2, 0, 0), honest=(1, 0.9, 1, 0))
    >>> scores = np.array([0.1, 0.2, 0.6, 0.8])
    >>> optimal_cut_offs(scores, orders, let_through).from_score
    (None, None, 0.4)
    >>> found = optimal_cut_offs(
    ...     scores, orders, let_through, Limits(reviews_per_day_max=1, decline_share_max=0))
    >>> round(found.from_score[1], 6), found.cost
    (0.7, 10.0)
    """
    limits = limits or Limits()
    held = limited(orders, let_through, limits, always_possible=(0,))
    check_numbers("scores", scores, len(held.weights), 0.0, 1.0)
    counted = _sorted(scores, held)
    is_everything_possible = bool((counted.held.costs < np.inf).all())
    best: tuple[Places, tuple[int, ...]] | None = None
    bounds = []
    for rule in (_ALL,) if is_everything_possible else _RULES:
        found = cheapest_places(_sums(counted, rule))
        if found is None:
            continue
        bounds += [found.cost - found.gap] if found.gap else []
        if best is None or _is_cheaper(found, best[0]):
            best = found, rule
    if best is None:
        raise _out_of_reach(counted, limits)
    places, rule = best
    gap = max(places.cost - min(bounds, default=places.cost), 0.0)
    from_score = _from_score(
        counted.distinct, places, rule, states_empty=not is_everything_possible
    )
    return _result(counted, from_score, gap)


def possible_actions(costs: _Floats, rule: tuple[int, ...]) -> _Actions:
    """Return what becomes of each action of a rule, shape (4, n_orders).

    Of the actions up to it the last that is in the rule and possible; approve always is.

    Parameters
    ----------
    costs : ndarray of float64, shape (4, n_orders)
        Not finite where an action is not possible.
    """
    actions = np.zeros(costs.shape, np.int8)
    for action in range(1, 4):
        is_taken = np.isfinite(costs[action]) if action in rule else np.bool_(False)  # noqa: FBT003
        actions[action] = np.where(is_taken, action, actions[action - 1])
    return actions


def cut_off_actions(
    scores: _Floats, costs: _Floats, from_score: tuple[float | None, ...]
) -> _Actions:
    """Return the action of each order by cut-offs, see `CutOffs`.

    Examples
    --------
    >>> costs = np.array([[0.0] * 3, [1.0, 1.0, np.nan], [1.0, np.nan, 1.0], [1.0, 1.0, np.nan]])
    >>> cut_off_actions(np.array([0.1, 0.5, 0.9]), costs, (0.4, 0.4, 0.8)).tolist()
    [0, 1, 2]
    """
    actions: _Actions = np.zeros(len(scores), np.int8)
    for action, begin in enumerate(from_score, 1):
        if begin is not None:
            actions[(scores >= begin) & np.isfinite(costs[action])] = action
    return actions


def _sorted(scores: _Floats, held: LimitedOrders) -> _Sorted:
    order = np.argsort(scores, kind="stable")
    order = order[held.weights[order] > 0.0]
    ascending = scores[order]
    first = np.flatnonzero(np.diff(ascending, prepend=-np.inf))
    counted = held._replace(
        costs=held.costs[:, order], fraud=held.fraud[:, order], honest=held.honest[:, order],
        weights=held.weights[order],
    )  # fmt: skip
    return _Sorted(counted, ascending, np.append(first, len(order)))


def _sums(counted: _Sorted, rule: tuple[int, ...]) -> Sums:
    held = counted.held
    actions, rows = possible_actions(held.costs, rule), np.arange(len(held.weights))

    def before(values: _Floats) -> _Floats:
        """Return the sums of what each action adds below each place, shape (4, n_places)."""
        added = np.cumsum(values * held.weights, axis=1)
        return np.concatenate([np.zeros((4, 1)), added], axis=1)[:, counted.bounds]

    cost = before(held.costs[actions, rows])
    has_rate = held.fraud_rate_bps_max < np.inf
    excess = before(held.excess[actions, rows]) if has_rate else np.zeros_like(cost)
    reviews, declines = (before((actions == action).astype(np.float64)) for action in (2, 3))
    places, rounding = np.arange(len(counted.bounds)), _ROUNDING * float(held.weights.sum())
    lowest = places
    if 2 in rule:
        used = reviews[2] - reviews[3] + reviews[3, -1]
        most = held.reviews.most * held.reviews.divisor + rounding
        lowest = np.searchsorted(reviews[2], used - most)
    is_allowed = declines[3, -1] - declines[3] <= (
        held.declines.most * held.declines.divisor + rounding
    )
    return Sums(
        cost=cost[:-1] - cost[1:],
        excess=excess[:-1] - excess[1:],
        cost_end=float(cost[3, -1]),
        excess_end=float(excess[3, -1]),
        review_lowest=lowest,
        is_allowed=is_allowed & ((places == places[-1]) | (3 in rule)) & (lowest <= places),
        can_challenge=1 in rule,
    )


def _is_cheaper(found: Places, best: Places) -> bool:
    return found.cost < best.cost - _ROUNDING * abs(best.cost)


def _from_score(
    scores: _Floats, found: Places, rule: tuple[int, ...], *, states_empty: bool
) -> tuple[float | None, float | None, float | None]:
    """Return the cut-offs; that of an action of no score only where it takes another's place."""
    bounds = [*found.places, len(scores)]
    stated: list[float | None] = []
    for action, place in enumerate(found.places, 1):
        is_empty = place == len(scores) or (place == bounds[action] and not states_empty)
        is_left_out = action not in rule or is_empty
        stated.append(None if is_left_out else _between(scores, place))
    return stated[0], stated[1], stated[2]


def _between(scores: _Floats, place: int) -> float:
    if place == 0:
        return 0.0
    low, high = float(scores[place - 1]), float(scores[place])
    middle = low + (high - low) / 2.0
    return middle if middle > low else high


def _result(
    counted: _Sorted,
    from_score: tuple[float | None, float | None, float | None],
    gap: float,
) -> CutOffs:
    held = counted.held
    actions = cut_off_actions(counted.scores, held.costs, from_score)
    reviews, declines = (float(held.weights[actions == action].sum()) for action in (2, 3))
    cost = held.costs[actions, np.arange(len(actions))] * held.weights
    return CutOffs(
        from_score=from_score,
        cost=float(cost.sum()),
        reviews_per_day=reviews / held.reviews.divisor,
        decline_share=declines / held.declines.divisor,
        fraud_rate_bps=held.fraud_rate_bps(actions),
        gap=gap,
    )


def _out_of_reach(counted: _Sorted, limits: Limits) -> PolicyError:
    """Return the error, with the least rate: each rate that is reached is the next limit."""
    least = np.inf
    for _ in range(_RATES_MAX):
        rate = _reached_rate(counted)
        if not rate < least:
            break
        least = rate
        counted = counted._replace(held=counted.held._replace(fraud_rate_bps_max=least))
    given = ", ".join(
        f"{name}={most:g}" for name, most in limits._asdict().items() if most is not None
    )
    return PolicyError(
        f"fraud_rate_bps_max cannot be met by cut-offs: it must be at least {least:.6g}, the least "
        f"that they reach with these orders and limits, got {given}; raise one of the limits"
    )


def _reached_rate(counted: _Sorted) -> float:
    """Return the fraud rate of the cut-offs with the least excess over the limit."""
    held, rates = counted.held, []
    for rule in _RULES:
        found = least_excess(_sums(counted, rule))
        nominal = np.zeros(len(held.weights), np.intp)
        for place in found.places:
            nominal[counted.bounds[place] :] += 1
        actions = possible_actions(held.costs, rule)[nominal, np.arange(len(nominal))]
        rates.append(held.fraud_rate_bps(actions))
    return min(rates)
