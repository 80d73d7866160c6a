import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.drivers import Bodies, Orders, drive, drive_with_asyncio, write_tails
from benchmarks.servers import bare_asgi
from fraudkit.domain.decoding import decode_transaction
from fraudkit.errors import StoreError
from fraudkit.simulate import simulate
from tests.benchmarks.running import ran

ORDERS = simulate(20, seed=2).transactions


@pytest.fixture(scope="module")
def bare_url() -> Iterator[str]:
    with bare_asgi() as running:
        yield running.url


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    tails = tmp_path / "tails"
    write_tails(tails, ORDERS)
    return Orders(tails=tails, prefix="test-", first_at=datetime(2026, 1, 1, tzinfo=UTC), step_s=60)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One short run without peers."""
    no_peers = str(tmp_path_factory.mktemp("peers"))
    seconds = ("--seconds", "1", "--soak", "1")
    return ran("http", *seconds, "--trees", "10", "--peers", no_peers)


def test_it_prints_the_promised_figures(report: dict[str, Any]) -> None:
    assert set(report["figures"]) == {
        *(
            f"{server}_{part}_c{connections}"
            for server in ("ours", "bare_asgi")
            for part in ("rps", "p50_ms", "p90_ms", "p99_ms", "p999_ms")
            for connections in (1, 8, 64)
        ),
        *(f"ours_over_bare_c{connections}" for connections in (1, 8, 64)),
        "ours_over_bare",
        "errors",
        "soak_rps",
        "memory_growth_mb",
    }
    assert report["figures"]["errors"] == 0


def test_its_ratios_are_those_of_its_figures(report: dict[str, Any]) -> None:
    figures = report["figures"]
    for connections in (1, 8, 64):
        assert (
            figures[f"ours_over_bare_c{connections}"]
            == figures[f"ours_rps_c{connections}"] / figures[f"bare_asgi_rps_c{connections}"]
        )
    assert figures["ours_over_bare"] == min(figures[f"ours_over_bare_c{n}"] for n in (1, 8, 64))


def test_it_names_the_peers_that_are_not_there(report: dict[str, Any]) -> None:
    left_out = report["context"]["left_out"]
    assert set(left_out) == {"plain_fastapi", "mlserver", "bentoml", "litserve"}
    assert all("make bench-peers" in why for why in left_out.values())


def test_half_of_the_load_is_half_of_the_most(report: dict[str, Any]) -> None:
    figures = report["figures"]
    assert figures["soak_rps"] <= 0.55 * max(figures[f"ours_rps_c{n}"] for n in (1, 8, 64))


def test_a_tail_with_an_id_and_a_time_is_the_order_again(orders: Orders) -> None:
    for line, order in zip(orders.tails.read_bytes().splitlines(), ORDERS, strict=True):
        head = b'{"transaction_id":"%s","event_time":"%s"' % (
            order.transaction_id.encode(),
            order.event_time.isoformat().encode(),
        )
        assert decode_transaction(head + line) == order


def test_the_driver_that_needs_no_wrk_sees_every_answer(bare_url: str, orders: Orders) -> None:
    driven = asyncio.run(drive_with_asyncio(bare_url, orders, 0.3, connections=4))
    assert driven.failed == 0
    assert driven.requests == sum(count for _, count in driven.latency_us) > 0


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sees_every_answer(bare_url: str, orders: Orders) -> None:
    driven = drive(bare_url, orders, 1, connections=8)
    assert driven.failed == 0
    assert driven.requests > 0
    assert driven.duration_us >= 900_000


def test_a_server_that_refuses_is_not_measured(bare_url: str, orders: Orders) -> None:
    """The bare application fails on an order that is none."""
    orders.tails.write_bytes(b',"order":7}\n')
    with pytest.raises(StoreError, match="must answer every order with 200"):
        drive(bare_url, msgspec.structs.replace(orders, prefix="bad-"), 1, connections=4)


def test_bodies_are_sent_as_they_are(bare_url: str, tmp_path: Path) -> None:
    file = tmp_path / "bodies"
    file.write_bytes(b"".join(msgspec.json.encode(order) + b"\n" for order in ORDERS))
    bodies = Bodies(file=file, path="/anywhere")
    driven = drive(bare_url, bodies, 1, connections=2)
    slow = asyncio.run(drive_with_asyncio(bare_url, bodies, 0.3, connections=2))
    assert (driven.failed, slow.failed) == (0, 0)
    assert min(driven.requests, slow.requests) > 0


def test_a_steady_rate_is_kept(bare_url: str, orders: Orders) -> None:
    sending = drive_with_asyncio(bare_url, orders, 0.5, connections=4, rate_rps=80)
    driven = asyncio.run(sending)
    assert 10 <= driven.requests <= 44


def test_a_later_round_repeats_no_order(orders: Orders) -> None:
    later = orders.after(3)
    line = orders.lines()[0]
    sent = [decode_transaction(orders.body(number, line)) for number in range(3)]
    first = decode_transaction(later.body(0, line))
    assert first.event_time > max(order.event_time for order in sent)
    assert first.transaction_id not in {order.transaction_id for order in sent}
