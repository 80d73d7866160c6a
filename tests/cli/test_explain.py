"""`fraudkit explain`: the library's explanation, for people and for machines."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

import fraudkit as fk
from fraudkit.explanation import Explanation, explain_journalled
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import load_bundle, resolve_bundle
from tests.architecture.files import ROOT
from tests.cli.conftest import Run

CURRENT = ROOT / "models" / "current"
ORDER = b"""{"transaction_id": "t-7", "event_time": "2026-03-02T03:14:05+01:00",
  "order": {"amount_minor": 99900, "currency": "EUR"}}"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite3"
    with fk.Engine.open(CURRENT, journal=SqliteJournal(path), hash_key=b"k" * 32) as engine:
        engine.score(fk.decode_transaction(ORDER))
    return path


def test_json_is_the_librarys_explanation(run: Run, journal: Path) -> None:
    ran = run("explain", "t-7", "--journal", journal, "--bundle", CURRENT, "--json")
    assert (ran.status, ran.out.count("\n")) == (0, 1)
    with SqliteJournal.open_readonly(journal) as records:
        expected = explain_journalled(load_bundle(CURRENT), records, "t-7")
    assert msgspec.convert(ran.json, Explanation) == expected


def test_people_see_tables(run: Run, journal: Path) -> None:
    ran = run("explain", "t-7", "--journal", journal, "--bundle", CURRENT, "--treeshap")
    assert ran.status == 0
    for shown in ("t-7 of 99,900 minor units of EUR", "What this order gets", "TreeSHAP"):
        assert shown in ran.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody", "--bundle", CURRENT), "'nobody' must be in the journal"),
        (("t-7", "--bundle", ROOT / "docs"), "manifest.json must be readable"),
    ],
)
def test_what_cannot_be_explained_is_one_message(
    run: Run, journal: Path, words: tuple[object, ...], message: str
) -> None:
    ran = run("explain", *words, "--journal", journal)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_a_journal_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    ran = run("explain", "t-7", "--journal", tmp_path / "no.sqlite3", "--bundle", CURRENT)
    assert ran.status == 2
    assert not (tmp_path / "no.sqlite3").exists()


@pytest.mark.parametrize("command", ["explain", "score", "features verify"])
def test_where_keys_are_trusted_an_unsigned_bundle_is_refused(
    run: Run, tmp_path: Path, journal: Path, command: str
) -> None:
    secret, public = tmp_path / "secret.pem", tmp_path / "public.pem"
    run("models", "keygen", "--private", secret, "--public", public)
    orders = tmp_path / "orders.ndjson"
    orders.write_bytes(ORDER.replace(b"\n", b" "))
    words: dict[str, tuple[object, ...]] = {
        "explain": ("t-7", "--journal", journal),
        "score": ("--data", orders, "--out", tmp_path / "scores.parquet"),
        "features verify": ("--journal", journal),
    }
    bundle = tmp_path / "bundle"
    shutil.copytree(resolve_bundle(CURRENT), bundle)
    asked = (*command.split(), *words[command], "--bundle", bundle)
    assert run(*asked).status == 0
    refused = run(*asked, "--trusted-keys", public)
    assert (refused.status, refused.out) == (2, "")
    assert "only signed bundles are taken" in refused.err
    run("models", "sign", bundle, "--key", secret)
    assert run(*asked, "--trusted-keys", public).status == 0
