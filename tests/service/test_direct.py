"""A POST goes to its endpoint past the framework; nothing else does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.direct import Direct


@pytest.mark.parametrize(
    ("kind", "method", "path", "expected"),
    [
        ("http", "POST", "/v1/score", "endpoint"),
        ("http", "GET", "/v1/score", "framework"),
        ("http", "POST", "/v1/score/", "framework"),
        ("http", "POST", "/v1/other", "framework"),
        ("lifespan", "POST", "/v1/score", "framework"),
        ("http", "POST", "/v1/late", "late"),
    ],
)
def test_a_post_goes_to_its_endpoint(kind: str, method: str, path: str, expected: str) -> None:
    served: list[str] = []

    def serving(name: str) -> Any:
        async def serve(*_: object) -> None:
            served.append(name)

        return serve

    posts = {"/v1/score": serving("endpoint")}
    direct = Direct(serving("framework"), posts=posts)
    posts["/v1/late"] = serving("late")

    async def ask() -> None:
        scope = {"type": kind, "method": method, "path": path}
        await direct(scope, None, None)  # type: ignore[arg-type]  # nobody reads or answers

    asyncio.run(ask())
    assert served == [expected]
