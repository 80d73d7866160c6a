"""Turns what msgspec says of bad input into a pointer, an expectation and a likely fix.

Runs only after decoding failed, so it may be slow; it never shows more than a short, masked
piece of what came.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec
from msgspec import inspect

from fraudkit.domain.card_number import looks_like_card_number
from fraudkit.errors import CardNumberRefused, InvalidField

__all__ = ["explain", "shown"]

_SHOWN_CHARACTERS_MAX = 40
_CHOICES_SHOWN_MAX = 16
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN_FIELD = re.compile(r"unknown field `([^`]*)`")
_MISSING_FIELD = re.compile(r"missing required field `([^`]*)`")
_WRONG_TAG = re.compile(r"Invalid value '([^']*)'")
_UNNAMED = "…"
_UNSAID = {
    "Invalid RFC3339 encoded datetime": "datetime",
    "Number out of range": "a number that fits 64 bits",
}
_COUNTRY_NAMES_IN_USE = {"UK": "GB", "EL": "GR"}


def explain(error: msgspec.ValidationError, value: object, kind: object) -> InvalidField:
    """Return the error to raise for what did not decode as ``kind``.

    Parameters
    ----------
    error : msgspec.ValidationError
        What msgspec raised.
    value : object
        What came, decoded without a type; ``None`` where that failed too.
    kind : type
        What it should have been.
    """
    message, _, path = str(error).replace("at `key` in `$", "at `$").partition(" - at `$")
    if "at `key` in" in str(error):
        path = path.rstrip("`") + "[...]"
    pointer, type_here, value_here = _walk(path.rstrip("`"), inspect.type_info(kind), value)
    if isinstance(error.__cause__, CardNumberRefused):
        return CardNumberRefused(pointer + error.__cause__.pointer)
    if isinstance(error.__cause__, InvalidField):
        cause = error.__cause__
        return InvalidField(pointer + cause.pointer, cause.expected, cause.received, cause.hint)
    if isinstance(error.__cause__, UnicodeEncodeError):
        return InvalidField(pointer, "text that can be written as UTF-8", "a lone surrogate")
    if isinstance(value_here, str) and looks_like_card_number(value_here):
        return CardNumberRefused(pointer.removesuffix(f"/{_UNNAMED}"))
    if (found := _UNKNOWN_FIELD.search(message)) is not None:
        return _unknown_field(pointer, found.group(1), _fields_of(type_here, value_here))
    if (found := _MISSING_FIELD.search(message)) is not None:
        return InvalidField(
            f"{pointer}/{found.group(1)}", "a value, it is required", "nothing", "add the field"
        )
    if (found := _WRONG_TAG.search(message)) is not None:
        tags = _tags(inspect.type_info(kind))
        return InvalidField(pointer, _one_of(tags), shown(value_here), _closest(found[1], tags))
    return _wrong_value(pointer, message, type_here, value_here)


def shown(value: object) -> str:
    """Return a short form of a value for an error message; card numbers are masked.

    Examples
    --------
    >>> shown("EURO"), shown("4111 1111 1111 1111"), shown([1, 2])
    ("'EURO'", 'a string that looks like a card number', 'an array')
    """
    if isinstance(value, str):
        if looks_like_card_number(value):
            return "a string that looks like a card number"
        cut = value[:_SHOWN_CHARACTERS_MAX]
        return repr(cut) if cut == value else f"{cut!r}… ({len(value)} characters)"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) >= 10**12:
        return "a large integer"
    return str(value)[:_SHOWN_CHARACTERS_MAX]


def _walk(path: str, kind: inspect.Type, value: Any) -> tuple[str, inspect.Type, Any]:
    """Follow msgspec's path; returns the JSON pointer, the type and the value at its end."""
    pointer = ""
    for name, index in _STEP.findall(path):
        kind = _concrete(kind, value)
        if name:
            pointer += f"/{name}"
            kind = _fields_of(kind, value).get(name, inspect.AnyType())
            value = value.get(name) if isinstance(value, dict) else None
        elif index == "...":
            key, value, kind = _wrong_entry(kind, value)
            pointer += f"/{_escaped(key)}"
        else:
            pointer += f"/{index}"
            held = isinstance(value, list | tuple) and int(index) < len(value)
            value = value[int(index)] if held else None
            kind = getattr(kind, "item_type", inspect.AnyType())
    return pointer, _concrete(kind, value), value


def _concrete(kind: inspect.Type, value: object) -> inspect.Type:
    """Take off optional and metadata; among structs, choose the one the tag names."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if not isinstance(kind, inspect.UnionType):
        return kind
    others = [held for held in kind.types if not isinstance(held, inspect.NoneType)]
    tag = value.get("kind") if isinstance(value, dict) else None
    named = [held for held in others if isinstance(held, inspect.StructType) and held.tag == tag]
    return (named or others)[0] if named or len(others) == 1 else kind


def _fields_of(kind: inspect.Type, value: object) -> dict[str, inspect.Type]:
    kind = _concrete(kind, value)
    if not isinstance(kind, inspect.StructType):
        return {}
    tag = {} if kind.tag_field is None else {kind.tag_field: inspect.StrType()}
    return {**tag, **{field.encode_name: field.type for field in kind.fields}}


def _wrong_entry(kind: inspect.Type, value: object) -> tuple[str, object, inspect.Type]:
    """Return the key of the first entry that does not hold, with what is wrong and its type.

    msgspec does not name the entry. What is wrong is the key itself or the value under it.
    """
    if not isinstance(value, dict) or not isinstance(kind, inspect.DictType):
        return _UNNAMED, None, inspect.AnyType()
    for key, held in value.items():
        if not _fits(key, kind.key_type):
            return str(key), key, kind.key_type
        if not _fits(held, kind.value_type):
            return key, held, kind.value_type
    return _UNNAMED, None, kind.value_type


def _escaped(name: str) -> str:
    """Return one step of a JSON pointer (RFC 6901), cut to a length that can be shown.

    A step that looks like a card number is masked.
    """
    if looks_like_card_number(name):
        return _UNNAMED
    return name[:_SHOWN_CHARACTERS_MAX].replace("~", "~0").replace("/", "~1")


def _fits(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(_fits(value, held) for held in kind.types)
    if isinstance(kind, inspect.StrType):
        return isinstance(value, str) and _length_fits(value, kind)
    if isinstance(kind, inspect.LiteralType):
        return value in kind.values
    if isinstance(kind, inspect.DictType):
        return isinstance(value, dict) and _wrong_entry(kind, value)[0] == _UNNAMED
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, inspect.FloatType | inspect.IntType):
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (kind.gt is None or value > kind.gt)
            and (kind.lt is None or value < kind.lt)
        )
    return True


def _length_fits(value: str, kind: inspect.StrType) -> bool:
    return (
        (kind.min_length is None or len(value) >= kind.min_length)
        and (kind.max_length is None or len(value) <= kind.max_length)
        and (kind.pattern is None or re.search(kind.pattern, value) is not None)
    )


def _unknown_field(pointer: str, name: str, fields: dict[str, inspect.Type]) -> InvalidField:
    if looks_like_card_number(name):
        return CardNumberRefused(pointer)
    close = difflib.get_close_matches(name, fields, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(fields)}"
    shown_name = name[:_SHOWN_CHARACTERS_MAX]
    return InvalidField(
        f"{pointer}/{_escaped(name)}", "a known field", f"unknown field {shown_name!r}", hint
    )


def _wrong_value(pointer: str, message: str, kind: inspect.Type, value: object) -> InvalidField:
    received = shown(value)
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return InvalidField(pointer, _one_of(choices), received, _closest(value, choices))
    expected = message.removeprefix("Expected ").split(", got ")[0].replace("`", "")
    expected = _UNSAID.get(expected, expected)
    got = message.partition(", got ")[2].replace("`", "")
    if value is None and got and got != "null":
        received = f"a value of type {got}"
    return InvalidField(pointer, _said(expected), received, _hint(expected, value))


def _tags(kind: inspect.Type) -> list[str]:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return [str(held.tag) for held in kinds if isinstance(held, inspect.StructType)]


def _choices(kind: inspect.Type) -> list[str]:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return [
        str(choice)
        for held in kinds
        if isinstance(held, inspect.LiteralType)
        for choice in held.values
    ]


def _one_of(choices: list[str]) -> str:
    if len(choices) > _CHOICES_SHOWN_MAX:
        known = {2: "an ISO 3166-1 alpha-2 country code", 3: "an ISO 4217 currency code"}
        return known.get(len(choices[0]), f"one of {len(choices)} known values")
    return "one of " + ", ".join(repr(choice) for choice in choices)


def _closest(value: str, choices: list[str]) -> str:
    known = _COUNTRY_NAMES_IN_USE.get(value.upper())
    if known in choices:
        return f"did you mean {known!r}?"
    for candidate in (value.upper(), value.lower(), value.lower().replace(" ", "_")):
        if candidate in choices:
            return f"did you mean {candidate!r}?"
    close = difflib.get_close_matches(value, choices, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _said(expected: str) -> str:
    if expected.startswith("datetime"):
        return "an RFC 3339 time with an offset"
    return {"int": "an integer", "str": "a string", "object": "an object"}.get(expected, expected)


def _hint(expected: str, value: object) -> str:
    if expected.startswith("datetime"):
        return "write it as 2026-03-01T12:00:00+01:00"
    if expected.startswith("int") and isinstance(value, float):
        return "amounts are whole minor units: 12.95 EUR is 1295"
    if expected.startswith("int") and isinstance(value, str):
        return "send a number, not a string"
    return ""
