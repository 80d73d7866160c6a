"""The default windows: which past of an entity is looked at, and how it is said in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fraudkit.features.spec import Aggregation, Entity, OperationName, Where

__all__ = ["default_windows"]

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

_WINDOWS: Final[dict[str, tuple[tuple[OperationName, int, Where, str | None], ...]]] = {
    "card": (
        ("count", _HOUR_MS, "attempted", None),
        ("count", _DAY_MS, "attempted", None),
        ("sum", _DAY_MS, "attempted", None),
        ("distinct", 7 * _DAY_MS, "attempted", "account"),
        ("seconds_since_last", 30 * _DAY_MS, "attempted", None),
        ("count", 180 * _DAY_MS, "fraud", None),
    ),
    "account": (
        ("count", _DAY_MS, "attempted", None),
        ("amount_over_mean", 90 * _DAY_MS, "attempted", None),
        ("seconds_since_last", 90 * _DAY_MS, "attempted", None),
        ("distinct", 30 * _DAY_MS, "attempted", "device"),
        ("count", 180 * _DAY_MS, "fraud", None),
    ),
    "email": (
        ("count", _DAY_MS, "attempted", None),
        ("count", 30 * _DAY_MS, "attempted", None),
        ("distinct", 7 * _DAY_MS, "attempted", "card"),
        ("seconds_since_last", 90 * _DAY_MS, "attempted", None),
        ("count", 180 * _DAY_MS, "fraud", None),
        ("share", 180 * _DAY_MS, "fraud", None),
    ),
    "device": (
        ("count", _HOUR_MS, "attempted", None),
        ("distinct", _DAY_MS, "attempted", "card"),
        ("count", _HOUR_MS, "declined_hard", None),
        ("count", 180 * _DAY_MS, "fraud", None),
    ),
    "ip": (
        ("count", _HOUR_MS, "attempted", None),
        ("distinct", _DAY_MS, "attempted", "card"),
    ),
    "shipping_address": (
        ("distinct", 30 * _DAY_MS, "attempted", "account"),
        ("count", 180 * _DAY_MS, "fraud", None),
    ),
}

_OWN_WINDOWS: Final[tuple[tuple[OperationName, int, Where, str | None], ...]] = (
    ("count", _DAY_MS, "attempted", None),
    ("count", 7 * _DAY_MS, "attempted", None),
    ("count", 30 * _DAY_MS, "attempted", None),
    ("mean", 30 * _DAY_MS, "attempted", None),
    ("seconds_since_last", 30 * _DAY_MS, "attempted", None),
    ("count", 7 * _DAY_MS, "fraud", None),
    ("share", 30 * _DAY_MS, "fraud", None),
    ("count", 180 * _DAY_MS, "fraud", None),
)
"""The windows of an entity of the shop's own."""


def default_windows(entity: Entity, *, is_own: bool) -> Iterator[Aggregation]:
    """Yield the windows of an entity; one of the shop's own gets them all alike."""
    windows = _OWN_WINDOWS if is_own else _WINDOWS.get(entity.name, ())
    for window in windows:
        yield _aggregation(entity, *window)


_NOUNS: Final[dict[Where, str]] = {
    "attempted": "attempts",
    "authorized": "authorized payments",
    "declined_soft": "soft declines",
    "declined_hard": "hard declines",
    "approved": "approved orders",
    "declined": "declined orders",
    "refunded": "refunds",
    "good": "orders known to be good",
    "fraud": "frauds known by then",
}


def _aggregation(
    entity: Entity,
    operation: OperationName,
    window_ms: int,
    where: Where,
    of: str | None,
) -> Aggregation:
    span = f"{window_ms // _DAY_MS}d" if window_ms >= _DAY_MS else f"{window_ms // _HOUR_MS}h"
    noun = _NOUNS[where]
    words = {
        "count": (f"{noun}_{span}", "events", f"{noun.capitalize()} of {entity.label}"),
        "sum": (f"amount_{span}", "minor units", f"Amount of {noun} of {entity.label}"),
        "mean": (f"mean_amount_{span}", "minor units", f"Mean amount of {entity.label}"),
        "distinct": (f"{of}s_{span}", "keys", f"Different {of}s with {entity.label}"),
        "share": (f"{where}_share_{span}", "share", f"Share of {noun} of {entity.label}"),
        "seconds_since_last": (f"gap_{span}", "seconds", f"Time since {entity.label} was seen"),
        "amount_over_mean": (f"amount_over_mean_{span}", "ratio",
                             f"Amount over the mean amount of {entity.label}"),
    }  # fmt: skip
    suffix, unit, meaning = words[operation]
    name = f"{entity.name}_{suffix.replace(' known by then', '').replace(' ', '_')}"
    kind = (
        "FRAUD_HISTORY"
        if where == "fraud"
        else (
            {"distinct": "LINKS", "amount_over_mean": "UNUSUAL_AMOUNT"}.get(operation, "VELOCITY")
        )
    )
    return Aggregation(
        name=name,
        entity=entity.name,
        operation=operation,
        window_ms=window_ms,
        where=where,
        of=of,
        unit=unit,
        meaning=f"{meaning} in the {_span_words(window_ms)} before the order",
        reason_code=f"{entity.name.upper()}_{kind}",
        text=_text(entity, operation, window_ms, noun, of),
        unknown_text=_unknown_text(entity, operation, window_ms),
    )


def _unknown_text(entity: Entity, operation: OperationName, window_ms: int) -> str:
    absent = f"{entity.label} did not come with the order"
    if operation in {"count", "sum", "distinct"}:
        return absent
    return f"{entity.label} was not seen in the last {_span_words(window_ms)}, or did not come"


def _span_words(window_ms: int) -> str:
    if window_ms % _DAY_MS:
        hours = window_ms // _HOUR_MS
        return "hour" if hours == 1 else f"{hours} hours"
    days = window_ms // _DAY_MS
    return "day" if days == 1 else f"{days} days"


def _text(
    entity: Entity, operation: OperationName, window_ms: int, noun: str, of: str | None
) -> str:
    span = f"in the last {_span_words(window_ms)}"
    return {
        "count": f"{{value:.0f}} {noun} with {entity.label} {span}",
        "sum": f"{{value:.0f}} minor units tried with {entity.label} {span}",
        "mean": f"a mean amount of {{value:.0f}} minor units with {entity.label} {span}",
        "distinct": f"{{value:.0f}} {of}s with {entity.label} {span}",
        "share": f"{{value:.0%}} {noun} among the orders of {entity.label} {span}",
        "seconds_since_last": f"{entity.label} was last seen {{value:.0f}} seconds ago",
        "amount_over_mean": f"{{value:.1f}} times the usual amount of {entity.label}",
    }.get(operation, f"{operation} of {entity.label} {span}")
