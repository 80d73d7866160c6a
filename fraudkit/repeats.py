"""The same transaction id again, with other content: what of it differs.

The journal holds no content, only hashes of identities and the feature row; they tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fraudkit.domain.basket import BASKET_PATHS
from fraudkit.features.derived import DERIVED_PATHS
from fraudkit.features.fields import REFERENCE_AMOUNT
from fraudkit.features.online import OnlineRow
from fraudkit.features.spec import FeatureSet
from fraudkit.features.window_arrays import EVENT_TIME, NO_KEY
from fraudkit.journal.record import DecisionRecord

__all__ = ["differing_fields"]


def differing_fields(
    features: FeatureSet, row: OnlineRow, earlier: DecisionRecord
) -> tuple[str, ...]:
    """Return JSON pointers to fields in which a transaction differs from the one decided before.

    Told are the time, the amount, identities, and fields that order features read; of a feature
    that reads several, all of them, unless one of them is told already. Empty where the difference
    lies elsewhere.
    """
    if len(row.keys) != len(features.entities):
        return ()  # another bundle made the row, and was replaced meanwhile
    paths: dict[str, None] = {}
    if int(row.event[EVENT_TIME]) != earlier.event_time_ms:
        paths["event_time_ms"] = None
    if row.reference_amount_minor != earlier.amount_minor:
        paths[REFERENCE_AMOUNT] = None
    for entity, key in zip(features.entities, row.keys.tolist(), strict=True):
        if earlier.entities.get(entity.name, NO_KEY) != key:
            paths |= dict.fromkeys(entity.inputs)
    if earlier.features_version == features.digest[:16]:
        for inputs in _read_otherwise(features, row.values, earlier):
            if paths.keys().isdisjoint(inputs):
                paths |= dict.fromkeys(inputs)
    return tuple(dict.fromkeys(map(_pointer, paths)))


def _read_otherwise(
    features: FeatureSet, values: NDArray[np.float64], earlier: DecisionRecord
) -> Iterator[tuple[str, ...]]:
    """Yield what order features with another value read, those of one field first."""
    n_own = len(features.order_features)
    held = np.frombuffer(earlier.features, "<f8")[:n_own]
    is_same = (values[:n_own] == held) | (np.isnan(values[:n_own]) & np.isnan(held))
    differing = [features.order_features[place].inputs for place in np.flatnonzero(~is_same)]
    yield from sorted(differing, key=len)


def _pointer(path: str) -> str:
    """Return the pointer to the field of the body that a path is made of."""
    if path == REFERENCE_AMOUNT:
        return "/order/amount_minor"
    if path in BASKET_PATHS:
        return "/order/items"
    if path in DERIVED_PATHS:
        return _DERIVED_FROM.get(path.partition(".")[0], "/" + path.partition(".")[0])
    return "/" + path.removesuffix("_ms").replace(".", "/")


_DERIVED_FROM = {
    "ip": "/device/ip_address",
    "card_range": "/payment/card/issuer_id_number",
    "email": "/email/address",
}
