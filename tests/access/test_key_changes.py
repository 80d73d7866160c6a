"""The key file and the audit log: whole, private, and each change with its row."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import stat
from pathlib import Path

import msgspec
import pytest

from fraudkit.access import (
    ApiKey,
    AuditRow,
    append_audit,
    create_key,
    new_key,
    read_audit,
    read_keys,
    revoke_key,
)
from fraudkit.access.key_file import KEYS_MAX, stamp_of, write_keys
from fraudkit.errors import InputError, StoreError

NOW_MS = 1_772_000_000_000


def a_key(name: str = "checkout") -> ApiKey:
    return new_key(name, ["score"], now_ms=NOW_MS, random_bytes=secrets.token_bytes)[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "keys.json"


@pytest.fixture
def audit(path: Path) -> Path:
    return path.with_name("audit.ndjson")


def test_a_key_is_added_and_revoked_each_with_its_row(path: Path, audit: Path) -> None:
    first, second = a_key("one"), a_key("two")
    for key in (first, second):
        create_key(path, key, audit=audit, by="ann")
    assert read_keys(path).keys == (first, second)
    revoked = revoke_key(path, first.key_id, audit=audit, by="bob", now_ms=NOW_MS + 5)
    assert revoked == msgspec.structs.replace(first, revoked_at_ms=NOW_MS + 5)
    assert read_keys(path).keys == (revoked, second)
    assert revoke_key(path, first.key_id, audit=audit, by="bob", now_ms=NOW_MS + 9) == revoked
    rows = read_audit(audit)
    assert [(row.at_ms, row.action, row.by, row.subject) for row in rows] == [
        (NOW_MS, "keys.create", "ann", first.key_id),
        (NOW_MS, "keys.create", "ann", second.key_id),
        (NOW_MS + 5, "keys.revoke", "bob", first.key_id),
    ]
    assert rows[0].details == {"name": "one", "scopes": ["score"]}
    assert first.sha256 not in audit.read_text()


def test_only_the_owner_may_read_them(path: Path, audit: Path) -> None:
    before = os.umask(0)
    try:
        create_key(path, a_key(), audit=audit, by="ann")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(held.stat().st_mode) for held in (path.parent, path, audit)]
    assert modes == [0o700, 0o600, 0o600]
    path.chmod(0o640)
    create_key(path, a_key(), audit=audit, by="ann")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_root_makes_is_the_services(path: Path, audit: Path) -> None:
    path.parent.mkdir(mode=0o700)
    os.chown(path.parent, 4321, 4321)
    create_key(path, a_key(), audit=audit, by="ann")
    owners = {(held.stat().st_uid, held.stat().st_gid) for held in (path, audit)}
    assert owners == {(4321, 4321)}
    os.chown(path, 1234, 1234)
    create_key(path, a_key(), audit=audit, by="ann")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)


def test_an_id_that_is_there_or_is_not_is_told(path: Path, audit: Path) -> None:
    key = a_key()
    create_key(path, key, audit=audit, by="ann")
    with pytest.raises(InputError, match="make another key"):
        create_key(path, key, audit=audit, by="ann")
    with pytest.raises(InputError, match="keys list"):
        revoke_key(path, "0" * 12, audit=audit, by="ann", now_ms=NOW_MS)
    assert len(read_audit(audit)) == len(read_keys(path).keys) == 1


def test_a_full_file_takes_no_more(path: Path, audit: Path) -> None:
    path.parent.mkdir()
    key = a_key()
    full = [msgspec.structs.replace(key, key_id=f"{number:012x}") for number in range(KEYS_MAX)]
    write_keys(path, tuple(full))
    with pytest.raises(InputError, match="at most 10,000 keys"):
        create_key(path, key, audit=audit, by="ann")


def test_without_a_row_there_is_no_change(path: Path, audit: Path) -> None:
    audit.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"audit\.ndjson cannot be written"):
        create_key(path, a_key(), audit=audit, by="ann")
    assert not path.exists()


WRONG = [
    (b"", "must be a key file"),
    (b"{", "must be a key file"),
    (b"[]", "must be a key file"),
    (b'{"keys": [{}]}', "must be a key file"),
    (b'{"keys": [], "more": 1}', "must be a key file"),
    (b'{"keys": "\xff"}', "must be a key file"),
    (b"[" * 100_000, "must be a key file"),
    (b"x" * (16 * 1024 * 1024 + 1), "at most 16,777,216 bytes"),
]


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_a_broken_file_is_refused_and_left_as_it_is(
    path: Path, audit: Path, content: bytes, said: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError, match=said):
        read_keys(path)
    with pytest.raises(StoreError, match=said):
        create_key(path, a_key(), audit=audit, by="ann")
    assert path.read_bytes() == content
    assert not audit.exists()


def test_the_same_id_twice_is_refused(path: Path) -> None:
    path.parent.mkdir()
    entry = msgspec.json.encode(a_key()).decode()
    path.write_text(f'{{"keys": [{entry}, {entry}]}}')
    with pytest.raises(StoreError, match="every key_id must be there once"):
        read_keys(path)


def test_a_file_that_others_may_write_is_refused(path: Path, audit: Path) -> None:
    create_key(path, a_key(), audit=audit, by="ann")
    path.chmod(0o620)
    with pytest.raises(StoreError, match=r"writable by its owner alone; run chmod 600"):
        read_keys(path)


def test_what_is_no_file_is_not_waited_for(path: Path) -> None:
    path.parent.mkdir()
    with pytest.raises(StoreError, match="must be readable"):
        read_keys(path)
    os.mkfifo(path, 0o600)
    with pytest.raises(StoreError, match="must be a file"):
        read_keys(path)


def test_a_link_is_followed(path: Path, audit: Path, tmp_path: Path) -> None:
    create_key(path, a_key(), audit=audit, by="ann")
    (tmp_path / "link").symlink_to(path)
    assert read_keys(tmp_path / "link").keys == read_keys(path).keys


def test_every_change_changes_the_stamp(path: Path, audit: Path) -> None:
    seen = [stamp_of(path)]
    key = a_key()
    create_key(path, key, audit=audit, by="ann")
    seen.append(stamp_of(path))
    assert read_keys(path).stamp == seen[-1]
    revoke_key(path, key.key_id, audit=audit, by="ann", now_ms=NOW_MS)
    seen.append(stamp_of(path))
    assert seen[0] is None
    assert len(set(seen)) == 3


def create_some(path: Path, audit: Path, count: int) -> None:
    for _ in range(count):
        create_key(path, a_key(), audit=audit, by="ann")


def test_changes_at_once_are_all_there(path: Path, audit: Path) -> None:
    context = multiprocessing.get_context("spawn")
    several = [context.Process(target=create_some, args=(path, audit, 15)) for _ in range(3)]
    for process in several:
        process.start()
    for process in several:
        process.join(60)
    assert [process.exitcode for process in several] == [0, 0, 0]
    assert len(read_keys(path).keys) == 45
    assert {row.subject for row in read_audit(audit)} == {
        key.key_id for key in read_keys(path).keys
    }


def a_row(subject: str = "x") -> AuditRow:
    return AuditRow(at_ms=NOW_MS, action="bundle.promote", by="ann", subject=subject)


def test_a_row_that_was_cut_short_never_counted(audit: Path) -> None:
    append_audit(audit, a_row("one"))
    with audit.open("ab") as file:
        file.write(b'{"at_ms":17' + b"0" * 500)
    assert [row.subject for row in read_audit(audit)] == ["one"]
    append_audit(audit, a_row("two"))
    assert [row.subject for row in read_audit(audit)] == ["one", "two"]
    assert audit.read_bytes().endswith(b"}\n")


def test_a_long_log_is_appended_to_without_loss(audit: Path) -> None:
    names = [f"{number:03}" + "x" * 5_000 for number in range(40)]
    for name in names:
        append_audit(audit, a_row(name))
    assert [row.subject for row in read_audit(audit)] == names
    with pytest.raises(StoreError, match="shorter than 65,536 bytes"):
        append_audit(audit, a_row("x" * 65_536))


def test_a_line_that_is_no_row_is_named(audit: Path) -> None:
    append_audit(audit, a_row())
    with audit.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(StoreError, match=r"audit\.ndjson, line 2, must be a row"):
        read_audit(audit)
    assert read_audit(audit.with_name("none")) == ()
