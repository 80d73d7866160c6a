"""The code lists against Unicode CLDR, which follows ISO 3166-1 and ISO 4217."""

from datetime import date

import pytest
from babel import Locale
from babel.core import get_global
from babel.numbers import get_currency_precision

from fraudkit.domain.codes import COUNTRIES, CURRENCIES
from fraudkit.domain.money import minor_unit_digits
from fraudkit.errors import InvalidField

# In CLDR, but exceptionally reserved, user-assigned or not a country in ISO 3166-1.
NOT_ISO_COUNTRIES = set("AC CP CQ DG EA EU EZ IC QO TA UN XA XB XK ZZ".split())
# Metals, units of account, test codes; and CNH, which markets use and ISO 4217 does not list.
NOT_MONEY = set("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX CNH".split())
# CLDR ends it with 2017; ISO 4217 withdrew it in April 2018.
WITHDRAWN_LATER = {"STD"}
WITHDRAWN_SINCE = date(2018, 1, 1)


def test_the_countries_are_those_of_iso_3166() -> None:
    territories = {code for code in Locale("en").territories if len(code) == 2 and code.isalpha()}
    assert territories - NOT_ISO_COUNTRIES == COUNTRIES
    assert len(COUNTRIES) == 249


def test_the_currencies_are_those_in_use_and_those_withdrawn_since_2018() -> None:
    used = {
        code
        for history in get_global("territory_currencies").values()
        for code, _, end, _ in history
        if end is None or date(*end) >= WITHDRAWN_SINCE
    }
    assert (used - NOT_MONEY) | WITHDRAWN_LATER == CURRENCIES


def test_minor_units_differ_from_cldr_only_where_cash_has_none() -> None:
    without_coins = "AFN ALL IRR KPW LAK LBP MGA MMK MRO RSD SLL SOS STD SYP YER"
    differing = {
        code: minor_unit_digits(code)
        for code in CURRENCIES
        if minor_unit_digits(code) != get_currency_precision(code)
    }
    assert differing == {**dict.fromkeys(without_coins.split(), 2), "IQD": 3}


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "XAU"])
def test_an_unknown_currency_has_no_minor_unit(code: str) -> None:
    with pytest.raises(InvalidField, match="ISO 4217"):
        minor_unit_digits(code)
