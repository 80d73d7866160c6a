"""What kind of value each path holds: a number, a truth value or a text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct, inspect

from fraudkit.domain.basket import BASKET_PATHS
from fraudkit.domain.transaction import InputKey, Transaction
from fraudkit.errors import FeatureError
from fraudkit.features.derived import DERIVED_PATHS, derived_field
from fraudkit.features.enrichment import NO_SOURCES
from fraudkit.features.fields import REFERENCE_AMOUNT, field_reader

__all__ = ["FieldKind", "field_kind", "named_paths", "nearest_path"]

FieldKind = Literal["number", "truth", "text", "any"]
"""``"any"``: one order may bring another kind than the next, as with the shop's own inputs."""

_KINDS: Final[dict[type, FieldKind]] = {
    inspect.BoolType: "truth",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.LiteralType: "text",
}
_DERIVED: Final[dict[type, FieldKind]] = {bool: "truth", int: "number", str: "text"}
_OPEN: Final[dict[str, FieldKind]] = {"custom_inputs": "any", "entities": "text"}
_OPEN_NAME: Final = re.compile(str(get_args(InputKey)[1].pattern))
_OTHERS: Final = (REFERENCE_AMOUNT, "event_time_ms", "utc_offset_minutes", *BASKET_PATHS)


def field_kind(path: str) -> FieldKind | None:
    """Return the kind of what a feature reads at a path, or ``None`` where it cannot read it.

    Examples
    --------
    >>> field_kind("order.currency"), field_kind("account.created_at_ms")
    ('text', 'number')
    >>> field_kind("custom_inputs.weight"), field_kind("order.colour")
    ('any', None)
    """
    first, _, name = path.partition(".")
    if first in _OPEN:
        return _OPEN[first] if _OPEN_NAME.search(name) else None
    if path in named_paths():
        return named_paths()[path]
    if f"{path}_ms" in named_paths():
        return None
    try:
        field_reader(path)
    except FeatureError:
        return None
    return "any"


@cache
def named_paths() -> dict[str, FieldKind]:
    """Return the paths that have a fixed name, each with the kind of what it holds."""
    found = dict(_paths_of(Transaction, ""))
    found |= dict.fromkeys(_OTHERS, "number")
    for path in DERIVED_PATHS:
        derived = derived_field(path, NO_SOURCES)
        if derived is not None:
            found[path] = _DERIVED[derived.kind]
    return found


def nearest_path(path: str) -> str:
    """Return ``"; did you mean X?"`` for the known path nearest to one that is not, or ``""``.

    Examples
    --------
    >>> nearest_path("currency"), nearest_path("colour of the sky")
    ('; did you mean order.currency?', '')
    """
    near = difflib.get_close_matches(path, named_paths(), 1) or [
        known for known in named_paths() if known.endswith(f".{path}")
    ]
    return f"; did you mean {near[0]}?" if near else ""


def _paths_of(struct: type[Struct], before: str) -> Iterator[tuple[str, FieldKind]]:
    for field in msgspec.structs.fields(struct):
        path = f"{before}{field.name}"
        info = inspect.type_info(field.type)
        if isinstance(info, inspect.UnionType):
            info = next(kind for kind in info.types if not isinstance(kind, inspect.NoneType))
        if isinstance(info, inspect.StructType):
            yield from _paths_of(info.cls, f"{path}.")
        elif isinstance(info, inspect.DateTimeType):
            yield f"{path}_ms", "number"
        elif type(info) in _KINDS:
            yield path, _KINDS[type(info)]
