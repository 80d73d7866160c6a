"""Amounts and rates: exact, dated, rounded half to even."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fraudkit.domain.codes import CURRENCIES
from fraudkit.domain.money import minor_unit_digits, rate_table
from fraudkit.errors import InvalidField

DAY_MS = 86_400_000
CURRENCY = st.sampled_from(sorted(CURRENCIES))
DAYS = st.dates(date(1980, 1, 1), date(2100, 1, 1))
RATE = st.decimals(Decimal("0.000001"), Decimal(100_000), places=6).map(str)


def day_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def oracle(
    amount_minor: int, digits_from: int, digits_to: int, dated: dict[date, str], at_ms: int
) -> int:
    """Convert in exact fractions of major units; round half to even by hand."""
    past = [day for day in dated if day_ms(day) <= at_ms] or [min(dated)]
    past = [max(past)]
    exact = Fraction(amount_minor, 10**digits_from) * Fraction(dated[past[0]]) * 10**digits_to
    whole, rest = divmod(exact.numerator, exact.denominator)
    twice = 2 * rest
    up = twice > exact.denominator or (twice == exact.denominator and whole % 2 == 1)
    return whole + up


@given(
    reference=CURRENCY,
    currency=CURRENCY,
    dated=st.dictionaries(DAYS, RATE, min_size=1, max_size=4),
    amount_minor=st.integers(0, 10**13),
    at_day=DAYS,
    within_day=st.sampled_from([-1, 0, 1, DAY_MS - 1]),
)
@example("EUR", "USD", {date(2026, 1, 1): "0.5"}, 1, date(2026, 1, 1), 0)
@example("EUR", "USD", {date(2026, 1, 1): "0.5"}, 3, date(2026, 1, 1), -1)
@example("KWD", "JPY", {date(2026, 1, 1): "0.002", date(2026, 1, 2): "1"}, 7, date(2026, 1, 2), -1)
def test_conversion_equals_exact_arithmetic(
    reference: str,
    currency: str,
    dated: dict[date, str],
    amount_minor: int,
    at_day: date,
    within_day: int,
) -> None:
    rates = {currency: {str(day): rate for day, rate in dated.items()}}
    scale = Fraction(10) ** (minor_unit_digits(reference) - minor_unit_digits(currency))
    if max(map(Fraction, dated.values())) * scale * 10**13 >= 2**62:
        with pytest.raises(InvalidField, match="the greatest amount, stay below"):
            rate_table(reference, rates)
        return
    table = rate_table(reference, rates)
    at_ms = day_ms(at_day) + within_day
    converted = table.to_reference_minor(amount_minor, currency, at_ms)
    if currency == reference:
        assert converted == amount_minor
    else:
        digits = minor_unit_digits(currency), minor_unit_digits(reference)
        assert converted == oracle(amount_minor, *digits, dated, at_ms)


@pytest.mark.parametrize(("amount_minor", "rounded"), [(1, 0), (3, 2), (5, 2), (7, 4), (2, 1)])
def test_a_half_is_rounded_to_the_even_neighbour(amount_minor: int, rounded: int) -> None:
    table = rate_table("EUR", {"USD": {"2026-01-01": "0.5"}})
    assert table.to_reference_minor(amount_minor, "USD", 0) == rounded


def test_a_rate_holds_from_the_first_millisecond_of_its_day_until_the_next() -> None:
    table = rate_table("EUR", {"USD": {"2025-01-01": "2", "2026-01-01": "3"}})
    turn = day_ms(date(2026, 1, 1))
    assert [table.to_reference_minor(1, "USD", at) for at in (0, turn - 1, turn)] == [2, 2, 3]


@given(days=st.permutations(["2025-01-01", "2025-06-01", "2026-01-01"]), at=DAYS)
def test_the_order_in_which_rates_are_written_does_not_matter(days: list[str], at: date) -> None:
    rates = {"2025-01-01": "1", "2025-06-01": "2", "2026-01-01": "3"}
    shuffled = rate_table("EUR", {"USD": {day: rates[day] for day in days}})
    written = rate_table("EUR", {"USD": rates})
    moment = day_ms(at)
    assert shuffled.to_reference_minor(100, "USD", moment) == written.to_reference_minor(
        100, "USD", moment
    )


def test_a_currency_without_a_rate_is_told_by_none() -> None:
    assert rate_table("EUR").to_reference_minor(100, "USD", 0) is None
    assert rate_table("EUR").to_reference_minor(100, "EUR", 0) == 100


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_a_larger_amount_is_never_worth_less(one: int, other: int) -> None:
    table = rate_table("JPY", {"EUR": {"2026-01-01": "161.37"}})
    small, large = (
        table.to_reference_minor(amount, "EUR", 0) or 0 for amount in sorted((one, other))
    )
    assert small <= large


@pytest.mark.parametrize(
    ("reference", "rates", "pointer"),
    [
        ("EUR", {"USD": {}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-13-01": "1"}}, "/rates/USD/2025-13-01"),
        ("EUR", {"USD": {"yesterday": "1"}}, "/rates/USD/yesterday"),
        ("EUR", {"USD": {"2025-01-01": "NaN"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "Infinity"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "one"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "0"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "-1"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "1e999999999"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "1e-999999999"}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "1." + "0" * 10_000_000}}, "/rates/USD"),
        ("EUR", {"USD": {"2025-01-01": "sNaN"}}, "/rates/USD"),
        ("EURO", {}, "/reference_currency"),
        ("EUR", {"usd": {"2025-01-01": "1"}}, "/rates/usd"),
        ("EUR", {"USD": {"2025-01-01": 1}}, "/rates/USD/2025-01-01"),
    ],
)
def test_a_wrong_table_is_refused_by_pointer(
    reference: str, rates: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        rate_table(reference, rates)
    assert refused.value.pointer == pointer


def test_a_table_remembers_the_file_it_was_made_from() -> None:
    table = rate_table("EUR", {"USD": {"2026-01-01": "0.9"}})
    assert table.reference_currency == "EUR"
    assert table.file.rates == {"USD": {"2026-01-01": "0.9"}}


def test_days_are_utc() -> None:
    table = rate_table("EUR", {"USD": {"1970-01-01": "1", "1970-01-02": "2"}})
    moment = datetime(1970, 1, 2, tzinfo=UTC) - timedelta(milliseconds=1)
    assert table.to_reference_minor(1, "USD", int(moment.timestamp() * 1000)) == 1
