"""PostgreSQL and Redis stopped, silent and slow under load, and one of two services killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fraudkit.journal.postgres import PostgresJournal
from fraudkit.journal.record import Record
from fraudkit.stores.redis import RedisStore
from fraudkit.stores.redis_nodes import RedisTimeouts
from tests.crash.asking import Request
from tests.crash.ledger import Ledger
from tests.crash.lives import SLOW, life
from tests.crash.load import Load, ask_all
from tests.crash.outage import (
    PROBES,
    Fault,
    assert_all_stands,
    during,
    settle,
    written,
)
from tests.crash.proxy import Proxy, proxy_to
from tests.crash.stream import Stream, orders_from
from tests.crash.twin import assert_goes_on_as_restored, assert_holds_the_windows_of, records_of
from tests.journal.postgres_server import PostgresServer, postgres_server, why_none
from tests.stores.redis_server import RedisServer, needs_redis, redis_server

SEED = 6
FAULT_SECONDS = 20.0 if SLOW else 1.5
SLOW_LINE_SECONDS = 0.05
REDIS_SLOWER_THAN_WAITED_FOR_SECONDS = 0.3
PATIENT = RedisTimeouts(connect_ms=20_000, read_ms=20_000)
KEEPS_ALL = ("--appendonly", "yes", "--appendfsync", "no")
"""So that a Redis that is killed has what it answered: it writes before it answers."""

needs_postgres = pytest.mark.skipif(why_none() is not None, reason=str(why_none()))


def frozen(process_ids: Callable[[], list[int]]) -> Fault:
    """Stop processes, which are still there, and let them go on."""

    def send(what: signal.Signals) -> None:
        for process_id in process_ids():
            os.kill(process_id, what)

    return partial(send, signal.SIGSTOP), partial(send, signal.SIGCONT)


def children_of(process_id: int) -> list[int]:
    """Return a process, then its children."""
    held = Path(f"/proc/{process_id}/task/{process_id}/children").read_text("ascii")
    return [process_id, *map(int, held.split())]


def bad_lines(proxy: Proxy, slow_s: float) -> dict[str, Fault]:
    return {
        "silent": (proxy.fall_silent, proxy.heal),
        "cut": (proxy.cut, proxy.heal),
        "slow": (partial(proxy.slow_down, slow_s), proxy.heal),
    }


async def through_all(load: Load, faults: dict[str, Fault], port: int) -> dict[str, int]:
    """Let one fault follow another; return how many requests felt each."""
    felt = {}
    for name, fault in faults.items():
        before = load.ledger.refused.total() + load.ledger.degraded.total()
        async with during(load, fault, port, seconds=FAULT_SECONDS):
            pass
        felt[name] = load.ledger.refused.total() + load.ledger.degraded.total() - before
    return felt


def postgres_records(url: str) -> list[Record]:
    with PostgresJournal.open_readonly(url) as journal:
        return list(journal.records())


@contextmanager
def postgres_behind(proxy_of: ExitStack) -> Iterator[tuple[PostgresServer, Proxy, str, str]]:
    """Run a server and a line to it; yield both, and the URLs through the line and without."""
    with postgres_server() as server:
        direct = server.new_database()
        proxy = proxy_of.enter_context(proxy_to(server.socket))
        database = direct.split("@/")[1].split("?")[0]
        yield server, proxy, f"postgresql://owner@127.0.0.1:{proxy.port}/{database}", direct


@needs_postgres
def test_postgresql_that_stops_freezes_and_is_slow(tmp_path: Path) -> None:
    data_dir, stream = tmp_path / "data", Stream(SEED)
    ledger = Ledger(forgets_outcomes=True)
    load = Load(stream, ledger, np.random.default_rng(SEED))

    probes: list[Request] = []
    before: list[Record] = []

    async def lived(server: PostgresServer, proxy: Proxy, url: str, direct: str) -> list[Record]:
        read = partial(postgres_records, direct)
        with life(data_dir, FRAUDKIT_JOURNAL_URL=url) as service:
            faults: dict[str, Fault] = {
                "stopped": (server.stop, server.start),
                "frozen": frozen(lambda: children_of(server.process_id)),
                **bad_lines(proxy, SLOW_LINE_SECONDS),
            }
            felt = await through_all(load, faults, service.port)
            assert {name for name, count in felt.items() if not count} <= {"slow"}
            await settle(service.port, ledger)
            before.extend(await written(ledger, read))
            probes.extend(orders_from(SEED, PROBES, first=stream.n_orders))
            await ask_all(service.port, probes, ledger, connections=1)
            return await assert_all_stands(
                service, data_dir, ledger, read, FRAUDKIT_JOURNAL_URL=url
            )

    with ExitStack() as lines, postgres_behind(lines) as (server, proxy, url, direct):
        records = asyncio.run(lived(server, proxy, url, direct))
    requests = stream.by_name | {probe.name: probe for probe in probes}
    assert_goes_on_as_restored(data_dir, before, records, requests)


@needs_redis
def test_redis_that_stops_freezes_and_is_slow(tmp_path: Path) -> None:
    data_dir, ledger, stream = tmp_path / "data", Ledger(), Stream(SEED)
    load = Load(stream, ledger, np.random.default_rng(SEED))

    async def lived(server: RedisServer, proxy: Proxy) -> list[Record]:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with life(data_dir, FRAUDKIT_STORE_URL=url) as service:
            faults: dict[str, Fault] = {
                "stopped": (server.stop, server.start),
                "frozen": frozen(lambda: [server.process_id]),
                **bad_lines(proxy, REDIS_SLOWER_THAN_WAITED_FOR_SECONDS),
            }
            felt = await through_all(load, faults, service.port)
            assert all(felt.values()), felt
            assert set(ledger.degraded) == {"store"}
            assert not ledger.refused
            read = partial(records_of, data_dir)
            return await assert_all_stands(service, data_dir, ledger, read, FRAUDKIT_STORE_URL=url)

    with redis_server(*KEEPS_ALL) as server:
        with proxy_to(server.port) as proxy:
            records = asyncio.run(lived(server, proxy))
        probes = orders_from(SEED, PROBES, first=stream.n_orders)
        patient = partial(RedisStore, url=server.url, timeouts=PATIENT)
        assert_holds_the_windows_of(data_dir, records, probes, patient)


@needs_postgres
@needs_redis
def test_one_of_two_services_that_share_all_is_killed(tmp_path: Path) -> None:
    ledger, stream = Ledger(), Stream(SEED)
    load = Load(stream, ledger, np.random.default_rng(SEED))

    async def lived(settings: dict[str, str], direct: str) -> list[Record]:
        with life(tmp_path / "one", **settings) as one:
            (tmp_path / "other").mkdir(mode=0o700)
            shutil.copy(tmp_path / "one" / "hash.key", tmp_path / "other")
            with life(tmp_path / "other", **settings) as other:
                async with load.running(one.port, other.port):
                    await load.acknowledged(200)
                    one.kill()
                    await load.acknowledged(200)
                await settle(other.port, ledger)
                await ask_all(other.port, ledger.settled[:], ledger)
                read = partial(postgres_records, direct)
                return await assert_all_stands(other, tmp_path / "one", ledger, read, **settings)

    with redis_server() as redis, postgres_server() as postgres:
        url = postgres.new_database()
        settings = {"FRAUDKIT_JOURNAL_URL": url, "FRAUDKIT_STORE_URL": redis.url}
        records = asyncio.run(lived(settings, url))
        probes = orders_from(SEED, PROBES, first=stream.n_orders)
        patient = partial(RedisStore, url=redis.url, timeouts=PATIENT)
        assert_holds_the_windows_of(tmp_path / "one", records, probes, patient)
