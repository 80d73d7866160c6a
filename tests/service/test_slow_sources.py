"""The real service while Redis or PostgreSQL says nothing: every order is answered in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journal.postgres_server import PostgresServer, postgres_server, why_none
from tests.service.asking import order_with, posted
from tests.stores.redis_server import needs_redis, redis_server

DEADLINE_MS = 300
SLACK_S = 0.2  # for a machine that others share
ORDERS = 60


@contextmanager
def stopped(process_id: int) -> Iterator[None]:
    """Let a process and its children keep their connections and say nothing."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    everyone = [process_id, *map(int, children)]
    for held in everyone:
        os.kill(held, signal.SIGSTOP)
    try:
        yield
    finally:
        for held in everyone:
            os.kill(held, signal.SIGCONT)


def answered(client: httpx.Client, first: int, n_orders: int) -> list[tuple[float, list[str]]]:
    """Send orders, and return how long each took and what it went without."""
    found = []
    for number in range(first, first + n_orders):
        began_s = time.monotonic()
        response = posted(client, "/v1/score", order_with(transaction_id=f"t-{number}"))
        took_s = time.monotonic() - began_s
        assert response.status_code == 200
        found.append((took_s, response.json()["degraded"]))
        time.sleep(0.01)
    return found


def in_time(found: list[tuple[float, list[str]]]) -> None:
    assert max(took_s for took_s, _ in found) < DEADLINE_MS / 1000 + SLACK_S


def until_well(client: httpx.Client, first: int) -> None:
    until_s = time.monotonic() + 20
    number = first
    while time.monotonic() < until_s:
        [(_, degraded)] = answered(client, number, 1)
        if not degraded:
            return
        number += 1
        time.sleep(0.2)
    raise AssertionError("the service does not recover")


@needs_redis
def test_orders_are_answered_in_time_while_redis_says_nothing(
    tmp_path: Path, start_service: Callable[..., Any]
) -> None:
    with redis_server() as server, start_service(
        tmp_path / "data", FRAUDKIT_STORE_URL=server.url, FRAUDKIT_DEADLINE_MS=str(DEADLINE_MS)
    ) as service, service.client() as client:  # fmt: skip
        answered(client, 0, 3)
        assert server._process is not None
        with stopped(server._process.pid):
            found = answered(client, 100, ORDERS)
        in_time(found)
        assert {tuple(degraded) for _, degraded in found} <= {("store",), ("store", "deadline")}
        assert sum(took_s > 0.08 for took_s, _ in found) <= 4  # one wait for each pause
        until_well(client, 1_000)
        # What was missed is there again, or on its way: an event counts once.
        events = [
            float(line.split()[1])
            for line in client.get("/metrics").text.splitlines()
            if line.startswith("fraudkit_store_events ")
        ]
        assert events[0] >= 3 + ORDERS


@pytest.mark.skipif(why_none() is not None, reason=str(why_none()))
def test_orders_are_answered_in_time_while_postgresql_says_nothing(
    tmp_path: Path, start_service: Callable[..., Any]
) -> None:
    with postgres_server("-c", "fsync=off") as server:
        frozen(server, tmp_path, start_service)


def frozen(server: PostgresServer, tmp_path: Path, start_service: Callable[..., Any]) -> None:
    with start_service(
        tmp_path / "data",
        FRAUDKIT_JOURNAL_URL=server.new_database(),
        FRAUDKIT_DEADLINE_MS=str(DEADLINE_MS),
    ) as service, service.client() as client:  # fmt: skip
        answered(client, 0, 3)
        assert server._process is not None
        with stopped(server._process.pid):
            found = answered(client, 100, ORDERS)
        in_time(found)
        # The first was decided before anybody knew; what follows waits in the spool.
        assert [degraded for _, degraded in found[1:]] == [["journal"]] * (ORDERS - 1)
        assert sum(took_s > 0.08 for took_s, _ in found) <= 4
        until_well(client, 1_000)
        again = posted(client, "/v1/score", order_with(transaction_id="t-130"))
        assert again.json()["degraded"] == ["journal"]  # the decision that stands
