import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.domain.codes import COUNTRIES, CURRENCIES
from fraudkit.domain.payment_choice import Demographic, PaymentContext, Recommendation
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.law import ordering_rule
from fraudkit.payments.ranking import recommend

CATALOG = PaymentCatalog.default()
NOW = 1_795_392_000_000  # 2026-11-23
NAMES = [method.method_type for method in CATALOG.methods]
MARKETS = sorted({(pair.country, pair.currency) for name in NAMES for pair in CATALOG.pairs(name)})

markets = st.one_of(
    st.sampled_from(MARKETS),
    st.tuples(st.sampled_from(sorted(COUNTRIES)), st.sampled_from(sorted(CURRENCIES))),
)
enabled_lists = st.one_of(
    st.none(),
    st.lists(st.one_of(st.sampled_from(NAMES), st.text(min_size=1, max_size=12)), max_size=60),
)


@st.composite
def contexts(draw: st.DrawFn) -> PaymentContext:
    country, currency = draw(markets)
    enabled = draw(enabled_lists)
    return PaymentContext(
        country=country,
        currency=currency,
        amount_minor=draw(st.integers(0, 10**13)),
        enabled_methods=None if enabled is None else tuple(enabled),
        demographic=draw(st.sampled_from([Demographic(), Demographic(age_band="25-34")])),
    )


def ranked(
    country: str,
    currency: str,
    amount_minor: int = 5000,
    *,
    enabled: tuple[str, ...] | None = None,
    now_ms: int = NOW,
) -> Recommendation:
    context = PaymentContext(
        country=country, currency=currency, amount_minor=amount_minor, enabled_methods=enabled
    )
    return recommend(context, CATALOG, now_ms=now_ms)


def order(country: str, currency: str, **kwargs: int | tuple[str, ...]) -> list[str]:
    return [held.method_type for held in ranked(country, currency, **kwargs).methods]


@given(context=contexts(), now_ms=st.integers(0, 2**45))
def test_every_method_is_shown_or_left_out_and_never_both(
    context: PaymentContext, now_ms: int
) -> None:
    answer = recommend(context, CATALOG, now_ms=now_ms)
    shown = [held.method_type for held in answer.methods]
    left_out = [held.method_type for held in answer.why_not]
    assert sorted(shown + left_out) == NAMES
    assert [held.rank for held in answer.methods] == list(range(1, len(shown) + 1))
    assert answer.catalog_version == CATALOG.version
    assert all(held.why and held.name for held in answer.methods)
    assert all(held.why and held.code for held in answer.why_not)


@given(context=contexts(), now_ms=st.integers(0, 2**45))
def test_shares_add_up_to_one_and_are_positive(context: PaymentContext, now_ms: int) -> None:
    methods = recommend(context, CATALOG, now_ms=now_ms).methods
    assert all(0 < held.share <= 1 for held in methods)
    if methods:
        assert abs(math.fsum(held.share for held in methods) - 1) <= 1e-12


@given(context=contexts(), now_ms=st.integers(0, 2**45))
def test_the_order_is_by_share_where_no_law_says_otherwise(
    context: PaymentContext, now_ms: int
) -> None:
    shares = [held.share for held in recommend(context, CATALOG, now_ms=now_ms).methods]
    if ordering_rule(context.country, now_ms=now_ms) is None:
        assert shares == sorted(shares, reverse=True)


@given(market=st.sampled_from(MARKETS), data=st.data())
def test_the_order_of_the_shops_list_does_not_matter(
    market: tuple[str, str], data: st.DataObject
) -> None:
    enabled = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    shuffled = data.draw(st.permutations(enabled))
    first = ranked(*market, enabled=tuple(enabled))
    assert ranked(*market, enabled=tuple(shuffled)) == first
    assert ranked(*market, enabled=(*shuffled, shuffled[0])) == first


@given(market=st.sampled_from(MARKETS), amount_minor=st.integers(0, 10**9))
def test_naming_all_methods_is_like_naming_none(market: tuple[str, str], amount_minor: int) -> None:
    everything = ranked(*market, amount_minor, enabled=tuple(NAMES))
    assert everything == ranked(*market, amount_minor)


@given(enabled=st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_sweden_never_shows_credit_first_if_there_is_anything_else(enabled: list[str]) -> None:
    shown = order("SE", "SEK", enabled=tuple(enabled))
    credit = [CATALOG.method(name).credit for name in shown]
    if shown and credit[0] != "never":
        assert "never" not in credit
    if shown and credit[0] == "always":
        assert set(credit) == {"always"}


@given(enabled=st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_finland_shows_credit_last(enabled: list[str]) -> None:
    shown = order("FI", "EUR", enabled=tuple(enabled))
    tiers = [("never", "may", "always").index(CATALOG.method(name).credit) for name in shown]
    assert tiers == sorted(tiers)


def test_why_tells_of_the_law_where_it_moved_a_method() -> None:
    answer = ranked("SE", "SEK", enabled=("klarna", "paypal"))
    assert [held.method_type for held in answer.methods] == ["paypal", "klarna"]
    assert answer.methods[0].share < answer.methods[1].share
    assert all("2010:751" in held.why for held in answer.methods)
    before = ranked("SE", "SEK", enabled=("klarna", "paypal"), now_ms=1_500_000_000_000)
    assert [held.method_type for held in before.methods] == ["klarna", "paypal"]
    assert not any("2010:751" in held.why for held in before.methods)


@pytest.mark.parametrize(
    ("country", "currency", "first"),
    [
        ("NL", "EUR", "ideal"),
        ("PL", "PLN", "blik"),
        ("BR", "BRL", "pix"),
        ("BE", "EUR", "bancontact_card"),
        ("DE", "EUR", "paypal"),
        ("FR", "EUR", "credit"),
        ("JP", "JPY", "credit"),
        ("CH", "CHF", "twint"),
        ("DK", "DKK", "mobile_pay"),
        ("NO", "NOK", "vipps"),
        ("FI", "EUR", "debit"),
        ("SE", "SEK", "swish"),
        ("IN", "INR", "upi_collect"),
        ("CN", "CNY", "ali_pay"),
        ("MY", "MYR", "online_banking_fpx"),
        ("MX", "MXN", "credit"),
    ],
)
def test_orders_follow_the_published_figures(country: str, currency: str, first: str) -> None:
    assert order(country, currency)[0] == first


def test_a_published_share_of_a_method_comes_out_as_published() -> None:
    shares = {held.method_type: held.share for held in ranked("NL", "EUR").methods}
    assert shares["ideal"] == pytest.approx(0.7, abs=0.01)
    why = {held.method_type: held.why for held in ranked("NL", "EUR").methods}
    assert "iDEAL 70 %" in why["ideal"]
    assert "Weak: no figure for NL" in why["credit"]
    assert "nominal" in why["sepa"]


def test_cards_together_have_what_is_published_for_cards() -> None:
    shares = {held.method_type: held.share for held in ranked("FR", "EUR").methods}
    assert shares["credit"] + shares["debit"] == pytest.approx(0.52 / 0.98, abs=0.01)


def test_what_a_shop_does_not_offer_is_replaced_within_its_pool_first() -> None:
    both = {held.method_type: held.share for held in ranked("FR", "EUR").methods}
    enabled = tuple(name for name in NAMES if name != "debit")
    one = {held.method_type: held.share for held in ranked("FR", "EUR", enabled=enabled).methods}
    assert one["credit"] == pytest.approx(both["credit"] + both["debit"], abs=1e-12)
    assert one["paypal"] == pytest.approx(both["paypal"], abs=1e-12)


def test_equal_shares_are_ordered_by_name_where_no_cost_is_known() -> None:
    answer = ranked("CN", "CNY").methods
    assert answer[0].share == answer[1].share
    assert [held.name for held in answer[:2]] == ["Alipay", "WeChat Pay"]


def test_a_lower_cost_breaks_a_tie_before_the_name() -> None:
    methods = {held.method_type: held for held in ranked("PL", "PLN").methods}
    apple, google = methods["apple_pay"], methods["google_pay"]
    assert apple.share == google.share
    assert apple.cost_minor is not None
    assert google.cost_minor is not None
    assert (apple.cost_minor < google.cost_minor) == (apple.rank < google.rank)


def test_costs_are_told_in_the_orders_currency_or_not_at_all() -> None:
    costs = {held.method_type: held.cost_minor for held in ranked("US", "USD", 10_000).methods}
    assert costs["credit"] == 320.0
    assert costs["paypal"] == 398.0
    assert costs["ach"] == 80.0
    swiss = {held.method_type: held for held in ranked("CH", "CHF").methods}
    assert swiss["twint"].cost_minor is None
    assert "Cost unknown" in swiss["twint"].why


def test_an_unknown_method_is_told_with_a_guess() -> None:
    answer = ranked("NL", "EUR", enabled=("ideal", "bancontact", "klarna"))
    (warning,) = answer.warnings
    assert (warning.code, warning.pointer) == ("unknown_method", "/enabled_methods/1")
    assert "Did you mean 'bancontact_card'?" in warning.text


def test_many_unknown_methods_are_all_told() -> None:
    answer = ranked("NL", "EUR", enabled=("ideal", *(f"unknown_{n}" for n in range(100))))
    assert len(answer.warnings) == 100
    assert [held.method_type for held in answer.methods] == ["ideal"]


def test_a_demographic_is_said_not_to_be_used() -> None:
    context = PaymentContext(
        country="NL",
        currency="EUR",
        amount_minor=5000,
        demographic=Demographic(age_band="65+"),
    )
    answer = recommend(context, CATALOG, now_ms=NOW)
    assert [held.code for held in answer.warnings] == ["demographic_not_used"]
    assert answer.methods == ranked("NL", "EUR").methods


def test_where_nothing_can_be_shown_there_is_a_warning_and_no_error() -> None:
    answer = ranked("KP", "USD")
    assert answer.methods == ()
    assert len(answer.why_not) == len(NAMES)
    assert [held.code for held in answer.warnings] == ["no_eligible_method"]


def test_a_shop_that_names_no_method_is_shown_none() -> None:
    answer = ranked("NL", "EUR", enabled=())
    assert answer.methods == ()
    assert {held.code for held in answer.why_not} == {"not_enabled"}
