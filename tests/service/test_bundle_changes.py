"""Bundles and policies put in force while the service decides, and taken back."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from fraudkit.access import read_audit
from fraudkit.engine import Engine
from fraudkit.errors import JournalError, StoreError
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.registry import Registry
from fraudkit.scoring.bundle import load_bundle
from service import examples
from service.app import create_app
from service.bundle_changes import BundleChanges, InForce
from service.changing import Changed
from service.settings import Settings
from tests.engine.replaced import LIMITED, written
from tests.service.asking import JSON, error_of, get, in_process, order_with, post

KEY = "correct-horse-battery"
GUARDED = LIMITED + "[guardrails]\nrate_move_max = 0.01\n"


class Shop(NamedTuple):
    """A service in this process, with its registry and its audit log."""

    app: Any
    engine: Engine
    registry: Registry
    folder: Path

    def ask(self, path: str, **said: Any) -> httpx.Response:
        request = post(path, msgspec.json.encode(said), **JSON, authorization=f"Bearer {KEY}")
        return in_process(self.app, request)[0]

    def shown(self) -> InForce:
        [answer] = in_process(self.app, get("/v1/bundle", authorization=f"Bearer {KEY}"))
        assert answer.status_code == 200
        return msgspec.json.decode(answer.content, type=InForce)

    def state(self) -> tuple[Any, ...]:
        """Return what a change that fails must leave as it is."""
        history = self.registry.history()
        return self.engine.versions, self.registry.current(), history, self.engine.bundle

    def scored_by(self, number: int) -> str:
        order = post(
            "/v1/score",
            order_with(transaction_id=f"t{number}"),
            authorization=f"Bearer {KEY}",
        )
        [answer] = in_process(self.app, order)
        assert answer.status_code == 200
        version: str = answer.json()["versions"]["bundle"]
        return version


@pytest.fixture(scope="session")
def bundle_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return written(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def models(tmp_path: Path, bundle_folders: dict[str, Path]) -> Path:
    for name, folder in bundle_folders.items():
        shutil.copytree(folder, tmp_path / "models" / name)
    Registry(tmp_path / "models").promote("plain", now_ms=1, by="ann", why="first")
    return tmp_path / "models"


@pytest.fixture
def shop(tmp_path: Path, models: Path) -> Iterator[Shop]:
    with SqliteJournal(tmp_path / "journal") as journal:
        engine = Engine.open(models / "current", journal=journal, hash_key=b"k" * 32)
        settings = Settings(
            bundle=str(models / "current"), data_dir=str(tmp_path / "data"), api_key=KEY
        )
        (tmp_path / "data").mkdir()
        app = create_app(settings, engine=engine, journal=journal)
        yield Shop(app, engine, Registry(models), tmp_path)


def version_in(shop: Shop, name: str) -> str:
    return load_bundle(shop.registry.folder / name).version


def rows(shop: Shop) -> list[tuple[str, str, str]]:
    found = read_audit(shop.folder / "data" / "audit.ndjson")
    return [(row.action, row.by, row.subject) for row in found]


def test_a_bundle_is_promoted_shown_and_taken_back(shop: Shop) -> None:
    first, second = version_in(shop, "plain"), version_in(shop, "other_windows")
    assert (shop.shown().bundle, shop.shown().previous) == ("plain", None)
    assert shop.scored_by(0) == first
    answer = shop.ask("/v1/bundle/promote", bundle="other_windows", why="retrained")
    assert answer.status_code == 200
    changed = msgspec.json.decode(answer.content, type=Changed)
    assert changed.change == shop.registry.history()[-1] == shop.shown().change
    assert changed.change is not None
    assert (changed.change.by, changed.change.why) == ("environment", "retrained")
    assert changed.in_force == shop.shown()
    assert changed.in_force.versions == shop.engine.versions
    assert (changed.in_force.bundle, changed.in_force.previous) == ("other_windows", "plain")
    assert shop.scored_by(1) == second
    assert Engine.open(shop.registry.folder / "current").versions.bundle == second
    ready, metrics = in_process(
        shop.app, get("/readyz"), get("/metrics", authorization=f"Bearer {KEY}")
    )
    assert (ready.json()["versions"]["bundle"], ready.json()["bundle_problem"]) == (second, None)
    assert f'bundle="{second}"' in metrics.text
    assert f'bundle="{first}"' not in metrics.text
    again = shop.ask("/v1/bundle/promote", bundle="other_windows")
    assert (again.status_code, again.json()["change"]) == (200, None)
    back = shop.ask("/v1/bundle/rollback", why="too many reviews")
    assert back.status_code == 200
    assert back.json()["change"]["action"] == "rollback"
    assert shop.scored_by(2) == first
    assert rows(shop) == [
        ("bundle.promote", "environment", second),
        ("bundle.rollback", "environment", first),
    ]


def test_a_policy_is_promoted_and_the_rest_of_the_bundle_stays(shop: Shop) -> None:
    before = shop.engine.bundle
    answer = shop.ask("/v1/policy/promote", policy=LIMITED, why="a smaller team")
    assert answer.status_code == 200
    after = shop.engine.bundle
    assert after.policy_text == LIMITED == shop.shown().policy
    assert {n for n, d in after.manifest.files.items() if before.manifest.files[n] != d} == {
        "policy.toml"
    }
    assert shop.registry.current() == after.version == shop.scored_by(0)
    same = shop.ask("/v1/policy/promote", policy=LIMITED)
    assert (same.status_code, same.json()["change"]) == (200, None)
    assert rows(shop) == [("policy.promote", "environment", after.version)]


def test_guardrails_hold_until_they_are_overridden_with_a_reason(shop: Shop) -> None:
    before = shop.state()
    refused = shop.ask("/v1/policy/promote", policy=GUARDED)
    error = error_of(refused)
    assert (refused.status_code, error["code"]) == (409, "guardrails_not_kept")
    assert "guardrails must be held against recent orders" in error["received"]
    assert "send override with the reason" in error["hint"]
    assert shop.ask("/v1/policy/promote", policy=GUARDED, override=" ").status_code == 409
    assert shop.state() == before
    assert rows(shop) == []
    answer = shop.ask("/v1/policy/promote", policy=GUARDED, override="we are under attack")
    assert answer.status_code == 200
    assert answer.json()["change"]["override"] == "we are under attack"
    assert shop.registry.history()[-1].override == "we are under attack"
    assert shop.engine.bundle.policy_text == GUARDED


def test_what_does_not_hold_changes_nothing(shop: Shop) -> None:
    (shop.registry.folder / "limited" / "card.md").write_bytes(b"altered")
    shutil.copytree(shop.registry.folder / "plain", shop.folder / "outside")
    before = shop.state()
    refused: list[tuple[str, dict[str, Any], int, str, str]] = [
        ("bundle/promote", {"bundle": "limited"}, 409, "change_refused", "card.md is not the file"),
        ("bundle/promote", {"bundle": "absent"}, 409, "change_refused", "must hold the bundle"),
        ("bundle/promote", {"bundle": "../outside"}, 409, "change_refused", "must hold the bundle"),
        ("bundle/promote", {"bundle": "current"}, 200, "", ""),
        ("bundle/promote", {"bundle": str(shop.folder / "outside")}, 409, "change_refused", ""),
        ("bundle/promote", {"bundel": "plain"}, 422, "invalid_field", "/bundel"),
        ("bundle/promote", {"bundle": 7}, 422, "invalid_field", "/bundle"),
        ("bundle/rollback", {}, 409, "change_refused", "must have had another bundle"),
        ("policy/promote", {"policy": "costs ="}, 409, "change_refused", "must be TOML"),
        ("policy/promote", {"policy": '[costs]\ncurrency = "USD"\n'}, 409, "change_refused", "EUR"),
    ]
    for path, said, status, code, message in refused:
        answer = shop.ask(f"/v1/{path}", **said)
        assert answer.status_code == status, (path, said, answer.text)
        if status != 200:
            assert error_of(answer)["code"] == code
            assert message in error_of(answer)["message"]
        assert shop.state() == before
    assert rows(shop) == []


@pytest.mark.parametrize("what", ["audit", "registry"])
def test_a_disk_that_fails_changes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    if what == "audit":
        monkeypatch.setattr("service.bundle_changes.append_audit", full)
    else:
        monkeypatch.setattr("fraudkit.registry.models_folder.replace_file", full)
    before = shop.state()
    answer = shop.ask("/v1/bundle/promote", bundle="limited")
    assert (answer.status_code, error_of(answer)["code"]) == (503, "store_unavailable")
    assert shop.state() == before
    monkeypatch.undo()
    assert shop.ask("/v1/bundle/promote", bundle="limited").status_code == 200


def test_who_may_not_administer_changes_and_reads_nothing(shop: Shop) -> None:
    before = shop.state()
    body = msgspec.json.encode({"bundle": "limited"})
    answers = in_process(
        shop.app,
        *(post(path, body) for path in ("/v1/bundle/promote", "/v1/bundle/rollback")),
        post("/v1/policy/promote", body, authorization="Bearer wrong"),
        get("/v1/bundle"),
    )
    assert [answer.status_code for answer in answers] == [401] * 4
    assert shop.state() == before


def test_no_page_of_another_origin_can_ask_for_a_change(shop: Shop) -> None:
    before, body = shop.state(), msgspec.json.encode({"bundle": "limited"})
    key = {"authorization": f"Bearer {KEY}"}
    answers = in_process(
        shop.app,
        post("/v1/bundle/promote", body, **key),
        post("/v1/bundle/promote", body, **key, **{"content-type": "text/plain"}),
    )
    assert [answer.status_code for answer in answers] == [415, 415]
    assert shop.state() == before


def test_a_service_of_one_folder_says_how_to_start_it(models: Path) -> None:
    engine = Engine.open(models / "plain")
    app = create_app(Settings(bundle=str(models / "plain")), engine=engine)
    promote = post("/v1/bundle/promote", msgspec.json.encode({"bundle": "limited"}), **JSON)
    refused, shown = in_process(app, promote, get("/v1/bundle"))
    error = error_of(refused)
    assert (refused.status_code, error["code"]) == (409, "bundle_fixed")
    assert "FRAUDKIT_BUNDLE=models/current" in error["hint"]
    assert (shown.json()["bundle"], shown.json()["versions"]["bundle"]) == (
        None,
        engine.versions.bundle,
    )


def changes_of(shop: Shop) -> BundleChanges:
    return BundleChanges(
        shop.engine,
        shop.registry.folder / "current",
        audit=shop.folder / "data" / "audit.ndjson",
        now_ms=lambda: 7,
    )


def test_what_is_promoted_on_the_disk_is_taken(shop: Shop) -> None:
    changes = changes_of(shop)
    changes.refresh()
    assert rows(shop) == []
    shop.registry.promote("limited", now_ms=2, by="bob")
    changes.refresh()
    version = version_in(shop, "limited")
    assert shop.engine.versions.bundle == version
    assert changes.problem is None
    assert rows(shop) == [("bundle.take", "bob", version)]
    changes.refresh()
    assert len(rows(shop)) == 1


def test_what_cannot_be_taken_from_the_disk_stops_nobody(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = changes_of(shop)
    before = shop.engine.versions
    current = shop.registry.folder / "current"
    for content in ("absent\n", "../outside\n", ""):
        current.write_text(content)
        changes.refresh()
        assert changes.problem is not None
        assert changes.problem.endswith("the bundle before goes on")
        assert shop.engine.versions == before
    current.write_text("limited\n")

    def unreachable(*_: Any, **__: Any) -> None:
        raise JournalError("the journal cannot be read")

    monkeypatch.setattr(shop.engine, "replace", unreachable)
    changes.refresh()
    assert changes.problem == "the journal cannot be read; the bundle before goes on"
    monkeypatch.undo()
    changes.refresh()  # the file did not change: what can go away is tried again
    assert changes.problem is None
    assert shop.engine.versions.bundle == version_in(shop, "limited")


def test_changes_are_made_one_at_a_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, load = threading.Event(), Registry.load

    def slow(registry: Registry, name: str) -> Any:
        assert may_end.wait(timeout=30)
        return load(registry, name)

    monkeypatch.setattr(Registry, "load", slow)
    asked = post(
        "/v1/bundle/promote",
        msgspec.json.encode({"bundle": "limited"}),
        **JSON,
        authorization=f"Bearer {KEY}",
    )

    async def ask_twice() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.app)) as client:
            first = asyncio.create_task(client.send(asked))
            await asyncio.sleep(0.05)
            second = await client.send(asked)
            alive = await client.send(get("/healthz"))
            may_end.set()
            return [await first, second, alive]

    first, second, alive = asyncio.run(ask_twice())
    assert (first.status_code, second.status_code, alive.status_code) == (200, 503, 200)
    assert (error_of(second)["code"], second.headers["retry-after"]) == ("overloaded", "1")
    assert shop.ask("/v1/bundle/rollback").status_code == 200


def test_examples_of_the_document_decode() -> None:
    assert msgspec.convert(examples.CHANGED, Changed).change is not None
    assert examples.PROMOTE_BUNDLE["bundle"] == examples.CHANGED["in_force"]["bundle"]
