"""The spool's file: what was appended is there, whatever the process left half written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fraudkit.errors import JournalError, JournalLocked, RecordRefused
from fraudkit.journal.record import Record
from fraudkit.journal.spool import Spool, name_of
from tests.journal.records import DECISIONS, OUTCOMES, decision, outcome

PROPERTY = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SMALL = 4096


def spool_at(path: Path) -> Spool:
    return Spool(path, reserved_bytes=SMALL)


def all_of(spool: Spool, n_records: int = 3) -> list[Record]:
    return [record for page in spool.pages(n_records) for record in page]


@PROPERTY
@given(
    groups=st.lists(st.lists(DECISIONS | OUTCOMES, max_size=4), max_size=5),
    cleared=st.sets(st.integers(0, 4)),
)
def test_what_is_appended_is_read_in_order_also_by_the_next_to_open_it(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Record]], cleared: set[int]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "journal.spool"
    held: list[Record] = []
    spool = spool_at(path)
    for number, group in enumerate(groups):
        spool.append(group)
        held += group
        if number in cleared:
            spool.clear()
            held = []
        assert all_of(spool) == held
        spool.close()
        spool = spool_at(path)
        assert all_of(spool) == held
        for record in {name_of(record): record for record in held}.values():
            kind, identifier = name_of(record)
            assert (spool.outcome if kind == "outcome" else spool.decision)(identifier) == record
        assert spool.decision("no such transaction: longer than those that are drawn") is None
    spool.close()
    assert path.exists() is bool(held)


@PROPERTY
@given(
    written=st.lists(DECISIONS | OUTCOMES, min_size=1, max_size=4),
    more=DECISIONS | OUTCOMES,
    data=st.data(),
)
def test_a_record_that_was_not_written_whole_is_not_read(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[Record],
    more: Record,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("spool") / "journal.spool"
    spool = spool_at(path)
    spool.append(written)
    whole = spool.size_bytes
    before = path.read_bytes()
    spool.append([more])
    after = path.read_bytes()
    torn_at = data.draw(st.integers(whole, spool.size_bytes - 1))
    spool._let_go()
    path.write_bytes(after[:torn_at] + before[torn_at:])
    again = spool_at(path)
    expected = [*written] if after[:torn_at] + before[torn_at:] != after else [*written, more]
    assert all_of(again) == expected
    again.append([more])
    assert all_of(again) == [*expected, more]
    again.close()


def test_a_cleared_spool_holds_no_byte_of_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "journal.spool"
    spool = spool_at(path)
    spool.append([decision(f"customer-{number}") for number in range(40)])
    assert path.stat().st_size > SMALL
    spool.clear()
    assert b"customer" not in path.read_bytes()
    assert (path.stat().st_size, len(spool), all_of(spool)) == (SMALL, 0, [])
    spool.close()


def test_room_is_held_from_the_start_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.spool"
    spool = Spool(path)
    held = path.stat()
    assert held.st_blocks * 512 >= 16 * 1024 * 1024
    assert stat.S_IMODE(held.st_mode) == 0o600
    with pytest.raises(JournalLocked, match=r"must have one writer"):
        Spool(path)
    spool.close()
    assert not path.exists()


def test_what_cannot_be_held_or_is_too_much_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "journal.spool", reserved_bytes=SMALL, bytes_max=2_000)
    for record in (decision(received_at_ms=2**63), decision("\ud800"), outcome("\ud800")):
        with pytest.raises(RecordRefused, match=r"cannot be written"):
            spool.append([decision("fine"), record])
    with pytest.raises(JournalError, match=r"must not grow beyond 2,000 bytes"):
        spool.append([decision(f"t-{number}") for number in range(9)])
    assert all_of(spool) == []
    spool.append([outcome()])
    assert all_of(spool) == [outcome()]
    spool.close()


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.spool"
    path.write_text("a list of things to do")
    with pytest.raises(JournalError, match=r"Got another file; move it away"):
        Spool(path)
    assert path.read_text() == "a list of things to do"
    with pytest.raises(JournalError, match=r"directory must exist"):
        Spool(tmp_path / "nowhere" / "journal.spool")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "journal.spool")
    spool.append([decision("t-1"), decision("t-2")])
    os.pwrite(spool._file, b"\xff", 60)
    with pytest.raises(JournalError, match=r"damaged record at byte 16; keep a copy"):
        all_of(spool)
    spool._let_go()
    with pytest.raises(JournalError, match=r"damaged record at byte 16; keep a copy"):
        spool_at(tmp_path / "journal.spool")


WRITER = """
import sys
from pathlib import Path
from fraudkit.journal.spool import Spool
from tests.journal.records import decision

spool = Spool(Path(sys.argv[1]))
for number in range(10**9):
    spool.append([decision(f"t-{number}")])
    print(number, flush=True)
"""


@pytest.mark.parametrize("acknowledged_at_kill", [1, 300])
def test_every_acknowledged_append_survives_kill_9(
    tmp_path: Path, acknowledged_at_kill: int
) -> None:
    path = tmp_path / "journal.spool"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= acknowledged_at_kill:
                writer.kill()
                break
        told = [acknowledged_at_kill, *map(int, writer.stdout.read().split())]
    spool = Spool(path)
    held = [record.transaction_id for record in all_of(spool, 512)]
    spool.close()
    assert held[: told[-1] + 1] == [f"t-{number}" for number in range(told[-1] + 1)]
    assert len(held) <= told[-1] + 2
