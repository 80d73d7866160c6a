"""What is usual in a country: its currencies, languages and calling codes.

The table stands in ``data/territories.csv`` and is part of the code, so that a feature has the
same value whatever else is installed. Sources: Unicode CLDR for currencies (legal tender at any
time since 2018) and languages (official or used as such, also in a part of the country);
libphonenumber for calling codes. ``tests/features/test_territories.py`` holds the table against
both; it changes together with the `revision` of the features that read it.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources
from typing import NamedTuple

__all__ = ["Territory", "calling_codes", "territories"]


class Territory(NamedTuple):
    """What is usual in a country; a set is empty where nothing is known.

    Attributes
    ----------
    currencies : frozenset of str
        ISO 4217 codes.
    languages : frozenset of str
        ISO 639 codes, two letters where there are two, lower case; withdrawn codes with them.
    calling_codes : frozenset of str
        ITU-T E.164 country codes, digits only.
    """

    currencies: frozenset[str]
    languages: frozenset[str]
    calling_codes: frozenset[str]


@functools.cache
def territories() -> dict[str, Territory]:
    """Return what is usual in each country of ISO 3166-1, by its two-letter code.

    Examples
    --------
    >>> territories()["CH"]._replace(languages=frozenset())
    Territory(currencies=frozenset({'CHF'}), languages=frozenset(), calling_codes=frozenset({'41'}))
    """
    file = resources.files("fraudkit.features") / "data" / "territories.csv"
    lines = csv.DictReader(file.read_text("utf-8").splitlines())
    return {
        line["country"]: Territory(*(frozenset(line[name].split()) for name in Territory._fields))
        for line in lines
    }


@functools.cache
def calling_codes() -> frozenset[str]:
    """Return every calling code of a country; none is the beginning of another (E.164)."""
    return frozenset().union(*(held.calling_codes for held in territories().values()))
