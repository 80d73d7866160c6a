"""The SQLite journal: what is acknowledged is there, in order, whatever happens to the process."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraudkit.errors import JournalError, JournalLocked
from fraudkit.journal.record import DecisionRecord, Durability, OutcomeRecord, Record
from fraudkit.journal.sqlite import SCHEMA_VERSION, SqliteJournal

INT64 = st.integers(-(2**63), 2**63 - 1)
IDENTIFIERS = st.text(min_size=1, max_size=40)
DECISIONS = st.builds(
    DecisionRecord,
    transaction_id=IDENTIFIERS,
    received_at_ms=INT64,
    event_time_ms=INT64,
    amount_minor=st.none() | INT64,
    entities=st.dictionaries(st.text(max_size=25), st.integers(-(2**63), 2**64 - 1), max_size=6),
    request_digest=st.binary(max_size=32),
    features_version=st.text(max_size=16),
    features=st.binary(max_size=400),
    decision=st.binary(max_size=400),
)
OUTCOMES = st.builds(
    OutcomeRecord,
    outcome_id=st.sampled_from("abcde") | IDENTIFIERS,
    transaction_id=IDENTIFIERS,
    received_at_ms=INT64,
    outcome=st.binary(max_size=200),
)


def decision(transaction_id: str = "t-1", *, received_at_ms: int = 1) -> DecisionRecord:
    return DecisionRecord(
        transaction_id=transaction_id,
        received_at_ms=received_at_ms,
        event_time_ms=0,
        amount_minor=1295,
        entities={"card": 2**64 - 1},
        request_digest=b"digest",
        features_version="0123456789abcdef",
        features=b"\0" * 320,
        decision=b'{"action":"approve"}',
    )


def outcome(outcome_id: str = "o-1", *, transaction_id: str = "t-1") -> OutcomeRecord:
    return OutcomeRecord(
        outcome_id=outcome_id, transaction_id=transaction_id, received_at_ms=2, outcome=b"{}"
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(DECISIONS | OUTCOMES, max_size=6), max_size=6))
def test_many_at_once_are_written_as_one_by_one(groups: list[list[Record]]) -> None:
    with (
        TemporaryDirectory() as folder,
        SqliteJournal(Path(folder) / "one") as one_by_one,
        SqliteJournal(Path(folder) / "many") as grouped,
    ):
        for group in groups:
            expected = [one_by_one.append(record) for record in group]
            assert grouped.append_many(group) == expected
        assert list(grouped.records()) == list(one_by_one.records())


def test_many_at_once_are_written_all_or_none(tmp_path: Path) -> None:
    too_large = decision("t-2", received_at_ms=2**63)
    with SqliteJournal(tmp_path / "journal.sqlite3") as journal:
        with pytest.raises(JournalError):
            journal.append_many([decision(), outcome(), too_large])
        assert list(journal.records()) == []
        assert journal.append_many([decision(), outcome()]) == [True, True]
        journal._connection.execute(
            "CREATE TEMP TRIGGER fails BEFORE INSERT ON record "
            "WHEN new.transaction_id = 'fails' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(JournalError, match="no"):
            journal.append_many([decision("t-3"), decision("fails"), decision("t-4")])
        assert len(list(journal.records())) == 2
        assert journal.append(decision("t-3"))


@settings(deadline=None, max_examples=60)
@given(st.lists(DECISIONS | OUTCOMES, max_size=20))
def test_what_is_written_is_read_in_order_and_each_outcome_once(written: list[Record]) -> None:
    kept: list[Record] = []
    seen: set[str] = set()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite3"
        with SqliteJournal(path) as journal:
            for record in written:
                is_new = isinstance(record, DecisionRecord) or record.outcome_id not in seen
                assert journal.append(record) is is_new
                if is_new:
                    kept.append(record)
                if isinstance(record, OutcomeRecord):
                    seen.add(record.outcome_id)
            assert list(journal.records()) == kept
        with SqliteJournal(path) as journal:
            assert list(journal.records()) == kept


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 5)), max_size=12))
def test_last_decision_is_the_newest_written_whatever_its_clock_says(
    written: list[tuple[str, int]],
) -> None:
    newest: dict[str, DecisionRecord] = {}
    with TemporaryDirectory() as folder, SqliteJournal(Path(folder) / "journal") as journal:
        for transaction_id, received_at_ms in written:
            newest[transaction_id] = decision(transaction_id, received_at_ms=received_at_ms)
            journal.append(newest[transaction_id])
            journal.append(outcome(transaction_id, transaction_id=transaction_id))
        for transaction_id in ("a", "b", "c"):
            assert journal.last_decision(transaction_id) == newest.get(transaction_id)


def test_an_outcome_delivered_again_changes_nothing(tmp_path: Path) -> None:
    again = OutcomeRecord(outcome_id="o-1", transaction_id="t-9", received_at_ms=9, outcome=b"[]")
    with SqliteJournal(tmp_path / "journal") as journal:
        assert journal.append(outcome("o-1")) is True
        assert journal.append(again) is False
        assert list(journal.records()) == [outcome("o-1")]


def test_reading_streams_page_by_page_and_does_not_stop_appends(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        written = [decision(f"t-{number}") for number in range(1500)]
        for record in written:
            journal.append(record)
        records = journal.records()
        assert next(records) == written[0]
        journal.append(decision("later"))
        assert [record.transaction_id for record in records] == [
            record.transaction_id for record in written[1:]
        ]
        assert journal.last_decision("later") is not None


def test_several_threads_may_append_to_one_journal(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:

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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file modes")
def test_every_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        journal.append(decision())
        files = list(tmp_path.iterdir())
        assert {path.name for path in files} > {"journal", "journal.lock", "journal-wal"}
        assert {mode(path) for path in files} == {0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fcntl, so no lock")
def test_a_second_writer_is_refused_by_name_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    program = (
        "import sys; from fraudkit.journal.sqlite import SqliteJournal;"
        "journal = SqliteJournal(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(JournalLocked) as caught:
            SqliteJournal(path)
        assert str(path) in str(caught.value)
        assert f"process {holder.pid} holds" in str(caught.value)
        assert "give this one another journal" in str(caught.value)
        holder.send_signal(signal.SIGKILL)
    with SqliteJournal(path) as journal:
        assert journal.append(decision()) is True
        with pytest.raises(JournalLocked):
            SqliteJournal(path)


def test_a_reader_takes_no_lock_and_cannot_write(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        journal.append(decision())
        with SqliteJournal.open_readonly(tmp_path / "journal") as reader:
            journal.append(outcome())
            assert list(reader.records()) == [decision(), outcome()]
            assert reader.last_decision("t-1") == decision()
            with pytest.raises(JournalError, match=r"it was opened to be read"):
                reader.append(outcome("o-2"))


def test_a_reader_of_nothing_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"must exist"):
        SqliteJournal.open_readonly(tmp_path / "journal")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"nowhere.journal.*its directory must exist"):
        SqliteJournal(tmp_path / "nowhere" / "journal")


def test_another_schema_version_is_refused_by_name(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "journal").close()
    connection = sqlite3.connect(tmp_path / "journal")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(JournalError, match=rf"schema version {SCHEMA_VERSION}\. Got 7"):
        SqliteJournal(tmp_path / "journal")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "journal")
    connection.execute("CREATE TABLE record (x)")
    connection.close()
    with pytest.raises(JournalError, match=r"another program's database"):
        SqliteJournal(tmp_path / "journal")


@pytest.mark.parametrize(("durability", "level"), [("process_kill", 1), ("power_loss", 2)])
def test_durability_is_sqlites_synchronous_level(
    tmp_path: Path, durability: Durability, level: int
) -> None:
    with SqliteJournal(tmp_path / "journal", durability=durability) as journal:
        assert journal._connection.execute("PRAGMA synchronous").fetchone() == (level,)


def test_a_refused_open_gives_the_lock_back(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"not a database, but long enough to look at" * 40)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"this file is no journal") as caught:
            SqliteJournal(tmp_path / "journal")
        assert not isinstance(caught.value, JournalLocked)
        assert isinstance(caught.value.__cause__, sqlite3.Error)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:-4096] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_in_half, overwrite_the_middle])
def test_a_damaged_file_is_named_not_read_as_empty(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal"
    with SqliteJournal(path) as journal:
        for number in range(200):
            journal.append(decision(f"t-{number}"))
    damage(path)
    told = r"journal cannot be \w+.*restore it from a copy"
    with pytest.raises(JournalError, match=told), SqliteJournal(path) as journal:
        list(journal.records())


def test_a_torn_last_write_costs_only_what_was_not_acknowledged(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        journal.append(decision("t-1"))
        journal.append(decision("t-2"))
        whole = {name: (tmp_path / name).read_bytes() for name in ("journal", "journal-wal")}
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "journal").write_bytes(whole["journal"])
    (copy / "journal-wal").write_bytes(whole["journal-wal"][:-100])
    with SqliteJournal(copy / "journal") as journal:
        assert list(journal.records()) == [decision("t-1")]


def test_a_full_disk_is_an_error_that_writes_nothing_and_passes(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        journal._connection.execute("PRAGMA max_page_count = 40")
        acknowledged: list[DecisionRecord] = []

        def append_until_refused() -> None:
            for number in range(1000):
                journal.append(decision(f"t-{number}"))
                acknowledged.append(decision(f"t-{number}"))

        with pytest.raises(JournalError, match=r"make room on its disk"):
            append_until_refused()
        assert list(journal.records()) == acknowledged
        journal._connection.execute("PRAGMA max_page_count = 1000000")
        assert journal.append(decision("later")) is True
        assert journal.last_decision("later") is not None


def test_what_sqlite_cannot_hold_is_a_journal_error(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        for record in (decision(received_at_ms=2**63), decision("\ud800")):
            with pytest.raises(JournalError, match=r"cannot be written"):
                journal.append(record)
        assert list(journal.records()) == []


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    journal.append(decision())
    records = journal.records()
    journal.close()
    journal.close()
    for attempt in (lambda: journal.append(outcome()), lambda: list(records)):
        with pytest.raises(JournalError, match=r"closed database"):
            attempt()


def test_nothing_is_changed_or_removed(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        journal.append(decision())
        for statement in ("DELETE FROM record", "UPDATE record SET received_at_ms = 0"):
            with pytest.raises(sqlite3.IntegrityError, match=r"append-only"):
                journal._connection.execute(statement)
        assert list(journal.records()) == [decision()]


WRITER = """
import sys
from fraudkit.journal.record import OutcomeRecord
from fraudkit.journal.sqlite import SqliteJournal

journal = SqliteJournal(sys.argv[1])
for number in range(10**9):
    journal.append(OutcomeRecord(
        outcome_id=f"{number}", transaction_id="t", received_at_ms=number, outcome=b"{}" * 100))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("acknowledged_at_kill", [1, 300, 4000])
def test_every_acknowledged_append_survives_kill_9(
    tmp_path: Path, acknowledged_at_kill: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "journal")],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline() for _ in range(acknowledged_at_kill)]
        writer.kill()
        acknowledged += [line for line in writer.stdout if line.endswith("\n")]
    with SqliteJournal(tmp_path / "journal") as journal:
        numbers = [record.received_at_ms for record in journal.records()]
    assert numbers == list(range(len(numbers)))
    assert len(acknowledged) <= len(numbers) <= len(acknowledged) + 1
