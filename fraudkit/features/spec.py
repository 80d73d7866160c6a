"""What a feature is, and the ordered, hashed set of them that a model is trained on.

Two kinds. An `OrderFeature` is a pure function of a few fields of the transaction. An
`Aggregation` is a window over the past events of an entity. Both name unit, meaning and reason
code, so that whatever a model learns from them can be said in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from math import nan
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from fraudkit.domain.outcome import Status
from fraudkit.features.spec_checks import check_features, check_types
from fraudkit.features.value_text import text_of

__all__ = [
    "Aggregation",
    "Entity",
    "Feature",
    "FeatureSet",
    "Monotone",
    "OperationName",
    "OrderFeature",
    "Value",
    "Where",
    "category_code",
]

Value = str | int | float | bool | None
"""What a field can hold once nested parts are taken apart."""

Where = Literal[
    "attempted",
    "authorized",
    "declined_soft",
    "declined_hard",
    "approved",
    "declined",
    "refunded",
    "good",
    "fraud",
]
"""What an earlier event must have become to count; all but the first name a `Status`."""

OperationName = Literal[
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "distinct",
    "seconds_since_last",
    "seconds_since_first",
    "share",
    "amount_over_mean",
    "amount_over_max",
    "count_same_amount",
    "count_same",
    "is_new",
    "seconds_since_same",
]

Monotone = Literal[-1, 0, 1]
"""Whether a higher value can only raise the risk (1), only lower it (-1), or either (0)."""

_RISK_COUNTS: Final = frozenset(
    {"count", "sum", "distinct", "share", "count_same", "count_same_amount"}
)
_RISKY: Final = frozenset({"fraud", "declined_hard"})


class Entity(Struct, frozen=True, kw_only=True):
    """Somebody or something that has a history, or a field that histories count.

    Attributes
    ----------
    name : str
        ``"card"``, ``"email"``, …
    inputs : tuple of str
        The fields that make the key; the first must be there, else there is no key.
    is_caseless : bool
        Whether upper and lower case are the same key.
    is_common : bool
        Whether it has few values and none is personal, as a country: hashes are remembered.
    label : str
        The entity in a sentence: ``"this card"``.
    """

    name: str
    inputs: tuple[str, ...]
    is_caseless: bool = False
    is_common: bool = False
    label: str = ""


class OrderFeature(Struct, frozen=True, kw_only=True):
    """A pure function of a few fields of the order.

    Attributes
    ----------
    name : str
        Unique in a set.
    inputs : tuple of str
        Vocabulary paths; the function's arguments, in this order.
    compute : callable
        Takes the fields' values (``None`` where absent), returns a float; NaN is "unknown".
    unit, meaning, reason_code : str
        For people; the code is stable.
    low, high : float
        The range of values that are not NaN.
    text : str
        A sentence for an agent with ``{value}`` or, for a category, ``{level}``.
    zero_text, one_text : str
        The sentences for the value 0, and for one that rounds to 1, where those are others.
    levels : tuple of str or None
        For a category: the values that have a code of their own, in code order.
    compute_many : callable or None
        Takes a polars Series for each input, null where absent, and returns one float a row, as
        a Series or an array: what ``compute`` returns for that row, with ``==``. Null and NaN
        are "unknown". Without it ``compute`` is applied once to each different combination of
        values.
    monotone : {-1, 0, 1}
        Where the direction is known by meaning, not by data; a model may be held to it.
    revision : int
        Raised whenever ``compute`` changes its answer; part of the set's hash.
    """

    name: str
    inputs: tuple[str, ...]
    compute: Callable[..., float]
    unit: str
    meaning: str
    reason_code: str
    low: float
    high: float
    text: str = ""
    zero_text: str = ""
    one_text: str = ""
    levels: tuple[str, ...] | None = None
    compute_many: Callable[..., Any] | None = None
    monotone: Monotone = 0
    revision: int = 1

    @property
    def is_categorical(self) -> bool:
        """Whether the value is a code without an order."""
        return self.levels is not None

    def describe(self) -> dict[str, Any]:
        """Return what identifies the feature, as plain values."""
        plain: dict[str, Any] = {"kind": "order", "name": self.name, "inputs": list(self.inputs)}
        if self.levels is not None:
            plain["levels"] = list(self.levels)
        return {**plain, "revision": self.revision}


class Aggregation(Struct, frozen=True, kw_only=True):
    """A window over an entity's past.

    Attributes
    ----------
    entity : str
        Whose past.
    operation : str
        What is computed.
    window_ms : int or None
        The window's width: events with ``t - window_ms <= event_time < t`` are seen. ``None``
        is as wide as the set's retention: "since first seen".
    where : str
        What the earlier events must have become, as known before the question.
    of : str or None
        The other entity or field that `OPERATIONS_OF` count or compare with the order's own.
    text : str
        A sentence for an agent with ``{value}`` or, for seconds, ``{duration}``: "3 days".
    zero_text, one_text, unknown_text : str
        The sentences where the value is 0 or rounds to 1, where those are others, and where it
        is NaN.
    """

    name: str
    entity: str
    operation: OperationName
    window_ms: int | None = None
    where: Where = "attempted"
    of: str | None = None
    unit: str
    meaning: str
    reason_code: str
    text: str = ""
    zero_text: str = ""
    one_text: str = ""
    unknown_text: str = ""

    @property
    def low(self) -> float:
        """The least value that is not NaN."""
        return 0.0

    @property
    def high(self) -> float:
        """The greatest value that is not NaN."""
        return 1.0 if self.operation in {"share", "is_new"} else float("inf")

    @property
    def is_categorical(self) -> bool:
        """Whether the value is a code without an order: never."""
        return False

    @property
    def monotone(self) -> Monotone:
        """1 for how many or how large a share became known frauds or hard declines, else 0.

        Both are others' verdicts on the same entity, and more of them never speak for an order.
        Soft declines are left free, for honest customers run out of funds; so are the shop's own
        declines, lest a model confirm its predecessor, and good orders, for an account with a
        good past is worth taking over.
        """
        return 1 if self.operation in _RISK_COUNTS and self.where in _RISKY else 0

    @property
    def status(self) -> Status | None:
        """The status that ``where`` names, or ``None`` for every event."""
        return None if self.where == "attempted" else Status[self.where.upper()]

    def describe(self) -> dict[str, Any]:
        """Return what identifies the feature, as plain values."""
        return {"kind": "window", **msgspec.to_builtins(self)}


Feature = OrderFeature | Aggregation
"""Anything that fills one column of a feature row."""


class FeatureSet:
    """Features in the order of the model's columns, and the entities they need.

    Order features come first, then windows; within each the given order is kept.

    Parameters
    ----------
    entities : sequence of Entity
        Every entity that a window names or counts, and any other that has a history.
    features : iterable of Feature
        At least one; names are unique.
    max_events : int
        How many newest events of a key a window looks at.
    retention_ms : int, optional
        How far back the past reaches at all, and so the width of a window without one of its
        own. At least the widest window, which it is if not given.

    Raises
    ------
    FeatureError
        If a name stands twice, a window names an unknown entity, a feature reads a
        demographic, or is no feature.
    """

    __slots__ = (
        "aggregations",
        "digest",
        "entities",
        "max_events",
        "names",
        "order_features",
        "retention_ms",
    )

    def __init__(
        self,
        entities: Sequence[Entity],
        features: Iterable[Feature],
        *,
        max_events: int = 1000,
        retention_ms: int | None = None,
    ) -> None:
        listed = tuple(features)
        check_types(listed, (OrderFeature, Aggregation))
        self.entities = tuple(entities)
        self.order_features = tuple(f for f in listed if isinstance(f, OrderFeature))
        self.aggregations = tuple(f for f in listed if isinstance(f, Aggregation))
        self.max_events = max_events
        widest_ms = max((a.window_ms or 0 for a in self.aggregations), default=0)
        self.retention_ms = widest_ms if retention_ms is None else retention_ms
        self.names = tuple(feature.name for feature in self.features)
        check_features(self)
        encoded = msgspec.json.encode(_identity(self.describe()), order="deterministic")
        self.digest = hashlib.sha256(encoded).hexdigest()

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features in column order."""
        return (*self.order_features, *self.aggregations)

    @property
    def entity_names(self) -> tuple[str, ...]:
        """The entities' names in column order."""
        return tuple(entity.name for entity in self.entities)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every path that a feature reads, by itself or through an entity, once."""
        used = {name for a in self.aggregations for name in (a.entity, a.of)}
        read = [path for feature in self.order_features for path in feature.inputs]
        read += [path for e in self.entities if e.name in used for path in e.inputs]
        return tuple(dict.fromkeys(read))

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses that some window asks for, ascending."""
        return tuple(sorted({s for a in self.aggregations if (s := a.status) is not None}))

    @property
    def monotone_constraints(self) -> dict[str, int]:
        """The features whose direction is known by meaning: name → -1 or 1.

        Of windows that differ in width alone only the narrowest has one. Beside it a wider one
        counts what is long ago, and that may well have ended.
        """
        narrowest: dict[tuple[str | None, ...], Aggregation] = {}
        for window in sorted(self.aggregations, key=self.width_ms):
            narrowest.setdefault((window.entity, window.operation, window.where, window.of), window)
        listed: list[Feature] = [*self.order_features, *narrowest.values()]
        signs = {feature.name: feature.monotone for feature in listed if feature.monotone}
        return {name: signs[name] for name in self.names if name in signs}

    def width_ms(self, aggregation: Aggregation) -> int:
        """Return the width of one of the set's windows, in milliseconds."""
        return self.retention_ms if aggregation.window_ms is None else aggregation.window_ms

    def keep(self, names: Iterable[str]) -> FeatureSet:
        """Return the set with only the named features, in the same order."""
        kept = set(names)
        return FeatureSet(
            self.entities,
            (feature for feature in self.features if feature.name in kept),
            max_events=self.max_events,
            retention_ms=self.retention_ms,
        )

    def describe(self) -> dict[str, Any]:
        """Return the whole set as plain values; the digest is of all but the wording."""
        return {
            "max_events": self.max_events,
            "retention_ms": self.retention_ms,
            "entities": [msgspec.to_builtins(entity) for entity in self.entities],
            "features": [feature.describe() for feature in self.features],
        }


def category_code(levels: Sequence[str]) -> Callable[[Value], float]:
    """Return the function from a category's value to its code; unseen and absent are NaN.

    Examples
    --------
    >>> code = category_code(["visa", "amex"])
    >>> code("amex"), code("diners"), code(None)
    (1.0, nan, nan)
    """
    codes = _Codes({level: float(index) for index, level in enumerate(levels)})
    codes[None] = nan
    return codes.__getitem__


class _Codes(dict[Value, float]):
    """Codes of the levels; a value that is not text may be a level when it is written as such."""

    def __missing__(self, value: str | float | bool) -> float:  # noqa: FBT001 - as of a field
        return nan if isinstance(value, str) else self.get(text_of(value), nan)


_WORDING = frozenset(
    "is_common label meaning one_text reason_code text unit unknown_text zero_text".split()
)


def _identity(plain: Any) -> Any:
    """Return plain values without the wording: it says nothing of what is computed."""
    if isinstance(plain, dict):
        return {key: _identity(held) for key, held in plain.items() if key not in _WORDING}
    return [_identity(held) for held in plain] if isinstance(plain, list | tuple) else plain
