"""The names of metrics in a PromQL expression, found by its words."""

from __future__ import annotations

import re

__all__ = ["metrics_of"]

_LEFT_OUT = re.compile(
    r'"(?:[^"\\]|\\.)*"'  # text
    r"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"  # lists of labels
    r"|\[[^\]]*\]"  # ranges
    r"|\boffset\s+\w+"
)
_LABELS = re.compile(r"\{[^{}]*\}")
_NAME = re.compile(r"(?<![\w$:.])[a-zA-Z_:][\w:]*(?!\s*\()\b")
_WORDS = {"and", "or", "unless", "bool"}


def metrics_of(expression: str) -> set[str]:
    """Return the metrics that an expression reads; functions, labels and numbers are none.

    Examples
    --------
    >>> sorted(metrics_of('sum by (le) (rate(a_total{b="c_total"}[5m] offset 1w)) > 0.1 and d'))
    ['a_total', 'd']
    """
    rest = _LABELS.sub(" ", _LEFT_OUT.sub(" ", expression))
    return set(_NAME.findall(rest)) - _WORDS
