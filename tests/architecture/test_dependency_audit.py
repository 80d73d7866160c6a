"""The audit of the dependencies: what it asks, what it says, and that it never feigns to know."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.architecture import dependency_audit
from tests.architecture.dependency_audit import Pin, main, pins_of
from tests.architecture.files import ROOT

LOCK = """\
# This file was made
safe==1.0 \\
    --hash=sha256:00
weak[extra]==2.0.post1 ; sys_platform != 'win32' \\
    --hash=sha256:00
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    return path


@contextmanager
def database(answer: Callable[[Any], bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer(body))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def weak_in_two_pages(body: Any) -> bytes:
    results: list[dict[str, Any]] = []
    for query in body["queries"]:
        if query["package"]["name"] != "weak":
            results.append({})
        elif "page_token" in query:
            results.append({"vulns": [{"id": "GHSA-2"}]})
        else:
            results.append({"vulns": [{"id": "GHSA-1"}], "next_page_token": "more"})
    return json.dumps({"results": results}).encode()


def test_the_lock_files_name_every_pin() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    pins = pins_of(locks)
    assert {"msgspec", "uvicorn", "pytest"} <= {pin.name for pin in pins}
    lines = {line for lock in locks for line in lock.read_text().splitlines() if "==" in line[:60]}
    assert len(pins) == len({line.split(" ;")[0].rstrip(" \\") for line in lines})


def test_every_pin_is_asked_for_with_its_version(lock: Path) -> None:
    asked: list[Any] = []

    def answer(body: Any) -> bytes:
        asked.append(body)
        return b'{"results": [{}, {}]}'

    with database(answer) as url:
        assert main(url, [lock, lock]) == 0
    assert asked == [
        {
            "queries": [
                {"package": {"name": "safe", "ecosystem": "PyPI"}, "version": "1.0"},
                {"package": {"name": "weak", "ecosystem": "PyPI"}, "version": "2.0.post1"},
            ]
        }
    ]
    assert pins_of([lock]) == [Pin("safe", "1.0"), Pin("weak", "2.0.post1")]


def test_an_advisory_fails_the_check_and_is_named(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with database(weak_in_two_pages) as url:
        assert main(url, [lock]) == 1
    said = capsys.readouterr().out
    for name in ("GHSA-1", "GHSA-2"):
        assert f"weak 2.0.post1: {name}, see https://osv.dev/vulnerability/{name}\n" in said
    assert "2 pinned versions, 2 open advisories" in said


def test_an_accepted_advisory_does_not(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dependency_audit.ACCEPTED, "GHSA-1", "we do not call it")
    with database(weak_in_two_pages) as url:
        assert main(url, [lock]) == 1
        monkeypatch.setitem(dependency_audit.ACCEPTED, "GHSA-2", "we do not call it")
        assert main(url, [lock]) == 0


def test_what_could_not_be_asked_is_said(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    assert main(nobody, [lock]) == 0
    assert "NOT DONE" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b"{}", b'{"results": []}', b'{"results": 1}']
)
def test_an_answer_that_is_none_is_not_taken_for_one(
    lock: Path, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    with database(lambda _: answer) as url:
        assert main(url, [lock]) == 0
    assert "NOT DONE" in capsys.readouterr().out
