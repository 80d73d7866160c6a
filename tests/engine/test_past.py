"""What an engine remembers: its own decisions, its orders, and when they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from fraudkit.decisions.decider import Decider
from fraudkit.decisions.policy import Policy, WhenMissing, policy_toml
from fraudkit.domain.decision import Action
from fraudkit.domain.money import rate_table
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Transaction
from fraudkit.engine import Engine
from fraudkit.errors import JournalError, StoreError
from fraudkit.features.keys import IdentifierHash
from fraudkit.features.online import OnlineFeatures
from fraudkit.features.plan import WindowPlan, window_plan
from fraudkit.features.spec import Aggregation, Entity, FeatureSet, Where
from fraudkit.features.state import Appended, StoreCounters
from fraudkit.journal.record import DecisionRecord, OutcomeRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.past import Past
from fraudkit.scoring.bundle import load_bundle
from fraudkit.stores.memory import MemoryStore
from tests.training.trained_shop import TrainedShop

SECRET = b"a secret of the shop's own"
WHERES: tuple[Where, ...] = ("attempted", "approved", "declined")
FEATURES = FeatureSet(
    [Entity(name="card", inputs=("payment.card.fingerprint",))],
    [
        Aggregation(
            name=f"card_{where}",
            entity="card",
            operation="count",
            window_ms=3_600_000,
            where=where,
            unit="events",
            meaning="",
            reason_code="X",
        )
        for where in WHERES
    ],
)
FIRST = msgspec.convert(
    {
        "transaction_id": "t1",
        "event_time": "2026-03-01T12:00:00Z",
        "order": {"amount_minor": 100, "currency": "EUR"},
        "payment": {"card": {"fingerprint": "c1"}},
    },
    Transaction,
)


class UnreachableStore(MemoryStore):
    """A store whose connection is lost."""

    def exchange(self, _event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        out[:] = 7.0
        raise StoreError("the store cannot be reached")


def later(order: Transaction, transaction_id: str, **by: float) -> Transaction:
    return msgspec.structs.replace(
        order, transaction_id=transaction_id, event_time=order.event_time + timedelta(**by)
    )


def decided(order: Transaction, action: str, available_at_ms: int | None = None) -> Outcome:
    at_ms = order.event_time_ms if available_at_ms is None else available_at_ms
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return msgspec.convert(
        {
            "kind": "decided",
            "outcome_id": f"decision-on-{order.transaction_id}",
            "transaction_id": order.transaction_id,
            "occurred_at": at,
            "available_at": at,
            "action": action,
        },
        Outcome,
    )


@pytest.mark.parametrize(
    ("action", "seen"),
    [
        ("approve", [1.0, 1.0, 0.0]),
        ("decline", [1.0, 0.0, 1.0]),
        ("review", [1.0, 0.0, 0.0]),
        ("challenge", [1.0, 0.0, 0.0]),
    ],
)
def test_an_own_decision_is_seen_by_the_next_order(action: Action, seen: list[float]) -> None:
    plan = window_plan(FEATURES)
    store = MemoryStore(plan)
    past = Past(FEATURES, plan, store, "EUR")
    online = OnlineFeatures(FEATURES, plan, store, rate_table("EUR", {}), IdentifierHash(b"k" * 16))
    row = online.prepare(FIRST, past.received(FIRST.event_time_ms))
    past.note_decision(row, past.exchange(row), action)
    after = later(FIRST, "t2", milliseconds=1)
    row = online.prepare(after, past.received(after.event_time_ms))
    past.exchange(row)
    assert row.values.tolist() == seen


def test_what_was_received_later_is_never_taken_for_earlier() -> None:
    plan = window_plan(FEATURES)
    past = Past(FEATURES, plan, MemoryStore(plan), "EUR")
    assert [past.received(now_ms) for now_ms in (100, 90, 101, 200)] == [100, 101, 102, 200]
    outcome = decided(FIRST, "approve", available_at_ms=500)
    assert past.received_outcome(outcome, None) == 500
    assert past.received(201) == 201
    assert [past.received_outcome(outcome, now_ms) for now_ms in (150, 300)] == [201, 300]
    assert past.received(300) == 301


def test_an_order_sees_all_that_came_before_it_in_the_same_millisecond() -> None:
    plan = window_plan(FEATURES)
    store = MemoryStore(plan)
    past = Past(FEATURES, plan, store, "EUR")
    online = OnlineFeatures(FEATURES, plan, store, rate_table("EUR", {}), IdentifierHash(b"k" * 16))
    now_ms = FIRST.event_time_ms + 60_000
    seen = []
    for number in range(3):
        order = later(FIRST, f"t{number}", milliseconds=number)
        row = online.prepare(order, past.received(now_ms))
        past.exchange(row)
        seen.append(row.values.tolist())
        outcome = decided(order, "decline")
        past.note_outcome(outcome, past.received_outcome(outcome, now_ms))
    assert seen == [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [2.0, 0.0, 2.0]]


@pytest.mark.parametrize("mode", ["decide", "review", "decline"])
def test_without_its_store_an_order_is_decided_as_the_policy_says(
    shop: TrainedShop, tmp_path: Path, mode: str
) -> None:
    bundle = load_bundle(shop.bundle)
    policy = Policy(
        costs=msgspec.structs.replace(Policy().costs, currency=bundle.rates.reference_currency),
        when_missing=msgspec.convert({"store": mode}, WhenMissing),
    )
    policy_bundle = msgspec.structs.replace(bundle, policy_text=policy_toml(policy))
    path = tmp_path / "journal.sqlite3"
    catalog = Engine.open(shop.bundle)._catalog
    order = next(o for o in shop.transactions if o.order.currency == "EUR")
    with Engine(
        policy_bundle,
        catalog=catalog,
        journal=SqliteJournal(path),
        store=UnreachableStore,
        hash_key=SECRET,
    ) as engine:
        decision = engine.score(order)
        assert engine.score(order) == decision
    assert decision.degraded == ("store",)
    cost = decision.expected_cost_minor
    assert cost is not None
    assert decision.fraud_probability is not None
    cheapest = (
        Decider(policy)
        .of_values(
            decision.fraud_probability,
            order.order.amount_minor,
            can_challenge=cost.challenge is not None,
        )
        .action
    )
    assert decision.action == {"review": "review", "decline": "decline"}.get(mode, cheapest)
    with SqliteJournal.open_readonly(path) as journal:
        (record,) = journal.records()
    assert isinstance(record, DecisionRecord)
    windows = np.frombuffer(record.features, "<f8")[len(bundle.features.order_features) :]
    assert np.isnan(windows).all()


class ForgetfulJournal(SqliteJournal):
    """A journal that cannot be written."""

    def append_many(self, _records: object) -> list[bool]:
        raise JournalError("the disk is full")


def test_an_order_that_is_not_journalled_is_taken_out_again(
    shop: TrainedShop, tmp_path: Path
) -> None:
    made: list[MemoryStore] = []

    def store(plan: WindowPlan) -> MemoryStore:
        made.append(MemoryStore(plan))
        return made[-1]

    journal = ForgetfulJournal(tmp_path / "journal.sqlite3")
    with Engine.open(shop.bundle, journal=journal, store=store, hash_key=SECRET) as engine:
        with pytest.raises(JournalError):
            engine.score(shop.transactions[0])
        assert engine.counters.events == 0
        assert engine.counters.duplicates == 0
    assert made[0].counters.keys == 0


def test_what_was_told_of_an_order_outlives_its_being_taken_back() -> None:
    plan = window_plan(FEATURES)
    store = MemoryStore(plan)
    past = Past(FEATURES, plan, store, "EUR")
    online = OnlineFeatures(FEATURES, plan, store, rate_table("EUR", {}), IdentifierHash(b"k" * 16))
    early = decided(FIRST, "decline")
    past.note_outcome(early, past.received_outcome(early, FIRST.event_time_ms))
    for _ in range(2):
        row = online.prepare(FIRST, past.received(FIRST.event_time_ms))
        asked = past.exchange(row)
        after = later(FIRST, "t2", minutes=1)
        assert online.row(after, past.received(after.event_time_ms)).values.tolist() == [1, 0, 1]
        past.take_back(row, asked)


def test_what_was_decided_about_an_order_is_taken_back_with_it() -> None:
    plan = window_plan(FEATURES)
    store = MemoryStore(plan)
    past = Past(FEATURES, plan, store, "EUR")
    online = OnlineFeatures(FEATURES, plan, store, rate_table("EUR", {}), IdentifierHash(b"k" * 16))
    seen = []
    actions: list[Action] = ["decline", "approve"]
    for action in actions:
        row = online.prepare(FIRST, past.received(FIRST.event_time_ms))
        asked = past.exchange(row)
        past.note_decision(row, asked, action)
        after = later(FIRST, "t2", minutes=1)
        seen.append(online.row(after, past.received(after.event_time_ms)).values.tolist())
        past.take_back(row, asked, action)
        assert store.counters.outcomes_pending == 0
    assert seen == [[1, 0, 1], [1, 1, 0]]


def restored(currency: str) -> list[float]:
    """Return the sum of a card's amounts after a restart, journalled in a currency."""
    features = FeatureSet(
        FEATURES.entities,
        [msgspec.structs.replace(FEATURES.aggregations[0], name="spent", operation="sum")],
    )
    plan = window_plan(features)
    store = MemoryStore(plan)
    past = Past(features, plan, store, "EUR")
    online = OnlineFeatures(features, plan, store, rate_table("EUR", {}), IdentifierHash(b"k" * 16))
    row = online.prepare(FIRST)
    past.restore(
        DecisionRecord(
            transaction_id=FIRST.transaction_id,
            received_at_ms=FIRST.event_time_ms,
            event_time_ms=FIRST.event_time_ms,
            amount_minor=100,
            entities={"card": int(row.keys[0])},
            request_digest=b"",
            features_version="",
            features=b"",
            decision=msgspec.json.encode({"action": "approve", "currency": currency}),
        )
    )
    after = later(FIRST, "t2", minutes=1)
    return online.row(after).values.tolist()


def test_amounts_in_another_currency_are_not_added_up_after_a_restart() -> None:
    assert restored("EUR") == [100.0]
    assert restored("JPY") == [0.0]
    plan = window_plan(FEATURES)
    layouts = {plan.layout, plan.in_currency("EUR").layout, plan.in_currency("JPY").layout}
    assert len(layouts) == 3
    assert plan.in_currency("EUR").layout == plan.in_currency("EUR").layout


def test_a_restart_keeps_the_time_at_which_an_outcome_came() -> None:
    plan = window_plan(FEATURES)
    past = Past(FEATURES, plan, MemoryStore(plan), "EUR")
    outcome = decided(FIRST, "decline", available_at_ms=500)
    body = msgspec.json.encode(outcome)
    for number, received_at_ms in enumerate((500, 700)):
        past.restore(
            OutcomeRecord(
                outcome_id=f"o{number}",
                transaction_id=FIRST.transaction_id,
                received_at_ms=received_at_ms,
                outcome=body,
            )
        )
        assert past.received(100 + number) == (100, 701)[number]


class StoreThatWatches(MemoryStore):
    """Notes whether the engine's lock was held when it was used."""

    engine: Engine
    held: list[bool]

    @property
    def counters(self) -> StoreCounters:
        self.held.append(self.engine._lock.locked())
        return super().counters

    def close(self) -> None:
        self.held.append(self.engine._lock.locked())


def test_nobody_asks_the_store_while_an_order_is_decided(shop: TrainedShop) -> None:
    stores: list[StoreThatWatches] = []

    def new_store(plan: WindowPlan) -> StoreThatWatches:
        stores.append(StoreThatWatches(plan))
        return stores[0]

    engine = Engine.open(shop.bundle, store=new_store)
    stores[0].engine, stores[0].held = engine, []
    assert engine.counters.events == 0
    engine.close()
    assert stores[0].held == [True, True]
