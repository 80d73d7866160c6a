"""A Redis for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores.redis_server import BINARY, RedisServer, redis_server


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as running:
        yield running


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """Run a server that a test may stop, or change the settings of."""
    if BINARY is None:
        pytest.skip("no redis-server or valkey-server here")
    with redis_server() as running:
        yield running
