"""What was acknowledged survives the process, and so does what it taught."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from fraudkit.domain.decoding import decode_outcome, decode_transaction
from fraudkit.engine import Engine
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.journal.sqlite import SqliteJournal
from tests.architecture.files import ROOT

CLIENTS = 4


def records_of(data_dir: Path) -> list[Record]:
    with SqliteJournal.open_readonly(data_dir / "journal.sqlite3") as journal:
        return list(journal.records())


def answered(client: httpx.Client, requests: list[tuple[str, bytes]]) -> list[bytes]:
    responses = [client.post(path, content=body) for path, body in requests]
    assert {response.status_code for response in responses} <= {200, 202}
    return [response.content for response in responses]


def test_a_restart_keeps_the_history(
    tmp_path: Path, start_service: Callable[..., Any], make_stream: Callable[..., Any]
) -> None:
    before, after = make_stream(3, 60), make_stream(3, 30, first=60)
    for part in (before, after):
        with start_service(tmp_path / "restarted") as service, service.client() as client:
            answered(client, part)
    records = records_of(tmp_path / "restarted")
    assert len(records) == len(before) + len(after)
    assert_taught_as_without_a_restart(tmp_path / "restarted", records, [*before, *after])


def assert_taught_as_without_a_restart(
    data_dir: Path, records: list[Record], requests: list[tuple[str, bytes]]
) -> None:
    """Hold what was served against an engine that received the same at the same times."""
    bodies = {name_of(body): body for _, body in requests}
    hash_key = (data_dir / "hash.key").read_bytes()
    with (
        SqliteJournal(data_dir / "steady.sqlite3") as journal,
        Engine.open(ROOT / "models" / "current", journal=journal, hash_key=hash_key) as engine,
    ):
        for record in records:
            body = bodies[name_of_record(record)]
            if isinstance(record, DecisionRecord):
                decided = engine.score(decode_transaction(body), now_ms=record.received_at_ms)
                assert msgspec.json.encode(decided) == record.decision
            else:
                engine.record(decode_outcome(body), now_ms=record.received_at_ms)
        assert rows(list(journal.records())) == rows(records)


def rows(records: list[Record]) -> list[tuple[str, bytes]]:
    return [
        (record.transaction_id, record.features)
        for record in records
        if isinstance(record, DecisionRecord)
    ]


class Load:
    """Clients that send their share of a stream until the service is gone."""

    def __init__(self, service: Any, stream: list[tuple[str, bytes]]) -> None:
        self.acknowledged: list[tuple[str, bytes, bytes]] = []
        self.unexpected: list[httpx.Response] = []
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(service, stream[share::CLIENTS]))
            for share in range(CLIENTS)
        ]

    def run_until(self, acknowledged: int, kill: Callable[[], None]) -> None:
        self._kill_at = acknowledged
        for thread in self._threads:
            thread.start()
        assert self._enough.wait(timeout=60)
        kill()
        for thread in self._threads:
            thread.join()

    def _send(self, service: Any, share: list[tuple[str, bytes]]) -> None:
        with service.client() as client:
            for path, body in share:
                try:
                    response = client.post(path, content=body)
                except httpx.TransportError:
                    return
                if response.status_code not in (200, 202):
                    self.unexpected.append(response)
                    return
                self.acknowledged.append((path, body, response.content))
                if len(self.acknowledged) >= self._kill_at:
                    self._enough.set()


def test_kill_9_under_load_loses_nothing_acknowledged_and_teaches_the_same(
    tmp_path: Path, start_service: Callable[..., Any], make_stream: Callable[..., Any]
) -> None:
    loads = [make_stream(4, 1500), make_stream(4, 1500, first=1500)]
    after = make_stream(4, 60, first=3000)
    written: list[Record] = []
    for kill_at, stream in zip((40, 300), loads, strict=True):
        with start_service(tmp_path / "killed") as service:
            load = Load(service, stream)
            load.run_until(kill_at, service.kill)
        assert load.unexpected == []
        assert len(load.acknowledged) < len(stream)
        known, written = len(written), records_of(tmp_path / "killed")
        assert_holds(written[known:], load.acknowledged)
    with start_service(tmp_path / "killed") as restarted, restarted.client() as client:
        answered(client, after)
    records = records_of(tmp_path / "killed")
    assert len(records) == len(written) + len(after)
    requests = [request for stream in (*loads, after) for request in stream]
    assert_taught_as_without_a_restart(tmp_path / "killed", records, requests)


def assert_holds(written: list[Record], acknowledged: list[tuple[str, bytes, bytes]]) -> None:
    held = {name_of_record(record): record for record in written}
    assert len(held) == len(written)
    for path, body, answer in acknowledged:
        record = held[name_of(body)]
        if path == "/v1/score":
            assert isinstance(record, DecisionRecord)
            assert record.decision == answer
    # Each client had at most one request under way when the process died.
    assert len(written) <= len(acknowledged) + CLIENTS


def name_of(body: bytes) -> tuple[str, str]:
    fields = msgspec.json.decode(body)
    if "outcome_id" in fields:
        return "outcome", fields["outcome_id"]
    return "decision", fields["transaction_id"]


def name_of_record(record: Record) -> tuple[str, str]:
    if isinstance(record, DecisionRecord):
        return "decision", record.transaction_id
    return "outcome", record.outcome_id
