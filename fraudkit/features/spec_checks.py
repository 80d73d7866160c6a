"""What a feature set must hold, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from fraudkit.domain.outcome import Status
from fraudkit.errors import FeatureError
from fraudkit.features.window_arrays import Operation

if TYPE_CHECKING:
    from fraudkit.features.spec import Aggregation, FeatureSet, OrderFeature

__all__ = [
    "FORBIDDEN_INPUTS",
    "MAX_EVENTS_MAX",
    "OPERATIONS_OF",
    "RETENTION_MS_MAX",
    "WINDOW_MS_MAX",
    "WINDOW_MS_MIN",
    "check_features",
    "check_types",
]

OPERATIONS_OF: Final = frozenset({"distinct", "count_same", "is_new", "seconds_since_same"})
"""The operations that look at another entity or field of the earlier events."""

WINDOW_MS_MIN: Final = 60_000
WINDOW_MS_MAX: Final = 180 * 86_400_000
RETENTION_MS_MAX: Final = 3_660 * 86_400_000
MAX_EVENTS_MAX: Final = 100_000

FORBIDDEN_INPUTS = ("demographic",)
"""Demographics order payment methods and never reach the fraud score."""


def check_types(features: Iterable[object], kinds: tuple[type, ...]) -> None:
    """Check that all are features.

    Raises
    ------
    FeatureError
        Naming the type that came instead.
    """
    for feature in features:
        if not isinstance(feature, kinds):
            raise FeatureError(
                f"a feature must be an {' or an '.join(kind.__name__ for kind in kinds)}, got "
                f"{type(feature).__name__}; of a class of your own pass .order_feature()"
            )


def check_features(features: FeatureSet) -> None:
    """Check a feature set.

    Raises
    ------
    FeatureError
        Naming what must hold and what came.
    """
    if not features.names:
        raise FeatureError("a feature set must have at least one feature, got none")
    _check_entities(features)
    repeated = {name for name in features.names if features.names.count(name) > 1}
    if repeated:
        raise FeatureError(f"feature names must be unique, got {sorted(repeated)} more than once")
    for feature in features.order_features:
        _check_inputs("feature", feature.name, feature.inputs)
        _check_monotone(feature)
    if not _is_whole(features.max_events) or not 1 <= features.max_events <= MAX_EVENTS_MAX:
        raise FeatureError(
            f"max_events must be a whole number, 1 to {MAX_EVENTS_MAX}, got {features.max_events!r}"
        )
    for aggregation in features.aggregations:
        _check_window(features, aggregation)


def _check_monotone(feature: OrderFeature) -> None:
    if feature.monotone not in ((0,) if feature.is_categorical else (-1, 0, 1)):
        raise FeatureError(
            f"`monotone` of feature {feature.name!r} must be -1, 0 or 1, and 0 for a category, "
            f"got {feature.monotone!r}"
        )


def _check_window(features: FeatureSet, aggregation: Aggregation) -> None:
    named = {aggregation.entity} | ({aggregation.of} if aggregation.of else set())
    unknown = named - set(features.entity_names)
    if unknown:
        raise FeatureError(
            f"window {aggregation.name!r} names entity {min(unknown)!r}; "
            f"known are {sorted(features.entity_names)}"
        )
    _check_choice(aggregation, "operation", aggregation.operation, Operation.__members__)
    _check_choice(aggregation, "where", aggregation.where, ("ATTEMPTED", *Status.__members__))
    if (aggregation.operation in OPERATIONS_OF) != (aggregation.of is not None):
        raise FeatureError(
            f"window {aggregation.name!r}: `of` goes with {', '.join(sorted(OPERATIONS_OF))} "
            "and only with them"
        )
    width_ms = aggregation.window_ms
    if width_ms is not None and not (
        _is_whole(width_ms) and WINDOW_MS_MIN <= width_ms <= WINDOW_MS_MAX
    ):
        raise FeatureError(
            f"window {aggregation.name!r} must be 1 minute to 180 days wide, in whole "
            f"milliseconds, got {width_ms!r} ms"
        )
    widest_ms = aggregation.window_ms or WINDOW_MS_MIN
    retention_ms = features.retention_ms
    if not _is_whole(retention_ms) or not widest_ms <= retention_ms <= RETENTION_MS_MAX:
        raise FeatureError(
            "retention_ms must be a whole number, at least the width of window "
            f"{aggregation.name!r}, {widest_ms} ms, and at most {RETENTION_MS_MAX} ms, "
            f"got {retention_ms!r}"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_choice(aggregation: Aggregation, name: str, value: str, choices: Iterable[str]) -> None:
    known = [choice.lower() for choice in choices]
    if value not in known:
        raise FeatureError(
            f"`{name}` of window {aggregation.name!r} must be one of {', '.join(known)}, "
            f"got {value!r}"
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
        if not entity.inputs:
            raise FeatureError(f"entity {entity.name!r} must have at least one input, got none")


def _check_inputs(kind: str, name: str, inputs: object) -> None:
    from fraudkit.features.field_kinds import field_kind, nearest_path  # which read `spec`

    if not isinstance(inputs, tuple) or not all(isinstance(path, str) for path in inputs):
        raise FeatureError(
            f"the inputs of {kind} {name!r} must be a tuple of paths, got {inputs!r}; of one path "
            "write ('path',)"
        )
    bad = [path for path in inputs if path.startswith(FORBIDDEN_INPUTS)]
    if bad:
        raise FeatureError(
            f"{kind} {name!r} must not read {bad[0]!r}: demographics order payment "
            "methods and never reach the fraud score"
        )
    for path in inputs:
        if field_kind(path) is None:
            raise FeatureError(
                f"{kind} {name!r} must read fields of the vocabulary, got "
                f"{path!r}{nearest_path(path)}"
            )
