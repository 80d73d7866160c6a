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

from fraudkit.features.catalog import (
    COUNTED_FIELDS,
    ENTITIES,
    RETENTION_MS,
    category,
    default_features,
)
from fraudkit.features.customer_words import customer_texts
from fraudkit.features.default_windows import RELATIONS
from fraudkit.features.order_catalog import CATEGORIES
from fraudkit.features.spec import Aggregation, Entity, Feature, FeatureSet, OrderFeature

__all__ = ["features_markdown"]

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_OWN: Final = "seller"
_HEAD: Final = """\
# The features

Generated from `fraudkit.features.catalog`; `make docs` writes it anew.

| how many | by default |
|---|---|
| {order} | [numbers of the order alone](#of-the-order-alone) |
| {categories} | [categories of the order](#of-the-order-one-of-several-values) |
| {windows} | [windows over the past](#of-the-past) of {entities} entities |
| {relations} | relations of the order to that past, in the same tables |
| {own} | windows more for each [entity of a shop's own](#of-a-shops-own) |

- A feature is one float64 column of the model. NaN means unknown; it never means safe.
- Money is in minor units of the reference currency.
- Training leaves out what never varies in a history, so a bundle may hold fewer. Its
  `features.json` lists what it holds.
- A reason code is stable. Its words may change.
"""
_ORDER_HEAD: Final = """\
## Of the order alone

A pure function of a few fields; the paths are those of [the vocabulary](vocabulary.md), and those
that [enrichment](enrichment.md#what-can-be-read) derives from them.
`reference_amount_minor` is the order's amount in the reference currency.
"""
_CATEGORY_HEAD: Final = """\
## Of the order, one of several values

Training gives each common value a code: at least 20 orders, at most 100 values. A value without
a code is NaN.
"""
_WINDOW_HEAD: Final = f"""\
## Of the past

A window over the earlier events of an entity. [The window contract](windows.md) says which events
it holds, what each operation makes of them, and when an event counts as authorized, declined,
fraud and so on: only what was known before the order was made counts.

- "All" is as far back as the past is kept: {RETENTION_MS // _DAY_MS} days.
- `attempted` is every event, whatever became of it.
- A relation holds the order itself against the past: its amount, or what else came with it.
"""
_COUNTED_HEAD: Final = """\
### Counted fields

They have no windows of their own; those of the entities count them and compare them.
"""
_OWN_HEAD: Final = f"""\
## Of a shop's own

What [a mapping](mapping.md) lists under `[entities]` and `[features]` adds features under its own
name. `{_OWN}` stands for an entity, `weight` for a number and `campaign` for a category.
"""
_CODES_HEAD: Final = """\
The second column is what a customer may be told; it says nothing of what was seen. A shop that
speaks another language translates by the code. Every code that is not listed, such as one of a
shop's own, has the sentence of `AMOUNT`.
"""
_ORDER_COLUMNS: Final = ("feature", "what", "unit", "range", "reason code", "inputs")
_CATEGORY_COLUMNS: Final = ("feature", "field", "reason code")
_WINDOW_COLUMNS: Final = ("feature", "what", "unit", "range", "reason code", "window", "counts")
_ENTITY_COLUMNS: Final = ("field", "it is made of")
_CODE_COLUMNS: Final = ("code", "a customer may be told", "features")
_ALL_COLUMNS: Final = ("feature", "what", "unit", "range", "reason code", "inputs or window")


def features_markdown() -> str:
    """Return ``docs/features.md``: every default feature, and every reason code."""
    features = default_features()
    categories = [category(name, field, code, ()) for name, (field, code) in CATEGORIES.items()]
    own = _own_features(features)
    lines = [
        _head(features, categories, own),
        _ORDER_HEAD,
        *_table(_ORDER_COLUMNS, map(_order_cells, features.order_features)),
        _CATEGORY_HEAD,
        *_table(_CATEGORY_COLUMNS, map(_category_cells, categories)),
        _WINDOW_HEAD,
        *(line for entity in ENTITIES for line in _entity_section(entity, features)),
        _COUNTED_HEAD,
        *_table(_ENTITY_COLUMNS, map(_entity_cells, COUNTED_FIELDS)),
        _OWN_HEAD,
        *_table(_ALL_COLUMNS, map(_own_cells, own)),
        "## Reason codes\n",
        _CODES_HEAD,
        *_table(_CODE_COLUMNS, _codes([*features.features, *categories, *own])),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _head(features: FeatureSet, categories: Sequence[OrderFeature], own: Sequence[Feature]) -> str:
    relations = sum(window.operation in RELATIONS for window in features.aggregations)
    return _HEAD.format(
        order=len(features.order_features),
        categories=len(categories),
        windows=len(features.aggregations) - relations,
        relations=relations,
        entities=len(ENTITIES),
        own=sum(isinstance(feature, Aggregation) for feature in own),
    )


def _own_features(default: FeatureSet) -> list[Feature]:
    widened = default_features(
        own_entities=[_OWN],
        own_numbers=["weight"],
        own_categories=["campaign"],
        levels={"custom_campaign": ["spring"]},
    )
    return [feature for feature in widened.features if feature.name not in default.names]


def _entity_section(entity: Entity, features: FeatureSet) -> Iterator[str]:
    yield f"### {entity.name}\n"
    yield f"Its key is made of {_made_of(entity)}.\n"
    own = [window for window in features.aggregations if window.entity == entity.name]
    yield from _table(_WINDOW_COLUMNS, map(_window_cells, own))


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
    return f"`{entity.name}`", _made_of(entity)


def _window_cells(window: Aggregation) -> Sequence[str]:
    return (*_shared_cells(window), _span(window.window_ms), f"`{window.where}`")


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


def _made_of(entity: Entity) -> str:
    case = "; letter case does not matter" if entity.is_caseless else ""
    return f"{_inputs(entity.inputs)}{case}"


def _span(window_ms: int | None) -> str:
    if window_ms is None:
        return "all"
    if window_ms < _HOUR_MS:
        return f"{window_ms // _MINUTE_MS} min"
    if window_ms < _DAY_MS:
        return f"{window_ms // _HOUR_MS} h"
    return f"{window_ms // _DAY_MS} d"


def _codes(features: Iterable[Feature]) -> Iterator[Sequence[str]]:
    named: dict[str, list[str]] = {}
    listed = tuple(features)
    for feature in listed:
        named.setdefault(feature.reason_code, []).append(f"`{feature.name}`")
    told = customer_texts(listed)
    for code in sorted(named):
        yield f"`{code}`", told[code], ", ".join(named[code])


def _write(folder: Path) -> None:
    (folder / "features.md").write_text(features_markdown(), "utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
