"""The stores and drivers that every clause is asked of, and a Redis for those that need one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.parity.clauses import NEW_STORES, PLANS, Answer, NewStore, answer_of, answer_offline

if TYPE_CHECKING:
    from tests.parity.shared import SharedStores


@pytest.fixture(scope="session")
def shared_stores() -> Iterator[SharedStores]:
    pytest.importorskip("redis", reason="the package redis is not installed")
    from tests.parity.shared import SharedStores
    from tests.stores.redis_server import BINARY, redis_server

    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as server:
        yield SharedStores(server.url)


@pytest.fixture(scope="module", params=["naive", "memory", "redis"])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    return _new_store(request)


@pytest.fixture(scope="module", params=["naive", "memory", "redis", "offline"])
def answer(request: pytest.FixtureRequest) -> Answer:
    return answer_offline if request.param == "offline" else answer_of(_new_store(request))


def _new_store(request: pytest.FixtureRequest) -> NewStore:
    if request.param != "redis":
        return NEW_STORES[request.param]
    shared = request.getfixturevalue("shared_stores")
    return lambda max_events=50: shared.new(PLANS[max_events])
