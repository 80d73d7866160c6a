"""The windows that every driver is asked for, and the rows that it is fed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.outcome import Status
from fraudkit.features.plan import WindowPlan
from fraudkit.features.spec import (
    Aggregation,
    Entity,
    FeatureSet,
    OperationName,
    OrderFeature,
    Where,
)
from fraudkit.features.spec_checks import OPERATIONS_OF
from fraudkit.features.window_arrays import EVENT_ID, NO_KEY

__all__ = [
    "HOUR_MS",
    "LATENESS_MS",
    "MINUTE_MS",
    "RETENTION_MS",
    "START_MS",
    "differing",
    "empty_row",
    "event_row",
    "parity_features",
]

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
LATENESS_MS: Final = 30 * MINUTE_MS
RETENTION_MS: Final = 2 * HOUR_MS
START_MS: Final = 1_750_000_000_000

_INDEXED: Final = ("card", "email", "device")
_LOOKED_AT: Final = ("country", "card", "email", "device")
_WIDTHS: Final = ((MINUTE_MS, HOUR_MS), (HOUR_MS, None), (MINUTE_MS, None))


def parity_features(max_events: int) -> FeatureSet:
    """Return every operation under every condition, two widths each, over three entities.

    A country is looked at and has no windows of its own; a phone is in no window at all.
    """
    return FeatureSet(
        [
            Entity(name="phone", inputs=("billing.phone_number",)),
            Entity(name="card", inputs=("payment.card.fingerprint",)),
            Entity(name="country", inputs=("billing.country",)),
            Entity(name="email", inputs=("email.address",)),
            Entity(name="device", inputs=("device.fingerprint",)),
        ],
        [
            OrderFeature(
                name="one",
                inputs=("order.amount_minor",),
                compute=lambda _amount: 1.0,
                unit="",
                meaning="",
                reason_code="ONE",
                low=1.0,
                high=1.0,
            ),
            *(
                _window(
                    _INDEXED[(first // 3 + second) % 3],
                    operation,
                    width_ms,
                    where,
                    _LOOKED_AT[(first // 3 + second // 3) % 4],
                )
                for first, operation in enumerate(get_args(OperationName))
                for second, where in enumerate(get_args(Where))
                for width_ms in _WIDTHS[second % 3]
            ),
        ],
        max_events=max_events,
        retention_ms=RETENTION_MS,
    )


def _window(
    entity: str, operation: OperationName, width_ms: int | None, where: Where, of: str
) -> Aggregation:
    looked_at = of if operation in OPERATIONS_OF else None
    parts = (entity, operation, looked_at, width_ms, where)
    return Aggregation(
        name="_".join(str(part) for part in parts if part is not None),
        entity=entity,
        operation=operation,
        window_ms=width_ms,
        where=where,
        of=looked_at,
        unit="",
        meaning="",
        reason_code="X",
    )


def event_row(
    plan: WindowPlan,
    event_id: int,
    event_time_ms: int,
    *,
    available_at_ms: int,
    amount: int = 100,
    hashes: Mapping[str, int],
    known_at_ms: Mapping[Status, int] | None = None,
) -> NDArray[np.int64]:
    """Return a row with the hashes and the "known at" times that are named, and no others."""
    row = plan.event_row(
        event_id,
        event_time_ms,
        available_at_ms,
        amount,
        [hashes.get(name, NO_KEY) for name in plan.hashed],
    )
    for status, known_ms in (known_at_ms or {}).items():
        column = plan.status_column(status)
        assert column is not None
        row[column] = known_ms
    return row


def empty_row(plan: WindowPlan, row: NDArray[np.int64], event_id: int) -> NDArray[np.int64]:
    """Return an event of the same times that is in nobody's past."""
    emptied = row.copy()
    emptied[EVENT_ID] = event_id
    emptied[plan.first_hash :] = NO_KEY
    return emptied


def differing(
    plan: WindowPlan, features: FeatureSet, left: NDArray[np.float64], right: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Return the windows whose values are not ``==``, NaN being equal to NaN."""
    pairs = zip(left[plan.first_out :].tolist(), right[plan.first_out :].tolist(), strict=True)
    return {
        name: (one, other)
        for name, (one, other) in zip(features.names[plan.first_out :], pairs, strict=True)
        if one != other and not (one != one and other != other)  # noqa: PLR0124
    }
