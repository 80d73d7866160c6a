"""One order through the engine: every part of the decision follows from the others."""

from __future__ import annotations

import math
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

import fraudkit as fk
from fraudkit.decisions.costs import Costs
from fraudkit.decisions.policy import ACTIONS, Policy, parse_policy, policy_toml
from fraudkit.domain.decision import Decision, Versions
from fraudkit.domain.transaction import Card, Order, Payment, Transaction, epoch_ms
from fraudkit.engine import Engine
from fraudkit.errors import BundleError, InputError, InvalidField
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.payments.ranking import recommend
from fraudkit.scoring.bundle import load_bundle, write_bundle
from tests.training.trained_shop import TrainedShop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = b"a secret of the shop's own"


@pytest.fixture(scope="module")
def decided(shop: TrainedShop) -> list[tuple[Transaction, Decision]]:
    with Engine.open(shop.bundle) as engine:
        return [(order, engine.score(order)) for order in shop.transactions]


def test_every_decision_names_its_order_and_what_decided(
    shop: TrainedShop, decided: list[tuple[Transaction, Decision]]
) -> None:
    bundle = load_bundle(shop.bundle)
    versions = {decision.versions for _, decision in decided}
    assert versions == {
        Versions(
            bundle=bundle.version,
            features=bundle.features.digest[:16],
            policy=parse_policy(bundle.policy_text).digest[:16],
        )
    }
    for order, decision in decided:
        assert decision.transaction_id == order.transaction_id
        assert decision.currency == "EUR"
        assert 0 <= decision.fraud_probability <= 1
        assert math.isfinite(decision.raw_score)


def test_a_higher_score_is_never_a_lower_probability(
    decided: list[tuple[Transaction, Decision]],
) -> None:
    pairs = sorted((decision.raw_score, decision.fraud_probability) for _, decision in decided)
    probabilities = [probability for _, probability in pairs]
    assert probabilities == sorted(probabilities)


def test_the_action_is_the_one_of_least_expected_cost(
    decided: list[tuple[Transaction, Decision]],
) -> None:
    taken = set()
    for _, decision in decided:
        if decision.expected_cost_minor is None:
            continue
        costs = {
            name: cost
            for name in ACTIONS
            if (cost := getattr(decision.expected_cost_minor, name)) is not None
        }
        assert decision.action == min(costs, key=costs.__getitem__)
        taken.add(decision.action)
    assert taken == set(ACTIONS)


def test_reasons_raise_the_risk_and_come_strongest_first(
    shop: TrainedShop, decided: list[tuple[Transaction, Decision]]
) -> None:
    known = {feature.reason_code for feature in load_bundle(shop.bundle).features.features}
    for _, decision in decided:
        weights = [reason.weight for reason in decision.reasons]
        assert weights == sorted(weights, reverse=True)
        assert all(weight > 0 for weight in weights)
        codes = [reason.code for reason in decision.reasons]
        assert len(set(codes)) == len(codes) <= 4
        assert set(codes) <= known
        assert all(reason.text and "{" not in reason.text for reason in decision.reasons)
    assert sum(bool(decision.reasons) for _, decision in decided) > len(decided) // 2


def test_an_amount_without_a_rate_is_decided_as_the_policy_says(
    decided: list[tuple[Transaction, Decision]],
) -> None:
    unknown = [decision for order, decision in decided if order.order.currency == "XAF"]
    assert unknown
    for decision in unknown:
        assert decision.action == "review"
        assert decision.expected_cost_minor is None
        assert decision.degraded == ("rates",)
        assert [warning.code for warning in decision.warnings] == ["currency_without_rate"]
    others = [decision for order, decision in decided if order.order.currency != "XAF"]
    assert all(not decision.degraded and not decision.warnings for decision in others)


@pytest.mark.parametrize(
    ("payment", "is_possible"),
    [
        (Payment(method="card"), True),
        (Payment(), True),
        (Payment(method="bank_transfer"), False),
        (Payment(method="card", card=Card(was_3d_secure_successful=True)), False),
    ],
)  # fmt: skip
def test_a_challenge_is_costed_where_it_is_possible(
    shop: TrainedShop, payment: Payment, *, is_possible: bool
) -> None:
    order = msgspec.structs.replace(shop.transactions[1], payment=payment)
    with Engine.open(shop.bundle) as engine:
        cost = engine.score(order).expected_cost_minor
    assert cost is not None
    assert (cost.challenge is not None) is is_possible


def order_at(moment: datetime, transaction_id: str = "t1") -> Transaction:
    order = Order(amount_minor=4999, currency="EUR")
    return Transaction(transaction_id=transaction_id, event_time=moment, order=order)


def test_a_time_in_the_future_is_refused_and_not_remembered(shop: TrainedShop) -> None:
    with Engine.open(shop.bundle) as engine:
        now_ms = epoch_ms(NOON)
        with pytest.raises(InvalidField, match=r"^/event_time: expected a time not in the future"):
            engine.score(order_at(NOON + timedelta(minutes=5, milliseconds=1)), now_ms=now_ms)
        assert engine.counters.events == 0
        engine.score(order_at(NOON + timedelta(minutes=5)), now_ms=now_ms)
        assert engine.counters.events == 1


def test_a_late_order_is_decided_and_warned_of(shop: TrainedShop) -> None:
    with Engine.open(shop.bundle) as engine:
        engine.score(order_at(NOON))
        in_time = engine.score(order_at(NOON - timedelta(days=1), "t2"))
        late = engine.score(order_at(NOON - timedelta(days=1, milliseconds=1), "t3"))
        assert in_time.warnings == ()
        assert [warning.code for warning in late.warnings] == ["event_too_late"]
        assert late.action in ACTIONS
        assert (engine.counters.events, engine.counters.too_late) == (2, 1)


def test_an_order_is_not_in_its_own_past(shop: TrainedShop) -> None:
    with Engine.open(shop.bundle) as engine:
        first = engine.score(shop.transactions[1])
        twin = msgspec.structs.replace(shop.transactions[1], transaction_id="twin")
        same = engine.score(twin)
        assert msgspec.structs.replace(same, transaction_id=first.transaction_id) == first


@pytest.mark.parametrize("length", [0, 15, 65])
def test_a_secret_of_another_length_is_refused(shop: TrainedShop, length: int) -> None:
    with pytest.raises(InputError, match=f"hash_key must be 16 to 64 bytes, got {length}"):
        Engine.open(shop.bundle, hash_key=b"k" * length)


@pytest.mark.parametrize("length", [16, 64])
def test_the_secret_changes_no_decision(shop: TrainedShop, length: int) -> None:
    orders = shop.transactions[:200]
    with Engine.open(shop.bundle) as plain, Engine.open(shop.bundle, hash_key=b"k" * length) as own:
        assert [own.score(order) for order in orders] == [plain.score(order) for order in orders]


def test_a_journal_needs_a_secret(shop: TrainedShop, tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.sqlite3") as journal:
        with pytest.raises(InputError, match="hash_key must be given with a journal"):
            Engine.open(shop.bundle, journal=journal)
        Engine.open(shop.bundle, journal=journal, hash_key=SECRET)


def test_a_bundle_may_be_named_by_a_file_beside_it(shop: TrainedShop, tmp_path: Path) -> None:
    shutil.copytree(shop.bundle, tmp_path / "shop")
    (tmp_path / "current").write_text("shop\n")
    with Engine.open(tmp_path / "current") as named, Engine.open(str(shop.bundle)) as direct:
        assert named.versions == direct.versions


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="must be a bundle's folder"):
        Engine.open(tmp_path / "absent")
    with pytest.raises(BundleError, match=r"manifest\.json must be readable"):
        Engine.open(tmp_path)


def test_costs_in_another_currency_than_the_amounts_are_refused(
    shop: TrainedShop, tmp_path: Path
) -> None:
    policy = Policy(costs=Costs(currency="USD"))
    text = policy_toml(policy)
    content = msgspec.structs.replace(shop.training.content, policy_text=text)
    write_bundle(tmp_path / "bundle", content)
    with pytest.raises(InputError, match="must be the reference currency EUR, got USD"):
        Engine.open(tmp_path / "bundle")


def test_payment_methods_are_recommended_as_the_catalogue_says(shop: TrainedShop) -> None:
    context = fk.PaymentContext(country="NL", currency="EUR", amount_minor=4999)
    catalog = PaymentCatalog.default()
    with Engine.open(shop.bundle) as engine:
        found = engine.recommend(context)
    assert found == recommend(context, catalog, now_ms=catalog.as_of_ms)
    assert found.methods
