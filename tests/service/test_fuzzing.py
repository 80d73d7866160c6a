"""Almost right bodies, by the thousand: each is taken or refused with the place and the fix.

No answer is a 5xx, none takes long, none tells what stood in the body, and the memory stays flat.
``FRAUDKIT_SLOW=1`` sends fifty times as many.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pytest

from fraudkit.engine import Engine
from fraudkit.journal.sqlite import SqliteJournal
from service.app import create_app
from service.openapi import openapi_document
from service.refusals import CODES, ErrorBody
from service.settings import Settings
from tests.service.mutating import SECRETS, bodies

TIMES: Final = 50 if os.environ.get("FRAUDKIT_SLOW") == "1" else 1
SECONDS_MAX: Final = 2.0
"""How long one answer may take; a median one takes less than a millisecond."""
GROWTH_BYTES_MAX: Final = 16 * 2**20
PATHS: Final = openapi_document("1", needs_key=False)["paths"]
_ENCODED: Final = [msgspec.json.encode(secret)[1:-1].decode() for secret in SECRETS]


class Application:
    """One application, asked without a socket."""

    def __init__(self, app: Any, engine: Engine) -> None:
        self.engine = engine
        self._app = app
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.close()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """Return status, headers and body of the answer."""
        return self._loop.run_until_complete(self._ask(method, path, body, headers))

    async def _ask(self, method: str, path: str, body: bytes, headers: Any) -> Any:
        sent: list[Any] = []
        half = len(body) // 2
        parts = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]

        async def receive() -> Any:
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": quote(path, safe="/", errors="replace").encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("service", 80),
            "client": ("127.0.0.1", 1),
            "headers": list(headers),
            "http_version": "1.1",
        }
        await self._app(scope, receive, send)
        answer = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], dict(sent[0]["headers"]), answer


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("fuzzing")
    with SqliteJournal(folder / "journal") as journal:
        engine = Engine.open(bundle, journal=journal, hash_key=b"k" * 32)
        app = create_app(Settings(), engine=engine, journal=journal)
        application = Application(app, engine)
        yield application
        application.close()


def check(path: str, body: bytes, status: int, answer: bytes) -> None:
    """Hold an answer to what every answer promises."""
    responses = next(iter(PATHS[path].values()))["responses"]
    assert str(status) in responses
    assert status < 500
    if status < 400:
        return
    error = msgspec.json.decode(answer, type=ErrorBody).error
    assert CODES[error.code][0] == status
    assert all((error.expected, error.received, error.hint, error.message))
    assert is_led_into(body, error.pointer, is_missing=error.received == "nothing"), error
    # An identifier that may be an e-mail address, as a field's name, is the sender's mistake.
    for secret in (*SECRETS, *_ENCODED):
        assert secret not in answer.decode()


def is_led_into(body: bytes, pointer: str, *, is_missing: bool) -> bool:
    """Return whether a JSON pointer (RFC 6901) leads to something in a body."""
    if pointer == "":
        return True
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]
    value = json.loads(body)
    assert steps.pop(0) == ""
    last = steps.pop() if is_missing else None
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False
    return last is None or (isinstance(value, dict) and last not in value)


def test_every_body_is_taken_or_refused_with_the_place_and_the_fix(
    asked: Application, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = dict.fromkeys((200, 202, 400, 413, 422), 0)
    with caplog.at_level(logging.DEBUG):
        for path, body in bodies(1, 4_000 * TIMES):
            start = time.perf_counter()
            status, _, answer = asked.ask("POST", path, body)
            assert time.perf_counter() - start < SECONDS_MAX
            check(path, body, status, answer)
            statuses[status] = statuses.get(status, 0) + 1
    assert min(statuses.values()) > 0, statuses
    _, _, metrics = asked.ask("GET", "/metrics")
    told = caplog.text + metrics.decode()
    assert [secret for secret in SECRETS if secret in told] == []
