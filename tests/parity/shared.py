"""Stores that share a Redis: new ones, and more of the last one."""

from __future__ import annotations

from contextlib import closing
from itertools import cycle

from redis import Redis

from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import StateStore
from fraudkit.stores.redis import RedisStore
from fraudkit.stores.redis_nodes import RedisTimeouts
from tests.parity.windows import LATENESS_MS

__all__ = ["SharedStores"]

_PATIENT = RedisTimeouts(connect_ms=30_000, read_ms=30_000, retry_after_ms=0)


class SharedStores:
    """The stores in one server, a few at a time."""

    def __init__(self, url: str) -> None:
        self._server = url.rpartition("/")[0]
        self._databases = cycle(range(16))
        self._database = 0

    def new(self, plan: WindowPlan) -> StateStore:
        """Return a store in the next database, which is emptied first."""
        self._database = next(self._databases)
        with closing(Redis.from_url(self._url)) as client:
            client.flushdb()
        return self.again(plan)

    def again(self, plan: WindowPlan) -> StateStore:
        """Return another client of the newest store, as a worker that starts has it."""
        return RedisStore(plan, self._url, allowed_lateness_ms=LATENESS_MS, timeouts=_PATIENT)

    @property
    def _url(self) -> str:
        return f"{self._server}/{self._database}"
