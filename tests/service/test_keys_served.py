"""Keys over the wire of a real server process, while it serves."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from fraudkit.access import ApiKey, create_key, new_key, read_audit, revoke_key
from service import examples
from tests.service.asking import error_of, order_with, posted

PATIENCE_SECONDS = 20
BODIES = {
    "/v1/score": order_with(),
    "/v1/outcomes": msgspec.json.encode(examples.OUTCOMES["The issuer authorized it"]),
    "/v1/payment-methods": msgspec.json.encode(examples.CONTEXT),
}
METHODS = "/v1/payment-methods"


class Keyed(NamedTuple):
    """A running service, its data folder, and every key that was made for it."""

    service: Any
    folder: Path
    made: list[tuple[ApiKey, str]]

    def add(self, *scopes: str, **limits: Any) -> tuple[ApiKey, str]:
        now_ms = time.time_ns() // 1_000_000
        random_bytes = secrets.token_bytes
        made = new_key("till", scopes, now_ms=now_ms, random_bytes=random_bytes, **limits)
        create_key(self.folder / "keys.json", made[0], audit=self.folder / "audit.ndjson", by="ann")
        self.made.append(made)
        return made

    def revoke(self, key: ApiKey) -> None:
        revoke_key(
            self.folder / "keys.json",
            key.key_id,
            audit=self.folder / "audit.ndjson",
            by="ann",
            now_ms=time.time_ns() // 1_000_000,
        )


@pytest.fixture(scope="module")
def keyed(
    start_service: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed") / "data"
    first = Keyed(None, folder, [])
    first.add("admin")
    with start_service(folder) as service:
        yield Keyed(service, folder, first.made)


@pytest.fixture
def client(keyed: Keyed) -> Iterator[httpx.Client]:
    with keyed.service.client() as opened:
        yield opened


def asked(client: httpx.Client, text: str, path: str = METHODS) -> httpx.Response:
    return posted(client, path, BODIES[path], authorization=f"Bearer {text}")


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, "it did not come to hold"
        time.sleep(0.02)


def test_a_new_key_opens_its_own_routes_while_the_service_runs(
    keyed: Keyed, client: httpx.Client
) -> None:
    (_, scoring), (_, telling) = keyed.add("score"), keyed.add("outcomes")
    wait_for(lambda: asked(client, telling, "/v1/outcomes").status_code == 202)
    needs = {"/v1/score": "score", "/v1/outcomes": "outcomes", METHODS: "score"}
    for path, scope in needs.items():
        texts = {"score": scoring, "outcomes": telling}
        assert asked(client, texts.pop(scope), path).status_code in (200, 202)
        (other,) = texts.values()
        for text in (other, keyed.made[0][1]):
            refused = asked(client, text, path)
            assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")
            assert f"the scope '{scope}'" in refused.json()["error"]["expected"]
        assert posted(client, path, BODIES[path]).status_code == 401


def test_wrong_keys_and_unknown_ids_get_the_same_answer(keyed: Keyed, client: httpx.Client) -> None:
    key, text = keyed.add("score")
    wait_for(lambda: asked(client, text).status_code == 200)
    wrong = (f"{text[:-1]}g", f"fk_{key.key_id}_{key.sha256}", f"fk_ffffffffffff_{text[16:]}", "x")
    answers = [asked(client, each) for each in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


def test_a_key_that_sends_too_much_is_told_when_to_come_back(
    keyed: Keyed, client: httpx.Client
) -> None:
    _, slow = keyed.add("score", requests_per_second=0.5, burst=3)
    _, other = keyed.add("score")
    wait_for(lambda: asked(client, other).status_code == 200)
    answers = [asked(client, slow) for _ in range(6)]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    assert answers[-1].status_code == 429
    assert error_of(answers[-1])["code"] == "rate_limited"
    assert answers[-1].headers["retry-after"] in ("1", "2")
    assert asked(client, other).status_code == 200
    time.sleep(int(answers[-1].headers["retry-after"]))
    assert asked(client, slow).status_code == 200


def test_a_revoked_key_is_refused_while_the_service_runs(
    keyed: Keyed, client: httpx.Client
) -> None:
    key, text = keyed.add("score")
    wait_for(lambda: asked(client, text).status_code == 200)
    keyed.revoke(key)
    wait_for(lambda: asked(client, text).status_code == 401)
    assert asked(client, text).json()["error"]["received"] == "one that is revoked"
    rows = read_audit(keyed.folder / "audit.ndjson")
    noted = [(row.action, row.by) for row in rows if row.subject == key.key_id]
    assert noted == [("keys.create", "ann"), ("keys.revoke", "ann")]


def test_a_key_is_rotated_under_load_without_a_failed_request(
    keyed: Keyed, client: httpx.Client
) -> None:
    old, text = keyed.add("score")
    wait_for(lambda: asked(client, text).status_code == 200)
    in_use, statuses, is_done = [text], [], threading.Event()

    def load() -> None:
        with keyed.service.client() as own:
            while not is_done.is_set():
                statuses.append((in_use[0], asked(own, in_use[0]).status_code))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    _, new_text = keyed.add("score")
    wait_for(lambda: asked(client, new_text).status_code == 200)
    in_use[0] = new_text
    sent = len(statuses)
    wait_for(lambda: {used for used, _ in statuses[sent + 9 :]} == {new_text})
    keyed.revoke(old)
    wait_for(lambda: asked(client, text).status_code == 401)
    sent = len(statuses)
    wait_for(lambda: len(statuses) > sent + 50)
    is_done.set()
    for thread in threads:
        thread.join()
    assert {status for _, status in statuses} == {200}
    assert {used for used, _ in statuses} == {text, new_text}


def test_a_file_that_breaks_while_it_serves_stops_nobody(
    keyed: Keyed, client: httpx.Client
) -> None:
    _, text = keyed.add("score")
    wait_for(lambda: asked(client, text).status_code == 200)
    path = keyed.folder / "keys.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    wait_for(lambda: client.get("/readyz").json()["keys_problem"] is not None)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert ready.json()["keys_problem"].startswith(f"{path} must be a key file")
    assert asked(client, text).status_code == 200
    log = keyed.folder.with_suffix(".log").read_text()
    assert f'"message": "{path} must be a key file' in log
    path.write_bytes(whole)
    wait_for(lambda: client.get("/readyz").json()["keys_problem"] is None)
    assert asked(client, text).status_code == 200
    for key, made in keyed.made:
        shown = ready.text + keyed.service.greeting + keyed.folder.with_suffix(".log").read_text()
        assert not re.search(f"{made}|{made[16:]}|{key.sha256}", shown)


def test_no_secret_is_on_the_disk_and_no_digest_beside_the_key_file(
    keyed: Keyed, client: httpx.Client
) -> None:
    _, text = keyed.add("score")
    wait_for(lambda: asked(client, text, "/v1/score").status_code == 200)
    files = {path.name: path.read_bytes() for path in keyed.folder.iterdir()}
    assert {"keys.json", "audit.ndjson", "journal.sqlite3"} <= set(files)
    for key, made in keyed.made:
        secret, digest = made[16:].encode(), key.sha256.encode()
        assert [name for name, content in files.items() if secret in content] == []
        assert [name for name, content in files.items() if digest in content] == ["keys.json"]


def test_the_greeting_sends_a_key_and_openapi_names_the_scopes(
    keyed: Keyed, client: httpx.Client
) -> None:
    assert '-H "Authorization: Bearer $FRAUDKIT_API_KEY"' in keyed.service.greeting
    document = client.get("/openapi.json").json()
    assert document["paths"]["/v1/outcomes"]["post"]["security"] == [{"key": ["outcomes"]}]
    assert "`admin`" in document["components"]["securitySchemes"]["key"]["description"]
