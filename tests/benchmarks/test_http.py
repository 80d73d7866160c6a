import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from benchmarks.drivers import Orders, drive, drive_with_asyncio, write_tails
from benchmarks.servers import bare_asgi
from fraudkit.domain.decoding import decode_transaction
from fraudkit.errors import StoreError
from fraudkit.simulate import simulate
from tests.benchmarks.running import ran

ORDERS = simulate(20, seed=2).transactions


@pytest.fixture(scope="module")
def bare_url() -> Iterator[str]:
    with bare_asgi() as url:
        yield url


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    tails = tmp_path / "tails"
    write_tails(tails, ORDERS)
    return Orders(tails=tails, prefix="test-", first_at=datetime(2026, 1, 1, tzinfo=UTC), step_s=60)


def test_it_prints_the_promised_figures() -> None:
    report = ran("http", "--seconds", "4")
    assert set(report["figures"]) == {
        "ours_rps",
        "bare_asgi_rps",
        "ours_over_bare",
        *(
            f"{server}_{part}_ms"
            for server in ("ours", "bare_asgi")
            for part in ("p50", "p90", "p99", "p99_9")
        ),
    }
    figures = report["figures"]
    assert figures["ours_over_bare"] == figures["ours_rps"] / figures["bare_asgi_rps"]


def test_a_tail_with_an_id_and_a_time_is_the_order_again(orders: Orders) -> None:
    for line, order in zip(orders.tails.read_bytes().splitlines(), ORDERS, strict=True):
        head = b'{"transaction_id":"%s","event_time":"%s"' % (
            order.transaction_id.encode(),
            order.event_time.isoformat().encode(),
        )
        assert decode_transaction(head + line) == order


def test_the_driver_that_needs_no_wrk_sees_every_answer(bare_url: str, orders: Orders) -> None:
    driven = asyncio.run(drive_with_asyncio(bare_url, orders, 0.3))
    assert driven.failed == 0
    assert driven.requests == sum(count for _, count in driven.latency_us) > 0


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sees_every_answer(bare_url: str, orders: Orders) -> None:
    driven = drive(bare_url, orders, 1)
    assert driven.failed == 0
    assert driven.requests > 0
    assert driven.duration_us >= 900_000


def test_a_server_that_refuses_is_not_measured(bare_url: str, orders: Orders) -> None:
    """The bare application fails on an order that is none."""
    orders.tails.write_bytes(b',"order":7}\n')
    with pytest.raises(StoreError, match="must answer every order with 200"):
        drive(bare_url, msgspec.structs.replace(orders, prefix="bad-"), 1)
