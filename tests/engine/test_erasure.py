"""Erasing a customer: the journal and the windows are as if the orders had never come."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraudkit.domain.outcome import Chargeback
from fraudkit.domain.transaction import (
    Account,
    Card,
    Device,
    Email,
    Order,
    Payment,
    Transaction,
)
from fraudkit.engine import Engine
from fraudkit.erasure import Erased
from fraudkit.errors import InputError, JournalError, StoreError
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import StateStore
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.stores.memory import MemoryStore
from fraudkit.stores.redis import RedisStore
from fraudkit.stores.redis_nodes import RedisTimeouts
from tests.architecture.files import ROOT
from tests.stores.redis_server import BINARY, RedisServer, redis_server

BUNDLE = ROOT / "models" / "current"
SECRET = b"a secret of the shop's own"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NewStore = Callable[[], Callable[[WindowPlan], StateStore]]
_NAMES = count(1)
PROPERTY = settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Step(NamedTuple):
    """An order or, about one, a chargeback: whose it is, and how many minutes after the last."""

    is_order: bool
    number: int
    minutes: int


STEPS = st.lists(
    st.builds(Step, st.integers(0, 3).map(bool), st.integers(0, 15), st.sampled_from([0, 1, 70])),
    max_size=25,
)


def order(number: int) -> Transaction:
    """Return the order of a number, made late the same wherever it stands in a stream."""
    return Transaction(
        transaction_id=f"order-{number}",
        event_time=START + timedelta(minutes=number * 7 % 50),
        order=Order(amount_minor=1000 + number, currency="EUR"),
        account=Account(user_id=f"customer-{number % 3}"),
        email=Email(address=f"Customer-{number % 3}@example.com"),
        payment=Payment(method="card", card=Card(fingerprint=f"card-{number % 4}")),
        device=Device(fingerprint=f"device-{number % 2}", ip_address="192.0.2.1"),
    )


def walk(engine: Engine, steps: list[Step], minutes: int) -> int:
    """Take the steps from a minute on; return the minute of the last."""
    for step in steps:
        minutes += step.minutes
        at = START + timedelta(hours=1, minutes=minutes)
        now_ms = round(at.timestamp() * 1000)
        if step.is_order:
            engine.score(order(step.number), now_ms=now_ms)
        else:
            engine.record(
                Chargeback(
                    outcome_id=f"chargeback-{step.number}", is_fraud=True, reason="10.4",
                    transaction_id=f"order-{step.number}", occurred_at=START, available_at=START,
                ),
                now_ms=now_ms,
            )  # fmt: skip
    return minutes


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    if request.param == "memory":
        return lambda: MemoryStore
    url = request.getfixturevalue("server").url
    patient = RedisTimeouts(connect_ms=30_000, read_ms=30_000, retry_after_ms=0)

    def new() -> Callable[[WindowPlan], StateStore]:
        namespace = f"erasure-{next(_NAMES)}"
        return lambda plan: RedisStore(plan, url, namespace=namespace, timeouts=patient)

    return new


def opened(path: Path, store: Callable[[WindowPlan], StateStore] = MemoryStore) -> Engine:
    return Engine.open(BUNDLE, journal=SqliteJournal(path), store=store, hash_key=SECRET)


def records_in(path: Path) -> list[Record]:
    with SqliteJournal.open_readonly(path) as journal:
        return list(journal.records())


def ids_in(path: Path) -> list[str]:
    return [record.transaction_id for record in records_in(path)]


@PROPERTY
@given(before=STEPS, after=STEPS, customer=st.integers(0, 3))
def test_what_follows_is_as_over_the_journal_that_is_left(
    tmp_path: Path, new_store: NewStore, before: list[Step], after: list[Step], customer: int
) -> None:
    name = next(_NAMES)
    path, copy = tmp_path / f"{name}-erased.sqlite3", tmp_path / f"{name}-left.sqlite3"
    with opened(path, new_store()) as engine:
        minutes = walk(engine, before, 0)
        held = records_in(path)
        decided = {
            record.transaction_id
            for record in held
            if isinstance(record, DecisionRecord)
            and int(record.transaction_id.split("-")[1]) % 3 == customer
        }
        left = [record for record in held if record.transaction_id not in decided]
        expected = Erased(orders=len(decided), outcomes=len(held) - len(left) - len(decided))
        parts = [f" customer-{customer}"]
        assert engine.erasure.erase("account", parts, dry_run=True) == expected
        assert records_in(path) == held
        assert engine.erasure.erase("account", parts) == expected
        assert records_in(path) == left
        assert engine.erasure.erase("account", parts) == Erased()
        shutil.copy(path, copy)
        walk(engine, after, minutes + 1)
    with opened(copy) as reopened:
        walk(reopened, after, minutes + 1)
    assert records_in(path) == records_in(copy)


@PROPERTY
@given(before=STEPS, after=STEPS, from_minute=st.integers(0, 400), limit=st.integers(1, 9))
def test_the_windows_follow_what_expires(
    tmp_path: Path, new_store: NewStore, before: list[Step], after: list[Step],
    from_minute: int, limit: int,
) -> None:  # fmt: skip
    name = next(_NAMES)
    path, copy = tmp_path / f"{name}-kept.sqlite3", tmp_path / f"{name}-left.sqlite3"
    before_ms = round((START + timedelta(hours=1, minutes=from_minute)).timestamp() * 1000)
    with opened(path, new_store()) as engine:
        minutes = walk(engine, before, 0)
        held = records_in(path)
        total = removed = engine.erasure.expire(before_ms, limit=limit)
        while removed != Erased():
            removed = engine.erasure.expire(before_ms, limit=limit)
            total += removed
        engine.erasure.scrub()
        received_ms = {
            record.transaction_id: record.received_at_ms
            for record in held
            if isinstance(record, DecisionRecord)
        }
        left = [
            record
            for record in held
            if received_ms.get(record.transaction_id, record.received_at_ms) >= before_ms
        ]
        assert records_in(path) == left
        n_orders = sum(isinstance(record, DecisionRecord) for record in held) - sum(
            isinstance(record, DecisionRecord) for record in left
        )
        assert total == Erased(orders=n_orders, outcomes=len(held) - len(left) - n_orders)
        shutil.copy(path, copy)
        walk(engine, after, minutes + 1)
    with opened(copy) as reopened:
        walk(reopened, after, minutes + 1)
    assert records_in(path) == records_in(copy)


ORDERS = [Step(is_order=True, number=number, minutes=1) for number in range(9)]


def test_an_order_that_was_erased_is_decided_anew(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as engine:
        walk(engine, ORDERS, 0)
        assert engine.erasure.erase("account", ["customer-0"]).orders == 3
        walk(engine, [ORDERS[0]], 60)
        assert ids_in(tmp_path / "journal")[-1] == "order-0"
        assert engine.counters.events == 7


def test_orders_that_wait_to_be_written_are_erased_too(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as engine:
        noted = [engine.decide(order(number)) for number in range(4)]
        assert engine.erasure.erase("account", ["customer-1"]) == Erased(orders=1)
        assert [held.settled.transaction_id for held in noted][1] == "order-1"
        assert ids_in(tmp_path / "journal") == ["order-0", "order-2", "order-3"]


def test_where_what_waits_cannot_be_written_it_waits_on(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(BUNDLE, journal=journal, hash_key=SECRET)
    engine.decide(order(1))
    journal.close()
    with pytest.raises(JournalError):
        engine.erasure.erase("account", ["customer-1"])
    with pytest.raises(JournalError):  # so nobody is told that it was written
        engine.write()


@pytest.mark.parametrize(
    ("entity", "parts", "n_orders"),
    [
        ("email", ["CUSTOMER-1@EXAMPLE.COM "], 3),
        ("card", ["card-1"], 2),
        ("device", ["device-1"], 4),
        ("account", ["Customer-1"], 0),
    ],
)
def test_an_identifier_is_given_as_orders_say_it(
    tmp_path: Path, entity: str, parts: list[str], n_orders: int
) -> None:
    with opened(tmp_path / "journal") as engine:
        walk(engine, ORDERS, 0)
        assert engine.erasure.erase(entity, parts) == Erased(orders=n_orders)


@pytest.mark.parametrize(
    ("entity", "parts", "message"),
    [
        ("customer", ["an-identifier"], r"must be one of card, account, .*Got another name"),
        ("email_domain", ["an-identifier"], r"tell no customers apart"),
        ("account", [" "], r"must have a text for account\.user_id"),
        ("account", ["an-identifier", ""], r"1 parts, in this order: account\.user_id\. Got 2"),
        ("billing_address", ["an-identifier"], r"billing\.address, billing\.postal, billing\.c"),
    ],
)
def test_what_names_nobody_is_refused_and_not_shown(
    tmp_path: Path, entity: str, parts: list[str], message: str
) -> None:
    with opened(tmp_path / "journal") as engine:
        walk(engine, ORDERS, 0)
        with pytest.raises(InputError, match=message) as raised:
            engine.erasure.erase(entity, parts)
        assert "an-identifier" not in str(raised.value)
        assert len(ids_in(tmp_path / "journal")) == 9


def test_without_a_journal_there_is_nothing_to_erase_from() -> None:
    with Engine.open(BUNDLE) as engine:
        for attempt in (
            lambda: engine.erasure.erase("account", ["a"]),
            lambda: engine.erasure.expire(0),
        ):
            with pytest.raises(InputError, match="must be a journal"):
                attempt()


def test_nothing_of_a_customer_is_left_in_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with opened(path) as engine:
        walk(engine, [*ORDERS, Step(is_order=False, number=1, minutes=1)], 0)
        theirs = [
            record
            for record in records_in(path)
            if isinstance(record, DecisionRecord) and record.transaction_id[-1] in "147"
        ]
        secrets = [b"order-1", b"order-4", b"order-7", b"chargeback-1"]
        secrets += [str(record.entities["account"]).encode() for record in theirs]
        secrets += [record.features for record in theirs]
        assert all(secret in bytes_in(tmp_path) for secret in secrets)
        engine.erasure.erase("account", ["customer-1"])
        assert not any(secret in bytes_in(tmp_path) for secret in secrets)
    assert not any(secret in bytes_in(tmp_path) for secret in secrets)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_nothing_is_removed_where_redis_cannot_be_reached(
    tmp_path: Path, own_server: RedisServer
) -> None:
    hasty = RedisTimeouts(retry_after_ms=0)
    path = tmp_path / "journal"
    with opened(path, lambda plan: RedisStore(plan, own_server.url, timeouts=hasty)) as engine:
        walk(engine, ORDERS, 0)
        own_server.stop()
        with pytest.raises(StoreError):
            engine.erasure.erase("account", ["customer-1"])
        assert len(ids_in(path)) == 9
        own_server.start()
        assert engine.erasure.erase("account", ["customer-1"]) == Erased(orders=3)
        assert len(ids_in(path)) == 6


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """Run a server that a test may stop."""
    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as running:
        yield running


def test_a_fingerprint_is_of_the_identifier_and_leads_back_to_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as engine:
        walk(engine, ORDERS, 0)
        one = engine.erasure.fingerprint("account", ["customer-1"])
        assert one == engine.erasure.fingerprint("account", ["customer-1 "])
        assert one != engine.erasure.fingerprint("account", ["customer-2"])
        hashes = {
            key.to_bytes(8, order_of_bytes, signed=True).hex()
            for record in records_in(tmp_path / "journal")
            if isinstance(record, DecisionRecord)
            for key in record.entities.values()
            for order_of_bytes in ("little", "big")
        }
        assert len(one) == 16
        assert one not in hashes
    with closing(SqliteJournal(tmp_path / "journal")) as journal:
        other = Engine.open(BUNDLE, journal=journal, hash_key=b"another secret of 32 bytes")
        assert one != other.erasure.fingerprint("account", ["customer-1"])


KILLED = """
import sys, time
from pathlib import Path
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.stores.memory import MemoryStore
from fraudkit.stores.redis import RedisStore
from tests.engine.test_erasure import opened

url, namespace = sys.argv[2:]
whole, calls = SqliteJournal.erase, []

def erase(journal, records):
    calls.append(records)
    if len(calls) == 3:
        print("midway", flush=True)
        time.sleep(60)
    return whole(journal, records)

SqliteJournal.erase = erase
store = (lambda plan: RedisStore(plan, url, namespace=namespace)) if url else MemoryStore
opened(Path(sys.argv[1]), store).erasure.erase("ip", ["192.0.2.1"])
"""


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_an_erasure_that_was_killed_is_completed_when_it_is_done_again(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    url = request.getfixturevalue("server").url if kind == "redis" else ""
    path, namespace = tmp_path / "journal.sqlite3", f"killed-{next(_NAMES)}"

    def store(plan: WindowPlan) -> StateStore:
        return RedisStore(plan, url, namespace=namespace) if url else MemoryStore(plan)

    with opened(path, store) as engine:
        walk(engine, [Step(is_order=True, number=number, minutes=0) for number in range(120)], 0)
    words = [sys.executable, "-c", KILLED, str(path), url, namespace]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as eraser:
        assert eraser.stdout is not None
        assert eraser.stdout.readline() == "midway\n"
        eraser.kill()
    with opened(path, store) as engine:
        assert len(ids_in(path)) == 56
        assert engine.counters.events == (24 if url else 56)
        assert engine.erasure.erase("ip", ["192.0.2.1"]) == Erased(orders=56)
        assert ids_in(path) == []
        assert engine.counters.events == 0
        assert b"order-" not in bytes_in(tmp_path)
