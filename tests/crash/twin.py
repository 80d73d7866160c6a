"""An engine that was never interrupted, fed with what a journal says that was received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np

from fraudkit.domain.decoding import decode_outcome, decode_transaction
from fraudkit.engine import Engine
from fraudkit.journal.record import Record
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import load_bundle
from tests.crash.asking import Request
from tests.crash.ledger import name_of_record
from tests.service.conftest import BUNDLE

__all__ = ["assert_decides_as_its_twin", "records_of"]


def records_of(data_dir: Path) -> list[Record]:
    """Return what stands in the journal, which a service may be writing."""
    with SqliteJournal.open_readonly(data_dir / "journal.sqlite3") as journal:
        return list(journal.records())


def assert_decides_as_its_twin(
    data_dir: Path, requests: Mapping[tuple[str, str], Request], probes: Sequence[Request]
) -> None:
    """Hold a journal, and the windows that are rebuilt from it, against an uninterrupted twin.

    The twin receives what the journal holds, in its order and at its times, and must write the
    same records: decisions, feature rows and all. Then both receive the probes.

    Parameters
    ----------
    data_dir : Path
        The data folder of a service that runs no more. The probes are written to its journal.
    requests : mapping
        By name, all that may have been received.
    probes : sequence of Request
        Orders of the customers, cards and devices of before.
    """
    hash_key = (data_dir / "hash.key").read_bytes()
    records = records_of(data_dir)
    with ExitStack() as held:

        def opened(path: Path) -> tuple[Engine, SqliteJournal]:
            journal = held.enter_context(SqliteJournal(path))
            engine = Engine.open(BUNDLE, journal=journal, hash_key=hash_key)
            return held.enter_context(engine), journal

        twin, twins_journal = opened(data_dir / "twin.sqlite3")
        for record in records:
            receive(twin, requests[name_of_record(record)], record.received_at_ms)
        names = [feature.name for feature in load_bundle(BUNDLE).features.features]
        assert_same(list(twins_journal.records()), records, names)
        restored, journal = opened(data_dir / "journal.sqlite3")
        now_ms = max(record.received_at_ms for record in records) + 1000
        for number, probe in enumerate(probes):
            for engine in (twin, restored):
                receive(engine, probe, now_ms + number)
        assert_same(list(journal.records()), list(twins_journal.records()), names)


def receive(engine: Engine, request: Request, now_ms: int) -> None:
    if request.path == "/v1/score":
        engine.score(decode_transaction(request.body), now_ms=now_ms)
    else:
        engine.record(decode_outcome(request.body), now_ms=now_ms)


def assert_same(found: list[Record], expected: list[Record], names: list[str]) -> None:
    assert len(found) == len(expected)
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        differ = differing(one, other, names)
        assert differ == {}, f"record {place}, {name_of_record(one)}: {differ}"


def differing(one: Record, other: Record, names: list[str]) -> dict[str, object]:
    """Return what differs; of the feature row, the features by name."""
    fields, others = msgspec.structs.asdict(one), msgspec.structs.asdict(other)
    found = {name: (held, others.get(name)) for name, held in fields.items()}
    found = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    if "features" in found:
        rows = [np.frombuffer(held, "<f8") for held in found.pop("features")]
        is_other = [a != b for a, b in zip(*(row.view(np.int64) for row in rows), strict=True)]
        found |= {name: tuple(row[place] for row in rows) for place, name in enumerate(names) if is_other[place]}
    return found
