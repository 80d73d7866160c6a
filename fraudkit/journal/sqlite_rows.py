"""The statements that write and read records of the SQLite journal."""

from __future__ import annotations

from fraudkit.journal.record import OutcomeRecord, Record
from fraudkit.journal.rows import COLUMNS, encoded_entities

__all__ = ["SELECT", "insertion"]

_ADD_DECISION = """
INSERT INTO record (kind, transaction_id, received_at_ms, event_time_ms, amount_minor, entities,
                    request_digest, features_version, features, decision)
VALUES ('decision', ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_ADD_OUTCOME = """
INSERT INTO record (kind, transaction_id, received_at_ms, outcome_id, outcome)
VALUES ('outcome', ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
SELECT = f"SELECT {', '.join(COLUMNS)} FROM record "  # noqa: S608 - names of ours
"""Begins a query whose rows become records."""


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
        encoded_entities(record),
        record.request_digest,
        record.features_version,
        record.features,
        record.decision,
    )
