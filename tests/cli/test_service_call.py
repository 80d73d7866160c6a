"""The commands that ask a running service, as a person types them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fraudkit.access import read_audit
from fraudkit.registry import Registry
from tests.cli.conftest import Run
from tests.engine.replaced import LIMITED, written
from tests.service.conftest import running

KEY = "correct-horse-battery"


class Served(NamedTuple):
    """A running service, and its registry."""

    url: str
    registry: Registry
    data: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    written(folder / "made")
    for name in ("plain", "limited"):
        shutil.copytree(folder / "made" / name, folder / "models" / name)
    registry = Registry(folder / "models")
    registry.promote("plain", now_ms=1, by="ann")
    bundle = str(folder / "models" / "current")
    with running(folder / "data", FRAUDKIT_BUNDLE=bundle, FRAUDKIT_API_KEY=KEY) as service:
        yield Served(service.url, registry, folder / "data")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUDKIT_API_KEY", KEY)


def asked(run: Run, served: Served, *words: str) -> Any:
    ran = run(*words, "--url", served.url, "--json")
    assert ran.status == 0, ran.err
    return ran.json


def test_a_running_service_is_asked_to_promote_and_to_go_back(
    run: Run, served: Served, tmp_path: Path
) -> None:
    by = ("--by", "ann", "--why", "retrained")
    changed = asked(run, served, "models", "promote", "limited", *by)
    assert (changed["change"]["to_bundle"], changed["change"]["why"]) == ("limited", "retrained")
    assert served.registry.current() == "limited"
    shown = asked(run, served, "models", "show")
    assert shown == changed["in_force"]
    assert (shown["bundle"], shown["policy"]) == ("limited", LIMITED)
    assert asked(run, served, "models", "rollback", "--by", "ann")["in_force"]["bundle"] == "plain"
    (tmp_path / "policy.toml").write_text(LIMITED + "[guardrails]\nrate_move_max = 0.1\n")
    policy = ("policy", "promote", str(tmp_path / "policy.toml"), "--by", "ann")
    refused = run(*policy, "--url", served.url)
    assert refused.status == 2
    assert "answered 409" in refused.err
    assert "guardrails" in refused.err
    changed = asked(run, served, *policy, "--override", "under attack")
    assert changed["change"]["override"] == "under attack"
    assert changed["in_force"]["policy"].startswith(LIMITED)
    people = run("models", "rollback", "--by", "ann", "--url", served.url)
    assert "plain" in people.out
    rows = read_audit(served.data / "audit.ndjson")
    assert [(row.action, row.by) for row in rows] == [
        ("bundle.promote", "environment"),
        ("bundle.rollback", "environment"),
        ("policy.promote", "environment"),
        ("bundle.rollback", "environment"),
    ]


def test_what_cannot_be_asked_is_told(
    run: Run, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(url: str, *words: str) -> str:
        ran = run("models", *words, "--url", url)
        assert (ran.status, ran.out) == (2, "")
        return ran.err

    promote = ("promote", "absent", "--by", "ann")
    assert "must hold the bundle 'absent'" in refused(served.url, *promote)
    assert "it does not answer" in refused("http://127.0.0.1:1", *promote)
    for url in ("ftp://127.0.0.1", "127.0.0.1:8000", "http://[", "http://host:port"):
        assert "--url must be like" in refused(url, *promote)
    assert "leave 'plain' out" in refused(served.url, "show", "plain")
    (tmp_path / "policy.toml").write_text("")
    words = ("policy", "promote", tmp_path / "policy.toml", "--by", "ann", "--url", served.url)
    told = run(*words, "--scores", "scores.parquet", "--data", "data.csv")
    assert "leave --url out" in told.err
    monkeypatch.setenv("FRAUDKIT_API_KEY", "another-key-of-the-shop")
    assert "answered 401" in refused(served.url, *promote)
    assert served.registry.current() == "plain"
