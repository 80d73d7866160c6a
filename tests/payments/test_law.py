from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fraudkit.payments.entries import CreditInvolvement
from fraudkit.payments.law import ORDERING_RULES, lawful_order, ordering_rule

SWEDEN, FINLAND = ORDERING_RULES
CREDIT = st.lists(st.sampled_from(["never", "may", "always"]), max_size=30)


def milliseconds(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp()) * 1000


def test_a_rule_holds_from_its_first_day() -> None:
    assert ordering_rule("SE", now_ms=milliseconds(2020, 6, 30)) is None
    assert ordering_rule("SE", now_ms=milliseconds(2020, 7, 1)) is SWEDEN
    assert ordering_rule("FI", now_ms=milliseconds(2023, 10, 1)) is FINLAND
    assert ordering_rule("DE", now_ms=milliseconds(2026, 1, 1)) is None


def test_every_rule_is_cited() -> None:
    assert all(rule.url.startswith("https://") and rule.citation for rule in ORDERING_RULES)


@given(credit=CREDIT)
def test_both_rules_only_reorder(credit: list[CreditInvolvement]) -> None:
    for rule in ORDERING_RULES:
        assert sorted(lawful_order(rule, credit)) == list(range(len(credit)))


@given(credit=CREDIT)
def test_sweden_never_shows_credit_first_if_there_is_anything_else(
    credit: list[CreditInvolvement],
) -> None:
    order = lawful_order(SWEDEN, credit)
    if "never" in credit:
        assert credit[order[0]] == "never"
    elif "may" in credit:
        assert credit[order[0]] == "may"
    assert list(order[1:]) == sorted(order[1:])


@given(credit=CREDIT)
def test_finland_shows_three_tiers_and_keeps_the_order_within(
    credit: list[CreditInvolvement],
) -> None:
    order = lawful_order(FINLAND, credit)
    tiers = [("never", "may", "always").index(credit[place]) for place in order]
    assert tiers == sorted(tiers)
    for tier in range(3):
        within = [place for place, held in zip(order, tiers, strict=True) if held == tier]
        assert within == sorted(within)


@given(credit=CREDIT)
def test_a_lawful_order_is_left_as_it_is(credit: list[CreditInvolvement]) -> None:
    for rule in ORDERING_RULES:
        lawful = [credit[place] for place in lawful_order(rule, credit)]
        assert lawful_order(rule, lawful) == tuple(range(len(credit)))
