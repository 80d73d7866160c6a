"""``python -m tests.features.territory_facts``: the facts about countries, from kept libraries.

It prints what ``fraudkit/features/data/territories.csv`` must hold: currencies and languages
from Unicode CLDR (through Babel), calling codes from libphonenumber (through phonenumbers).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date

from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from fraudkit.domain.codes import COUNTRIES

__all__ = ["HEAD", "facts_csv"]

HEAD = "country,currencies,languages,calling_codes"
_SINCE = date(2018, 1, 1)
_UNTIL = date(2100, 1, 1)
# Bulgaria has the euro since 2026-01-01; CLDR 47 does not know it yet.
_CURRENCIES_TO_COME = {"BG": {"EUR"}}
# CLDR has the two written forms of Norwegian; devices also send the language itself.
_LANGUAGES_ABOVE = {"nb": "no", "nn": "no"}


def facts_csv() -> str:
    """Return the whole table, one country a line."""
    return "\n".join([HEAD, *map(_line, sorted(COUNTRIES))]) + "\n"


def _line(country: str) -> str:
    columns = (_currencies(country), _languages(country), _calling_codes(country))
    return ",".join([country, *(" ".join(sorted(column)) for column in columns)])


def _currencies(country: str) -> set[str]:
    tender = get_territory_currencies(country, _SINCE, _UNTIL, tender=True)
    return {*tender, *_CURRENCIES_TO_COME.get(country, ())}


def _languages(country: str) -> set[str]:
    official = get_official_languages(country, regional=True, de_facto=True)
    return {name for tag in official for name in _names(tag.partition("_")[0])}


def _names(language: str) -> Iterator[str]:
    """Yield a language's code, the codes it had before, and that of what it is a form of."""
    yield language
    aliases = get_global("language_aliases")
    yield from (old for old, new in aliases.items() if new == language and len(old) == 2)
    if language in _LANGUAGES_ABOVE:
        yield _LANGUAGES_ABOVE[language]


def _calling_codes(country: str) -> set[str]:
    return {str(code) for code, held in COUNTRY_CODE_TO_REGION_CODE.items() if country in held}


if __name__ == "__main__":
    sys.stdout.write(facts_csv())
