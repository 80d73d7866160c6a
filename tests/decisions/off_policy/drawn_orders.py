"""Past orders for property tests: whole numbers, so that sums are exact in any order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.off_policy.past_orders import APPROVE, DECLINE, PastOrders

__all__ = ["chosen_rows", "completions", "past_orders"]

_KINDS = ("known", "young", "declined", "explored", "stayed")
_NAN = float("nan")


class _Order(NamedTuple):
    action: int
    new_action: int
    is_fraud: float
    at_honest: list[int]
    at_fraud: list[int]
    probability: float
    day: int
    approve_propensity: float
    amount_minor: int


@st.composite
def _order(draw: st.DrawFn, kinds: tuple[str, ...]) -> _Order:
    kind = draw(st.sampled_from(kinds))
    done = {"known": st.integers(0, 3), "young": st.integers(0, 2), "explored": st.just(APPROVE)}
    is_labelled, had_a_chance = kind in {"known", "explored"}, kind in {"explored", "stayed"}
    costs = st.lists(st.integers(-1_000, 1_000), min_size=4, max_size=4)
    return _Order(
        action=draw(done.get(kind, st.just(DECLINE))),
        new_action=draw(st.integers(0, 3)),
        is_fraud=draw(st.sampled_from([0.0, 1.0])) if is_labelled else _NAN,
        at_honest=draw(costs),
        at_fraud=draw(costs),
        probability=draw(st.integers(0, 8)) / 8,
        day=draw(st.integers(0, 9)),
        approve_propensity=draw(st.sampled_from([0.5, 0.25, 0.125])) if had_a_chance else _NAN,
        amount_minor=draw(st.integers(1, 10**6)),
    )


def past_orders(
    *, kinds: tuple[str, ...] = _KINDS, min_size: int = 0, max_size: int = 9
) -> st.SearchStrategy[PastOrders]:
    """Return orders of some kinds, each with costs of its own.

    The kinds are: the outcome is known, it is not known yet, declined, and would-be declines that
    had a chance to be approved and were, or were not.
    """
    return st.lists(_order(kinds), min_size=min_size, max_size=max_size).map(_as_arrays)


def _as_arrays(rows: list[_Order]) -> PastOrders:
    columns = [[row[place] for row in rows] for place in range(len(_Order._fields))]
    kinds = {"action": np.int8, "new_action": np.int8, "day": np.int64}
    held = {
        name: np.array(column, kinds.get(name, np.float64))
        for name, column in zip(_Order._fields, columns, strict=True)
    }
    for name in ("at_honest", "at_fraud"):
        held[name] = held[name].reshape(len(rows), 4).T
    return PastOrders(**held)


def completions(orders: PastOrders) -> NDArray[np.float64]:
    """Return every completion of the unknown labels, shape (n_completions, n_orders)."""
    unknown = np.flatnonzero(np.isnan(orders.is_fraud))
    bits = np.arange(2 ** len(unknown))[:, None] >> np.arange(len(unknown)) & 1
    labels = np.tile(orders.is_fraud, (len(bits), 1))
    labels[:, unknown] = bits
    return labels


def chosen_rows(orders: PastOrders, rows: NDArray[np.int64]) -> PastOrders:
    """Return some orders, in the order of ``rows``."""
    return PastOrders(*(part if part is None else part[..., rows] for part in orders))
