import ast
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fraudkit.simulate
from fraudkit.domain.outcome import Chargeback, EarlyFraudWarning, IssuerDeclined, Refunded
from fraudkit.errors import InputError
from fraudkit.simulate import Shop, simulate
from fraudkit.simulate.planning import days_of, pattern_counts

PATTERNS = {"card_testing", "account_takeover", "friendly_fraud", "address_ring", "stolen_card"}
ALLOWED = {"domain", "errors", "simulate"}
START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return simulate(5_000, seed=3)


@settings(max_examples=25, deadline=None)
@given(orders=st.integers(1, 300), seed=st.integers(0, 2**63))
def test_any_size_and_seed_make_a_shop_of_exactly_that_size(orders: int, seed: int) -> None:
    shop = simulate(orders, seed)
    assert len(shop.transactions) == len(shop.truth) == orders
    assert len({transaction.transaction_id for transaction in shop.transactions}) == orders
    assert len(shop.outcomes) >= orders


@settings(max_examples=10, deadline=None)
@given(orders=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_same_size_and_seed_make_the_same_shop(orders: int, seed: int) -> None:
    assert simulate(orders, seed) == simulate(orders, seed)


def test_different_seeds_make_different_shops() -> None:
    one, other = simulate(100, seed=1), simulate(100, seed=2)
    assert one.transactions != other.transactions
    assert one.outcomes != other.outcomes


def test_transactions_stand_by_event_time_within_the_period(shop: Shop) -> None:
    times = [transaction.event_time for transaction in shop.transactions]
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] - times[0] > timedelta(days=120)
    assert times[-1] < START + timedelta(days=days_of(5_000), hours=1)


def test_outcomes_stand_by_when_they_could_be_known(shop: Shop) -> None:
    known = [outcome.available_at for outcome in shop.outcomes]
    assert known == sorted(known)


def test_every_outcome_is_of_a_transaction_and_not_before_it(shop: Shop) -> None:
    made = {transaction.transaction_id: transaction.event_time for transaction in shop.transactions}
    for outcome in shop.outcomes:
        assert made[outcome.transaction_id] < outcome.occurred_at <= outcome.available_at
    assert len({outcome.outcome_id for outcome in shop.outcomes}) == len(shop.outcomes)


def test_every_pattern_of_fraud_occurs_and_the_share_is_in_range(shop: Shop) -> None:
    assert set(shop.truth) == PATTERNS | {"honest"}
    assert 0.010 <= 1 - shop.truth.count("honest") / len(shop.truth) <= 0.015


@given(st.integers(0, 1_000_000))
def test_counts_of_patterns_add_up_to_the_fraud_share(orders: int) -> None:
    counts = pattern_counts(orders)
    assert set(counts) == PATTERNS
    assert sum(counts.values()) == round(orders * 0.0135)
    assert min(counts.values()) >= 0


def test_chargebacks_arrive_weeks_later_and_not_after_the_cap(shop: Shop) -> None:
    made = {transaction.transaction_id: transaction.event_time for transaction in shop.transactions}
    waited = sorted(
        outcome.available_at - made[outcome.transaction_id]
        for outcome in shop.outcomes
        if isinstance(outcome, Chargeback) and outcome.is_fraud
    )
    assert timedelta(days=14) < waited[len(waited) // 2] < timedelta(days=42)
    assert waited[-1] <= timedelta(days=120 + 5 + 5)


def test_declined_orders_have_no_money_to_dispute(shop: Shop) -> None:
    declined = {
        outcome.transaction_id for outcome in shop.outcomes if isinstance(outcome, IssuerDeclined)
    }
    disputed = {
        outcome.transaction_id
        for outcome in shop.outcomes
        if isinstance(outcome, Chargeback | EarlyFraudWarning | Refunded)
    }
    assert declined
    assert disputed
    assert not declined & disputed


def test_fraud_reports_are_only_of_fraud(shop: Shop) -> None:
    truth = {
        transaction.transaction_id: truth
        for transaction, truth in zip(shop.transactions, shop.truth, strict=True)
    }
    for outcome in shop.outcomes:
        if isinstance(outcome, EarlyFraudWarning):
            assert truth[outcome.transaction_id] != "honest"
        if isinstance(outcome, Chargeback):
            assert outcome.is_fraud == (truth[outcome.transaction_id] != "honest")


def test_honest_retries_repeat_an_earlier_order_that_was_declined(shop: Shop) -> None:
    by_id = {transaction.transaction_id: transaction for transaction in shop.transactions}
    declined = {
        outcome.transaction_id for outcome in shop.outcomes if isinstance(outcome, IssuerDeclined)
    }
    retries = [transaction for transaction in shop.transactions if transaction.is_retry]
    assert retries
    for retry in retries:
        first = by_id[(retry.order_id or "").removeprefix("order-")]
        assert first.transaction_id in declined
        assert timedelta(0) < retry.event_time - first.event_time <= timedelta(hours=10)
        assert retry.order == first.order


def test_customers_return(shop: Shop) -> None:
    seen = Counter(
        transaction.account.user_id
        for transaction in shop.transactions
        if transaction.account.user_id is not None
    )
    assert sum(count > 1 for count in seen.values()) > len(seen) / 2


def test_accounts_are_made_before_their_orders_and_keep_their_dates_in_order(shop: Shop) -> None:
    for transaction in shop.transactions:
        account = transaction.account
        if account.created_at is None or account.password_changed_at is None:
            assert account.is_guest
            continue
        assert account.created_at <= account.password_changed_at <= transaction.event_time
        assert account.first_purchase_at is None or (
            account.created_at <= account.first_purchase_at < transaction.event_time
        )


def test_amounts_add_up(shop: Shop) -> None:
    for transaction in shop.transactions:
        order = transaction.order
        goods = sum((item.price_minor or 0) * item.quantity for item in order.items)
        assert order.amount_minor >= goods * 0.9 - 1
        if order.discount_code is None and all(item.is_digital for item in order.items):
            assert order.amount_minor == goods


def test_card_testing_comes_in_bursts_that_are_mostly_declined() -> None:
    shop = simulate(20_000, seed=5)
    tests = [
        transaction
        for transaction, truth in zip(shop.transactions, shop.truth, strict=True)
        if truth == "card_testing"
    ]
    declined = {
        outcome.transaction_id for outcome in shop.outcomes if isinstance(outcome, IssuerDeclined)
    }
    close = sum(b.event_time - a.event_time < timedelta(minutes=15) for a, b in pairwise(tests))
    assert close > len(tests) / 2
    assert len({test.payment.card.fingerprint for test in tests}) > len(tests) / 2
    assert sum(test.transaction_id in declined for test in tests) > len(tests) / 2


def test_takeovers_are_of_known_accounts_with_other_devices() -> None:
    shop = simulate(20_000, seed=5)
    devices: dict[str | None, set[str | None]] = {}
    changed = known = 0
    for transaction, truth in zip(shop.transactions, shop.truth, strict=True):
        user = transaction.account.user_id
        if truth == "account_takeover":
            assert user is not None
            known += user in devices
            changed += transaction.device.fingerprint not in devices.get(user, set())
        devices.setdefault(user, set()).add(transaction.device.fingerprint)
    assert known > 0
    assert 0 < changed <= shop.truth.count("account_takeover")


def test_progress_rises_and_ends_at_the_number_of_orders() -> None:
    seen: list[int] = []
    simulate(2_500, seed=1, progress=seen.append)
    assert seen == [1_000, 2_000, 2_500]


@pytest.mark.parametrize(("orders", "seed"), [(0, 1), (-5, 1), (5_000_001, 1), (10, -1)])
def test_sizes_and_seeds_out_of_range_are_refused(orders: int, seed: int) -> None:
    with pytest.raises(InputError, match="must"):
        simulate(orders, seed)


def test_it_loads_nothing_of_the_scorer() -> None:
    program = (
        "import sys, fraudkit\n"
        "before = set(sys.modules)\n"
        "import fraudkit.simulate\n"
        "loaded = set(sys.modules) - before\n"
        "print(*(name for name in loaded if name.startswith('fraudkit.')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    rooms = {name.split(".")[1] for name in run.stdout.split()}
    assert "simulate" in rooms
    assert rooms <= ALLOWED


def test_its_source_names_nothing_of_the_scorer() -> None:
    """What `fraudkit` itself has loaded already would hide from the test above."""
    sources = list(Path(fraudkit.simulate.__file__).parent.glob("*.py"))
    named = {
        node.module
        for source in sources
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fraudkit")
    }
    assert len(sources) > 10
    assert {(module or "").split(".")[1] for module in named} <= ALLOWED
