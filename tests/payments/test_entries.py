import re

import pytest

from fraudkit.errors import CatalogError
from fraudkit.payments.catalog import PaymentCatalog

AREAS = b"""
[[area]]
name = "home"
source = "a source of the area"
url = "https://example.org/area"
pairs = ["NL-EUR"]
"""
METHODS = """
[[method]]
method_type = "ideal"
family = "bank_redirect"
name = "iDEAL"
bucket = "bank_transfer"
credit = "never"
areas = ["home"]
no_cost_published = "No price was found."
sources = [{ name = "a source", url = "https://example.org/ideal" }]
"""
SHARES = """
[[edition]]
geo = "NL"
year = 2023
metric = "share of online purchases"
counts = "count"
source = "a publisher"
url = "https://example.org/shares"
is_full_partition = false
shares = [{ method = "ideal", percent = 70 }]
"""


def build(*, areas: bytes = AREAS, methods: str = METHODS, shares: str = SHARES) -> PaymentCatalog:
    return PaymentCatalog(
        {"areas.toml": areas, "methods.toml": methods.encode(), "shares.toml": shares.encode()}
    )


def test_a_small_catalogue_loads() -> None:
    catalog = build()
    assert [method.method_type for method in catalog.methods] == ["ideal"]
    assert catalog.countries == ("NL",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"bank_redirect"', '"bank"', r"methods.toml, method 'ideal' .*\$.family"),
        ('url = "https://example.org/ideal"', 'url = "ask us"', r"'ideal' .*sources\[0\].url"),
        (
            'sources = [{ name = "a source", url = "https://example.org/ideal" }]',
            "sources = []",
            r"'ideal' .*sources",
        ),
        ('no_cost_published = "No price was found."', "", "either costs or no_cost_published"),
        ('areas = ["home"]', "", "at least one market"),
        ('areas = ["home"]', 'areas = ["elsewhere"]', "areas must be in areas.toml"),
        ('areas = ["home"]', 'pairs = ["NL-XXY"]', "ISO 4217"),
        ('areas = ["home"]', 'pairs = ["NLD-EUR"]', r"\$.pairs\[0\]"),
        ('credit = "never"', 'credit = "never"\nsplit_weight = 2', "split_basis"),
        ('bucket = "bank_transfer"', 'bucket = "card"', "bucket must be one"),
        ('credit = "never"', 'credit = "never"\nspeed = 2', "unknown field `speed`"),
        (
            'areas = ["home"]',
            'pairs = [{ pair = "NL-EUR", valid_from = 2024-01-02, valid_to = 2024-01-01 }]',
            "must not end before it begins",
        ),
        (
            'no_cost_published = "No price was found."',
            'costs_like = "credit"',
            "costs_like must name a method",
        ),
    ],
)
def test_a_wrong_method_is_named_with_file_entry_and_field(old: str, new: str, told: str) -> None:
    assert old in METHODS
    with pytest.raises(CatalogError, match=told) as caught:
        build(methods=METHODS.replace(old, new))
    assert "methods.toml" in str(caught.value)
    assert "'ideal'" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('method = "ideal"', 'method = "idea"', "method must be in methods.toml"),
        ("percent = 70", "percent = 0", r"shares\[0\].percent"),
        ("percent = 70", "percent = 70, bucket = 'cash'", "either a method or a bucket"),
        ("is_full_partition = false", "is_full_partition = true", "add up to about 100"),
        ('geo = "NL"', 'geo = "XX"', "ISO 3166-1"),
        ('url = "https://example.org/shares"', "", "url"),
    ],
)
def test_a_wrong_edition_is_named_with_file_entry_and_field(old: str, new: str, told: str) -> None:
    assert old in SHARES
    with pytest.raises(CatalogError, match=told) as caught:
        build(shares=SHARES.replace(old, new))
    assert str(caught.value).startswith("shares.toml, edition")


def test_two_methods_of_one_name_are_refused() -> None:
    with pytest.raises(CatalogError, match="must be unique"):
        build(methods=METHODS + METHODS)


def test_an_area_may_only_include_what_stands_before_it() -> None:
    with pytest.raises(CatalogError, match=re.escape("areas.toml, area 'home': includes")):
        build(areas=AREAS + b'includes = ["later"]\n')


def test_what_is_not_toml_is_refused() -> None:
    with pytest.raises(CatalogError, match=r"methods.toml must be TOML"):
        build(methods="[[method")


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(CatalogError, match=r"shares.toml must hold only .*'editions'"):
        build(shares=SHARES.replace("[[edition]]", "[[editions]]"))


def test_a_table_that_is_no_array_is_refused() -> None:
    with pytest.raises(CatalogError, match="must be an array of tables"):
        build(shares="[edition]\ngeo = 1")


def test_a_cost_must_name_its_place_and_a_known_area() -> None:
    cost = (
        '[[method.costs]]\nfee_bps = 1\ncurrency = "EUR"\nkind = "list_price"\n'
        'as_of = 2024-01-01\nsource = "a source"\nurl = "https://example.org/cost"\n'
    )
    methods = METHODS.replace('no_cost_published = "No price was found."', "") + cost
    with pytest.raises(CatalogError, match="countries or the area"):
        build(methods=methods)
    with pytest.raises(CatalogError, match=r"area must be in areas\.toml"):
        build(methods=methods + 'area = "elsewhere"\n')
    assert build(methods=methods + 'area = "home"\n').market("NL", "EUR").offers[0].cost is not None
