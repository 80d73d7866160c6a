from datetime import date
from pathlib import Path

import pytest
from babel.numbers import get_territory_currencies

from fraudkit.errors import CatalogError
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.entries import MethodEntry, PairEntry

CATALOG = PaymentCatalog.default()
TODAY = date(2026, 11, 23)

# What happened after the CLDR that Babel carries, with the first day of the new currency.
CHANGED_SINCE_CLDR = {("BG", "EUR"): date(2026, 1, 1)}
WITHDRAWN_SINCE_CLDR = {("BG", "BGN"): date(2026, 1, 1)}


def all_pairs() -> list[tuple[MethodEntry, PairEntry]]:
    return [
        (method, pair) for method in CATALOG.methods for pair in CATALOG.pairs(method.method_type)
    ]


def is_legal_tender(pair: PairEntry, day: date) -> bool:
    market = (pair.country, pair.currency)
    if market in CHANGED_SINCE_CLDR:
        return day >= CHANGED_SINCE_CLDR[market]
    if market in WITHDRAWN_SINCE_CLDR and day >= WITHDRAWN_SINCE_CLDR[market]:
        return False
    held = get_territory_currencies(pair.country, day, day, tender=True, non_tender=False)
    return pair.currency in held


def test_it_is_large_enough() -> None:
    countries = {edition.geo for edition in CATALOG.editions if len(edition.geo) == 2}
    assert len(CATALOG.methods) >= 25
    assert len(countries) >= 20
    assert len(CATALOG.countries) >= 20


def test_every_fact_has_a_source() -> None:
    for method in CATALOG.methods:
        assert method.sources
        urls = [source.url for source in method.sources]
        urls += [limit.url for limit in method.limits] + [cost.url for cost in method.costs]
        assert all(url.startswith("https://") for url in urls), method.method_type
        assert method.costs or method.costs_like or method.no_cost_published
    assert all(edition.url.startswith("https://") for edition in CATALOG.editions)
    assert all(edition.metric and edition.year for edition in CATALOG.editions)


def test_every_currency_is_legal_tender_on_every_day_of_its_market_or_said_to_be_foreign() -> None:
    for method, pair in all_pairs():
        days = [pair.valid_from or min(TODAY, pair.valid_to or TODAY), pair.valid_to or TODAY]
        for day in days:
            assert is_legal_tender(pair, day) != pair.is_cross_currency, (method.method_type, pair)


def test_no_withdrawn_currency_is_open() -> None:
    open_ended = {pair.currency for _, pair in all_pairs() if pair.valid_to is None}
    assert not open_ended & {"BGN", "HRK", "SLL", "ANG", "ZWL", "STD", "CUC", "LTL", "EEK"}


def test_retired_methods_are_closed_everywhere() -> None:
    for name in ("giropay", "sofort"):
        assert all(pair.valid_to is not None for pair in CATALOG.pairs(name))


def test_no_method_has_the_same_pair_twice() -> None:
    for method in CATALOG.methods:
        pairs = [pair.pair for pair in CATALOG.pairs(method.method_type)]
        assert len(pairs) == len(set(pairs)), method.method_type


def test_limits_are_in_currencies_that_the_method_takes() -> None:
    for method in CATALOG.methods:
        taken = {pair.currency for pair in CATALOG.pairs(method.method_type)}
        for limit in method.limits:
            assert limit.currency in taken
            assert limit.min_minor is not None or limit.max_minor is not None
            assert (limit.min_minor or 0) < (limit.max_minor or 10**13)


def test_costs_are_told_where_the_method_is() -> None:
    for method in CATALOG.methods:
        countries = {pair.country for pair in CATALOG.pairs(method.method_type)}
        for cost in method.costs:
            assert set(cost.countries) <= countries, method.method_type
            assert cost.as_of <= TODAY


def test_a_country_is_in_at_most_one_region() -> None:
    listed = [country for region in CATALOG.regions for country in region.countries]
    assert len(listed) == len(set(listed))


def test_a_market_has_one_offer_for_every_method_in_order() -> None:
    names = [method.method_type for method in CATALOG.methods]
    assert names == sorted(names)
    for country, currency in (("NL", "EUR"), ("KP", "KPW"), ("PL", "EUR")):
        market = CATALOG.market(country, currency)
        assert [offer.method.method_type for offer in market.offers] == names


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    files = {"areas.toml": b"", "methods.toml": b"", "shares.toml": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    empty = PaymentCatalog.load(tmp_path)
    (tmp_path / "shares.toml").write_bytes(b"# a word\n")
    assert len(empty.version) == 16
    assert PaymentCatalog.load(tmp_path).version != empty.version
    assert PaymentCatalog(files).version == empty.version


def test_the_default_is_loaded_once() -> None:
    assert PaymentCatalog.default() is PaymentCatalog.default()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"must hold areas.toml, methods.toml, shares.toml"):
        PaymentCatalog.load(tmp_path)
    with pytest.raises(CatalogError, match=r"Missing: \['areas.toml'"):
        PaymentCatalog({})


def test_a_cost_has_a_percentage_a_fixed_part_and_a_ceiling() -> None:
    (ach,) = CATALOG.method("ach").costs
    assert ach.of(10_000) == 80.0
    assert ach.of(10_000_000) == 500.0
    (ideal,) = CATALOG.method("ideal").costs
    assert ideal.of(12_345) == 29.0


def test_membership() -> None:
    assert "ideal" in CATALOG
    assert "ideel" not in CATALOG
    assert CATALOG.method("klarna").is_credit
    assert not CATALOG.method("swish").is_credit
