"""Another bundle under an engine that decides: as if it had been restarted, without the pause."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakSet

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudkit.domain.decision import Decision
from fraudkit.domain.outcome import Outcome
from fraudkit.domain.transaction import Account, Card, Email, Order, Payment, Transaction
from fraudkit.engine import Engine
from fraudkit.errors import ExplanationError, InputError, JournalError, PolicyError
from fraudkit.features.plan import WindowPlan
from fraudkit.journal.record import DecisionRecord
from fraudkit.payments.catalog import PaymentCatalog
from fraudkit.scoring.bundle import Bundle
from fraudkit.stores.memory import MemoryStore
from tests.engine.replaced import BUNDLES, ListJournal, bundles

SECRET = b"a secret of the shop's own"
START = datetime(2026, 3, 1, 20, tzinfo=UTC)
CATALOG = PaymentCatalog.default()

steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(0, 3), st.integers(0, 200_000)),
        st.tuples(st.just("order"), st.integers(0, 3), st.integers(0, 200_000)),
        st.tuples(st.just("note"), st.integers(0, 3), st.integers(0, 200_000)),
        st.tuples(st.just("outcome"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("bundle"), st.sampled_from(BUNDLES), st.just(0)),
    ),
    max_size=60,
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    return bundles(tmp_path_factory.mktemp("replaced"))


def opened(bundle: Bundle, journal: ListJournal | None = None, **options: Any) -> Engine:
    return Engine(bundle, catalog=CATALOG, journal=journal, hash_key=SECRET, **options)


def order_of(number: int, customer: int = 0, amount_minor: int = 9_000) -> Transaction:
    return Transaction(
        transaction_id=f"t{number}",
        event_time=START + timedelta(minutes=17 * number),
        account=Account(user_id=f"customer-{customer}"),
        email=Email(address=f"customer-{customer}@example.com"),
        order=Order(amount_minor=amount_minor, currency="EUR"),
        payment=Payment(method="card", card=Card(fingerprint=f"card-{customer // 2}")),
    )


def charged_back(order: Transaction) -> Outcome:
    at = (order.event_time + timedelta(minutes=5)).isoformat()
    said = {
        "kind": "chargeback",
        "outcome_id": f"o-{order.transaction_id}",
        "is_fraud": True,
        "reason": "10.4",
    }
    said |= {"transaction_id": order.transaction_id, "occurred_at": at, "available_at": at}
    return msgspec.convert(said, Outcome)


@settings(max_examples=150, deadline=None)
@given(first=st.sampled_from(BUNDLES), steps=steps)
def test_it_decides_on_as_one_that_was_restarted_with_the_bundle(
    made: dict[str, Bundle], first: str, steps: list[tuple[str, Any, int]]
) -> None:
    journals = ListJournal(), ListJournal()
    goes_on, restarted = (opened(made[first], journal) for journal in journals)
    orders: list[Transaction] = []
    for what, which, amount_minor in steps:
        if what in ("order", "note"):
            orders.append(order_of(len(orders), which, amount_minor))
            # What waits to be written when the bundle changes counts like what is written.
            act = goes_on.score if what == "order" else goes_on.decide
            answer: Any = act(orders[-1])
            decision = answer if isinstance(answer, Decision) else answer.decision
            assert decision == restarted.score(orders[-1])
        elif what == "outcome" and orders:
            outcome = charged_back(orders[which % len(orders)])
            assert goes_on.record(outcome) == restarted.record(outcome)
        elif what == "bundle":
            goes_on.replace(made[which])
            restarted = opened(made[which], journals[1])
            assert goes_on.versions == restarted.versions
    goes_on.write()
    assert journals[0].held == journals[1].held


@pytest.mark.parametrize("seed", range(4))
def test_reviews_and_declines_are_counted_across_bundles(
    made: dict[str, Bundle], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    journals = ListJournal(), ListJournal()
    goes_on, restarted = (opened(made["limited"], journal) for journal in journals)
    shaped: set[str] = set()
    for number in range(300):
        order = order_of(number, int(rng.integers(4)), int(rng.integers(200_000)))
        decision = goes_on.score(order)
        assert decision == restarted.score(order)
        shaped |= set(decision.shaped_by)
        if rng.random() < 0.1:
            name = str(rng.choice(BUNDLES))
            goes_on.replace(made[name])
            restarted = opened(made[name], journals[1])
    assert shaped == {"review_capacity_used", "decline_ceiling_reached"}


def test_an_order_keeps_the_versions_that_decided_it(made: dict[str, Bundle]) -> None:
    journal = ListJournal()
    engine = opened(made["plain"], journal)
    noted = engine.decide(order_of(0))
    engine.replace(made["other_windows"])
    assert made["plain"].features.entity_names != made["other_windows"].features.entity_names
    engine.decide(order_of(1))
    engine.write()
    versions = [
        msgspec.json.decode(record.decision)["versions"]["bundle"]
        for record in journal.held
        if isinstance(record, DecisionRecord)
    ]
    assert versions == [made["plain"].version, made["other_windows"].version]
    assert engine.score(order_of(0)) == noted.decision
    with pytest.raises(ExplanationError, match="must be explained with bundle"):
        engine.explain("t0")
    assert engine.explain("t1").action


def test_what_is_written_while_it_is_made_ready_is_not_missed(made: dict[str, Bundle]) -> None:
    journals = ListJournal(), ListJournal()
    engine, oracle = (opened(made["plain"], journal) for journal in journals)

    def decide_some(first: int, count: int) -> Callable[[], None]:
        def decide() -> None:
            for number in range(first, first + count):
                assert engine.score(order_of(number)) == oracle.score(order_of(number))
            outcome = charged_back(order_of(first))
            assert engine.record(outcome) == oracle.record(outcome)
            engine.record(outcome)

        return decide

    decide_some(0, 5)()
    engine.replace(made["other_limited"], commit=decide_some(5, 200))
    restarted = opened(made["other_limited"], journals[1])
    for number in range(300, 330):
        order = order_of(number)
        assert engine.score(order) == restarted.score(order)


def test_what_could_not_be_written_is_taken_out_of_the_new_windows_too(
    made: dict[str, Bundle],
) -> None:
    journal = ListJournal()
    engine = opened(made["plain"], journal)
    engine.score(order_of(0))
    engine.decide(order_of(1))
    engine.replace(made["other_windows"])
    assert engine.counters.events == 2
    journal.is_full = True
    with pytest.raises(JournalError, match="full"):
        engine.write()
    assert engine.counters.events == 1
    journal.is_full = False
    later = order_of(9)
    assert engine.score(later) == opened(made["other_windows"], journal).score(later)


def refuse() -> None:
    raise InputError("the registry must be writable")


def test_what_is_refused_changes_nothing(made: dict[str, Bundle]) -> None:
    journal = ListJournal()
    engine, oracle = opened(made["limited"], journal), opened(made["limited"])
    broken = replace(made["plain"], policy_text="[costs]\nmargin_share = 2.0\n")
    tried: list[tuple[Bundle, Any, type[Exception]]] = [
        (broken, {}, PolicyError),
        (made["watchful"], {"commit": refuse}, InputError),
        (made["other_windows"], {"commit": refuse}, InputError),
    ]
    for number, (bundle, options, error) in enumerate(tried * 4):
        assert engine.score(order_of(number)) == oracle.score(order_of(number))
        with pytest.raises(error):
            engine.replace(bundle, **options)
        assert engine.versions == oracle.versions
    assert engine._noted is not None
    assert engine._noted._followed is None


def test_other_windows_need_a_journal_or_the_same_layout(made: dict[str, Bundle]) -> None:
    engine, oracle = opened(made["plain"]), opened(made["other_model"])
    for number in range(20):
        engine.score(order_of(number))
        oracle.score(order_of(number))
    engine.replace(made["limited"])
    engine.replace(made["other_model"])  # other columns of the same rows
    assert engine.counters == oracle.counters
    oracle._orders.held.deciding.decider.count_on_from(engine._orders.held.deciding.decider)
    for number in range(20, 40):
        assert engine.score(order_of(number)) == oracle.score(order_of(number))
    with pytest.raises(InputError, match="there must be a journal to fill them from"):
        engine.replace(made["other_windows"])
    assert engine.versions.bundle == made["other_model"].version


class SharedStore(MemoryStore):
    """Stands for a store in another process."""

    closed: list[WindowPlan]

    @property
    def outlives_process(self) -> bool:
        return True

    def close(self) -> None:
        self.closed.append(self._plan)


def test_a_shared_store_keeps_what_it_holds_or_the_bundle_is_refused(
    made: dict[str, Bundle],
) -> None:
    stores: list[SharedStore] = []

    def shared(plan: WindowPlan) -> SharedStore:
        stores.append(SharedStore(plan))
        stores[-1].closed = []
        return stores[-1]

    engine = opened(made["plain"], ListJournal(), store=shared)
    engine.replace(made["limited"])
    assert len(stores) == 1
    with pytest.raises(InputError, match=r"another layout .* store\.load"):
        engine.replace(made["other_windows"])
    assert [len(store.closed) for store in stores] == [0, 1]
    del stores[1]
    first = order_of(0)
    engine.score(first)
    engine.replace(made["other_model"])  # the same rows, in other columns
    assert engine._orders.held.past.received(0) == first.event_time_ms + 1
    assert [len(store.closed) for store in stores] == [1, 0]
    with pytest.raises(InputError):
        engine.replace(made["plain"], commit=refuse)
    assert [len(store.closed) for store in stores] == [1, 0, 1]
    engine.score(order_of(1))
    assert stores[1].counters.events == 1


def test_a_thousand_policies_leave_nothing_behind(made: dict[str, Bundle]) -> None:
    engine = opened(made["plain"], ListJournal())
    before = WeakSet[Any]()
    for number in range(1_000):
        engine.replace(made[("limited", "watchful", "other_model")[number % 3]])
        before.add(engine._orders.held.deciding.features._compute)
    gc.collect()
    assert len(before) == 1
