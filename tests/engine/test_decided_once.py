"""A transaction is decided once, also where windows let it go or another engine decided it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraudkit.domain.decision import Decision
from fraudkit.domain.transaction import Order, Transaction
from fraudkit.engine import Engine
from fraudkit.errors import JournalError, TransactionConflict
from fraudkit.features.plan import WindowPlan
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.stores.memory import MemoryStore
from tests.training.trained_shop import TrainedShop

SECRET = b"a secret of the shop's own"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.sqlite3") as opened:
        yield opened


def engine_on(shop: TrainedShop, journal: SqliteJournal, events_max: int = 100_000) -> Engine:
    def store(plan: WindowPlan) -> MemoryStore:
        return MemoryStore(plan, capacity_events=events_max)

    return Engine.open(shop.bundle, journal=journal, hash_key=SECRET, store=store)


def decided(journal: SqliteJournal) -> list[Decision]:
    return [
        msgspec.json.decode(record.decision, type=Decision)
        for record in journal.records()
        if isinstance(record, DecisionRecord)
    ]


def with_amount(order: Transaction, amount_minor: int) -> Transaction:
    changed = Order(amount_minor=amount_minor, currency=order.order.currency)
    return msgspec.structs.replace(order, order=changed)


def test_an_order_that_the_windows_let_go_gets_the_decision_that_stands(
    shop: TrainedShop, journal: SqliteJournal
) -> None:
    first, *others = shop.transactions[:6]
    with engine_on(shop, journal, events_max=3) as engine:
        decisions = [engine.score(order) for order in (first, *others)]
        assert engine.score(first) == decisions[0]
        with pytest.raises(TransactionConflict, match="/order/amount_minor"):
            engine.score(with_amount(first, 9_999_999))
        assert decided(journal) == decisions


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 4) | st.just("write")), min_size=1, max_size=24
    )
)
def test_engines_that_share_a_journal_give_one_decision(
    shop: TrainedShop, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int | str]]
) -> None:
    told: dict[str, set[bytes]] = {}
    path = tmp_path_factory.mktemp("shared") / "journal.sqlite3"
    with SqliteJournal(path) as journal:
        engines = [engine_on(shop, journal) for _ in range(2)]
        waiting: list[list[tuple[str, object]]] = [[], []]
        for which, step in [*steps, (0, "write"), (1, "write")]:
            if isinstance(step, int):
                order = shop.transactions[step]
                noted = engines[which].decide(order)
                waiting[which].append((order.transaction_id, noted))
                continue
            engines[which].write()
            for transaction_id, noted in waiting[which]:
                told.setdefault(transaction_id, set()).add(noted.body)  # type: ignore[attr-defined]
            waiting[which].clear()
        held = {
            record.transaction_id: {record.decision}
            for record in journal.records()
            if isinstance(record, DecisionRecord)
        }
        assert len(decided(journal)) == len(held)
        assert told == held


def test_other_content_that_another_engine_decided_meanwhile_is_a_conflict(
    shop: TrainedShop, journal: SqliteJournal
) -> None:
    order = shop.transactions[1]
    one, other = engine_on(shop, journal), engine_on(shop, journal)
    late = one.decide(order)
    stands = other.score(with_amount(order, 9_999_999))
    one.write()
    with pytest.raises(TransactionConflict, match="/order/amount_minor"):
        _ = late.settled
    assert decided(journal) == [stands]
    assert one.counters.events == 1  # that of the order that stands


def test_a_decision_that_stands_and_cannot_be_read_is_not_answered_otherwise(
    shop: TrainedShop, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.transactions[1]
    one, other = engine_on(shop, journal), engine_on(shop, journal)
    other.score(order)
    for broken in (unreadable, lambda _: None):
        monkeypatch.setattr(journal, "last_decision", broken)
        with pytest.raises(JournalError):
            one.score(order)
    monkeypatch.undo()
    assert one.score(order) == other.score(order)


def test_an_order_that_was_written_without_an_answer_counts_once_it_is_sent_again(
    shop: TrainedShop, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, after = shop.transactions[:2]
    with engine_on(shop, journal) as engine:
        write = journal.append_many

        def written_and_lost(records: Sequence[Record]) -> list[bool]:
            write(records)
            raise JournalError("no answer")

        monkeypatch.setattr(journal, "append_many", written_and_lost)
        with pytest.raises(JournalError):
            engine.score(order)
        assert engine.counters.events == 0
        monkeypatch.undo()
        assert engine.score(order) == decided(journal)[0]
        assert engine.score(order) == decided(journal)[0]
        assert engine.counters.events == 1
        assert engine.counters.outcomes_pending == 0
        engine.score(after)
        assert len(decided(journal)) == 2


def unreadable(transaction_id: str) -> DecisionRecord | None:
    raise JournalError(f"The journal cannot be read for {transaction_id}")
