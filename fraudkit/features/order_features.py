"""The arithmetic of the default order features: pure functions of field values.

What should agree stands in `fraudkit.features.agreement`, what an e-mail address looks like in
`fraudkit.features.email_shape`. Invariant: an absent input gives NaN, never a value that looks
harmless.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from math import nan
from typing import Final

from fraudkit.features.feature_group import FeatureGroup
from fraudkit.features.fields import REFERENCE_AMOUNT

__all__ = [
    "AGES",
    "AMOUNTS",
    "BASKET_SHAPE",
    "CARD_CHECKS",
    "CLOCK",
    "DELIVERY",
    "ages",
    "amounts",
    "as_given",
    "basket_shape",
    "card_checks",
    "card_days_left",
    "clock",
    "delivery",
    "number",
]

_DAY_MS: Final = 86_400_000
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # RFC 8259, section 6
_TRUTH: Final = {"true": 1.0, "false": 0.0}
_REPEATED_DIGITS_MIN: Final = 3
_CHECK_FAILED: Final = {"pass": False, "fail": True}
_UNANSWERED: Final = ("unchecked", "unavailable")


def number(value: object) -> float:
    """Return a number or a truth value as a float, also where it came as text.

    A column in which one row holds text is read as text, every number in it too.
    """
    if value is None:
        return nan
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else _TRUTH.get(value, nan)
    return float(value)  # type: ignore[arg-type]


def as_given(value: float | None) -> float:
    """Return a number or a truth value as a float."""
    return nan if value is None else float(value)


def clock(event_time_ms: int, offset_minutes: int | None) -> tuple[float, ...]:
    """Return when it was on the customer's clock, as `CLOCK` names it.

    The hour of the day, 0 to 23; the day of the week, Monday is 0 (1970-01-01 was a Thursday);
    whether the hour is before 6; whether the day is a Saturday or a Sunday.

    Examples
    --------
    >>> clock(1_767_225_600_000, 60)  # Thursday 2026-01-01, 01:00
    (1, 3, True, False)
    """
    if offset_minutes is None:
        return nan, nan, nan, nan
    hours = (event_time_ms // 60_000 + offset_minutes) // 60
    hour, weekday = hours % 24, (hours // 24 + 3) % 7
    return hour, weekday, hour < 6, weekday > 4


CLOCK: Final = FeatureGroup(
    inputs=("event_time_ms", "local_offset_minutes"),
    names=("local_hour", "local_weekday", "is_night", "is_weekend"),
    compute=clock,
)


def amounts(reference_amount_minor: int | None, amount_minor: int | None) -> tuple[float, ...]:
    """Return the shape of an order's total, as `AMOUNTS` names it.

    The total in minor units of the reference currency. Of the total in the order's own minor
    units: whether it ends in two zeros; its last two digits, 0 to 99; whether it is one digit
    repeated three times or more.

    Examples
    --------
    >>> amounts(None, 4444)
    (nan, False, 44, True)
    """
    reference = nan if reference_amount_minor is None else reference_amount_minor
    if amount_minor is None:
        return reference, nan, nan, nan
    ending = amount_minor % 100
    is_repeated = ending % 11 == 0 and _is_one_digit(str(amount_minor))
    return reference, ending == 0, ending, is_repeated


def _is_one_digit(digits: str) -> bool:
    return len(digits) >= _REPEATED_DIGITS_MIN and digits.count(digits[0]) == len(digits)


AMOUNTS: Final = FeatureGroup(
    inputs=(REFERENCE_AMOUNT, "order.amount_minor"),
    names=("amount", "is_round_amount", "amount_ending", "has_repeated_digits"),
    compute=amounts,
)


def basket_shape(
    reference_amount_minor: int | None,
    amount_minor: int | None,
    piece_count: int | None,
    total_minor: int | None,
    largest_line_minor: int | None,
) -> tuple[float, ...]:
    """Return how an order's total is spread over its lines, as `BASKET_SHAPE` names it.

    The total in minor units of the reference currency, a piece; the dearest line's share of the
    price of all lines; and that price over the order's total: they differ by delivery, tax and
    discount.

    Examples
    --------
    >>> basket_shape(9000, 8000, 3, 10_000, 7_500)
    (3000.0, 0.75, 1.25)
    """
    is_known = reference_amount_minor is not None and piece_count
    amount_per_piece = reference_amount_minor / piece_count if is_known else nan  # type: ignore[operator]
    if total_minor is None:
        return amount_per_piece, nan, nan
    return (
        amount_per_piece,
        largest_line_minor / total_minor if largest_line_minor is not None and total_minor else nan,
        total_minor / amount_minor if amount_minor else nan,
    )


BASKET_SHAPE: Final = FeatureGroup(
    inputs=(
        REFERENCE_AMOUNT,
        "order.amount_minor",
        "basket.piece_count",
        "basket.total_minor",
        "basket.largest_line_minor",
    ),
    names=("amount_per_piece", "largest_line_share", "lines_over_total"),
    compute=basket_shape,
)


def ages(
    event_time_ms: int,
    created_at_ms: int | None,
    changed_at_ms: int | None,
    password_changed_at_ms: int | None,
    first_purchase_at_ms: int | None,
) -> tuple[float, ...]:
    """Return the days from what happened to the account to the order, as `AGES` names them.

    Negative where it happened later.

    Examples
    --------
    >>> ages(86_400_000, 0, None, None, 129_600_000)
    (1.0, nan, nan, -0.5)
    """
    now = event_time_ms
    return (
        nan if created_at_ms is None else (now - created_at_ms) / _DAY_MS,
        nan if changed_at_ms is None else (now - changed_at_ms) / _DAY_MS,
        nan if password_changed_at_ms is None else (now - password_changed_at_ms) / _DAY_MS,
        nan if first_purchase_at_ms is None else (now - first_purchase_at_ms) / _DAY_MS,
    )


AGES: Final = FeatureGroup(
    inputs=(
        "event_time_ms",
        "account.created_at_ms",
        "account.changed_at_ms",
        "account.password_changed_at_ms",
        "account.first_purchase_at_ms",
    ),
    names=("account_age", "account_change_age", "password_age", "first_purchase_age"),
    compute=ages,
)


def delivery(speed: str | None, kind: str | None) -> tuple[float, ...]:
    """Return what is special about the delivery, as `DELIVERY` names it.

    Whether it is faster than the standard; whether it is digital; whether it is both faster
    than the standard and to a new address.

    Examples
    --------
    >>> delivery("overnight", "new_address"), delivery(None, "digital")
    ((True, False, 1), (nan, True, nan))
    """
    is_express = nan if speed is None else speed != "standard"
    if kind is None:
        return is_express, nan, nan
    return is_express, kind == "digital", is_express * (kind == "new_address")


DELIVERY: Final = FeatureGroup(
    inputs=("shipping.delivery_speed", "shipping.delivery_kind"),
    names=("is_express", "is_digital_delivery", "is_express_to_new_address"),
    compute=delivery,
)


def card_checks(
    cvv_check: str | None, address_check: str | None, postal_check: str | None
) -> tuple[float, ...]:
    """Return what the issuer said of the card's security code and address, as `CARD_CHECKS`.

    For each, whether it was wrong: NaN where the issuer did not say. And how many of those that
    came were not made or not answered: NaN where none came.

    Examples
    --------
    >>> card_checks("pass", "unavailable", None)
    (False, nan, nan, 1)
    """
    checks = (cvv_check, address_check, postal_check)
    failed = _CHECK_FAILED.get
    return (
        failed(cvv_check, nan),  # type: ignore[arg-type]
        failed(address_check, nan),  # type: ignore[arg-type]
        failed(postal_check, nan),  # type: ignore[arg-type]
        nan
        if checks == (None, None, None)
        else (cvv_check in _UNANSWERED)
        + (address_check in _UNANSWERED)
        + (postal_check in _UNANSWERED),
    )


CARD_CHECKS: Final = FeatureGroup(
    inputs=("payment.card.cvv_check", "payment.card.address_check", "payment.card.postal_check"),
    names=("cvv_failed", "address_check_failed", "postal_check_failed", "unanswered_checks"),
    compute=card_checks,
)


def card_days_left(event_time_ms: int, expiry_year: int | None, expiry_month: int | None) -> float:
    """Return the days until the card's last month is over (UTC), negative where it is.

    Examples
    --------
    >>> card_days_left(1_767_225_600_000, 2026, 1)
    31.0
    """
    if expiry_year is None or expiry_month is None:
        return nan
    return _days_until_over(expiry_year, expiry_month) - event_time_ms / _DAY_MS


@lru_cache(maxsize=1024)
def _days_until_over(year: int, month: int) -> int:
    """Return the days from 1970-01-01 to the first day after a month."""
    after = date(year + month // 12, month % 12 + 1, 1)
    return after.toordinal() - date(1970, 1, 1).toordinal()
