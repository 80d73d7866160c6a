"""Does a string look like a full card number? If so it is refused, wherever it stands.

A run of 14 to 19 digits, unbroken or in the groups that are printed on cards, that has a
scheme's prefix and length and a right check digit. Left alone: a run after ``+`` (a telephone
number) and a run inside a hexadecimal digest.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import itemgetter
from threading import local
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from fraudkit.errors import CardNumberRefused

__all__ = [
    "decode_searched",
    "looks_like_card_number",
    "may_hold_card_number",
    "refuse_card_numbers",
]

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode

_SEPARATOR_BYTES = b" -\xc2\xa0"
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_SHORTEST_RUN = b"0" * 14

_RUN = re.compile(
    r"(?<![0-9+])(?=("
    r"[0-9]{14,19}"  # unbroken
    r"|[0-9]{4}([ \u00a0-])[0-9]{4}\2[0-9]{4}\2[0-9]{4}(?:\2?[0-9]{1,3})?"  # in fours
    r"|[0-9]{4}([ \u00a0-])[0-9]{6}\3[0-9]{4,5}"  # American Express, Diners Club
    r")(?![0-9]))"
)
_DIGEST = re.compile(r"[0-9a-fA-F-]{24,}")
_LETTER = re.compile(r"[a-fA-F]")
_end_of = itemgetter(1)
_SEPARATORS = re.compile(r"[^0-9]")
_FOUR_GROUPS = len("4111 1111 1111 1111")

_SCHEMES = re.compile(
    r"4\d{15}(?:\d{2,3})?"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|6(?:011|4[4-9]\d|5\d{2})\d{12,15}"  # Discover
    r"|(?:62|81)\d{14,17}"  # UnionPay
    r"|220[0-4]\d{12,15}"  # Mir
    r"|(?:50|5[6-8]|6\d)\d{12,17}"  # Maestro
)


def looks_like_card_number(text: str) -> bool:
    """Return whether the text contains what looks like a full card number.

    Source of prefixes and lengths: ISO/IEC 7812 ranges as the schemes publish them; the check
    digit is Luhn's (ISO/IEC 7812-1, annex B).

    Examples
    --------
    >>> looks_like_card_number("call 4111-1111-1111-1111 back")
    True
    >>> looks_like_card_number("+49 1512 3456789"), looks_like_card_number("4111111111111112")
    (False, False)
    """
    spans = [span for found in _RUN.finditer(text) for span in _card_spans(found)]
    digests = _digest_spans(text) if spans else []
    return any(not _is_inside(digests, *span) for span in spans)


def may_hold_card_number(encoded: bytes) -> bool:
    """Return whether UTF-8 text is worth a closer look: one pass, no false negative.

    With separators taken out, a card number leaves at least 14 digits in a row.
    """
    return _SHORTEST_RUN in encoded.translate(_DIGITS_TO_ZERO, _SEPARATOR_BYTES)


class _Document(local):
    """The document that a thread decodes."""

    holds_none: bool = False


_document: Final = _Document()


def decode_searched(decode: Callable[[bytes], T], body: bytes) -> T:
    r"""Return what a decoder makes of a JSON document.

    Where one pass over the document finds no card number, `refuse_card_numbers` need not search
    what is made of it: every string stands there as it is, unless there is a ``\`` in it.
    """
    _document.holds_none = not (b"\\" in body or may_hold_card_number(body))
    try:
        return decode(body)
    finally:
        _document.holds_none = False


def refuse_card_numbers(value: Struct) -> None:
    """Raise `CardNumberRefused` if any string in the value looks like a full card number."""
    if _document.holds_none:
        return
    if may_hold_card_number(_encode(value)):
        for pointer, text in _strings(value, ""):
            if looks_like_card_number(text):
                raise CardNumberRefused(pointer)


def _card_spans(found: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield where in the text a run is a card number."""
    run = found.group(1)
    # Behind four groups of four may stand a last group, or a date or a security code.
    candidates = (run, run[:_FOUR_GROUPS]) if found.group(2) else (run,)
    for candidate in candidates:
        if _holds(_SEPARATORS.sub("", candidate)):
            yield found.start(1), found.start(1) + len(candidate)


def _holds(digits: str) -> bool:
    return _SCHEMES.fullmatch(digits) is not None and _luhn(digits)


def _digest_spans(text: str) -> list[tuple[int, int]]:
    """Return where hexadecimal digests stand, ascending; each holds a letter."""
    return [found.span() for found in _DIGEST.finditer(text) if _LETTER.search(found.group())]


def _is_inside(digests: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a digest holds a part of a run, and more than the run."""
    place = bisect_right(digests, start, key=_end_of)
    while place < len(digests) and digests[place][0] < end:
        if digests[place][0] < start or digests[place][1] > end:
            return True
        place += 1
    return False


def _luhn(digits: str) -> bool:
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        if place % 2:
            digit *= 2
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def _strings(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield every string in a value, dictionary keys included."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _strings(getattr(value, name), f"{pointer}/{name}")
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from _strings(key, pointer)
            yield from _strings(held, f"{pointer}/{key}")
    elif isinstance(value, tuple | list):
        for index, held in enumerate(value):
            yield from _strings(held, f"{pointer}/{index}")
