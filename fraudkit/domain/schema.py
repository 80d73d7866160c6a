"""JSON Schema of the vocabulary, published from the structs that decode it.

Invariant: what the decoder takes, the schema takes. Some rules are stricter than a schema can
say: no string may look like a full card number, and nothing is known before it happens.
"""

from __future__ import annotations

import inspect as source
import re
from typing import Any

import msgspec
from msgspec import Struct, inspect

from fraudkit.domain.decision import Decision
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.payment_choice import PaymentContext, Recommendation
from fraudkit.domain.transaction import Transaction

__all__ = ["DOCUMENTS", "attribute_meanings", "json_schema", "structs_of", "summary_of"]

DOCUMENTS: dict[str, Any] = {
    "Decision": Decision,
    "Outcome": Outcome,
    "PaymentContext": PaymentContext,
    "Recommendation": Recommendation,
    "Transaction": Transaction,
}
"""The documents that are sent and answered, by name."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTES = re.compile(r"^Attributes\n-+\n(.*?)(?=^\S+\n-+$|\Z)", re.DOTALL | re.MULTILINE)
_ATTRIBUTE = re.compile(r"^(\w+(?:, \w+)*) :.*\n((?:(?: +.*)?\n?)*)", re.MULTILINE)


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of one document; a new value at each call.

    Parameters
    ----------
    name : {"Decision", "Outcome", "PaymentContext", "Recommendation", "Transaction"}
        Which document.

    Examples
    --------
    >>> json_schema("Transaction")["$defs"]["Order"]["required"]
    ['amount_minor', 'currency']
    """
    schema = msgspec.json.schema(DOCUMENTS[name])
    for struct in structs_of(DOCUMENTS[name]):
        _describe(schema["$defs"][struct.__name__], struct)
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return {"$schema": _DIALECT, "title": name, **described}


def structs_of(kind: Any) -> tuple[type[Struct], ...]:
    """Return every struct in a document, each once, in the order in which it is first met."""
    found: dict[type[Struct], None] = {}
    _collect(inspect.type_info(kind), found)
    return tuple(found)


def summary_of(struct: type[Struct]) -> str:
    """Return what the class docstring says before its first section, as one line."""
    text = source.cleandoc(struct.__doc__ or "")
    return " ".join(re.split(r"^\S+\n-+$", text, maxsplit=1, flags=re.MULTILINE)[0].split())


def attribute_meanings(struct: type[Struct]) -> dict[str, str]:
    """Return field → what the ``Attributes`` sections say of it, base classes included.

    Examples
    --------
    >>> from fraudkit.domain.transaction import Shipping
    >>> attribute_meanings(Shipping)["country"]
    'ISO 3166-1 alpha-2.'
    """
    meanings: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        section = _ATTRIBUTES.search(source.cleandoc(base.__doc__ or ""))
        for names, text in _ATTRIBUTE.findall(section[1]) if section else ():
            meanings.update(dict.fromkeys(names.split(", "), " ".join(text.split())))
    return meanings


def _describe(definition: dict[str, Any], struct: type[Struct]) -> None:
    definition["description"] = summary_of(struct)
    for name, meaning in attribute_meanings(struct).items():
        definition["properties"][name]["description"] = meaning


def _collect(kind: inspect.Type, found: dict[type[Struct], None]) -> None:
    if isinstance(kind, inspect.StructType):
        if kind.cls not in found:
            found[kind.cls] = None
            for field in kind.fields:
                _collect(field.type, found)
    elif isinstance(kind, inspect.UnionType):
        for held in kind.types:
            _collect(held, found)
    elif isinstance(kind, inspect.VarTupleType):
        _collect(kind.item_type, found)
    elif isinstance(kind, inspect.DictType):
        _collect(kind.value_type, found)
    elif isinstance(kind, inspect.Metadata):
        _collect(kind.type, found)
