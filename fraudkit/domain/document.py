"""The written form of the vocabulary: ``docs/vocabulary.md`` and ``docs/schema/*.json``.

``python -m fraudkit.domain.document docs`` writes both. Invariant: everything in them comes
from the structs and their docstrings, so they cannot say something else than the code.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, inspect

from fraudkit.domain.schema import DOCUMENTS, attribute_meanings, json_schema, summary_of

__all__ = ["schema_path", "vocabulary_markdown", "write_documents"]

_CHOICES_LISTED_MAX = 16
_NO_LINE_END = r"(?!\n)"  # Python's $ would take one more line feed
_CODES = {2: "ISO 3166-1 alpha-2 country code", 3: "ISO 4217 currency code"}
_HEAD = """\
# The vocabulary

Generated from the structs in `fraudkit/domain`; `make docs` writes it anew.

- Documents are JSON in UTF-8. An unknown field is an error, so a misspelt one is never lost.
- Amounts are integers in minor units of their ISO 4217 currency: 12.95 EUR is `1295`.
- Times are RFC 3339 with an offset. The offset of `event_time` says the customer's local time.
- A field that is not required may be left out. What is missing is unknown, never safe.
- A string that looks like a full card number is refused wherever it stands.
- An error names the field by JSON pointer, what was expected, what came and the likely fix.
"""
_INTRODUCTIONS = {
    "Transaction": "What a shop sends when a customer tries to pay.",
    "Outcome": "What a shop sends when it learns something about an earlier transaction. "
    "`kind` says which of these it is.",
    "Decision": "What is answered to a transaction.",
    "PaymentContext": "What a checkout sends to learn which payment methods to show.",
    "Recommendation": "What is answered to a payment context.",
}


def vocabulary_markdown() -> str:
    """Return ``docs/vocabulary.md``: every field with its type, its need and its meaning."""
    sections = [_HEAD]
    for name, introduction in _INTRODUCTIONS.items():
        link = f"[JSON Schema]({schema_path(name).as_posix()})"
        sections.append(f"## {name}\n\n{introduction} {link}\n")
        sections += [_table(path, kind) for path, kind in _objects(DOCUMENTS[name])]
    return "\n".join(sections)


def schema_path(name: str) -> Path:
    """Return where a document's JSON Schema stands in the documentation.

    Examples
    --------
    >>> schema_path("PaymentContext").as_posix()
    'schema/payment_context.json'
    """
    return Path("schema") / (re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() + ".json")


def write_documents(folder: Path) -> None:
    """Write the vocabulary and every JSON Schema into a documentation folder."""
    (folder / "schema").mkdir(parents=True, exist_ok=True)
    (folder / "vocabulary.md").write_text(vocabulary_markdown(), "utf-8")
    for name in DOCUMENTS:
        text = json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"
        (folder / schema_path(name)).write_text(text, "utf-8")


def _objects(kind: Any) -> Iterator[tuple[str, inspect.StructType]]:
    """Yield every object in a document with its path, outermost first."""
    here = inspect.type_info(kind)
    for outer in here.types if isinstance(here, inspect.UnionType) else (here,):
        if isinstance(outer, inspect.StructType):
            yield from _nested("", outer)


def _nested(path: str, kind: inspect.StructType) -> Iterator[tuple[str, inspect.StructType]]:
    yield path, kind
    for field in kind.fields:
        held, ending = _without_null(field.type), "."
        if isinstance(held, inspect.VarTupleType):
            held, ending = held.item_type, "[]."
        if isinstance(held, inspect.StructType):
            yield from _nested(f"{path}{field.encode_name}{ending}", held)


def _table(path: str, kind: inspect.StructType) -> str:
    struct: type[Struct] = kind.cls
    title = f"`{path.rstrip('.')}`" if path else f"`{kind.tag or struct.__name__}`"
    meanings = attribute_meanings(struct)
    lines = [f"### {title}", "", _markdown(summary_of(struct)), ""]
    lines += ["| field | type | required | meaning |", "|---|---|---|---|"]
    if kind.tag_field is not None:
        lines.append(f"| `{path}{kind.tag_field}` | `{kind.tag}` | yes | Which kind it is. |")
    for field in kind.fields:
        meaning = _markdown(meanings.get(field.name, ""))
        words = _in_words(field.type if field.required else _without_null(field.type))
        need = "yes" if field.required else f"no{_default(field)}"
        lines.append(f"| `{path}{field.encode_name}` | {words} | {need} | {meaning} |")
    return "\n".join([*lines, ""])


def _default(field: inspect.Field) -> str:
    simple = isinstance(field.default, str | int | float) and field.default != ""
    return f", `{json.dumps(field.default)}`" if simple else ""


def _without_null(kind: inspect.Type) -> inspect.Type:
    if not isinstance(kind, inspect.UnionType):
        return kind
    others = tuple(held for held in kind.types if not isinstance(held, inspect.NoneType))
    return others[0] if len(others) == 1 else inspect.UnionType(others)


def _in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.StrType():
            return _text_in_words(kind)
        case inspect.IntType():
            return _number_in_words("integer", kind)
        case inspect.FloatType():
            return _number_in_words("number", kind)
        case inspect.LiteralType():
            return _choice_in_words([str(value) for value in kind.values])
        case inspect.VarTupleType():
            most = "" if kind.max_length is None else f", at most {kind.max_length:,}"
            return f"list of {_plural(_in_words(kind.item_type))}{most}"
        case inspect.DictType():
            most = "" if kind.max_length is None else f"; at most {kind.max_length:,}"
            return f"keys: {_in_words(kind.key_type)}; values: {_in_words(kind.value_type)}{most}"
        case inspect.UnionType():
            return " or ".join(_in_words(held) for held in kind.types)
        case _:
            return _WORDS[type(kind)]


_WORDS: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.DateTimeType: "time with an offset",
    inspect.NoneType: "null",
    inspect.StructType: "object",
}


def _plural(words: str) -> str:
    return "objects" if words == "object" else words


def _text_in_words(kind: inspect.StrType) -> str:
    if kind.pattern is not None:
        return f"text like `{kind.pattern.removesuffix(_NO_LINE_END)}`"
    if kind.max_length is None:
        return "text"
    if kind.min_length == kind.max_length == 1:
        return "one character"
    least = f"{kind.min_length} to " if kind.min_length else "at most "
    return f"text of {least}{kind.max_length} characters"


def _number_in_words(word: str, kind: inspect.IntType | inspect.FloatType) -> str:
    bounds = [
        f"{sign} {_grouped(bound)}"
        for sign, bound in (("≥", kind.ge), (">", kind.gt), ("≤", kind.le), ("<", kind.lt))
        if bound is not None
    ]
    return f"{word} {' and '.join(bounds)}".strip()


def _grouped(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 10_000 else f"{number:.0f}"


def _choice_in_words(choices: list[str]) -> str:
    if len(choices) > _CHOICES_LISTED_MAX:
        return _CODES[len(choices[0])]
    return "one of " + ", ".join(f"`{choice}`" for choice in choices)


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace("`None`", "`null`").replace("|", "\\|")


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))
