"""Records as rows of the SQLite journal's table, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from fraudkit.errors import JournalError
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record

__all__ = ["SELECT", "decision_of", "insertion", "outcome_of", "record_of"]

_ADD_DECISION = """
INSERT INTO record (kind, transaction_id, received_at_ms, event_time_ms, amount_minor, entities,
                    request_digest, features_version, features, decision)
VALUES ('decision', ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_OUTCOME = """
INSERT INTO record (kind, transaction_id, received_at_ms, outcome_id, outcome)
VALUES ('outcome', ?, ?, ?, ?)
ON CONFLICT (outcome_id) WHERE outcome_id IS NOT NULL DO NOTHING
"""
SELECT = """
SELECT sequence, kind, transaction_id, received_at_ms, outcome_id, outcome, event_time_ms,
       amount_minor, entities, request_digest, features_version, features, decision
FROM record
"""
"""Begins a query whose rows become records."""
_encode_entities = msgspec.json.Encoder().encode
_decode_entities = msgspec.json.Decoder(dict[str, int]).decode


def insertion(record: Record) -> tuple[str, tuple[object, ...]]:
    """Return the statement that adds a record, and its values."""
    if isinstance(record, OutcomeRecord):
        return _ADD_OUTCOME, (
            record.transaction_id,
            record.received_at_ms,
            record.outcome_id,
            record.outcome,
        )
    return _ADD_DECISION, (
        record.transaction_id,
        record.received_at_ms,
        record.event_time_ms,
        record.amount_minor,
        _encode_entities(record.entities).decode(),
        record.request_digest,
        record.features_version,
        record.features,
        record.decision,
    )


def record_of(row: tuple[Any, ...], path: Path) -> Record:
    """Return the record of a row of `SELECT`; `JournalError` names the file if it is damaged."""
    return decision_of(row, path) if row[1] == "decision" else outcome_of(row)


def outcome_of(row: tuple[Any, ...]) -> OutcomeRecord:
    """Return the outcome of a row of `SELECT`."""
    return OutcomeRecord(
        transaction_id=row[2], received_at_ms=row[3], outcome_id=row[4], outcome=row[5]
    )


def decision_of(row: tuple[Any, ...], path: Path) -> DecisionRecord:
    """Return the decision of a row of `SELECT`; `JournalError` names the file if it is damaged."""
    try:
        entities = _decode_entities(row[8])
    except msgspec.DecodeError as error:
        raise JournalError(
            f"The journal {path} cannot be read at record {row[0]}: {error}; the file is damaged: "
            "restore it from a copy"
        ) from error
    return DecisionRecord(
        transaction_id=row[2],
        received_at_ms=row[3],
        event_time_ms=row[6],
        amount_minor=row[7],
        entities=entities,
        request_digest=row[9],
        features_version=row[10],
        features=row[11],
        decision=row[12],
    )
