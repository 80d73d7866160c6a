"""The arithmetic of the default order features: pure functions of field values.

Invariant: an absent input gives NaN, never a value that looks harmless.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "UNKNOWN",
    "account_age_days",
    "amount",
    "differs",
    "digit_share",
    "is_round_amount",
    "is_true",
    "local_hour",
    "local_part_length",
    "local_weekday",
    "name_differs",
    "name_in_email",
    "number",
    "street_differs",
]

UNKNOWN: Final = float("nan")
_DAY_MS: Final = 86_400_000
_NOT_WORD: Final = re.compile(r"[\W_]+")
_WITHOUT_DIGITS: Final = str.maketrans("", "", "0123456789")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # RFC 8259, section 6
_TRUTH: Final = {"true": 1.0, "false": 0.0}


def number(value: object) -> float:
    """Return a number or a truth value as a float, also where it came as text.

    A column in which one row holds text is read as text, every number in it too.
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else _TRUTH.get(value, UNKNOWN)
    return float(value)  # type: ignore[arg-type]


def amount(reference_amount_minor: int | None) -> float:
    """Return the amount in minor units of the reference currency."""
    return UNKNOWN if reference_amount_minor is None else float(reference_amount_minor)


def is_round_amount(amount_minor: int | None) -> float:
    """Return 1 where the amount ends in two zeros."""
    return UNKNOWN if amount_minor is None else float(amount_minor % 100 == 0)


def local_hour(event_time_ms: int, utc_offset_minutes: int) -> float:
    """Return the hour of the day, 0 to 23, at the event time's own offset."""
    return float((event_time_ms // 60_000 + utc_offset_minutes) // 60 % 24)


def local_weekday(event_time_ms: int, utc_offset_minutes: int) -> float:
    """Return the day of the week at the event time's own offset; Monday is 0.

    1970-01-01 was a Thursday.
    """
    return float(((event_time_ms // 60_000 + utc_offset_minutes) // 1440 + 3) % 7)


def differs(first: str | None, second: str | None) -> float:
    """Return 1 where two values differ, 0 where they agree."""
    return UNKNOWN if first is None or second is None else float(first != second)


def street_differs(
    street: str | None, postal: str | None, other_street: str | None, other_postal: str | None
) -> float:
    """Return 1 where street or postal code differ but for case, spaces and punctuation."""
    if street is None or other_street is None:
        return UNKNOWN
    if street == other_street and postal == other_postal:
        return 0.0
    return float(
        _words(street) != _words(other_street) or _words(postal or "") != _words(other_postal or "")
    )


def name_differs(
    first: str | None, last: str | None, other_first: str | None, other_last: str | None
) -> float:
    """Return 1 where two names differ but for case, spaces and punctuation."""
    if last is None or other_last is None:
        return UNKNOWN
    if last == other_last and first == other_first:
        return 0.0
    return float(_words(f"{first or ''} {last}") != _words(f"{other_first or ''} {other_last}"))


def account_age_days(event_time_ms: int, created_at_ms: int | None) -> float:
    """Return the days between the account's making and the order; negative where it is later."""
    return UNKNOWN if created_at_ms is None else (event_time_ms - created_at_ms) / _DAY_MS


def local_part_length(address: str | None) -> float:
    """Return the length of what stands before the ``@``; NaN for a digest."""
    local = _local_part(address)
    return UNKNOWN if local is None else float(len(local))


def digit_share(address: str | None) -> float:
    """Return the share of digits in what stands before the ``@``; NaN for a digest."""
    local = _local_part(address)
    if not local:
        return UNKNOWN
    return (len(local) - len(local.translate(_WITHOUT_DIGITS))) / len(local)


def name_in_email(address: str | None, last_name: str | None) -> float:
    """Return 1 where the last name stands in the e-mail address."""
    local = _local_part(address)
    name = _NOT_WORD.sub("", (last_name or "").casefold())
    if local is None or not name:
        return UNKNOWN
    return float(name in _NOT_WORD.sub("", local.casefold()))


def is_true(value: bool | None) -> float:  # noqa: FBT001 - the value of a field
    """Return 1 for true, 0 for false."""
    return UNKNOWN if value is None else float(value)


def _local_part(address: str | None) -> str | None:
    if address is None or "@" not in address:
        return None
    return address.rpartition("@")[0]


def _words(text: str) -> str:
    return _NOT_WORD.sub(" ", text.casefold()).strip()
