"""Two ways of deciding the same past orders: what moves, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fraudkit.backtest.affected import (
    Stakes,
    affected_groups,
    dimension_values,
    moved_examples,
)
from fraudkit.backtest.frame import PastFrame, checked_frame, codes_of, decided_by
from fraudkit.backtest.history import known_orders
from fraudkit.backtest.result import Backtest, MatrixCell
from fraudkit.decisions.decider import Decider
from fraudkit.decisions.off_policy.past_orders import DECLINE, PastOrders
from fraudkit.decisions.off_policy.policy_difference import policy_difference
from fraudkit.decisions.policy import ACTIONS, Policy
from fraudkit.domain.money import RateTable
from fraudkit.errors import InputError, PolicyError
from fraudkit.evaluation import explored, scored_orders
from fraudkit.mapping import MappedData
from fraudkit.scoring.maturity import mature_before

__all__ = ["backtest", "backtest_scores"]

_MS_PER_DAY = 86_400_000
_OLD_ACTION, _NEW_ACTION = "fraudkit.old_action", "fraudkit.new_action"


class _Asked(NamedTuple):
    """What is asked of a backtest, besides its orders."""

    names: tuple[str, str]
    dimensions: Sequence[str] | None
    n_examples: int


class _Sides(NamedTuple):
    """What both sides decide, shape (n_orders,) each, as places in `ACTIONS`."""

    old: NDArray[np.int64]
    new: NDArray[np.int64]


def backtest(
    orders: pl.DataFrame,
    old: Policy | None,
    new: Policy,
    *,
    mature_before_ms: int | None = None,
    dimensions: Sequence[str] | None = None,
    n_examples: int = 10,
    names: tuple[str, str] = ("old", "new"),
) -> Backtest:
    """Return what a new policy would have made of the orders that an old one decides.

    Each policy decides all orders in order of time, by UTC day within its limits, with nothing
    left to chance: what it would explore is a decline.

    Parameters
    ----------
    orders : polars.DataFrame
        One row an order, in any order. ``transaction_id``; ``event_time_ms``, UTC;
        ``fraud_probability``, calibrated, in [0, 1]; ``amount_minor``, in the policies' currency,
        null or NaN where it is not known; ``is_fraud``, null where the outcome is not known.
        Then, where they are there: ``new_fraud_probability``, that the new policy decides by;
        ``action``, what was in fact decided, null where that is not known;
        ``approve_propensity``, the logged probability in (0, 1] with which an order was approved
        that the policy of the time would have declined, also for those that stayed declined;
        and paths of the vocabulary, such as ``payment.method``, that the policies or the
        dimensions read.
    old : Policy or None
        ``None`` for what was in fact decided, an order that was approved by chance being the
        decline that it would have been. Then every order must have an ``action``.
    new : Policy
        Its costs hold for both sides.
    mature_before_ms : int, optional
        Orders from this time on are too young: their outcomes and propensities are not used.
    dimensions : sequence of str, optional
        Columns to say who is affected by; ``"customer"`` and ``"amount_band"`` are made, see
        `fraudkit.backtest.affected.dimension_values`. By default country, method, customer and
        amount band, those of them that the orders have.
    n_examples : int
        How many moved orders to name, 0 or more.
    names : tuple of two str
        What the two sides are called.

    Raises
    ------
    DataFileError
        If a column is missing, holds an action that is none of ours or has nulls where it may not,
        or if an order comes twice.
    InputError
        If a value cannot be, or an order that was approved by chance has no outcome.
    PolicyError
        If a policy does not hold, or the two have costs in different currencies.

    Examples
    --------
    >>> from msgspec.structs import replace
    >>> orders = pl.DataFrame({
    ...     "transaction_id": ["a", "b", "c"],
    ...     "event_time_ms": [0, 1, 2],
    ...     "fraud_probability": [0.01, 0.3, 0.97],
    ...     "amount_minor": [5_000, 20_000, 9_000],
    ...     "is_fraud": [False, True, None],
    ... })
    >>> careful = replace(Policy(), odds_factor=5.0)
    >>> found = backtest(orders, Policy(), careful)
    >>> [(c.old_action, c.new_action, c.n_orders) for c in found.matrix if c.n_orders]
    [('approve', 'challenge', 1), ('challenge', 'challenge', 1), ('decline', 'decline', 1)]
    >>> found.difference.cost_minor.kind, round(found.difference.cost_minor.value, 6)
    ('identified', 270.0)
    """
    deciders = [Decider(policy) for policy in (old or new, new)]
    if old is not None:
        _check_currencies(old, new)
    past = checked_frame(orders, mature_before_ms)
    columns = _columns(past.frame, deciders)
    decided = decided_by(deciders[1], past, past.new_probability, columns)
    before = (
        _what_was_done(past)
        if old is None
        else decided_by(deciders[0], past, past.old_probability, columns)
    )
    asked = _Asked(names, dimensions, n_examples)
    return _backtest_of(past, _Sides(before, decided), deciders[1], columns, asked)


def backtest_scores(  # noqa: PLR0913 - options by keyword
    old_scores: pl.DataFrame,
    new_scores: pl.DataFrame,
    data: MappedData,
    rates: RateTable,
    policy: Policy,
    *,
    as_of_ms: int,
    label_delay_days: float | None = None,
    dimensions: Sequence[str] | None = None,
    n_examples: int = 10,
    names: tuple[str, str] = ("old", "new"),
) -> Backtest:
    """Return what moved between two files of scores of the same orders, and what it is worth.

    The actions are those of the files, but an order that a policy approved by its own chance while
    scoring is the decline that it would have been, and the chance that it drew is not a logged
    one: see `fraudkit.evaluation.explored`. Orders that only one of them scored are left out.

    Parameters
    ----------
    old_scores, new_scores : polars.DataFrame
        As `fraudkit.rescoring.score_data` or `fraudkit.backtest.decide_again` gives them.
    data : MappedData
        The same orders with their labels or outcomes, and logged propensities if there are any.
    policy : Policy
        Its costs hold for both sides: that of the new scores.
    as_of_ms, label_delay_days
        When we look, and how long labels take; as for `fraudkit.evaluation.evaluate`.
    dimensions, n_examples, names
        As for `backtest`.

    Raises
    ------
    DataFileError
        If scores lack a column or an order has two; see `fraudkit.evaluation.scored_orders`.
    InputError
        If no order is in all three.
    PolicyError
        If the policy does not hold, or its costs are in another currency than the amounts.
    """
    if policy.costs.currency != rates.reference_currency:
        raise PolicyError(
            f"costs.currency must be the reference currency {rates.reference_currency}, "
            f"got {policy.costs.currency}"
        )
    old, new = scored_orders(old_scores), scored_orders(new_scores)
    known = known_orders(data, rates, as_of_ms=as_of_ms, label_delay_days=label_delay_days)
    orders = known.join(
        old.rename({"action": _OLD_ACTION}), on="transaction_id", validate="1:1"
    ).join(
        new.rename({"action": _NEW_ACTION, "fraud_probability": "new_fraud_probability"}),
        on="transaction_id",
        validate="1:1",
    )
    if orders.is_empty():
        raise InputError(
            f"a backtest needs orders that are in {names[0]}, in {names[1]} and in the data, got "
            "none; are they scores of the same file?"
        )
    decider = Decider(policy)
    past = checked_frame(orders, mature_before(as_of_ms, label_delay_days))
    sides = _Sides(codes_of(past.frame[_OLD_ACTION]), codes_of(past.frame[_NEW_ACTION]))
    left_out = {names[0]: len(old) - len(orders), names[1]: len(new) - len(orders)}
    remarks = tuple(
        f"{count:,} orders of {name} are left out: the other side or the data have them not."
        for name, count in left_out.items()
        if count
    )
    chances = _chance_remarks(names, (old_scores, new_scores))
    past = past._replace(remarks=past.remarks + remarks + chances)
    columns = _columns(past.frame, [decider])
    asked = _Asked(names, dimensions, n_examples)
    return _backtest_of(past, sides, decider, columns, asked)


def _chance_remarks(
    names: tuple[str, str], sides: tuple[pl.DataFrame, pl.DataFrame]
) -> tuple[str, ...]:
    counts = [int(explored(scores).sum()) for scores in sides]
    return tuple(
        f"{count:,} orders that {name} approved by its own chance count as the declines that they "
        "would have been."
        for name, count in zip(names, counts, strict=True)
        if count
    )


def _check_currencies(old: Policy, new: Policy) -> None:
    if old.costs.currency != new.costs.currency:
        raise PolicyError(
            "both policies must have costs in the currency of the amounts, got "
            f"{old.costs.currency} and {new.costs.currency}"
        )


def _columns(frame: pl.DataFrame, deciders: Sequence[Decider]) -> dict[str, Sequence[object]]:
    paths = dict.fromkeys(path for decider in deciders for path in decider.paths)
    return {path: frame[path].to_list() for path in paths if path in frame.columns}


def _what_was_done(past: PastFrame) -> NDArray[np.int64]:
    if (past.done < 0).any():
        raise InputError(
            f"every order must have an action where old is None, got {(past.done < 0).sum():,} "
            "without; give the old policy, or the column action"
        )
    return np.where(np.isnan(past.approve_propensity), past.done, DECLINE)


def _backtest_of(
    past: PastFrame,
    sides: _Sides,
    pricing: Decider,
    columns: dict[str, Sequence[object]],
    asked: _Asked,
) -> Backtest:
    at_honest, at_fraud = pricing.cost_lines_of_many(past.amount_minor, columns)
    past_orders = PastOrders(
        action=np.where(past.done < 0, sides.old, past.done),
        new_action=sides.new,
        is_fraud=past.is_fraud,
        at_honest=at_honest,
        at_fraud=at_fraud,
        probability=past.new_probability,
        day=past.time_ms // _MS_PER_DAY,
        approve_propensity=past.approve_propensity,
        amount_minor=past.amount_minor,
    )
    row = np.arange(len(sides.old))
    stakes = Stakes.of(
        past.is_fraud,
        *(costs[sides.new, row] - costs[sides.old, row] for costs in (at_honest, at_fraud)),
    )
    dimensions = dimension_values(past.frame, past.amount_minor, asked.dimensions)
    is_unknown = np.isnan(past.is_fraud)
    n_orders = len(row)
    return Backtest(
        old=asked.names[0],
        new=asked.names[1],
        currency=pricing.policy.costs.currency,
        n_orders=n_orders,
        first_event_ms=int(past.time_ms[0]) if n_orders else None,
        last_event_ms=int(past.time_ms[-1]) if n_orders else None,
        n_outcome_known=int((~is_unknown).sum()),
        n_declined=int((is_unknown & ~past.is_too_young & (past.done == DECLINE)).sum()),
        n_too_young=int(past.is_too_young.sum()),
        n_unused_outcomes=past.n_unused_outcomes,
        matrix=_matrix(sides, past),
        difference=policy_difference(past_orders, old_action=sides.old),
        groups=affected_groups(dimensions, sides.old, sides.new, stakes),
        examples=moved_examples(past, sides.old, sides.new, stakes, dimensions, asked.n_examples),
        remarks=past.remarks,
    )


def _matrix(sides: _Sides, past: PastFrame) -> tuple[MatrixCell, ...]:
    n_actions = len(ACTIONS)
    place = sides.old * n_actions + sides.new

    def counted(weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        return np.bincount(place, weights, n_actions**2).astype(np.float64)

    n_orders, amount = counted(), counted(np.nan_to_num(past.amount_minor))
    frauds = counted((past.is_fraud == 1.0).astype(np.float64))
    honest = counted((past.is_fraud == 0.0).astype(np.float64))
    return tuple(
        MatrixCell(
            old_action=ACTIONS[cell // n_actions],
            new_action=ACTIONS[cell % n_actions],
            n_orders=int(n_orders[cell]),
            amount_minor=float(amount[cell]),
            n_frauds=int(frauds[cell]),
            n_honest=int(honest[cell]),
        )
        for cell in range(n_actions**2)
    )
