"""The default windows: which past of an entity is looked at.

A row costs by its *lane*: one pass over the events for each different (kind of operation, status,
counted field) of an entity, up to the widest of its windows. More widths in a lane cost next to
nothing. Distinct counts are the dearest lanes, so an entity has at most three of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from fraudkit.features.spec import Aggregation, Entity, OperationName, Where
from fraudkit.features.window_words import worded_window

__all__ = ["RELATIONS", "default_windows"]

RELATIONS: Final[frozenset[OperationName]] = frozenset(
    {
        "amount_over_mean",
        "amount_over_max",
        "count_same_amount",
        "count_same",
        "is_new",
        "seconds_since_same",
    }
)
"""The operations that hold the order itself against its past."""

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


class _Row(NamedTuple):
    """Windows of one operation; ``None`` is as wide as the past is kept."""

    operation: OperationName
    widths_ms: tuple[int | None, ...] = (None,)
    where: Where = "attempted"
    of: str | None = None


_WINDOWS: Final[dict[str, tuple[_Row, ...]]] = {
    "card": (
        _Row("count", (10 * _MINUTE, _HOUR, _DAY)),
        _Row("count", (10 * _MINUTE, _HOUR), "declined_soft"),
        _Row("count", (10 * _MINUTE, _HOUR), "declined_hard"),
        _Row("count", (90 * _DAY,), "authorized"),
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("sum", (_DAY,)),
        _Row("amount_over_mean", (90 * _DAY,)),
        _Row("count_same_amount", (_DAY,)),
        _Row("distinct", (7 * _DAY,), of="account"),
        _Row("distinct", (30 * _DAY,), of="email"),
        _Row("distinct", (7 * _DAY,), of="currency"),
        _Row("seconds_since_last", (30 * _DAY,)),
        _Row("seconds_since_first"),
        _Row("is_new", of="device"),
        _Row("is_new", of="shipping_address"),
        _Row("is_new", of="ip_country"),
    ),
    "account": (
        _Row("count", (_HOUR, _DAY, 30 * _DAY)),
        _Row("count", (180 * _DAY,), "approved"),
        _Row("count", (90 * _DAY,), "refunded"),
        _Row("count", (180 * _DAY,), "good"),
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("amount_over_mean", (90 * _DAY,)),
        _Row("amount_over_max", (180 * _DAY,)),
        _Row("std", (90 * _DAY,)),
        _Row("distinct", (30 * _DAY,), of="device"),
        _Row("distinct", (30 * _DAY,), of="card"),
        _Row("distinct", (7 * _DAY,), of="ip_country"),
        _Row("seconds_since_last", (90 * _DAY,)),
        _Row("seconds_since_first"),
        _Row("is_new", of="device"),
        _Row("seconds_since_same", of="device"),
        _Row("is_new", of="shipping_address"),
        _Row("seconds_since_same", of="shipping_address"),
        _Row("is_new", of="card"),
        _Row("is_new", of="ip_country"),
    ),
    "email": (
        _Row("count", (_DAY, 30 * _DAY)),
        _Row("count", (7 * _DAY,), "declined"),
        _Row("count", (180 * _DAY,), "good"),
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("share", (180 * _DAY,), "fraud"),
        _Row("amount_over_mean", (90 * _DAY,)),
        _Row("distinct", (7 * _DAY,), of="card"),
        _Row("distinct", (30 * _DAY,), of="account"),
        _Row("seconds_since_last", (90 * _DAY,)),
        _Row("seconds_since_first"),
        _Row("is_new", of="device"),
        _Row("is_new", of="card"),
        _Row("is_new", of="shipping_address"),
    ),
    "device": (
        _Row("count", (10 * _MINUTE, _HOUR, _DAY)),
        _Row("count", (_HOUR,), "declined_soft"),
        _Row("count", (10 * _MINUTE, _HOUR), "declined_hard"),
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("min", (_DAY,)),
        _Row("count_same_amount", (_HOUR,)),
        _Row("distinct", (_DAY,), of="card"),
        _Row("distinct", (30 * _DAY,), of="account"),
        _Row("distinct", (7 * _DAY,), of="email"),
        _Row("seconds_since_first"),
    ),
    "ip": (
        _Row("count", (_MINUTE, _HOUR, _DAY)),
        _Row("count", (_HOUR,), "declined_soft"),
        _Row("count", (10 * _MINUTE, _HOUR), "declined_hard"),
        _Row("share", (_DAY,), "authorized"),
        _Row("count", (30 * _DAY,), "fraud"),
        _Row("distinct", (_HOUR, _DAY), of="card"),
        _Row("distinct", (_DAY,), of="account"),
        _Row("distinct", (_DAY,), of="card_country"),
    ),
    "ip_network": (
        _Row("count", (10 * _MINUTE, _HOUR, _DAY)),
        _Row("count", (_HOUR,), "declined_hard"),
        _Row("count", (30 * _DAY,), "fraud"),
        _Row("share", (30 * _DAY,), "fraud"),
        _Row("count_same", (_DAY,), of="email_domain"),
        _Row("distinct", (_DAY,), of="card"),
        _Row("distinct", (_DAY,), of="account"),
    ),
    "shipping_address": (
        _Row("count", (_DAY, 7 * _DAY)),
        _Row("count", (90 * _DAY,), "refunded"),
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("share", (180 * _DAY,), "fraud"),
        _Row("sum", (7 * _DAY,)),
        _Row("distinct", (30 * _DAY,), of="account"),
        _Row("distinct", (30 * _DAY,), of="card"),
        _Row("seconds_since_first"),
    ),
    "billing_address": (
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("distinct", (30 * _DAY,), of="account"),
        _Row("distinct", (30 * _DAY,), of="card"),
        _Row("seconds_since_first"),
    ),
    "phone": (
        _Row("count", (_DAY,)),
        _Row("count", (180 * _DAY,), "fraud"),
        _Row("distinct", (30 * _DAY,), of="account"),
        _Row("seconds_since_first"),
    ),
}

_OWN_WINDOWS: Final = (
    _Row("count", (_HOUR, _DAY, 7 * _DAY, 30 * _DAY)),
    _Row("count", (_DAY,), "declined_soft"),
    _Row("count", (_DAY,), "declined_hard"),
    _Row("count", (7 * _DAY, 14 * _DAY, 30 * _DAY, 180 * _DAY), "fraud"),
    _Row("share", (14 * _DAY, 30 * _DAY, 180 * _DAY), "fraud"),
    _Row("mean", (30 * _DAY,)),
    _Row("amount_over_mean", (30 * _DAY,)),
    _Row("distinct", (7 * _DAY,), of="card"),
    _Row("distinct", (7 * _DAY,), of="account"),
    _Row("seconds_since_last", (30 * _DAY,)),
    _Row("seconds_since_first"),
)
"""The windows of an entity of the shop's own: a seller, a terminal, a gift card."""


def default_windows(entities: Sequence[Entity], own: Collection[str] = ()) -> Iterator[Aggregation]:
    """Yield the windows of some entities, entity by entity.

    Parameters
    ----------
    entities : sequence of Entity
        Those of `fraudkit.features.catalog.ENTITIES` and `COUNTED_FIELDS`, and others.
    own : collection of str
        The names of the shop's own among them: they get the same windows all.
    """
    by_name = {entity.name: entity for entity in entities}
    for entity in entities:
        for row in _OWN_WINDOWS if entity.name in own else _WINDOWS.get(entity.name, ()):
            of = None if row.of is None else by_name[row.of]
            for width_ms in row.widths_ms:
                yield worded_window(entity, row.operation, width_ms, where=row.where, of=of)
