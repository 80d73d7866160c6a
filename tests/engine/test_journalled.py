"""The engine with a journal: what is repeated, what fails, what a restart brings back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fraudkit.domain.decision import Decision
from fraudkit.domain.outcome import Chargeback, Outcome
from fraudkit.domain.transaction import Card, Order, Payment, Transaction
from fraudkit.engine import Engine
from fraudkit.errors import InvalidField, JournalError, TransactionConflict
from fraudkit.journal.record import DecisionRecord, OutcomeRecord
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import load_bundle
from tests.training.trained_shop import TrainedShop, by_time

SECRET = b"a secret of the shop's own"
Open = Callable[[], Engine]


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@contextmanager
def journalled(shop: TrainedShop, path: Path, secret: bytes = SECRET) -> Iterator[Engine]:
    with Engine.open(shop.bundle, journal=SqliteJournal(path), hash_key=secret) as engine:
        yield engine


def records_in(path: Path) -> list[DecisionRecord | OutcomeRecord]:
    with SqliteJournal.open_readonly(path) as journal:
        return list(journal.records())


def walk(engine: Engine, stream: list[Transaction | Outcome]) -> list[Decision | bool]:
    return [
        engine.score(value) if isinstance(value, Transaction) else engine.record(value)
        for value in stream
    ]


def with_amount(order: Transaction, amount_minor: int) -> Transaction:
    changed = Order(amount_minor=amount_minor, currency=order.order.currency)
    return msgspec.structs.replace(order, order=changed)


def chargeback(order: Transaction, outcome_id: str = "o1") -> Outcome:
    known_at = order.event_time + timedelta(seconds=1)
    return Chargeback(
        outcome_id=outcome_id,
        transaction_id=order.transaction_id,
        occurred_at=known_at,
        available_at=known_at,
        is_fraud=True,
        reason="10.4",
    )


def later(order: Transaction, transaction_id: str, **by: float) -> Transaction:
    return msgspec.structs.replace(
        order, transaction_id=transaction_id, event_time=order.event_time + timedelta(**by)
    )


def test_the_same_order_again_gets_the_decision_that_stands(
    shop: TrainedShop, journal_path: Path
) -> None:
    orders = shop.transactions[:50]
    with journalled(shop, journal_path) as engine:
        first = [engine.score(order) for order in orders]
        assert [engine.score(order) for order in orders] == first
        assert engine.counters.events == 50
    assert len(records_in(journal_path)) == 50
    with journalled(shop, journal_path) as engine:
        assert [engine.score(order) for order in orders] == first


def test_an_order_too_late_for_the_windows_gets_the_decision_that_stands(
    shop: TrainedShop, journal_path: Path
) -> None:
    first, second = shop.transactions[0], shop.transactions[1]
    with journalled(shop, journal_path) as engine:
        decided = engine.score(first)
        late = engine.score(later(first, "late", days=2))
        much_later = later(first, "t", days=30)
        engine.score(much_later)
        too_late = engine.score(second)
        assert [warning.code for warning in too_late.warnings] == ["event_too_late"]
        assert engine.score(second) == too_late
        assert engine.score(first) == decided
        assert engine.score(later(first, "late", days=2)) == late
    assert len(records_in(journal_path)) == 4


def test_the_same_id_with_other_content_is_refused_and_counts_for_nothing(
    shop: TrainedShop, journal_path: Path
) -> None:
    order = shop.transactions[1]
    with journalled(shop, journal_path) as engine:
        first = engine.score(order)
        with pytest.raises(TransactionConflict) as refused:
            engine.score(with_amount(order, 9_999_999))
        assert set(refused.value.differing) == {"/order/amount_minor", "/order/items"}
        with pytest.raises(TransactionConflict) as refused:
            engine.score(later(order, order.transaction_id, seconds=1))
        assert refused.value.differing == ("/event_time",)
        assert engine.score(order) == first
        assert engine.counters.events == 1
        after = engine.score(later(order, "after", minutes=1))
    with Engine.open(shop.bundle) as plain:
        plain.score(order)
        assert plain.score(later(order, "after", minutes=1)) == after
    with journalled(shop, journal_path) as engine, pytest.raises(TransactionConflict):
        engine.score(with_amount(order, 9_999_999))
    decisions = [msgspec.json.decode(r.decision, type=Decision) for r in records_in(journal_path)]
    assert decisions == [first, after]


def test_a_conflict_names_identities_and_says_where_it_cannot_tell(
    shop: TrainedShop, journal_path: Path
) -> None:
    order = msgspec.structs.replace(
        shop.transactions[1], payment=Payment(method="card", card=Card(fingerprint="c-1"))
    )
    other_card = msgspec.structs.replace(
        order, payment=Payment(method="card", card=Card(fingerprint="c-2"))
    )
    unread = msgspec.structs.replace(order, custom_inputs={**order.custom_inputs, "unread": 1})
    with journalled(shop, journal_path) as engine:
        engine.score(order)
        with pytest.raises(TransactionConflict, match="/payment/card/fingerprint"):
            engine.score(other_card)
        with pytest.raises(TransactionConflict, match="a field that no feature reads"):
            engine.score(unread)


def test_what_is_noted_is_written_in_order_and_answers_a_repeat_before(
    shop: TrainedShop, journal_path: Path
) -> None:
    orders = shop.transactions[:40]
    with journalled(shop, journal_path) as engine:
        noted = [engine.decide(order) for order in orders]
        assert records_in(journal_path) == []
        assert engine.decide(orders[3]).body == noted[3].body
        with pytest.raises(TransactionConflict):
            engine.decide(with_amount(orders[3], 9_999_999))
        engine.write()
        engine.write()
        assert [record.decision for record in records_in(journal_path)] == [
            held.body for held in noted
        ]
    with Engine.open(shop.bundle) as plain:
        assert [plain.score(order) for order in orders] == [held.decision for held in noted]


def test_noted_orders_that_cannot_be_written_are_forgotten(
    shop: TrainedShop, journal_path: Path
) -> None:
    journal = SqliteJournal(journal_path)
    engine = Engine.open(shop.bundle, journal=journal, hash_key=SECRET)
    walk(engine, by_time(shop.transactions[:300], shop.outcomes[:300]))
    before, rows = engine.counters, feature_rows(engine, shop)
    for order in shop.transactions[300:320]:
        engine.decide(order)
    assert engine.counters.events == before.events + 20
    journal.close()
    with pytest.raises(JournalError):
        engine.write()
    assert engine.counters.events == before.events
    assert np.array_equal(feature_rows(engine, shop), rows, equal_nan=True)
    engine.write()  # nothing waits any more


def test_without_a_journal_a_repeat_is_decided_anew_with_a_warning(shop: TrainedShop) -> None:
    order = shop.transactions[1]
    with Engine.open(shop.bundle) as engine:
        first, again = engine.score(order), engine.score(order)
        assert [warning.code for warning in again.warnings] == ["transaction_repeated"]
        assert msgspec.structs.replace(again, warnings=()) == first
        assert engine.counters.events == engine.counters.duplicates == 1


def test_a_restart_changes_no_later_decision(shop: TrainedShop, journal_path: Path) -> None:
    stream = by_time(shop.transactions[:1_500], shop.outcomes[:2_000])
    odd: list[Transaction | Outcome] = [
        shop.transactions[4],
        later(shop.transactions[20], "late", hours=-3),
        later(shop.transactions[20], "too-late", days=-9),
        chargeback(shop.transactions[-1], "of-an-order-to-come"),
    ]
    stream[1_000:1_000] = odd
    with Engine.open(shop.bundle, hash_key=SECRET) as never_stopped:
        expected = walk(never_stopped, stream)
    cuts = [0, 700, 1_001, 1_900, len(stream)]
    for start, end in pairwise(cuts):
        with journalled(shop, journal_path) as engine:
            answered = walk(engine, stream[start:end])
        for value, answer, other in zip(
            stream[start:end], answered, expected[start:end], strict=True
        ):
            if value is not odd[0]:  # without a journal a repeat gets a warning
                assert answer == other


def test_the_windows_after_a_restart_hold_what_they_held(
    shop: TrainedShop, journal_path: Path
) -> None:
    stream = by_time(shop.transactions[:800], shop.outcomes[:900])
    with journalled(shop, journal_path) as engine:
        walk(engine, stream)
        before, rows = engine.counters, feature_rows(engine, shop)
    with journalled(shop, journal_path) as engine:
        assert engine.counters == before
        assert np.array_equal(feature_rows(engine, shop), rows, equal_nan=True)


def feature_rows(engine: Engine, shop: TrainedShop) -> np.ndarray:
    ahead = [later(order, "x", days=2) for order in shop.transactions[:800]]
    return np.array([engine._orders.held.deciding.features.row(order).values for order in ahead])


def test_another_secret_finds_none_of_the_past(shop: TrainedShop, journal_path: Path) -> None:
    order = shop.transactions[1]
    with journalled(shop, journal_path) as engine:
        engine.score(order)
    with (
        journalled(shop, journal_path, b"another secret of 32 bytes or so") as other,
        Engine.open(shop.bundle) as empty,
    ):
        after = later(order, "after", minutes=1)
        assert other.score(after) == empty.score(after)


def test_the_journal_holds_the_row_and_no_identifier(shop: TrainedShop, journal_path: Path) -> None:
    order = shop.transactions[1]
    with journalled(shop, journal_path) as engine:
        decision = engine.score(order, now_ms=order.event_time_ms + 7)
        row = engine._orders.held.deciding.features.row(order)
    (record,) = records_in(journal_path)
    assert isinstance(record, DecisionRecord)
    assert record.received_at_ms == order.event_time_ms + 7
    assert record.event_time_ms == order.event_time_ms
    assert record.decision == msgspec.json.encode(decision)
    assert record.features == row.values.astype("<f8").tobytes()
    names = load_bundle(shop.bundle).features.entity_names
    assert record.entities == {
        name: key for name, key in zip(names, row.keys.tolist(), strict=True) if key
    }
    raw = b"".join(path.read_bytes() for path in journal_path.parent.iterdir())
    for identifier in (order.email.address, order.billing.last_name, order.device.ip_address):
        assert identifier is not None
        assert identifier.encode() not in raw


def test_what_cannot_be_journalled_is_not_remembered(shop: TrainedShop, journal_path: Path) -> None:
    stream = by_time(shop.transactions[:300], shop.outcomes[:300])
    journal = SqliteJournal(journal_path)
    engine = Engine.open(shop.bundle, journal=journal, hash_key=SECRET)
    walk(engine, stream)
    before, rows = engine.counters, feature_rows(engine, shop)
    journal.close()
    with pytest.raises(JournalError):
        engine.score(shop.transactions[300])
    with pytest.raises(JournalError):
        engine.record(chargeback(shop.transactions[0]))
    assert engine.counters == before
    assert np.array_equal(feature_rows(engine, shop), rows, equal_nan=True)
    with journalled(shop, journal_path) as reopened:
        assert reopened.counters == before


def test_an_outcome_may_come_before_its_order(shop: TrainedShop, journal_path: Path) -> None:
    order = msgspec.structs.replace(
        shop.transactions[1], payment=Payment(method="card", card=Card(fingerprint="c-1"))
    )
    after = later(order, "after", hours=1)
    with journalled(shop, journal_path) as engine:
        assert engine.record(chargeback(order))
        assert engine.counters.outcomes_pending == 1
        engine.score(order)
        assert engine.counters.outcomes_pending == 0
        early = engine.score(after)
    with Engine.open(shop.bundle) as engine:
        engine.score(order)
        assert engine.record(chargeback(order))
        assert engine.score(after) == early
    with Engine.open(shop.bundle) as engine:
        engine.score(order)
        assert engine.score(after) != early


def test_an_outcome_is_seen_from_the_millisecond_after(shop: TrainedShop) -> None:
    order = shop.transactions[1]
    known_ms = chargeback(order).available_at_ms - order.event_time_ms
    queries = [later(order, "after", milliseconds=known_ms + more_ms) for more_ms in (-1, 0, 1)]
    with Engine.open(shop.bundle) as engine:
        engine.score(order)
        before = [engine._orders.held.deciding.features.row(query).values for query in queries]
        engine.record(chargeback(order))
        after = [engine._orders.held.deciding.features.row(query).values for query in queries]
    same = [
        np.array_equal(first, second, equal_nan=True)
        for first, second in zip(before, after, strict=True)
    ]
    assert same == [True, True, False]


def test_an_outcome_counts_once(shop: TrainedShop, journal_path: Path) -> None:
    outcome = chargeback(shop.transactions[0])
    with journalled(shop, journal_path) as engine:
        assert engine.record(outcome) is True
        assert engine.record(outcome) is False
        assert engine.counters.outcomes_pending == 1
    with journalled(shop, journal_path) as engine:
        assert engine.record(outcome) is False
        assert engine.counters.outcomes_pending == 1
    assert [type(record) for record in records_in(journal_path)] == [OutcomeRecord]


@pytest.mark.parametrize("records", [0, 1_200], ids=["no journal", "journal"])
def test_threads_do_not_disturb_each_other(
    shop: TrainedShop, journal_path: Path, records: int
) -> None:
    # All at one moment, so that no order is in another's past, whoever comes first.
    moment = shop.transactions[0].event_time
    orders = [
        msgspec.structs.replace(order, event_time=moment) for order in shop.transactions[:600]
    ]
    with Engine.open(shop.bundle) as engine:
        expected = [engine.score(order) for order in orders]
        counters = engine.counters
    journal = SqliteJournal(journal_path) if records else None
    with (
        Engine.open(shop.bundle, journal=journal, hash_key=SECRET) as engine,
        ThreadPoolExecutor(4) as pool,
    ):
        assert list(pool.map(engine.score, orders)) == expected
        assert engine.counters == counters
        outcomes = [chargeback(order, f"o{number}") for number, order in enumerate(orders)]
        assert all(pool.map(engine.record, outcomes))
        rows = feature_rows(engine, shop)
    with Engine.open(shop.bundle, hash_key=SECRET) as engine:
        walk(engine, [*orders, *outcomes])
        assert np.array_equal(feature_rows(engine, shop), rows, equal_nan=True)
    if records:
        assert len(records_in(journal_path)) == records


def test_an_outcome_id_stands_for_one_content(shop: TrainedShop, journal_path: Path) -> None:
    order, other = shop.transactions[:2]
    with journalled(shop, journal_path) as engine:
        assert engine.record(chargeback(order))
        assert not engine.record(chargeback(order))
        with pytest.raises(InvalidField, match="/outcome_id: expected an id that no other"):
            engine.record(chargeback(other))
    assert len(records_in(journal_path)) == 1


def test_an_outcome_from_the_future_is_refused(shop: TrainedShop, journal_path: Path) -> None:
    outcome = chargeback(shop.transactions[0])
    available_ms = outcome.available_at_ms
    with journalled(shop, journal_path) as engine:
        with pytest.raises(InvalidField, match="/available_at: expected a time not in the future"):
            engine.record(outcome, now_ms=available_ms - 300_001)
        assert engine.record(outcome, now_ms=available_ms - 300_000)
