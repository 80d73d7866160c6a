"""`text_of`: any value as the text that it is in a column of text."""

from __future__ import annotations

import math

import msgspec

__all__ = ["text_of"]


def text_of(value: str | float | bool | None) -> str | None:  # noqa: FBT001 - of a field
    """Return a value as text, as it is read from a column that holds numbers and text.

    Examples
    --------
    >>> text_of("5"), text_of(5.0), text_of(True), text_of(float("nan"))
    ('5', '5', 'true', None)
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode()
