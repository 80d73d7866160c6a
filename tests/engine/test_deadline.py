"""Orders that there is no time to score: decided by the written fallback, and never forgotten."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fraudkit.decisions.fallback import Fallback
from fraudkit.decisions.policy import Policy, policy_toml
from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Transaction
from fraudkit.engine import Engine
from fraudkit.errors import ExplanationError
from fraudkit.explanation.replay import replay_record
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import Appended
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.scoring.bundle import Bundle, load_bundle
from fraudkit.stores.memory import MemoryStore
from tests.training.trained_shop import TrainedShop

SECRET = b"a secret of the shop's own"
WRITTEN = Fallback(action="approve", above_minor=10_000, above_action="decline")


class Watch:
    """A clock that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class SleepingStore(MemoryStore):
    """Takes its time for an answer, in another process, as it were."""

    def set_up(self, watch: Watch, seconds: float) -> SleepingStore:
        self.watch, self.seconds, self.n_waited = watch, seconds, 0
        return self

    def exchange(self, event: NDArray[np.int64], out: NDArray[np.float64]) -> Appended:
        self.watch.now_s += self.seconds
        self.n_waited += 1
        return super().exchange(event, out)

    def exchange_at_once(
        self, event: NDArray[np.int64], _out: NDArray[np.float64]
    ) -> Appended | None:
        self.append(event)
        return None


def late() -> bool:
    return True


def in_time() -> bool:
    return False


def written(shop: TrainedShop, fallback: Fallback = WRITTEN) -> Bundle:
    bundle = load_bundle(shop.bundle)
    costs = msgspec.structs.replace(Policy().costs, currency=bundle.rates.reference_currency)
    text = policy_toml(Policy(costs=costs, fallback=fallback))
    return msgspec.structs.replace(bundle, policy_text=text)


def opened(
    bundle: Bundle, journal: Path | None = None, watch: Watch | None = None, seconds: float = 0.0
) -> Engine:
    watch = Watch() if watch is None else watch
    return Engine(
        bundle,
        catalog=PaymentCatalog.default(),
        journal=None if journal is None else SqliteJournal(journal),
        store=lambda plan: SleepingStore(plan).set_up(watch, seconds),
        hash_key=SECRET,
    )


def without_score(decision: Decision) -> None:
    assert decision.degraded[-1] == "deadline"
    assert decision.shaped_by == ("fallback",)
    assert decision.fraud_probability is decision.raw_score is None
    assert decision.expected_cost_minor is decision.approve_propensity is None
    assert (decision.reasons, decision.ranges, decision.own_costs) == ((), (), {})


def in_euros(shop: TrainedShop) -> list[Transaction]:
    return [held for held in shop.transactions if held.order.currency == "EUR"]


@given(seconds=st.floats(0.0, 2.0), left_s=st.floats(-1.0, 2.0))
def test_an_order_is_scored_if_its_sources_left_it_time(
    shop: TrainedShop, seconds: float, left_s: float
) -> None:
    watch = Watch()
    watch.now_s = 50.0
    bundle = load_bundle(shop.bundle)
    engine = opened(bundle, watch=watch, seconds=seconds)
    decision = engine.score(shop.transactions[0], is_late=lambda: watch.now_s >= 50.0 + left_s)
    is_waited_for = 50.0 + left_s > 50.0
    is_scored = is_waited_for and 50.0 + seconds < 50.0 + left_s
    assert (decision.raw_score is not None) is is_scored
    assert ("deadline" in decision.degraded) is not is_scored
    assert ("store" in decision.degraded) is not is_waited_for
    store = engine._orders.held.store
    assert isinstance(store, SleepingStore)
    assert store.n_waited == int(is_waited_for)
    assert engine.counters.events == 1


def test_what_is_answered_late_is_what_the_policy_says(shop: TrainedShop) -> None:
    orders = in_euros(shop)[:200]
    engine = opened(written(shop))
    actions = set()
    for order in orders:
        decision = engine.score(order, is_late=late)
        without_score(decision)
        assert decision.action == WRITTEN.action_for(order.order.amount_minor)
        actions.add(decision.action)
    assert actions == {"approve", "decline"}


def test_a_late_decision_stands_and_can_be_replayed(shop: TrainedShop, tmp_path: Path) -> None:
    bundle, path = written(shop), tmp_path / "journal.sqlite3"
    order = in_euros(shop)[0]
    with opened(bundle, path) as engine:
        decision = engine.score(order, is_late=late)
        # In time, and by the same id: what was answered is answered ever after.
        assert engine.score(order, is_late=in_time) == engine.score(order) == decision
        assert engine.score(order, is_late=late) == decision
        with pytest.raises(ExplanationError, match="must have a score to be explained"):
            engine.explain(decision)
    with opened(bundle, path) as engine:
        assert engine.score(order) == decision
    with SqliteJournal.open_readonly(path) as journal:
        (record,) = journal.records()
    assert isinstance(record, DecisionRecord)
    assert msgspec.json.decode(record.decision, type=Decision) == decision
    assert replay_record(bundle, record) == record.decision


def test_those_behind_a_slow_source_do_not_wait_for_it_again(shop: TrainedShop) -> None:
    watch = Watch()
    engine = opened(written(shop), watch=watch, seconds=0.4)
    orders = in_euros(shop)[:50]
    decisions = [engine.score(order, is_late=lambda: watch.now_s >= 0.3) for order in orders]
    assert watch.now_s == 0.4  # once, for the first of them
    for decision in decisions:
        without_score(decision)
    assert engine.counters.events == len(orders)


def rows_of(bundle: Bundle, orders: list[Transaction], path: Path, *, waits: bool) -> list[bytes]:
    """Return the feature rows of every third order; the others are late."""

    def store(plan: WindowPlan) -> MemoryStore:
        return MemoryStore(plan) if waits else SleepingStore(plan).set_up(Watch(), 0.0)

    journal, catalog = SqliteJournal(path), PaymentCatalog.default()
    with Engine(bundle, catalog=catalog, journal=journal, store=store) as engine:
        for number, order in enumerate(orders):
            engine.score(order, is_late=late if number % 3 else in_time)
        decided = [held for held in journal.records() if isinstance(held, DecisionRecord)]
    return [held.features for held in decided[::3]]


def test_orders_after_late_ones_see_what_a_twin_sees(shop: TrainedShop, tmp_path: Path) -> None:
    """The twin's store answers the late orders too."""
    bundle, orders = written(shop), in_euros(shop)[:300]
    seen = rows_of(bundle, orders, tmp_path / "a", waits=False)
    assert seen == rows_of(bundle, orders, tmp_path / "b", waits=True)
