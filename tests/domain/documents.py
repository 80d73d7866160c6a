"""Hypothesis strategies that draw JSON documents from the structs that decode them."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from fraudkit.domain.card_number import looks_like_card_number

__all__ = ["documents", "paths_of", "times", "value_at"]

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@cache
def documents(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw plain values that decode as ``kind``: no card number, nothing known too early."""
    return _values(inspect.type_info(kind)).map(_known_in_time).filter(_holds_no_card_number)


def _known_in_time(document: dict[str, Any]) -> dict[str, Any]:
    if "available_at" in document:
        clocks = sorted((document["occurred_at"], document["available_at"]), key=_moment)
        document["occurred_at"], document["available_at"] = clocks
    return document


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _holds_no_card_number(document: dict[str, Any]) -> bool:
    return not looks_like_card_number(msgspec.json.encode(document).decode())


def times() -> st.SearchStrategy[datetime]:
    """Draw times with an offset of whole minutes, between 1900 and 2200."""
    return st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - the strategy adds the zone


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of everything inside a document, the document itself left out."""
    held = value.items() if isinstance(value, dict) else ()
    held = enumerate(value) if isinstance(value, list) else held
    return [
        found for step, inner in held for found in [(*path, step), *paths_of(inner, (*path, step))]
    ]


def value_at(document: Any, path: tuple[str | int, ...]) -> Any:
    """Return what stands at a path; ``KeyError`` or ``IndexError`` where nothing does."""
    for step in path:
        document = document[step]
    return document


def _values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    return _STRATEGIES[type(kind)](kind)


def _texts(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern is not None:
        return st.from_regex(kind.pattern, fullmatch=True).filter(lambda text: "\n" not in text)
    characters = st.characters(exclude_categories=["Cs"])
    return st.text(characters, min_size=kind.min_length or 0, max_size=min(kind.max_length or 9, 9))


def _numbers(kind: inspect.FloatType) -> st.SearchStrategy[float]:
    least, most = (
        next((bound for bound in pair if bound is not None), None)
        for pair in ((kind.ge, kind.gt), (kind.le, kind.lt))
    )
    return st.floats(
        least,
        most,
        exclude_min=kind.gt is not None,
        exclude_max=kind.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )


def _objects(kind: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    required = {field.encode_name: _values(field.type) for field in kind.fields if field.required}
    if kind.tag_field is not None:
        required[kind.tag_field] = st.just(kind.tag)
    optional = {f.encode_name: _values(f.type) for f in kind.fields if not f.required}
    return st.fixed_dictionaries(required, optional=optional)


_STRATEGIES: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.BoolType: lambda _: st.booleans(),
    inspect.DateTimeType: lambda _: times().map(datetime.isoformat),
    inspect.DictType: lambda kind: st.dictionaries(
        _values(kind.key_type), _values(kind.value_type), max_size=3
    ),
    inspect.FloatType: _numbers,
    inspect.IntType: lambda kind: st.integers(kind.ge, kind.le),
    inspect.LiteralType: lambda kind: st.sampled_from(kind.values),
    inspect.NoneType: lambda _: st.none(),
    inspect.StrType: _texts,
    inspect.StructType: _objects,
    inspect.UnionType: lambda kind: st.one_of([_values(held) for held in kind.types]),
    inspect.VarTupleType: lambda kind: st.lists(_values(kind.item_type), max_size=3),
}
