"""Windows, events and workers for the tests of the shared store."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, OperationName, Where
from fraudkit.features.state import Appended, StateStore
from fraudkit.features.window_arrays import NO_KEY
from fraudkit.stores.redis import RedisStore
from fraudkit.stores.redis_nodes import RedisTimeouts
from tests.parity.windows import HOUR_MS, LATENESS_MS, MINUTE_MS, RETENTION_MS, START_MS
from tests.stores.redis_server import RedisServer

__all__ = [
    "HOUR_MS",
    "LATENESS_MS",
    "MINUTE_MS",
    "PATIENT",
    "RETENTION_MS",
    "START_MS",
    "Row",
    "event",
    "exchanged",
    "features_of",
    "new_namespace",
    "plan_of",
    "stored",
    "values",
    "worker",
]

PATIENT: Final = RedisTimeouts(connect_ms=20_000, read_ms=20_000, retry_after_ms=0)

Row = NDArray[np.int64]

_WINDOWS: Final[tuple[tuple[str, OperationName, int | None, Where, str | None], ...]] = (
    ("card", "count", MINUTE_MS, "attempted", None),
    ("card", "count", HOUR_MS, "attempted", None),
    ("card", "count", None, "attempted", None),
    ("card", "count", HOUR_MS, "fraud", None),
    ("card", "sum", HOUR_MS, "attempted", None),
    ("card", "std", HOUR_MS, "attempted", None),
    ("card", "distinct", HOUR_MS, "attempted", "email"),
    ("email", "count", HOUR_MS, "attempted", None),
    ("email", "share", HOUR_MS, "fraud", None),
    ("email", "count", None, "declined_soft", None),
    ("email", "is_new", None, "attempted", "country"),
)

_namespaces = count()


def features_of(max_events: int = 50) -> FeatureSet:
    """Return windows of cards and e-mail addresses; countries are looked at only."""
    return FeatureSet(
        [
            Entity(name="card", inputs=("payment.card.fingerprint",)),
            Entity(name="email", inputs=("email.address",)),
            Entity(name="country", inputs=("billing.country",)),
        ],
        [
            Aggregation(
                name=f"{entity}_{operation}_{width_ms or 'ever'}_{where}",
                entity=entity,
                operation=operation,
                window_ms=width_ms,
                where=where,
                of=of,
                unit="",
                meaning="",
                reason_code="X",
            )
            for entity, operation, width_ms, where, of in _WINDOWS
        ],
        max_events=max_events,
        retention_ms=RETENTION_MS,
    )


def plan_of(max_events: int = 50) -> WindowPlan:
    return window_plan(features_of(max_events))


def new_namespace() -> str:
    """Return a namespace that no other test has."""
    return f"test{next(_namespaces)}"


def worker(
    server: RedisServer, namespace: str, plan: WindowPlan | None = None, **options: Any
) -> RedisStore:
    """Return a store as a process of its own would open it."""
    given = {"allowed_lateness_ms": LATENESS_MS, "timeouts": PATIENT, **options}
    return RedisStore(plan or plan_of(), given.pop("url", server.url), namespace=namespace, **given)


def event(
    event_id: int,
    time_ms: int,
    *,
    card: int = 7,
    email: int = NO_KEY,
    country: int = NO_KEY,
    amount: int = 100,
    received_ms: int | None = None,
) -> Row:
    """Return an event; times count from `START_MS`, and it is received when it is made."""
    return plan_of().event_row(
        event_id,
        START_MS + time_ms,
        START_MS + (time_ms if received_ms is None else received_ms),
        amount,
        [card, email, country],
    )


def values(store: StateStore, query: Row) -> dict[str, float]:
    """Return what a store says to a query; NaN as -2."""
    out = np.full(len(_WINDOWS), -1.0)
    store.read(query, out)
    return dict(zip(features_of().names, np.nan_to_num(out, nan=-2.0).tolist(), strict=True))


def exchanged(store: StateStore, row: Row) -> tuple[Appended, list[float]]:
    """Return what became of an event, and what was read for it; NaN as -2."""
    out = np.full(len(_WINDOWS), -1.0)
    found = store.exchange(row, out)
    return found, np.nan_to_num(out, nan=-2.0).tolist()


def stored(server: RedisServer, namespace: str) -> dict[str, bytes]:
    """Return what Redis holds under the keys of event ids (``id:``) and entities (``0:``, …)."""
    with server.client as client:
        keys = [key for key in client.scan_iter(f"{namespace}:*") if client.type(key) == b"string"]
        return {key.decode().split(":", 2)[2]: client.get(key) for key in keys}
