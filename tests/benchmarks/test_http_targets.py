import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest

from benchmarks import drivers, peer_servers, targets
from benchmarks.cores import LOAD_CORE, SERVER_CORE, pinned
from benchmarks.drivers import Driven, Orders, drive, drive_with_asyncio, write_tails
from benchmarks.model import PromisedModel
from benchmarks.peer_servers import PEERS, running_peers
from benchmarks.soak import resident_mb
from benchmarks.targets import Target, ratios
from fraudkit.errors import StoreError
from fraudkit.simulate import simulate

ORDERS = Orders(tails=Path("none"), prefix="t", first_at=datetime(2026, 1, 1, tzinfo=UTC), step_s=1)


def driven_once(*, requests: int, failed: int) -> Driven:
    return Driven(
        requests=requests,
        failed=failed,
        duration_us=2_000_000,
        latency_us=((1_000, requests - 1), (9_000, 1)),
    )


def rps(**servers: tuple[float, float, float]) -> dict[str, float]:
    return {
        f"{name}_rps_c{connections}": value
        for name, values in servers.items()
        for connections, value in zip((1, 8, 64), values, strict=True)
    }


def test_a_failure_is_counted_and_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "drive", lambda *_, **__: driven_once(requests=500, failed=4))
    target = Target("ours", "http://127.0.0.1:1", ORDERS)
    target.drive(2, 8, is_counted=False)
    target.drive(2, 8)
    assert (target.failed, target.answered, target.counted) == (8, 992, 500)
    assert target.figures() == {
        "ours_rps_c8": pytest.approx(248.0),
        "ours_p50_ms_c8": 1.0,
        "ours_p90_ms_c8": 1.0,
        "ours_p99_ms_c8": 1.0,
        "ours_p999_ms_c8": 9.0,
    }


@pytest.mark.parametrize(("failed", "is_told"), [(10, True), (11, False)])
def test_a_server_may_fail_one_request_in_a_hundred(
    monkeypatch: pytest.MonkeyPatch, *, failed: int, is_told: bool
) -> None:
    async def driven(*_: object, **__: object) -> Driven:
        return driven_once(requests=1_000, failed=failed)

    monkeypatch.setattr(drivers, "drive_with_asyncio", driven)
    monkeypatch.setattr(drivers.shutil, "which", lambda _: None)
    if is_told:
        assert drive("http://127.0.0.1:1", ORDERS, 1, connections=1).failed == failed
    else:
        with pytest.raises(StoreError, match="Got 11 failures among 1000"):
            drive("http://127.0.0.1:1", ORDERS, 1, connections=1)


def test_each_ratio_is_the_least_over_the_numbers_of_connections() -> None:
    figures = rps(
        ours=(10.0, 20.0, 30.0),
        bare_asgi=(100.0, 100.0, 400.0),
        plain_fastapi=(5.0, 4.0, 3.0),
        mlserver=(1.0, 2.0, 2.0),
        litserve=(2.0, 1.0, 10.0),
    )
    assert ratios(figures) == {
        "ours_over_bare_c1": 0.1,
        "ours_over_bare_c8": 0.2,
        "ours_over_bare_c64": 0.075,
        "ours_over_bare": 0.075,
        "ours_over_plain_fastapi": 2.0,
        "ours_over_fastest_model_server": 3.0,
    }


def test_without_peers_there_is_no_ratio_to_them() -> None:
    found = ratios(rps(ours=(1.0, 1.0, 1.0), bare_asgi=(2.0, 2.0, 2.0)))
    assert set(found) == {"ours_over_bare", *(f"ours_over_bare_c{n}" for n in (1, 8, 64))}


@pytest.mark.skipif(SERVER_CORE is None, reason="there is one core")
def test_a_process_started_in_the_block_has_its_core() -> None:
    asked = "import os; print(sorted(os.sched_getaffinity(0)))"
    before = os.sched_getaffinity(0)
    with pinned(SERVER_CORE):
        said = subprocess.run(
            [sys.executable, "-c", asked], capture_output=True, text=True, check=True
        ).stdout
    assert said.strip() == f"[{SERVER_CORE}]"
    assert os.sched_getaffinity(0) == before
    assert SERVER_CORE != LOAD_CORE


def test_memory_is_what_the_process_holds_not_what_it_reserved() -> None:
    before = resident_mb(os.getpid())
    reserved = np.empty(100_000_000)
    assert resident_mb(os.getpid()) - before < 0.5 * reserved.nbytes / 1e6
    held = np.ones(20_000_000)
    assert resident_mb(os.getpid()) - before > 0.9 * held.nbytes / 1e6
    with pytest.raises(StoreError, match="leave --soak out"):
        resident_mb(2**22 + 1)


@pytest.fixture
def model(tmp_path: Path) -> PromisedModel:
    rows = np.random.default_rng(1).random((1_000, 2))
    data = lightgbm.Dataset(rows, rows[:, 0] > 0.5)
    booster = lightgbm.train({"objective": "binary", "verbosity": -1}, data, 3)
    booster.save_model(tmp_path / "model.txt")
    return PromisedModel(tmp_path, rows)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    write_tails(tmp_path / "tails", simulate(20, seed=2).transactions)
    return msgspec.structs.replace(ORDERS, tails=tmp_path / "tails")


def test_a_peer_that_does_not_start_is_left_out_with_what_it_said(
    model: PromisedModel, tmp_path: Path
) -> None:
    programs = tmp_path / "environments" / "litserve" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").write_text("#!/bin/sh\necho no such luck >&2\nexit 3\n")
    (programs / "python").chmod(0o755)
    with running_peers(tmp_path / "environments", model, ORDERS, tmp_path) as peers:
        assert peers.sent == {}
    assert "no such luck" in peers.left_out["litserve"]
    assert set(peers.left_out) == {peer.name for peer in PEERS}


def test_a_peer_that_is_installed_answers_orders(
    model: PromisedModel, orders: Orders, tmp_path: Path
) -> None:
    """What the plain route needs is in this environment too."""
    environments = tmp_path / "environments"
    environments.mkdir()
    (environments / "fastapi").symlink_to(sys.prefix)
    with running_peers(environments, model, orders, tmp_path) as peers:
        assert set(peers.sent) == {"plain_fastapi"}, peers.left_out
        assert peers.versions == {"plain_fastapi": version("fastapi")}
        url, sent = peers.sent["plain_fastapi"]
        driven = asyncio.run(drive_with_asyncio(url, sent, 0.3, connections=2))
    assert driven.failed == 0
    assert driven.requests > 0


def test_a_peer_with_another_model_is_left_out(
    monkeypatch: pytest.MonkeyPatch, model: PromisedModel, orders: Orders, tmp_path: Path
) -> None:
    environments = tmp_path / "environments"
    environments.mkdir()
    (environments / "fastapi").symlink_to(sys.prefix)
    plain = next(peer for peer in PEERS if peer.name == "plain_fastapi")
    wrong = plain._replace(probability=lambda answer: answer["fraud_probability"] / 2)
    monkeypatch.setattr(peer_servers, "PEERS", (wrong,))
    with running_peers(environments, model, orders, tmp_path) as peers:
        assert peers.sent == {}
    assert "must give the model's probability" in peers.left_out["plain_fastapi"]
