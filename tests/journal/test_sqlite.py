"""The SQLite journal: its files, its lock and its damages; test_journals.py holds the port."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fraudkit.errors import JournalError, JournalLocked
from fraudkit.journal import checkpoints
from fraudkit.journal.record import DecisionRecord, Durability
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.journal.sqlite_schema import SCHEMA_VERSION
from tests.journal.records import decision, outcome


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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


def test_nothing_is_changed_or_removed(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        journal.append(decision())
        for statement in ("DELETE FROM record", "UPDATE record SET received_at_ms = 0"):
            with pytest.raises(sqlite3.IntegrityError, match=r"append-only"):
                journal._connection.execute(statement)
        assert list(journal.records()) == [decision()]


def test_the_log_is_copied_beside_the_writer_and_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_INTERVAL_S", 0.01)
    path, log = tmp_path / "journal.sqlite3", tmp_path / "journal.sqlite3-wal"
    with SqliteJournal(path) as journal:
        before = path.stat().st_size
        journal.append_many([decision(f"t-{number}") for number in range(2_000)])
        until = time.monotonic() + 30
        while path.stat().st_size < before + 300_000 and time.monotonic() < until:
            time.sleep(0.01)
        # Nothing but a checkpoint writes the file.
        assert path.stat().st_size >= before + 300_000
        assert journal._checkpoints is not None
        journal._checkpoints.close()
        log_bytes = log.stat().st_size
        journal.append_many([decision(f"u-{number}") for number in range(50)])
        assert log.stat().st_size == log_bytes  # begun anew at its start
        assert len(list(journal.records())) == 2_050
    with SqliteJournal.open_readonly(path) as journal:
        assert len(list(journal.records())) == 2_050


def test_no_commit_begins_a_copied_log_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_INTERVAL_S", 0.01)
    path = tmp_path / "journal.sqlite3"
    log = path.with_name(path.name + "-wal")
    began, copies = set(), set()
    with SqliteJournal(path) as journal:
        for number in range(200):
            journal.append(outcome(f"o-{number}"))
            if number % 10 == 9:
                # So that a checkpoint finds all that was written.
                time.sleep(0.05)
                copies.add(path.stat().st_mtime_ns)
            began.add(log.read_bytes()[12:24])  # its number and its salts
    assert len(copies) > 5
    assert len(began) == 1


def test_closing_ends_the_thread_of_checkpoints(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    [thread] = set(threading.enumerate()) - before
    assert thread.name == "journal-checkpoints"
    journal.close()
    journal.close()
    assert not thread.is_alive()
