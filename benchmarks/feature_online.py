"""Feature rows of one order at a time, against the embedded store.

Several shops share one store. The orders of one of them are timed; between two of these the
others' orders come in, so that a row finds the caches as a busy service leaves them.
"""

from __future__ import annotations

import gc
from time import perf_counter_ns
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.feature_stream import (
    SimulatedShop,
    at_pace,
    at_times,
    event_rows,
    online_features,
    side_by_side,
    with_hot_address,
)
from benchmarks.harness import Lane, percentiles, take_turns
from fraudkit.domain.transaction import Transaction
from fraudkit.features.online import OnlineRow
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.window_arrays import EVENT_TIME
from fraudkit.stores.memory import MemoryStore

__all__ = ["HOT_SHARE", "PACE", "SHOPS", "measure_online"]

SHOPS: Final = 6
"""How many shops share the store."""

PACE: Final = 200
"""How much faster than in the simulation all happens: its half year becomes less than a day."""

HOT_SHARE: Final = 0.01
"""Of all orders, those from the hot address."""

_BLOCK: Final = 50
_WARM_UP_ORDERS: Final = 200


class _Traffic(NamedTuple):
    """Orders to time and the events around them.

    Attributes
    ----------
    transactions : list of Transaction
        Of the shop that is timed.
    rows : ndarray of int64, shape (n_orders, n_columns)
        Their events.
    others : ndarray of int64, shape (n_events, n_columns)
        The other shops' events, by time.
    is_hot : ndarray of bool, shape (n_orders,)
        Which orders come from the hot address.
    """

    transactions: list[Transaction]
    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    is_hot: NDArray[np.bool_]


class _Walk:
    """One store, and the walk over the orders against it."""

    def __init__(
        self, shop: SimulatedShop, plan: WindowPlan, traffic: _Traffic, first: int
    ) -> None:
        self.store = MemoryStore(plan)
        self.append_ns: list[int] = []
        self._online = online_features(shop.features, plan, self.store, shop.rates)
        self._traffic = traffic
        times, others = traffic.rows[:, EVENT_TIME], traffic.others[:, EVENT_TIME]
        self._until = np.searchsorted(others, times).tolist()
        self._loaded = self._until[first]
        self._asked = -1
        past = np.concatenate([traffic.rows[:first], traffic.others[: self._loaded]])
        self.store.load(past[np.argsort(past[:, EVENT_TIME], kind="stable")])

    def prepare(self, place: int) -> None:
        """Take in the order before, which is timed too, and what the other shops sold since."""
        if self._asked >= 0:
            event = self._traffic.rows[self._asked]
            start = perf_counter_ns()
            self.store.append(event)
            self.append_ns.append(perf_counter_ns() - start)
        self._asked = place
        self.store.load(self._traffic.others[self._loaded : self._until[place]])
        self._loaded = self._until[place]

    def row(self, place: int) -> OnlineRow:
        """Return an order's feature row."""
        return self._online.row(self._traffic.transactions[place])


def measure_online(
    shop: SimulatedShop, n_timed: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures and the context of the last ``n_timed`` orders of a shop."""
    plan = window_plan(shop.features)
    timed = range(len(shop.shop.transactions) - n_timed, len(shop.shop.transactions))
    first = timed.start - _WARM_UP_ORDERS
    hot = _traffic(shop, plan, HOT_SHARE, seed)
    walks = {
        "online_row": _Walk(shop, plan, hot, first),
        "online_row_without_hot_key": _Walk(shop, plan, _traffic(shop, plan, 0.0, seed), first),
    }
    _take_turns(walks, range(first, timed.start), seed)
    for walk in walks.values():
        walk.append_ns.clear()
    taken = _take_turns(walks, timed, seed)
    is_hot = hot.is_hot[timed.start :]
    taken["online_row_of_hot_key"] = np.array(taken["online_row"])[is_hot].tolist()
    taken["online_append"] = walks["online_row"].append_ns
    figures: dict[str, float] = {}
    for name, samples in taken.items():
        figures |= percentiles(name, samples)
    figures["online_row_p99_over_p50"] = figures["online_row_us_p99"] / figures["online_row_us_p50"]
    counters = walks["online_row"].store.counters
    return figures, {
        "features": len(shop.features.names),
        "window_features": len(shop.features.aggregations),
        "online_events_held": counters.events,
        "online_keys_held": counters.keys,
        "online_hot_key": f"1 IP address, {is_hot.sum()} of the {n_timed} orders timed",
    }


def _take_turns(walks: dict[str, _Walk], places: range, seed: int) -> dict[str, list[int]]:
    lanes = {name: Lane(walk.row, walk.prepare) for name, walk in walks.items()}
    gc.collect()
    gc.freeze()  # the simulated shop is in this process only to be asked about
    try:
        return take_turns(lanes, places, block=_BLOCK, generator=np.random.default_rng(seed))
    finally:
        gc.unfreeze()


def _traffic(shop: SimulatedShop, plan: WindowPlan, share: float, seed: int) -> _Traffic:
    transactions, is_hot = with_hot_address(
        shop.shop.transactions, share, np.random.default_rng(seed)
    )
    online = online_features(shop.features, plan, MemoryStore(plan, capacity_events=1), shop.rates)
    rows = at_pace(event_rows(transactions, shop.shop.outcomes, online, plan), plan, PACE)
    shared = set(rows[is_hot][:, plan.first_hash :].ravel().tolist()) & _of_places(rows, plan)
    blocks = side_by_side(rows, plan, range(1, SHOPS), block=len(rows), shared=shared)
    return _Traffic(at_times(transactions, rows), rows, np.concatenate(list(blocks)), is_hot)


def _of_places(rows: NDArray[np.int64], plan: WindowPlan) -> set[int]:
    """Return the hashes that several shops have in common: Internet addresses and networks."""
    columns = [plan.first_hash + plan.hashed.index(name) for name in ("ip", "ip_network")]
    return set(rows[:, columns].ravel().tolist())
