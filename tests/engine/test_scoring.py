"""One order through the engine: every part of the decision follows from the others."""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec
import pytest

import fraudkit as fk
from fraudkit.decisions.policy import ACTIONS, parse_policy
from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Order, Payment, Transaction
from fraudkit.engine import Engine
from fraudkit.errors import BundleError, InputError, InvalidField
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import load_bundle
from tests.training.trained_shop import TrainedShop

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
        fk.Versions(
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
        (Payment(method="card", card=fk.Card(was_3d_secure_successful=True)), False),
    ],
)  # fmt: skip
def test_a_challenge_is_costed_where_it_is_possible(
    shop: TrainedShop, payment: Payment, is_possible: bool
) -> None:
    order = msgspec.structs.replace(shop.transactions[1], payment=payment)
    with Engine.open(shop.bundle) as engine:
        cost = engine.score(order).expected_cost_minor
    assert cost is not None
    assert (cost.challenge is not None) is is_possible


def minimal(transaction_id: str, event_time: str) -> Transaction:
    return Transaction(
        transaction_id=transaction_id,
        event_time=msgspec.convert(event_time, fk.Transaction.__annotations__.get("x") or object)
        if False
        else msgspec.json.decode(f'"{event_time}"', type=type(DAWN)),
        order=Order(amount_minor=4999, currency="EUR"),
    )


DAWN = msgspec.json.decode('"2026-03-01T06:00:00Z"', type=__import__("datetime").datetime)
