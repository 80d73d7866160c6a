"""Turns what msgspec says of bad input into a pointer, an expectation and a likely fix.

Runs only after decoding failed, so it may be slow. It shows what came only where the field takes
numbers, times or words of a list: what stands in a field of free text may be personal. A pointer
leads to something in the document that came, or to the field that is missing from it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

from fraudkit.domain.card_number import looks_like_card_number
from fraudkit.errors import CardNumberRefused, InvalidField

__all__ = ["explain", "shown"]

_SHOWN_CHARACTERS_MAX = 40
_CHOICES_SHOWN_MAX = 16
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN_FIELD = "Object contains unknown field `"
_MISSING_FIELD = re.compile(r"missing required field `([^`]*)`")
_WRONG_TAG = re.compile(r"Invalid value '([^']*)'")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNSAID = {
    "Invalid RFC3339 encoded datetime": "datetime",
    "Number out of range": "a number that fits 64 bits",
}
_HINTS = {
    "length <=": "send less; what is longer is not taken in",
    "length >=": "send more, or leave the field out where nothing is known",
    "matching": "write it as the pattern says: no spaces, no signs between",
    "<": "send a smaller value",
    ">": "send a larger value",
    "64 bits": "send a smaller number",
}
_KINDS = {
    "array": "an array",
    "bool": "true or false",
    "float": "a number",
    "int": "an integer",
    "object": "an object",
    "str": "a string",
}
_CLOSED_KINDS = (
    inspect.BoolType,
    inspect.DateTimeType,
    inspect.FloatType,
    inspect.IntType,
    inspect.LiteralType,
    inspect.NoneType,
)
_COUNTRY_NAMES_IN_USE = {"UK": "GB", "EL": "GR"}


def explain(error: msgspec.ValidationError, value: object, kind: object) -> InvalidField:
    """Return the error to raise for what did not decode as ``kind``.

    Parameters
    ----------
    error : msgspec.ValidationError
        What msgspec raised.
    value : object
        What came, decoded without a type.
    kind : type
        What it should have been.
    """
    message, path = _message_and_path(str(error), value)
    pointer, type_here, value_here = _walk(path, inspect.type_info(kind), value)
    if isinstance(error.__cause__, CardNumberRefused):
        return CardNumberRefused(pointer + error.__cause__.pointer)
    if isinstance(error.__cause__, InvalidField):
        cause = error.__cause__
        return InvalidField(pointer + cause.pointer, cause.expected, cause.received, cause.hint)
    if isinstance(error.__cause__, UnicodeEncodeError):
        return _lone_surrogate(value)
    if isinstance(value_here, str) and looks_like_card_number(value_here):
        return CardNumberRefused(pointer)
    if message.startswith(_UNKNOWN_FIELD):
        told = message.removeprefix(_UNKNOWN_FIELD).removesuffix("`")
        return _unknown_field(pointer, told, _fields_of(type_here, value_here), value_here)
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


def _message_and_path(text: str, value: object) -> tuple[str, str]:
    """Return msgspec's message and its path from the root, which may be empty.

    What it quotes of the document may look like a path too; its own stands last, if it does.
    """
    message, sign, place = text.rpartition(" - at `")
    unknown = text.removeprefix(_UNKNOWN_FIELD).removesuffix("`")
    if not sign or (unknown != text and isinstance(value, dict) and unknown in value):
        return text, ""
    is_key = place.startswith("key` in `")
    path = place.removeprefix("key` in `").removeprefix("$").removesuffix("`")
    return message, path + "[...]" if is_key else path


def _walk(path: str, kind: inspect.Type, value: Any) -> tuple[str, inspect.Type, Any]:
    """Follow msgspec's path as far as the value goes.

    Returns the JSON pointer, the type and the value at its end. Where a key stood twice, the value
    holds the last of both, and msgspec may have stopped in the first.
    """
    pointer = ""
    for name, index in _STEP.findall(path):
        kind = _concrete(kind, value)
        if name and isinstance(value, dict) and name in value:
            pointer += f"/{name}"
            kind = _fields_of(kind, value).get(name, inspect.AnyType())
            value = value[name]
        elif index == "..." and isinstance(value, dict) and isinstance(kind, inspect.DictType):
            step, value, kind = _wrong_entry(kind, value)
            pointer += step
        elif index.isdigit() and isinstance(value, list | tuple) and int(index) < len(value):
            pointer += f"/{index}"
            kind = getattr(kind, "item_type", inspect.AnyType())
            value = value[int(index)]
        else:
            return pointer, _concrete(kind, value), value
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


def _wrong_entry(kind: inspect.DictType, value: dict[Any, Any]) -> tuple[str, object, inspect.Type]:
    """Return the step to the first entry that does not hold, what is wrong, and its type.

    msgspec does not name the entry. What is wrong is the key itself or the value under it. The
    step is empty where no entry is to blame alone.
    """
    for key, held in value.items():
        if not _fits(key, kind.key_type):
            return _step(str(key)), key, kind.key_type
        if not _fits(held, kind.value_type):
            return _step(key), held, kind.value_type
    return "", value, kind


def _step(name: str) -> str:
    """Return one step of a JSON pointer (RFC 6901).

    It is empty, so that the pointer ends at the object that holds the name, where the name is too
    long to be shown, cannot be written, or looks like a card number.
    """
    is_shown = len(name) <= _SHOWN_CHARACTERS_MAX and _SURROGATE.search(name) is None
    if not is_shown or looks_like_card_number(name):
        return ""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _fits(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.UnionType):
        return any(_fits(value, held) for held in kind.types)
    if isinstance(kind, inspect.StrType):
        return isinstance(value, str) and _length_fits(value, kind)
    if isinstance(kind, inspect.LiteralType):
        return value in kind.values
    if isinstance(kind, inspect.DictType):
        return isinstance(value, dict) and all(
            _fits(key, kind.key_type) and _fits(held, kind.value_type)
            for key, held in value.items()
        )
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


def _unknown_field(
    pointer: str, name: str, fields: dict[str, inspect.Type], value: object
) -> InvalidField:
    # Where a key stood twice, the value holds the last of both, and may not hold the name.
    is_there = isinstance(value, dict) and name in value
    if looks_like_card_number(name):
        return CardNumberRefused(pointer)
    close = _close_to(name, fields)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(fields)}"
    return InvalidField(
        pointer + (_step(name) if is_there else ""),
        "a known field",
        f"unknown field {name[:_SHOWN_CHARACTERS_MAX]!r}",
        hint,
    )


def _lone_surrogate(value: object) -> InvalidField:
    return InvalidField(
        _surrogate_at(value) or "",
        "text that can be written as UTF-8",
        "a lone surrogate",
        "send whole characters: two escapes \\uD83D\\uDE00, or the character itself",
    )


def _surrogate_at(value: object) -> str | None:
    """Return the pointer to the first string that holds a lone surrogate, or ``None``."""
    if isinstance(value, str):
        return "" if _SURROGATE.search(value) else None
    named = value.items() if isinstance(value, dict) else ()
    held = enumerate(value) if isinstance(value, list | tuple) else named
    for name, inner in held:
        if isinstance(name, str) and _SURROGATE.search(name):
            return ""
        if (found := _surrogate_at(inner)) is not None:
            return _step(str(name)) + found
    return None


def _wrong_value(pointer: str, message: str, kind: inspect.Type, value: object) -> InvalidField:
    received = shown(value) if _is_closed(kind) else _described(value)
    choices = _choices(kind)
    if choices and isinstance(value, str):
        return InvalidField(pointer, _one_of(choices), received, _closest(value, choices))
    expected = message.removeprefix("Expected ").split(", got ")[0].replace("`", "")
    expected = _UNSAID.get(expected, expected)
    got = message.partition(", got ")[2].replace("`", "")
    if value is None and got and got != "null":
        received = f"a value of type {got}"
    return InvalidField(pointer, _said(expected), received, _hint(expected, value))


def _is_closed(kind: inspect.Type) -> bool:
    """Whether a field takes only numbers, times and words of a list, so nothing personal."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return all(isinstance(held, _CLOSED_KINDS) for held in kinds)


def _described(value: object) -> str:
    """Return what a value is, and nothing of what it says."""
    if isinstance(value, str):
        return "an empty string" if not value else f"a string of {len(value)} characters"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number"
    return shown(value)


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
    if close := _close_to(value, choices):
        return f"did you mean {close[0]!r}?"
    return "send one of the words that the schema lists, written as it writes them"


def _close_to(word: str, choices: Iterable[str]) -> list[str]:
    # No choice is nearly so long, and comparing takes time.
    if len(word) > _SHOWN_CHARACTERS_MAX:
        return []
    return difflib.get_close_matches(word, choices, n=1, cutoff=0.6)


def _said(expected: str) -> str:
    if expected.startswith("datetime"):
        return "an RFC 3339 time with an offset"
    kinds = expected.removesuffix(" | null").split(" | ")
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds)


def _hint(expected: str, value: object) -> str:
    if expected.startswith("datetime"):
        return "write it as 2026-03-01T12:00:00+01:00"
    if value is None:
        return "leave the field out where nothing is known"
    if expected.startswith("int") and isinstance(value, float):
        return "send a whole number; amounts are in minor units: 12.95 EUR is 1295"
    if expected.startswith(("int", "float")) and isinstance(value, str):
        return "send a number, not a string"
    for sign, hint in _HINTS.items():
        if sign in expected:
            return hint
    return f"send {_said(expected)}"
