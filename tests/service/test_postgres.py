"""The service with its journal in PostgreSQL: what was answered is there for every service."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudkit.domain.decoding import decode_transaction
from fraudkit.errors import InputError, JournalError, JournalLocked, StoreError
from fraudkit.journal.postgres_alone import held_journal
from fraudkit.journal.record import DecisionRecord
from service.opening import opened
from service.settings import Settings
from tests.architecture.files import ROOT
from tests.journal.postgres_server import PostgresServer, postgres_server, why_none

pytestmark = pytest.mark.skipif(why_none() is not None, reason=str(why_none()))


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server("-c", "fsync=off") as server:
        yield server


@pytest.fixture
def settings(postgres: PostgresServer, tmp_path: Path, bundle: Path) -> Settings:
    return Settings(
        bundle=str(bundle), data_dir=str(tmp_path / "data"), journal_url=postgres.new_database()
    )


def elsewhere(settings: Settings, tmp_path: Path, *, with_key: bool) -> Settings:
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    if with_key:
        (folder / "hash.key").write_bytes((Path(settings.data_dir) / "hash.key").read_bytes())
    return msgspec.structs.replace(settings, data_dir=str(folder))


def test_services_follow_each_other_at_one_journal_and_the_second_knows_the_past(
    settings: Settings, tmp_path: Path, make_orders: Callable[..., Any]
) -> None:
    orders = [decode_transaction(msgspec.json.encode(order)) for order in make_orders(1, 2)]
    with opened(settings) as first:
        first.engine.score(orders[0])
    with opened(elsewhere(settings, tmp_path, with_key=True)) as second:
        assert second.engine.counters.events == 1
        second.engine.score(orders[1])
        records = list(second.journal.records())
    assert [record.transaction_id for record in records] == [
        order.transaction_id for order in orders
    ]
    assert not (Path(settings.data_dir) / "journal.sqlite3").exists()


def test_beside_a_service_that_keeps_its_windows_in_memory_no_other_starts(
    settings: Settings, tmp_path: Path
) -> None:
    with opened(settings):
        other = elsewhere(settings, tmp_path, with_key=True)
        with pytest.raises(JournalLocked, match=r"set FRAUDKIT_STORE_URL for both"), opened(other):
            pass
    with opened(other):
        pass


def test_services_that_share_their_windows_hold_a_journal_together(settings: Settings) -> None:
    url = settings.journal_url
    assert url is not None
    with held_journal(url, is_alone=False):
        with held_journal(url, is_alone=False), held_journal(url, schema="another", is_alone=True):
            pass
        with pytest.raises(JournalLocked), opened(settings):
            pass
    with held_journal(url, is_alone=True), pytest.raises(JournalLocked):
        held_journal(url, is_alone=False).__enter__()


def test_a_service_with_another_key_or_none_does_not_write_to_it(
    settings: Settings, tmp_path: Path, make_orders: Callable[..., Any]
) -> None:
    other = elsewhere(settings, tmp_path, with_key=False)
    with (
        opened(settings) as held,
        pytest.raises(JournalError, match=r"Got another one; copy the key of the service"),
        opened(other),
    ):
        pass
    with opened(settings) as held:
        held.engine.score(decode_transaction(msgspec.json.encode(make_orders(1, 1)[0])))
    (Path(other.data_dir) / "hash.key").unlink()
    with pytest.raises(StoreError, match=r"copy it from another service"), opened(other):
        pass


def test_a_durability_that_the_server_cannot_keep_does_not_start(settings: Settings) -> None:
    lasting = msgspec.structs.replace(settings, durability="power_loss")
    with pytest.raises(JournalError, match=r"fsync = on"), opened(lasting):
        pass


def test_the_missing_package_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fraudkit.journal.postgres", None)
    with pytest.raises(InputError, match=r"install fraudkit\[postgres\]"), opened(settings):
        pass


def test_a_killed_service_starts_again_with_all_that_it_answered(
    settings: Settings,
    tmp_path: Path,
    start_service: Callable[..., Any],
    make_stream: Callable[..., Any],
) -> None:
    url = settings.journal_url
    assert url is not None
    answers: dict[str, bytes] = {}
    stream = make_stream(3, 40)
    with (
        start_service(tmp_path / "data", FRAUDKIT_JOURNAL_URL=url) as service,
        service.client() as client,
    ):
        for path, body in stream:
            response = client.post(path, content=body)
            assert response.status_code in {200, 202}
            answers[body.decode()] = response.content
        os.kill(service.process.pid, signal.SIGKILL)
    with (
        start_service(tmp_path / "data", FRAUDKIT_JOURNAL_URL=url) as service,
        service.client() as client,
    ):
        assert client.get("/readyz").json()["journal_writable"] is True
        for path, body in stream:
            again = client.post(path, content=body)
            if path == "/v1/score":
                assert again.content == answers[body.decode()]
            else:
                assert again.json()["duplicate"] is True
    with opened(settings) as held:
        records = list(held.journal.records())
    assert len(records) == len(stream)
    assert any(isinstance(record, DecisionRecord) for record in records)


def test_no_message_at_the_start_shows_the_password(
    tmp_path: Path, service_environment: Callable[..., dict[str, str]]
) -> None:
    from tests.service.test_opening import started

    url = "postgresql://shop:not-to-be-seen@127.0.0.1:1/orders"
    ended = started(service_environment(tmp_path / "data", FRAUDKIT_JOURNAL_URL=url))
    assert ended.returncode == 2
    assert "The journal 127.0.0.1:1/orders cannot be opened" in ended.stderr
    assert "not-to-be-seen" not in ended.stderr + ended.stdout


def test_through_an_outage_of_the_database_orders_are_decided_and_kept(
    tmp_path: Path, start_service: Callable[..., Any], make_stream: Callable[..., Any]
) -> None:
    stream = make_stream(5, 8)
    decisions: dict[bytes, bytes] = {}
    with postgres_server() as server:
        url = server.new_database()
        with (
            start_service(tmp_path / "data", FRAUDKIT_JOURNAL_URL=url) as service,
            service.client() as client,
        ):

            def send(requests: list[tuple[str, bytes]]) -> None:
                for path, body in requests:
                    response = client.post(path, content=body)
                    assert response.status_code in {200, 202}
                    decisions.setdefault(path.encode() + body, response.content)
                    if path == "/v1/score":
                        assert response.content == decisions[path.encode() + body]

            send(stream[:6])
            server.stop()
            send(stream[6:])
            last = [body for path, body in stream if path == "/v1/score"][-1]
            assert client.post("/v1/score", content=last).json()["degraded"] == ["journal"]
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["journal_writable"]) == (200, False)
            assert "records wait in" in ready.json()["problems"]["journal_writable"]
            send(stream)
            os.kill(service.process.pid, signal.SIGKILL)
        server.start()
        with (
            start_service(tmp_path / "data", FRAUDKIT_JOURNAL_URL=url) as service,
            service.client() as client,
        ):
            send(stream)
            assert client.get("/readyz").json()["problems"] == {}
        settings = Settings(
            bundle=str(ROOT / "models" / "current"),
            data_dir=str(tmp_path / "data"),
            journal_url=url,
        )
        with opened(settings) as held:
            assert len(list(held.journal.records())) == len(stream)
