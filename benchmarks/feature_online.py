"""Feature rows of one order at a time, against the embedded store.

Several shops share one store. The orders of one of them are timed; between two of these the
others' orders come in, so that a row finds the caches as a busy service leaves them. The shops
sell at the simulation's pace; and once more in a rush, where the half year is over in a day and
every window is full.
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
from benchmarks.harness import percentiles
from fraudkit.domain.transaction import Transaction
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.window_arrays import EVENT_TIME
from fraudkit.stores.memory import MemoryStore

__all__ = ["HOT_SHARE", "RUSH", "SHOPS", "measure_online"]

SHOPS: Final = 6
"""How many shops share the store."""

RUSH: Final = 200
"""How much faster than in the simulation all happens in a rush: a half year is less than a day."""

HOT_SHARE: Final = 0.01
"""Of all orders, those from the hot address."""

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

    def row_ns(self, place: int) -> int:
        """Return how long an order's feature row takes."""
        transaction = self._traffic.transactions[place]
        start = perf_counter_ns()
        self._online.row(transaction)
        return perf_counter_ns() - start


def measure_online(
    shop: SimulatedShop, n_timed: int, seed: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the figures and the context of the last ``n_timed`` orders of a shop."""
    plan = window_plan(shop.features)
    hot, calm, rush = (
        _traffic(shop, plan, share, pace, seed)
        for share, pace in ((HOT_SHARE, 1), (0.0, 1), (HOT_SHARE, RUSH))
    )
    row_ns, walk = _walked(shop, plan, hot, n_timed)
    is_hot = hot.is_hot[-n_timed:]
    taken = {
        "online_row": row_ns,
        "online_row_of_hot_key": np.array(row_ns)[is_hot].tolist(),
        "online_append": walk.append_ns,
        "online_row_without_hot_key": _walked(shop, plan, calm, n_timed)[0],
        "online_row_in_a_rush": _walked(shop, plan, rush, n_timed)[0],
    }
    figures: dict[str, float] = {}
    for name, samples in taken.items():
        figures |= percentiles(name, samples)
    figures["online_row_p99_over_p50"] = figures["online_row_us_p99"] / figures["online_row_us_p50"]
    counters = walk.store.counters
    return figures, {
        "features": len(shop.features.names),
        "window_features": len(shop.features.aggregations),
        "online_events_held": counters.events,
        "online_keys_held": counters.keys,
        "online_hot_key": f"1 IP address, {is_hot.sum()} of the {n_timed} orders timed",
    }


def _walked(
    shop: SimulatedShop, plan: WindowPlan, traffic: _Traffic, n_timed: int
) -> tuple[list[int], _Walk]:
    """Return the nanoseconds of each of the last rows, and the walk that made them."""
    end = len(traffic.transactions)
    walk = _Walk(shop, plan, traffic, end - n_timed - _WARM_UP_ORDERS)
    gc.collect()
    gc.freeze()  # the simulated shop is in this process only to be asked about
    try:
        for place in range(end - n_timed - _WARM_UP_ORDERS, end - n_timed):
            walk.prepare(place)
            walk.row_ns(place)
        walk.append_ns.clear()
        taken_ns = []
        for place in range(end - n_timed, end):
            walk.prepare(place)
            taken_ns.append(walk.row_ns(place))
        return taken_ns, walk
    finally:
        gc.unfreeze()


def _traffic(shop: SimulatedShop, plan: WindowPlan, share: float, pace: int, seed: int) -> _Traffic:
    transactions, is_hot = with_hot_address(
        shop.shop.transactions, share, np.random.default_rng(seed)
    )
    online = online_features(shop.features, plan, MemoryStore(plan, capacity_events=1), shop.rates)
    rows = at_pace(event_rows(transactions, shop.shop.outcomes, online, plan), plan, pace)
    shared = set(rows[is_hot][:, plan.first_hash :].ravel().tolist()) & _of_places(rows, plan)
    blocks = side_by_side(rows, plan, range(1, SHOPS), block=len(rows), shared=shared)
    return _Traffic(at_times(transactions, rows), rows, np.concatenate(list(blocks)), is_hot)


def _of_places(rows: NDArray[np.int64], plan: WindowPlan) -> set[int]:
    """Return the hashes that several shops have in common: Internet addresses and networks."""
    columns = [plan.first_hash + plan.hashed.index(name) for name in ("ip", "ip_network")]
    return set(rows[:, columns].ravel().tolist())
