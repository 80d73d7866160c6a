"""How figures of a tuning are written: shares in per cent, money in major units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from math import isnan
from typing import Any

from fraudkit.decisions.tuning.report import TuningReport
from fraudkit.domain.money import minor_unit_digits
from fraudkit.reporting.sections import NOT_KNOWN

__all__ = [
    "bounds_text",
    "day_text",
    "money_of",
    "money_text",
    "number_text",
    "percent_text",
    "tenths_text",
    "with_interval",
]


def percent_text(share: float) -> str:
    """Return a share in per cent, to three digits.

    Examples
    --------
    >>> percent_text(0.0025), percent_text(0.5), percent_text(0.99912)
    ('0.25%', '50%', '99.9%')
    """
    return f"{100.0 * share:.3g}%"


def money_text(minor: float, currency: str) -> str:
    """Return an amount in major units, with one more digit below one unit.

    Examples
    --------
    >>> money_text(-123_456.0, "EUR"), money_text(3.0, "EUR"), money_text(0.0, "JPY")
    ('-1,234.56', '0.030', '0')
    """
    digits = minor_unit_digits(currency)
    major = minor / 10**digits
    return f"{major:,.{digits + 1 if 0.0 < abs(major) < 1.0 else digits}f}"


def with_interval(
    value: float | None, low: float | None, high: float | None, written: Callable[[float], str]
) -> str:
    """Return a figure and, where there is one, its interval.

    Examples
    --------
    >>> with_interval(0.5, 0.4, 0.6, percent_text), with_interval(None, None, None, percent_text)
    ('50% [40%, 60%]', '-')
    """
    if value is None:
        return NOT_KNOWN
    if low is None or high is None:
        return written(value)
    return f"{written(value)} [{written(low)}, {written(high)}]"


def bounds_text(row: Mapping[str, Any], written: Callable[[float], str]) -> str:
    """Return the interval of a row of figures in words; empty where there is none.

    Examples
    --------
    >>> bounds_text({"low": 0.1, "high": 0.2}, percent_text)
    '10% to 20%'
    """
    return "" if row["low"] is None else f"{written(row['low'])} to {written(row['high'])}"


def number_text(value: float) -> str:
    """Return a number to four digits.

    Examples
    --------
    >>> number_text(0.123456), number_text(12_345.6), number_text(float("nan"))
    ('0.1235', '12,346', '-')
    """
    if isnan(value):
        return NOT_KNOWN
    return f"{value:,.4g}" if abs(value) < 1000.0 else f"{value:,.0f}"


def tenths_text(value: float) -> str:
    """Return a number to one decimal.

    Examples
    --------
    >>> tenths_text(12.0)
    '12.0'
    """
    return f"{value:,.1f}"


def day_text(time_ms: int) -> str:
    """Return the UTC day of a time.

    Examples
    --------
    >>> day_text(0)
    '1970-01-01'
    """
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d}"


def money_of(report: TuningReport) -> Callable[[float], str]:
    """Return how a report's amounts are written, see `money_text`."""
    return partial(money_text, currency=report.policy.costs.currency)
