"""``/readyz`` says what is so: by name, with what to put right."""

from __future__ import annotations

from pathlib import Path

from fraudkit.engine import Engine
from fraudkit.errors import StoreError
from fraudkit.features.state import StoreCounters
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.stores.memory import MemoryStore
from service.app import create_app
from service.settings import Settings
from tests.service.asking import get, in_process


class UnreachableStore(MemoryStore):
    @property
    def counters(self) -> StoreCounters:
        raise StoreError("Redis at cache:6379 does not answer; start it")


def test_a_store_that_is_away_is_named_and_the_service_stays_ready(
    tmp_path: Path, bundle: Path
) -> None:
    with SqliteJournal(tmp_path / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, store=UnreachableStore, hash_key=b"k" * 32)
        app = create_app(Settings(), engine=engine, journal=journal)
        ready, metrics = in_process(app, get("/readyz"), get("/metrics"))
    assert ready.status_code == 200
    told = ready.json()
    assert (told["ready"], told["journal_writable"], told["store_reachable"]) == (True, True, False)
    assert told["problems"] == {"store_reachable": "Redis at cache:6379 does not answer; start it"}
    assert "fraudkit_store_up 0.0" in metrics.text


def test_both_problems_are_told_at_once(tmp_path: Path, bundle: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    engine = Engine.open(bundle, journal=journal, store=UnreachableStore, hash_key=b"k" * 32)
    app = create_app(Settings(), engine=engine, journal=journal)
    journal.close()
    [ready] = in_process(app, get("/readyz"))
    assert ready.status_code == 503
    assert set(ready.json()["problems"]) == {"journal_writable", "store_reachable"}
    assert ready.json()["ready"] is False


def test_without_a_journal_there_is_nothing_to_write(bundle: Path) -> None:
    app = create_app(Settings(), engine=Engine.open(bundle))
    [ready] = in_process(app, get("/readyz"))
    told = ready.json()
    assert (ready.status_code, told["journal_writable"], told["problems"]) == (200, None, {})
