"""How the tests ask the service, and read its refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import msgspec

from service import examples

JSON = {"content-type": "application/json"}


def order_with(**fields: Any) -> bytes:
    return msgspec.json.encode({**examples.ORDER, **fields})


def posted(client: httpx.Client, path: str, body: Any, **headers: str) -> httpx.Response:
    return client.post(path, content=body, headers={**JSON, **headers})


def in_process(app: Any, *requests: httpx.Request) -> list[httpx.Response]:
    """Ask the application one after the other, without a socket."""
    return asyncio.run(_asked(app, requests))


async def _asked(app: Any, requests: Sequence[httpx.Request]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport) as client:
        return [await client.send(request) for request in requests]


def post(path: str, body: bytes, **headers: str) -> httpx.Request:
    return httpx.Request("POST", f"http://service{path}", content=body, headers=headers)


def get(path: str, **headers: str) -> httpx.Request:
    return httpx.Request("GET", f"http://service{path}", headers=headers)


def error_of(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/json"
    error: dict[str, str] = response.json()["error"]
    assert list(error) == ["code", "pointer", "expected", "received", "hint", "message"]
    assert "Traceback" not in response.text
    return error
