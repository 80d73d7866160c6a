"""Rows of a journal's table as records; the same columns in every database."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fraudkit.errors import JournalError
from fraudkit.journal.record import DecisionRecord, OutcomeRecord, Record

__all__ = ["COLUMNS", "decision_of", "encoded_entities", "entity_text", "outcome_of", "record_of"]

COLUMNS: Final = (
    "sequence",
    "kind",
    "transaction_id",
    "received_at_ms",
    "outcome_id",
    "outcome",
    "event_time_ms",
    "amount_minor",
    "entities",
    "request_digest",
    "features_version",
    "features",
    "decision",
)
"""What a row holds, in order."""
_encode_entities = msgspec.json.Encoder().encode
_decode_entities = msgspec.json.Decoder(dict[str, int]).decode


def encoded_entities(record: DecisionRecord) -> str:
    """Return the hashes of a decision as the text of their column."""
    return _encode_entities(record.entities).decode()


def entity_text(entity: str, key: int) -> str:
    """Return a text that `encoded_entities` holds wherever an entity has a hash.

    It may hold it elsewhere too: of 12 it is also in the text of 123.

    Examples
    --------
    >>> entity_text("card", 12)
    '"card":12'
    """
    return _encode_entities({entity: key}).decode()[1:-1]


def record_of(row: tuple[Any, ...], journal: object) -> Record:
    """Return the record of a row; `JournalError` names the journal if it is damaged."""
    return decision_of(row, journal) if row[1] == "decision" else outcome_of(row)


def outcome_of(row: tuple[Any, ...]) -> OutcomeRecord:
    """Return the outcome of a row."""
    return OutcomeRecord(
        transaction_id=row[2], received_at_ms=row[3], outcome_id=row[4], outcome=row[5]
    )


def decision_of(row: tuple[Any, ...], journal: object) -> DecisionRecord:
    """Return the decision of a row; `JournalError` names the journal if it is damaged."""
    try:
        entities = _decode_entities(row[8])
    except msgspec.DecodeError as error:
        raise JournalError(
            f"The journal {journal} cannot be read at record {row[0]}: {error}; it is damaged: "
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
