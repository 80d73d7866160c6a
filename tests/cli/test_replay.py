"""`fraudkit replay`: the same bytes, or what differs and exit status 1."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import fraudkit as fk
from fraudkit.journal.record import DecisionRecord
from fraudkit.journal.sqlite import SqliteJournal
from tests.architecture.files import ROOT
from tests.cli.conftest import Run

CURRENT = ROOT / "models" / "current"
ORDER = b"""{"transaction_id": "t-%d", "event_time": "2026-03-02T03:14:05+01:00",
  "order": {"amount_minor": 99900, "currency": "EUR"}}"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite3"
    with fk.Engine.open(CURRENT, journal=SqliteJournal(path), hash_key=b"k" * 32) as engine:
        for number in range(3):
            engine.score(fk.decode_transaction(ORDER % number))
    return path


def altered(journal: Path) -> Path:
    """Return a journal like it in which the score of t-1 is another."""
    path = journal.with_name("altered.sqlite3")
    with SqliteJournal.open_readonly(journal) as held, SqliteJournal(path) as other:
        for record in held.records():
            assert isinstance(record, DecisionRecord)
            plain = msgspec.json.decode(record.decision) | {"raw_score": -9.0}
            changed = replace(record, decision=msgspec.json.encode(plain))
            other.append(changed if record.transaction_id == "t-1" else record)
    return path


def test_the_same_bytes_come_out(run: Run, journal: Path) -> None:
    asked = ("replay", "t-1", "--journal", journal, "--bundle", CURRENT)
    ran = run(*asked, "--json")
    assert (ran.status, ran.out.count("\n"), ran.json["is_same"]) == (0, 1, True)
    with SqliteJournal.open_readonly(journal) as records:
        record = records.last_decision("t-1")
    assert record is not None
    assert record.decision.decode() in ran.out
    shown = run(*asked)
    assert shown.status == 0
    assert shown.out.splitlines()[1] == record.decision.decode()


def test_a_whole_journal_is_replayed(run: Run, journal: Path) -> None:
    asked = ("replay", "--all", "--journal", journal, "--bundle", CURRENT)
    ran = run(*asked, "--json")
    assert (ran.status, ran.json) == (
        0,
        {"n_same": 3, "n_differing": 0, "n_other_bundles": 0, "differing": []},
    )
    assert "3 decisions came out again, byte for byte; 0 differ" in run(*asked).out


def test_what_differs_is_named_with_exit_status_1(run: Run, journal: Path) -> None:
    asked = ("--journal", altered(journal), "--bundle", CURRENT)
    one = run("replay", "t-1", *asked, "--json")
    assert (one.status, one.json["is_same"], one.json["at"]) == (1, False, "/raw_score")
    assert "/raw_score is" in run("replay", "t-1", *asked).out
    whole = run("replay", "--all", *asked)
    assert whole.status == 1
    assert "2 decisions came out again, byte for byte; 1 differ;" in whole.out
    assert "'t-1'" in whole.out
    assert run("replay", "--all", *asked, "--json").json["n_differing"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody",), "'nobody' must be in the journal"),
        ((), "must be given the id of a transaction, or --all"),
        (("t-1", "--all"), "must be given the id of a transaction, or --all"),
    ],
)
def test_what_cannot_be_replayed_is_one_message(
    run: Run, journal: Path, words: tuple[str, ...], message: str
) -> None:
    ran = run("replay", *words, "--journal", journal, "--bundle", CURRENT)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert "Traceback" not in ran.err
