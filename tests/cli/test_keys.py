"""The commands about keys and the audit log, as a person types them."""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from fraudkit.access import digest_of, read_audit, read_keys
from tests.cli.conftest import Run

TEXT = r"fk_[0-9a-f]{12}_[0-9a-f]{64}"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRAUDKIT_DATA_DIR", "FRAUDKIT_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def json(run: Run, *words: str) -> Any:
    ran = run(*words, "--json")
    assert (ran.status, ran.err) == (0, "")
    return ran.json


def test_a_key_is_made_listed_and_revoked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    limits = ("--requests-per-second", "50", "--burst", "100", "--expires", "2100-01-01T00:00:00Z")
    made = json(run, "keys", "create", "checkout", "--scopes", "score, outcomes", *limits)
    text = made.pop("key")
    assert re.fullmatch(TEXT, text)
    assert made == {
        "key_id": text[3:15],
        "name": "checkout",
        "scopes": ["score", "outcomes"],
        "state": "active",
        "created_at_ms": made["created_at_ms"],
        "expires_at_ms": 4_102_444_800_000,
        "revoked_at_ms": None,
        "requests_per_second": 50.0,
        "burst": 100,
    }
    (key,) = read_keys(Path("data/keys.json")).keys
    assert key.sha256 == digest_of(text.encode()).hex()
    assert json(run, "keys", "list") == [made]
    revoked = json(run, "keys", "revoke", made["key_id"], "--by", "bob")
    assert revoked["state"] == "revoked"
    assert json(run, "keys", "list") == [revoked]
    rows = json(run, "audit")
    assert [(row["action"], row["subject"]) for row in rows] == [
        ("keys.create", key.key_id),
        ("keys.revoke", key.key_id),
    ]
    assert rows[1]["by"] == "bob"
    assert rows[0]["by"] == pwd.getpwuid(os.geteuid()).pw_name
    assert stat.S_IMODE(Path("data").stat().st_mode) == 0o700


def test_people_get_the_key_alone_on_the_output_and_never_again(run: Run) -> None:
    made = run("keys", "create", "[/b] till", "--scopes", "score")
    assert made.status == 0
    assert re.fullmatch(TEXT + "\n", made.out)
    assert "shown this once" in made.err
    text = made.out.strip()
    secret, digest = text[16:], digest_of(text.encode()).hex()
    later = [
        run("keys", "list"),
        run("audit"),
        run("keys", "list", "--json"),
        run("keys", "revoke", text[3:15]),
    ]
    for shown in (made.err, *(ran.out + ran.err for ran in later)):
        assert secret not in shown
        assert digest not in shown
        assert text[3:15] in shown
    assert "[/b] till" in later[0].out
    assert "is revoked since" in later[3].out
    assert secret not in Path("data/audit.ndjson").read_text() + Path("data/keys.json").read_text()


def test_other_folders_and_files(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("keys", "create", "till", "--scopes", "admin")
    json(run, *words, "--data-dir", "other", "--keys-file", "secrets/keys.json")
    assert len(read_keys(Path("secrets/keys.json")).keys) == 1
    assert len(read_audit(Path("other/audit.ndjson"))) == 1
    monkeypatch.setenv("FRAUDKIT_DATA_DIR", "other")
    monkeypatch.setenv("FRAUDKIT_KEYS_FILE", "secrets/keys.json")
    Path("link.json").symlink_to("secrets/keys.json")
    json(run, *words, "--keys-file", "link.json")
    assert Path("link.json").is_symlink()
    assert len(json(run, "keys", "list")) == len(json(run, "audit")) == 2
    assert not Path("data").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "till", "--scopes", "read"), "scopes are score, outcomes, admin"),
        (("create", "till", "--scopes", "score,score"), "scopes must differ"),
        (("create", "", "--scopes", "score"), "A key must hold"),
        (("create", "till", "--scopes", "score", "--burst", "2"), "burst needs"),
        (("create", "till", "--scopes", "score", "--expires", "soon"), "RFC 3339"),
        (
            ("create", "till", "--scopes", "score", "--expires", "2020-01-01T00:00:00Z"),
            "must expire in the future",
        ),
        (("revoke", "0123456789ab"), "`fraudkit keys list` shows the ids"),
    ],
)
def test_what_does_not_hold_changes_nothing(run: Run, words: tuple[str, ...], said: str) -> None:
    ran = run("keys", *words)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not Path("data/keys.json").exists()
    assert not Path("data/audit.ndjson").exists()


def test_without_files_there_is_nothing_to_show(run: Run) -> None:
    assert json(run, "keys", "list") == json(run, "audit") == []


def test_a_broken_file_is_named(run: Run) -> None:
    Path("data").mkdir()
    Path("data/keys.json").write_text("{")
    Path("data/audit.ndjson").write_text("{\n")
    for words, name in ((("keys", "list"), "keys.json"), (("audit",), "audit.ndjson")):
        ran = run(*words)
        assert ran.status == 2
        assert name in ran.err
