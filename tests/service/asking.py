"""How the tests ask the service, and read its refusals."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from service import examples

JSON = {"content-type": "application/json"}


def order_with(**fields: Any) -> bytes:
    return msgspec.json.encode({**examples.ORDER, **fields})


def posted(client: httpx.Client, path: str, body: Any, **headers: str) -> httpx.Response:
    return client.post(path, content=body, headers={**JSON, **headers})


def error_of(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/json"
    error: dict[str, str] = response.json()["error"]
    assert list(error) == ["code", "pointer", "expected", "received", "hint", "message"]
    assert "Traceback" not in response.text
    return error
