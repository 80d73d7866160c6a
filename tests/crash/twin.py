"""An engine that was never interrupted, fed with what a journal says that was received."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fraudkit.domain.decoding import decode_outcome, decode_transaction
from fraudkit.engine import Engine
from fraudkit.features.plan import WindowPlan
from fraudkit.features.state import StateStore
from fraudkit.journal.record import DecisionRecord, Record
from fraudkit.journal.sqlite import SqliteJournal
from fraudkit.scoring.bundle import load_bundle
from fraudkit.stores.memory import MemoryStore
from tests.crash.asking import Request
from tests.crash.ledger import name_of_record
from tests.service.conftest import BUNDLE

__all__ = [
    "assert_decides_as_its_twin",
    "assert_goes_on_as_restored",
    "assert_holds_the_windows_of",
    "records_of",
]

_Opened = tuple[Engine, SqliteJournal]


def records_of(data_dir: Path) -> list[Record]:
    """Return what stands in the journal, which a service may be writing."""
    with SqliteJournal.open_readonly(data_dir / "journal.sqlite3") as journal:
        return list(journal.records())


def assert_decides_as_its_twin(
    data_dir: Path,
    records: list[Record],
    requests: Mapping[tuple[str, str], Request],
    probes: Sequence[Request],
) -> None:
    """Hold a journal, and the windows that are rebuilt from it, against an uninterrupted twin.

    The twin receives what the journal holds, in its order and at its times, and must write the
    same records: decisions, feature rows and all. Then both receive the probes.

    Parameters
    ----------
    data_dir : Path
        The data folder of a service that runs no more.
    records : list of Record
        Its journal.
    requests : mapping
        By name, all that may have been received.
    probes : sequence of Request
        Orders of the customers, cards and devices of before.
    """
    with ExitStack() as held:
        twin = _opened(held, data_dir, "twin")
        for record in records:
            _receive(twin[0], requests[name_of_record(record)], record.received_at_ms)
        _assert_same(list(twin[1].records()), records)
        restored = _opened(held, data_dir, "restored", filled_with=records)
        _assert_same(*_seen(restored, twin, records, probes))


def assert_goes_on_as_restored(
    data_dir: Path,
    before: list[Record],
    records: list[Record],
    requests: Mapping[tuple[str, str], Request],
) -> None:
    """Hold what a service that went on wrote since ``before`` against one that started then.

    So its windows hold what its journal holds, whatever happened to it.
    """
    with ExitStack() as held:
        restored = _opened(held, data_dir, "restored", filled_with=before)
        for record in records[len(before) :]:
            _receive(restored[0], requests[name_of_record(record)], record.received_at_ms)
        _assert_same(list(restored[1].records()), records)


def assert_holds_the_windows_of(
    data_dir: Path,
    records: list[Record],
    probes: Sequence[Request],
    store: Callable[[WindowPlan], StateStore],
) -> None:
    """Hold the windows of a store that outlives its service against those of a journal.

    Rows are compared, and no decisions: what the limits of the policy count is in the journal.
    """
    with ExitStack() as held:
        restored = _opened(held, data_dir, "restored", filled_with=records)
        shared = _opened(held, data_dir, "shared", store=store)
        seen = _seen(shared, restored, records, probes)
        _assert_same(*([_without_decision(record) for record in told] for told in seen))


def _seen(
    one: _Opened, other: _Opened, records: list[Record], probes: Sequence[Request]
) -> tuple[list[Record], list[Record]]:
    """Return what both write of requests that come after all records."""
    now_ms = max(record.received_at_ms for record in records) + 1000
    for number, probe in enumerate(probes):
        for engine, _journal in (one, other):
            _receive(engine, probe, now_ms + number)
    first, second = (list(journal.records())[-len(probes) :] for _engine, journal in (one, other))
    return first, second


def _without_decision(record: Record) -> Record:
    if isinstance(record, DecisionRecord):
        return msgspec.structs.replace(record, decision=b'{"degraded":[]}')
    return record


def _opened(
    held: ExitStack,
    data_dir: Path,
    name: str,
    *,
    filled_with: Sequence[Record] = (),
    store: Callable[[WindowPlan], StateStore] = MemoryStore,
) -> _Opened:
    journal = held.enter_context(SqliteJournal(data_dir / f"{name}.sqlite3"))
    journal.append_many(filled_with)
    hash_key = (data_dir / "hash.key").read_bytes()
    engine = Engine.open(BUNDLE, journal=journal, hash_key=hash_key, store=store)
    return held.enter_context(engine), journal


def _receive(engine: Engine, request: Request, now_ms: int) -> None:
    if request.path == "/v1/score":
        engine.score(decode_transaction(request.body), now_ms=now_ms)
    else:
        engine.record(decode_outcome(request.body), now_ms=now_ms)


def _assert_same(found: list[Record], expected: list[Record]) -> None:
    names = [feature.name for feature in load_bundle(BUNDLE).features.features]
    assert len(found) == len(expected)
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        differ = _differing(one, other, names)
        assert differ == {}, f"record {place}, {name_of_record(one)}: {differ}"


def _differing(one: Record, other: Record, names: Sequence[str]) -> dict[str, object]:
    """Return what differs; of the feature row, which is compared as bytes, the names."""
    fields, others = msgspec.structs.asdict(one), msgspec.structs.asdict(other)
    for told in (fields, others):
        if "decision" in told:
            told["decision"] = _without_journal(told["decision"])
    found = {name: (held, others.get(name)) for name, held in fields.items()}
    found = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    if "decision" in found:
        one_says, other_says = found.pop("decision")
        told = {key: (one_says[key], other_says[key]) for key in one_says}
        found |= {key: pair for key, pair in told.items() if pair[0] != pair[1]}
    if "features" in found:
        rows = [np.frombuffer(held, "<i8") for held in found.pop("features")]
        places = np.flatnonzero(rows[0] != rows[1]).tolist()
        by_name = {
            names[place]: [float(row[place].view("<f8")) for row in rows] for place in places
        }
        found = by_name | found
    return found


def _without_journal(decision: bytes) -> dict[str, Any]:
    """Return a decision without saying that it was kept elsewhere, which its twin does not."""
    told: dict[str, Any] = msgspec.json.decode(decision)
    told["degraded"] = [source for source in told["degraded"] if source != "journal"]
    return told
