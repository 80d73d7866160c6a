"""The table of countries against Unicode CLDR and libphonenumber."""

from __future__ import annotations

from importlib import resources

from fraudkit.domain.codes import COUNTRIES, CURRENCIES
from fraudkit.features.territories import calling_codes, territories
from tests.features.territory_facts import facts_csv


def test_the_table_is_what_the_libraries_say() -> None:
    table = resources.files("fraudkit.features") / "data" / "territories.csv"
    assert table.read_text("utf-8") == facts_csv(), (
        "the facts about countries changed: run `python -m tests.features.territory_facts >` the "
        "table, and raise the revision of the features of `fraudkit.features.agreement.HABITS`"
    )


def test_every_country_is_there_and_no_other() -> None:
    assert territories().keys() == COUNTRIES


def test_every_currency_is_one_of_iso_4217() -> None:
    assert {code for held in territories().values() for code in held.currencies} <= CURRENCIES


def test_codes_have_the_form_that_orders_use() -> None:
    languages = {code for held in territories().values() for code in held.languages}
    assert all(code.isascii() and code.isalpha() and code.islower() for code in languages)
    assert all(len(code) in {2, 3} for code in languages)
    assert all(code.isdigit() and 1 <= len(code) <= 3 for code in calling_codes())


def test_no_calling_code_begins_with_another() -> None:
    beginnings = {code[:end] for code in calling_codes() for end in range(1, len(code))}
    assert not beginnings & calling_codes()
