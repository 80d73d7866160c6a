import pytest

from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.entries import Bucket, EditionEntry, MethodEntry, ShareEntry, Source
from fraudkit.payments.shares import (
    RESIDUAL_PERCENT_MIN,
    ROOM_PERCENT_MIN,
    UNNAMED_PERCENT,
    country_pools,
)

CATALOG = PaymentCatalog.default()


def method(name: str, bucket: Bucket, weight: float = 1.0) -> MethodEntry:
    return MethodEntry(
        method_type=name,
        family="wallet",
        name=name,
        bucket=bucket,
        credit="never",
        pairs=("NL-EUR",),
        no_cost_published="None was found.",
        split_weight=weight,
        split_basis=None if weight == 1.0 else "because it is so",
        sources=(Source(name="a source", url="https://example.org/"),),
    )


def edition(geo: str, *, full: bool = False, **percents: float) -> EditionEntry:
    return EditionEntry(
        geo=geo,
        year=2024,
        metric="share of purchases",
        counts="count",
        source="a publisher",
        url="https://example.org/",
        is_full_partition=full,
        shares=tuple(
            ShareEntry(method=name.removeprefix("own_"), percent=percent)
            if name.startswith("own_")
            else ShareEntry(bucket=name, percent=percent)
            for name, percent in percents.items()
        ),
    )


def divide(
    methods: list[MethodEntry], *editions: EditionEntry, factors: dict[str, float] | None = None
) -> dict[str, float]:
    pools = country_pools(
        methods,
        editions,
        bucket_of={held.method_type: held.bucket for held in methods},
        factors=factors or {},
    )
    return {
        name: pool.percent * weight / sum(pool.weights.values())
        for pool in pools
        for name, weight in pool.weights.items()
    }


def test_a_full_partition_stands_as_published() -> None:
    methods = [method("a", "wallet"), method("b", "bank_transfer"), method("c", "pay_later")]
    shares = divide(methods, edition("NL", full=True, wallet=50, bank_transfer=30, other=20))
    assert shares == pytest.approx({"a": 50, "b": 30, "c": 20})


def test_a_method_of_its_own_figure_leaves_the_rest_to_be_filled_in_proportion() -> None:
    methods = [method("ideal", "bank_transfer"), method("a", "wallet"), method("b", "pay_later")]
    shares = divide(
        methods,
        edition("NL", own_ideal=70),
        edition("global", full=True, wallet=60, pay_later=20, bank_transfer=20),
    )
    left = 30 / (60 + 20 + RESIDUAL_PERCENT_MIN)
    assert shares == pytest.approx({"ideal": 70, "a": 60 * left, "b": 20 * left})


def test_what_a_national_scheme_has_is_taken_off_its_bucket() -> None:
    methods = [method("blik", "bank_transfer"), method("other_bank", "bank_transfer")]
    shares = divide(methods, edition("PL", own_blik=50), edition("PL", bank_transfer=67))
    assert shares == pytest.approx({"blik": 50, "other_bank": 17})


def test_a_bucket_is_settled_by_the_first_edition_that_names_it() -> None:
    methods = [method("a", "wallet"), method("b", "cash")]
    shares = divide(methods, edition("GB", wallet=40), edition("GB", wallet=10, cash=5))
    assert shares == pytest.approx({"a": 40, "b": 5})


def test_a_later_partial_edition_is_cut_to_the_room_that_is_left() -> None:
    methods = [method("a", "wallet"), method("b", "cash")]
    shares = divide(methods, edition("GB", wallet=90), edition("GB", cash=20))
    assert shares == pytest.approx({"a": 90, "b": 10})


def test_there_is_always_a_little_room() -> None:
    methods = [method("a", "wallet"), method("b", "cash")]
    shares = divide(methods, edition("GB", wallet=100), edition("global", full=True, cash=100))
    assert shares == pytest.approx({"a": 100, "b": ROOM_PERCENT_MIN})


def test_cards_divide_as_the_first_edition_that_names_both_kinds() -> None:
    methods = [method("credit", "credit_card"), method("debit", "debit_card")]
    shares = divide(
        methods,
        edition("FR", full=True, card=100),
        edition("global", credit_card=30, debit_card=10),
    )
    assert shares == pytest.approx({"credit": 75, "debit": 25})


def test_a_bucket_divides_by_split_weight_and_delta() -> None:
    methods = [method("a", "wallet", 3.0), method("b", "wallet")]
    assert divide(methods, edition("FR", full=True, wallet=100)) == pytest.approx(
        {"a": 75, "b": 25}
    )
    with_delta = divide(methods, edition("FR", full=True, wallet=100), factors={"b": 9.0})
    assert with_delta == pytest.approx({"a": 25, "b": 75})


def test_what_no_edition_names_is_nominal() -> None:
    methods = [method("a", "wallet"), method("b", "direct_debit")]
    shares = divide(methods, edition("FR", full=True, wallet=100))
    assert shares["b"] == UNNAMED_PERCENT


def test_a_method_without_a_market_here_still_takes_up_its_room() -> None:
    known = [method("a", "wallet"), method("b", "cash")]
    pools = country_pools(
        known,
        [edition("BR", own_pix=80), edition("global", full=True, wallet=50, cash=50)],
        bucket_of={"a": "wallet", "b": "cash", "pix": "bank_transfer"},
        factors={},
    )
    assert sum(pool.percent for pool in pools) == pytest.approx(20)


def test_every_method_of_a_country_is_in_exactly_one_pool() -> None:
    for country in CATALOG.countries:
        held = [name for pool in CATALOG.pools(country) for name in pool.weights]
        there = [
            method.method_type
            for method in CATALOG.methods
            if CATALOG.currencies(method.method_type, country)
        ]
        assert sorted(held) == there
        assert all(pool.percent > 0 for pool in CATALOG.pools(country))
        assert all(
            weight > 0 for pool in CATALOG.pools(country) for weight in pool.weights.values()
        )


def test_own_figures_are_kept_to_the_point() -> None:
    (pix,) = (pool for pool in CATALOG.pools("BR") if "pix" in pool.weights)
    assert pix.percent == 40
    assert pix.is_as_published
