"""Every journal: what is acknowledged is there, in order, whatever happens to the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraudkit.errors import JournalError
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from tests.journal.conftest import Place
from tests.journal.records import DECISIONS, OUTCOMES, decision, outcome

# Every example opens a journal of its own, so the fixture may be shared by all.
PROPERTY = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@PROPERTY
@given(groups=st.lists(st.lists(DECISIONS | OUTCOMES, max_size=6), max_size=6))
def test_many_at_once_are_written_as_one_by_one(place: Place, groups: list[list[Record]]) -> None:
    with place.open_new() as one_by_one, place.open_new() as grouped:
        for group in groups:
            expected = [one_by_one.append(record) for record in group]
            assert grouped.append_many(group) == expected
        assert list(grouped.records()) == list(one_by_one.records())


def test_many_at_once_are_written_all_or_none(journal: Any) -> None:
    too_large = decision("t-2", received_at_ms=2**63)
    with pytest.raises(JournalError, match=r"cannot be written"):
        journal.append_many([decision(), outcome(), too_large])
    # More than one statement takes, and the last one fails.
    with pytest.raises(JournalError, match=r"cannot be written"):
        journal.append_many([*(decision(f"t-{number}") for number in range(1200)), too_large])
    assert list(journal.records()) == []
    assert journal.append_many([]) == []
    assert journal.append_many([decision(), outcome()]) == [True, True]


def test_more_than_one_statement_takes_are_written_in_order(journal: Any) -> None:
    written = [outcome(f"o-{number % 1100}") for number in range(1200)]
    assert journal.append_many(written) == [number < 1100 for number in range(1200)]
    assert list(journal.records()) == written[:1100]


@PROPERTY
@given(written=st.lists(DECISIONS | OUTCOMES, max_size=20))
def test_what_is_written_is_read_in_order_and_each_id_once(
    place: Place, written: list[Record]
) -> None:
    kept: dict[tuple[str, str], Record] = {}
    place.held = place.new()
    with place.open() as journal:
        for record in written:
            assert journal.append(record) is (name_of(record) not in kept)
            kept.setdefault(name_of(record), record)
        assert list(journal.records()) == list(kept.values())
    with place.open() as journal:
        assert list(journal.records()) == list(kept.values())
        for (kind, identifier), record in kept.items():
            read = journal.outcome if kind == "outcome" else journal.last_decision
            assert read(identifier) == record
        for read in (journal.outcome, journal.last_decision):
            assert read("no such id: it is longer than those that are drawn") is None


@PROPERTY
@given(groups=st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=5))
def test_a_transaction_is_decided_once_and_the_first_decision_stands(
    place: Place, groups: list[list[str]]
) -> None:
    first: dict[str, DecisionRecord] = {}
    clock = count(1)
    with place.open_new() as journal:
        for group in groups:
            records = [decision(name, received_at_ms=next(clock)) for name in group]
            is_first = [first.setdefault(new.transaction_id, new) is new for new in records]
            assert journal.append_many(records) == is_first
        for name in "abc":
            assert journal.last_decision(name) == first.get(name)


def name_of(record: Record) -> tuple[str, str]:
    if isinstance(record, OutcomeRecord):
        return "outcome", record.outcome_id
    return "decision", record.transaction_id


def test_an_outcome_delivered_again_changes_nothing(journal: Any) -> None:
    again = OutcomeRecord(outcome_id="o-1", transaction_id="t-9", received_at_ms=9, outcome=b"[]")
    assert journal.append(outcome("o-1")) is True
    assert journal.append(again) is False
    assert list(journal.records()) == [outcome("o-1")]


def test_reading_streams_page_by_page_and_does_not_stop_appends(journal: Any) -> None:
    written = [decision(f"t-{number}") for number in range(1500)]
    journal.append_many(written)
    records = journal.records()
    assert next(records) == written[0]
    journal.append(decision("later"))
    assert [record.transaction_id for record in records] == [
        record.transaction_id for record in written[1:]
    ]
    assert journal.last_decision("later") is not None


def test_several_threads_may_append_to_one_journal(journal: Any) -> None:
    def write(thread: int) -> None:
        for number in range(50):
            journal.append(outcome(f"o-{number}", transaction_id=f"t-{thread}"))
            journal.append(decision(f"t-{thread}-{number}"))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = list(journal.records())
    assert sum(isinstance(record, OutcomeRecord) for record in records) == 50
    assert sum(isinstance(record, DecisionRecord) for record in records) == 200


def test_what_it_cannot_hold_is_a_journal_error(journal: Any) -> None:
    for record in (decision(received_at_ms=2**63), decision("\ud800"), outcome("\ud800")):
        with pytest.raises(JournalError, match=r"cannot be written"):
            journal.append(record)
    with pytest.raises(JournalError, match=r"cannot be read"):
        journal.last_decision("\ud800")
    assert list(journal.records()) == []
    assert journal.append(decision()) is True


def test_a_closed_journal_says_so_and_opens_again(
    journal: Any, reopened: Callable[[], Any]
) -> None:
    journal.append(decision())
    records = journal.records()
    with reopened() as again:
        assert list(again.records()) == [decision()]
    journal.close()
    for attempt in (
        lambda: journal.append(outcome()),
        lambda: list(records),
        journal.check_writable,
    ):
        with pytest.raises(JournalError, match=r"closed database"):
            attempt()


def test_a_journal_says_that_it_can_be_written_and_writes_nothing(journal: Any) -> None:
    journal.check_writable()
    assert list(journal.records()) == []


def test_a_reader_reads_while_another_writes_and_cannot_write(place: Place, journal: Any) -> None:
    journal.append(decision())
    with place.open(read_only=True) as reader:
        journal.append(outcome())
        assert list(reader.records()) == [decision(), outcome()]
        assert reader.last_decision("t-1") == decision()
        with pytest.raises(JournalError, match=r"cannot be written"):
            reader.append(outcome("o-2"))
        with pytest.raises(JournalError, match=r"cannot be written"):
            reader.check_writable()
    assert list(journal.records()) == [decision(), outcome()]


def test_a_durability_has_two_words(place: Place) -> None:
    with pytest.raises(JournalError, match=r"'process_kill' or 'power_loss'\. Got 'always'"):
        place.open(durability="always")
    with place.open(durability="process_kill") as journal:
        assert journal.append(decision()) is True


WRITER = """
import sys
from fraudkit.journal.record import OutcomeRecord

if sys.argv[1] == "sqlite":
    from fraudkit.journal.sqlite import SqliteJournal
    journal = SqliteJournal(sys.argv[2])
else:
    from fraudkit.journal.postgres import PostgresJournal
    journal = PostgresJournal(sys.argv[1], schema=sys.argv[2])
for number in range(10**9):
    journal.append(OutcomeRecord(
        outcome_id=f"{number}", transaction_id="t", received_at_ms=number, outcome=b"{}" * 100))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("acknowledged_at_kill", [1, 300, 4000])
def test_every_acknowledged_append_survives_kill_9(place: Place, acknowledged_at_kill: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, place.database, str(place.held)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(acknowledged_at_kill)]
        writer.kill()
        acknowledged += [line for line in writer.stdout if line.endswith("\n")]
    with place.open() as journal:
        numbers = [record.received_at_ms for record in journal.records()]
    assert numbers == list(range(len(numbers)))
    assert len(acknowledged) <= len(numbers) <= len(acknowledged) + 1
