"""What a feature is, and the ordered, hashed set of them that a model is trained on.

Two kinds. An `OrderFeature` is a pure function of a few fields of the transaction. An
`Aggregation` is a window over the past events of an entity. Both name unit, meaning and reason
code, so that whatever a model learns from them can be said in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fraudkit.domain.outcome import Status
from fraudkit.errors import FeatureError

__all__ = [
    "FORBIDDEN_INPUTS",
    "Aggregation",
    "Entity",
    "Feature",
    "FeatureSet",
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
]

FORBIDDEN_INPUTS = ("demographic",)
"""Demographics order payment methods and never reach the fraud score."""


class Entity(Struct, frozen=True, kw_only=True):
    """Somebody or something that has a history.

    Attributes
    ----------
    name : str
        ``"card"``, ``"email"``, …
    inputs : tuple of str
        The fields that make the key; the first must be there, else there is no key.
    is_caseless : bool
        Whether upper and lower case are the same key.
    label : str
        The entity in a sentence: ``"this card"``.
    """

    name: str
    inputs: tuple[str, ...]
    is_caseless: bool = False
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
    zero_text : str
        The sentence for the value 0, where that is another one.
    levels : tuple of str or None
        For a category: the values that have a code of their own, in code order.
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
    levels: tuple[str, ...] | None = None
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
    window_ms : int
        The window's width: events with ``t - window_ms <= event_time < t`` are seen.
    where : str
        What the earlier events must have become, as known before ``t``.
    of : str or None
        The other entity that ``distinct`` counts.
    unknown_text : str
        The sentence for an agent where the value is NaN.
    """

    name: str
    entity: str
    operation: OperationName
    window_ms: int
    where: Where = "attempted"
    of: str | None = None
    unit: str
    meaning: str
    reason_code: str
    text: str = ""
    unknown_text: str = ""

    @property
    def low(self) -> float:
        """The least value that is not NaN."""
        return 0.0

    @property
    def high(self) -> float:
        """The greatest value that is not NaN."""
        return 1.0 if self.operation == "share" else float("inf")

    @property
    def is_categorical(self) -> bool:
        """Whether the value is a code without an order: never."""
        return False

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

    Raises
    ------
    FeatureError
        If a name stands twice, a window names an unknown entity, or a feature reads a
        demographic.
    """

    __slots__ = ("aggregations", "digest", "entities", "max_events", "names", "order_features")

    def __init__(
        self, entities: Sequence[Entity], features: Iterable[Feature], *, max_events: int = 1000
    ) -> None:
        listed = tuple(features)
        self.entities = tuple(entities)
        self.order_features = tuple(f for f in listed if isinstance(f, OrderFeature))
        self.aggregations = tuple(f for f in listed if isinstance(f, Aggregation))
        self.max_events = max_events
        self.names = tuple(feature.name for feature in self.features)
        _check(self)
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
    def statuses(self) -> tuple[Status, ...]:
        """The statuses that some window asks for, ascending."""
        return tuple(sorted({s for a in self.aggregations if (s := a.status) is not None}))

    @property
    def window_ms_max(self) -> int:
        """The widest window, in milliseconds; 0 without windows."""
        return max((aggregation.window_ms for aggregation in self.aggregations), default=0)

    def keep(self, names: Iterable[str]) -> FeatureSet:
        """Return the set with only the named features, in the same order."""
        kept = set(names)
        return FeatureSet(
            self.entities,
            (feature for feature in self.features if feature.name in kept),
            max_events=self.max_events,
        )

    def describe(self) -> dict[str, Any]:
        """Return the whole set as plain values; the digest is of all but the wording."""
        return {
            "max_events": self.max_events,
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
    codes = {level: float(index) for index, level in enumerate(levels)}
    unknown = float("nan")

    def code(value: Value) -> float:
        return unknown if value is None else codes.get(_text(value), unknown)

    return code


def _text(value: str | float | bool) -> str:  # noqa: FBT001 - the value of a field
    """Return a value as `fraudkit.mapping` writes it in a column of numbers and text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode()


_WORDING = frozenset({"label", "meaning", "reason_code", "text", "unit", "unknown_text"})


def _identity(plain: Any) -> Any:
    """Return plain values without the wording: it says nothing of what is computed."""
    if isinstance(plain, dict):
        return {key: _identity(held) for key, held in plain.items() if key not in _WORDING}
    return [_identity(held) for held in plain] if isinstance(plain, list | tuple) else plain


def _check(features: FeatureSet) -> None:
    if not features.names:
        raise FeatureError("a feature set must have at least one feature, got none")
    _check_entities(features)
    known = set(features.entity_names)
    repeated = {name for name in features.names if features.names.count(name) > 1}
    if repeated:
        raise FeatureError(f"feature names must be unique, got {sorted(repeated)} more than once")
    for feature in features.order_features:
        _check_inputs("feature", feature.name, feature.inputs)
    for aggregation in features.aggregations:
        named = {aggregation.entity} | ({aggregation.of} if aggregation.of else set())
        if named - known:
            raise FeatureError(
                f"window {aggregation.name!r} names entity {min(named - known)!r}; "
                f"known are {sorted(known)}"
            )
        if (aggregation.operation == "distinct") != (aggregation.of is not None):
            raise FeatureError(
                f"window {aggregation.name!r}: `of` goes with `distinct` and only with it"
            )
        if not 60_000 <= aggregation.window_ms <= 180 * 86_400_000:
            raise FeatureError(
                f"window {aggregation.name!r} must be 1 minute to 180 days wide, "
                f"got {aggregation.window_ms} ms"
            )


def _check_entities(features: FeatureSet) -> None:
    names = features.entity_names
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise FeatureError(
            f"entity names must be unique, got {sorted(repeated)} more than once; an entity of "
            "your own needs another name, or map its column to the field of ours"
        )
    for entity in features.entities:
        _check_inputs("entity", entity.name, entity.inputs)


def _check_inputs(kind: str, name: str, inputs: tuple[str, ...]) -> None:
    bad = [path for path in inputs if path.startswith(FORBIDDEN_INPUTS)]
    if bad:
        raise FeatureError(
            f"{kind} {name!r} must not read {bad[0]!r}: demographics order payment "
            "methods and never reach the fraud score"
        )
