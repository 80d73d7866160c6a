from datetime import UTC, datetime

import pytest

from fraudkit.domain.payment_choice import LeftOut, PaymentContext
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.eligibility import check_eligibility

CATALOG = PaymentCatalog.default()


def milliseconds(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp()) * 1000


NOW = milliseconds(2026, 11, 23)


def check(
    method: str,
    country: str,
    currency: str,
    amount_minor: int = 5000,
    *,
    enabled: tuple[str, ...] | None = None,
    now_ms: int = NOW,
) -> LeftOut | None:
    context = PaymentContext(
        country=country, currency=currency, amount_minor=amount_minor, enabled_methods=enabled
    )
    return check_eligibility(context, method, CATALOG, now_ms=now_ms)


@pytest.mark.parametrize(
    ("method", "country", "currency"),
    [
        ("ideal", "NL", "EUR"),
        ("blik", "PL", "PLN"),
        ("credit", "BG", "EUR"),
        ("klarna", "SE", "SEK"),
    ],
)
def test_eligible(method: str, country: str, currency: str) -> None:
    assert check(method, country, currency) is None


@pytest.mark.parametrize(
    ("method", "country", "currency", "code", "told"),
    [
        ("ideal", "US", "USD", "country_not_supported", ["NL", "US", "https://"]),
        ("ideal", "NL", "USD", "currency_not_supported_in_country", ["EUR", "USD", "https://"]),
        ("klarna", "PL", "EUR", "currency_not_supported_in_country", ["PLN", "EUR"]),
        ("giropay", "DE", "EUR", "no_longer_valid", ["until 2024-06-30", "https://"]),
        ("credit", "BG", "BGN", "no_longer_valid", ["BGN until 2025-12-31", "EUR from 2026-01-01"]),
    ],
)
def test_refusals_say_what_would_be_needed_and_where_it_stands(
    method: str, country: str, currency: str, code: str, told: list[str]
) -> None:
    refusal = check(method, country, currency)
    assert refusal is not None
    assert (refusal.method_type, refusal.code) == (method, code)
    assert all(word in refusal.why for word in told), refusal.why


def test_amounts_outside_the_limits() -> None:
    low = check("blik", "PL", "PLN", 99)
    high = check("blik", "PL", "PLN", 5_000_001)
    assert low is not None
    assert (low.code, "1.00 PLN" in low.why) == ("amount_below_minimum", True)
    assert high is not None
    assert (high.code, "50000.00 PLN" in high.why) == ("amount_above_maximum", True)
    assert check("blik", "PL", "PLN", 100) is None
    assert check("blik", "PL", "PLN", 5_000_000) is None


def test_a_market_opens_and_closes_at_midnight_utc() -> None:
    new_year = milliseconds(2026, 1, 1)
    before = check("credit", "BG", "EUR", now_ms=new_year - 1)
    assert before is not None
    assert before.code == "not_yet_valid"
    assert check("credit", "BG", "EUR", now_ms=new_year) is None
    assert check("credit", "BG", "BGN", now_ms=new_year - 1) is None
    after = check("credit", "BG", "BGN", now_ms=new_year)
    assert after is not None
    assert after.code == "no_longer_valid"


def test_not_enabled_comes_first_and_says_if_enabling_would_help() -> None:
    useful = check("ideal", "NL", "EUR", enabled=("credit",))
    useless = check("ideal", "US", "USD", enabled=("credit",))
    assert useful is not None
    assert (useful.code, "add it there" in useful.why) == ("not_enabled", True)
    assert useless is not None
    assert (useless.code, "would not help" in useless.why) == ("not_enabled", True)
    assert check("ideal", "NL", "EUR", enabled=("ideal",)) is None


def test_a_method_that_the_catalogue_does_not_know() -> None:
    with pytest.raises(KeyError):
        check("ideel", "NL", "EUR")
