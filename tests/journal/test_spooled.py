"""A journal with a spool: nothing acknowledged is lost, doubled or out of order, whatever fails."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fraudkit.errors import JournalError, RecordRefused
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record
from fraudkit.journal.spool import name_of
from fraudkit.journal.spooled import SpooledJournal
from fraudkit.journal.sqlite import SqliteJournal
from tests.journal.records import decision, outcome

SMALL = 4096
NEVER_S = 3_600.0


class Unsteady:
    """A journal in memory that can be made to fail, before or after it has written."""

    is_away = False

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], Record] = {}
        self.fails: str = "no"

    def append(self, record: Record) -> bool:
        return self.append_many([record])[0]

    def append_many(self, records: Sequence[Record]) -> list[bool]:
        if self.fails in ("before", "writes"):
            raise JournalError("The journal does not answer")
        written = [self.held.setdefault(name_of(record), record) is record for record in records]
        if self.fails == "after":
            raise JournalError("The journal's answer did not come")
        return written

    def last_decision(self, transaction_id: str) -> DecisionRecord | None:
        self._check_readable()
        held = self.held.get(("decision", transaction_id))
        return held if isinstance(held, DecisionRecord) else None

    def outcome(self, outcome_id: str) -> OutcomeRecord | None:
        self._check_readable()
        held = self.held.get(("outcome", outcome_id))
        return held if isinstance(held, OutcomeRecord) else None

    def records(self) -> Iterator[Record]:
        return iter(list(self.held.values()))

    def check_writable(self) -> None:
        if self.fails != "no":
            raise JournalError("The journal does not answer")

    def close(self) -> None:
        pass

    def _check_readable(self) -> None:
        if self.fails in ("before", "after"):
            raise JournalError("The journal does not answer")


def spooled_over(journal: Unsteady, path: Path, *, reads_while_away: bool) -> SpooledJournal:
    return SpooledJournal(
        journal,
        path,
        reads_while_away=reads_while_away,
        retry_s=NEVER_S,
        reserved_bytes=SMALL,
    )


READABLE = ("no", "writes")
STEPS = st.one_of(
    st.tuples(st.just("fails"), st.sampled_from(["no", "before", "after", "writes"])),
    st.tuples(st.sampled_from(["try again", "restart"]), st.none()),
    st.tuples(st.just("append"), st.lists(st.sampled_from("abcd"), min_size=1, max_size=4)),
)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=25), reads_while_away=st.booleans())
@example(
    steps=[
        ("append", ["a"]),
        ("fails", "before"),
        ("append", ["a"]),
        ("fails", "no"),
        ("append", ["a"]),
    ],
    reads_while_away=True,
)
@example(
    steps=[
        ("append", ["a"]),
        ("restart", None),
        ("fails", "before"),
        ("append", ["a"]),
        ("fails", "no"),
        ("try again", None),
        ("append", ["b"]),
    ],
    reads_while_away=False,
)
def test_what_is_acknowledged_is_in_the_journal_once_and_in_order_in_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, object]],
    reads_while_away: bool,  # noqa: FBT001
) -> None:
    path = tmp_path_factory.mktemp("spooled") / "journal.spool"
    journal = Unsteady()
    spooled = spooled_over(journal, path, reads_while_away=reads_while_away)
    first: dict[tuple[str, str], Record] = {}
    number = 0
    for step, told in steps:
        if step == "fails":
            journal.fails = str(told)
        elif step == "append":
            assert isinstance(told, list)
            records: list[Record] = []
            for name in told:
                number += 1
                records.append(
                    decision(name, received_at_ms=number)
                    if name in "ab"
                    else outcome(name, transaction_id=f"t-{number}")
                )
            is_new = [first.setdefault(name_of(new), new) is new for new in records]
            counted = spooled.append_many(records)
            is_known = not spooled.is_away or (reads_while_away and journal.fails in READABLE)
            if is_known:
                assert counted == is_new
            assert all(told >= new for told, new in zip(counted, is_new, strict=True))
            for (kind, identifier), record in first.items():
                read = spooled.outcome if kind == "outcome" else spooled.last_decision
                if is_known:
                    assert read(identifier) == record
        elif journal.fails == "no" and spooled.is_away:
            spooled._return()
            assert not spooled.is_away
        elif step == "restart":
            spooled.close()
            journal.fails = "no"
            spooled = spooled_over(journal, path, reads_while_away=reads_while_away)
    spooled.close()
    journal.fails = "no"
    spooled_over(journal, path, reads_while_away=reads_while_away).close()
    assert list(journal.held.values()) == list(first.values())


def test_a_locked_database_holds_nobody_up_and_gets_what_waited(tmp_path: Path) -> None:
    path, kept = tmp_path / "journal.sqlite3", tmp_path / "journal.spool"
    journal = SpooledJournal(
        SqliteJournal(path, busy_timeout_ms=1), kept, retry_s=0.02, reserved_bytes=SMALL
    )
    assert journal.append(decision("before")) is True
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert journal.append(decision("t-1")) is True
    assert journal.is_away
    assert journal.append_many([decision("before"), decision("t-1"), outcome()]) == [
        *(False, False, True)
    ]
    assert journal.last_decision("t-1") == decision("t-1")
    assert journal.last_decision("before") == decision("before")
    with pytest.raises(JournalError, match=r"another program holds it.*2 records wait in .*spool"):
        journal.check_writable()
    holder.execute("COMMIT")
    wait_until_back(journal)
    assert journal.append(decision("after")) is True
    expected = [decision("before"), decision("t-1"), outcome(), decision("after")]
    assert list(journal.records()) == expected
    journal.check_writable()
    journal.close()
    with SqliteJournal(path) as alone:
        assert list(alone.records()) == expected
    assert not kept.exists()


def wait_until_back(journal: SpooledJournal) -> None:
    until = time.monotonic() + 20
    while journal.is_away or journal.spooled_records:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_many_records_come_back_while_others_are_appended(tmp_path: Path) -> None:
    journal = Unsteady()
    spooled = SpooledJournal(
        journal, tmp_path / "journal.spool", retry_s=0.001, reserved_bytes=SMALL
    )
    journal.fails = "before"
    expected = [decision(f"t-{number}") for number in range(3_000)]
    spooled.append_many(expected[:2_000])
    journal.fails = "no"
    for record in expected[2_000:]:
        spooled.append(record)
    wait_until_back(spooled)
    assert list(journal.held.values()) == expected
    spooled.close()


def test_what_no_journal_can_hold_is_refused_and_the_journal_is_not_away(tmp_path: Path) -> None:
    spooled = SpooledJournal(
        SqliteJournal(tmp_path / "journal.sqlite3"),
        tmp_path / "journal.spool",
        retry_s=NEVER_S,
        reserved_bytes=SMALL,
    )
    for record in (decision(received_at_ms=2**63), decision("\ud800")):
        with pytest.raises(RecordRefused):
            spooled.append(record)
    assert not spooled.is_away
    spooled.close()
    with pytest.raises(JournalError, match=r"closed"):
        spooled.append(decision())


def test_where_neither_can_be_written_the_error_says_so_and_both_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Unsteady()
    spooled = spooled_over(journal, tmp_path / "journal.spool", reads_while_away=True)
    journal.fails = "before"

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.pwrite", full)
        for _ in range(2):
            with pytest.raises(JournalError, match=r"No space left on device; make room"):
                spooled.append(decision())
            assert not spooled.is_away
            with pytest.raises(JournalError, match=r"does not answer"):
                spooled.check_writable()
    assert spooled.append(decision()) is True
    assert spooled.is_away
    journal.fails = "no"
    spooled._return()
    assert list(journal.held.values()) == [decision()]
    spooled.close()


def test_a_journal_that_cannot_take_what_waits_is_not_opened(tmp_path: Path) -> None:
    journal = Unsteady()
    path = tmp_path / "journal.spool"
    spooled = spooled_over(journal, path, reads_while_away=True)
    journal.fails = "before"
    spooled.append(decision())
    spooled.close()
    with pytest.raises(JournalError, match=r"does not answer"):
        spooled_over(journal, path, reads_while_away=True)
    journal.fails = "no"
    spooled_over(journal, path, reads_while_away=True).close()
    assert list(journal.held.values()) == [decision()]
