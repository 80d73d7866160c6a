"""The routes, asked over the wire of a real server process."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fraudkit.domain.decision import Decision
from fraudkit.domain.decoding import (
    BODY_BYTES_MAX,
    decode_outcome,
    decode_payment_context,
    decode_transaction,
)
from fraudkit.domain.payment_choice import Recommendation
from fraudkit.engine import Engine
from fraudkit.journal.record import DecisionRecord, OutcomeRecord
from fraudkit.journal.sqlite import SqliteJournal
from service import examples
from tests.service.asking import error_of, order_with, posted

KEY = "correct-horse-battery"
CARD_NUMBER = "4111 1111 1111 1111"


def test_an_order_its_outcome_and_the_methods_to_show(client: httpx.Client) -> None:
    scored = posted(client, "/v1/score", order_with())
    assert scored.status_code == 200
    decision = msgspec.json.decode(scored.content, type=Decision)
    assert decision.transaction_id == "order-1001-attempt-1"
    outcome = msgspec.json.encode(examples.OUTCOMES["It was charged back as fraud"])
    first, again = (posted(client, "/v1/outcomes", outcome) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == b'{"outcome_id":"dispute-903","accepted":true,"duplicate":false}'
    assert again.content == b'{"outcome_id":"dispute-903","accepted":true,"duplicate":true}'
    ranked = posted(client, "/v1/payment-methods", msgspec.json.encode(examples.CONTEXT))
    assert ranked.status_code == 200
    assert len(msgspec.json.decode(ranked.content, type=Recommendation).methods) >= 1


def test_answers_equal_the_librarys_byte_for_byte(
    tmp_path: Path, bundle: Path, start_service: Callable[..., Any], make_stream: Callable[..., Any]
) -> None:
    stream = make_stream(1, 60)
    with start_service(tmp_path / "data") as service, service.client() as client:
        answered = [posted(client, path, body).content for path, body in stream]
        recommended = posted(
            client, "/v1/payment-methods", b'{"country":"NL","currency":"EUR","amount_minor":5000}'
        ).content
    hash_key = (tmp_path / "data" / "hash.key").read_bytes()
    with SqliteJournal(tmp_path / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, hash_key=hash_key)
        for (path, body), received in zip(stream, answered, strict=True):
            if path == "/v1/score":
                decision = engine.score(decode_transaction(body))
                assert received == msgspec.json.encode(decision)
            else:
                assert engine.record(decode_outcome(body)) is True
        context = decode_payment_context(b'{"country":"NL","currency":"EUR","amount_minor":5000}')
        assert recommended == msgspec.json.encode(
            engine.recommend(context, now_ms=time.time_ns() // 1_000_000)
        )
        ours = list(journal.records())
    with SqliteJournal.open_readonly(tmp_path / "data" / "journal.sqlite3") as served:
        theirs = list(served.records())
    assert [unclocked(record) for record in theirs] == [unclocked(record) for record in ours]


def unclocked(record: DecisionRecord | OutcomeRecord) -> DecisionRecord | OutcomeRecord:
    return msgspec.structs.replace(record, received_at_ms=0)


MALFORMED = [
    ("empty", b"", 400, "malformed_json", ""),
    ("cut short", order_with()[:-1], 400, "malformed_json", ""),
    ("two documents", order_with() + b"{}", 400, "malformed_json", ""),
    ("invalid UTF-8", b'{"transaction_id": "\xff"}', 400, "malformed_json", ""),
    ("UTF-16", order_with().decode().encode("utf-16"), 400, "malformed_json", ""),
    ("NaN", b'{"transaction_id": NaN}', 400, "malformed_json", ""),
    ("Infinity", b'{"transaction_id": -Infinity}', 400, "malformed_json", ""),
    ("deep arrays", b"[" * 100_000 + b"]" * 100_000, None, None, ""),
    ("deep objects", b'{"order":' * 20_000 + b"1" + b"}" * 20_000, None, None, None),
    ("not an object", b"[]", 422, "invalid_field", ""),
    ("null", b"null", 422, "invalid_field", ""),
    ("nothing in it", b"{}", 422, "invalid_field", "/transaction_id"),
    ("unknown field", order_with(emial={}), 422, "invalid_field", "/emial"),
    ("wrong type", order_with(transaction_id=7), 422, "invalid_field", "/transaction_id"),
    (
        "a float amount",
        order_with(order={"amount_minor": 12.95, "currency": "EUR"}),
        422,
        "invalid_field",
        "/order/amount_minor",
    ),
    (
        "a currency in lower case",
        order_with(order={"amount_minor": 1, "currency": "eur"}),
        422,
        "invalid_field",
        "/order/currency",
    ),
    (
        "no offset",
        order_with(event_time="2026-03-02T20:14:05"),
        422,
        "invalid_field",
        "/event_time",
    ),
    (
        "too many items",
        order_with(order={"amount_minor": 1, "currency": "EUR", "items": [{}] * 1001}),
        422,
        "invalid_field",
        "/order/items",
    ),
    (
        "a card number",
        order_with(device={"user_agent": CARD_NUMBER}),
        422,
        "card_number_refused",
        "/device/user_agent",
    ),
    (
        "a card number where no field is",
        order_with(**{CARD_NUMBER: 1}),
        422,
        "card_number_refused",
        "",
    ),
    ("too long", b'{"order_id":"' + b"x" * BODY_BYTES_MAX + b'"}', 413, "body_too_large", ""),
    ("10 MB", b"x" * 10_000_000, 413, "body_too_large", ""),
]


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [pytest.param(*rest, id=name) for name, *rest in MALFORMED],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_malformed_body_is_refused_with_a_pointer_and_the_service_goes_on(
    client: httpx.Client,
    *,
    body: bytes,
    status: int | None,
    code: str | None,
    pointer: str | None,
    chunked: bool,
) -> None:
    response = posted(client, "/v1/score", chunks_of(body) if chunked else body)
    error = error_of(response)
    assert response.status_code in ({status} if status else {400, 422})
    assert code is None or error["code"] == code
    assert pointer is None or error["pointer"] == pointer
    assert CARD_NUMBER not in response.text
    assert posted(client, "/v1/score", order_with()).status_code == 200


def chunks_of(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


@pytest.mark.parametrize("path", ["/v1/outcomes", "/v1/payment-methods"])
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"kind": "?"}'])
def test_the_other_routes_refuse_in_the_same_way(
    client: httpx.Client, path: str, body: bytes
) -> None:
    response = posted(client, path, body)
    assert response.status_code in (400, 422)
    assert error_of(response)["code"] in ("malformed_json", "invalid_field")


def test_an_outcome_known_before_it_happened_is_refused(client: httpx.Client) -> None:
    outcome = examples.OUTCOMES["The issuer authorized it"]
    early = {**outcome, "outcome_id": "early", "available_at": "2020-01-01T00:00:00Z"}
    response = posted(client, "/v1/outcomes", msgspec.json.encode(early))
    assert response.status_code == 422
    assert error_of(response)["pointer"] == "/available_at"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_another_media_type_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post("/v1/score", content=order_with(), headers=headers)
    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "content_type", [None, "application/json", 'Application/JSON; charset="UTF-8"']
)
def test_json_may_be_declared_or_not(client: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    assert client.post("/v1/score", content=order_with(), headers=headers).status_code == 200


def test_unknown_paths_and_methods_are_answered_as_json(client: httpx.Client) -> None:
    for path in ("/", "/v1/scores", "/v1/score/"):
        response = client.get(path)
        assert response.status_code == 404
        assert error_of(response)["code"] == "not_found"
    response = client.get("/v1/score")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert error_of(response)["code"] == "method_not_allowed"


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    response = client.get("/readyz")
    assert response.status_code == 200
    ready = response.json()
    assert set(ready.pop("versions")) == {"bundle", "features", "policy"}
    assert ready == {
        "ready": True,
        "bundle_loaded": True,
        "windows_rebuilt": True,
        "journal_writable": True,
        "store_reachable": True,
        "problems": {},
        "keys_problem": None,
        "bundle_problem": None,
    }


def test_the_page_to_try_it_needs_nothing_from_the_internet(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        path = next(part for part in page.text.split('"') if part.endswith(asset))
        assert client.get(path).status_code == 200
    assert client.get("/openapi.json").json()["openapi"] == "3.1.0"


def test_the_greeting_can_be_pasted(start_service: Callable[..., Any], tmp_path: Path) -> None:
    with start_service(tmp_path / "data", FRAUDKIT_API_KEY=KEY) as service:
        assert KEY not in service.greeting
        line = next(line for line in service.greeting.splitlines() if line.startswith("curl"))
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed; the words of the line are tested below")
        pasted = subprocess.run(
            ["sh", "-c", line],
            env={"FRAUDKIT_API_KEY": KEY, "PATH": "/usr/bin:/bin", "no_proxy": "*"},
            capture_output=True,
            check=True,
        )
        assert msgspec.json.decode(pasted.stdout, type=Decision).action


def test_the_words_of_the_greetings_line_hold_an_order(
    start_service: Callable[..., Any], tmp_path: Path
) -> None:
    with start_service(tmp_path / "data") as service:
        line = next(line for line in service.greeting.splitlines() if line.startswith("curl"))
    _curl, _silent, url, _h, header, _d, body = shlex.split(line)
    assert url.endswith("/v1/score")
    assert header == "content-type: application/json"
    assert decode_transaction(body.encode()).transaction_id.startswith("order-")


def test_with_a_key_every_route_that_decides_asks_for_it(
    start_service: Callable[..., Any], tmp_path: Path
) -> None:
    bodies = {
        "/v1/score": order_with(),
        "/v1/outcomes": msgspec.json.encode(examples.OUTCOMES["The issuer authorized it"]),
        "/v1/payment-methods": msgspec.json.encode(examples.CONTEXT),
    }
    wrong = ({}, {"authorization": KEY}, {"authorization": f"Bearer {KEY}x"}, {"x-api-key": KEY})
    with (
        start_service(tmp_path / "data", FRAUDKIT_API_KEY=KEY) as service,
        service.client() as client,
    ):
        for path, body in bodies.items():
            for headers in wrong:
                refused = posted(client, path, body, **headers)
                assert (refused.status_code, error_of(refused)["code"]) == (401, "unauthorized")
                assert refused.headers["www-authenticate"] == "Bearer"
            admitted = posted(client, path, body, authorization=f"Bearer {KEY}")
            assert admitted.status_code in (200, 202)
        for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200


def test_no_personal_data_reaches_the_disk_or_the_log(
    start_service: Callable[..., Any], tmp_path: Path
) -> None:
    with start_service(tmp_path / "data") as service, service.client() as client:
        assert posted(client, "/v1/score", order_with()).status_code == 200
        assert posted(client, "/v1/score", order_with(emial={})).status_code == 422
        card = order_with(email={"address": CARD_NUMBER})
        assert posted(client, "/v1/score", card).status_code == 422
        service.kill()
        printed = service.process.stdout.read()
    files = {path: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert any(b"order-1001-attempt-1" in content for content in files.values())
    files[tmp_path / "log"] = printed.encode() + (tmp_path / "data.log").read_bytes()
    for secret in personal_values():
        assert [path for path, content in files.items() if secret.encode() in content] == []


def personal_values() -> list[str]:
    order = examples.ORDER
    return [
        order["account"]["user_id"],
        order["email"]["address"],
        order["billing"]["last_name"],
        order["billing"]["address"],
        order["billing"]["phone_number"],
        order["payment"]["card"]["fingerprint"],
        order["device"]["fingerprint"],
        order["device"]["ip_address"],
        order["device"]["session_id"],
        CARD_NUMBER,
    ]
