"""Whether values hold, by the same types that decode a transaction online.

Invariant: nothing is accepted here that online decoding would refuse, and what is refused is
told in the same words. Distinct values are checked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import polars as pl

from fraudkit.domain.card_number import looks_like_card_number
from fraudkit.domain.explaining import explain, shown
from fraudkit.errors import CardNumberRefused, InvalidField
from fraudkit.mapping.vocabulary import CARD_RANK, Field

__all__ = [
    "DoesNotFit",
    "Fault",
    "card_faults",
    "list_of",
    "missing_fault",
    "refused",
    "rows_with",
    "unreadable_faults",
    "value_faults",
]

_CARD_DIGITS_MIN: Final = 14
_SEPARATORS: Final = "[ \u00a0-]"


class DoesNotFit(Exception):
    """A whole column cannot be what it is mapped to; becomes a line of a `MappingError`."""


@dataclass(frozen=True)
class Fault:
    """Rows that fail in the same way.

    Attributes
    ----------
    rows : sequence of int
        Rows of the file.
    rank : int
        Of several faults of a row the one with the lowest rank is told.
    error : InvalidField
        What is wrong with each of them.
    way : str
        What goes wrong, to tell a column that does not fit from rows that do not hold.
    """

    rows: Sequence[int]
    rank: int
    error: InvalidField
    way: Literal["value", "unreadable", "card", "missing"] = "value"


def refused(value: object, annotation: Any, pointer: str) -> InvalidField | None:
    """Return why online decoding refuses a value at a pointer, or ``None`` if it takes it."""
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        return _moved(explain(error, value, annotation), pointer)
    return None


def list_of(annotation: Any) -> Any:
    """Return the type of a list of such values; one call checks them all."""
    return list.__class_getitem__(annotation)


def value_faults(series: pl.Series, field: Field) -> list[Fault]:
    """Return the faults of values that have the right type already; null is no value."""
    values = series.drop_nulls().unique()
    plain = values.to_list()
    try:
        msgspec.convert(plain, list_of(field.annotation))
    except msgspec.ValidationError:
        wrong = pl.Series(
            [not _holds(value, field.annotation) for value in plain], dtype=pl.Boolean
        )
        return [
            Fault(rows, field.rank, error)
            for value, rows in rows_with(series, values.filter(wrong))
            if (error := refused(value, field.annotation, field.pointer)) is not None
        ]
    return []


def unreadable_faults(
    series: pl.Series, mask: pl.Series, field: Field, expected: str, hint: str = ""
) -> list[Fault]:
    """Return the faults of values that cannot be turned into the field's type at all."""
    return [
        Fault(
            rows,
            field.rank,
            InvalidField(field.pointer, expected, shown(value), hint),
            "unreadable",
        )
        for value, rows in rows_with(series, series.filter(mask).unique())
    ]


def card_faults(series: pl.Series, pointer: str) -> list[Fault]:
    """Return the faults of text that looks like a full card number."""
    texts = series.drop_nulls().unique()
    texts = texts.filter(texts.str.len_bytes() >= _CARD_DIGITS_MIN)
    closer = texts.str.replace_all(_SEPARATORS, "").str.contains(f"[0-9]{{{_CARD_DIGITS_MIN}}}")
    cards = [text for text in texts.filter(closer) if looks_like_card_number(text)]
    return [
        Fault(rows, CARD_RANK, CardNumberRefused(pointer), "card")
        for _, rows in rows_with(series, pl.Series(cards, dtype=pl.String))
    ]


def missing_fault(rows: Sequence[int], field: Field, pointer: str | None = None) -> Fault:
    """Return the fault of rows that lack a required field."""
    error = InvalidField(
        field.pointer if pointer is None else pointer,
        "a value, it is required",
        "nothing",
        "add the field",
    )
    return Fault(rows, field.missing_rank, error, "missing")


def rows_with(series: pl.Series, values: pl.Series) -> list[tuple[Any, list[int]]]:
    """Return each of the values with the rows it stands in, by first row."""
    if values.is_empty():
        return []
    frame = pl.DataFrame({"value": series}).with_row_index("row")
    grouped = (
        frame.filter(pl.col("value").is_in(values.implode()))
        .group_by("value", maintain_order=True)
        .agg("row")
    )
    return list(zip(grouped["value"].to_list(), grouped["row"].to_list(), strict=True))


def _holds(value: object, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


def _moved(error: InvalidField, pointer: str) -> InvalidField:
    if isinstance(error, CardNumberRefused):
        return CardNumberRefused(pointer + error.pointer)
    return InvalidField(pointer + error.pointer, error.expected, error.received, error.hint)
