"""The written form of the default features: ``docs/features.md``.

``python -m fraudkit.features.document docs`` writes it. Invariant: every feature on the page
comes from `fraudkit.features.catalog`, so the page cannot name one that is not computed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from math import isinf
from pathlib import Path
from typing import Final

from fraudkit.features.catalog import CATEGORIES, category, default_features
from fraudkit.features.spec import Aggregation, Entity, Feature, FeatureSet, OrderFeature

__all__ = ["features_markdown"]

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_OWN: Final = "seller"
_HEAD: Final = """\
# The features

Generated from `fraudkit.features.catalog`; `make docs` writes it anew.

- A feature is one float64 column of the model. NaN means unknown; it never means safe.
- Money is in minor units of the reference currency.
- Training leaves out what never varies in a history, so a bundle may hold fewer. Its
  `features.json` lists what it holds.
- A reason code is stable. Its words may change.
- [The window contract](architecture.md#windows) says which past events a window holds.
"""
_ORDER_HEAD: Final = """\
## Of the order alone

A pure function of a few fields; the paths are those of [the vocabulary](vocabulary.md).
`reference_amount_minor` is the order's amount in the reference currency.
"""
_CATEGORY_HEAD: Final = """\
## Of the order alone, one of several values

Training gives each common value a code: at least 20 orders, at most 100 values. A value without
a code is NaN.
"""
_WINDOW_HEAD: Final = """\
## Of the past

A window over the earlier events of an entity. An event counts in a window of `fraud` or
`declined_hard` only if that was known before the order was made. `attempted` is every event,
whatever became of it.
"""
_OWN_HEAD: Final = f"""\
## Of a shop's own

What [a mapping](mapping.md) lists under `[entities]` and `[features]` adds features under its own
name. `{_OWN}` stands for an entity, `weight` for a number and `campaign` for a category.
"""


def features_markdown() -> str:
    """Return ``docs/features.md``: every default feature, and every reason code."""
    features = default_features()
    categories = [category(name, field, code, ()) for name, (field, code) in CATEGORIES.items()]
    own = _own_features(features)
    every: list[Feature] = [*features.features, *categories, *own]
    return (
        "\n".join(
            [
                _HEAD,
                _ORDER_HEAD,
                *_table(_ORDER_COLUMNS, map(_order_cells, features.order_features)),
                _CATEGORY_HEAD,
                *_table(_CATEGORY_COLUMNS, map(_category_cells, categories)),
                _WINDOW_HEAD,
                *_table(_ENTITY_COLUMNS, map(_entity_cells, features.entities)),
                *_table(_WINDOW_COLUMNS, map(_window_cells, features.aggregations)),
                _OWN_HEAD,
                *_table(_ALL_COLUMNS, map(_own_cells, own)),
                "## Reason codes\n",
                *_table(("code", "features"), _codes(every)),
            ]
        ).rstrip("\n")
        + "\n"
    )


_ORDER_COLUMNS: Final = ("feature", "what", "unit", "range", "reason code", "inputs")
_CATEGORY_COLUMNS: Final = ("feature", "field", "reason code")
_ENTITY_COLUMNS: Final = ("entity", "its key is made of")
_WINDOW_COLUMNS: Final = ("feature", "what", "unit", "range", "reason code", "window", "counts")
_ALL_COLUMNS: Final = ("feature", "what", "unit", "range", "reason code", "inputs or window")


def _own_features(default: FeatureSet) -> list[Feature]:
    widened = default_features(
        own_entities=[_OWN],
        own_numbers=["weight"],
        own_categories=["campaign"],
        levels={"custom_campaign": ["spring"]},
    )
    return [feature for feature in widened.features if feature.name not in default.names]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _order_cells(feature: OrderFeature) -> Sequence[str]:
    return (*_shared_cells(feature), _inputs(feature.inputs))


def _category_cells(feature: OrderFeature) -> Sequence[str]:
    return f"`{feature.name}`", _inputs(feature.inputs), f"`{feature.reason_code}`"


def _entity_cells(entity: Entity) -> Sequence[str]:
    case = "; letter case does not matter" if entity.is_caseless else ""
    return f"`{entity.name}`", f"{_inputs(entity.inputs)}{case}"


def _window_cells(feature: Aggregation) -> Sequence[str]:
    return (*_shared_cells(feature), _span(feature.window_ms), f"`{feature.where}`")


def _own_cells(feature: Feature) -> Sequence[str]:
    if isinstance(feature, Aggregation):
        return (*_shared_cells(feature), f"{_span(feature.window_ms)}, `{feature.where}`")
    if feature.is_categorical:
        what = "Code of the shop's own category, among the values common in training"
        return (
            f"`{feature.name}`", what, "category", "0 and up",
            f"`{feature.reason_code}`", _inputs(feature.inputs),
        )  # fmt: skip
    return (*_shared_cells(feature), _inputs(feature.inputs))


def _shared_cells(feature: Feature) -> tuple[str, ...]:
    return (
        f"`{feature.name}`",
        feature.meaning,
        feature.unit,
        _range(feature.low, feature.high),
        f"`{feature.reason_code}`",
    )


def _range(low: float, high: float) -> str:
    if isinf(low):
        return "any"
    return f"{low:g} and up" if isinf(high) else f"{low:g} to {high:g}"


def _inputs(inputs: Sequence[str]) -> str:
    return ", ".join(f"`{path}`" for path in inputs)


def _span(window_ms: int) -> str:
    if window_ms < _DAY_MS:
        return f"{window_ms // _HOUR_MS} h"
    return f"{window_ms // _DAY_MS} d"


def _codes(features: Iterable[Feature]) -> Iterator[Sequence[str]]:
    named: dict[str, list[str]] = {}
    for feature in features:
        named.setdefault(feature.reason_code, []).append(f"`{feature.name}`")
    for code in sorted(named):
        yield f"`{code}`", ", ".join(named[code])


def _write(folder: Path) -> None:
    (folder / "features.md").write_text(features_markdown(), "utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
