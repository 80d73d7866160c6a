"""The vocabulary as a table: dotted path → what may stand there.

Invariant: everything here is read off the structs in `fraudkit.domain.transaction`, so a field
that is added there can be mapped without a change here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, inspect

from fraudkit.domain.card_number import looks_like_card_number
from fraudkit.domain.transaction import Transaction

__all__ = [
    "AMOUNT_IN_UNIT",
    "CARD_RANK",
    "CUSTOM_INPUTS",
    "ENTITIES",
    "Field",
    "Kind",
    "OpenTable",
    "Part",
    "close_to",
    "field_at",
    "fields",
    "open_tables",
    "parts",
]

AMOUNT_IN_UNIT: Final = "order.amount"
"""The one path of mappings that the structs lack: the amount in the mapping's unit."""

ENTITIES: Final = "entities"
CUSTOM_INPUTS: Final = "custom_inputs"

CARD_RANK: Final = 1_000_000
"""Card numbers are looked for after all else holds, as online."""


class Kind(StrEnum):
    """What values a path holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    ITEMS = "items"
    ANY = "text, number or boolean"


class Field(Struct, frozen=True, kw_only=True):
    """One path of the vocabulary.

    Attributes
    ----------
    path : str
        Dotted: ``"billing.country"``.
    kind : Kind
        What values it holds.
    annotation : type
        The type online validation decodes it as.
    rank, missing_rank : int
        Where in a document its errors come up: of two errors in a row the lower rank is told.
    is_required : bool
        Whether a transaction without it is refused.
    default : str, bool or None
        What an absent value means; ``None`` is "unknown".
    """

    path: str
    kind: Kind
    annotation: Any
    rank: int
    missing_rank: int
    is_required: bool = False
    default: str | bool | None = None

    @property
    def pointer(self) -> str:
        """The path as JSON pointer; a step that looks like a card number is left out."""
        steps = self.path.split(".")
        return "".join(f"/{step}" for step in steps if not looks_like_card_number(step))

    @property
    def frame_name(self) -> str:
        """The name of its column in a vocabulary frame."""
        if self.kind is Kind.TIME:
            return f"{self.path}_ms"
        return "order.item_count" if self.kind is Kind.ITEMS else self.path


class Part(Struct, frozen=True, kw_only=True):
    """An object of the vocabulary; ``rank`` as in `Field`."""

    path: str
    annotation: Any
    rank: int

    @property
    def pointer(self) -> str:
        """The path as JSON pointer."""
        return f"/{self.path}".rstrip("/").replace(".", "/")


class OpenTable(Struct, frozen=True, kw_only=True):
    """A dictionary of the vocabulary, whose names the shop chooses."""

    name: str
    annotation: Any
    value: Any
    key_pattern: str
    entries_max: int
    rank: int


@cache
def fields() -> dict[str, Field]:
    """Return every path with a fixed name, in the order of the structs."""
    held = [entry for entry in _walk() if isinstance(entry, Field)]
    return {field.path: field for field in sorted(held, key=lambda field: field.rank)}


@cache
def open_tables() -> dict[str, OpenTable]:
    """Return the dictionaries of the vocabulary by name."""
    return {held.name: held for held in _walk() if isinstance(held, OpenTable)}


@cache
def parts() -> dict[str, Part]:
    """Return the paths that are objects: ``""``, ``"payment"``, ``"payment.card"`` and so on."""
    return {held.path: held for held in _walk() if isinstance(held, Part)}


def field_at(path: str) -> Field | None:
    """Return the field at a path, or ``None`` where the vocabulary has none.

    Examples
    --------
    >>> field_at("order.currency").kind, field_at("entities.terminal").kind
    (<Kind.TEXT: 'text'>, <Kind.TEXT: 'text'>)
    >>> field_at("order.currencies") is None, field_at("entities.Not a name") is None
    (True, True)
    """
    if path == AMOUNT_IN_UNIT:
        minor = fields()["order.amount_minor"]
        return msgspec.structs.replace(minor, path=path, is_required=False)
    table_name, _, key = path.partition(".")
    table = open_tables().get(table_name)
    if table is None or not key:
        return fields().get(path)
    if re.search(table.key_pattern, key) is None:
        return None
    return Field(
        path=path,
        kind=_kind_of(table.value),
        annotation=table.value,
        rank=table.rank,
        missing_rank=table.rank,
    )


def close_to(name: str, names: Iterator[str] | list[str]) -> str:
    """Return ``"; did you mean 'X'?"`` for the name nearest to one that is not known, or ``""``.

    Examples
    --------
    >>> close_to("emial.address", ["email.address", "email.domain"])
    "; did you mean 'email.address'?"
    """
    known = list(names)
    lowered = {candidate.lower(): candidate for candidate in reversed(known)}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if not close:
        close = [held for held in lowered if held.rpartition(".")[2] == name.lower()][:1]
    return f"; did you mean {lowered[close[0]]!r}?" if close else ""


class _Counter:
    """Hands out ranks in the order in which a document is decoded."""

    def __init__(self) -> None:
        self.next = 0

    def take(self) -> int:
        self.next += 1
        return self.next


_Entry = Field | Part | OpenTable


@cache
def _walk() -> tuple[_Entry, ...]:
    return tuple(_walk_struct(Transaction, "", _Counter()))


def _walk_struct(struct: type[Struct], path: str, ranks: _Counter) -> list[_Entry]:
    found: list[_Entry] = [Part(path=path, annotation=struct, rank=ranks.take())]
    own: list[Field] = []
    for field in msgspec.structs.fields(struct):
        annotation, inner = field.type, f"{path}.{field.name}".removeprefix(".")
        if isinstance(annotation, type) and issubclass(annotation, Struct):
            found += _walk_struct(annotation, inner, ranks)
        elif _is_dictionary(annotation):
            table = _open_table(inner, annotation, ranks.take())
            found += [Part(path=inner, annotation=annotation, rank=table.rank), table]
        else:
            own.append(_field(field, inner, ranks.take()))
    last = ranks.take()
    return found + [msgspec.structs.replace(field, missing_rank=last) for field in own]


def _field(field: msgspec.structs.FieldInfo, path: str, rank: int) -> Field:
    return Field(
        path=path,
        kind=_kind_of(field.type),
        annotation=field.type,
        rank=rank,
        missing_rank=rank,
        is_required=field.required,
        default=field.default if isinstance(field.default, str | bool) else None,
    )


def _is_dictionary(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) is dict


def _open_table(name: str, annotation: Any, rank: int) -> OpenTable:
    held, meta = get_args(annotation)
    key, value = get_args(held)
    key_meta: Meta = get_args(key)[1]
    return OpenTable(
        name=name,
        annotation=annotation,
        value=value,
        key_pattern=str(key_meta.pattern),
        entries_max=meta.max_length,
        rank=rank,
    )


def _kind_of(annotation: Any) -> Kind:
    info = inspect.type_info(annotation)
    held = [info] if not isinstance(info, inspect.UnionType) else list(info.types)
    kinds = {_KINDS[type(_bare(kind))] for kind in held if not isinstance(kind, inspect.NoneType)}
    return kinds.pop() if len(kinds) == 1 else Kind.ANY


def _bare(info: inspect.Type) -> inspect.Type:
    while isinstance(info, inspect.Metadata):
        info = info.type
    return info


_KINDS: Final[dict[type[inspect.Type], Kind]] = {
    inspect.StrType: Kind.TEXT,
    inspect.LiteralType: Kind.TEXT,
    inspect.IntType: Kind.INTEGER,
    inspect.FloatType: Kind.NUMBER,
    inspect.BoolType: Kind.BOOLEAN,
    inspect.DateTimeType: Kind.TIME,
    inspect.VarTupleType: Kind.ITEMS,
}
