"""Every answer carries the security headers, and the page to try the routes works with them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from service.app import create_app
from service.security_headers import SECURITY_HEADERS
from service.settings import Settings
from tests.service.asking import order_with, posted

NAMES = [name.decode() for name, _ in SECURITY_HEADERS]
JSON_POLICY = "default-src 'none'; frame-ancestors 'none'"


def carries_each_once(response: httpx.Response, policy: str = JSON_POLICY) -> bool:
    given = {name: response.headers.get_list(name) for name in NAMES}
    return given == {
        "cache-control": ["no-store"],
        "x-content-type-options": ["nosniff"],
        "content-security-policy": [policy],
        "referrer-policy": ["no-referrer"],
        "cross-origin-resource-policy": ["same-origin"],
    }


def test_every_answer_carries_them(client: httpx.Client) -> None:
    answers = {
        (method, path): client.request(method, path)
        for method in ("GET", "HEAD", "POST", "OPTIONS")
        for path in (
            *("/healthz", "/readyz", "/openapi.json", "/nowhere", "/v1/score", "/v1/score/"),
            *("/static-offline-docs/swagger-ui.css", "/static-offline-docs/nothing"),
        )
    }
    answers["scored", ""] = posted(client, "/v1/score", order_with())
    answers["refused", ""] = posted(client, "/v1/score", order_with(emial={}))
    assert {answer.status_code for answer in answers.values()} >= {200, 400, 404, 405, 422}
    assert [asked for asked, answer in answers.items() if not carries_each_once(answer)] == []
    assert [asked for asked, answer in answers.items() if "server" in answer.headers] == []


def test_a_fault_carries_them_too() -> None:
    app = create_app(Settings())

    async def faulty(_: Request) -> Response:
        raise KeyError

    app.add_route("/fault", faulty)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get("/fault")

    answer = asyncio.run(ask())
    assert answer.status_code == 500
    assert carries_each_once(answer)


def test_the_page_may_run_its_own_scripts_alone(client: httpx.Client) -> None:
    answer = client.get("/docs")
    inline = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    assert len(inline) == 1
    digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert carries_each_once(answer, policy)


def test_a_browser_shows_the_page_and_breaks_no_rule(client: httpx.Client, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser is installed; the words of the policy are tested above")
    shown = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server"),
            *("--enable-logging=stderr", "--virtual-time-budget=8000", "--dump-dom"),
            *(f"--user-data-dir={tmp_path}", f"{client.base_url}/docs".replace("//docs", "/docs")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'data-path="/v1/score"' in shown.stdout
    assert "Content Security Policy" not in shown.stderr
