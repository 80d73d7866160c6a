"""Who may pass: each reason to be turned away, the limit, and that nothing secret is shown."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudkit.access import SCOPES, ApiKey, create_key, new_key, revoke_key
from fraudkit.errors import InputError, StoreError
from service.gate import Gate, open_gate
from service.keys import Keys
from service.refusals import Answer
from service.settings import Settings

NOW_MS = 1_772_000_000_000
PLAIN = "correct-horse-battery"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_ns = NOW_MS * 1_000_000

    def __call__(self) -> int:
        return self.now_ns


class Files:
    """A data folder with a key file."""

    def __init__(self, folder: Path) -> None:
        self.path, self.audit = folder / "keys.json", folder / "audit.ndjson"

    def add(self, *scopes: str, **limits: Any) -> tuple[ApiKey, str]:
        key, text = new_key(
            "till", scopes, now_ms=NOW_MS, random_bytes=secrets.token_bytes, **limits
        )
        create_key(self.path, key, audit=self.audit, by="ann")
        return key, text

    def revoke(self, key: ApiKey) -> None:
        revoke_key(self.path, key.key_id, audit=self.audit, by="ann", now_ms=NOW_MS)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "data")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def bearing(text: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {text}".encode()}


def code_of(answer: Answer | None) -> str:
    return "" if answer is None else msgspec.json.decode(answer.body)["error"]["code"]


def test_every_scope_opens_its_own_door_alone(files: Files) -> None:
    texts = {scope: files.add(scope)[1] for scope in SCOPES}
    gate = Gate(Keys(files.path, None), now_ns=Clock())
    for has, text in texts.items():
        for needs in SCOPES:
            answer = gate.asking(needs)(bearing(text))
            assert (answer is None) == (has == needs)
            if answer is not None:
                assert (answer.status, code_of(answer)) == (403, "forbidden")
                assert f"a key with the scope '{needs}'" in answer.body.decode()
                challenge = f'Bearer error="insufficient_scope", scope="{needs}"'
                assert dict(answer.headers)[b"www-authenticate"] == challenge.encode()


def test_what_proves_no_key_is_turned_away(files: Files) -> None:
    key, text = files.add(*SCOPES)
    _, other = files.add(*SCOPES)
    gate = Gate(Keys(files.path, None), now_ns=Clock())
    secret = other.rsplit("_", 1)[1]
    wrong = [
        {},
        {b"authorization": b""},
        {b"authorization": text.encode()},
        {b"authorization": b"Basic " + text.encode()},
        {b"x-api-key": text.encode()},
        *map(bearing, (text[:-1], text + "0", text.upper(), key.key_id, key.sha256, " " + text)),
        bearing(f"fk_{key.key_id}_{key.sha256}"),
        bearing(f"fk_{key.key_id}_{secret}"),
        bearing(f"fk_000000000000_{secret}"),
        {b"authorization": b"Bearer \xff\x00"},
    ]
    for given_headers in wrong:
        answer = gate.refused(given_headers, "score")
        assert answer is not None
        assert (answer.status, code_of(answer)) == (401, "unauthorized")
        assert dict(answer.headers) == {b"www-authenticate": b"Bearer"}
    assert gate.refused(bearing(text), "score") is None
    assert gate.refused({b"authorization": b"bearer " + text.encode()}, "score") is None


@given(st.one_of(st.binary(max_size=120), st.just(PLAIN.encode())))
def test_nothing_passes_that_is_not_a_key(text: bytes) -> None:
    sent = {b"authorization": b"Bearer " + text}
    assert (Gate(Keys(None, PLAIN)).refused(sent, "admin") is None) == (text == PLAIN.encode())
    assert Gate(Keys(None, None)).refused(sent, "admin") is not None


def test_the_key_of_the_environment_may_do_everything(files: Files) -> None:
    _, text = files.add("score")
    gate = Gate(Keys(files.path, PLAIN))
    for scope in SCOPES:
        assert gate.refused(bearing(PLAIN), scope) is None
    assert gate.refused(bearing(text), "score") is None
    assert gate.caller(bearing(PLAIN)) == "environment"


def test_a_key_that_counts_no_more_is_told_why(files: Files, clock: Clock) -> None:
    key, text = files.add("score", expires_at_ms=NOW_MS + 1000)
    keys = Keys(files.path, None)
    gate = Gate(keys, now_ns=clock)
    assert gate.refused(bearing(text), "score") is None
    clock.now_ns += 1_000_000_000
    expired = gate.refused(bearing(text), "score")
    assert expired is not None
    assert (expired.status, "one that is expired" in expired.body.decode()) == (401, True)
    files.revoke(key)
    keys.refresh()
    revoked = gate.refused(bearing(text), "score")
    assert revoked is not None
    assert (revoked.status, "one that is revoked" in revoked.body.decode()) == (401, True)


def test_a_key_may_send_its_burst_and_then_its_rate(files: Files, clock: Clock) -> None:
    _, slow = files.add("score", requests_per_second=0.4, burst=2)
    _, free = files.add("score")
    keys = Keys(files.path, None)
    gate = Gate(keys, now_ns=clock)
    assert [gate.refused(bearing(slow), "score") for _ in range(2)] == [None, None]
    for waited_ms, told in ((0, b"3"), (499, b"3"), (1, b"2"), (1999, b"1")):
        clock.now_ns += waited_ms * 1_000_000
        answer = gate.refused(bearing(slow), "score")
        assert answer is not None
        assert (answer.status, code_of(answer)) == (429, "rate_limited")
        assert answer.headers == ((b"retry-after", told),)
    assert all(gate.refused(bearing(free), "score") is None for _ in range(50))
    files.add("admin")
    keys.refresh()  # other keys came; this one's bucket stays as empty as it is
    assert code_of(gate.refused(bearing(slow), "score")) == "rate_limited"
    assert code_of(gate.refused(bearing(slow), "admin")) == "forbidden"
    clock.now_ns += 1_000_000
    assert gate.refused(bearing(slow), "score") is None


def test_one_digest_is_compared_whatever_comes(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, text = files.add("score")
    revoked, text_revoked = files.add("score")
    files.revoke(revoked)
    gates = [Gate(Keys(files.path, None)), Gate(Keys(files.path, PLAIN))]
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr("service.keys.hmac.compare_digest", spy)
    sent = (text, text_revoked, f"fk_{key.key_id}_0", "fk_000000000000_0", PLAIN, "", "x" * 9_999)
    for gate in gates:
        for each in sent:
            compared.clear()
            gate.refused(bearing(each), "score")
            assert compared == [(32, 32)]
        compared.clear()
        gate.refused({}, "score")
        assert compared == [(32, 32)]


def test_a_broken_file_keeps_the_keys_and_is_told_once(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    key, text = files.add("score")
    keys = Keys(files.path, None)
    gate = Gate(keys)
    whole = files.path.read_bytes()
    for broken in (b"{", whole[: len(whole) // 2], b"", None):
        caplog.clear()
        files.path.unlink() if broken is None else files.path.write_bytes(broken)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                keys.refresh()
        assert len(caplog.records) == 1
        assert gate.problem is not None
        assert gate.problem.startswith(str(files.path))
        assert gate.problem.endswith("the keys that were loaded before go on")
        assert gate.problem in caplog.text
        assert gate.refused(bearing(text), "score") is None
        assert not re.search(rf"{key.sha256}|{text}", caplog.text + repr(keys))
    files.path.write_bytes(whole)
    files.path.chmod(0o666)
    keys.refresh()
    assert "chmod 600" in str(gate.problem)
    files.path.chmod(0o600)
    keys.refresh()
    assert gate.problem is None
    assert "can be read again" in caplog.text


def test_a_fault_while_reading_is_a_problem_and_no_end(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = files.add("score")
    keys = Keys(files.path, None)

    def faulty(path: Path) -> None:
        raise MemoryError(path)

    monkeypatch.setattr("service.keys.read_keys", faulty)
    files.add("score")
    keys.refresh()
    assert "cannot be read: MemoryError" in str(keys.problem)
    assert Gate(keys).refused(bearing(text), "score") is None


def test_a_file_that_did_not_change_is_not_read(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.add("score")
    keys = Keys(files.path, None)
    monkeypatch.setattr("service.keys.read_keys", lambda _: pytest.fail("it was read"))
    keys.refresh()
    Keys(None, PLAIN).refresh()


def test_text_forms_hold_no_secret_and_no_digest(files: Files) -> None:
    key, text = files.add("score", requests_per_second=1.0)
    keys = Keys(files.path, PLAIN)
    held = keys.proved(text.encode())
    gate = Gate(keys)
    shown = f"{keys!r} {held!r} {gate!r} {gate.caller(bearing(text))} {keys._held!r}"
    assert f"till ({key.key_id})" in shown
    secret = text.rsplit("_", 1)[1]
    assert not re.search(f"{secret}|{key.sha256}|{PLAIN}", shown)
    assert re.escape(repr(bytes.fromhex(key.sha256))) not in shown


def settings(folder: Path, **given_settings: Any) -> Settings:
    return Settings(data_dir=str(folder), **given_settings)


def test_without_keys_a_loopback_service_asks_for_none(tmp_path: Path) -> None:
    gate = open_gate(settings(tmp_path))
    assert (gate.needs_key, gate.keys, gate.problem) == (False, None, None)
    assert gate.refused({}, "admin") is None
    assert gate.caller({}) == "unknown"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])  # noqa: S104
def test_beyond_loopback_there_must_be_keys(files: Files, host: str) -> None:
    folder = files.path.parent
    with pytest.raises(InputError, match=r"fraudkit keys create NAME --scopes.*127\.0\.0\.1"):
        open_gate(settings(folder, host=host))
    assert open_gate(settings(folder, host=host, api_key=PLAIN)).needs_key
    files.add("score")
    assert open_gate(settings(folder, host=host)).needs_key


def test_a_key_file_that_cannot_be_used_stops_the_start(files: Files) -> None:
    folder = files.path.parent
    with pytest.raises(StoreError, match=r"other\.json must be readable"):
        open_gate(settings(folder, keys_file=str(folder / "other.json")))
    folder.mkdir()
    files.path.write_bytes(b"{")
    with pytest.raises(StoreError, match="must be a key file"):
        open_gate(settings(folder, api_key=PLAIN))


def test_the_file_that_is_named_is_the_one_that_counts(files: Files, tmp_path: Path) -> None:
    _, text = files.add("score")
    named = Files(tmp_path / "elsewhere")
    _, other = named.add("score")
    gate = open_gate(settings(files.path.parent, keys_file=str(named.path)))
    assert gate.refused(bearing(other), "score") is None
    assert code_of(gate.refused(bearing(text), "score")) == "unauthorized"
