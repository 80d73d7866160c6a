from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from fraudkit.domain.codes import COUNTRIES as ISO_COUNTRIES
from fraudkit.domain.codes import CURRENCIES as ISO_CURRENCIES
from fraudkit.simulate import RULES, Rules, rules_text
from fraudkit.simulate.baskets import CATEGORIES
from fraudkit.simulate.chance import Delay
from fraudkit.simulate.countries import COUNTRIES, RATES


def _changed(value: object) -> Iterator[object]:
    """Yield the value with each of its numbers changed, one at a time."""
    if isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield value + 0.07
    elif isinstance(value, tuple):
        for index, entry in enumerate(value):
            for other in _changed(entry):
                yield (*value[:index], other, *value[index + 1 :])
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            for other in _changed(getattr(value, name)):
                yield replace(value, **{name: other})


def _shares(value: object) -> Iterator[tuple[tuple[str, float], ...]]:
    if isinstance(value, Struct) and not isinstance(value, Delay):
        for name in value.__struct_fields__:
            held = getattr(value, name)
            if name not in {"processor_factor", "reported", "reviewed"}:
                yield from _shares(held)
    elif isinstance(value, tuple) and isinstance(value[0], tuple):
        yield value


def test_every_number_of_the_rules_is_in_the_text() -> None:
    text = rules_text(RULES)
    others = [rules_text(other) for other in _changed(RULES) if isinstance(other, Rules)]
    assert len(others) > 250
    assert text not in others


def test_the_text_ends_every_sentence() -> None:
    bullets = [line for line in rules_text(RULES).splitlines() if line.startswith("- ")]
    before_countries = bullets[: -len(RATES)]
    assert [line for line in before_countries if not line.endswith(".")] == []


def test_shares_add_up_to_one() -> None:
    tables = [*_shares(RULES), tuple((category.name, category.share) for category in CATEGORIES)]
    tables.append(tuple((country.code, country.share) for country in COUNTRIES))
    tables += [country.methods for country in COUNTRIES]
    assert len(tables) > 15
    for table in tables:
        assert sum(share for _, share in table) == pytest.approx(1), table


def test_countries_and_currencies_are_iso_codes_with_rates() -> None:
    assert {country.code for country in COUNTRIES} <= ISO_COUNTRIES
    assert {country.currency for country in COUNTRIES} <= ISO_CURRENCIES
    assert {country.currency for country in COUNTRIES} - {"EUR"} == set(RATES)
    assert len({country.ip_block for country in COUNTRIES}) == len(COUNTRIES)


def test_payment_methods_are_of_the_domains_families() -> None:
    for country in COUNTRIES:
        assert msgspec.convert(msgspec.to_builtins(country), type(country)) == country
