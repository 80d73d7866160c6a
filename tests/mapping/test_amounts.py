"""Amounts in major units are rounded half to even of the number that was written."""

from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.money import minor_unit_digits
from fraudkit.mapping.amounts import minor_amounts
from fraudkit.mapping.vocabulary import Field, field_at

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "UYW"])


def amount_field() -> Field:
    field = field_at("order.amount")
    assert field is not None
    return field


def exact_minor(text: str, currency: str) -> int:
    scaled = Decimal(text).scaleb(minor_unit_digits(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@given(st.decimals(0, 10**8, places=5, allow_nan=False), CURRENCIES)
def test_text_floats_and_decimals_agree_with_exact_arithmetic(
    amount: Decimal, currency: str
) -> None:
    expected = [exact_minor(str(amount), currency)]
    currencies = pl.Series([currency])
    for series in (
        pl.Series([str(amount)]),
        pl.Series([float(amount)]),
        pl.Series([amount], dtype=pl.Decimal(30, 5)),
    ):
        minor, faults = minor_amounts(series, currencies, amount_field())
        assert (minor.to_list(), faults) == (expected, [])


@given(st.integers(0, 10**9), CURRENCIES)
def test_whole_amounts_of_any_width_agree(amount: int, currency: str) -> None:
    expected = [exact_minor(str(amount), currency)]
    for series in (
        pl.Series([amount]),
        pl.Series([str(amount)]),
        pl.Series([amount], dtype=pl.UInt32),
    ):
        assert minor_amounts(series, pl.Series([currency]), amount_field())[0].to_list() == expected


@pytest.mark.parametrize(
    "amount", [-0.01, -5.0, float("nan"), float("inf"), float("-inf"), 1e12, 1e300]
)
def test_an_amount_that_cannot_be_is_a_fault(amount: float) -> None:
    minor, faults = minor_amounts(
        pl.Series([1.0, amount]), pl.Series(["EUR", "EUR"]), amount_field()
    )
    assert minor.to_list() == [100, None]
    assert [(list(fault.rows), fault.error.pointer) for fault in faults] == [([1], "/order/amount")]


@pytest.mark.parametrize(
    "text",
    ["-1", "1,50", "1.234,50", "€5", "nan", "inf", "1_000", "1e99", "", "\u0661", "0x10", "--1"],
)
def test_text_that_is_no_amount_is_a_fault(text: str) -> None:
    minor, faults = minor_amounts(pl.Series([text]), pl.Series(["EUR"]), amount_field())
    assert minor.to_list() == [None]
    assert [list(fault.rows) for fault in faults] == [[0]]


def test_an_amount_without_a_currency_that_holds_is_left_to_the_currency() -> None:
    amounts, currencies = pl.Series([1.5, 1.5, None]), pl.Series([None, "EURO", "EUR"])
    for series in (amounts, amounts.cast(pl.String)):
        minor, faults = minor_amounts(series, currencies, amount_field())
        assert (minor.to_list(), faults) == ([None, None, None], [])


def test_a_card_number_among_amounts_is_not_shown() -> None:
    card = "4111111111111111"
    _, faults = minor_amounts(pl.Series([card]), pl.Series(["EUR"]), amount_field())
    assert card not in str(faults[0].error)
