"""Starting: the hash key stays with its journal, and what cannot serve says why."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudkit.errors import BundleError, InputError, JournalLocked, StoreError
from fraudkit.journal.record import Durability
from fraudkit.journal.spooled import SpooledJournal
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import resolve_bundle, sign_bundle
from fraudkit.scoring.signature import make_key_pair
from service.opening import HASH_KEY_BYTES, opened
from service.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, bundle: Path) -> Settings:
    return Settings(bundle=str(bundle), data_dir=str(tmp_path / "new" / "data"))


def score_one(settings: Settings, make_orders: Callable[..., Any]) -> None:
    from fraudkit.domain.decoding import decode_transaction

    with opened(settings) as held:
        order = msgspec.json.encode(make_orders(1, 1)[0])
        held.engine.score(decode_transaction(order))


def test_the_first_start_makes_a_key_that_later_starts_keep(settings: Settings) -> None:
    with opened(settings):
        key_path = Path(settings.data_dir) / "hash.key"
        key = key_path.read_bytes()
    assert len(key) == HASH_KEY_BYTES
    with opened(settings):
        assert key_path.read_bytes() == key
    if os.name == "posix":
        assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
        assert stat.S_IMODE(key_path.parent.stat().st_mode) == 0o700


def test_two_folders_have_two_keys(settings: Settings) -> None:
    other = msgspec.structs.replace(settings, data_dir=settings.data_dir + "-2")
    with opened(settings), opened(other):
        keys = [(Path(held.data_dir) / "hash.key").read_bytes() for held in (settings, other)]
    assert keys[0] != keys[1]


def test_a_journal_without_its_key_is_not_used(
    settings: Settings, make_orders: Callable[..., Any]
) -> None:
    score_one(settings, make_orders)
    (Path(settings.data_dir) / "hash.key").unlink()
    with (
        pytest.raises(StoreError, match=r"hash.key is missing.*put the key back"),
        opened(settings),
    ):
        pass
    assert not (Path(settings.data_dir) / "hash.key").exists()


def test_a_cut_key_is_refused(settings: Settings) -> None:
    with opened(settings):
        pass
    (Path(settings.data_dir) / "hash.key").write_bytes(b"short")
    with pytest.raises(StoreError, match=r"must hold 32 bytes\. Got 5"), opened(settings):
        pass


def test_a_folder_in_the_place_of_the_draft_of_a_key_is_told(settings: Settings) -> None:
    (Path(settings.data_dir) / "hash.key.new").mkdir(parents=True, mode=0o700)
    refused = pytest.raises(StoreError, match=r"The hash key .* cannot be written")
    with refused, opened(settings):
        pass


def test_a_list_of_no_files_is_refused(settings: Settings) -> None:
    nameless = msgspec.structs.replace(settings, ip_files=" , ")
    refused = pytest.raises(InputError, match=r"FRAUDKIT_IP_FILES must name files, .*, got none")
    with refused, opened(nameless):
        pass


@pytest.mark.parametrize(("durability", "level"), [("process_kill", 1), ("power_loss", 2)])
def test_the_durability_that_is_set_is_the_journals(
    settings: Settings, durability: Durability, level: int
) -> None:
    with opened(msgspec.structs.replace(settings, durability=durability)) as held:
        assert isinstance(held.journal, SpooledJournal)
        assert isinstance(held.journal._journal, SqliteJournal)
        assert held.journal._spool._durability == durability
        assert held.journal._journal._connection.execute("PRAGMA synchronous").fetchone() == (
            level,
        )


def test_one_data_folder_serves_one_process(settings: Settings) -> None:
    with opened(settings), pytest.raises(JournalLocked), opened(settings):
        pass
    with opened(settings):
        pass


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(bundle=str(bundle), data_dir=str(tmp_path / "file" / "data"))
    with pytest.raises(StoreError, match=r"set FRAUDKIT_DATA_DIR"), opened(settings):
        pass


def test_closing_leaves_a_journal_that_others_may_write(
    settings: Settings, make_orders: Callable[..., Any]
) -> None:
    score_one(settings, make_orders)
    with SqliteJournal(Path(settings.data_dir) / "journal.sqlite3") as journal:
        assert len(list(journal.records())) == 1


def started(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service"],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_cannot_start_says_so_in_one_line(
    tmp_path: Path, service_environment: Callable[..., dict[str, str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        wrong = {
            "did you mean FRAUDKIT_PORT?": {"FRAUDKIT_PROT": "1"},
            "There must be a key where other machines can call": {"FRAUDKIT_HOST": "0.0.0.0"},  # noqa: S104 - refused
            "WEB_CONCURRENCY must be 1": {"WEB_CONCURRENCY": "2"},
            f"Nothing can listen on 127.0.0.1:{port}": {"FRAUDKIT_PORT": port},
            str(tmp_path / "nothing"): {"FRAUDKIT_BUNDLE": str(tmp_path / "nothing")},
        }
        for said, variables in wrong.items():
            ended = started(service_environment(tmp_path / "data", **variables))
            assert (ended.returncode, ended.stdout) == (2, "")
            assert ended.stderr.startswith("The service cannot start: ")
            assert said in ended.stderr
            assert ended.stderr.count("\n") == 1


def test_only_a_bundle_that_a_trusted_key_signed_is_served(tmp_path: Path, bundle: Path) -> None:
    models = tmp_path / "models"
    shutil.copytree(resolve_bundle(bundle), models)
    make_key_pair(tmp_path / "ours.secret", tmp_path / "ours.pem")
    settings = Settings(
        bundle=str(models),
        data_dir=str(tmp_path / "data"),
        trusted_keys=str(tmp_path / "ours.pem"),
    )
    with (
        pytest.raises(BundleError, match=r"signature\.json must be there: only signed"),
        opened(settings),
    ):
        pass
    sign_bundle(models, tmp_path / "ours.secret")
    with opened(settings) as served:
        assert served.engine.versions.bundle
