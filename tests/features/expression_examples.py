"""Expressions, values of their fields, and what comes out."""

from __future__ import annotations

import math
from math import inf, nan

from fraudkit.features.spec import Value

__all__ = ["EXAMPLES", "SHORT", "is_same", "written_out"]

# The letters stand for the fields, so that an example fits in a line.
SHORT = {
    "a": "reference_amount_minor", "b": "order.item_count", "c": "device.session_age_s",
    "g": "order.is_gift", "h": "account.is_guest", "s": "billing.country",
    "t": "shipping.country", "x": "custom_inputs.a", "y": "custom_inputs.b",
}  # fmt: skip

EXAMPLES: list[tuple[str, dict[str, Value], float]] = [
    ("a", {"a": 5}, 5.0),
    ("a", {}, nan),
    ("a + 1 - b * 2", {"a": 5, "b": 2}, 2.0),
    ("a + b", {"a": 5}, nan),
    ("-a", {"a": 5}, -5.0),
    ("+a - -2", {"a": 5}, 7.0),
    ("a / b", {"a": 1, "b": 3}, 1 / 3),
    ("a / b", {"a": 1, "b": 0}, nan),
    ("a // b", {"a": -7, "b": 2}, -4.0),
    ("a // b", {"a": 7, "b": 0}, nan),
    ("a % 100", {"a": -1}, 99.0),
    ("a % b", {"a": 7, "b": 0}, nan),
    ("abs(a)", {"a": -3}, 3.0),
    ("min(a, b, 4)", {"a": 5, "b": 6}, 4.0),
    ("max(a, b, 4)", {"a": 5, "b": 6}, 6.0),
    ("min(a, b)", {"a": 5}, nan),
    ("max(b, a)", {"a": 5}, nan),
    ("a < b", {"a": 1, "b": 2}, 1.0),
    ("a <= b", {"a": 2, "b": 2}, 1.0),
    ("a > b", {"a": 1, "b": 2}, 0.0),
    ("a >= b", {"a": 1, "b": 2}, 0.0),
    ("a == b", {"a": 2, "b": 2}, 1.0),
    ("a != b", {"a": 2, "b": 2}, 0.0),
    ("a < b", {"a": 1}, nan),
    ("a != b", {"a": 1}, nan),
    ("a == b", {}, nan),
    ("0 < a < b", {"a": 1, "b": 2}, 1.0),
    ("0 < a < b", {"a": 1, "b": 1}, 0.0),
    ("0 < a < b", {"a": -1}, 0.0),
    ("0 < a < b", {"a": 1}, nan),
    ("s == t", {"s": "DE", "t": "DE"}, 1.0),
    ("s != t", {"s": "DE", "t": "DE"}, 0.0),
    ("s != t", {"s": "DE"}, nan),
    ("s == 'DE'", {}, nan),
    ("s == ''", {"s": ""}, 1.0),
    ("a in [1, 2]", {"a": 2}, 1.0),
    ("a not in [1, 2]", {"a": 2}, 0.0),
    ("a in (1, 2)", {}, nan),
    ("s in {'DE', 'AT'}", {"s": "AT"}, 1.0),
    ("s not in ['DE']", {"s": "AT"}, 1.0),
    ("s in ['DE']", {}, nan),
    ("g", {"g": True}, 1.0),
    ("not g", {"g": True}, 0.0),
    ("not g", {}, nan),
    ("g + h", {"g": True, "h": True}, 2.0),
    ("g == h", {"g": True, "h": False}, 0.0),
    ("g and h", {"g": False}, 0.0),
    ("g and h", {"h": False}, 0.0),
    ("g and h", {"g": True}, nan),
    ("g and h and a > 1", {"g": True, "h": True, "a": 2}, 1.0),
    ("g or h", {"h": True}, 1.0),
    ("g or h", {"g": False}, nan),
    ("g or h or a > 1", {"g": False, "h": False, "a": 1}, 0.0),
    ("a if g else b", {"a": 1, "b": 2, "g": True}, 1.0),
    ("a if g else b", {"b": 2, "g": False}, 2.0),
    ("a if g else b", {"a": 1, "b": 2}, nan),
    ("(s if g else t) == 'DE'", {"s": "DE", "g": True}, 1.0),
    ("(s if g else t) == 'DE'", {"s": "DE", "t": "DE"}, nan),
    ("default(a, 7)", {}, 7.0),
    ("default(a, b)", {"a": 1}, 1.0),
    ("default(a / b, -1)", {"a": 1, "b": 0}, -1.0),
    ("default(s, t) == 'DE'", {"t": "DE"}, 1.0),
    ("default(g, False)", {}, 0.0),
    ("is_missing(a)", {}, 1.0),
    ("is_missing(a)", {"a": 0}, 0.0),
    ("is_missing(a / b)", {"a": 1, "b": 0}, 1.0),
    ("is_missing(s)", {}, 1.0),
    ("is_missing(s)", {"s": ""}, 0.0),
    ("x + 1", {"x": 2.5}, 3.5),
    ("x + 1", {"x": "2.5"}, 3.5),
    ("x + 1", {"x": "much"}, nan),
    ("x + y", {"x": True, "y": "true"}, 2.0),
    ("x and g", {"x": 3.0, "g": True}, 1.0),
    ("x and g", {"x": "0", "g": True}, 0.0),
    ("x and g", {"x": "yes", "g": True}, nan),
    ("not x", {}, nan),
    ("x == 'spring'", {"x": "spring"}, 1.0),
    ("x == '5'", {"x": 5.0}, 1.0),
    ("x == y", {"x": 5.0, "y": "5"}, 1.0),
    ("x == 5", {"x": "5"}, 1.0),
    ("x == True", {"x": "true"}, 1.0),
    ("x in [5, 6]", {"x": "5"}, 1.0),
    ("x in ['a', '6']", {"x": 6.0}, 1.0),
    ("is_missing(x)", {}, 1.0),
    ("is_missing(x)", {"x": "much"}, 0.0),
    ("is_missing(x + 0)", {"x": "much"}, 1.0),
    ("default(x, y)", {"y": "3"}, 3.0),
    ("(x if g else y) == 'a'", {"x": "a", "g": True}, 1.0),
    ("a * a * a * a * a * a * a * a", {"a": 10.0**50}, nan),
    ("a * a * a * a * a * a * a * a > 1", {"a": 10.0**50}, 1.0),
    ("a - a", {"a": inf}, nan),
    ("(a\n + b) # on two lines", {"a": 1, "b": 2}, 3.0),
]


def written_out(short: str) -> str:
    """Write fields for the letters of an example."""
    return "".join(
        SHORT.get(letter, letter)
        if not (before.isalpha() or after.isalpha() or "'" in (before, after))
        else letter
        for before, letter, after in zip(" " + short, short, short[1:] + " ", strict=False)
    )


def is_same(value: float, other: float) -> bool:
    return value == other or (math.isnan(value) and math.isnan(other))
